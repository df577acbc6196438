//! Globs: `*`, `?` and `[…]` in names, as regular expressions.

use std::iter::Peekable;
use std::str::Chars;

use super::Fault;

/// The regular expression that matches what `glob` matches in a lower-case name
/// without a final dot: `*` for any characters, dots too, `?` for one, `[a-z]` or
/// `[^a-z]` for one of a set, and a backslash before what means itself. It is in the syntax of the crate `regex` and means the
/// same with and without Unicode. A side that is not anchored may go on.
///
/// A `*` at an end is left out, together with the anchor, so that a search needs
/// not look at the whole name.
///
/// # Errors
///
/// [`Fault::MatchesAll`] if nothing in it is fixed, [`Fault::Control`] for a control
/// character and [`Fault::BadPattern`] for what names do not have.
pub(super) fn regex_of(
    glob: &str,
    anchored_start: bool,
    anchored_end: bool,
) -> Result<String, Fault> {
    if glob.len() > MAX_GLOB {
        return Err(Fault::BadPattern);
    }
    let glob = if anchored_end { glob.strip_suffix('.').unwrap_or(glob) } else { glob };
    let inner = glob.trim_matches('*');
    let mut regex = String::with_capacity(2 * inner.len() + 2);
    if anchored_start && !glob.starts_with('*') {
        regex.push('^');
    }
    let fixed = translate(inner, &mut regex)?;
    if anchored_end && !glob.ends_with('*') {
        regex.push('$');
    }
    if fixed { Ok(regex) } else { Err(Fault::MatchesAll) }
}

/// Appends `glob` to `regex`, and says whether it has a character or a set that a
/// name must have.
fn translate(glob: &str, regex: &mut String) -> Result<bool, Fault> {
    let mut fixed = false;
    let mut chars = glob.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => {
                while chars.next_if_eq(&'*').is_some() {}
                regex.push_str(ANY);
                regex.push('*');
            }
            '?' => regex.push_str(ANY),
            '[' => {
                set(&mut chars, regex)?;
                fixed = true;
            }
            '\\' => match chars.next() {
                Some('.') => regex.push_str("\\."),
                Some(c) if of_name(c) => {
                    regex.push(c.to_ascii_lowercase());
                    fixed = true;
                }
                _ => return Err(Fault::BadPattern), // no name has what is left
            },
            '.' => regex.push_str("\\."),
            c if of_name(c) => {
                regex.push(c.to_ascii_lowercase());
                fixed = true;
            }
            c if c.is_control() => return Err(Fault::Control),
            _ => return Err(Fault::BadPattern),
        }
    }
    Ok(fixed)
}

/// Appends the set of which `[` has been taken: characters and ranges, not empty.
fn set(chars: &mut Peekable<Chars<'_>>, regex: &mut String) -> Result<(), Fault> {
    // Without Unicode a negated set alone would match bytes above ASCII.
    let negated = chars.next_if_eq(&'^').is_some();
    regex.push_str(if negated { "[ -~&&[^" } else { "[" });
    member(chars, regex)?;
    while chars.next_if_eq(&']').is_none() {
        member(chars, regex)?;
    }
    regex.push_str(if negated { "]]" } else { "]" });
    Ok(())
}

/// Appends the next character or range of a set.
fn member(chars: &mut Peekable<Chars<'_>>, regex: &mut String) -> Result<(), Fault> {
    let first = of_set(chars)?;
    let last = if chars.next_if_eq(&'-').is_some() { Some(of_set(chars)?) } else { None };
    if last.is_some_and(|last| last < first) {
        return Err(Fault::BadPattern);
    }
    for (place, c) in [Some(first), last].into_iter().flatten().enumerate() {
        regex.push_str(if place == 0 { "" } else { "-" });
        regex.push_str(if c == '-' { "\\" } else { "" });
        regex.push(c);
    }
    Ok(())
}

/// Takes a character of a set. A hyphen is one only behind a backslash.
fn of_set(chars: &mut Peekable<Chars<'_>>) -> Result<char, Fault> {
    match chars.next() {
        Some('\\') => chars.next().filter(|&c| of_name(c) || c == '.'),
        plain => plain.filter(|&c| (of_name(c) && c != '-') || c == '.'),
    }
    .map(|c| c.to_ascii_lowercase())
    .ok_or(Fault::BadPattern)
}

/// Whether it is of a name, and means itself in a regular expression.
fn of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

const ANY: &str = "[ -~]"; // printable ASCII, which is all that a name is made of
const MAX_GLOB: usize = 512; // bytes: no name is longer than 253, and sets take some

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_become_the_least_regular_expression() {
        for (glob, start, end, want) in [
            ("ads.*.example", true, true, "^ads\\.[ -~]*\\.example$"),
            ("*ads.example", true, true, "ads\\.example$"),
            ("ads.*", true, true, "^ads\\."),
            ("*ads*", true, true, "ads"),
            ("ads", false, false, "ads"),
            ("*ads*", false, false, "ads"),
            ("a**b", true, false, "^a[ -~]*b"),
            ("AD?.x", false, true, "ad[ -~]\\.x$"),
            ("a-b_c.", true, true, "^a-b_c$"),
            ("a[0-9].x", true, true, "^a[0-9]\\.x$"),
            ("a[^0-9a].x", true, true, "^a[ -~&&[^0-9a]]\\.x$"),
            ("[a-z\\-_].x", true, true, "^[a-z\\-_]\\.x$"),
            ("a\\b\\-.x", true, true, "^ab-\\.x$"),
        ] {
            assert_eq!(regex_of(glob, start, end).as_deref(), Ok(want), "{glob}");
        }
    }

    #[test]
    fn what_is_no_glob_is_refused() {
        for (glob, want) in [
            ("", Fault::MatchesAll),
            ("*", Fault::MatchesAll),
            ("**", Fault::MatchesAll),
            ("*.*", Fault::MatchesAll),
            ("?", Fault::MatchesAll),
            ("a[", Fault::BadPattern),
            ("a[]", Fault::BadPattern),
            ("a[^]", Fault::BadPattern),
            ("a[&&]", Fault::BadPattern),
            ("a[-9]", Fault::BadPattern),
            ("a(b|c)*", Fault::BadPattern),
            ("a\\*b", Fault::BadPattern),
            ("a\\", Fault::BadPattern),
            ("a[z-a]", Fault::BadPattern),
            ("a[Z-a]", Fault::BadPattern),
            ("a[b-]", Fault::BadPattern),
            ("a[!b]", Fault::BadPattern),
            ("a b*", Fault::BadPattern),
            ("b\u{fc}*", Fault::BadPattern),
            ("a\u{7}*", Fault::Control),
        ] {
            assert_eq!(regex_of(glob, true, true), Err(want), "{glob}");
        }
        assert_eq!(regex_of(&"a*".repeat(300), true, true), Err(Fault::BadPattern));
    }

    #[test]
    fn every_regex_is_accepted_and_matches_what_the_glob_does() {
        for (glob, name, want) in [
            ("ads.*.example", "ads.a.b.example", true),
            ("ads.*.example", "myads.a.example", false),
            ("a[^0-9].x", "ab.x", true),
            ("a[^0-9].x", "a1.x", false),
            ("a?.x", "a.x", false),
            ("log*-applog*.x*.*", "log1-applog.xy.z.example", true),
        ] {
            let text = regex_of(glob, true, true).unwrap();
            let regex = regex::bytes::RegexBuilder::new(&text).unicode(false).build().unwrap();
            assert_eq!(regex.is_match(name.as_bytes()), want, "{glob} {name}");
            assert!(regex::Regex::new(&text).is_ok());
        }
    }
}
