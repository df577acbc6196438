//! Lists of addresses: alone, as prefixes, ranges, or with a star at the end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Fault, Sink, Syntax, comments, names};
use crate::core::prefix::{Prefix, PrefixError};
use crate::core::rule::{Action, Rule, Subject};

/// Reads lists of addresses.
#[derive(Debug, Default)]
pub(super) struct Ips;

impl Syntax for Ips {
    fn line(&mut self, text: &str, sink: &mut dyn Sink) {
        let text = text.trim_ascii();
        if comments::is_comment(text) {
            return;
        }
        let text = text.split('#').next().unwrap_or_default();
        let mut words =
            text.split_ascii_whitespace().take_while(|word| !comments::is_comment(word));
        let found = match (words.next(), words.next(), words.next(), words.next()) {
            (None, ..) => return,
            (Some(word), None, ..) => read(word, sink),
            (Some(first), Some("-"), Some(last), None) => range(first, last, sink),
            _ => Err(Fault::Malformed),
        };
        if let Err(fault) = found {
            sink.fault(fault);
        }
    }
}

/// Reads a word that is an address, a prefix, a range or a beginning of addresses.
fn read(word: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
    if let Some(beginning) = word.strip_suffix('*') {
        rule(start(beginning)?, sink);
        return Ok(());
    }
    if let Some((first, last)) = word.split_once('-')
        && first.parse::<IpAddr>().is_ok()
    {
        return range(first, last, sink);
    }
    match word.parse::<Prefix>() {
        // Such lists are made by hand too, and what is meant is plain.
        Ok(prefix) | Err(PrefixError::HostBits(prefix)) => {
            rule(canonical(prefix), sink);
            Ok(())
        }
        Err(_) if names::read(word, &mut String::new()).is_ok() => Err(Fault::BadAddress),
        Err(_) => Err(Fault::Malformed),
    }
}

/// The prefix of all addresses whose text begins so: `192.0.2.` or `2001:db8:`. Only
/// at the end of a part, where it is one.
fn start(beginning: &str) -> Result<Prefix, Fault> {
    if beginning.is_empty() {
        return Err(Fault::MatchesAll);
    }
    let prefix = if let Some(octets) = beginning.strip_suffix('.') {
        let octets: Vec<u8> =
            octets.split('.').map(decimal).collect::<Option<_>>().ok_or(Fault::Malformed)?;
        let mut all = [0; 4];
        all.get_mut(..octets.len()).ok_or(Fault::Malformed)?.copy_from_slice(&octets);
        Prefix::new(Ipv4Addr::from(all).into(), bits(octets.len(), 8))
    } else {
        let words = beginning.strip_suffix(':').ok_or(Fault::Malformed)?;
        let words: Vec<u16> =
            words.split(':').map(hexadecimal).collect::<Option<_>>().ok_or(Fault::Malformed)?;
        let mut all = [0; 8];
        all.get_mut(..words.len()).ok_or(Fault::Malformed)?.copy_from_slice(&words);
        Prefix::new(Ipv6Addr::from(all).into(), bits(words.len(), 16))
    };
    prefix.map_err(|_| Fault::Malformed)
}

fn bits(parts: usize, each: u8) -> u8 {
    u8::try_from(parts).map_or(u8::MAX, |parts| parts.saturating_mul(each))
}

/// Reads an octet as in an address: without a sign, without zeros before it.
fn decimal(digits: &str) -> Option<u8> {
    let plain = digits == "0" || !digits.starts_with(['0', '+']);
    plain.then(|| digits.parse().ok())?
}

fn hexadecimal(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && digits.len() <= 4 && !digits.starts_with('+');
    plain.then(|| u16::from_str_radix(digits, 16).ok())?
}

/// All addresses from `first` to `last`, in as few prefixes as possible: at most two for
/// each bit of an address.
fn range(first: &str, last: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
    let address = |text: &str| text.parse().map(|address: IpAddr| address.to_canonical());
    let (Ok(first), Ok(last)) = (address(first), address(last)) else {
        return Err(Fault::Malformed);
    };
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let (first, last) = (u128::from(first.to_bits()), u128::from(last.to_bits()));
            cover(first, last, 32, sink)
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => cover(first.to_bits(), last.to_bits(), 128, sink),
        _ => Err(Fault::Malformed),
    }
}

/// Gives out the prefixes that make up `first..=last`, addresses of `width` bits.
fn cover(first: u128, last: u128, width: u8, sink: &mut dyn Sink) -> Result<(), Fault> {
    let distance = last.checked_sub(first).ok_or(Fault::Malformed)?;
    if distance >> (if width == 32 { MAX_V4 } else { MAX_V6 }) != 0 {
        return Err(Fault::ProtectedAddress); // whole, or one would get pieces of it
    }
    let mut next = first;
    loop {
        // As large as the bits of the start and what is left of the range allow. The
        // second is about `left + 1`, which may be one bit longer than `left`.
        let left = last - next;
        let whole = left.checked_add(1).map_or(128, u128::ilog2);
        let free = next.trailing_zeros().min(whole).min(width.into());
        let length = width - u8::try_from(free).unwrap_or(width);
        if let Ok(prefix) = Prefix::new(address(next, width), length) {
            rule(prefix, sink);
        }
        let step = 1_u128 << free.min(127);
        match next.checked_add(step) {
            Some(following) if following <= last => next = following,
            _ => return Ok(()),
        }
    }
}

fn address(bits: u128, width: u8) -> IpAddr {
    match u32::try_from(bits) {
        Ok(bits) if width == 32 => Ipv4Addr::from_bits(bits).into(),
        _ => Ipv6Addr::from_bits(bits).into(),
    }
}

/// The prefix of IPv4 that this one of IPv6 stands for (RFC 4291 §2.5.5.2), or itself.
fn canonical(prefix: Prefix) -> Prefix {
    let address = prefix.address().to_canonical();
    let length = if address.is_ipv4() && prefix.is_v6() {
        prefix.length().checked_sub(MAPPED)
    } else {
        Some(prefix.length())
    };
    length.and_then(|length| Prefix::new(address, length).ok()).unwrap_or(prefix)
}

fn rule(prefix: Prefix, sink: &mut dyn Sink) {
    sink.rule(&Rule::about(Subject::Prefix(prefix), Action::Block));
}

const MAX_V4: u32 = 24; // bits of the longest range: what a prefix may have at most
const MAX_V6: u32 = 112;
const MAPPED: u8 = 96; // bits before the address of IPv4 in one of IPv6

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::tests::{case, rules};
    use super::super::{Fault, Format, Sink};
    use super::*;

    case!(an_address_is_blocked, Ips, "192.0.2.1", ["block 192.0.2.1"]);
    case!(an_address_of_ipv6_is_blocked, Ips, "2001:DB8:0::1", ["block 2001:db8::1"]);
    case!(a_prefix_is_blocked, Ips, "192.0.2.0/24", ["block 192.0.2.0/24"]);
    case!(a_prefix_of_ipv6_is_blocked, Ips, "2001:db8::/32", ["block 2001:db8::/32"]);
    case!(bits_after_the_length_are_dropped, Ips, "192.0.2.7/24", ["block 192.0.2.0/24"]);
    case!(a_mapped_address_is_one_of_ipv4, Ips, "::ffff:192.0.2.1", ["block 192.0.2.1"]);
    case!(a_mapped_prefix_too, Ips, "::ffff:192.0.2.0/120", ["block 192.0.2.0/24"]);
    case!(a_comment_is_cut, Ips, "192.0.2.1   # a.example, b.example", ["block 192.0.2.1"]);
    case!(a_semicolon_comments, Ips, "192.0.2.0/24 ; SBL1", ["block 192.0.2.0/24"]);
    case!(a_line_of_comment_is_nothing, Ips, "; 192.0.2.1", []);
    case!(an_empty_line_is_nothing, Ips, "", []);
    case!(a_star_ends_three_octets, Ips, "192.0.2.*", ["block 192.0.2.0/24"]);
    case!(a_star_ends_two_octets, Ips, "198.51.*", ["block 198.51.0.0/16"]);
    case!(a_star_ends_two_words, Ips, "2001:db8:* # c", ["block 2001:db8::/32"]);
    case!(a_star_ends_a_home_network, Ips, "192.168.*", ["fault protected-address"]);
    case!(a_star_ends_the_link, Ips, "fe80:53:*", ["fault protected-address"]);
    case!(a_star_within_an_octet, Ips, "192.0.2*", ["fault malformed"]);
    case!(a_star_after_a_gap, Ips, "2001:db8::*", ["fault malformed"]);
    case!(a_star_after_too_much, Ips, "192.0.2.1.5.*", ["fault malformed"]);
    case!(a_star_after_zeros, Ips, "192.0.02.*", ["fault malformed"]);
    case!(a_star_alone_is_everything, Ips, "*", ["fault matches-all"]);
    case!(a_prefix_of_all_is_everything, Ips, "0.0.0.0/0", ["fault matches-all"]);
    case!(loopback_is_protected, Ips, "127.0.0.1", ["fault protected-address"]);
    case!(mapped_loopback_is_protected, Ips, "::ffff:127.0.0.1", ["fault protected-address"]);
    case!(a_name_is_no_address, Ips, "a.example", ["fault bad-address"]);
    case!(a_hosts_line_is_malformed, Ips, "0.0.0.0 a.example", ["fault malformed"]);
    case!(columns_are_malformed, Ips, "192.0.2.1\t10", ["fault malformed"]);
    case!(a_port_is_malformed, Ips, "192.0.2.1:443", ["fault malformed"]);
    case!(too_long_a_prefix_is_malformed, Ips, "192.0.2.0/33", ["fault malformed"]);
    case!(
        a_range_becomes_the_fewest_prefixes,
        Ips,
        "192.0.2.1-192.0.2.6",
        ["block 192.0.2.1", "block 192.0.2.2/31", "block 192.0.2.4/31", "block 192.0.2.6"]
    );
    case!(a_range_may_be_a_prefix, Ips, "192.0.2.0 - 192.0.2.255", ["block 192.0.2.0/24"]);
    case!(a_range_may_be_one_address, Ips, "192.0.2.9-192.0.2.9", ["block 192.0.2.9"]);
    case!(
        a_range_of_ipv6,
        Ips,
        "2001:db8::1-2001:db8::2",
        ["block 2001:db8::1", "block 2001:db8::2"]
    );
    case!(a_range_backwards_is_malformed, Ips, "192.0.2.9-192.0.2.8", ["fault malformed"]);
    case!(a_range_of_both_families, Ips, "192.0.2.9-2001:db8::", ["fault malformed"]);
    case!(a_huge_range, Ips, "1.0.0.0-223.255.255.255", ["fault protected-address"]);
    case!(all_of_ipv4_as_a_range, Ips, "0.0.0.0-255.255.255.255", ["fault protected-address"]);
    case!(
        all_of_ipv6_as_a_range,
        Ips,
        "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ["fault protected-address"]
    );
    case!(half_a_range_is_malformed, Ips, "192.0.2.9-", ["fault malformed"]);

    struct Gather(Vec<Prefix>);

    impl Sink for Gather {
        fn rule(&mut self, rule: &Rule<'_>) {
            match rule.subject {
                Subject::Prefix(prefix) => self.0.push(prefix),
                _ => unreachable!("{rule:?}"),
            }
        }

        fn fault(&mut self, fault: Fault) {
            unreachable!("{fault:?}");
        }
    }

    #[test]
    fn a_range_has_at_most_two_prefixes_for_each_bit() {
        let mut all = Gather(Vec::new());
        let end = 1 << MAX_V6;
        cover(1, end, 128, &mut all).unwrap();
        assert_eq!(all.0.len(), 113);
        let mut all = Gather(Vec::new());
        cover(u128::MAX - 2, u128::MAX, 128, &mut all).unwrap();
        assert_eq!(all.0.len(), 2);
        assert_eq!(rules(Format::Ips, "1.0.0.1-1.255.255.254").len(), 46);
    }

    proptest::proptest! {
        #[test]
        fn a_range_holds_its_addresses_and_no_others(first: u32, length in 0..70_000_u32) {
            let last = first.saturating_add(length);
            let mut all = Gather(Vec::new());
            cover(first.into(), last.into(), 32, &mut all).unwrap();
            let sum: u64 = all.0.iter().map(|prefix| 1_u64 << (32 - prefix.length())).sum();
            proptest::prop_assert_eq!(sum, u64::from(last - first) + 1);
            for (bits, want) in [
                (Some(first), true),
                (Some(last), true),
                (first.checked_sub(1), false),
                (last.checked_add(1), false),
            ] {
                let Some(bits) = bits else { continue };
                let address = Ipv4Addr::from_bits(bits).into();
                proptest::prop_assert_eq!(all.0.iter().any(|p| p.contains(address)), want);
            }
        }
    }
}
