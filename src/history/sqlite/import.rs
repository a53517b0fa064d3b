//! Takes in what another history exported.

use std::collections::BTreeMap;

use health_monitor_actors::model::ServiceName;
use rusqlite::TransactionBehavior;

use super::append::{Writer, put_change, put_event, put_evidence, put_incident, put_run, put_saved};
use super::pack::{read_buckets, write_buckets};
use super::record::write_all;
use super::{Fault, merge, roll, rows, usage};
use crate::history::model::{Bucket, DAY, HOUR, RawResult, Tier, UsageBucket};
use crate::history::store::Record;

/// What belongs into one row, by the row.
type ByRow<'a, T> = BTreeMap<(i64, &'a str), Vec<T>>;

impl Writer {
    pub(super) fn import(&mut self, records: &[Record]) -> Result<(), Fault> {
        let imported = self.try_import(records);
        if imported.is_err() {
            self.forget();
        }
        imported
    }

    fn try_import(&mut self, records: &[Record]) -> Result<(), Fault> {
        let (connection, services, containers) = self.parts();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut results: ByRow<'_, RawResult> = BTreeMap::new();
        let mut minutes: ByRow<'_, Bucket> = BTreeMap::new();
        let mut hours: ByRow<'_, Bucket> = BTreeMap::new();
        let mut usage_minutes: ByRow<'_, UsageBucket> = BTreeMap::new();
        for record in records {
            match record {
                Record::Run(run) => put_run(&transaction, run)?,
                Record::Change(change) => put_change(&transaction, services, change)?,
                Record::Incident(incident) => put_incident(&transaction, services, incident)?,
                Record::Evidence { incident, found } => put_evidence(&transaction, *incident, found)?,
                Record::Event(event) => put_event(&transaction, event)?,
                Record::Saved(saved) => put_saved(&transaction, services, saved)?,
                Record::Result(entry) => {
                    let hour = rows::hour_of(entry.result.at.as_millisecond());
                    results
                        .entry((hour, entry.service.as_str()))
                        .or_default()
                        .push(entry.result.clone());
                }
                Record::Bucket { service, tier, bucket } => {
                    let (at, name) = (bucket.at.as_millisecond(), ServiceName::as_str(service));
                    match tier {
                        Tier::Minute => minutes
                            .entry((rows::hour_of(at), name))
                            .or_default()
                            .push(bucket.clone()),
                        Tier::Hour => hours
                            .entry((at.div_euclid(DAY), name))
                            .or_default()
                            .push(bucket.clone()),
                    }
                }
                Record::Usage {
                    container,
                    tier,
                    bucket,
                } => {
                    let hour = rows::hour_of(bucket.at.as_millisecond());
                    match tier {
                        Tier::Minute => usage_minutes.entry((hour, container)).or_default().push(bucket.clone()),
                        Tier::Hour => {
                            let container = containers.number(&transaction, container)?;
                            usage::put_hour(&transaction, hour, container, bucket)?;
                        }
                    }
                }
            }
        }
        for ((hour, service), mut of_hour) in results {
            let id = rows::pair(hour, services.number(&transaction, service)?);
            let select = "SELECT body FROM raw WHERE id = ?1";
            let before = rows::body(&transaction, select, id)?.map_or(0, |body| body.len());
            roll::with_earlier(&transaction, id, &mut of_hour)?;
            let body = write_all(&of_hour);
            transaction
                .prepare_cached("INSERT OR REPLACE INTO raw (id, body) VALUES (?1, ?2)")?
                .execute((id, &body))?;
            let more = i64::try_from(body.len()).unwrap_or(i64::MAX) - i64::try_from(before).unwrap_or(i64::MAX);
            transaction
                .prepare_cached(
                    "INSERT INTO raw_hour (hour, bytes) VALUES (?1, ?2)
                     ON CONFLICT (hour) DO UPDATE SET bytes = bytes + ?2",
                )?
                .execute((hour, more))?;
        }
        for ((hour, service), of_hour) in minutes {
            let id = rows::pair(hour, services.number(&transaction, service)?);
            let before = rows::body(&transaction, "SELECT body FROM minute WHERE id = ?1", id)?.unwrap_or_default();
            let mut all = read_buckets(hour * HOUR, Tier::Minute, &before)?;
            all.retain(|old| of_hour.iter().all(|new| new.at != old.at));
            all.extend(of_hour);
            all.sort_by_key(|bucket| bucket.at);
            transaction
                .prepare_cached("INSERT OR REPLACE INTO minute (id, body) VALUES (?1, ?2)")?
                .execute((id, write_buckets(hour * HOUR, Tier::Minute, &all)))?;
        }
        for ((day, service), of_day) in hours {
            merge::put_day(&transaction, services.number(&transaction, service)?, day, of_day)?;
        }
        for ((hour, container), of_hour) in usage_minutes {
            let container = containers.number(&transaction, container)?;
            let mut all = usage::of_minutes(&transaction, hour, container)?;
            all.retain(|old| of_hour.iter().all(|new| new.at != old.at));
            all.extend(of_hour);
            all.sort_by_key(|bucket| bucket.at);
            usage::put_minutes(&transaction, hour, container, &all)?;
        }
        transaction.commit()?;
        Ok(())
    }
}
