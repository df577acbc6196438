//! What a line looks like.

use std::net::IpAddr;

use super::super::Format;

/// What a line looks like, by its form alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// Empty, or a comment of some format.
    Comment,
    /// `[Adblock Plus 2.0]`.
    Heading,
    /// A form that only this format has.
    Of(Format),
    /// A name alone.
    Bare,
    /// `*.x` or `.x`.
    Starred,
    /// A name with a star in other places.
    Pattern,
    /// Nothing of this.
    Other,
}

impl Shape {
    pub(super) fn of(line: &str) -> Self {
        let text = line.trim();
        if text.is_empty() || text.starts_with(['#', '!', ';']) || text.starts_with("//") {
            return Self::Comment;
        }
        if text.starts_with('[') && text.ends_with(']') {
            return if is_heading(text) { Self::Heading } else { Self::Comment };
        }
        let words: Vec<_> =
            text.split_whitespace().take_while(|word| !word.starts_with(['#', '!', ';'])).collect();
        let indented = line.starts_with([' ', '\t']);
        if is_zone(&words, indented) {
            Self::Of(Format::Rpz)
        } else if UNBOUND.iter().any(|key| text.starts_with(key)) {
            Self::Of(Format::Unbound)
        } else if is_option(text) {
            Self::Of(Format::Dnsmasq)
        } else {
            Self::of_words(text, &words)
        }
    }

    fn of_words(text: &str, words: &[&str]) -> Self {
        match words {
            [range] if is_addresses(range) => Self::Of(Format::Ips),
            [first, "-", last] if is_addresses(first) && is_addresses(last) => {
                Self::Of(Format::Ips)
            }
            [first, ..] if words.len() > 1 && is_host_address(first) => Self::Of(Format::Hosts),
            [pattern, schedule, ..] if schedule.starts_with('@') && is_pattern(pattern) => {
                Self::Of(Format::Dnscrypt)
            }
            _ if is_adblock(text) => Self::Of(Format::Adblock),
            [word] | [word, "//", ..] => Self::of_word(word),
            _ => Self::Other,
        }
    }

    fn of_word(word: &str) -> Self {
        let below = word.strip_prefix("*.").or_else(|| word.strip_prefix('.'));
        if word.starts_with('=') && is_pattern(word.trim_start_matches('=')) {
            Self::Of(Format::Dnscrypt)
        } else if !is_pattern(word) {
            Self::Other
        } else if word.contains(['[', '?']) {
            Self::Of(Format::Dnscrypt)
        } else if word.contains('*') && below.is_none_or(|below| below.contains('*')) {
            Self::Pattern
        } else if below.is_some() {
            Self::Starred
        } else {
            Self::Bare
        }
    }
}

fn is_heading(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["adblock", "adguard", "ublock"].iter().any(|name| text.contains(name))
}

/// Whether it is a record or directive of a zone file (RFC 1035 §5.1).
fn is_zone(words: &[&str], indented: bool) -> bool {
    let [first, rest @ ..] = words else { return false };
    if DIRECTIVES.contains(first) {
        return true;
    }
    // A record of the same owner as above begins with a blank.
    let records = if indented { words } else { rest };
    // A TTL and a class may stand before the type, and a value must behind it.
    let [before @ .., _] = records else { return false };
    before.iter().take(3).any(|word| RECORDS.contains(word) || word.eq_ignore_ascii_case("cname"))
}

/// Whether it is like `address=/x/`, blanks around the sign or not.
fn is_option(text: &str) -> bool {
    let Some((key, _)) = text.split_once('=') else { return false };
    let key = key.trim_end();
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

fn is_adblock(text: &str) -> bool {
    text.starts_with(['|', '/'])
        || text.starts_with("@@")
        || (text.contains('^') && !text.contains('['))
        || text.contains("$$")
        || ["##", "#@", "#?#", "#$#", "#%#"].iter().any(|mark| text.contains(mark))
        || text.split_once('$').is_some_and(|(_, modifiers)| is_modifiers(modifiers))
}

fn is_modifiers(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c == '~')
}

/// Whether a line of a hosts file may begin so.
fn is_host_address(word: &str) -> bool {
    let address = word.split('%').next().unwrap_or_default();
    word == "0" || address.parse::<IpAddr>().is_ok()
}

/// Whether it is an address, a prefix, a range, or the beginning of addresses.
fn is_addresses(word: &str) -> bool {
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    if let Some(beginning) = word.strip_suffix('*') {
        let octets = beginning.ends_with('.')
            && beginning.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let words = beginning.ends_with(':')
            && beginning.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
        return octets || words;
    }
    let address = word.split(['/', '-']).next().unwrap_or_default();
    is_address(address)
}

/// Whether it is made of what names and globs are made of.
pub(super) fn is_pattern(word: &str) -> bool {
    let fits = |c: char| {
        c.is_ascii_alphanumeric() || !c.is_ascii() || matches!(c, '.' | '-' | '_' | '*' | '?')
    };
    let mut set = false;
    word.contains(|c: char| c.is_alphanumeric())
        && word.chars().all(|c| {
            let was = set;
            match c {
                '[' => set = true,
                ']' => set = false,
                _ => return fits(c) || (set && matches!(c, '^' | '\\')),
            }
            was != set
        })
        && !set
}

const DIRECTIVES: [&str; 4] = ["$TTL", "$ORIGIN", "$INCLUDE", "$GENERATE"];
const RECORDS: [&str; 8] = ["SOA", "NS", "A", "AAAA", "CNAME", "DNAME", "TXT", "MX"];
const UNBOUND: [&str; 6] = [
    "local-zone:",
    "local-data:",
    "local-data-ptr:",
    "server:",
    "include:",
    "local-zone-override:",
];

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! shape {
        ($test:ident, $line:expr, $want:expr) => {
            #[test]
            fn $test() {
                assert_eq!(Shape::of($line), $want, "{:?}", $line);
            }
        };
    }
    const HOSTS: Shape = Shape::Of(Format::Hosts);
    const ADBLOCK: Shape = Shape::Of(Format::Adblock);
    const DNSMASQ: Shape = Shape::Of(Format::Dnsmasq);
    const UNBOUND: Shape = Shape::Of(Format::Unbound);
    const RPZ: Shape = Shape::Of(Format::Rpz);
    const IPS: Shape = Shape::Of(Format::Ips);
    const DNSCRYPT: Shape = Shape::Of(Format::Dnscrypt);

    shape!(hosts, "0.0.0.0 a.example", HOSTS);
    shape!(hosts_with_a_zone, "fe80::1%lo0 localhost", HOSTS);
    shape!(hosts_with_a_comment, "127.0.0.1\ta.example # c", HOSTS);
    shape!(a_name, "a.example", Shape::Bare);
    shape!(a_name_with_a_comment, "a.example # c", Shape::Bare);
    shape!(a_u_label, "\u{fc}.example", Shape::Bare);
    shape!(a_wildcard, "*.a.example", Shape::Starred);
    shape!(a_leading_dot, ".a.example", Shape::Starred);
    shape!(a_final_star, "ads.*", Shape::Pattern);
    shape!(a_star_in_the_middle, "ads.*.example", Shape::Pattern);
    shape!(a_star_in_a_wildcard, "*.ads*.example", Shape::Pattern);
    shape!(an_exact_pattern, "=a.example", DNSCRYPT);
    shape!(a_set, "ad[0-9].a.example", DNSCRYPT);
    shape!(a_negated_set, "ad[^0-9].a.example", DNSCRYPT);
    shape!(a_schedule, "*.a.example @work", DNSCRYPT);
    shape!(an_adblock_rule, "||a.example^", ADBLOCK);
    shape!(an_adblock_rule_of_an_address, "||192.0.2.1^", ADBLOCK);
    shape!(an_exception, "@@||a.example^$important", ADBLOCK);
    shape!(a_cosmetic_rule, "a.example##.ad", ADBLOCK);
    shape!(a_rule_with_a_modifier, "a.example$important", ADBLOCK);
    shape!(a_regular_expression, "/^ads?[0-9]/", ADBLOCK);
    shape!(a_heading, "[Adblock Plus 2.0]", Shape::Heading);
    shape!(a_heading_of_something_else, "[list]", Shape::Comment);
    shape!(an_option, "local=/a.example/", DNSMASQ);
    shape!(an_option_with_blanks, "address = /a.example/#", DNSMASQ);
    shape!(an_option_with_an_address, "bogus-nxdomain=192.0.2.1", DNSMASQ);
    shape!(a_local_zone, "local-zone: \"a.example.\" always_null", UNBOUND);
    shape!(a_clause, "server:", UNBOUND);
    shape!(a_record, "a.example CNAME .", RPZ);
    shape!(a_record_with_all, "a.example. 1H IN CNAME . ; c", RPZ);
    shape!(a_record_of_the_same_owner, "  NS  localhost.", RPZ);
    shape!(a_directive, "$TTL 3600", RPZ);
    shape!(a_sentence_with_a_record, "this is A sentence", RPZ);
    shape!(an_address, "192.0.2.1", IPS);
    shape!(an_address_with_a_comment, "192.0.2.1   # a.example", IPS);
    shape!(a_prefix, "2001:db8::/32", IPS);
    shape!(a_range, "192.0.2.1-192.0.2.9", IPS);
    shape!(a_range_with_blanks, "192.0.2.1 - 192.0.2.9", IPS);
    shape!(a_beginning, "192.0.2.*", IPS);
    shape!(a_beginning_of_ipv6, "fe80:53:*", IPS);
    shape!(columns, "a.example\t538", Shape::Other);
    shape!(commas, "1,a.example", Shape::Other);
    shape!(a_url, "http://a.example/x", Shape::Other);
    shape!(two_names, "www.a.* b.example", Shape::Other);
    shape!(a_sentence, "The license of this list.", Shape::Other);
}
