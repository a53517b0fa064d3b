//! Derives the Kafka topic `device-averages` from `device-readings`: each device's mean values over fixed windows of time,
//! corrected by the device's parameters, which stand in PostgreSQL.
//!
//! `KAFKA_BOOTSTRAP_SERVERS`, `DATABASE_URL`, `WINDOW_SECONDS`, `LOG`.

mod shared;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use rdkafka::{ClientConfig, Message};
use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;
use tokio_postgres::NoTls;
use tracing::{debug, info, warn};

use shared::Backoff;

const READINGS_TOPIC: &str = "device-readings";
const AVERAGES_TOPIC: &str = "device-averages";

/// How often the devices' parameters are read, and how long that may take.
const PARAMETERS_INTERVAL: Duration = Duration::from_secs(30);
const PARAMETERS_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Reading {
    device_id: String,
    time: Timestamp,
    temperature_c: f64,
    humidity_percent: f64,
}

#[derive(Serialize)]
struct Average<'a> {
    device_id: &'a str,
    window_start: Timestamp,
    readings: u32,
    temperature_c: f64,
    humidity_percent: f64,
}

/// The window under way of one device.
struct Window {
    /// Seconds since 1970, a multiple of the window's length.
    start: i64,
    readings: u32,
    temperature_sum: f64,
    humidity_sum: f64,
}

impl Window {
    fn new(start: i64) -> Self {
        Self {
            start,
            readings: 0,
            temperature_sum: 0.0,
            humidity_sum: 0.0,
        }
    }

    fn add(&mut self, reading: &Reading) {
        self.readings += 1;
        self.temperature_sum += reading.temperature_c;
        self.humidity_sum += reading.humidity_percent;
    }

    fn average<'a>(&self, device_id: &'a str, temperature_offset_c: f64) -> anyhow::Result<Average<'a>> {
        let readings = f64::from(self.readings);
        Ok(Average {
            device_id,
            window_start: Timestamp::from_second(self.start)?,
            readings: self.readings,
            temperature_c: self.temperature_sum / readings + temperature_offset_c,
            humidity_percent: self.humidity_sum / readings,
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    shared::start_logging();
    let servers = shared::setting("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092");
    let window = shared::setting("WINDOW_SECONDS", "5")
        .parse()
        .context("WINDOW_SECONDS must be a number")?;
    anyhow::ensure!(window > 0, "WINDOW_SECONDS must be at least 1");

    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", &servers)
        .set("client.id", "data-processor")
        .set("reconnect.backoff.max.ms", "2000")
        .set("group.id", "data-processor")
        .set("auto.offset.reset", "earliest")
        // How long the partitions of one that was killed wait before the next one gets them; 45 s by default.
        .set("session.timeout.ms", "10000")
        .set("allow.auto.create.topics", "true")
        .set("topic.metadata.refresh.interval.ms", "5000")
        .create()?;
    consumer.subscribe(&[READINGS_TOPIC])?;
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &servers)
        .set("client.id", "data-processor")
        .set("reconnect.backoff.max.ms", "2000")
        .set("message.timeout.ms", "30000")
        .create()?;

    tokio::select! {
        result = process(&consumer, &producer, window) => result?,
        result = shared::told_to_stop() => result?,
    }
    Ok(())
}

/// Offsets are committed by the client as readings are taken, so that a window under way is lost with the process: it is one
/// short average in a series.
async fn process(consumer: &StreamConsumer, producer: &FutureProducer, length: i64) -> anyhow::Result<()> {
    let database = shared::setting("DATABASE_URL", "postgresql://postgres:password@127.0.0.1:5432/postgres");
    let mut windows: HashMap<String, Window> = HashMap::new();
    let mut temperature_offsets = HashMap::new();
    let mut refresh = tokio::time::interval(PARAMETERS_INTERVAL);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let received = tokio::select! {
            _ = refresh.tick() => {
                let devices: Vec<&str> = windows.keys().map(String::as_str).collect();
                match tokio::time::timeout(PARAMETERS_TIMEOUT, parameters(&database, &devices)).await {
                    Ok(Ok(offsets)) => temperature_offsets = offsets,
                    Ok(Err(error)) => warn!(%error, cause = error.root_cause(), "cannot read the devices' parameters, keeping those last read"),
                    Err(_) => warn!("reading the devices' parameters takes too long, keeping those last read"),
                }
                continue;
            }
            received = consumer.recv() => received,
        };
        let message = match received {
            Ok(message) => message,
            // The client reports and tries again by itself; a pause here would only keep what it has received waiting.
            Err(error) => {
                warn!(%error, "cannot read from Kafka");
                continue;
            }
        };
        let reading: Reading = match serde_json::from_slice(message.payload().unwrap_or_default()) {
            Ok(reading) => reading,
            Err(error) => {
                warn!(offset = message.offset(), %error, "not a reading, left out");
                continue;
            }
        };
        let start = reading.time.as_second() - reading.time.as_second().rem_euclid(length);
        let window = windows
            .entry(reading.device_id.clone())
            .or_insert_with(|| Window::new(start));
        // A reading that comes late counts in the window under way, as none may change one that is closed.
        if window.start < start {
            let offset = temperature_offsets.get(&reading.device_id).copied().unwrap_or_default();
            send(producer, &window.average(&reading.device_id, offset)?).await?;
            *window = Window::new(start);
        }
        window.add(&reading);
    }
}

async fn send(producer: &FutureProducer, average: &Average<'_>) -> anyhow::Result<()> {
    let payload = serde_json::to_vec(average)?;
    let mut backoff = Backoff::default();
    loop {
        let record = FutureRecord::to(AVERAGES_TOPIC)
            .key(average.device_id)
            .payload(&payload);
        match producer.send(record, Timeout::Never).await {
            Ok(delivery) => {
                debug!(device = average.device_id, offset = delivery.offset, "delivered");
                return Ok(());
            }
            Err((error, _)) => {
                warn!(device = average.device_id, %error, "Kafka did not take an average, trying again");
                backoff.pause().await;
            }
        }
    }
}

/// Each device's temperature offset in degrees Celsius. Devices that the table does not know yet get the default.
async fn parameters(database: &str, devices: &[&str]) -> anyhow::Result<HashMap<String, f64>> {
    let (client, connection) = tokio_postgres::connect(database, NoTls).await?;
    // Ends with the client; what went wrong is told to the caller of the client as well.
    let connection = tokio::spawn(connection);
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS device_parameters (
                device_id text PRIMARY KEY,
                temperature_offset_c double precision NOT NULL DEFAULT 0
            )",
        )
        .await?;
    client
        .execute(
            "INSERT INTO device_parameters (device_id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING",
            &[&devices],
        )
        .await?;
    let rows = client
        .query("SELECT device_id, temperature_offset_c FROM device_parameters", &[])
        .await?;
    drop(client);
    connection.await??;
    let offsets: HashMap<String, f64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    info!(devices = offsets.len(), "read the devices' parameters");
    Ok(offsets)
}
