//! Flows to somebody else: looked into, sent on, refused.

use super::clients::{ACK, Caller, FINISHED, datagram, http, quic, said, tls};
use super::*;
use crate::core::wire::tcp::Flags;

impl Home {
    fn packet(&mut self, packet: &[u8]) -> Outs {
        self.input(Input::Packet(packet))
    }

    /// Lets a connection be opened; nothing is decided by that.
    fn opened(&mut self, caller: &mut Caller) {
        for packet in [caller.syn(), caller.ack()] {
            let outs = self.packet(&packet);
            assert!(outs.packets.is_empty() && outs.seen.is_empty(), "{outs:?}");
            let [onward] = &outs.onward[..] else { panic!("{outs:?}") };
            assert_eq!((&onward.packet, onward.decided, onward.host), (&packet, false, false));
        }
    }

    /// Opens a connection, says `bytes`, and goes on as one does that was let in.
    fn calls(&mut self, caller: &mut Caller, bytes: &[u8]) -> Outs {
        self.opened(caller);
        let mut outs = self.packet(&caller.say(bytes));
        if outs.packets.is_empty() {
            outs.add(self.packet(&caller.say(FINISHED)));
        }
        outs
    }
}

/// That everyone is told, and nobody hears what was said.
fn assert_refused_both_ways(outs: &Outs, caller: &Caller) {
    let [back] = &outs.packets[..] else { panic!("{outs:?}") };
    let packet = Packet::parse(back).unwrap();
    assert_eq!((packet.source, packet.destination), (caller.to.ip(), caller.from.ip()));
    assert!(said(back).0.has(Flags::RST));
    let [onward] = &outs.onward[..] else { panic!("{outs:?}") };
    let packet = Packet::parse(&onward.packet).unwrap();
    assert_eq!((packet.source, packet.destination), (caller.from.ip(), caller.to.ip()));
    let (flags, payload) = said(&onward.packet);
    assert!(flags.has(Flags::RST) && payload.is_empty() && !onward.decided);
}

#[test]
fn a_blocked_name_is_refused_both_ways_and_told_of() {
    for (phone, server) in ENDS {
        for (bytes, learnt) in [
            (tls("a.tracker.example.com"), Learnt::Tls),
            (http("tracker.example.com"), Learnt::Http),
        ] {
            let (mut home, mut caller) = (Home::new(), Caller::new(phone, server));
            let outs = home.calls(&mut caller, &bytes);
            assert_refused_both_ways(&outs, &caller);
            let [event] = &outs.seen[..] else { panic!("{outs:?}") };
            assert_eq!(
                (event.outcome, event.learnt, event.ech),
                (Outcome::Blocked, Some(learnt), false)
            );
            assert!(event.host.as_ref().unwrap().as_str().ends_with("tracker.example.com"));
            assert_eq!(event.client, Client::Device(caller.from.ip()));
            let (rule, via) = event.evidence.as_ref().unwrap();
            assert_eq!((rule.text.as_ref(), via), ("*.tracker.example.com", &Via::Name));
            let (port, address) = (caller.to.port(), caller.to.ip());
            assert_eq!(event.kind, Kind::Connection { protocol: Protocol::Tcp, port, address });
            assert_eq!(outs.traffic[0].unwrap().bytes_up, bytes.len() as u64);
            assert_eq!(home.engine.flows().0.refused, 1);
        }
    }
}

#[test]
fn a_passed_name_goes_on_as_it_was_said_and_takes_its_flow_past_us() {
    for (phone, server) in ENDS {
        for (bytes, learnt) in
            [(tls("www.example.org"), Learnt::Tls), (http("www.example.org:8080"), Learnt::Http)]
        {
            let (mut home, mut caller) = (Home::new(), Caller::new(phone, server));
            let outs = home.calls(&mut caller, &bytes);
            assert!(outs.packets.is_empty() && outs.onward.iter().all(|onward| !onward.host));
            assert!(outs.onward.last().unwrap().decided);
            let heard: Vec<u8> =
                outs.onward.iter().flat_map(|onward| said(&onward.packet).1).collect();
            assert_eq!(heard, [&bytes, FINISHED].concat());
            let [event] = &outs.seen[..] else { panic!("{outs:?}") };
            assert_eq!((event.outcome, event.learnt), (Outcome::Passed, Some(learnt)));
            assert_eq!((event.unnamed, &event.evidence), (None, &None));
            assert_eq!(event.host.as_ref().unwrap().as_str(), "www.example.org");
        }
    }
}

#[test]
fn quic_is_decided_by_name_and_refused_so_that_the_client_falls_back_at_once() {
    for (phone, server) in ENDS {
        let mut home = Home::new();
        let first = datagram(phone, server, &quic("www.example.org"));
        let mut outs = home.packet(&first);
        // A few more are looked at: tools say false names before the true one.
        for short in 1..=8 {
            outs.add(home.packet(&datagram(phone, server, &[0x40 | short; 40])));
        }
        assert!(outs.onward[0].packet == first && outs.onward.last().unwrap().decided);
        assert_eq!((outs.onward.len(), outs.seen.len()), (9, 1));
        assert_eq!(
            (outs.seen[0].outcome, outs.seen[0].learnt),
            (Outcome::Passed, Some(Learnt::Quic))
        );

        let outs = home.packet(&datagram(
            phone,
            &server.replace("443", "8443"),
            &quic("tracker.example.com"),
        ));
        let [back] = &outs.packets[..] else { panic!("{outs:?}") };
        let unreachable = if phone.starts_with('[') { [1, 4] } else { [3, 3] };
        assert_eq!(Packet::parse(back).unwrap().payload[..2], unreachable);
        assert!(outs.onward.is_empty());
        assert_eq!(
            (outs.seen[0].outcome, outs.seen[0].learnt),
            (Outcome::Blocked, Some(Learnt::Quic))
        );
    }
}

#[test]
fn a_flow_without_a_name_passes_and_says_why_it_has_none() {
    let mut home = Home::new();
    let mut caller = Caller::new(ENDS[0].0, ENDS[0].1);
    let outs = home.calls(&mut caller, &tls(""));
    assert!(outs.onward.last().unwrap().decided);
    let event = &outs.seen[0];
    assert_eq!((event.outcome, event.learnt, &event.host), (Outcome::Passed, None, &None));
    assert_eq!(event.unnamed, Some(crate::core::sniff::Cause::NoName));
}

#[test]
fn a_name_that_is_blocked_later_recalls_its_flow_and_then_refuses_it() {
    let (mut home, mut caller) = (Home::new(), Caller::new(ENDS[0].0, ENDS[0].1));
    home.calls(&mut caller, &tls("www.example.org"));
    let outs = home.input(Input::Policy(Arc::new(Policy::blocking(&["unrelated.example"]))));
    assert!(outs.recalled.is_empty(), "{outs:?}");
    let outs = home.input(Input::Policy(Arc::new(Policy::blocking(&["example.org"]))));
    assert_eq!(outs.recalled, [caller.tuple()]);
    assert_eq!(outs.seen[0].outcome, Outcome::Blocked);
    let outs = home.packet(&caller.say(b"more"));
    assert!(outs.packets.iter().any(|packet| said(packet).0.has(Flags::RST)), "{outs:?}");
    assert!(outs.onward.iter().all(|onward| said(&onward.packet).1.is_empty()));
}

#[test]
fn what_is_held_is_let_go_when_everything_is_to_pass() {
    let (mut home, mut caller) = (Home::new(), Caller::new(ENDS[0].0, ENDS[0].1));
    let hello = tls("tracker.example.com");
    home.opened(&mut caller);
    let outs = home.packet(&caller.say(&hello[..20]));
    assert!(outs.onward.is_empty() && outs.packets.is_empty());
    assert!(outs.wait.is_some(), "somebody must look after it");
    let outs = home.input(Input::Release);
    let let_go: Vec<u8> = outs.onward.iter().flat_map(|onward| said(&onward.packet).1).collect();
    assert_eq!(let_go, &hello[..20]);
    assert_eq!(home.engine.flows().1, inline::Fill::default());
}

#[test]
fn the_sinkhole_is_refused_as_ever_and_nothing_to_it_goes_on() {
    for (phone, resolver, _) in super::ENDS {
        let mut home = Home::new();
        let kind = if phone.starts_with('[') { RecordType::AAAA } else { RecordType::A };
        let [from, to] = [phone, resolver].map(|end| end.parse().unwrap());
        let outs = home.send(from, to, &question(kind, 0));
        let packet = Packet::parse(&outs.packets[0]).unwrap();
        let reply = Message::from_vec(Datagram::parse(&packet).unwrap().payload).unwrap();
        let sink: IpAddr = match reply.answers[0].data {
            RData::A(a) => a.0.into(),
            RData::AAAA(a) => a.0.into(),
            ref other => panic!("{other:?}"),
        };
        let mut caller = Caller::new(phone, &SocketAddr::new(sink, 443).to_string());
        for (packet, told) in
            [(caller.syn(), 1), (caller.ack(), 0), (caller.say(&tls("www.example.org")), 0)]
        {
            let outs = home.packet(&packet);
            assert!(said(&outs.packets[0]).0.has(Flags::RST) && outs.onward.is_empty());
            assert_eq!(outs.seen.len(), told);
        }
        // Addresses of its range that nobody was given are refused just so.
        let other = if phone.starts_with('[') {
            "[fd6f:7074:6f75:7400::ffff:1]:443"
        } else {
            "198.19.255.1:443"
        };
        let outs = home.packet(&Caller::new(phone, other).syn());
        assert!(said(&outs.packets[0]).0.has(Flags::RST) && outs.onward.is_empty());
        assert_eq!((outs.seen[0].learnt, &outs.seen[0].host), (None, &None));
    }
}

#[test]
fn a_datagram_in_fragments_is_joined_and_goes_on_in_fragments() {
    for (phone, server) in ENDS {
        let mut home = Home::new();
        let payload: Vec<u8> = (0x40..=0x7f).cycle().take(4000).collect();
        let outs = home.send(phone.parse().unwrap(), server.parse().unwrap(), &payload);
        assert_eq!(outs.onward.len(), 3, "{outs:?}");
        let mut whole = Vec::new();
        let mut reassembler = Reassembler::default();
        for onward in &outs.onward {
            assert!(onward.packet.len() <= 1500);
            let packet = Packet::parse(&onward.packet).unwrap();
            let _ = reassembler.handle_fragment(home.now, &packet, &mut whole);
        }
        let packet = Packet::parse(&whole).unwrap();
        assert_eq!(Datagram::parse(&packet).unwrap().payload, payload);
    }
}

#[test]
fn what_is_for_no_host_or_for_us_does_not_go_round() {
    let mut home = Home::new();
    let own = ["192.0.2.1", "2001:db8::1"];
    home.input(Input::OwnAddresses(own.iter().map(|ip| ip.parse().unwrap()).collect()));
    let to = [
        "192.0.2.1",
        "127.0.0.1",
        "0.0.0.1",
        "224.0.0.251",
        "255.255.255.255",
        "240.0.0.1",
        "2001:db8::1",
        "::1",
        "::",
        "ff02::fb",
        "::ffff:203.0.113.9",
    ];
    for (number, to) in (1..).zip(to) {
        let to: IpAddr = to.parse().unwrap();
        let from = if to.is_ipv4() { "192.0.2.7:40000" } else { "[2001:db8::7]:40000" };
        let to = SocketAddr::new(to, 443).to_string();
        for packet in [Caller::new(from, &to).syn(), datagram(from, &to, &quic("www.example.org"))]
        {
            let outs = home.packet(&packet);
            assert!(outs.packets.is_empty() && outs.onward.is_empty(), "{to}: {outs:?}");
            assert!(outs.seen.is_empty());
        }
        assert_eq!(home.engine.counters().malformed, 2 * number);
    }
    // Nor what comes from one.
    for from in ["127.0.0.1:40000", "224.0.0.1:40000", "203.0.113.9:443"] {
        let outs = home.packet(&Caller::new(from, "203.0.113.9:443").syn());
        assert!(outs.packets.is_empty() && outs.onward.is_empty(), "{from}");
    }
}

#[test]
fn a_segment_of_nobodys_flow_is_not_refused() {
    let (mut home, mut caller) = (Home::new(), Caller::new(ENDS[0].0, ENDS[0].1));
    let outs = home.packet(&caller.send(ACK, &[]));
    assert!(outs.packets.is_empty() && outs.onward.len() == 1, "{outs:?}");
}

const ENDS: [(&str, &str); 2] =
    [("192.0.2.7:40000", "203.0.113.9:443"), ("[2001:db8::7]:40000", "[2001:db8:1::9]:443")];

#[test]
fn what_passed_may_go_on_as_it_is_where_all_of_it_comes_by() {
    for (phone, server) in ENDS {
        let (mut home, mut caller) = (Home::new(), Caller::new(phone, server));
        home.calls(&mut caller, &tls("www.example.org"));
        let packet = caller.say(b"more of it");
        let counted = home.engine.counters().packets;
        assert!(home.engine.passes(home.now, &packet));
        assert_eq!(home.engine.counters().packets, counted + 1);
        assert!(!home.engine.passes(home.now, &[&packet, &b"behind it"[..]].concat()));
        assert!(!home.engine.passes(home.now, &packet[..packet.len() - 1]));
        assert!(!home.engine.passes(home.now, &[]));
        assert_eq!(home.engine.counters().packets, counted + 1);
        home.input(Input::Release);
        assert!(!home.engine.passes(home.now, &packet), "all is forgotten");
    }
}
