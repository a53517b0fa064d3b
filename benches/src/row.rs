//! One line of the table: what was measured, what it must reach, and what it is compared with.

use serde_json::{Value, json};

use crate::figures::median;

/// What is measured, with the values of all runs.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    what: String,
    unit: Unit,
    /// One for each run; none where it could not be measured, for the reason given.
    values: Vec<f64>,
    not_run: Option<String>,
    target: Option<Target>,
    reference: Option<Reference>,
}

/// What the values count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Microseconds.
    Micros,
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Of one core.
    Percent,
    /// 2^20 bytes.
    Mebibytes,
    /// Things.
    Count,
    /// Things a second.
    PerSecond,
}

/// What must be reached.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// No more than this.
    AtMost(f64),
    /// No more than this many times the reference.
    Times(f64),
    /// Less than the reference, by whatever factor.
    BelowReference,
}

/// What it is compared with, measured in the same run.
#[derive(Debug, Clone)]
struct Reference {
    name: String,
    values: Vec<f64>,
}

// === impl Row ===

impl Row {
    /// Of these values, one for each run.
    pub(crate) fn new(what: impl Into<String>, unit: Unit, values: Vec<f64>) -> Self {
        Self {
            what: what.into(),
            unit,
            values,
            not_run: None,
            target: None,
            reference: None,
        }
    }

    /// Of something that could not be measured, for this reason.
    pub(crate) fn not_run(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            not_run: Some(reason.into()),
            ..Self::new(what, Unit::Count, Vec::new())
        }
    }

    /// What must be reached.
    #[must_use]
    pub(crate) fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// What it is compared with: one value for each run.
    #[must_use]
    pub(crate) fn beside(mut self, name: impl Into<String>, values: Vec<f64>) -> Self {
        self.reference = Some(Reference {
            name: name.into(),
            values,
        });
        self
    }

    /// What was measured.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// The median of all runs.
    pub(crate) fn value(&self) -> f64 {
        median(&self.values)
    }

    /// The median of the runs' ratios to the reference.
    fn ratio(&self) -> Option<f64> {
        let reference = self.reference.as_ref()?;
        let both = self.values.iter().zip(&reference.values);
        let ratios: Vec<f64> = both.map(|(value, reference)| value / reference).collect();
        (!ratios.is_empty())
            .then(|| median(&ratios))
            .filter(|ratio| ratio.is_finite())
    }

    fn is_reached(&self) -> Option<bool> {
        match self.target? {
            Target::AtMost(most) => Some(self.value() <= most),
            Target::Times(times) => Some(self.ratio()? <= times),
            Target::BelowReference => Some(self.ratio()? < 1.0),
        }
    }

    /// Everything is there that was to be measured: a value for each run, and a ratio where there is something to compare.
    pub(crate) fn is_complete(&self) -> bool {
        let is_measured = |values: &[f64]| !values.is_empty() && values.iter().all(|value| value.is_finite());
        // Nothing is a figure too, as of a lateness, although there is no ratio to it.
        let has_reference = |reference: &Reference| is_measured(&reference.values);
        self.not_run.is_some() || (is_measured(&self.values) && self.reference.as_ref().is_none_or(has_reference))
    }

    /// Its cells: what, target, this run, reference, ratio, verdict.
    pub(crate) fn cells(&self, is_judged: bool) -> [String; 6] {
        let target = match self.target {
            Some(Target::AtMost(most)) => format!("≤ {}", self.unit.show(most)),
            Some(Target::Times(times)) => format!("≤ {times} ×"),
            Some(Target::BelowReference) => "< 1 ×".to_owned(),
            None => String::new(),
        };
        if let Some(reason) = &self.not_run {
            return [
                self.what.clone(),
                target,
                "not run".to_owned(),
                reason.clone(),
                String::new(),
                String::new(),
            ];
        }
        let reference = self.reference.as_ref().map_or_else(String::new, |reference| {
            format!("{}: {}", reference.name, self.unit.show(median(&reference.values)))
        });
        let verdict = match self.is_reached() {
            _ if !is_judged => "",
            Some(true) => "reached",
            Some(false) => "missed",
            None => "",
        };
        let ratio = self
            .ratio()
            .map_or_else(String::new, |ratio| format!("{} ×", digits(ratio)));
        [
            self.what.clone(),
            target,
            self.unit.show(self.value()),
            reference,
            ratio,
            verdict.to_owned(),
        ]
    }

    /// All of it, with the values of every run.
    pub(crate) fn json(&self) -> Value {
        let target = self.target.map(|target| match target {
            Target::AtMost(most) => json!({"at_most": most}),
            Target::Times(times) => json!({"at_most_times_reference": times}),
            Target::BelowReference => json!({"below_reference": true}),
        });
        json!({
            "what": self.what,
            "unit": self.unit.name(),
            "median": self.not_run.is_none().then(|| self.value()),
            "runs": self.values,
            "not_run": self.not_run,
            "target": target,
            "reference": self.reference.as_ref().map(|reference| json!({
                "name": reference.name,
                "median": median(&reference.values),
                "runs": reference.values,
            })),
            "ratio": self.ratio(),
            "reached": self.is_reached(),
        })
    }
}

// === impl Unit ===

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Micros => "µs",
            Unit::Millis => "ms",
            Unit::Seconds => "s",
            Unit::Percent => "%",
            Unit::Mebibytes => "MiB",
            Unit::Count => "",
            Unit::PerSecond => "/s",
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Unit::Count => digits(value),
            Unit::PerSecond => format!("{}/s", digits(value)),
            _ => format!("{} {}", digits(value), self.name()),
        }
    }
}

/// Three digits that count, or all those before the point.
fn digits(value: f64) -> String {
    let places = match value.abs() {
        0.0 => 0,
        size if size < 1.0 => 3,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.places$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_judged_by_the_median_of_the_ratios() {
        let row = Row::new("a check", Unit::Micros, vec![50.0, 90.0, 66.0]).beside("floor", vec![30.0, 40.0, 33.0]);
        let row = row.target(Target::Times(2.0));
        let [what, target, value, reference, ratio, verdict] = row.cells(true);
        assert_eq!(
            (what.as_str(), target.as_str(), value.as_str()),
            ("a check", "≤ 2 ×", "66.0 µs")
        );
        assert_eq!(
            (reference.as_str(), ratio.as_str(), verdict.as_str()),
            ("floor: 33.0 µs", "2.00 ×", "reached")
        );
        assert!(row.is_complete());
        assert_eq!(row.target(Target::BelowReference).cells(true)[5], "missed");
    }

    #[test]
    fn what_was_not_run_says_why_and_reaches_nothing() {
        let row = Row::not_run("a peer", "it is not here").target(Target::AtMost(1.0));
        assert_eq!(row.cells(true)[2..4], ["not run", "it is not here"]);
        assert!(row.is_complete());
        assert!(!Row::new("nothing", Unit::Count, Vec::new()).is_complete());
    }

    #[test]
    fn numbers_have_three_digits_or_all_before_the_point() {
        let shown = [0.0, 0.0123, 1.234, 12.34, 123.4, 12_345.6].map(digits);
        assert_eq!(shown, ["0", "0.012", "1.23", "12.3", "123", "12346"]);
    }
}
