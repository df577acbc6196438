//! Prefixes within prefixes, told apart: what is in, where the nearest one decides.
//!
//! A routing table takes one prefix inside another and the longer one wins. Android's
//! VpnService takes only what is to come in, so what stays out must be cut away.

use std::net::IpAddr;

use crate::core::prefix::Prefix;

/// The least list of prefixes that is in: those that are `true`, without those inside of
/// them that are `false`, and so on. In order, none covers or touches another.
pub(super) fn inside(mut decided: Vec<(Prefix, bool)>) -> Vec<Prefix> {
    decided.sort_unstable();
    decided.dedup_by_key(|(prefix, _)| *prefix);
    let first_v6 = decided.partition_point(|(prefix, _)| !prefix.is_v6());
    let mut out = Vec::new();
    let (v4, v6) = decided.split_at(first_v6);
    for (family, root) in [(v4, whole(false)), (v6, whole(true))] {
        if walk(root, family, false, &mut out) {
            out.push(root);
        }
    }
    out
}

/// Whether all of `at` is in. If only some of it is, that goes to `out`.
fn walk(at: Prefix, decided: &[(Prefix, bool)], outer: bool, out: &mut Vec<Prefix>) -> bool {
    let (within, decided) = match decided.split_first() {
        Some((&(prefix, is_in), rest)) if prefix == at => (is_in, rest),
        _ => (outer, decided),
    };
    let Some((low, high)) = halves(at).filter(|_| !decided.is_empty()) else { return within };
    let (below, above) = decided.split_at(decided.partition_point(|(it, _)| low.covers(*it)));
    // What is under both is pushed only if they are not one.
    let before = out.len();
    let low_whole = walk(low, below, within, out);
    let high_whole = walk(high, above, within, out);
    if low_whole && high_whole {
        return true;
    }
    if low_whole {
        out.insert(before, low);
    } else if high_whole {
        out.push(high);
    }
    false
}

/// Both halves of a prefix; `None` of a single address.
fn halves(of: Prefix) -> Option<(Prefix, Prefix)> {
    let length = of.length() + 1;
    let low = Prefix::new(of.address(), length).ok()?;
    let high = match of.address() {
        IpAddr::V4(v4) => {
            let bit = 1_u32.checked_shl(32 - u32::from(length))?;
            IpAddr::V4((v4.to_bits() | bit).into())
        }
        IpAddr::V6(v6) => {
            let bit = 1_u128.checked_shl(128 - u32::from(length))?;
            IpAddr::V6((v6.to_bits() | bit).into())
        }
    };
    Some((low, Prefix::new(high, length).ok()?))
}

fn whole(v6: bool) -> Prefix {
    let nowhere: IpAddr = if v6 {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    };
    Prefix::new(nowhere, 0).expect("any address has no bits")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefixes(text: &str) -> Vec<(Prefix, bool)> {
        let one = |word: &str| match word.strip_prefix('-') {
            Some(out) => (out.parse().unwrap(), false),
            None => (word.parse().unwrap(), true),
        };
        text.split_whitespace().map(one).collect()
    }

    /// One row, one test: `name: what is decided => what is in`.
    macro_rules! rows {
        ($($name:ident: $text:literal => $want:literal;)*) => {
            $(#[test] fn $name() {
                let said: Vec<_> = inside(prefixes($text)).iter().map(Prefix::to_string).collect();
                assert_eq!(said.join(" "), $want);
            })*
        };
    }

    rows! {
        nothing: "" => "";
        only_what_is_out: "-192.0.2.0/24" => "";
        one: "192.0.2.0/24" => "192.0.2.0/24";
        one_inside_another_is_said_once: "192.0.2.0/24 192.0.2.7" => "192.0.2.0/24";
        neighbours_become_one: "192.0.2.0/25 192.0.2.128/25" => "192.0.2.0/24";
        a_hole_is_cut_out: "192.0.2.0/30 -192.0.2.1" => "192.0.2.0 192.0.2.2/31";
        a_hole_has_an_island: "192.0.2.0/30 -192.0.2.0/31 192.0.2.1" => "192.0.2.1 192.0.2.2/31";
        a_hole_of_the_whole: "192.0.2.0/24 -192.0.2.0/25 -192.0.2.128/25" => "";
        everything: "0.0.0.0/0 ::/0" => "0.0.0.0/0 ::/0";
        both_families: "2001:db8::/127 -2001:db8::1 192.0.2.1" => "192.0.2.1 2001:db8::";
    }

    proptest! {
        #[test]
        fn an_address_is_in_if_its_nearest_prefix_is(
            decided in proptest::collection::vec((any::<u32>(), 20..=32_u8, any::<bool>()), 0..40),
            probe in any::<u32>(),
        ) {
            // Few bits, so that prefixes meet.
            let squeeze = |bits: u32| IpAddr::V4((0xc000_0200 | bits & 0xff).into());
            let mut decided: Vec<_> = decided
                .into_iter()
                .map(|(bits, length, is_in)| (Prefix::new(squeeze(bits), length).unwrap(), is_in))
                .collect();
            decided.sort_unstable();
            decided.dedup_by_key(|(prefix, _)| *prefix);
            let probe = squeeze(probe);
            let nearest = decided.iter().filter(|(prefix, _)| prefix.contains(probe));
            let want = nearest.max_by_key(|(prefix, _)| prefix.length()).is_some_and(|it| it.1);
            let found = inside(decided);
            prop_assert_eq!(found.iter().any(|prefix| prefix.contains(probe)), want);
            for pair in found.windows(2) {
                prop_assert!(pair[0] < pair[1] && !pair[0].covers(pair[1]));
            }
        }
    }
}
