//! Results as SQLite keeps them: each a few bytes after the one before.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use health_monitor_actors::model::Status;

use crate::history::codec::{Malformed, Reader, put, put_bytes, put_signed};
use crate::history::model::{RawResult, ResultKind, from_millis};

const HAS_DURATION: u64 = 1;
/// The reason is another than the service's last one, and follows.
const HAS_REASON: u64 = 1 << 1;
/// A number of attempts other than one follows.
const HAS_ATTEMPTS: u64 = 1 << 2;
const KIND_SHIFT: u32 = 3;
const STATUS_SHIFT: u32 = 5;

/// What a result is told against: the one before.
#[derive(Debug, Clone, Default)]
struct Before {
    at: i64,
    reason: Option<Arc<str>>,
}

/// Writes results of one service one after the other.
pub(super) fn write_all(results: &[RawResult]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(results.len() * 6 + 64);
    let mut before = Before::default();
    put(&mut bytes, results.len() as u64);
    for result in results {
        write(&mut bytes, result, &before);
        before = Before {
            at: result.at.as_millisecond(),
            reason: Some(result.reason.clone()),
        };
    }
    bytes
}

/// Reads what [`write_all`] wrote.
pub(super) fn read_all(bytes: &[u8]) -> Result<Vec<RawResult>, Malformed> {
    let mut reader = Reader::new(bytes);
    let count = reader.number_as::<usize>()?;
    let mut results = Vec::with_capacity(count.min(bytes.len()));
    let mut before = Before::default();
    for _ in 0..count {
        let result = read(&mut reader, &before)?;
        before = Before {
            at: result.at.as_millisecond(),
            reason: Some(result.reason.clone()),
        };
        results.push(result);
    }
    Ok(results)
}

/// Writes frames: what came of all services in a second. A reason that is a service's last one is not written again, until
/// the next key frame.
#[derive(Debug, Default)]
pub(super) struct FrameWriter {
    reasons: HashMap<i64, Arc<str>>,
}

impl FrameWriter {
    /// The next frame is a key frame: it can be read without those before it.
    pub(super) fn reset(&mut self) {
        self.reasons.clear();
    }

    /// Writes a frame of results of these services, written at `at` (milliseconds since 1970).
    pub(super) fn write<'a>(&mut self, at: i64, results: impl Iterator<Item = (i64, &'a RawResult)>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (service, result) in results {
            put(&mut bytes, service.unsigned_abs());
            let reason = self.reasons.insert(service, result.reason.clone());
            write(&mut bytes, result, &Before { at, reason });
        }
        bytes
    }
}

/// Reads frames in their order, from a key frame on.
#[derive(Debug, Default)]
pub(super) struct FrameReader {
    reasons: HashMap<i64, Arc<str>>,
}

impl FrameReader {
    /// A key frame comes next.
    pub(super) fn reset(&mut self) {
        self.reasons.clear();
    }

    /// Hands out the results of the wanted services.
    pub(super) fn read(
        &mut self,
        at: i64,
        bytes: &[u8],
        is_wanted: impl Fn(i64) -> bool,
        mut take: impl FnMut(i64, RawResult),
    ) -> Result<(), Malformed> {
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let service = reader.number_as::<i64>()?;
            if is_wanted(service) {
                let reason = self.reasons.remove(&service);
                let result = read(&mut reader, &Before { at, reason })?;
                self.reasons.insert(service, result.reason.clone());
                take(service, result);
            } else {
                skip(&mut reader)?;
            }
        }
        Ok(())
    }
}

fn write(bytes: &mut Vec<u8>, result: &RawResult, before: &Before) {
    let has_reason = before.reason.as_ref() != Some(&result.reason);
    let mut head = (kind_number(result.kind) << KIND_SHIFT) | (status_number(result.status) << STATUS_SHIFT);
    head |= if result.duration.is_some() { HAS_DURATION } else { 0 };
    head |= if has_reason { HAS_REASON } else { 0 };
    head |= if result.attempts == 1 { 0 } else { HAS_ATTEMPTS };
    put(bytes, head);
    put_signed(bytes, result.at.as_millisecond() - before.at);
    if let Some(duration) = result.duration {
        put(bytes, u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }
    if result.attempts != 1 {
        put(bytes, result.attempts.into());
    }
    if has_reason {
        put_bytes(bytes, result.reason.as_bytes());
    }
}

fn read(reader: &mut Reader<'_>, before: &Before) -> Result<RawResult, Malformed> {
    let head = reader.number()?;
    let at = before.at.checked_add(reader.signed()?).ok_or(Malformed)?;
    let duration = if head & HAS_DURATION == 0 {
        None
    } else {
        Some(Duration::from_micros(reader.number()?))
    };
    let attempts = if head & HAS_ATTEMPTS == 0 {
        1
    } else {
        reader.number_as()?
    };
    let reason = if head & HAS_REASON == 0 {
        before.reason.clone().ok_or(Malformed)?
    } else {
        reader.text()?.into()
    };
    Ok(RawResult {
        at: from_millis(at),
        kind: kind_of(head >> KIND_SHIFT & 3),
        status: status_of(head >> STATUS_SHIFT)?,
        duration,
        attempts,
        reason,
    })
}

fn skip(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let head = reader.number()?;
    reader.signed()?;
    if head & HAS_DURATION != 0 {
        reader.number()?;
    }
    if head & HAS_ATTEMPTS != 0 {
        reader.number()?;
    }
    if head & HAS_REASON != 0 {
        reader.bytes()?;
    }
    Ok(())
}

fn kind_number(kind: ResultKind) -> u64 {
    match kind {
        ResultKind::Pass => 0,
        ResultKind::Warn => 1,
        ResultKind::Fail => 2,
        ResultKind::Unmeasured => 3,
    }
}

fn kind_of(number: u64) -> ResultKind {
    match number {
        0 => ResultKind::Pass,
        1 => ResultKind::Warn,
        2 => ResultKind::Fail,
        _ => ResultKind::Unmeasured,
    }
}

/// A status as a number that never means another one; their order in the code may change.
pub(super) fn status_number(status: Status) -> u64 {
    match status {
        Status::Healthy => 0,
        Status::Degraded => 1,
        Status::Unhealthy => 2,
        Status::NotFound => 3,
        Status::Error => 4,
        Status::Starting => 5,
        Status::Maintenance => 6,
        Status::Unknown => 7,
    }
}

pub(super) fn status_of(number: u64) -> Result<Status, Malformed> {
    let is_meant = |status: &Status| status_number(*status) == number;
    Status::ALL.into_iter().find(is_meant).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn results() -> impl Strategy<Value = Vec<(i64, RawResult)>> {
        let one = (
            1..20_i64,
            1_700_000_000_000..1_700_000_100_000_i64,
            (0..4_u64, 0..8_u64),
            proptest::option::of(0..100_000_000_u64),
            0..4_u32,
            prop_oneof!["answered", "[a-z ]{0,20}", "näher"],
        );
        let one = one.prop_map(|(service, at, (kind, status), micros, attempts, reason)| {
            let result = RawResult {
                at: from_millis(at),
                kind: kind_of(kind),
                status: status_of(status).unwrap(),
                duration: micros.map(Duration::from_micros),
                attempts,
                reason: reason.into(),
            };
            (service, result)
        });
        proptest::collection::vec(one, 0..60)
    }

    proptest! {
        #[test]
        fn results_read_as_they_were_written(results in results()) {
            let results: Vec<RawResult> = results.into_iter().map(|(_, result)| result).collect();
            prop_assert_eq!(read_all(&write_all(&results)), Ok(results));
        }

        #[test]
        fn frames_give_each_service_its_results(results in results(), wanted in 1..20_i64, keys in 1..5_usize) {
            let (mut writer, mut reader) = (FrameWriter::default(), FrameReader::default());
            let mut found = Vec::new();
            for (number, frame) in results.chunks(7).enumerate() {
                let at = 1_700_000_000_000 + number as i64;
                if number % keys == 0 {
                    writer.reset();
                    reader.reset();
                }
                let bytes = writer.write(at, frame.iter().map(|(service, result)| (*service, result)));
                reader.read(at, &bytes, |service| service >= wanted, |service, result| found.push((service, result))).unwrap();
            }
            let expected: Vec<_> = results.into_iter().filter(|(service, _)| *service >= wanted).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn what_was_never_written_is_an_error_and_no_panic(bytes: Vec<u8>) {
            let _any = read_all(&bytes).is_ok();
            let _any = FrameReader::default().read(0, &bytes, |_| true, |_, _| {}).is_ok();
        }
    }

    #[test]
    fn a_result_like_the_last_one_takes_few_bytes() {
        let result = |number: i64| RawResult {
            at: from_millis(1_700_000_000_000 + number * 10_000),
            kind: ResultKind::Pass,
            status: Status::Healthy,
            duration: Some(Duration::from_micros(1_800)),
            attempts: 1,
            reason: "5 of 5 brokers answer".into(),
        };
        let hour: Vec<RawResult> = (0..360).map(result).collect();
        assert!(write_all(&hour).len() < 360 * 6 + 40);
    }
}
