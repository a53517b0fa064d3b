//! The text format 0.0.4 of Prometheus.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>.

use std::fmt::Write;

/// An exposition under construction.
#[derive(Debug)]
pub(super) struct Text {
    out: String,
    /// The family that was announced last; it goes on as long as samples come under its name.
    announced: &'static str,
}

/// What a family's samples are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
}

/// The labels of a sample as they are written between the braces, values escaped.
#[derive(Debug, Clone)]
pub(super) struct Labels(String);

/// The labels of a family with one sample.
pub(super) static NO_LABELS: Labels = Labels(String::new());

/// What all samples of one name begin with.
#[derive(Debug)]
struct Series {
    /// Up to the labels.
    labelled: String,
    /// Up to the value, without labels.
    bare: String,
}

/// Observations by the bucket into which they fall.
#[derive(Debug, Clone, Copy)]
pub(super) struct Histogram<'a> {
    /// One for each bound and, last, one above them all; not cumulated.
    pub(super) buckets: &'a [u64],
    /// Sum of all observations.
    pub(super) sum: f64,
}

/// A sample's value.
pub(super) trait Value {
    /// Appends it in the form in which Prometheus parses it.
    fn write(self, out: &mut String);
}

// === impl Text ===

impl Text {
    /// A piece with room for so many bytes, after another piece in which this family was announced last.
    pub(super) fn after(announced: &'static str, bytes: usize) -> Self {
        Self {
            out: String::with_capacity(bytes),
            announced,
        }
    }

    /// The family that was announced last.
    pub(super) fn announced(&self) -> &'static str {
        self.announced
    }

    /// Bytes written.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// What was written.
    pub(super) fn finish(self) -> String {
        self.out
    }

    /// Writes a family, or goes on with it; nothing at all where it has no sample.
    pub(super) fn family<'a, V: Value>(
        &mut self,
        kind: Kind,
        name: &'static str,
        help: &str,
        samples: impl IntoIterator<Item = (&'a Labels, V)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        self.head(kind, name, help);
        let series = Series::of(name, "");
        for (labels, value) in samples {
            self.sample(&series, labels, value);
        }
    }

    /// Writes a family that has one series for each possible state: 1 for the present one and 0 for the others, so that
    /// `== 0` and `changes()` work and no two states overlap.
    pub(super) fn states<'a>(
        &mut self,
        name: &'static str,
        help: &str,
        label: &str,
        states: &[&str],
        samples: impl IntoIterator<Item = (&'a Labels, &'a str)>,
    ) {
        // With the value, of which there are two: what is the same for all samples is put together once.
        let ending = |state: &str, value: u8| format!(",{label}=\"{state}\"}} {value}\n");
        let endings: Vec<_> = states
            .iter()
            .map(|state| (*state, ending(state, 0), ending(state, 1)))
            .collect();
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        self.head(Kind::Gauge, name, help);
        let series = Series::of(name, "");
        for (labels, present) in samples {
            for (state, absent, is_present) in &endings {
                self.out.push_str(&series.labelled);
                self.out.push_str(&labels.0);
                self.out.push_str(if *state == present { is_present } else { absent });
            }
        }
    }

    /// Writes a family of histograms with these upper bounds, each with its plain sample where there is one: the last
    /// duration under the family's own name, which Prometheus stores as one more series.
    pub(super) fn histograms<'a>(
        &mut self,
        name: &'static str,
        help: &str,
        bounds: &[f64],
        samples: impl IntoIterator<Item = (&'a Labels, Histogram<'a>, Option<f64>)>,
    ) {
        let bounds = bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        let bounds: Vec<String> = bounds.map(|bound| format!("le=\"{bound}\"}} ")).collect();
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        self.head(Kind::Histogram, name, help);
        let [plain_series, bucket, sum, count] =
            ["", "_bucket", "_sum", "_count"].map(|suffix| Series::of(name, suffix));
        for (labels, histogram, plain) in samples {
            let mut cumulated = 0;
            // Most buckets of a service are empty, so the number above is the one below.
            let mut written = String::from("0\n");
            for (bound, here) in bounds.iter().zip(histogram.buckets) {
                if *here > 0 {
                    cumulated += here;
                    written.clear();
                    cumulated.write(&mut written);
                    written.push('\n');
                }
                self.out.push_str(&bucket.labelled);
                if !labels.0.is_empty() {
                    self.out.push_str(&labels.0);
                    self.out.push(',');
                }
                self.out.push_str(bound);
                self.out.push_str(&written);
            }
            self.sample(&sum, labels, histogram.sum);
            self.sample(&count, labels, cumulated);
            if let Some(plain) = plain {
                self.sample(&plain_series, labels, plain);
            }
        }
    }

    /// Writes one sample of the family that was begun last.
    fn sample(&mut self, series: &Series, labels: &Labels, value: impl Value) {
        if labels.0.is_empty() {
            self.out.push_str(&series.bare);
        } else {
            self.out.push_str(&series.labelled);
            self.out.push_str(&labels.0);
            self.out.push_str("} ");
        }
        value.write(&mut self.out);
        self.out.push('\n');
    }

    fn head(&mut self, kind: Kind, name: &'static str, help: &str) {
        if self.announced == name {
            return;
        }
        self.announced = name;
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        for part in ["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"] {
            self.out.push_str(part);
        }
    }
}

// === impl Series ===

impl Series {
    fn of(name: &str, suffix: &str) -> Self {
        Self {
            labelled: format!("{name}{suffix}{{"),
            bare: format!("{name}{suffix} "),
        }
    }
}

// === impl Labels ===

impl Labels {
    /// One label.
    pub(super) fn of(name: &str, value: &str) -> Self {
        Labels(String::new()).and(name, value)
    }

    /// One more label.
    pub(super) fn and(mut self, name: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(name);
        self.0.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                _ => self.0.push(character),
            }
        }
        self.0.push('"');
        self
    }
}

// === impl Value ===

impl Value for u64 {
    fn write(self, out: &mut String) {
        // Most samples are flags.
        match self {
            0 => out.push('0'),
            1 => out.push('1'),
            _ => push_number(out, self),
        }
    }
}

impl Value for bool {
    fn write(self, out: &mut String) {
        u64::from(self).write(out);
    }
}

impl Value for f64 {
    fn write(self, out: &mut String) {
        if self.is_nan() {
            out.push_str("NaN");
        } else if self.is_infinite() {
            out.push_str(if self > 0.0 { "+Inf" } else { "-Inf" });
        } else {
            push_number(out, self);
        }
    }
}

fn push_number(out: &mut String, number: impl std::fmt::Display) {
    let written = write!(out, "{number}");
    debug_assert!(written.is_ok(), "a string takes every text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_would_end_a_label() {
        let labels = Labels::of("container", "a\"b\\c\nd").and("status", "running");
        assert_eq!(labels.0, r#"container="a\"b\\c\nd",status="running""#);
    }

    #[test]
    fn a_family_without_samples_is_not_announced() {
        let mut text = Text::after("", 0);
        text.family(Kind::Gauge, "nothing", "Nothing.", Vec::<(&Labels, u64)>::new());
        assert_eq!(text.finish(), "");
    }

    #[test]
    fn a_histogram_is_cumulated_and_its_plain_sample_comes_last() {
        let histogram = Histogram {
            buckets: &[1, 2, 0, 1],
            sum: 11.034,
        };
        let labels = Labels::of("service", "kafka");
        let mut text = Text::after("", 0);
        text.histograms("d", "D.", &[0.005, 0.5, 1.0], [(&labels, histogram, Some(0.015))]);
        let lines = [
            "# HELP d D.",
            "# TYPE d histogram",
            r#"d_bucket{service="kafka",le="0.005"} 1"#,
            r#"d_bucket{service="kafka",le="0.5"} 3"#,
            r#"d_bucket{service="kafka",le="1"} 3"#,
            r#"d_bucket{service="kafka",le="+Inf"} 4"#,
            r#"d_sum{service="kafka"} 11.034"#,
            r#"d_count{service="kafka"} 4"#,
            r#"d{service="kafka"} 0.015"#,
            "",
        ];
        assert_eq!(text.finish(), lines.join("\n"));
    }

    #[test]
    fn numbers_are_written_as_prometheus_parses_them() {
        let mut out = String::new();
        for number in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.0,
            0.015,
            1685125044.928538,
        ] {
            number.write(&mut out);
            out.push(' ');
        }
        assert_eq!(out, "NaN +Inf -Inf 0 0.015 1685125044.928538 ");
    }
}
