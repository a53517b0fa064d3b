//! Writes the averages of the Kafka topic `device-averages` into the table `device_averages` of TimescaleDB, each at least
//! once: an offset is committed when its row is.
//!
//! `KAFKA_BOOTSTRAP_SERVERS`, `DATABASE_URL`, `LOG`.

mod shared;

use jiff::Timestamp;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::{ClientConfig, Message};
use serde::Deserialize;
use tokio_postgres::{Client, NoTls};
use tracing::{debug, error, info, warn};

use shared::Backoff;

const AVERAGES_TOPIC: &str = "device-averages";

#[derive(Deserialize)]
struct Average {
    device_id: String,
    window_start: Timestamp,
    readings: i32,
    temperature_c: f64,
    humidity_percent: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    shared::start_logging();
    let consumer: StreamConsumer = ClientConfig::new()
        .set(
            "bootstrap.servers",
            shared::setting("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"),
        )
        .set("client.id", "kafka-timescale-sink")
        .set("reconnect.backoff.max.ms", "2000")
        .set("group.id", "kafka-timescale-sink")
        .set("auto.offset.reset", "earliest")
        // How long the partitions of one that was killed wait before the next one gets them; 45 s by default.
        .set("session.timeout.ms", "10000")
        .set("enable.auto.commit", "false")
        .set("allow.auto.create.topics", "true")
        .set("topic.metadata.refresh.interval.ms", "5000")
        .create()?;
    consumer.subscribe(&[AVERAGES_TOPIC])?;

    tokio::select! {
        result = write_all(&consumer) => result?,
        result = shared::told_to_stop() => result?,
    }
    Ok(())
}

async fn write_all(consumer: &StreamConsumer) -> anyhow::Result<()> {
    let mut table = Table::new(shared::setting(
        "DATABASE_URL",
        "postgresql://postgres:password@127.0.0.1:5433/postgres",
    ));
    loop {
        let message = match consumer.recv().await {
            Ok(message) => message,
            // The client reports and tries again by itself; a pause here would only keep what it has received waiting.
            Err(error) => {
                warn!(%error, "cannot read from Kafka");
                continue;
            }
        };
        match serde_json::from_slice(message.payload().unwrap_or_default()) {
            Ok(average) => {
                let mut backoff = Backoff::default();
                while let Err(error) = table.write(&average).await {
                    warn!(%error, cause = error.root_cause(), "cannot write to the database, trying again");
                    backoff.pause().await;
                }
                debug!(device = average.device_id, offset = message.offset(), "written");
            }
            Err(error) => warn!(offset = message.offset(), %error, "not an average, left out"),
        }
        consumer.commit_message(&message, CommitMode::Async)?;
    }
}

/// The table, and the connection to its database while there is one.
struct Table {
    database: String,
    client: Option<Client>,
}

impl Table {
    fn new(database: String) -> Self {
        Self { database, client: None }
    }

    async fn write(&mut self, average: &Average) -> anyhow::Result<()> {
        let client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.open().await?,
        };
        // An average that comes a second time, because its offset was not committed, replaces itself.
        client
            .execute(
                "INSERT INTO device_averages (device_id, window_start, readings, temperature_c, humidity_percent)
                VALUES ($1, to_timestamp($2::double precision), $3, $4, $5)
                ON CONFLICT (device_id, window_start) DO UPDATE SET
                    readings = excluded.readings,
                    temperature_c = excluded.temperature_c,
                    humidity_percent = excluded.humidity_percent",
                &[
                    &average.device_id,
                    &average.window_start.as_duration().as_secs_f64(),
                    &average.readings,
                    &average.temperature_c,
                    &average.humidity_percent,
                ],
            )
            .await?;
        self.client = Some(client);
        Ok(())
    }

    async fn open(&self) -> anyhow::Result<Client> {
        let (client, connection) = tokio_postgres::connect(&self.database, NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                error!(%error, "the connection to the database broke");
            }
        });
        client
            .batch_execute(
                "CREATE TABLE IF NOT EXISTS device_averages (
                    device_id text NOT NULL,
                    window_start timestamptz NOT NULL,
                    readings integer NOT NULL,
                    temperature_c double precision NOT NULL,
                    humidity_percent double precision NOT NULL,
                    PRIMARY KEY (device_id, window_start)
                )",
            )
            .await?;
        let available = "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'";
        let hypertable = client.query_opt(available, &[]).await?.is_some();
        if hypertable {
            client
                .batch_execute(
                    "CREATE EXTENSION IF NOT EXISTS timescaledb;
                    SELECT create_hypertable('device_averages', 'window_start', if_not_exists => TRUE)",
                )
                .await?;
        }
        info!(hypertable, "connected to the database");
        Ok(client)
    }
}
