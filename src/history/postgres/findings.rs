//! What results found, written once an hour.
//!
//! A service says the same for hours: of each result only its time, its duration and a number are written, and what the
//! number stands for lies in `finding`, cut by the hour as the results are, so that it goes with them. A finding may be
//! there twice under two numbers, where a monitor was started anew or there were too many to remember; that does no harm.

use std::collections::HashMap;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;

use health_monitor_actors::model::Status;
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};

use super::read::Asking;
use super::statements::Statements;
use super::{Fault, copy, status_of, storable, time};
use crate::history::model::{HOUR, RawResult, ResultKind, from_millis};
use crate::history::store::StoreError;

/// Hours whose findings are remembered: the present one, and the one before for what comes late.
const HOURS: usize = 2;

/// Findings of an hour that are remembered, so that reasons that differ each time do not fill the memory.
const MOST: usize = 32_768;

static COLUMNS: [Type; 6] = [
    Type::TIMESTAMPTZ,
    Type::INT4,
    Type::TEXT,
    Type::TEXT,
    Type::INT4,
    Type::TEXT,
];

/// What a result found, without when and how fast.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Finding {
    pub(super) kind: ResultKind,
    pub(super) status: Status,
    pub(super) attempts: u32,
    pub(super) reason: Arc<str>,
}

/// The numbers of findings; forgotten with a transaction that failed.
#[derive(Debug, Default)]
pub(super) struct Findings {
    hours: BTreeMap<i64, Dictionary>,
}

#[derive(Debug, Default)]
struct Dictionary {
    last: i32,
    known: HashMap<Finding, i32>,
}

impl Findings {
    /// The numbers of what these results found, in their order; what is new among it is written. The hours' partitions
    /// must be there.
    pub(super) async fn numbers(
        &mut self,
        transaction: &Transaction<'_>,
        statements: &mut Statements,
        results: impl Iterator<Item = &RawResult>,
    ) -> Result<Vec<i32>, Fault> {
        let mut numbers = Vec::new();
        let mut new = Vec::new();
        for result in results {
            let hour = result.at.as_millisecond().div_euclid(HOUR);
            let dictionary = match self.hours.entry(hour) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(Dictionary::open(transaction, hour).await?),
            };
            let finding = Finding::of(result);
            if let Some(number) = dictionary.known.get(&finding) {
                numbers.push(*number);
                continue;
            }
            let number = dictionary.add(finding.clone())?;
            numbers.push(number);
            new.push((hour, number, finding));
        }
        if !new.is_empty() {
            write(transaction, statements, &new).await?;
        }
        while self.hours.len() > HOURS {
            self.hours.pop_first();
        }
        Ok(numbers)
    }

    /// An hour's findings were deleted.
    pub(super) fn dropped(&mut self, hour: i64) {
        self.hours.remove(&hour);
    }

    /// What was learned may not be so.
    pub(super) fn forget(&mut self) {
        self.hours.clear();
    }
}

impl Dictionary {
    async fn open(transaction: &Transaction<'_>, hour: i64) -> Result<Self, Fault> {
        let last = "SELECT coalesce(max(id), 0) FROM finding WHERE at = $1";
        let last = transaction.query_one(last, &[&time(from_millis(hour * HOUR))]).await?;
        Ok(Self {
            last: last.get(0),
            known: HashMap::new(),
        })
    }

    fn add(&mut self, finding: Finding) -> Result<i32, Fault> {
        let too_many = || StoreError::Failed("an hour has more findings than there are numbers".to_owned());
        self.last = self.last.checked_add(1).ok_or_else(too_many)?;
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(finding, self.last);
        Ok(self.last)
    }
}

async fn write(
    transaction: &Transaction<'_>,
    statements: &mut Statements,
    findings: &[(i64, i32, Finding)],
) -> Result<(), Fault> {
    let put = "COPY finding (at, id, kind, status, attempts, reason) FROM STDIN (FORMAT binary)";
    let put = statements.get(transaction, put).await?;
    let mut rows = copy::Rows::new(transaction.copy_in(&put).await?, &COLUMNS);
    for (hour, number, finding) in findings {
        let attempts = i32::try_from(finding.attempts).unwrap_or(i32::MAX);
        rows.put(&[
            &time(from_millis(hour * HOUR)),
            number,
            &finding.kind.as_str(),
            &finding.status.as_str(),
            &attempts,
            &storable(&finding.reason),
        ])
        .await?;
    }
    rows.finish().await
}

/// The findings of these numbers of an hour.
pub(super) async fn of_hour(asking: &dyn Asking, hour: i64, numbers: &[i32]) -> Result<HashMap<i32, Finding>, Fault> {
    let select = "SELECT id, kind, status, attempts, reason FROM finding WHERE at = $1 AND id = ANY($2::int[])";
    let found = asking.ask(select, &[&time(from_millis(hour * HOUR)), &numbers]).await?;
    found.iter().map(|row| Ok((row.get(0), Finding::read(row)?))).collect()
}

/// What kinds the findings of an hour are of.
pub(super) async fn kinds_of_hour(asking: &dyn Asking, hour: i64) -> Result<HashMap<i32, ResultKind>, Fault> {
    let select = "SELECT id, kind FROM finding WHERE at = $1";
    let found = asking.ask(select, &[&time(from_millis(hour * HOUR))]).await?;
    found.iter().map(|row| Ok((row.get(0), kind_of(row.get(1))?))).collect()
}

// === impl Finding ===

impl Finding {
    fn of(result: &RawResult) -> Self {
        Self {
            kind: result.kind,
            status: result.status,
            attempts: result.attempts,
            reason: result.reason.clone(),
        }
    }

    fn read(row: &Row) -> Result<Self, Fault> {
        Ok(Self {
            kind: kind_of(row.get(1))?,
            status: status_of(row.get(2))?,
            attempts: row.get::<_, i32>(3).unsigned_abs(),
            reason: row.get::<_, &str>(4).into(),
        })
    }
}

fn kind_of(word: &str) -> Result<ResultKind, StoreError> {
    let kinds = [
        ResultKind::Pass,
        ResultKind::Warn,
        ResultKind::Fail,
        ResultKind::Unmeasured,
    ];
    let kind = kinds.into_iter().find(|kind| kind.as_str() == word);
    kind.ok_or_else(|| StoreError::Failed(format!("'{word}' is no kind of result")))
}
