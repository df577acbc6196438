//! Any text as a pattern: the first line is the pattern, the others are names.
//!
//! As a regular expression it is compiled within our bounds and matched. As a glob it
//! goes through the reader, and must match what a matcher of a few lines matches.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use optout::core::list::{Format, Options, Reader, compile_pattern};
use optout::core::rule::Subject;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.lines();
    let Some(pattern) = lines.next() else { return };
    let names: Vec<&str> = lines.filter(|name| is_name(name)).take(20).collect();
    if let Ok(regex) = compile_pattern(pattern) {
        for name in &names {
            let found = regex.find(name.as_bytes());
            assert_eq!(found.is_some(), regex.is_match(name.as_bytes()));
        }
    }
    if pattern.bytes().all(|byte| is_of_name(byte) || byte == b'*') {
        glob(pattern, &names);
    }
});

/// Reads `glob` as a line of a list of names, and holds it against another matcher.
fn glob(glob: &str, names: &[&str]) {
    let mut reader = Reader::new(Options::of(Format::Domains), Arc::default());
    reader.line(glob.as_bytes(), |_, found| {
        let Ok(Subject::Pattern(regex)) = found.map(|rule| rule.subject) else { return };
        let regex = compile_pattern(regex).expect("it is within bounds");
        let glob = glob.to_ascii_lowercase();
        let glob = glob.strip_suffix('.').unwrap_or(&glob);
        for name in names {
            let want = fits(glob.as_bytes(), name.as_bytes());
            assert_eq!(regex.is_match(name.as_bytes()), want, "{glob} {name} {regex}");
        }
    });
}

/// Whether `glob` matches all of `name`, where a star stands for any bytes.
fn fits(glob: &[u8], name: &[u8]) -> bool {
    // Which beginnings of the name match the beginning of the glob so far.
    let mut so_far = vec![false; name.len() + 1];
    so_far[0] = true;
    for &byte in glob {
        let before = so_far.clone();
        for end in 0..so_far.len() {
            so_far[end] = match byte {
                b'*' => before[end] || (end > 0 && so_far[end - 1]),
                _ => end > 0 && before[end - 1] && name[end - 1] == byte,
            };
        }
    }
    so_far.last().copied().unwrap_or_default()
}

fn is_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.bytes().all(|byte| is_of_name(byte) && !byte.is_ascii_uppercase())
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}
