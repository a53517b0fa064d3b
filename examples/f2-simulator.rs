//! Stands for the devices of the stack: publishes their readings to MQTT.
//!
//! `MQTT_ADDRESS` (host:port), `DEVICES` (how many), `PUBLISH_INTERVAL_MS` (between two readings of one device), `LOG`.

mod shared;

use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use serde::Serialize;
use tokio::time::MissedTickBehavior;
use tracing::{debug, info, warn};

use shared::Backoff;

/// One message on the topic `f2/<device>/readings`.
#[derive(Serialize)]
struct Reading<'a> {
    device_id: &'a str,
    time: Timestamp,
    temperature_c: f64,
    humidity_percent: f64,
}

/// A device whose values wander by small steps, as those of a room do.
struct Device {
    id: String,
    temperature_c: f64,
    humidity_percent: f64,
}

impl Device {
    fn new(number: usize) -> Self {
        Self {
            id: format!("f2-{number:03}"),
            temperature_c: 18.0 + 6.0 * fastrand::f64(),
            humidity_percent: 35.0 + 20.0 * fastrand::f64(),
        }
    }

    fn read(&mut self) -> Reading<'_> {
        self.temperature_c = (self.temperature_c + fastrand::f64() - 0.5).clamp(-10.0, 45.0);
        self.humidity_percent = (self.humidity_percent + fastrand::f64() - 0.5).clamp(0.0, 100.0);
        Reading {
            device_id: &self.id,
            time: Timestamp::now(),
            temperature_c: self.temperature_c,
            humidity_percent: self.humidity_percent,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    shared::start_logging();
    let address = shared::setting("MQTT_ADDRESS", "127.0.0.1:1883");
    let (host, port) = address.rsplit_once(':').context("MQTT_ADDRESS must be host:port")?;
    let port = port.parse().context("MQTT_ADDRESS must end in a port number")?;
    let devices: usize = shared::setting("DEVICES", "5")
        .parse()
        .context("DEVICES must be a number")?;
    let interval = shared::setting("PUBLISH_INTERVAL_MS", "1000");
    let interval = Duration::from_millis(interval.parse().context("PUBLISH_INTERVAL_MS must be a number")?);

    let mut options = MqttOptions::new("f2-simulator", host, port);
    options.set_keep_alive(Duration::from_secs(10));
    // Room for one round of readings: what cannot be sent by the next round is out of date.
    let (client, connection) = AsyncClient::new(options, devices.max(1));

    tokio::select! {
        result = publish(&client, devices, interval) => result?,
        () = stay_connected(connection) => {}
        result = shared::told_to_stop() => result?,
    }
    Ok(())
}

async fn publish(client: &AsyncClient, devices: usize, interval: Duration) -> anyhow::Result<()> {
    let mut devices: Vec<Device> = (1..=devices).map(Device::new).collect();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        for device in &mut devices {
            let topic = format!("f2/{}/readings", device.id);
            let payload = serde_json::to_vec(&device.read())?;
            if let Err(error) = client.try_publish(topic, QoS::AtLeastOnce, false, payload) {
                debug!(device = device.id, %error, "a reading is lost");
            }
        }
    }
}

async fn stay_connected(mut connection: EventLoop) {
    let mut backoff = Backoff::default();
    loop {
        match connection.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                info!("connected to the MQTT broker");
                backoff = Backoff::default();
            }
            Ok(_) => {}
            Err(error) => {
                warn!(%error, "no connection to the MQTT broker");
                backoff.pause().await;
            }
        }
    }
}
