//! Names of record types.

/// The number of a record type, by its name in any case.
///
/// From IANA's registry, DNS Parameters, Resource Record TYPEs.
pub(super) fn number(name: &str) -> Option<u16> {
    TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|&(_, number)| number)
}

pub(super) const A: u16 = 1;
pub(super) const AAAA: u16 = 28;

#[rustfmt::skip]
const TYPES: &[(&str, u16)] = &[
    ("A", A), ("AAAA", AAAA), ("CNAME", 5), ("HTTPS", 65), ("SVCB", 64), ("TXT", 16), ("MX", 15),
    ("NS", 2), ("SOA", 6), ("PTR", 12), ("SRV", 33), ("ANY", 255), ("CAA", 257), ("NAPTR", 35),
    ("MD", 3), ("MF", 4), ("MB", 7), ("MG", 8), ("MR", 9), ("NULL", 10), ("WKS", 11), ("HINFO", 13),
    ("MINFO", 14), ("RP", 17), ("AFSDB", 18), ("X25", 19), ("ISDN", 20), ("RT", 21), ("NSAP", 22),
    ("NSAP-PTR", 23), ("SIG", 24), ("KEY", 25), ("PX", 26), ("GPOS", 27), ("LOC", 29), ("NXT", 30),
    ("EID", 31), ("NIMLOC", 32), ("ATMA", 34), ("KX", 36), ("CERT", 37), ("A6", 38), ("DNAME", 39),
    ("SINK", 40), ("OPT", 41), ("APL", 42), ("DS", 43), ("SSHFP", 44), ("IPSECKEY", 45),
    ("RRSIG", 46), ("NSEC", 47), ("DNSKEY", 48), ("DHCID", 49), ("NSEC3", 50), ("NSEC3PARAM", 51),
    ("TLSA", 52), ("SMIMEA", 53), ("HIP", 55), ("NINFO", 56), ("RKEY", 57), ("TALINK", 58),
    ("CDS", 59), ("CDNSKEY", 60), ("OPENPGPKEY", 61), ("CSYNC", 62), ("ZONEMD", 63), ("SPF", 99),
    ("UINFO", 100), ("UID", 101), ("GID", 102), ("UNSPEC", 103), ("NID", 104), ("L32", 105),
    ("L64", 106), ("LP", 107), ("EUI48", 108), ("EUI64", 109), ("TKEY", 249), ("TSIG", 250),
    ("IXFR", 251), ("AXFR", 252), ("MAILB", 253), ("MAILA", 254), ("URI", 256), ("AVC", 258),
    ("DOA", 259), ("AMTRELAY", 260), ("TA", 32768), ("DLV", 32769),
];
