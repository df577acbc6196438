//! What waits to be done, in order. Buffers of packets are used again.

use std::collections::VecDeque;

use crate::core::engine::door::{Output, SearchId, WayBack};
use crate::core::event::{Event, Traffic};
use crate::core::flow::FiveTuple;
use crate::core::time::Instant;
use crate::core::upstream::{AskId, Transport};
use std::net::SocketAddr;

/// The queue behind [`Engine::poll`](super::Engine::poll).
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<Queued>,
    spare: Vec<Vec<u8>>,
    /// What the last poll lent.
    lent: Vec<u8>,
}

/// An [`Output`] that owns its bytes.
#[derive(Debug)]
pub(super) enum Queued {
    Packet(Vec<u8>),
    Onward { packet: Vec<u8>, decided: bool, host: bool },
    Recall(FiveTuple),
    Ask { ask: AskId, upstream: SocketAddr, transport: Transport, message: Vec<u8> },
    Forget { ask: AskId },
    WhoOwns { search: SearchId, flow: FiveTuple },
    Reply { way_back: WayBack, message: Vec<u8> },
    Seen(Event, Option<Traffic>),
}

impl Outbox {
    /// Queues something that is not a packet.
    pub(super) fn push(&mut self, queued: Queued) {
        self.queue.push_back(queued);
    }

    /// Lets `write` make a packet, and queues it if there is one.
    pub(super) fn packet(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let mut packet = self.spare.pop().unwrap_or_default();
        packet.clear();
        let written = write(&mut packet);
        if written {
            self.queue.push_back(Queued::Packet(packet));
        } else {
            self.keep(packet);
        }
        written
    }

    /// The next output; `Wait(deadline)` when there is none.
    pub(super) fn pop(&mut self, deadline: impl FnOnce() -> Option<Instant>) -> Output<'_> {
        let Some(queued) = self.queue.pop_front() else { return Output::Wait(deadline()) };
        match queued {
            Queued::Packet(packet) => Output::Packet(self.lend(packet)),
            Queued::Onward { packet, decided, host } => {
                Output::Onward { packet: self.lend(packet), decided, host }
            }
            Queued::Recall(flow) => Output::Recall(flow),
            Queued::Ask { ask, upstream, transport, message } => {
                Output::Ask { ask, upstream, transport, message: self.lend(message) }
            }
            Queued::Forget { ask } => Output::Forget { ask },
            Queued::WhoOwns { search, flow } => Output::WhoOwns { search, flow },
            Queued::Reply { way_back, message } => {
                Output::Reply { way_back, message: self.lend(message) }
            }
            Queued::Seen(event, traffic) => Output::Seen(event, traffic),
        }
    }

    fn lend(&mut self, bytes: Vec<u8>) -> &[u8] {
        let last = std::mem::replace(&mut self.lent, bytes);
        self.keep(last);
        &self.lent
    }

    fn keep(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < MAX_SPARE && buffer.capacity() <= MAX_KEPT {
            self.spare.push(buffer);
        }
    }
}

/// Buffers to keep: a burst of packets is answered packet by packet.
const MAX_SPARE: usize = 16;

/// Largest buffer worth keeping, in bytes: a packet of the usual MTU, and room.
const MAX_KEPT: usize = 4096;
