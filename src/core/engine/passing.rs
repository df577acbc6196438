//! Flows to somebody else: handed to those that look into them, and what comes
//! of it carried to the outbox.

use super::judge::ByPolicy;
use super::outbox::Queued;
use super::{Engine, Waiting, seen};
use crate::core::flow::{Client, FiveTuple, Owner};
use crate::core::flows::fragment;
use crate::core::flows::inline::Out;
use crate::core::time::Instant;
use crate::core::verdict::Verdict;
use crate::core::wire::ip::Packet;

impl Engine {
    /// Takes a packet that is no question. Whether it `opens` a flow matters where
    /// the flow must not be.
    pub(super) fn flow(
        &mut self,
        now: Instant,
        tuple: FiveTuple,
        packet: &Packet<'_>,
        opens: bool,
    ) {
        if !self.is_stopped(now, packet) {
            self.look_into(now, packet);
        } else if opens {
            self.connection(now, tuple, packet);
        } else {
            self.refuse(packet);
        }
    }

    /// Whether a packet that came out of the TUN may go on as it is, for it is of a flow
    /// that passed. If not, nothing has happened: it is for [`Engine::handle`]. Its
    /// checksums need not be made, nor its segments be cut.
    ///
    /// For where every packet comes by us. It puts nothing into the outbox.
    pub fn passes(&mut self, now: Instant, bytes: &[u8]) -> bool {
        let Ok(packet) = Packet::parse(bytes) else { return false };
        let passes = packet.bytes.len() == bytes.len() && self.inline.passes(now, &packet);
        self.counters.packets += u64::from(passes);
        passes
    }

    /// Whether no flow to this address may be, whoever's it is.
    fn is_stopped(&self, now: Instant, packet: &Packet<'_>) -> bool {
        let (client, to) = (self.client_of(packet), packet.destination);
        // The program may be allowed what others are not: that is found out first.
        // Where nothing can pass, nothing depends on it.
        let is_host = matches!(client, Client::Host(_));
        let unsure = is_host && self.puts_back && self.policy.depends_on_program();
        self.dns.is_sinkhole(to)
            || !unsure && matches!(self.policy.judge_address(now, to, &client), Verdict::Block(_))
    }

    /// Hands on a packet to somebody else. One that no host sent, or that is for no
    /// host or for us, would go round: it is dropped.
    fn look_into(&mut self, now: Instant, packet: &Packet<'_>) {
        if !packet.is_answerable() || self.own.contains(&packet.destination) {
            self.counters.malformed += 1;
            return;
        }
        if !self.puts_back {
            self.counters.strays += 1;
            return self.refuse(packet);
        }
        let client = self.client_of(packet);
        let judge = ByPolicy { policy: &self.policy, dns: &self.dns, now };
        self.inline.handle_packet(now, &judge, &client, packet);
    }

    /// Who sent a packet, as far as the packet shows.
    pub(super) fn client_of(&self, packet: &Packet<'_>) -> Client {
        if self.own.contains(&packet.source) {
            Client::Host(None)
        } else {
            Client::Device(packet.source)
        }
    }

    /// Takes what became of a search for the owner of a flow.
    pub(super) fn owner_of_flow(&mut self, now: Instant, tuple: FiveTuple, owner: Option<Owner>) {
        let judge = ByPolicy { policy: &self.policy, dns: &self.dns, now };
        self.inline.handle_owner(now, &judge, tuple, owner.unwrap_or_default());
    }

    /// Flows that passed and may no more are recalled.
    pub(super) fn rejudge(&mut self, now: Instant) {
        let judge = ByPolicy { policy: &self.policy, dns: &self.dns, now };
        self.inline.rejudge(now, &judge);
    }

    /// Takes the passing of time.
    pub(super) fn flows_in_time(&mut self, now: Instant) {
        let judge = ByPolicy { policy: &self.policy, dns: &self.dns, now };
        self.inline.handle_timeout(now, &judge);
    }

    /// Carries what is to be done with flows to the outbox.
    pub(super) fn drain_flows(&mut self, now: Instant) {
        while let Some(out) = self.inline.poll() {
            match out {
                Out::Onward { packet, decided, host } => self.onward(packet, decided, host),
                Out::Back(packet) => self.outbox.push(Queued::Packet(packet)),
                Out::Recall(tuple) => self.outbox.push(Queued::Recall(tuple)),
                Out::WhoOwns(tuple) if self.can_hold(&[]) => {
                    self.hold(now, tuple, Waiting::Flow { tuple });
                }
                Out::WhoOwns(tuple) => self.owner_of_flow(now, tuple, None),
                Out::Seen(flow) => {
                    let (event, traffic) = seen::event(&flow, &self.policy);
                    self.outbox.push(Queued::Seen(event, Some(traffic)));
                }
            }
        }
    }

    /// A datagram that came in fragments goes on in fragments: joined it is longer
    /// than a link takes, and in IPv6 no router may cut it.
    fn onward(&mut self, packet: Vec<u8>, decided: bool, host: bool) {
        if packet.len() <= self.mtu {
            self.outbox.push(Queued::Onward { packet, decided, host });
            return;
        }
        self.identification = self.identification.wrapping_add(1);
        for packet in fragment::cut(packet, self.mtu, self.identification) {
            self.outbox.push(Queued::Onward { packet, decided, host });
        }
    }
}
