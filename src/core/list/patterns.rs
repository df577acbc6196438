//! Patterns: what matches more names than can be written down.
//!
//! The crate `regex` matches in time linear in the name, whatever the pattern. What
//! is left to bound is the factor: the size of the text, of the compiled program and
//! of the memory for matching. The rule set compiles within the same bounds.

use regex::bytes::{Regex, RegexBuilder};

use super::Fault;

/// Whether this regular expression, in the syntax of the crate `regex`, is within
/// our bounds.
///
/// # Errors
///
/// [`Fault::Backtracking`], [`Fault::BadPattern`], [`Fault::MatchesAll`], or
/// [`Fault::PublicSuffix`] if it matches whatever is under a large top-level domain.
pub(super) fn check(regex: &str) -> Result<(), Fault> {
    if regex.len() > MAX_REGEX {
        return Err(Fault::BadPattern);
    }
    if backtracks(regex) {
        return Err(Fault::Backtracking);
    }
    let regex = compile(regex).map_err(|_| Fault::BadPattern)?;
    if regex.is_match(b"") {
        return Err(Fault::MatchesAll);
    }
    let wide = SUFFIXES.into_iter().filter(|suffix| matches_all_under(suffix, &regex)).count();
    match wide {
        0 => Ok(()),
        wide if wide == SUFFIXES.len() => Err(Fault::MatchesAll),
        _ => Err(Fault::PublicSuffix),
    }
}

/// Compiles a regular expression for names within our bounds.
///
/// # Errors
///
/// If it is not valid, or larger than [`MAX_COMPILED`].
pub fn compile(regex: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(regex)
        .unicode(false)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_STATES)
        .nest_limit(MAX_NESTING)
        .build()
}

/// Whether it has what only a matcher that steps back could do: look-around, atomic
/// groups, references to what a group matched, TRE's approximate matching. The crate
/// would refuse these too, but its error says so in words only.
fn backtracks(regex: &str) -> bool {
    let mut rest = regex.as_bytes();
    loop {
        rest = match rest {
            [] => return false,
            [b'\\', b'1'..=b'9' | b'k', ..]
            | [b'(', b'?', b'=' | b'!' | b'>', ..]
            | [b'(', b'?', b'<', b'=' | b'!', ..]
            | [b'{', b'~', ..] => return true,
            [b'\\', _, rest @ ..] | [_, rest @ ..] => rest,
        };
    }
}

/// Whether it matches each of some very different names under `suffix`.
fn matches_all_under(suffix: &str, regex: &Regex) -> bool {
    HEADS.into_iter().all(|head| regex.is_match(format!("{head}.{suffix}").as_bytes()))
}

/// Longest regular expression, in bytes. The longest in the lists we know have half of it.
pub const MAX_REGEX: usize = 2048;
/// Largest compiled program, in bytes: some two thousand states.
pub const MAX_COMPILED: usize = 64 * 1024;
/// Largest table of states while matching, in bytes. Where that is too small the crate
/// matches more slowly, still in linear time.
pub const MAX_STATES: usize = 64 * 1024;
/// Deepest nesting of groups; more is no one's handwriting.
pub const MAX_NESTING: u32 = 50;
/// Most regular expressions that one list may have us compile. Each takes up to a
/// millisecond.
pub(super) const MAX_PER_LIST: usize = 4096;

/// Names that have no character, length or number of labels in common. What matches all
/// of them under a suffix matches nearly everything there.
const HEADS: [&str; 4] = ["x", "q7zv1jk", "mail.w-3", "a.b.c.d.e.f"];
/// Suffixes under which much of the world has its names.
const SUFFIXES: [&str; 12] =
    ["com", "net", "org", "info", "io", "de", "co.uk", "fr", "ru", "cn", "jp", "com.br"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regex_of_a_tracker_is_accepted() {
        for regex in ["^ads?\\d*\\.", "track(er|ing)", "[a-z]{12}\\.top$", "(?i)^AD\\.", "\\/"] {
            assert_eq!(check(regex), Ok(()), "{regex}");
        }
    }

    #[test]
    fn look_around_and_references_are_said_to_need_backtracking() {
        for regex in [
            "(?=[0-9a-f]*[a-f])x",
            "(?!www)x",
            "(?<=a)x",
            "(?<!a)x",
            "(?>a)x",
            "(a)\\1",
            "(?P<n>a)\\k<n>",
            "colou{~1}r",
        ] {
            assert_eq!(check(regex), Err(Fault::Backtracking), "{regex}");
        }
        // A backslash that is escaped begins no reference, and a named group is none.
        assert_eq!(check("a\\\\1"), Ok(()));
        assert_eq!(check("(?P<n>a)b"), Ok(()));
    }

    #[test]
    fn what_does_not_parse_is_a_bad_pattern() {
        for regex in ["(", "a**{", "[z-a]", "\\p{Greek}x", "a{5,2}", "*", "(?z)"] {
            assert_eq!(check(regex), Err(Fault::BadPattern), "{regex}");
        }
    }

    #[test]
    fn what_matches_nearly_every_name_is_refused() {
        for regex in
            ["", ".*", "^", "$", "^$", "(ads)?", ".", "\\.", "^.+$", "[a-z]", "a*", "^[^/]+$"]
        {
            assert_eq!(check(regex), Err(Fault::MatchesAll), "{regex}");
        }
    }

    #[test]
    fn what_matches_a_whole_large_suffix_is_refused() {
        for regex in ["\\.com$", "com", "\\.(com|net)$", "^.*\\.co\\.uk", "(^|\\.)de$"] {
            assert_eq!(check(regex), Err(Fault::PublicSuffix), "{regex}");
        }
        assert_eq!(check("\\.(zip|mov)$"), Ok(()));
    }

    #[test]
    fn no_repetition_makes_it_large() {
        for regex in ["(((a{99}){99}){99}){99}b", "[a-z0-9.-]{1,250}{1,250}\\.x", "a{1000}{1000}"] {
            assert_eq!(check(regex), Err(Fault::BadPattern), "{regex}");
        }
        assert_eq!(check(&"a".repeat(MAX_REGEX + 1)), Err(Fault::BadPattern));
        assert_eq!(
            check(&format!("{}a{}", "(".repeat(60), ")".repeat(60))),
            Err(Fault::BadPattern)
        );
        assert_eq!(check("(a+)+(b*)*(c|c)*d"), Ok(())); // no trap without backtracking
    }
}
