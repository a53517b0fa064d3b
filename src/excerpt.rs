//! What others wrote, made fit to be shown.

/// The beginning of a text: on one line, without control characters, at most `most` characters of it and an ellipsis where
/// there is more. A text of a megabyte costs no more memory than what is shown.
pub(crate) fn excerpt(text: &str, most: usize) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let mut shown = String::new();
    let mut room = most;
    for word in words.filter(|word| !word.is_empty()) {
        let blank = (!shown.is_empty()).then_some(' ');
        for letter in blank.into_iter().chain(word.chars()) {
            if room == 0 {
                shown.push('…');
                return shown;
            }
            shown.push(letter);
            room -= 1;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_line_without_control_characters() {
        assert_eq!(
            excerpt(" FATAL:\tno\r\n\u{1b}[31mroom\u{0} \n", 80),
            "FATAL: no [31mroom"
        );
        assert_eq!(excerpt("\n \t", 80), "");
    }

    #[test]
    fn is_cut_where_it_is_too_long_and_only_there() {
        assert_eq!(excerpt("ä bc", 4), "ä bc");
        assert_eq!(excerpt("ä bcd", 4), "ä bc…");
        assert_eq!(excerpt("ä bc d", 4), "ä bc…");
        assert_eq!(excerpt(&"x".repeat(1_000_000), 3), "xxx…");
    }
}
