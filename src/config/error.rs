//! What is wrong with a configuration file, in one line.

use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// Why a text is not a configuration.
///
/// Shown as `LINE: WHAT; REMEDY`, always one line, so that `FILE:` before it
/// makes a place that editors can jump to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    /// Line in the text, counted from 1.
    pub line: u32,
    /// What is wrong, and what to write instead. No line breaks.
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.problem)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// `problem` with the value at `path` (as [`line_of`] takes it).
    pub(super) fn at(text: &str, path: &str, problem: &str) -> Self {
        let key = path.split('.').filter(|part| part.parse::<usize>().is_err());
        let key = key.collect::<Vec<_>>().join(".");
        Self { line: line_of(text, path), problem: one_line(&format!("\"{key}\" {problem}")) }
    }

    /// A mode was set for a vendor that is not in the catalogue.
    pub(super) fn unknown_vendor(line: u32, key: &str, known: &[&str]) -> Self {
        let problem = match nearest(key, known) {
            Some(near) => format!("unknown vendor \"{key}\"; did you mean \"{near}\"?"),
            None => format!("unknown vendor \"{key}\"; the vendors are {}", known.join(", ")),
        };
        Self { line, problem: one_line(&problem) }
    }

    /// Says what serde found wrong in `text` in words for people.
    pub(super) fn from_toml(text: &str, error: &toml::de::Error) -> Self {
        let span = error.span().unwrap_or(0..0);
        let message = error.message();
        let line = line_at(text, span.start);
        let problem = unknown_key(message)
            .or_else(|| unknown_value(text, &span, message))
            .or_else(|| wrong_type(text, &span, message))
            .or_else(|| missing_key(message))
            .unwrap_or_else(|| format!("not TOML: {message}; see https://toml.io"));
        Self { line, problem: one_line(&problem) }
    }
}

/// Line of the value at `path`: keys and indices parted by dots, such as
/// `lists.0.path`. If it is not there, the line of what is nearest to it.
pub(super) fn line_of(text: &str, path: &str) -> u32 {
    let Ok(table) = DeTable::parse(text) else { return 1 };
    let mut parts = path.split('.');
    let first = parts.next().unwrap_or_default();
    let Some((key, mut value)) = table.get_ref().get_key_value(first) else { return 1 };
    let mut span = key.span();
    for part in parts {
        let next = match value.get_ref() {
            DeValue::Table(inner) => inner.get_key_value(part).map(|(key, v)| (key.span(), v)),
            DeValue::Array(items) => {
                part.parse().ok().and_then(|n: usize| items.get(n)).map(|v| (v.span(), v))
            }
            _ => None,
        };
        let Some(next) = next else { break };
        (span, value) = next;
    }
    line_at(text, span.start)
}

/// Lines of the items of the list `key`.
pub(super) fn lines_of(text: &str, key: &str) -> Vec<u32> {
    let Ok(table) = DeTable::parse(text) else { return Vec::new() };
    let Some(DeValue::Array(items)) = table.get_ref().get(key).map(toml::Spanned::get_ref) else {
        return Vec::new();
    };
    // The items come in order, so each line is counted on from the one before.
    let (mut line, mut from) = (1, 0);
    let mut lines = Vec::with_capacity(items.len());
    for item in items {
        let start = item.span().start;
        line += line_at(text.get(from..start).unwrap_or_default(), usize::MAX) - 1;
        from = start;
        lines.push(line);
    }
    lines
}

fn line_at(text: &str, offset: usize) -> u32 {
    let breaks = text.get(..offset).unwrap_or(text).matches('\n').count();
    u32::try_from(breaks).unwrap_or(u32::MAX).saturating_add(1)
}

/// The key whose value is at `span`, or holds it.
fn key_at(text: &str, span: &Range<usize>) -> Option<String> {
    let mut path = Vec::new();
    search(DeTable::parse(text).ok()?.get_ref(), span, &mut path).then(|| path.join("."))
}

/// The span of a table is that of its header, so what is in it is looked at first.
fn search(table: &DeTable<'_>, span: &Range<usize>, path: &mut Vec<String>) -> bool {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        let inside = match value.get_ref() {
            DeValue::Table(inner) => search(inner, span, path),
            DeValue::Array(items) => items
                .iter()
                .filter_map(|item| item.get_ref().as_table())
                .any(|inner| search(inner, span, path)),
            _ => false,
        };
        if inside || covers(&value.span(), span) {
            return true;
        }
        path.pop();
    }
    false
}

fn covers(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

// What serde says is fixed: `unknown field `a`, expected one of `b`, `c``;
// `unknown variant `a`, expected `b` or `c``; `invalid type: string "a",
// expected i64`; `missing field `a``.

fn unknown_key(message: &str) -> Option<String> {
    let (key, rest) = split_expected(message, "unknown field `")?;
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    Some(match nearest(key, &known) {
        Some(near) => format!("unknown key \"{key}\"; did you mean \"{near}\"?"),
        None => format!("unknown key \"{key}\"; the keys here are {}", known.join(", ")),
    })
}

/// Splits at the first `expected`, so that the list after it is whole.
fn split_expected<'a>(message: &'a str, before: &str) -> Option<(&'a str, &'a str)> {
    message.strip_prefix(before)?.split_once("`, expected ")
}

fn unknown_value(text: &str, span: &Range<usize>, message: &str) -> Option<String> {
    let (value, rest) = split_expected(message, "unknown variant `")?;
    let known: Vec<_> =
        rest.split('`').skip(1).step_by(2).map(|word| format!("\"{word}\"")).collect();
    let key = key_at(text, span)?;
    Some(format!("\"{key}\" cannot be \"{value}\"; write {}", known.join(" or ")))
}

fn wrong_type(text: &str, span: &Range<usize>, message: &str) -> Option<String> {
    let invalid = ["invalid type: ", "invalid value: "];
    let (found, expected) = match message.strip_prefix("wanted ") {
        Some(expected) => (text.get(span.clone())?, expected),
        None => {
            invalid.iter().find_map(|it| message.strip_prefix(it))?.rsplit_once(", expected ")?
        }
    };
    let key = key_at(text, span)?;
    let remedy = match expected {
        "a boolean" => "write true or false",
        "i64" => "write a whole number",
        "a string" | "string or table" => "write a text in quotes",
        "a port" => "write a port, 1 to 65535, or ports like \"6881-6889\"",
        "a sequence" => "write a list in brackets",
        _ => "write a table, [name] on a line of its own",
    };
    Some(format!("\"{key}\" cannot be {}; {remedy}", found.replace('`', "")))
}

fn missing_key(message: &str) -> Option<String> {
    let key = message.strip_prefix("missing field `")?.strip_suffix('`')?;
    Some(format!("\"{key}\" is missing here; add it"))
}

/// The word that `typed` was probably meant to be.
fn nearest<'a>(typed: &str, words: &[&'a str]) -> Option<&'a str> {
    let typed = typed.get(..typed.len().min(LONGEST_KEY))?.to_ascii_lowercase().replace('-', "_");
    let (distance, word) = words.iter().map(|word| (distance(&typed, word), *word)).min()?;
    (distance <= 1 + word.len() / 5).then_some(word)
}

/// Letters to add, drop or change to make `a` into `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (slot, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let change = diagonal + usize::from(x != y);
            diagonal = *slot;
            left = change.min(diagonal + 1).min(left + 1);
            *slot = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Escapes what would break the line or the terminal, and bounds the length:
/// what is quoted comes from the file.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars().take(LONGEST_PROBLEM) {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// Longest text compared with our keys, in bytes; ours are all shorter.
const LONGEST_KEY: usize = 64;

/// Longest problem shown, in characters: some lines of a terminal.
const LONGEST_PROBLEM: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_finds_its_neighbour_and_a_stranger_finds_none() {
        let words = ["mode", "mark", "upstreams", "block_answer"];
        for (typed, want) in [
            ("modee", Some("mode")),
            ("Mode", Some("mode")),
            ("upstream", Some("upstreams")),
            ("block-answer", Some("block_answer")),
            ("zebra", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, &words), want, "{typed}");
        }
        assert_eq!(nearest(&"é".repeat(10_000), &words), None);
    }

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, want) in [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), want);
        }
    }
}
