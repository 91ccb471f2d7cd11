//! The families `process_*` that every client library of Prometheus has, from /proc/self (proc(5)).

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads again at each scrape; what cannot be read is left out.
#[derive(Debug)]
struct Process {
    started: f64,
}

pub(super) fn register(registry: &mut Registry) {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    registry.register_collector(Box::new(Process { started }));
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let mut gauge = |name, help, value: f64| {
            let gauge = ConstGauge::new(value);
            let descriptor = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(descriptor)
        };
        gauge("process_start_time_seconds", "When the worker began, since 1970.", self.started)?;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        if let Some(bytes) = bytes(&status, "VmRSS:") {
            gauge("process_resident_memory_bytes", "Memory that is resident.", bytes)?;
        }
        if let Some(bytes) = bytes(&status, "VmSize:") {
            gauge("process_virtual_memory_bytes", "Address space.", bytes)?;
        }
        if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
            // One of them reads the directory.
            let count = u32::try_from(descriptors.count().saturating_sub(1)).unwrap_or(u32::MAX);
            gauge("process_open_fds", "Open file descriptors.", count.into())?;
        }
        if let Ok((most, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
            gauge("process_max_fds", "Most open file descriptors.", float(most))?;
        }
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            let seconds = [usage.user_time(), usage.system_time()]
                .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6);
            let counter = ConstCounter::new(seconds[0] + seconds[1]);
            let help = "Processor time, user and system.";
            let descriptor =
                encoder.encode_descriptor("process_cpu_seconds", help, None, counter.metric_type())?;
            counter.encode(descriptor)?;
        }
        Ok(())
    }
}

/// A line of /proc/self/status in kB.
fn bytes(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib * 1024.0)
}

#[expect(clippy::cast_precision_loss, reason = "a limit of 2^53 descriptors is none")]
fn float(number: u64) -> f64 {
    number as f64
}
