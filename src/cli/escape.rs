//! Hostile text made harmless, one function a sink.
//!
//! Program names, client names and file names are whatever somebody chose to
//! write; a name must not move the cursor, recolour the screen, turn the
//! reading direction or run as a formula.

use std::fmt::Write;

/// For a terminal: what does not show as itself is written `\u{…}`.
#[must_use]
pub fn terminal(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_odd(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// For JSON that may end up on a terminal: the same characters as `\uXXXX`,
/// which every reader of JSON turns back. `json` is sound JSON, in which they
/// stand in strings only.
#[must_use]
pub fn json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if is_odd(c) {
            for half in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{half:04x}"); // a String takes everything
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// One cell of CSV (RFC 4180). A cell that a spreadsheet would take for a
/// formula gets an apostrophe before it.
#[must_use]
pub fn csv(cell: &str) -> String {
    let mut safe = terminal(cell);
    if safe.starts_with(['=', '+', '-', '@']) {
        safe.insert(0, '\'');
    }
    if safe.contains(['"', ',', '\'', ';', ' ']) {
        safe = format!("\"{}\"", safe.replace('"', "\"\""));
    }
    safe
}

/// Whether a character is no picture of itself: controls (C0, DEL, C1), what
/// turns the reading direction, what has no width, separators of lines, tags,
/// and what belongs to no alphabet.
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}'
            | '\u{e0000}'..='\u{10ffff}')
}

/// Every kind of hostile text, for the tests of all that prints.
#[cfg(test)]
pub(crate) const HOSTILE: &str =
    "=\x1b[2J\x07\r\n\t\"',;\u{9b}31m\u{202e}\u{200b}\u{2028}\u{e0041}\x7f\0<b>&";

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_harmless(text: &str) {
        assert!(!text.contains(is_odd), "{text:?}");
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        for text in ["", "curl", "Élodies Telefon", "电视", "a\\046b", "C:\\x"] {
            assert_eq!(terminal(text), text);
            assert_eq!(json(text), text);
        }
    }

    #[test]
    fn nothing_hostile_reaches_the_terminal() {
        assert_harmless(&terminal(HOSTILE));
        assert_eq!(terminal("\x1b[2J"), "\\u{1b}[2J");
        for c in (0..=0x10_ffff).filter_map(char::from_u32).filter(|c| c.is_control()) {
            assert_harmless(&terminal(&c.to_string()));
        }
    }

    #[test]
    fn json_stays_the_same_json_and_is_harmless() {
        let written = serde_json::to_string(HOSTILE).unwrap();
        let safe = json(&written);
        assert_harmless(&safe);
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), HOSTILE);
    }

    #[test]
    fn csv_cells_are_quoted_and_never_formulas() {
        for (cell, want) in [
            ("curl", "curl"),
            ("a b", "\"a b\""),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\\u{9}=1"),
            ("\n", "\\u{a}"),
        ] {
            assert_eq!(csv(cell), want, "{cell:?}");
        }
        assert_harmless(&csv(HOSTILE));
    }
}
