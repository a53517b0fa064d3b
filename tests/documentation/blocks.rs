//! Reads Markdown as far as it is needed: fenced blocks, links, headings.

use std::path::{Path, PathBuf};

/// A fenced block.
pub(crate) struct Block {
    document: PathBuf,
    /// Line of its fence, from 1.
    line: usize,
    /// The first word after the fence.
    pub(crate) language: String,
    /// The words after that.
    pub(crate) info: String,
    pub(crate) text: String,
}

/// Every fenced block of a document.
pub(crate) fn blocks(document: &Path, text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (index, line) in text.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            is_open = !is_open;
            if is_open {
                let (language, info) = info.split_once(' ').unwrap_or((info, ""));
                found.push(Block {
                    document: document.to_owned(),
                    line: index + 1,
                    language: language.to_owned(),
                    info: info.to_owned(),
                    text: String::new(),
                });
            }
        } else if is_open && let Some(block) = found.last_mut() {
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    assert!(!is_open, "{}: a block is not closed", document.display());
    found
}

/// Every relative link outside of blocks.
pub(crate) fn links(text: &str) -> Vec<String> {
    let mut is_open = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            is_open = !is_open;
        }
        if is_open {
            continue;
        }
        let after = line.split("](").skip(1);
        let targets = after.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
        found.extend(targets.filter(|target| !target.contains("://")).map(str::to_owned));
    }
    found
}

/// What each heading is linked as: small letters and digits, blanks as `-`.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| -> String {
        let kept = heading
            .trim_start_matches('#')
            .trim()
            .chars()
            .filter_map(|letter| match letter {
                ' ' => Some('-'),
                '-' | '_' => Some(letter),
                _ if letter.is_alphanumeric() => Some(letter.to_ascii_lowercase()),
                _ => None,
            });
        kept.collect()
    };
    headings.map(anchor).collect()
}

// === impl Block ===

impl Block {
    /// Where it stands.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.document.display(), self.line)
    }

    /// The commands of a `bash` block: lines ending in `\` go on, comments are left out.
    pub(crate) fn commands(&self) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ");
        let lines = joined.lines().map(|line| without_comment(line).trim().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    }

    /// The commands of a `console` block, each with its answer.
    pub(crate) fn dialogue(&self) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for line in self.text.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                pairs.push((without_comment(command).trim().to_owned(), String::new()));
            } else if let Some((_, answer)) = pairs.last_mut() {
                answer.push_str(line);
                answer.push('\n');
            }
        }
        pairs
    }
}

/// Without what follows a `#` that stands after a blank and outside of quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (index, letter) in line.char_indices() {
        match (quote, letter) {
            (None, '#') if before.is_whitespace() => return &line[..index],
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            _ => {}
        }
        before = letter;
    }
    line
}
