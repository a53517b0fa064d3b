//! What somebody who misspelled a name may have meant.

/// The known name closest to a misspelled one, if one is close enough to be meant.
pub(super) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let meant = fold(name);
    // A third of the letters may be wrong, so that a short name does not suggest just any other.
    let limit = (meant.chars().count() / 3).max(1);
    let distances = known
        .into_iter()
        .map(|candidate| (distance(&meant, &fold(candidate)), candidate));
    let (nearest, candidate) = distances.min_by_key(|(distance, _)| *distance)?;
    (nearest <= limit).then_some(candidate)
}

/// The words to append to a message about an unknown name.
pub(super) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(name, known).map_or_else(String::new, |candidate| format!("; did you mean '{candidate}'?"))
}

/// The form in which names of keys, sections and services are the same for variables and suggestions: without regard
/// to case and to `-` or `_`.
pub(super) fn fold(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// Edits that turn one text into the other: letters put in, taken out, exchanged, or swapped with their neighbour
/// (optimal string alignment distance).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous_letter = None;
    for (row, letter) in from.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in to.iter().copied().enumerate() {
            let exchanged = last[column] + usize::from(letter != other);
            let mut best = exchanged.min(last[column + 1] + 1).min(current[column] + 1);
            if column > 0 && previous_letter == Some(other) && to[column - 1] == letter {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        previous_letter = Some(letter);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (from, to, edits) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("intreval", "interval", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(from, to), edits, "{from} {to}");
        }
    }

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let known = ["interval", "timeout", "retries"];
        assert_eq!(closest("intervall", known), Some("interval"));
        assert_eq!(closest("Time-Out", known), Some("timeout"));
        assert_eq!(closest("password", known), None);
        assert_eq!(closest("x", []), None);
    }
}
