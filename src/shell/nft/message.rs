//! Netfilter messages as bytes: headers, attributes, batches.
//!
//! Written by hand, some hundred lines, because we send a dozen kinds of message
//! with as many kinds of expression, and read little but errors. The crates that know
//! all of nftables are a generated twenty thousand lines (`netlink-bindings`)
//! or a whole network manager (`nlink`), both young; the rest start nft(8) or
//! bind to a GPL library.

use std::time::Duration;

/// A batch: the kernel carries out all of it, or nothing.
#[derive(Debug)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    messages: u32,
    acks: usize,
    table: &'static str,
}

impl Batch {
    /// Begins a batch about the table of that name.
    pub(super) fn new(table: &'static str) -> Self {
        let mut batch = Self { bytes: Vec::new(), messages: 0, acks: 0, table };
        batch.frame(BATCH_BEGIN, 0, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES, Attributes::default());
        batch
    }

    /// Adds one message about nftables. Each is acknowledged.
    pub(super) fn push(&mut self, kind: u16, flags: u16, attributes: Attributes) {
        let kind = NFNL_SUBSYS_NFTABLES << 8 | kind;
        // Every message names its table in its first attribute.
        let mut named = Attributes::default().text(TABLE, self.table);
        named.0.extend(attributes.0);
        self.frame(kind, flags | NLM_F_ACK, NFPROTO_INET, 0, named);
        self.acks += 1;
    }

    /// The whole, and how many acknowledgements will come.
    pub(super) fn finish(mut self) -> (Vec<u8>, usize) {
        self.frame(BATCH_END, 0, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES, Attributes::default());
        (self.bytes, self.acks)
    }

    fn frame(&mut self, kind: u16, flags: u16, family: u8, resource: u16, attributes: Attributes) {
        self.messages += 1;
        let length = HEADER + attributes.0.len();
        let length = u32::try_from(length).expect("a message of ours has some hundred bytes");
        self.bytes.extend(length.to_ne_bytes()); // struct nlmsghdr
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        self.bytes.extend(self.messages.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend([family, 0]); // struct nfgenmsg
        self.bytes.extend(resource.to_be_bytes());
        self.bytes.extend(attributes.0);
    }
}

/// A question for all objects of a kind, of a table of ours or of all tables, to be
/// sent by itself.
pub(super) fn question(kind: u16, table: Option<&str>, attributes: &Attributes) -> Vec<u8> {
    let mut all =
        table.map_or_else(Attributes::default, |it| Attributes::default().text(TABLE, it));
    all.0.extend(&attributes.0);
    let family = if table.is_some() { NFPROTO_INET } else { NFPROTO_UNSPEC };
    alone(kind, NLM_F_DUMP, family, &all)
}

/// A question that has one answer, to be sent by itself.
pub(super) fn single(kind: u16) -> Vec<u8> {
    alone(kind, NLM_F_ACK, NFPROTO_UNSPEC, &Attributes::default())
}

fn alone(kind: u16, flags: u16, family: u8, attributes: &Attributes) -> Vec<u8> {
    let length = u32::try_from(HEADER + attributes.0.len());
    let mut bytes = length.expect("a question of ours is short").to_ne_bytes().to_vec();
    bytes.extend((NFNL_SUBSYS_NFTABLES << 8 | kind).to_ne_bytes()); // struct nlmsghdr
    bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, 0, 0, 0]); // struct nfgenmsg
    bytes.extend(&attributes.0);
    bytes
}

/// The attributes of a whole answer.
pub(super) fn body(frame: &[u8]) -> &[u8] {
    frame.get(HEADER..).unwrap_or_default()
}

/// A run of attributes (struct nlattr), each padded to four bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// The bytes of them all.
    #[cfg(test)]
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Adds plain bytes.
    pub(super) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(ATTRIBUTE + value.len()).expect("an attribute of ours is short");
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Adds a text, which the kernel wants with a zero at its end.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// Adds a number, in network order as netfilter has them.
    pub(super) fn number(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Adds a time, which netfilter has in milliseconds.
    pub(super) fn millis(self, kind: u16, time: Duration) -> Self {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.bytes(kind, &millis.to_be_bytes())
    }

    /// Adds attributes inside an attribute.
    pub(super) fn nest(self, kind: u16, inner: &Self) -> Self {
        self.bytes(kind | NLA_F_NESTED, &inner.0)
    }
}

pub(super) const GET_GENERATION: u16 = 16; // nf_tables.h, enum nf_tables_msg_types
const HEADER: usize = 20; // struct nlmsghdr and struct nfgenmsg
const ATTRIBUTE: usize = 4; // struct nlattr
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLA_F_NESTED: u16 = 0x8000;
const BATCH_BEGIN: u16 = 0x10; // NFNL_MSG_BATCH_BEGIN
const BATCH_END: u16 = 0x11; // NFNL_MSG_BATCH_END
const NFNL_SUBSYS_NFTABLES: u16 = 10;
const TABLE: u16 = 1; // NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE
const NFPROTO_UNSPEC: u8 = 0;
const NFPROTO_INET: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_their_length_is_not() {
        let attributes = Attributes::default().text(1, "ab").number(2, 7);
        let mut want = Vec::new();
        want.extend(7_u16.to_ne_bytes());
        want.extend(1_u16.to_ne_bytes());
        want.extend(*b"ab\0\0");
        want.extend(8_u16.to_ne_bytes());
        want.extend(2_u16.to_ne_bytes());
        want.extend([0, 0, 0, 7]);
        assert_eq!(attributes.0, want);
    }
}
