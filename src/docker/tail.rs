//! The end of a log, within a bound.

/// Bytes of which the last are kept.
#[derive(Debug)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    most: usize,
    /// Its first line may have lost its beginning.
    is_cut: bool,
}

impl Tail {
    /// Keeps at most this many.
    pub(super) fn of(most: usize) -> Self {
        Self {
            bytes: Vec::new(),
            most,
            is_cut: false,
        }
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        // Not at every piece, so that what is kept is not moved each time.
        if self.bytes.len() > 2 * self.most {
            self.cut();
        }
    }

    /// Whole lines only: what is left of a line that lost its beginning may be a secret whose name was cut off.
    pub(super) fn lines(mut self) -> String {
        self.cut();
        let whole = match self.bytes.iter().position(|byte| *byte == b'\n') {
            _ if !self.is_cut => self.bytes.as_slice(),
            Some(end) => self.bytes.get(end + 1..).unwrap_or_default(),
            None => &[],
        };
        String::from_utf8_lossy(whole).into_owned()
    }

    fn cut(&mut self) {
        let surplus = self.bytes.len().saturating_sub(self.most);
        if surplus > 0 {
            self.bytes.drain(..surplus);
            self.is_cut = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(pieces: &[&str]) -> String {
        let mut tail = Tail::of(10);
        for piece in pieces {
            tail.push(piece.as_bytes());
            assert!(tail.bytes.len() <= 20);
        }
        tail.lines()
    }

    #[test]
    fn the_last_whole_lines_are_kept() {
        assert_eq!(tail(&["one\n", "two"]), "one\ntwo");
        assert_eq!(tail(&["one\ntwo\n", "three\nfour"]), "four");
        let many: Vec<String> = (0..100).map(|number| format!("{number}\n")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(tail(&many), "97\n98\n99\n");
    }

    #[test]
    fn nothing_is_kept_of_a_line_without_its_beginning() {
        assert_eq!(tail(&["password=", "hunter2hunter2"]), "");
        assert_eq!(tail(&["password=", "hunter2hunter2", "hunter2\nend\n"]), "end\n");
    }
}
