//! Globs: `*`, `?` and `[…]` in names, as regular expressions.

use super::Fault;

/// The regular expression that matches what `glob` matches in a lower-case name
/// without a final dot: `*` for any characters, dots too, `?` for one, `[a-z]` or
/// `[^a-z]` for one of a set. It is in the syntax of the crate `regex` and means the
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

/// Appends the set of which `[` has been taken.
fn set(chars: &mut impl Iterator<Item = char>, regex: &mut String) -> Result<(), Fault> {
    let mut body = String::new();
    loop {
        match chars.next() {
            Some(']') => break,
            Some('^') if body.is_empty() => body.push('^'),
            Some(c) if of_name(c) || c == '.' => body.push(c.to_ascii_lowercase()),
            _ => return Err(Fault::BadPattern),
        }
    }
    let members = body.trim_start_matches('^');
    let odd_hyphen = members.starts_with('-') || members.ends_with('-') || members.contains("--");
    if members.is_empty() || odd_hyphen {
        return Err(Fault::BadPattern);
    }
    if body.starts_with('^') {
        // Without Unicode a negated set alone would match bytes above ASCII.
        regex.push_str("[ -~&&[");
        regex.push_str(&body);
        regex.push_str("]]");
    } else {
        regex.push('[');
        regex.push_str(&body);
        regex.push(']');
    }
    Ok(())
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
            ("a\\b*", Fault::BadPattern),
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
