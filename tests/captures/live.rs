//! The same packets, looked into as if they were on their way: what a capture is said to
//! show must be what the daemon would have done.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use optout::core::capture::{Inside, mend, open};
use optout::core::flow::{Client, FiveTuple};
use optout::core::flows::inline::{Inline, Judge, Learnt, Out, Settings};
use optout::core::host::HostName;
use optout::core::policy::Policy;
use optout::core::replay::{Replay, Seen};
use optout::core::time::Instant;
use optout::core::verdict::Verdict;
use optout::core::wire::ip::Packet;
use optout::core::wire::tcp::Segment;
use optout::core::wire::udp::Datagram;
use optout::shell::capture_file;

use crate::made;

/// A policy, and no answers.
struct ByPolicy<'a>(&'a Policy);

impl Judge for ByPolicy<'_> {
    fn host(&self, host: &str, client: &Client) -> Verdict {
        self.0.judge(Instant::ZERO, host, client)
    }

    fn address(&self, address: IpAddr, client: &Client) -> Verdict {
        self.0.judge_address(Instant::ZERO, address, client)
    }

    fn answered(&self, _: &Client, _: IpAddr, _: &mut dyn FnMut(&HostName)) {}

    fn depends_on_program(&self) -> bool {
        false
    }
}

/// The packets of a capture with their times, as they were sent.
pub(crate) fn packets(file: &[u8]) -> Vec<(Instant, Vec<u8>)> {
    let mut packets = Vec::new();
    capture_file::read(file, |record, _| {
        let mut out = Vec::new();
        if let Inside::Ip(packet) = open(record.link, record.bytes)
            && mend(packet, packet.len(), &mut out).is_some()
        {
            packets.push((record.at.unwrap_or(Instant::ZERO), out));
        }
    });
    packets
}

/// Ends of a packet, and whether it is a SYN.
fn ends(packet: &Packet<'_>) -> Option<(SocketAddr, SocketAddr, bool)> {
    let (from, to, opens) = match (Segment::parse(packet), Datagram::parse(packet)) {
        (Ok(it), _) => (it.source_port, it.destination_port, it.opens()),
        (_, Ok(it)) => (it.source_port, it.destination_port, true),
        _ => return None,
    };
    let [from, to] = [(packet.source, from), (packet.destination, to)].map(SocketAddr::from);
    Some((from, to, opens))
}

/// What is said to be seen, and what `Inline` says of the same flow, for each flow that
/// both know: one that begins in the capture, between hosts, and is no question.
pub(crate) fn both(
    packets: &[(Instant, Vec<u8>)],
    policy: &Policy,
) -> Vec<(Seen, Option<HostName>, Learnt, bool)> {
    let mut replay = Replay::default();
    for (at, packet) in packets {
        replay.handle_packet(*at, packet, packet.len());
    }
    let seen = replay.finish(policy, Instant::ZERO);
    let clients: Vec<_> = seen.iter().map(|flow| (flow.client, flow.server)).collect();
    let mut inline = Inline::new(Settings::default());
    let judge = ByPolicy(policy);
    let mut opened = BTreeMap::new();
    let mut told: BTreeMap<(SocketAddr, SocketAddr), (Option<HostName>, Learnt, bool)> =
        BTreeMap::new();
    for (at, bytes) in packets {
        let Ok(packet) = Packet::parse(bytes) else { continue };
        let Some((from, to, opens)) = ends(&packet) else { continue };
        if !packet.is_answerable() || !clients.contains(&(from, to)) {
            continue;
        }
        if opens {
            *opened.entry((from, to)).or_insert(0) += 1;
        }
        if opened.contains_key(&(from, to)) {
            inline.handle_packet(*at, &judge, &Client::Device(from.ip()), &packet);
        }
        take(&mut inline, &mut told);
    }
    inline.handle_timeout(Instant::NEVER, &judge);
    take(&mut inline, &mut told);
    let known = |flow: Seen| {
        let (host, learnt, refused) = told.get(&(flow.client, flow.server))?.clone();
        (flow.server.port() != 53).then_some((flow, host, learnt, refused))
    };
    seen.into_iter().filter_map(known).collect()
}

fn take(
    inline: &mut Inline,
    told: &mut BTreeMap<(SocketAddr, SocketAddr), (Option<HostName>, Learnt, bool)>,
) {
    while let Some(out) = inline.poll() {
        if let Out::Seen(seen) = out {
            let FiveTuple { source, destination, .. } = seen.tuple;
            // What comes of packets after the verdict tells nothing new.
            let what = (seen.host, seen.learnt, seen.refusal.is_some());
            told.entry((source, destination)).or_insert(what);
        }
    }
}

#[test]
fn what_a_capture_shows_is_what_would_have_been_done() {
    let policy = Policy::blocking(&["blocked.example"]);
    let packets: Vec<_> = made::packets()
        .into_iter()
        .zip(1..)
        .map(|(packet, at)| {
            let mut out = Vec::new();
            mend(&packet, packet.len(), &mut out).expect("a packet");
            (Instant::from_micros(at), out)
        })
        .collect();
    let both = both(&packets, &policy);
    assert_eq!(both.len(), 4);
    for (flow, host, _, refused) in both {
        assert_eq!(host.as_ref(), flow.names.first());
        assert_eq!(refused, flow.decided.refusal.is_some(), "{flow:?}");
        assert_eq!(refused, flow.client.port() == 50001, "{flow:?}");
    }
}
