//! The exposition, whatever the names and reasons in it are.

use super::text::{Kind, Labels, Text};

/// A family of two samples stays two samples, and each label's value can be read back.
pub(crate) fn labels(bytes: &[u8]) {
    let (one, other) = bytes.split_at(bytes.len() / 2);
    let (one, other) = (String::from_utf8_lossy(one), String::from_utf8_lossy(other));
    let labels = Labels::of("service", &one).and("check", &other);
    let mut text = Text::after("", 0);
    text.family(Kind::Gauge, "fuzzed", "Help.", [(&labels, 1), (&labels, 2)]);
    let text = text.finish();
    let lines: Vec<&str> = text.split('\n').collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert_eq!(
        (lines[0], lines[1], lines[4]),
        ("# HELP fuzzed Help.", "# TYPE fuzzed gauge", "")
    );
    for (line, value) in [(lines[2], "1"), (lines[3], "2")] {
        let rest = line.strip_prefix("fuzzed{service=").unwrap();
        let (read, rest) = read_quoted(rest);
        assert_eq!(read, one);
        let (read, rest) = read_quoted(rest.strip_prefix(",check=").unwrap());
        assert_eq!(read, other);
        assert_eq!(rest, format!("}} {value}"));
    }
}

/// Reads a quoted value as Prometheus does: `\\`, `\"` and `\n` are the only escapes.
fn read_quoted(text: &str) -> (String, &str) {
    let mut letters = text.strip_prefix('"').unwrap().char_indices();
    let mut read = String::new();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (read, &text[at + 2..]),
            '\\' => match letters.next().unwrap().1 {
                'n' => read.push('\n'),
                escaped @ ('\\' | '"') => read.push(escaped),
                other => panic!("\\{other} is no escape: {text}"),
            },
            other => read.push(other),
        }
    }
    panic!("a value without an end: {text}");
}
