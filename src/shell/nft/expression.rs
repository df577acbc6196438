//! What a rule is made of. Names and numbers are those of `nf_tables.h`.

use std::net::IpAddr;
use std::time::Duration;

use super::message::Attributes;
use crate::core::flow::Protocol;
use crate::core::prefix::Prefix;

/// A rule in the making: each step either goes on or lets the packet pass by.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule(Attributes);

impl Rule {
    /// The packet is of this family.
    pub(super) fn family(self, v6: bool) -> Self {
        let family = if v6 { NFPROTO_IPV6 } else { NFPROTO_IPV4 };
        self.meta(META_NFPROTO).compare(EQUAL, &[family])
    }

    /// The source is in there. Only after [`Rule::family`].
    pub(super) fn source(self, prefix: Prefix) -> Self {
        let (offset, octets) = match prefix.address() {
            IpAddr::V4(v4) => (12, v4.octets().to_vec()), // RFC 791 §3.1
            IpAddr::V6(v6) => (8, v6.octets().to_vec()),  // RFC 8200 §3
        };
        let mask: Vec<u8> =
            (0_u8..).map(|at| mask_octet(prefix.length(), at)).take(octets.len()).collect();
        self.payload(NETWORK_HEADER, offset, octets.len()).mask(&mask).compare(EQUAL, &octets)
    }

    /// It is of this protocol.
    pub(super) fn protocol(self, protocol: Protocol) -> Self {
        let number = match protocol {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        };
        self.meta(META_L4PROTO).compare(EQUAL, &[number])
    }

    /// It goes to this port. Only after [`Rule::protocol`].
    pub(super) fn port_to(self, port: u16) -> Self {
        self.payload(TRANSPORT_HEADER, 2, 2).compare(EQUAL, &port.to_be_bytes())
    }

    /// It comes from this port. Only after [`Rule::protocol`].
    pub(super) fn port_from(self, port: u16) -> Self {
        self.payload(TRANSPORT_HEADER, 0, 2).compare(EQUAL, &port.to_be_bytes())
    }

    /// Its sender left the checksum out, as it may in UDP over IPv4 (RFC 768).
    pub(super) fn without_checksum(self) -> Self {
        self.payload(TRANSPORT_HEADER, UDP_CHECKSUM, 2).compare(EQUAL, &[0; 2])
    }

    /// Its mark has this value under this mask.
    pub(super) fn mark(self, value: u32, mask: u32) -> Self {
        self.meta(META_MARK).mask(&mask.to_ne_bytes()).compare(EQUAL, &value.to_ne_bytes())
    }

    /// It bears a mark of somebody.
    pub(super) fn marked(self) -> Self {
        self.meta(META_MARK).compare(NOT_EQUAL, &[0; 4])
    }

    /// It came by this link.
    pub(super) fn came_by(self, link: u32) -> Self {
        self.meta(META_IIF).compare(EQUAL, &link.to_ne_bytes())
    }

    /// It came by another link than this.
    pub(super) fn came_not_by(self, link: u32) -> Self {
        self.meta(META_IIF).compare(NOT_EQUAL, &link.to_ne_bytes())
    }

    /// It leaves by another link than this.
    pub(super) fn leaves_not_by(self, link: u32) -> Self {
        self.meta(META_OIF).compare(NOT_EQUAL, &link.to_ne_bytes())
    }

    /// It leaves by this link.
    pub(super) fn leaves_by(self, link: u32) -> Self {
        self.meta(META_OIF).compare(EQUAL, &link.to_ne_bytes())
    }

    /// A program of this user sends it.
    pub(super) fn sent_by(self, user: u32) -> Self {
        self.meta(META_SKUID).compare(EQUAL, &user.to_ne_bytes())
    }

    /// Its destination is, or is not, an address of this host.
    pub(super) fn meant_for_us(self, yes: bool) -> Self {
        self.destination_type(if yes { EQUAL } else { NOT_EQUAL }, RTN_LOCAL)
    }

    /// Its destination is not one machine elsewhere: it is this host, or many.
    pub(super) fn meant_for_none_or_many(self) -> Self {
        self.destination_type(NOT_EQUAL, RTN_UNICAST)
    }

    /// Sets bits of its mark.
    pub(super) fn set_mark(self, bits: u32) -> Self {
        self.change_mark(bits, bits)
    }

    /// Clears bits of its mark.
    pub(super) fn clear_mark(self, bits: u32) -> Self {
        self.change_mark(bits, 0)
    }

    /// Its destination is this address. Only after [`Rule::family`].
    pub(super) fn destination(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => self.payload(NETWORK_HEADER, 16, 4).compare(EQUAL, &v4.octets()),
            IpAddr::V6(v6) => self.payload(NETWORK_HEADER, 24, 16).compare(EQUAL, &v6.octets()),
        }
    }

    /// It is TCP and bears one of these flags, or with `not` none of them.
    pub(super) fn flags(self, flags: u8, not: bool) -> Self {
        let how = if not { EQUAL } else { NOT_EQUAL };
        self.protocol(Protocol::Tcp)
            .payload(TRANSPORT_HEADER, TCP_FLAGS, 1)
            .mask(&[flags])
            .compare(how, &[0])
    }

    /// What it carries begins with these bytes, as far as the mask says. Only after
    /// [`Rule::protocol`]. From Linux 5.16 on.
    pub(super) fn begins_with(self, bytes: &[u8], mask: &[u8]) -> Self {
        self.payload(INNER_HEADER, 0, bytes.len()).mask(mask).compare(EQUAL, bytes)
    }

    /// It is a part of a packet. Only after [`Rule::family`].
    pub(super) fn fragment(self, v6: bool) -> Self {
        if !v6 {
            let rule = self.payload(NETWORK_HEADER, 6, 2); // RFC 791 §3.1: more fragments, offset
            return rule.mask(&[0x3f, 0xff]).compare(NOT_EQUAL, &[0; 2]);
        }
        let present = Attributes::default()
            .number(1, REGISTER)
            .bytes(2, &[FRAGMENT_HEADER])
            .number(3, 0)
            .number(4, 1)
            .number(5, EXTHDR_F_PRESENT);
        self.expression("exthdr", &present).compare(EQUAL, &[1])
    }

    /// Its way leads by this gateway. Only after [`Rule::family`].
    pub(super) fn goes_by(self, gateway: IpAddr) -> Self {
        let (key, octets) = match gateway {
            IpAddr::V4(v4) => (RT_NEXTHOP4, v4.octets().to_vec()),
            IpAddr::V6(v6) => (RT_NEXTHOP6, v6.octets().to_vec()),
        };
        let rt = Attributes::default().number(1, REGISTER).number(2, key);
        self.expression("rt", &rt).compare(EQUAL, &octets)
    }

    /// Has its connection not tracked. Does not have others tracked either.
    pub(super) fn untrack(self) -> Self {
        self.expression("notrack", &Attributes::default())
    }

    /// Tracks its connection apart from all others.
    pub(super) fn zone(self, zone: u16) -> Self {
        let set = Attributes::default().number(2, CT_ZONE).number(4, REGISTER);
        self.immediate(&zone.to_ne_bytes()).expression("ct", &set)
    }

    /// It came as it is: nobody translated its destination. Drops it.
    pub(super) fn drop_untranslated(self) -> Self {
        let status = Attributes::default().number(1, REGISTER).number(2, CT_STATUS);
        self.expression("ct", &status)
            .mask(&IPS_DST_NAT.to_ne_bytes())
            .compare(EQUAL, &[0; 4])
            .drop()
    }

    /// Drops it.
    pub(super) fn drop(self) -> Self {
        self.verdict(VERDICT_DROP, None)
    }

    /// Lets it go on.
    pub(super) fn accept(self) -> Self {
        self.verdict(VERDICT_ACCEPT, None)
    }

    /// Goes back to where it was jumped from.
    pub(super) fn go_back(self) -> Self {
        self.verdict(VERDICT_RETURN, None)
    }

    /// Goes on in another chain, and does not come back.
    pub(super) fn go_to(self, chain: &str) -> Self {
        self.verdict(VERDICT_GOTO, Some(chain))
    }

    /// Refuses it so that its program knows at once: a reset for TCP, port
    /// unreachable for UDP.
    pub(super) fn reject(self, protocol: Protocol) -> Self {
        let reject = match protocol {
            Protocol::Tcp => Attributes::default().number(1, REJECT_TCP_RST),
            Protocol::Udp => {
                Attributes::default().number(1, REJECT_ICMPX).bytes(2, &[ICMPX_PORT_UNREACHABLE])
            }
        };
        self.expression("reject", &reject)
    }

    /// Sends it there instead.
    pub(super) fn translate_to(self, address: IpAddr) -> Self {
        let (family, octets) = match address {
            IpAddr::V4(v4) => (NFPROTO_IPV4, v4.octets().to_vec()),
            IpAddr::V6(v6) => (NFPROTO_IPV6, v6.octets().to_vec()),
        };
        let nat =
            Attributes::default().number(1, NAT_DNAT).number(2, family.into()).number(3, REGISTER);
        self.immediate(&octets).expression("nat", &nat)
    }

    /// Sends it to this port of this host instead.
    pub(super) fn redirect_to(self, port: u16) -> Self {
        let redirect = Attributes::default().number(1, REGISTER);
        self.immediate(&port.to_be_bytes()).expression("redir", &redirect)
    }

    /// Has the kernel join fragments, for as long as the rule is there and even if
    /// no packet ever meets it: the expression `tproxy` asks for that.
    pub(super) fn join_fragments(self) -> Self {
        let proxy = Attributes::default().number(1, ANY_FAMILY).number(3, REGISTER);
        self.immediate(&1_u16.to_be_bytes()).expression("tproxy", &proxy)
    }

    /// Writes another destination port into it. Unlike [`Rule::redirect_to`]
    /// the kernel remembers nothing of it. Only after [`Rule::protocol`], which
    /// says where the checksum is that is to be kept; `None` if there is none.
    pub(super) fn write_port_to(self, port: u16, checksum: Option<Protocol>) -> Self {
        self.write_port(2, port, checksum)
    }

    /// The same with the source port.
    pub(super) fn write_port_from(self, port: u16, checksum: Option<Protocol>) -> Self {
        self.write_port(0, port, checksum)
    }

    /// Goes on in another chain, and comes back.
    pub(super) fn jump(self, chain: &str) -> Self {
        self.verdict(VERDICT_JUMP, Some(chain))
    }

    /// The expressions, for the message that makes the rule.
    pub(super) fn finish(self) -> Attributes {
        self.0
    }

    /// Reads a part of the packet into a register.
    pub(super) fn read(self, what: Field, register: u32) -> Self {
        let payload = Attributes::default()
            .number(1, register)
            .number(2, what.base)
            .number(3, what.offset)
            .number(4, what.length);
        self.expression("payload", &payload)
    }

    /// What the registers from this one on hold is in the set of that name, or with
    /// `not` is not in it.
    pub(super) fn look_up(self, set: &str, register: u32, not: bool) -> Self {
        let lookup = Attributes::default().text(1, set).number(2, register);
        let lookup = if not { lookup.number(5, LOOKUP_F_INV) } else { lookup };
        self.expression("lookup", &lookup)
    }

    /// Puts what the registers from this one on hold into the set, or renews it
    /// there. A set that is full ends the rule.
    pub(super) fn update(self, set: &str, register: u32, timeout: Option<Duration>) -> Self {
        self.change_set(set, register, DYNSET_OP_UPDATE, timeout)
    }

    /// Takes what the registers from this one on hold out of the set.
    pub(super) fn delete(self, set: &str, register: u32) -> Self {
        self.change_set(set, register, DYNSET_OP_DELETE, None)
    }

    fn change_set(self, set: &str, register: u32, how: u32, timeout: Option<Duration>) -> Self {
        let dynset = Attributes::default().text(1, set).number(3, how).number(4, register);
        let dynset = match timeout {
            Some(timeout) => dynset.millis(6, timeout),
            None => dynset,
        };
        self.expression("dynset", &dynset)
    }

    fn verdict(self, code: u32, chain: Option<&str>) -> Self {
        let verdict = Attributes::default().number(1, code);
        let verdict = match chain {
            Some(chain) => verdict.text(2, chain),
            None => verdict,
        };
        let data = Attributes::default().nest(2, &verdict);
        let immediate = Attributes::default().number(1, REGISTER_VERDICT).nest(2, &data);
        self.expression("immediate", &immediate)
    }

    fn destination_type(self, how: u32, kind: u32) -> Self {
        let fib = Attributes::default()
            .number(1, REGISTER)
            .number(2, FIB_RESULT_ADDRTYPE)
            .number(3, FIB_F_DADDR);
        self.expression("fib", &fib).compare(how, &kind.to_ne_bytes())
    }

    /// Gives the bits of `mask` in its mark this value.
    fn change_mark(self, mask: u32, value_of: u32) -> Self {
        let change = Attributes::default()
            .number(1, REGISTER)
            .number(2, REGISTER)
            .number(3, 4)
            .nest(4, &value(&(!mask).to_ne_bytes()))
            .nest(5, &value(&value_of.to_ne_bytes()));
        let set = Attributes::default().number(2, META_MARK).number(3, REGISTER);
        self.meta(META_MARK).expression("bitwise", &change).expression("meta", &set)
    }

    fn meta(self, key: u32) -> Self {
        self.expression("meta", &Attributes::default().number(1, REGISTER).number(2, key))
    }

    fn payload(self, base: u32, offset: u32, length: usize) -> Self {
        let length = u32::try_from(length).expect("at most an address");
        self.read(Field { base, offset, length }, REGISTER)
    }

    fn write_port(self, offset: u32, port: u16, checksum: Option<Protocol>) -> Self {
        let write = Attributes::default()
            .number(2, TRANSPORT_HEADER)
            .number(3, offset)
            .number(4, 2)
            .number(5, REGISTER);
        let write = match checksum {
            Some(Protocol::Udp) => write.number(6, CHECKSUM_INET).number(7, UDP_CHECKSUM),
            Some(Protocol::Tcp) => write.number(6, CHECKSUM_INET).number(7, TCP_CHECKSUM),
            None => write,
        };
        self.immediate(&port.to_be_bytes()).expression("payload", &write)
    }

    fn mask(self, mask: &[u8]) -> Self {
        let bitwise = Attributes::default()
            .number(1, REGISTER)
            .number(2, REGISTER)
            .number(3, u32::try_from(mask.len()).expect("at most an address"))
            .nest(4, &value(mask))
            .nest(5, &value(&vec![0; mask.len()]));
        self.expression("bitwise", &bitwise)
    }

    fn compare(self, how: u32, with: &[u8]) -> Self {
        let compare =
            Attributes::default().number(1, REGISTER).number(2, how).nest(3, &value(with));
        self.expression("cmp", &compare)
    }

    fn immediate(self, bytes: &[u8]) -> Self {
        let immediate = Attributes::default().number(1, REGISTER).nest(2, &value(bytes));
        self.expression("immediate", &immediate)
    }

    fn expression(self, name: &str, data: &Attributes) -> Self {
        let element = Attributes::default().text(1, name).nest(2, data);
        Self(self.0.nest(1, &element))
    }
}

/// A part of a packet: where it begins and how long it is, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) base: u32,
    pub(super) offset: u32,
    pub(super) length: u32,
}

fn value(bytes: &[u8]) -> Attributes {
    Attributes::default().bytes(1, bytes)
}

/// The octet `at` of the mask for a prefix of `length` bits.
fn mask_octet(length: u8, at: u8) -> u8 {
    let bits = length.saturating_sub(at.saturating_mul(8)).min(8);
    0xff_u8.checked_shl(8 - u32::from(bits)).unwrap_or(0)
}

const REGISTER_VERDICT: u32 = 0;
const REGISTER: u32 = 1; // one of 16 bytes is enough for every rule
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
const META_MARK: u32 = 3;
const META_IIF: u32 = 4;
const META_OIF: u32 = 5;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;
const META_SKUID: u32 = 10;
pub(super) const NETWORK_HEADER: u32 = 1;
const INNER_HEADER: u32 = 3; // NFT_PAYLOAD_INNER_HEADER
pub(super) const TRANSPORT_HEADER: u32 = 2;
const CHECKSUM_INET: u32 = 1; // NFT_PAYLOAD_CSUM_INET
const UDP_CHECKSUM: u32 = 6; // RFC 768
const TCP_CHECKSUM: u32 = 16; // RFC 9293 §3.1
const FIB_RESULT_ADDRTYPE: u32 = 3;
const FIB_F_DADDR: u32 = 2;
const RTN_UNICAST: u32 = 1; // rtnetlink.h
const RTN_LOCAL: u32 = 2;
const RT_NEXTHOP4: u32 = 1; // enum nft_rt_keys
const RT_NEXTHOP6: u32 = 2;
const EXTHDR_F_PRESENT: u32 = 1;
const FRAGMENT_HEADER: u8 = 44; // RFC 8200 §4.5
const LOOKUP_F_INV: u32 = 1;
const DYNSET_OP_UPDATE: u32 = 1; // enum nft_dynset_ops
const DYNSET_OP_DELETE: u32 = 2; // from Linux 5.4 on
const TCP_FLAGS: u32 = 13; // RFC 9293 §3.1
const CT_STATUS: u32 = 2;
const IPS_DST_NAT: u32 = 1 << 5; // nf_conntrack_common.h
const CT_ZONE: u32 = 17;
const NAT_DNAT: u32 = 1;
const REJECT_TCP_RST: u32 = 1; // enum nft_reject_types
const REJECT_ICMPX: u32 = 2;
const ICMPX_PORT_UNREACHABLE: u8 = 1; // enum nft_reject_inet_code
const VERDICT_DROP: u32 = 0; // NF_DROP
const VERDICT_ACCEPT: u32 = 1; // NF_ACCEPT
const VERDICT_JUMP: u32 = (-3_i32).cast_unsigned();
const VERDICT_GOTO: u32 = (-4_i32).cast_unsigned();
const VERDICT_RETURN: u32 = (-5_i32).cast_unsigned();
const ANY_FAMILY: u32 = 0; // NFPROTO_UNSPEC
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_cut_at_any_bit() {
        let mask = |length| (0..4).map(|at| mask_octet(length, at)).collect::<Vec<_>>();
        assert_eq!(mask(0), [0, 0, 0, 0]);
        assert_eq!(mask(10), [0xff, 0xc0, 0, 0]);
        assert_eq!(mask(24), [0xff, 0xff, 0xff, 0]);
        assert_eq!(mask(32), [0xff; 4]);
    }
}
