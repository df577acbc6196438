//! A server as Linux is one, as far as taking bytes goes (`tcp_input.c`): who
//! checks what is written here in words of RFCs where there are such.

use std::collections::BTreeMap;

use super::*;
use crate::core::wire::tcp::Choice;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Server {
    state: State,
    /// The next number it awaits.
    next: u32,
    first: u32,
    /// How many bytes it said.
    pub said: u32,
    clock: Option<u32>,
    /// What waits for what comes before it, by distance from the first byte.
    ahead: BTreeMap<usize, Vec<u8>>,
    fin: Option<usize>,
    /// What its program reads.
    pub stream: Vec<u8>,
    /// Everything that it took, also what waits.
    pub taken: usize,
    pub resets: usize,
    /// Datagrams that came.
    pub datagrams: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum State {
    #[default]
    Listens,
    HalfOpen,
    Open,
    Ended,
    Reset,
}

impl Server {
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// A packet is on its way here.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        let Ok(packet) = Packet::parse(bytes) else { return };
        if packet.hop_limit() < DISTANCE {
            return;
        }
        if let Ok(datagram) = Datagram::parse(&packet) {
            return self.datagrams.push(datagram.payload.to_vec());
        }
        let Ok(segment) = Segment::parse(&packet) else { return };
        if self.is_sound(&segment) {
            self.take(&segment, bytes, &packet);
        }
    }

    /// No signature that was not asked for; no clock that goes back (RFC 7323 §5.3).
    fn is_sound(&mut self, segment: &Segment<'_>) -> bool {
        for choice in segment.options() {
            match choice {
                Ok(Choice::Signature) | Err(_) => return false,
                Ok(Choice::Timestamps(stamps)) => {
                    let behind = |of: u32| stamps.value.wrapping_sub(of).cast_signed() < 0;
                    if self.clock.is_some_and(behind) && !segment.flags.has(Flags::RST) {
                        return false;
                    }
                    let listens = self.state == State::Listens;
                    let in_order = segment.sequence.wrapping_sub(self.next).cast_signed() <= 0;
                    if if listens { segment.opens() } else { in_order } {
                        self.clock = Some(stamps.value);
                    }
                }
                Ok(Choice::Other(_)) => {}
            }
        }
        true
    }

    fn take(&mut self, segment: &Segment<'_>, bytes: &[u8], packet: &Packet<'_>) {
        if matches!(self.state, State::Listens | State::Ended | State::Reset) && segment.opens() {
            *self = Self {
                state: State::HalfOpen,
                next: segment.sequence.wrapping_add(1),
                first: segment.sequence.wrapping_add(1),
                clock: self.clock,
                resets: self.resets,
                said: self.said,
                stream: std::mem::take(&mut self.stream),
                ..Self::default()
            };
            self.stream.clear();
            assert!(segment.payload.is_empty(), "a SYN carries nothing to here");
            return;
        }
        if segment.flags.has(Flags::SYN) || self.state == State::Listens {
            return;
        }
        if segment.flags.has(Flags::RST) {
            // RFC 5961 §3.2
            if segment.sequence == self.next {
                self.state = State::Reset;
                self.resets += 1;
            }
            return;
        }
        // RFC 9293 §3.10.7.4, fifth; RFC 5961 §5.2
        let acked = segment.acknowledgment.wrapping_sub(ISS + 1);
        if !segment.flags.has(Flags::ACK) || acked > self.said {
            return;
        }
        if self.state == State::HalfOpen {
            self.state = State::Open;
        }
        if self.state == State::Open {
            let urgent = segment.flags.has(Flags::URG).then(|| urgent_of(bytes, packet));
            self.take_bytes(segment, urgent.flatten());
        }
    }

    fn take_bytes(&mut self, segment: &Segment<'_>, urgent: Option<usize>) {
        let offset = i64::from(segment.sequence.wrapping_sub(self.first).cast_signed());
        let skip = usize::try_from(-offset).unwrap_or(0);
        let at = usize::try_from(offset).unwrap_or(0);
        if at > self.len() + WINDOW {
            return;
        }
        let mut data = segment.payload.get(skip..).unwrap_or_default().to_vec();
        if let Some(pointer) = urgent.and_then(|pointer| pointer.checked_sub(1))
            && pointer < data.len()
        {
            data[pointer] = URGENT; // its program never reads it in line (RFC 6093 §3.1)
        }
        if segment.flags.has(Flags::FIN) && self.fin.is_none() {
            self.fin = Some(at + data.len());
        }
        self.insert(at, data);
        while let Some((at, data)) = self.ahead.pop_first() {
            if at > self.len() {
                self.ahead.insert(at, data);
                break;
            }
            self.insert(at, data);
        }
        let ended = self.fin == Some(self.len());
        if ended {
            self.state = State::Ended;
        }
        let len = u32::try_from(self.len()).unwrap();
        self.next = self.first.wrapping_add(len).wrapping_add(ended.into());
    }

    /// What is in order counts as it came first; of what is not the earlier byte.
    fn insert(&mut self, at: usize, data: Vec<u8>) {
        if at > self.len() {
            self.taken += data.len();
            let kept = self.ahead.entry(at).or_default();
            if data.len() > kept.len() {
                *kept = data;
            }
        } else if let Some(new) = data.get(self.len() - at..) {
            self.taken += new.len();
            self.stream.extend(new);
        }
    }

    fn len(&self) -> usize {
        self.stream.len()
    }
}

fn urgent_of(bytes: &[u8], packet: &Packet<'_>) -> Option<usize> {
    let tcp = bytes.len() - packet.payload.len();
    let field = bytes.get(tcp + 18..tcp + 20)?;
    Some(usize::from(u16::from_be_bytes([field[0], field[1]])))
}

/// Its first number.
pub(super) const ISS: u32 = 0x7000_0000;

/// So many routers are between us and it.
const DISTANCE: u8 = 10;

/// How far ahead it takes bytes.
const WINDOW: usize = 65_535;

/// What stands where an urgent byte was.
const URGENT: u8 = 0xee;
