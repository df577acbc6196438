//! Comments of the simple formats.

use super::Fault;

/// The text before the first `#`, blanks around it cut off. That is the comment of
/// a hosts file, with or without a blank before it.
///
/// # Errors
///
/// [`Fault::Cosmetic`] if the `#` begins the body of a rule for pages, as in
/// `a.example##.ad`: the name before it is not meant to be blocked.
pub(super) fn cut(text: &str) -> Result<&str, Fault> {
    let Some(place) = text.bytes().position(|byte| byte == b'#') else {
        return Ok(text.trim_ascii());
    };
    let (before, after) = text.split_at_checked(place).unwrap_or((text, ""));
    let glued = before.ends_with(|c: char| !c.is_ascii_whitespace());
    if glued && COSMETIC.iter().any(|mark| after.starts_with(mark)) {
        return Err(Fault::Cosmetic);
    }
    Ok(before.trim_ascii())
}

/// Whether a line that begins so is a comment in a plain list, or a heading.
pub(super) fn is_comment(text: &str) -> bool {
    text.starts_with(MARKS) || text.starts_with("//") || is_heading(text)
}

/// Whether it is like `[Adblock Plus 2.0]`, which some plain lists begin with.
fn is_heading(text: &str) -> bool {
    text.starts_with('[') && text.ends_with(']')
}

const MARKS: [char; 3] = ['#', '!', ';'];
const COSMETIC: [&str; 5] = ["##", "#@", "#?", "#$", "#%"]; // what joins names to a rule for pages

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_begins_at_the_first_hash() {
        assert_eq!(cut(" a.example # b # c"), Ok("a.example"));
        assert_eq!(cut("a.example#b"), Ok("a.example"));
        assert_eq!(cut("a.example ## b"), Ok("a.example"));
        assert_eq!(cut("### b"), Ok(""));
        assert_eq!(cut(""), Ok(""));
    }

    #[test]
    fn a_rule_for_pages_does_not_become_its_name() {
        for rule in ["a.example##.ad", "a.example#@#.ad", "a.example#?#x", "a.example#$#x"] {
            assert_eq!(cut(rule), Err(Fault::Cosmetic), "{rule}");
        }
    }
}
