//! What chance makes of a corpus.

use fastrand::Rng;

/// Longest input that is made, in bytes.
const LONGEST: usize = 64 * 1024;

/// Put in the place of a token: what parsers of all kinds stumble over.
const TOKENS: [&str; 44] = [
    "",
    "0",
    "-1",
    "1e999",
    "NaN",
    "0.1",
    "255",
    "65536",
    "2147483648",
    "-9223372036854775808",
    "9223372036854775807",
    "18446744073709551615",
    "99999999999999999999999999",
    "null",
    "true",
    "\"\"",
    "\"x\"",
    "[]",
    "{}",
    "[null]",
    "{\"\":null}",
    "\"0001-01-01T00:00:00Z\"",
    "\"9999-12-31T23:59:59.999999999Z\"",
    "\"-009999-01-02T01:59:59Z\"",
    "0001-01-01T00:00:00Z",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{202e}",
    "\u{0}",
    "\r\n\r\n",
    "\n",
    "\t",
    "'",
    "\"",
    "\\",
    "${",
    "${A:-}",
    "&a",
    "*a",
    "<<: *a",
    "---",
    "password=",
    "://u:p@h",
];

/// Makes one input after another.
pub(super) struct Mutator<'a> {
    rng: Rng,
    corpus: &'a [Vec<u8>],
}

impl<'a> Mutator<'a> {
    pub(super) fn new(seed: u64, corpus: &'a [Vec<u8>]) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            corpus,
        }
    }

    /// A piece of the corpus after one to eight mutations.
    pub(super) fn next(&mut self) -> Vec<u8> {
        let mut input = self.piece().to_vec();
        for _ in 0..self.rng.usize(1..=8) {
            self.mutate(&mut input);
            input.truncate(LONGEST);
        }
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let (from, to) = self.range(input.len());
        match self.rng.u8(..16) {
            0 => {
                if let Some(byte) = input.get_mut(from) {
                    *byte ^= 1 << self.rng.u8(..8);
                }
            }
            1 => {
                if let Some(byte) = input.get_mut(from) {
                    *byte = self.rng.u8(..);
                }
            }
            2 => input.truncate(from),
            3 => drop(input.drain(from..to)),
            4 => {
                let copied = input[from..to].to_vec();
                let at = self.rng.usize(..=input.len());
                input.splice(at..at, copied);
            }
            5 => {
                let other = self.piece().to_vec();
                let (other_from, other_to) = self.range(other.len());
                input.splice(from..to, other[other_from..other_to].iter().copied());
            }
            6 => {
                let other = self.piece().to_vec();
                let (at, _) = self.range(other.len());
                input.truncate(from);
                input.extend_from_slice(&other[at..]);
            }
            7 => {
                let byte = *self.rng.choice(b"a0[{(\"\\ \n\xff\x00").unwrap();
                let length = 1 << self.rng.u32(..14);
                input.splice(from..from, std::iter::repeat_n(byte, length));
            }
            8 => {
                let piece = input[from..to].to_vec();
                let times = self.rng.usize(1..64);
                input.splice(from..from, piece.repeat(times));
            }
            9 => {
                let token = self.token();
                input.splice(from..from, token.bytes());
            }
            10 | 11 => self.swap_tokens(input),
            _ => {
                let tokens = tokens(input);
                if !tokens.is_empty() {
                    let (from, to) = tokens[self.rng.usize(..tokens.len())];
                    let token = self.token();
                    input.splice(from..to, token.bytes());
                }
            }
        }
    }

    /// Puts one token of the input in the place of another.
    fn swap_tokens(&mut self, input: &mut Vec<u8>) {
        let tokens = tokens(input);
        if tokens.is_empty() {
            return;
        }
        let (from, to) = tokens[self.rng.usize(..tokens.len())];
        let (other_from, other_to) = tokens[self.rng.usize(..tokens.len())];
        let other = input[other_from..other_to].to_vec();
        input.splice(from..to, other);
    }

    fn piece(&mut self) -> &'a [u8] {
        let index = self.rng.usize(..self.corpus.len());
        &self.corpus[index]
    }

    fn token(&mut self) -> &'static str {
        TOKENS[self.rng.usize(..TOKENS.len())]
    }

    fn range(&mut self, length: usize) -> (usize, usize) {
        let (one, other) = (self.rng.usize(..=length), self.rng.usize(..=length));
        (one.min(other), one.max(other))
    }
}

/// Numbers and words, and texts with their quotes.
fn tokens(input: &[u8]) -> Vec<(usize, usize)> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < input.len() {
        let from = at;
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+');
        if input[at] == b'"' {
            let end = input[at + 1..].iter().position(|byte| *byte == b'"');
            at = end.map_or(input.len(), |end| at + end + 2);
            tokens.push((from, at));
        } else if is_word(&input[at]) {
            at += input[at..].iter().take_while(|byte| is_word(byte)).count();
            tokens.push((from, at));
        } else {
            at += 1;
        }
    }
    tokens
}
