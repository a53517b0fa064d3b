//! What a container uses.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One sample of a container's resources, with what it did since the sample before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageSample {
    /// The container's name, which outlives its replacements.
    pub container: String,
    /// When it was taken, to the millisecond.
    pub at: Timestamp,
    /// Cores' worth of time, in thousandths; `None` before a second sample of the container's run.
    pub cpu_millicores: Option<u64>,
    /// Memory without inactive file cache, in bytes.
    pub memory: u64,
    /// Memory limit, in bytes.
    pub memory_limit: u64,
    /// Bytes received since the sample before.
    pub network_received: u64,
    /// Bytes sent since the sample before.
    pub network_sent: u64,
    /// Bytes read from block devices since the sample before.
    pub block_read: u64,
    /// Bytes written to block devices since the sample before.
    pub block_written: u64,
}

/// A minute or an hour of a container's resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageBucket {
    /// When it begins.
    pub at: Timestamp,
    /// Samples in it.
    pub samples: u64,
    /// Samples that tell of CPU.
    pub cpu_samples: u64,
    /// Sum over those of cores' worth of time, in thousandths: divided by them, the mean.
    pub cpu_millicores_sum: u64,
    /// The most of them.
    pub cpu_millicores_max: u64,
    /// Sum over all samples of memory without inactive file cache, in bytes.
    pub memory_sum: u64,
    /// The most of them, in bytes.
    pub memory_max: u64,
    /// The last limit, in bytes.
    pub memory_limit: u64,
    /// Bytes received.
    pub network_received: u64,
    /// Bytes sent.
    pub network_sent: u64,
    /// Bytes read from block devices.
    pub block_read: u64,
    /// Bytes written to block devices.
    pub block_written: u64,
}

// === impl UsageBucket ===

impl UsageBucket {
    /// One that begins at `at`, with nothing in it.
    pub fn empty(at: Timestamp) -> Self {
        Self {
            at,
            samples: 0,
            cpu_samples: 0,
            cpu_millicores_sum: 0,
            cpu_millicores_max: 0,
            memory_sum: 0,
            memory_max: 0,
            memory_limit: 0,
            network_received: 0,
            network_sent: 0,
            block_read: 0,
            block_written: 0,
        }
    }

    /// Counts one sample.
    pub fn add(&mut self, sample: &UsageSample) {
        self.samples += 1;
        if let Some(cpu) = sample.cpu_millicores {
            self.cpu_samples += 1;
            self.cpu_millicores_sum += cpu;
            self.cpu_millicores_max = self.cpu_millicores_max.max(cpu);
        }
        self.memory_sum = self.memory_sum.saturating_add(sample.memory);
        self.memory_max = self.memory_max.max(sample.memory);
        self.memory_limit = sample.memory_limit;
        self.network_received += sample.network_received;
        self.network_sent += sample.network_sent;
        self.block_read += sample.block_read;
        self.block_written += sample.block_written;
    }

    /// Takes in what another one counted.
    pub fn merge(&mut self, other: &UsageBucket) {
        self.samples += other.samples;
        self.cpu_samples += other.cpu_samples;
        self.cpu_millicores_sum += other.cpu_millicores_sum;
        self.cpu_millicores_max = self.cpu_millicores_max.max(other.cpu_millicores_max);
        self.memory_sum = self.memory_sum.saturating_add(other.memory_sum);
        self.memory_max = self.memory_max.max(other.memory_max);
        self.memory_limit = other.memory_limit;
        self.network_received += other.network_received;
        self.network_sent += other.network_sent;
        self.block_read += other.block_read;
        self.block_written += other.block_written;
    }

    /// Cores' worth of time on average; `None` where no sample tells.
    pub fn cpu_cores_mean(&self) -> Option<f64> {
        (self.cpu_samples > 0).then(|| self.cpu_millicores_sum as f64 / self.cpu_samples as f64 / 1000.0)
    }

    /// Memory on average, in bytes; `None` without a sample.
    pub fn memory_mean(&self) -> Option<u64> {
        self.memory_sum.checked_div(self.samples)
    }
}
