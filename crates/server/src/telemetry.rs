//! Traces and metrics. Traces go to stderr, so that stdout stays for what was asked for; no body of a command is ever in
//! one. Metrics are kept by a recorder of the server's own: several servers in one process do not mix theirs.

use std::io::IsTerminal as _;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// What is traced unless told otherwise.
pub const DEFAULT_FILTER: &str = "info,async_nats=warn";

/// How traces are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts writing traces to stderr. A second call in one process changes nothing.
///
/// # Errors
/// The filter cannot be read; the text says which part.
pub fn init_tracing(format: LogFormat, filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // An error here says that another subscriber is set already, which is fine for a library in tests.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

const METADATA: Metadata<'static> = Metadata::new("muster", Level::INFO, Some("muster"));

/// Upper bounds of the latency histograms, in seconds: from a memory answer to a disk that hangs.
const LATENCY_BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The metrics of one server.
pub struct Meters {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Meters {
    /// A recorder of its own.
    #[must_use]
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new().set_buckets(&LATENCY_BUCKETS).expect("there are buckets").build_recorder();
        let handle = recorder.handle();
        Self { recorder, handle }
    }

    /// A counter; `labels` are name and value.
    pub fn counter(&self, name: &'static str, labels: &[(&'static str, &'static str)]) -> Counter {
        self.recorder.register_counter(&key(name, labels), &METADATA)
    }

    /// A gauge.
    pub fn gauge(&self, name: &'static str, labels: &[(&'static str, &'static str)]) -> Gauge {
        self.recorder.register_gauge(&key(name, labels), &METADATA)
    }

    /// A gauge with a label whose value comes from the configuration.
    pub fn gauge_of(&self, name: &'static str, label: &'static str, value: &str) -> Gauge {
        self.recorder.register_gauge(&Key::from_parts(name, vec![Label::new(label, value.to_owned())]), &METADATA)
    }

    /// A histogram of seconds.
    pub fn seconds(&self, name: &'static str, labels: &[(&'static str, &'static str)]) -> Histogram {
        self.recorder.register_histogram(&key(name, labels), &METADATA)
    }

    /// Says what a metric means, once.
    pub fn describe(&self, name: &'static str, description: &'static str, kind: Kind) {
        let (name, description) = (name.into(), description.into());
        match kind {
            Kind::Counter => self.recorder.describe_counter(name, None, description),
            Kind::Gauge => self.recorder.describe_gauge(name, None, description),
            Kind::Seconds => self.recorder.describe_histogram(name, None, description),
        }
    }

    /// The Prometheus text.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It is what it is now.
    Gauge,
    /// A distribution of seconds.
    Seconds,
}

fn key(name: &'static str, labels: &[(&'static str, &'static str)]) -> Key {
    Key::from_parts(name, labels.iter().map(|(name, value)| Label::new(*name, *value)).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_servers_do_not_mix_their_numbers() {
        let (one, two) = (Meters::new(), Meters::new());
        one.describe("muster_commands_total", "Commands.", Kind::Counter);
        one.counter("muster_commands_total", &[("command", "CheckIn"), ("outcome", "done")]).increment(3);
        one.seconds("muster_command_seconds", &[]).record(0.004);
        two.gauge("muster_log_watermark", &[]).set(7.0);
        let text = one.render();
        assert!(text.contains("muster_commands_total{command=\"CheckIn\",outcome=\"done\"} 3"), "{text}");
        assert!(text.contains("muster_command_seconds_bucket{le=\"0.005\"} 1"), "{text}");
        assert!(!text.contains("muster_log_watermark"));
        assert!(two.render().contains("muster_log_watermark 7"));
    }
}
