//! What a line is, and where its pattern ends.

use std::net::IpAddr;

use crate::core::list::Fault;

/// What a line is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Line<'a> {
    /// Empty, a comment, a header or a directive for the list's compiler.
    Comment,
    /// An address and names, as in a hosts file; AdGuard takes these too.
    Hosts,
    /// Not for DNS, or not sound.
    Not(Fault),
    /// A rule.
    Rule(Parts<'a>),
}

/// The parts of a rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Parts<'a> {
    /// Whether `@@` stands before it.
    pub(super) allow: bool,
    /// What stands before the `$`.
    pub(super) pattern: &'a str,
    /// What follows the `$`, if there is one.
    pub(super) modifiers: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// Takes a line without space around it.
    pub(super) fn of(text: &'a str) -> Self {
        if text.is_empty() || text.starts_with('!') || is_header(text) {
            return Self::Comment;
        }
        if text.starts_with('#') {
            return if is_cosmetic_mark(text) { Self::Not(Fault::Cosmetic) } else { Self::Comment };
        }
        if is_hosts(text) {
            return Self::Hosts;
        }
        let Some(text) = uncomment(text) else { return Self::Not(Fault::Cosmetic) };
        if is_cosmetic(text) {
            return Self::Not(Fault::Cosmetic);
        }
        let parts = Parts::of(text);
        if parts.allow && parts.pattern.is_empty() && parts.modifiers.is_none() {
            return Self::Not(Fault::Malformed); // just `@@`
        }
        Self::Rule(parts)
    }
}

impl<'a> Parts<'a> {
    /// The delimiter is the last `$` that is not escaped and not part of a regular
    /// expression.
    fn of(text: &'a str) -> Self {
        let (allow, text) = text.strip_prefix("@@").map_or((false, text), |rest| (true, rest));
        let cut = if is_regex(text) { after_regex(text) } else { last_dollar(text) };
        match cut.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?))) {
            Some((pattern, modifiers)) => Self { allow, pattern, modifiers: Some(modifiers) },
            None => Self { allow, pattern: text, modifiers: None },
        }
    }
}

/// Whether it is a regular expression between slashes. A pair of slashes is not.
pub(super) fn is_regex(text: &str) -> bool {
    text.len() > 2 && text.starts_with('/') && text.ends_with('/')
}

/// `[Adblock Plus 2.0]`; but `[$path=/x]##.ad` is a cosmetic rule.
fn is_header(text: &str) -> bool {
    text.starts_with('[') && text.ends_with(']') && !text.starts_with("[$")
}

/// An address, and after it something that is no comment.
fn is_hosts(text: &str) -> bool {
    let Some((address, names)) = text.split_once([' ', '\t']) else { return false };
    let address = address.split_once('%').map_or(address, |(address, _zone)| address);
    address.parse::<IpAddr>().is_ok() && !names.trim_start_matches([' ', '\t']).starts_with('#')
}

/// Cuts ` # …`. A bare `#` is not cut, nor one in a quoted value. `None` if what would
/// be cut looks like a cosmetic rule: what is left might stop more than was meant.
fn uncomment(text: &str) -> Option<&str> {
    let mut quote = None;
    let mut before = (b' ', b' '); // the last two bytes
    let mut in_modifiers = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'#' if quote.is_none() && matches!(before.1, b' ' | b'\t') => {
                let comment = text.get(at..).unwrap_or_default();
                let kept = text.get(..at).unwrap_or_default();
                return (!is_cosmetic_mark(comment)).then(|| kept.trim_end_matches([' ', '\t']));
            }
            b'$' => in_modifiers = true,
            b'\'' | b'"' if quote == Some(byte) && before.1 != b'\\' => quote = None,
            b'\'' | b'"' if quote.is_none() && in_modifiers => {
                quote = matches!(before.1, b'=' | b'|' | b'~').then_some(byte);
            }
            _ => {}
        }
        // An escaped backslash escapes nothing.
        before = if before == (b'\\', b'\\') { (b' ', byte) } else { (before.1, byte) };
    }
    Some(text)
}

/// Whether a mark stands in it that parts domains from what is done to their pages:
/// `##`, `#@#`, `#?#`, `#$#`, `#%#`, `$$`, `$@$`, `%%`. Such rules have no modifiers.
fn is_cosmetic(text: &str) -> bool {
    if text.starts_with("[$") {
        return true;
    }
    let first = text.find('$').unwrap_or(text.len());
    let (head, tail) = text.split_at(first);
    if head.match_indices('#').any(|(at, _)| is_cosmetic_mark(head.get(at..).unwrap_or_default()))
        || head.contains("%%")
    {
        return true;
    }
    // In `#$#` the dollar is part of the mark.
    let script = head.rfind('#').is_some_and(|at| text.get(at..).is_some_and(is_cosmetic_mark));
    script || (tail.starts_with("$$") || tail.starts_with("$@$")) && !head.starts_with('/')
}

/// Whether a mark is what it begins with. `# ads`, `### ads` and `####` are comments.
fn is_cosmetic_mark(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('#') else { return false };
    let sort = rest.bytes().take(MAX_MARK).take_while(|b| b"@?$%".contains(b)).count();
    match rest.get(sort..).and_then(|rest| rest.strip_prefix('#')) {
        Some(body) => {
            let body = body.strip_prefix('#').unwrap_or(body); // `###id`
            sort > 0 || !(body.is_empty() || body.starts_with(['#', ' ', '\t']))
        }
        None => false,
    }
}

/// Where `$name` follows on the regular expression that begins `text`, if the slash at
/// the end of `text` belongs to a modifier's value.
fn after_regex(text: &str) -> Option<usize> {
    let mut escaped = true; // so that the slash at the start is passed over
    for (at, byte) in text.bytes().enumerate() {
        if byte == b'/' && !escaped {
            let rest = text.as_bytes().get(at + 1..)?;
            if matches!(rest, [b'$', b'a'..=b'z' | b'~', ..]) {
                return Some(at + 1);
            }
        }
        escaped = byte == b'\\' && !escaped;
    }
    None
}

/// The last `$` that is not escaped, not last, and not the end of a regular expression.
fn last_dollar(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut end = bytes.len().checked_sub(1)?;
    loop {
        let head = bytes.get(..end)?;
        let at = head.iter().rposition(|&byte| byte == b'$')?;
        let escapes = head.iter().take(at).rev().take_while(|&&byte| byte == b'\\').count();
        if escapes % 2 == 0 && bytes.get(at + 1) != Some(&b'/') {
            return Some(at);
        }
        end = at;
    }
}

const MAX_MARK: usize = 3; // bytes between the two `#`: `#@$?#`
