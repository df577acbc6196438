//! One attempt of a client to open a QUIC connection.

use super::pieces::Pieces;
use crate::core::sniff::{Cause, MAX_HELD, Sniffed, Spoken};
use crate::core::wire::quic::frames::{Frame, Frames};
use crate::core::wire::quic::keys::Keys;
use crate::core::wire::quic::packet::Packet;
use crate::core::wire::quic::version::Version;
use crate::core::wire::tls::{self, ClientHello};

/// The Initial packets that one set of keys opens, and what they say.
#[derive(Debug)]
pub(super) struct Connection {
    version: Version,
    /// Destination Connection ID of the first of them, which the keys are from.
    destination: Vec<u8>,
    keys: Keys,
    /// The packet number after the highest.
    expected: u64,
    said: Pieces,
    /// What was wrong with a packet.
    fault: Option<Cause>,
    is_full: bool,
    outcome: Sniffed,
}

impl Connection {
    /// Whose first packet is `packet`, or would be in the version of `packet`.
    /// `None` if it is not.
    pub(super) fn opened_by(packet: &Packet<'_>, destination: &[u8]) -> Option<Self> {
        let version = packet.version;
        let mut connection = Self {
            version,
            destination: destination.to_vec(),
            keys: Keys::of_client(&version, destination)?,
            expected: 0,
            said: Pieces::default(),
            fault: None,
            is_full: false,
            outcome: Sniffed::NeedMore,
        };
        connection.take(packet).then_some(connection)
    }

    /// Whether its first packet had this version and connection id.
    pub(super) fn began_with(&self, packet: &Packet<'_>) -> bool {
        self.version == packet.version && self.destination == packet.destination
    }

    /// The version of its packets.
    pub(super) const fn version(&self) -> Version {
        self.version
    }

    /// The connection id that its keys are from.
    pub(super) fn destination(&self) -> &[u8] {
        &self.destination
    }

    /// Opens a packet and reads it; says whether it could be opened.
    pub(super) fn take(&mut self, packet: &Packet<'_>) -> bool {
        let mut buffer = Vec::new();
        let Some((number, payload)) = self.keys.open(packet, self.expected, &mut buffer) else {
            return false;
        };
        self.expected = self.expected.max(number + 1);
        for frame in Frames::new(payload) {
            match frame {
                Ok(Frame::Crypto { offset, .. }) if offset > MAX_OFFSET => {
                    self.fault = Some(Cause::Malformed);
                }
                Ok(Frame::Crypto { offset, bytes }) => {
                    self.is_full |= self.said.add(offset, bytes).is_err();
                }
                Ok(Frame::Empty | Frame::Close) => {}
                Err(_) => self.fault = Some(Cause::Malformed),
            }
        }
        self.outcome = self.read(self.is_full);
        true
    }

    /// What it says; `over` if nothing more comes.
    pub(super) fn outcome(&self, over: bool) -> Sniffed {
        match &self.outcome {
            Sniffed::NeedMore if over => self.read(true),
            outcome => outcome.clone(),
        }
    }

    /// Bytes that are kept.
    pub(super) fn held(&self) -> usize {
        self.said.held()
    }

    /// Reads what has come. If it is not all, in any of its readings, more is
    /// needed; unless there will be no more, then a part will do that has a name.
    fn read(&self, over: bool) -> Sniffed {
        let spoken = Spoken::Quic(self.version.number);
        let said: Vec<_> = self.said.readings().collect();
        let readings: Vec<_> = said.iter().map(|said| Reading::new(said)).collect();
        let incomplete = readings.iter().any(|reading| reading.fault == Some(Cause::Incomplete));
        if incomplete && !over {
            return Sniffed::NeedMore;
        }
        let hellos = || readings.iter().flat_map(|reading| &reading.hellos);
        let ech = hellos().any(|hello| hello.ech);
        let contested = self.said.is_contested();
        let fault = readings.iter().find_map(|reading| reading.fault);
        match Sniffed::from_hosts(hellos().flat_map(ClientHello::names), spoken, ech) {
            Sniffed::Named(mut named) => {
                named.doubtful |= contested || fault == Some(Cause::Malformed);
                Sniffed::Named(named)
            }
            Sniffed::Unnamed(mut unnamed) => {
                unnamed.cause = match fault {
                    _ if contested => Cause::Malformed,
                    Some(Cause::Incomplete) if self.is_full => Cause::TooLong,
                    Some(Cause::Incomplete) => self.fault.unwrap_or(Cause::Incomplete),
                    Some(fault) => fault,
                    None => unnamed.cause,
                };
                Sniffed::Unnamed(unnamed)
            }
            Sniffed::NeedMore => Sniffed::NeedMore,
        }
    }
}

/// One way to read what has come.
struct Reading<'a> {
    /// Two, if the server asked for another (RFC 8446 §4.1.4). What is not whole
    /// is among them as far as it goes.
    hellos: Vec<ClientHello<'a>>,
    /// Why there is not all of the first, or it is not sound.
    fault: Option<Cause>,
}

impl<'a> Reading<'a> {
    fn new(said: &'a [u8]) -> Self {
        let (hello, fault, rest) = hello(said);
        let mut hellos: Vec<_> = hello.into_iter().collect();
        // The second is not awaited: few clients send one.
        if let ([_], None) = (&hellos[..], fault) {
            hellos.extend(self::hello(rest).0);
        }
        Self { hellos, fault }
    }
}

/// The first message, what is wrong with it, and what comes after it.
fn hello(said: &[u8]) -> (Option<ClientHello<'_>>, Option<Cause>, &[u8]) {
    let len = match tls::message_len(said) {
        Err(_) => return (None, Some(Cause::NoName), &[]),
        Ok(None) => return (None, Some(Cause::Incomplete), &[]),
        Ok(Some(len)) => len,
    };
    let Some((message, rest)) = said.split_at_checked(len) else {
        let fault = if said.len() < MAX_HELD { Cause::Incomplete } else { Cause::TooLong };
        return (ClientHello::parse_cut(said), Some(fault), &[]);
    };
    match ClientHello::parse(message) {
        Ok(hello) => (Some(hello), None, rest),
        Err(_) => (ClientHello::parse_cut(message), Some(Cause::Malformed), rest),
    }
}

/// Where two of the longest messages end (RFC 8446 §4).
const MAX_OFFSET: u64 = 2 * (4 + (1 << 24));
