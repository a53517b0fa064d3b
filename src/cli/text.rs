//! Times and shares as people read them.

use jiff::Timestamp;

use crate::history::model::{DAY, HOUR, MINUTE};

/// A time in UTC, to the second.
pub(in crate::cli) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Milliseconds in their two largest units: `3d 4h`, `1m 12s`, `0.4s`.
pub(in crate::cli) fn length(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    let two = |large: i64, of_large: &str, small: i64, of_small: &str| match (millis % large) / small {
        0 => format!("{}{of_large}", millis / large),
        rest => format!("{}{of_large} {rest}{of_small}", millis / large),
    };
    match millis {
        0 => "0s".to_owned(),
        1..10_000 => format!("{:.1}s", millis as f64 / 1_000.0),
        10_000..MINUTE => format!("{}s", millis / 1_000),
        MINUTE..HOUR => two(MINUTE, "m", 1_000, "s"),
        HOUR..DAY => two(HOUR, "h", MINUTE, "m"),
        _ => two(DAY, "d", HOUR, "h"),
    }
}

/// A share in per cent, rounded down: less than all is never shown as all.
pub(in crate::cli) fn percent(share: Option<f64>) -> String {
    match share {
        Some(share) => format!("{:.2} %", (share * 10_000.0 + 1e-9).floor() / 100.0),
        None => "-".to_owned(),
    }
}

/// Microseconds as milliseconds with three digits that count.
pub(in crate::cli) fn millis(micros: Option<f64>) -> String {
    match micros.map(|micros| micros / 1_000.0) {
        None => "-".to_owned(),
        Some(millis) if millis < 10.0 => format!("{millis:.2} ms"),
        Some(millis) if millis < 100.0 => format!("{millis:.1} ms"),
        Some(millis) => format!("{millis:.0} ms"),
    }
}

/// What others wrote, on one line, without what a terminal would obey, and no longer than this.
pub(in crate::cli) fn line(text: &str, most: usize) -> String {
    let clean = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut line: String = clean.take(most + 1).collect();
    if line.chars().count() > most {
        line = line.chars().take(most - 1).collect();
        line.push('…');
    }
    line
}

/// Rows in columns, each as wide as its longest cell.
pub(in crate::cli) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_two_units() {
        for (millis, shown) in [
            (0, "0s"),
            (400, "0.4s"),
            (12_300, "12s"),
            (72_000, "1m 12s"),
            (120_000, "2m"),
            (3_661_000, "1h 1m"),
            (273_600_000, "3d 4h"),
        ] {
            assert_eq!(length(millis), shown);
        }
    }

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        assert_eq!(line("a\u{1b}[2Jb\n", 80), "a [2Jb ");
        assert_eq!(line("abcdef", 4), "abc…");
    }
}
