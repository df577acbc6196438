//! What the formats have in common: text, names, addresses, and what no list may say.

use std::net::IpAddr;

use optout::core::rule::Action;

use crate::statement::{Limits, Mask, Part, Start, Statement, Subject, bits};

/// How a list is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) subdomains: bool,
    pub(crate) allow: bool,
    pub(crate) tlds: bool,
}

/// The lines of a list, each with its number, without those that cannot be read.
pub(crate) fn lines(bytes: &[u8]) -> Vec<(u32, String)> {
    let mut all = Vec::new();
    for (place, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = String::from_utf8_lossy(line);
        let text = text.trim_start_matches('\u{feff}');
        let comment = text.trim_start().starts_with(['#', '!', ';']);
        let odd = |c: char| (c.is_control() && c != '\t') || c == '\u{2028}' || c == '\u{2029}';
        if line.len() <= 65_536 && (comment || !text.contains(odd)) {
            all.push((u32::try_from(place + 1).expect("few lines"), text.to_owned()));
        }
    }
    all
}

/// A host name in lower case and Punycode, without its final dot.
pub(crate) fn name(word: &str) -> Option<String> {
    const HIDDEN: &[char] = &['\u{ad}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}'];
    if word.contains(HIDDEN) {
        return None;
    }
    let word = word.replace(['\u{3002}', '\u{ff0e}', '\u{ff61}'], ".");
    let mut labels = Vec::new();
    for label in word.strip_suffix('.').unwrap_or(&word).split('.') {
        let label = if label.is_ascii() {
            label.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii(label).ok()?
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if label.is_empty() || label.len() > 63 || !label.chars().all(fits) {
            return None;
        }
        labels.push(label);
    }
    let name = labels.join(".");
    let number = labels.last()?.chars().all(|c| c.is_ascii_digit());
    let part_of_url = labels.len() == 1 && name.contains('_');
    (name.len() <= 253 && !number && !part_of_url).then_some(name)
}

/// Subjects of a name.
pub(crate) fn exact(name: String) -> Subject {
    Subject::Exact(name)
}

pub(crate) fn wide(name: &str) -> Subject {
    Subject::Wide(format!(".{name}"))
}

pub(crate) fn below(name: &str) -> Subject {
    Subject::Below(format!(".{name}"))
}

pub(crate) fn bare(name: String, subdomains: bool) -> Subject {
    if subdomains { wide(&name) } else { exact(name) }
}

/// A prefix, as a range.
pub(crate) fn prefix(text: &str) -> Option<Subject> {
    let (address, length) = match text.split_once('/') {
        Some((_, length)) if !length.bytes().all(|b| b.is_ascii_digit()) => return None,
        Some((address, length)) => (address.parse::<IpAddr>().ok()?, length.parse::<u32>().ok()?),
        None => {
            let address = text.parse::<IpAddr>().ok()?;
            (address, if address.is_ipv4() { 32 } else { 128 })
        }
    };
    of_length(address, length)
}

pub(crate) fn of_length(address: IpAddr, length: u32) -> Option<Subject> {
    let width = if address.is_ipv4() { 32 } else { 128 };
    let (v4, bits) = bits(address);
    // An address of IPv4 within IPv6 has 96 bits before it.
    let length = if v4 && width == 128 { length.checked_sub(96)? } else { length };
    let width = if v4 { 32 } else { 128 };
    let rest = width - (length <= width).then_some(length)?;
    let ones = if rest == 128 { u128::MAX } else { (1 << rest) - 1 };
    Some(Subject::Range { v4, first: bits & !ones, last: bits | ones })
}

/// Whether a name that is sent to this address is sent nowhere.
pub(crate) fn is_nowhere(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_unspecified() || address.is_loopback()
}

/// The text before the first `#`; `None` if that begins the body of a rule for pages.
pub(crate) fn uncomment(text: &str) -> Option<&str> {
    let Some((before, after)) = text.split_once('#') else { return Some(text.trim()) };
    let glued = !before.is_empty() && !before.ends_with([' ', '\t']);
    let cosmetic = glued && after.starts_with(['#', '@', '?', '$', '%']);
    (!cosmetic).then_some(before.trim())
}

/// A glob over a whole name: `*`, and perhaps `?` and sets.
pub(crate) fn glob(text: &str, sets: bool) -> Option<Mask> {
    let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let mut parts = Vec::new();
    let mut rest = text.as_bytes();
    let of_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let mut fixed = false;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        fixed |= of_name(first) || first == b'[';
        parts.push(match first {
            b'*' => Part::Star,
            b'?' if sets => Part::Any,
            b'[' if sets => {
                let end = rest.iter().position(|b| *b == b']')?;
                let (inner, after) = rest.split_at(end);
                rest = &after[1..];
                set(inner)?
            }
            b'.' => Part::One(b'.'),
            byte if of_name(byte) => Part::One(byte),
            _ => return None,
        });
    }
    fixed.then_some(Mask { start: Start::Name, parts, ends: true })
}

fn set(inner: &[u8]) -> Option<Part> {
    let (negated, mut inner) = match inner {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut ranges = Vec::new();
    while let Some((&first, rest)) = inner.split_first() {
        let last = if let [b'-', last, after @ ..] = rest {
            inner = after;
            *last
        } else {
            inner = rest;
            first
        };
        if first > last || first == b'-' || last == b'-' {
            return None;
        }
        ranges.push((first, last));
    }
    (!ranges.is_empty()).then_some(Part::Set(ranges, negated))
}

/// Whether no list may say this: what would match all, a public suffix, this host,
/// what is no one's to block.
pub(crate) fn is_refused(said: &Statement, how: How) -> bool {
    let Limits { not_below, types, clients, tags, schedule, .. } = &said.limits;
    let narrow = !not_below.is_empty()
        || !types.is_empty()
        || !clients.is_empty()
        || !tags.is_empty()
        || schedule.is_some();
    let blocks = said.action == Action::Block;
    let spared = how.tlds || narrow || said.cancels;
    let of_this_host = |name: &str| name == "localhost" || name.ends_with(".localhost");
    match &said.subject {
        Subject::Exact(name) => {
            let single = !name.contains('.') || is_public_suffix(name);
            (blocks && of_this_host(name)) || (blocks && !spared && single)
        }
        Subject::Wide(dotted) | Subject::Below(dotted) => {
            let name = &dotted[1..];
            (blocks && of_this_host(name)) || (!spared && is_public_suffix(name))
        }
        Subject::Mask(mask) => is_wide(|name| mask.names(name)),
        Subject::Regex(_, regex) => is_wide(|name| regex.is_match(name.as_bytes())),
        Subject::Range { v4, first, last } => {
            let whole = if *v4 { 1 << 24 } else { 1 << 112 };
            last - first >= whole || (blocks && special(*v4, *first, *last))
        }
        Subject::Everything => !narrow,
    }
}

pub(crate) fn is_public_suffix(name: &str) -> bool {
    psl2::lookup(name).is_some_and(|domain| domain.is_icann() && domain.is_public_suffix())
}

/// Whether names that have nothing in common are all matched, under one large suffix.
fn is_wide(names: impl Fn(&str) -> bool) -> bool {
    const SUFFIXES: [&str; 12] =
        ["com", "net", "org", "info", "io", "de", "co.uk", "fr", "ru", "cn", "jp", "com.br"];
    const OTHERS: [&str; 4] = ["y", "k9q0wjz", "www.u-8", "z.d.x.w.p.o"];
    let all_under = |suffix: &&str| OTHERS.iter().all(|name| names(&format!("{name}.{suffix}")));
    names("") || SUFFIXES.iter().any(all_under)
}

/// Whether it has an address of this host, a home, a link, multicast, or all of NAT64.
fn special(v4: bool, first: u128, last: u128) -> bool {
    const V4: &str = "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 \
        172.16.0.0/12 192.168.0.0/16 198.18.0.0/15 224.0.0.0/3";
    const V6: &str = "::/95 fc00::/7 fe80::/9 ff00::/8";
    let all = if v4 { V4 } else { V6 };
    let touches = all.split(' ').any(|text| match prefix(text) {
        Some(Subject::Range { first: low, last: high, .. }) => first <= high && low <= last,
        _ => unreachable!("{text}"),
    });
    let Some(Subject::Range { first: low, last: high, .. }) = prefix("64:ff9b::/96") else {
        unreachable!("a prefix")
    };
    touches || (!v4 && first <= low && high <= last)
}
