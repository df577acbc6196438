//! Names of DNS question types, for people.

use std::borrow::Cow;

/// The name of a type (IANA "DNS Parameters"), or `TYPE123` (RFC 3597 §5).
#[must_use]
pub(super) fn name(qtype: u16) -> Cow<'static, str> {
    NAMES
        .binary_search_by_key(&qtype, |&(number, _)| number)
        .map_or_else(|_| format!("TYPE{qtype}").into(), |at| NAMES[at].1.into())
}

/// In ascending order of number.
const NAMES: &[(u16, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (12, "PTR"),
    (13, "HINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (24, "SIG"),
    (25, "KEY"),
    (28, "AAAA"),
    (29, "LOC"),
    (33, "SRV"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (39, "DNAME"),
    (41, "OPT"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (49, "DHCID"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (53, "SMIMEA"),
    (55, "HIP"),
    (59, "CDS"),
    (60, "CDNSKEY"),
    (61, "OPENPGPKEY"),
    (62, "CSYNC"),
    (63, "ZONEMD"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (99, "SPF"),
    (108, "EUI48"),
    (109, "EUI64"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
    (32768, "TA"),
    (32769, "DLV"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_table_is_found() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
        for &(number, text) in NAMES {
            assert_eq!(name(number), text);
        }
    }

    #[test]
    fn a_type_without_a_name_is_shown_by_its_number() {
        assert_eq!(name(123), "TYPE123");
        assert_eq!(name(0), "TYPE0");
        assert_eq!(name(u16::MAX), "TYPE65535");
    }
}
