//! Finds the secrets in a text.

use std::ops::Range;

use super::is_secret_name;

/// Words of an `Authorization` header that come before the secret itself.
const SCHEMES: [&str; 4] = ["bearer", "basic", "digest", "token"];

/// How the tokens of well-known services begin.
const TOKEN_BEGINNINGS: [&str; 12] = [
    "eyJ",
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "sk-",
    "sk_live_",
];

/// A token is at least this long, its beginning included.
const TOKEN_LENGTH: usize = 16;

/// Short options that take a secret, by the beginning of the program's name.
const SECRET_OPTIONS: [(&str, &str); 8] = [
    ("mysql", "-p"),
    ("mariadb", "-p"),
    ("redis-cli", "-a"),
    ("valkey-cli", "-a"),
    ("mosquitto_", "-P"),
    ("sshpass", "-p"),
    ("curl", "-u"),
    ("ldap", "-w"),
];

/// The places of the secrets, in order and apart.
pub(super) fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    named_values(text, &mut found);
    url_credentials(text, &mut found);
    private_keys(text, &mut found);
    word_forms(text, &mut found);
    joined(found)
}

/// Whether this is a name, with the dashes of an option.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_name_byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// `name=value`, `name: value`, `"name": "value"`, `--name value`, `name 'value'` and `<name>value<`, each with a secret
/// name.
fn named_values(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(start) = position(bytes, at, is_name_byte) {
        let end = position(bytes, start, |byte| !is_name_byte(byte)).unwrap_or(bytes.len());
        at = end;
        let name = text.get(start..end).unwrap_or_default();
        if !is_secret_name(name) {
            continue;
        }
        let opens_tag = start.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'<');
        if let Some(value) = value_after(text, name, end, opens_tag) {
            // What quotes enclose is looked through as well: one that was left open encloses the wrong words.
            let is_quoted = value
                .start
                .checked_sub(1)
                .and_then(|before| bytes.get(before))
                .copied()
                .is_some_and(is_quote);
            at = if is_quoted { value.start } else { value.end }.max(end);
            found.push(value);
        }
    }
}

fn value_after(text: &str, name: &str, end: usize, opens_tag: bool) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let byte_at = |at: usize| bytes.get(at).copied();
    if opens_tag && byte_at(end) == Some(b'>') {
        let close = position(bytes, end, |byte| byte == b'<').unwrap_or(bytes.len());
        return Some(end + 1..close);
    }
    let after_quote = position(bytes, end, |byte| !is_quote(byte) && byte != b'\\').unwrap_or(bytes.len());
    let separator = skip_blanks(bytes, after_quote);
    let value = match byte_at(separator) {
        Some(b'=') => skip_blanks(bytes, separator + 1 + usize::from(byte_at(separator + 1) == Some(b'>'))),
        Some(b':') if !text.get(separator..)?.starts_with("://") => {
            skip_blanks(bytes, separator + 1 + usize::from(byte_at(separator + 1) == Some(b'=')))
        }
        Some(byte) if separator > after_quote && is_quote(byte) => separator,
        Some(_) if separator > end && name.starts_with('-') && !text.get(separator..)?.starts_with("--") => separator,
        _ => return None,
    };
    if name.to_ascii_lowercase().contains("jaas") {
        let end = position(bytes, value, |byte| byte == b';').unwrap_or(bytes.len());
        return Some(value..end);
    }
    Some(one_value(text, value))
}

/// The value that begins at `start`: what its quotes enclose, else what comes before the next blank.
fn one_value(text: &str, start: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let unescaped = position(bytes, start, |byte| byte != b'\\').unwrap_or(bytes.len());
    if let Some(quote) = bytes.get(unescaped).copied().filter(|byte| is_quote(*byte)) {
        let is_escaped = unescaped > start;
        let from = unescaped + 1;
        let mut end = from;
        while let Some(next) = position(bytes, end, |byte| byte == quote) {
            end = next;
            if is_escaped || bytes.get(next.wrapping_sub(1)) != Some(&b'\\') {
                return from..next;
            }
            end += 1;
        }
        return from..bytes.len();
    }
    let end = end_of_word(bytes, start);
    let is_scheme = text
        .get(start..end)
        .is_some_and(|word| SCHEMES.contains(&word.to_ascii_lowercase().as_str()));
    if is_scheme {
        let secret = skip_blanks(bytes, end);
        return start..end_of_word(bytes, secret);
    }
    start..end
}

/// `scheme://user:secret@host` and `user:secret@host`.
fn url_credentials(text: &str, found: &mut Vec<Range<usize>>) {
    for word in words(text) {
        let Some(whole) = text.get(word.clone()) else { continue };
        let (start, is_url) = match whole.find("://") {
            Some(scheme) => (scheme + 3, true),
            None => (0, false),
        };
        let rest = whole.get(start..).unwrap_or_default();
        let path = rest.find('?').map_or(rest, |query| rest.get(..query).unwrap_or(rest));
        let authority = path.find('/').map_or(path, |slash| path.get(..slash).unwrap_or(path));
        // Some put a password with a slash in it where a URL has no place for one.
        let has_odd_password = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.bytes().any(|byte| !byte.is_ascii_digit()));
        let end = match (authority.contains('@'), has_odd_password) {
            (true, _) if is_url || authority.contains(':') => path.rfind('@'),
            (false, true) => path.rfind('@'),
            _ => None,
        };
        // `image:tag@sha256:…` is no secret.
        if let Some(end) = end.filter(|end| !path.get(*end..).is_some_and(|rest| rest.starts_with("@sha256:"))) {
            found.push(word.start + start..word.start + start + end);
        }
    }
}

/// Everything between the first line of a private key and the last.
fn private_keys(text: &str, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(begin) = text.get(from..).and_then(|rest| rest.find("PRIVATE KEY-----")) {
        let start = from + begin + "PRIVATE KEY-----".len();
        let end = text
            .get(start..)
            .and_then(|rest| rest.find("-----END"))
            .map_or(text.len(), |end| start + end);
        found.push(start..end);
        from = position(text.as_bytes(), end + 1, |byte| byte == b'\n').unwrap_or(text.len());
    }
}

/// Tokens, what follows `Bearer`, and the short options of well-known programs.
fn word_forms(text: &str, found: &mut Vec<Range<usize>>) {
    let mut program: Option<&str> = None;
    let mut hides_next = false;
    for word in words(text) {
        let Some(whole) = text.get(word.clone()) else { continue };
        let name = whole.rsplit_once('/').map_or(whole, |(_, name)| name);
        if hides_next {
            found.push(word.clone());
        }
        hides_next = whole.eq_ignore_ascii_case("bearer");
        if let Some(option) = program
            && let Some(attached) = whole.strip_prefix(option)
        {
            hides_next |= attached.is_empty();
            if !attached.is_empty() {
                found.push(word.start + option.len()..word.end);
            }
        }
        if let Some((_, option)) = SECRET_OPTIONS.iter().find(|(program, _)| name.starts_with(program)) {
            program = Some(option);
        }
        for beginning in TOKEN_BEGINNINGS {
            // One that begins within another is a part of it.
            let mut from = word.start;
            for (at, _) in whole.match_indices(beginning) {
                let is_inside_a_word = at
                    .checked_sub(1)
                    .and_then(|before| whole.as_bytes().get(before))
                    .is_some_and(u8::is_ascii_alphanumeric);
                let start = word.start + at;
                if is_inside_a_word || start < from {
                    continue;
                }
                let end = position(text.as_bytes(), start, |byte| !is_name_byte(byte)).unwrap_or(text.len());
                if end - start >= TOKEN_LENGTH {
                    found.push(start..end);
                    from = end;
                }
            }
        }
    }
}

/// Runs of anything but blanks and quotes.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let bytes = text.as_bytes();
    let is_between = |byte: u8| byte.is_ascii_whitespace() || is_quote(byte);
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = position(bytes, at, |byte| !is_between(byte))?;
        at = position(bytes, start, is_between).unwrap_or(bytes.len());
        Some(start..at)
    })
}

fn end_of_word(bytes: &[u8], start: usize) -> usize {
    position(bytes, start, |byte| byte.is_ascii_whitespace() || is_quote(byte)).unwrap_or(bytes.len())
}

fn skip_blanks(bytes: &[u8], start: usize) -> usize {
    position(bytes, start, |byte| !matches!(byte, b' ' | b'\t')).unwrap_or(bytes.len())
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// The first place from `start` on where a byte is as wanted.
fn position(bytes: &[u8], start: usize, is_wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let rest = bytes.get(start..)?;
    let offset = rest.iter().position(|byte| is_wanted(*byte));
    #[cfg(test)]
    STEPS.set(STEPS.get() + offset.map_or(rest.len(), |offset| offset + 1));
    offset.map(|offset| start + offset)
}

#[cfg(test)]
thread_local! {
    /// Bytes that were looked at, for the test that no text has them looked at again and again.
    pub(super) static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Sorted, without the empty ones, and those that touch made one.
fn joined(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| range.start < range.end);
    ranges.sort_by_key(|range| range.start);
    let mut apart: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}
