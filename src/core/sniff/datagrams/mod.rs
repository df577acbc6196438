//! The first datagrams of a UDP flow.
//!
//! Opens what a QUIC client sends first (RFC 9001 §5.2) and tells other
//! protocols by their first bytes (RFC 9443).

mod connection;
mod pieces;
#[cfg(test)]
mod tests;

use connection::Connection;

use super::{Cause, Sniffed, Spoken, Unnamed};
use crate::core::wire::quic::packet::{Kind, Packet, Start};
use crate::core::wire::reader::{Reader, Short};

/// Sniffs one direction of one flow of datagrams. See the module's contract.
///
/// After an outcome there may be another: a client that is told to speak
/// another version does so in the same flow, and whoever means to deceive us
/// sends something harmless ahead. So every datagram is looked into that is
/// pushed, and [`Sniffed::Named`] has the names of all of them.
///
/// What nobody can open is no outcome until there is much of it, or no more:
/// servers pass over it, and so do we.
#[derive(Debug, Default)]
pub struct Datagrams {
    /// One, but for Retry, other versions and deceit.
    connections: Vec<Connection>,
    /// There may be more than we follow.
    crowded: bool,
    /// How often a packet was tried with a key.
    tries: u16,
    /// Datagrams of QUIC in which nothing could be read.
    unread: u8,
    /// Why not, as far as the last of them tells.
    unreadable: Option<Unnamed>,
    /// What the first datagram was that was nothing of the above, or the first
    /// whose protocol is known.
    other: Option<Unnamed>,
}

impl Datagrams {
    /// Takes the payload of a datagram.
    ///
    /// Tries two keys at most with each of its packets, and 256 with all of
    /// the flow.
    pub fn push(&mut self, payload: &[u8]) -> Sniffed {
        let mut start = Start::parse(payload);
        let mut sealed: Option<(Kind, u32)> = None;
        let mut opened = false;
        while let Start::Packet(packet, rest) = start {
            opened |= packet.kind == Kind::Initial && self.open(&packet);
            let this = (packet.kind, packet.version.number);
            sealed = Some(sealed.map_or(this, |before| before.min(this)));
            start = Start::parse(rest);
        }
        if !opened {
            match sealed {
                Some((kind, version)) => self.note_sealed(kind, version),
                None => self.note_start(start, payload),
            }
        }
        self.outcome(false)
    }

    /// What is known if nothing more comes.
    pub fn finish(&mut self) -> Sniffed {
        self.outcome(true)
    }

    /// Bytes that are kept until there is an outcome.
    #[must_use]
    pub fn held(&self) -> usize {
        self.connections.iter().map(Connection::held).sum()
    }

    /// Opens an Initial packet; says whether it could be opened.
    ///
    /// Keys are from the connection id that a client chose for its first packet.
    /// Later ones go to the server's (RFC 9000 §7.2); after a Retry there are
    /// new keys from that (RFC 9001 §5.2), after another version was agreed on
    /// there are new ones from the old (RFC 9369 §4.1).
    fn open(&mut self, packet: &Packet<'_>) -> bool {
        let began = self.connections.iter().position(|known| known.began_with(packet));
        let likely = began.or(self.connections.len().checked_sub(1));
        let Some(known) = likely.and_then(|index| self.connections.get_mut(index)) else {
            return self.begin(packet, packet.destination);
        };
        if known.version() == packet.version {
            let may = self.tries < MAX_TRIES;
            self.tries += u16::from(may);
            let opened = may && known.take(packet);
            return opened || began.is_none() && self.begin(packet, packet.destination);
        }
        let chosen = known.destination().to_vec();
        self.begin(packet, &chosen) || self.begin(packet, packet.destination)
    }

    /// Opens an Initial packet with keys of its own.
    fn begin(&mut self, packet: &Packet<'_>, destination: &[u8]) -> bool {
        self.crowded |= self.connections.len() >= MAX_CONNECTIONS;
        if self.crowded || self.tries >= MAX_TRIES {
            return false;
        }
        self.tries += 1;
        let connection = Connection::opened_by(packet, destination);
        let opened = connection.is_some();
        self.connections.extend(connection);
        opened
    }

    fn note_sealed(&mut self, kind: Kind, version: u32) {
        match kind {
            Kind::Initial => self.note_unread(Cause::Undecryptable, version),
            Kind::ZeroRtt => self.note_unread(Cause::Incomplete, version),
            // A handshake goes on whose beginning was never here.
            Kind::Handshake => self.note_other(quic(Cause::Midway, version)),
            Kind::Retry => self.note_other(quic(Cause::OtherProtocol, version)),
        }
    }

    fn note_start(&mut self, start: Start<'_>, payload: &[u8]) {
        match start {
            Start::Broken(version) => self.note_unread(Cause::Malformed, version),
            Start::Version(0) => self.note_other(quic(Cause::OtherProtocol, 0)),
            Start::Version(version) => self.note_other(quic(Cause::UnknownVersion, version)),
            Start::Short => {
                self.note_other(Unnamed { cause: Cause::Midway, spoken: None, ech: false });
            }
            Start::Packet(..) | Start::Other => self.note_other(not_quic(payload)),
        }
    }

    fn note_other(&mut self, other: Unnamed) {
        let tells_more = |known: Unnamed| known.spoken.is_none() && other.spoken.is_some();
        if self.other.is_none_or(tells_more) {
            self.other = Some(other);
        }
    }

    fn note_unread(&mut self, cause: Cause, version: u32) {
        self.unread = self.unread.saturating_add(1);
        self.unreadable = Some(quic(cause, version));
    }

    fn outcome(&self, over: bool) -> Sniffed {
        let over = over || self.tries >= MAX_TRIES;
        let outcomes = self.connections.iter().map(|connection| connection.outcome(over));
        let Some(mut outcome) = outcomes.reduce(both) else {
            let waits = self.unread > 0 && self.unread < MAX_UNREAD && !over;
            let silent = Unnamed { cause: Cause::Silent, spoken: None, ech: false };
            let unnamed = self.unreadable.or(self.other).unwrap_or(silent);
            return if waits { Sniffed::NeedMore } else { Sniffed::Unnamed(unnamed) };
        };
        if let Sniffed::Named(named) = &mut outcome {
            named.doubtful |= self.crowded;
        }
        outcome
    }
}

/// What two attempts to connect come to: we cannot know which of them the
/// server heard.
fn both(one: Sniffed, other: Sniffed) -> Sniffed {
    match (one, other) {
        (Sniffed::NeedMore, _) | (_, Sniffed::NeedMore) => Sniffed::NeedMore,
        (Sniffed::Named(mut named), Sniffed::Unnamed(_))
        | (Sniffed::Unnamed(_), Sniffed::Named(mut named)) => {
            named.doubtful = true;
            Sniffed::Named(named)
        }
        (one, other) => one.and(other),
    }
}

const fn quic(cause: Cause, version: u32) -> Unnamed {
    Unnamed { cause, spoken: Some(Spoken::Quic(version)), ech: false }
}

fn not_quic(payload: &[u8]) -> Unnamed {
    let cause = if payload.is_empty() { Cause::Silent } else { Cause::OtherProtocol };
    let spoken = match (is_stun(payload), is_dtls(payload)) {
        (Ok(true), _) => Some(Spoken::Stun),
        (_, Ok(true)) => Some(Spoken::Dtls),
        _ => None,
    };
    Unnamed { cause, spoken, ech: false }
}

/// RFC 8489 §5.
fn is_stun(payload: &[u8]) -> Result<bool, Short> {
    let mut r = Reader::new(payload);
    let (kind, len, cookie) = (r.u16()?, r.u16()?, r.u32()?);
    r.take(STUN_TRANSACTION)?;
    Ok(kind >> 14 == 0 && len % 4 == 0 && cookie == STUN_COOKIE)
}

/// A record in plain text: RFC 9147 §4.
fn is_dtls(payload: &[u8]) -> Result<bool, Short> {
    let mut r = Reader::new(payload);
    let (kind, version) = (r.u8()?, r.u16()?);
    r.take(DTLS_NUMBER)?;
    r.u16()?; // length
    Ok((20..64).contains(&kind) && version >> 8 == 0xfe)
}

/// Most connections of one flow that are told apart: two versions, each with a
/// Retry. Who begins more is not followed.
const MAX_CONNECTIONS: usize = 4;

/// Most tries to open a packet, of one flow. Each costs about 5 µs at worst; a hello
/// comes in two or three packets.
const MAX_TRIES: u16 = 256;

/// After so many datagrams in which nothing could be read the first packet, which
/// they may have overtaken, is not awaited any more.
const MAX_UNREAD: u8 = 8;

const STUN_COOKIE: u32 = 0x2112_a442; // RFC 8489 §5
const STUN_TRANSACTION: usize = 12; // the same
const DTLS_NUMBER: usize = 8; // epoch, sequence number; RFC 9147 §4
