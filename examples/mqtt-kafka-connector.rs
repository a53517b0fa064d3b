//! Brings the devices' readings from MQTT to the Kafka topic `device-readings`, each at least once: the MQTT broker gets its
//! acknowledgement when Kafka has given one.
//!
//! `MQTT_ADDRESS` (host:port), `KAFKA_BOOTSTRAP_SERVERS`, `LOG`.

mod shared;

use std::time::Duration;

use anyhow::Context;
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, QoS};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use shared::Backoff;

const MQTT_FILTER: &str = "f2/+/readings";
const KAFKA_TOPIC: &str = "device-readings";

/// Acknowledgements that wait for the connection to send them.
const WAITING: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    shared::start_logging();
    let address = shared::setting("MQTT_ADDRESS", "127.0.0.1:1883");
    let (host, port) = address.rsplit_once(':').context("MQTT_ADDRESS must be host:port")?;
    let port = port.parse().context("MQTT_ADDRESS must end in a port number")?;

    let producer: FutureProducer = ClientConfig::new()
        .set(
            "bootstrap.servers",
            shared::setting("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"),
        )
        .set("client.id", "mqtt-kafka-connector")
        .set("reconnect.backoff.max.ms", "2000")
        .set("message.timeout.ms", "30000")
        .create()?;

    let mut options = MqttOptions::new("mqtt-kafka-connector", host, port);
    options.set_keep_alive(Duration::from_secs(10));
    options.set_clean_session(false);
    options.set_manual_acks(true);
    let (client, connection) = AsyncClient::new(options, WAITING);
    // Not bounded here, but by what the broker keeps for a session: with a bound the loop that sends acknowledgements would
    // wait for the one that makes them, and the other way round, when a broker sends its backlog at once.
    let (sender, receiver) = mpsc::unbounded_channel();

    tokio::select! {
        () = receive(&client, connection, sender) => {}
        result = forward(&client, receiver, &producer) => result?,
        result = shared::told_to_stop() => result?,
    }
    Ok(())
}

async fn receive(client: &AsyncClient, mut connection: EventLoop, sender: mpsc::UnboundedSender<Publish>) {
    let mut backoff = Backoff::default();
    loop {
        match connection.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                info!("connected to the MQTT broker");
                backoff = Backoff::default();
                // Not awaited: the queue of requests is only emptied by this very loop.
                if let Err(error) = client.try_subscribe(MQTT_FILTER, QoS::AtLeastOnce) {
                    warn!(%error, "cannot subscribe");
                }
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                if sender.send(publish).is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) => {
                warn!(%error, "no connection to the MQTT broker");
                backoff.pause().await;
            }
        }
    }
}

async fn forward(
    client: &AsyncClient,
    mut receiver: mpsc::UnboundedReceiver<Publish>,
    producer: &FutureProducer,
) -> anyhow::Result<()> {
    while let Some(publish) = receiver.recv().await {
        // One device's readings stay in order: its name chooses the partition.
        let device = publish.topic.split('/').nth(1).unwrap_or_default();
        let mut backoff = Backoff::default();
        loop {
            let record = FutureRecord::to(KAFKA_TOPIC)
                .key(device)
                .payload(publish.payload.as_ref());
            match producer.send(record, Timeout::Never).await {
                Ok(delivery) => {
                    debug!(device, offset = delivery.offset, "delivered");
                    break;
                }
                Err((error, _)) => {
                    warn!(device, %error, "Kafka did not take a reading, trying again");
                    backoff.pause().await;
                }
            }
        }
        client.ack(&publish).await?;
    }
    Ok(())
}
