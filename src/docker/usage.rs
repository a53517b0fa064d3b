//! From the engine's counters to a sample of a container's resources.

use std::collections::HashMap;

use bollard::models::{ContainerBlkioStatEntry, ContainerMemoryStats, ContainerNetworkStats, ContainerStatsResponse};
use health_monitor_actors::model::ResourceUsage;
use jiff::Timestamp;

const NANOS_PER_SECOND: f64 = 1e9;

/// The counters that two samples are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CpuReading {
    /// When the engine read them.
    pub(super) at: Timestamp,
    /// CPU time of the container, in nanoseconds.
    pub(super) container: u64,
    /// CPU time of the whole host, idle time included, over all its cores, in nanoseconds; counted in hundredths of a
    /// second.
    pub(super) host: Option<u64>,
}

/// A sample, and what the next one is to be compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) usage: ResourceUsage,
    pub(super) reading: CpuReading,
}

/// Reads one answer. `None` where the container does not run: the engine answers with zeros then.
///
/// `previous` is the reading before, of the same run of the same container.
pub(super) fn sample(answer: &ContainerStatsResponse, previous: Option<CpuReading>) -> Option<Sample> {
    let at: Timestamp = answer.read.as_deref()?.parse().ok()?;
    let cpu = answer.cpu_stats.as_ref()?;
    let memory = answer.memory_stats.as_ref()?;
    let memory_usage = memory.usage?;
    let reading = CpuReading {
        at,
        container: cpu.cpu_usage.as_ref()?.total_usage?,
        host: cpu.system_cpu_usage,
    };
    let networks = answer.networks.as_ref();
    let blocks = answer
        .blkio_stats
        .as_ref()
        .and_then(|stats| stats.io_service_bytes_recursive.as_deref());
    let usage = ResourceUsage {
        at,
        cpu_percent: previous.and_then(|previous| share_of_host(previous, reading)),
        cpu_cores: previous.and_then(|previous| cores(previous, reading)),
        cpu_seconds: reading.container as f64 / NANOS_PER_SECOND,
        memory_usage,
        memory_working_set: working_set(memory_usage, memory),
        memory_limit: memory.limit.unwrap_or_default(),
        network_receive: over_networks(networks, |network| network.rx_bytes),
        network_transmit: over_networks(networks, |network| network.tx_bytes),
        block_read: over_blocks(blocks, 'r'),
        block_write: over_blocks(blocks, 'w'),
    };
    Some(Sample { usage, reading })
}

/// The specification's `cpu_percent`: the container's CPU time by that of the whole host, 0 to 100. `None` where a
/// counter went back, which is another run than thought, or stood still, which is too soon.
fn share_of_host(before: CpuReading, now: CpuReading) -> Option<f64> {
    let container = now.container.checked_sub(before.container)?;
    let host = now.host?.checked_sub(before.host?).filter(|host| *host > 0)?;
    Some((container as f64 / host as f64 * 100.0).min(100.0))
}

/// CPU time by the engine's own clock: 1.0 is one core busy. It does without the host's coarse counter.
fn cores(before: CpuReading, now: CpuReading) -> Option<f64> {
    let container = now.container.checked_sub(before.container)?;
    let elapsed = now.at.duration_since(before.at).as_secs_f64();
    (elapsed > 0.0).then(|| container as f64 / NANOS_PER_SECOND / elapsed)
}

/// Memory that cannot be taken back for the asking: usage without inactive file cache, as `docker stats` and cAdvisor
/// have it. Control groups of version 1 count their children's only under another name.
fn working_set(usage: u64, memory: &ContainerMemoryStats) -> u64 {
    let counters = memory.stats.as_ref();
    let inactive = counters.and_then(|counters| {
        let of_children_too = counters.get("total_inactive_file");
        of_children_too.or_else(|| counters.get("inactive_file")).copied()
    });
    inactive
        .and_then(|inactive| usage.checked_sub(inactive))
        .unwrap_or(usage)
}

fn over_networks(
    networks: Option<&HashMap<String, ContainerNetworkStats>>,
    count: impl Fn(&ContainerNetworkStats) -> Option<u64>,
) -> Option<u64> {
    let networks = networks.filter(|networks| !networks.is_empty())?;
    Some(total(networks.values().filter_map(count)))
}

fn over_blocks(entries: Option<&[ContainerBlkioStatEntry]>, operation: char) -> Option<u64> {
    let entries = entries.filter(|entries| !entries.is_empty())?;
    let wanted = entries.iter().filter(|entry| {
        let first = entry.op.as_deref().and_then(|name| name.chars().next());
        first.is_some_and(|first| first.eq_ignore_ascii_case(&operation))
    });
    Some(total(wanted.filter_map(|entry| entry.value)))
}

/// Counters of an engine that went mad add up to the largest number, and not to a panic.
fn total(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the shape of Engine 20.10 on control groups of version 1.
    const VERSION_1: &str = r#"{
        "read": "2026-01-01T00:00:10.5Z", "preread": "0001-01-01T00:00:00Z",
        "pids_stats": {"current": 1}, "num_procs": 0, "storage_stats": {},
        "blkio_stats": {"io_service_bytes_recursive": [
            {"major": 254, "minor": 0, "op": "Read", "value": 4096}, {"major": 254, "minor": 0, "op": "Write", "value": 512},
            {"major": 254, "minor": 0, "op": "Sync", "value": 7}, {"major": 254, "minor": 0, "op": "Total", "value": 4608}],
            "io_serviced_recursive": null},
        "cpu_stats": {"cpu_usage": {"total_usage": 3000000000, "percpu_usage": [1, 2], "usage_in_kernelmode": 0,
            "usage_in_usermode": 0}, "system_cpu_usage": 120000000000, "online_cpus": 2, "throttling_data": {"periods": 0}},
        "precpu_stats": {"cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0}},
        "memory_stats": {"usage": 1540096, "max_usage": 2000000, "limit": 25276510208,
            "stats": {"inactive_file": 1, "total_inactive_file": 1208320, "hierarchical_memory_limit": 9223372036854771712}},
        "name": "/x", "id": "ab",
        "networks": {"eth0": {"rx_bytes": 10, "tx_bytes": 1}, "eth1": {"rx_bytes": 20, "tx_bytes": 2}}}"#;

    /// In the shape of a newer engine on control groups of version 2.
    const VERSION_2: &str = r#"{
        "read": "2026-01-01T00:00:10.5Z",
        "blkio_stats": {"io_service_bytes_recursive": [
            {"op": "read", "value": 100}, {"op": "write", "value": 200}, {"op": "read", "value": 1}]},
        "cpu_stats": {"cpu_usage": {"total_usage": 5}, "system_cpu_usage": 6, "online_cpus": 2},
        "memory_stats": {"usage": 1000, "limit": 4000, "stats": {"inactive_file": 300}}}"#;

    /// What an engine answers for a container that does not run.
    const STOPPED: &str = r#"{"read": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 0}},
        "memory_stats": {}, "blkio_stats": {"io_service_bytes_recursive": null}}"#;

    fn read(json: &str, previous: Option<CpuReading>) -> Option<Sample> {
        sample(&serde_json::from_str(json).unwrap(), previous)
    }

    fn before(container: u64, host: Option<u64>) -> CpuReading {
        CpuReading {
            at: "2026-01-01T00:00:00.5Z".parse().unwrap(),
            container,
            host,
        }
    }

    #[test]
    fn a_first_sample_has_everything_but_a_rate() {
        let usage = read(VERSION_1, None).unwrap().usage;
        assert_eq!(
            (usage.cpu_percent, usage.cpu_cores, usage.cpu_seconds),
            (None, None, 3.0)
        );
        assert_eq!(usage.memory_usage, 1_540_096);
        assert_eq!(usage.memory_working_set, 331_776);
        assert_eq!(usage.memory_limit, 25_276_510_208);
        assert_eq!((usage.network_receive, usage.network_transmit), (Some(30), Some(3)));
        assert_eq!((usage.block_read, usage.block_write), (Some(4096), Some(512)));
    }

    #[test]
    fn a_second_one_has_both_rates() {
        // One second of 20 that two cores had in ten: 5 % of the host, a tenth of a core.
        let usage = read(VERSION_1, Some(before(2_000_000_000, Some(100_000_000_000))))
            .unwrap()
            .usage;
        assert_eq!(usage.cpu_percent, Some(5.0));
        assert_eq!(usage.cpu_cores, Some(0.1));
    }

    #[test]
    fn a_counter_that_went_back_or_stood_still_gives_no_rate() {
        let went_back = read(VERSION_1, Some(before(3_000_000_001, Some(1)))).unwrap().usage;
        assert_eq!((went_back.cpu_percent, went_back.cpu_cores), (None, None));

        let host_stood_still = read(VERSION_1, Some(before(2_000_000_000, Some(120_000_000_000))))
            .unwrap()
            .usage;
        assert_eq!(host_stood_still.cpu_percent, None);
        assert!(host_stood_still.cpu_cores.is_some());

        let same = read(VERSION_1, None).unwrap().reading;
        let no_time_passed = read(VERSION_1, Some(same)).unwrap().usage;
        assert_eq!((no_time_passed.cpu_percent, no_time_passed.cpu_cores), (None, None));
    }

    #[test]
    fn never_more_than_the_whole_host() {
        // The two counters are read one after the other, so the ratio can pass one.
        let usage = read(VERSION_1, Some(before(0, Some(118_000_000_000)))).unwrap().usage;
        assert_eq!(usage.cpu_percent, Some(100.0));
    }

    #[test]
    fn reads_version_2_and_no_networks() {
        let usage = read(VERSION_2, None).unwrap().usage;
        assert_eq!((usage.memory_usage, usage.memory_working_set), (1000, 700));
        assert_eq!((usage.network_receive, usage.network_transmit), (None, None));
        assert_eq!((usage.block_read, usage.block_write), (Some(101), Some(200)));
    }

    #[test]
    fn a_stopped_container_has_no_sample() {
        assert_eq!(read(STOPPED, None), None);
        assert_eq!(read("{}", None), None);
    }
}
