//! Line by line: hosts, domains, wildcard, dnscrypt, ips.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use optout::core::rule::Action::Block;

use crate::common::{
    How, bare, exact, glob, is_nowhere, is_public_suffix, name, of_length, prefix, uncomment, wide,
};
use crate::statement::{Limits, Statement, Subject, bits};

/// `address name name…`, or a name alone.
pub(crate) fn hosts(line: &str, how: How) -> Vec<Statement> {
    let words: Vec<&str> = uncomment(line).unwrap_or_default().split_whitespace().collect();
    let names = match words.as_slice() {
        [] => return Vec::new(),
        [first, rest @ ..] => match host_address(first) {
            Some(address) if is_nowhere(address) => rest,
            None if rest.is_empty() => &words[..],
            _ => return Vec::new(),
        },
    };
    let names = names.iter().filter_map(|word| name(word));
    let names = names.filter(|name| !OF_SYSTEMS.split(' ').any(|own| own == name));
    names.map(|name| Statement::new(bare(name, how.subdomains), Block)).collect()
}

fn host_address(word: &str) -> Option<IpAddr> {
    match word.split_once('%') {
        _ if word == "0" => Some(Ipv4Addr::UNSPECIFIED.into()),
        Some((address, _)) => address.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        None => word.parse().ok(),
    }
}

const OF_SYSTEMS: &str = "localhost localhost.localdomain localhost4 localhost4.localdomain4 \
    localhost6 localhost6.localdomain6 local broadcasthost ip6-localhost ip6-loopback \
    ip6-localnet ip6-mcastprefix ip6-allnodes ip6-allrouters ip6-allhosts";

fn is_comment(text: &str) -> bool {
    let heading = text.starts_with('[') && text.ends_with(']');
    text.starts_with(['#', '!', ';']) || text.starts_with("//") || heading
}

/// A name, `*.name`, `.name`, or a name with stars.
pub(crate) fn domains(line: &str, how: How) -> Vec<Statement> {
    domain(line, how).map(|subject| Statement::new(subject, Block)).into_iter().collect()
}

fn domain(line: &str, how: How) -> Option<Subject> {
    if is_comment(line.trim()) {
        return None;
    }
    let mut words = uncomment(line)?.split_whitespace();
    let word = words.next()?;
    if words.next().is_some_and(|next| !is_comment(next)) {
        return None;
    }
    if let Some(rest) = word.strip_prefix("*.").or_else(|| word.strip_prefix('.'))
        && !rest.contains('*')
    {
        return name(rest).map(|name| wide(&name));
    }
    if word.contains('*') {
        let end = word.trim_start_matches(['*', '.']).trim_end_matches('.');
        return glob(word, false).filter(|_| !is_public_suffix(end)).map(Subject::Mask);
    }
    let name = name(word)?;
    if name.contains('.') {
        Some(bare(name, how.subdomains))
    } else {
        how.tlds.then(|| wide(&name))
    }
}

/// Patterns of dnscrypt-proxy.
pub(crate) fn dnscrypt(line: &str, how: How) -> Vec<Statement> {
    let comment = line.match_indices('#').find(|&(at, _)| at == 0 || ends_blank(&line[..at]));
    let text = comment.map_or(line, |(at, _)| &line[..at]).trim();
    let (pattern, schedule) = match text.split_once('@') {
        Some((pattern, schedule)) => (pattern.trim(), Some(schedule.trim().to_owned())),
        None => (text, None),
    };
    let odd = |word: &String| {
        word.is_empty() || word.contains(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)))
    };
    if pattern.is_empty() || pattern.contains(char::is_whitespace) || schedule.iter().any(odd) {
        return Vec::new();
    }
    let subject =
        if pattern.contains(['?', '[']) || pattern.ends_with('*') || pattern[1..].contains('*') {
            glob(pattern, true).map(Subject::Mask)
        } else if let Some(rest) = pattern.strip_prefix('=') {
            name(rest).map(exact)
        } else if pattern.starts_with(['*', '.']) {
            let rest = pattern.strip_prefix('*').unwrap_or(pattern);
            name(rest.strip_prefix('.').unwrap_or(rest)).map(|name| wide(&name))
        } else {
            name(pattern).map(|name| bare(name, how.subdomains))
        };
    let limits = Limits { schedule, ..Limits::default() };
    subject
        .map(|subject| Statement { limits, ..Statement::new(subject, Block) })
        .into_iter()
        .collect()
}

fn ends_blank(text: &str) -> bool {
    text.ends_with([' ', '\t'])
}

/// Addresses, prefixes, ranges, and beginnings with a star.
pub(crate) fn ips(line: &str) -> Vec<Statement> {
    let mut all = Vec::new();
    if let Some(Subject::Range { v4, first, last }) = addresses(line)
        && last - first < if v4 { 1 << 24 } else { 1 << 112 }
    {
        let end = if v4 { u32::MAX.into() } else { u128::MAX };
        prefixes(v4, (first, last), (0, end), &mut all);
    }
    all
}

/// The prefixes that make up a range, by halving all addresses there are.
fn prefixes(v4: bool, range: (u128, u128), block: (u128, u128), all: &mut Vec<Statement>) {
    let (first, last) = block;
    if last < range.0 || range.1 < first {
        return;
    }
    if range.0 <= first && last <= range.1 {
        return all.push(Statement::new(Subject::Range { v4, first, last }, Block));
    }
    let middle = first + (last - first) / 2;
    prefixes(v4, range, (first, middle), all);
    prefixes(v4, range, (middle + 1, last), all);
}

fn addresses(line: &str) -> Option<Subject> {
    if is_comment(line.trim()) {
        return None;
    }
    let text = line.split('#').next()?;
    let words: Vec<&str> = text.split_whitespace().take_while(|word| !is_comment(word)).collect();
    match words.as_slice() {
        [word] if word.ends_with('*') => beginning(word.strip_suffix('*')?),
        [word] => prefix(word).or_else(|| {
            let (first, last) = word.split_once('-')?;
            range(first, last)
        }),
        [first, "-", last] => range(first, last),
        _ => None,
    }
}

fn beginning(text: &str) -> Option<Subject> {
    if let Some(octets) = text.strip_suffix('.') {
        let count = u32::try_from(octets.split('.').count()).ok()?;
        let lacking = usize::try_from(4_u32.checked_sub(count)?).ok()?;
        let whole = format!("{octets}{}", ".0".repeat(lacking));
        of_length(whole.parse::<Ipv4Addr>().ok()?.into(), 8 * count)
    } else {
        let words = text.strip_suffix(':')?;
        let count = u32::try_from(words.split(':').count()).ok()?;
        let lacking = usize::try_from(8_u32.checked_sub(count)?).ok()?;
        let whole = format!("{words}{}", ":0".repeat(lacking));
        let plain = !words.split(':').any(str::is_empty);
        plain.then(|| of_length(whole.parse::<Ipv6Addr>().ok()?.into(), 16 * count))?
    }
}

fn range(first: &str, last: &str) -> Option<Subject> {
    let (v4, first) = bits(first.parse().ok()?);
    let (other, last) = bits(last.parse().ok()?);
    (v4 == other && first <= last).then_some(Subject::Range { v4, first, last })
}
