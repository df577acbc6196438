//! Numbers of record types (IANA, "Resource Record (RR) TYPEs").

pub(super) const A: u16 = 1; // RFC 1035 §3.4.1
pub(super) const NS: u16 = 2; // RFC 1035 §3.3.11
pub(super) const MD: u16 = 3; // RFC 1035 §3.3.4
pub(super) const MF: u16 = 4; // RFC 1035 §3.3.5
pub(super) const CNAME: u16 = 5; // RFC 1035 §3.3.1
pub(super) const SOA: u16 = 6; // RFC 1035 §3.3.13
pub(super) const MB: u16 = 7; // RFC 1035 §3.3.3
pub(super) const MG: u16 = 8; // RFC 1035 §3.3.6
pub(super) const MR: u16 = 9; // RFC 1035 §3.3.8
pub(super) const PTR: u16 = 12; // RFC 1035 §3.3.12
pub(super) const HINFO: u16 = 13; // RFC 1035 §3.3.2
pub(super) const MINFO: u16 = 14; // RFC 1035 §3.3.7
pub(super) const MX: u16 = 15; // RFC 1035 §3.3.9
pub(super) const TXT: u16 = 16; // RFC 1035 §3.3.14
pub(super) const RP: u16 = 17; // RFC 1183 §2
pub(super) const AFSDB: u16 = 18; // RFC 1183 §1
pub(super) const RT: u16 = 21; // RFC 1183 §3.3
pub(super) const PX: u16 = 26; // RFC 2163 §4
pub(super) const AAAA: u16 = 28; // RFC 3596 §2.1
pub(super) const SRV: u16 = 33; // RFC 2782
pub(super) const KX: u16 = 36; // RFC 2230 §3
pub(super) const DNAME: u16 = 39; // RFC 6672 §2.1
pub(super) const OPT: u16 = 41; // RFC 6891 §6.1.1
pub(super) const DS: u16 = 43; // RFC 4034 §5
pub(super) const RRSIG: u16 = 46; // RFC 4034 §3
pub(super) const NSEC: u16 = 47; // RFC 4034 §4
pub(super) const NSEC3: u16 = 50; // RFC 5155 §3
pub(super) const SVCB: u16 = 64; // RFC 9460 §14.1
pub(super) const HTTPS: u16 = 65; // RFC 9460 §14.1
pub(super) const TKEY: u16 = 249; // RFC 2930 §2; the first of those that ask for a deed
pub(super) const IXFR: u16 = 251; // RFC 1995
pub(super) const AXFR: u16 = 252; // RFC 5936
pub(super) const MAILA: u16 = 254; // RFC 1035 §3.2.3; the last of those
pub(super) const ANY: u16 = 255; // RFC 8482

pub(super) const IN: u16 = 1; // class, RFC 1035 §3.2.4
