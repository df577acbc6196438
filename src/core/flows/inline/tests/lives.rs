//! What becomes of flows whose clients play by the rules.

use super::client::{ACK, FIN, PSH, RST, SYN};
use super::*;
use crate::core::sniff::Spoken;

/// A world with a client that shook hands. Each test runs in both families.
pub(super) fn both(test: impl Fn(World, Tool)) {
    for v6 in [false, true] {
        test(world_of(v6), Tool::new(v6, Vec::new()));
    }
}

pub(super) fn world_of(v6: bool) -> World {
    let mut world = World::new();
    if v6 {
        world.client = Client::Device("2001:db8:7::7".parse().unwrap());
    }
    world
}

pub(super) fn shake_hands(world: &mut World, tool: &Tool) {
    world.send(&tool.syn().bytes());
    world.send(&tool.pure_ack().bytes());
}

#[test]
fn an_allowed_hello_goes_on_as_it_came_and_its_flow_is_cut_through() {
    both(|mut world, mut tool| {
        tool.stream = [hello("open.example"), after_hello(), vec![5; 5000]].concat();
        let len = hello("open.example").len();
        let later = len + after_hello().len();
        let packets = [
            tool.syn(),
            tool.pure_ack(),
            tool.real(0..len),
            tool.pure_ack().shifted(i32::try_from(len).unwrap()).acking(1400),
            tool.real(len..later).acking(2800),
            tool.real(later..tool.stream.len()).acking(2800),
        ]
        .map(|sent| sent.bytes());
        world.server.said = 2800;
        for packet in &packets {
            world.send(packet);
        }
        let onward = packets[..5].to_vec();
        let went: Vec<_> = world.onward.iter().map(|(packet, _)| packet.clone()).collect();
        assert_eq!(went, onward, "byte for byte");
        let decided: Vec<_> = world.onward.iter().map(|(_, decided)| *decided).collect();
        assert_eq!(decided, [false, false, false, false, true]);
        assert_eq!(world.server.stream, tool.stream);
        assert_eq!((world.visits, world.back.len()), (5, 0));
        let seen = world.last_seen();
        assert_eq!((seen.learnt, seen.spoken), (Learnt::Said, Some(Spoken::Tls(0x304))));
        assert_eq!(seen.host.as_ref().map(HostName::as_str), Some("open.example"));
        assert_eq!((seen.refused, seen.bytes, world.seen.len()), (false, len as u64, 1));
        let Counters { flows, named, unnamed, refused, dropped, .. } = world.inline.counters();
        assert_eq!((flows, named, unnamed, refused, dropped), (1, 1, 0, 0, 0));
        let Fill { undecided, passed, held, .. } = world.inline.fill();
        assert_eq!((undecided, passed, held), (0, 1, 0));
    });
}

#[test]
fn a_blocked_hello_goes_nowhere_and_both_ends_are_reset() {
    both(|mut world, mut tool| {
        tool.stream = hello("blocked.example");
        shake_hands(&mut world, &tool);
        world.send(&tool.all().bytes());
        assert_eq!((world.server.taken, world.server.resets), (0, 1));
        let end = tool.isn.wrapping_add(1 + u32::try_from(tool.stream.len()).unwrap());
        assert_eq!(world.back.len(), 1);
        assert_eq!(reads_as_reset(&world.back[0]), Some((tool.ack, end)));
        let seen = world.last_seen();
        assert!(seen.refused && seen.verdict == BLOCK);
        assert_eq!((seen.refusal, seen.learnt), (Some(Refusal::Rule), Learnt::Said));
        assert_eq!(world.inline.counters().refused, 1);
        assert_eq!(world.inline.fill().refused, 1);
    });
}

#[test]
fn a_client_that_goes_on_after_its_reset_is_reset_again_but_not_too_often() {
    both(|mut world, mut tool| {
        tool.stream = hello("blocked.example");
        shake_hands(&mut world, &tool);
        for _ in 0..50 {
            world.send(&tool.all().bytes());
        }
        assert_eq!(world.back.len(), 1);
        for _ in 0..20 {
            world.pass_time(Duration::from_millis(50));
            world.send(&tool.all().acking(9).bytes());
        }
        assert_eq!(world.back.len(), 11);
        assert_eq!(reads_as_reset(&world.back[10]).unwrap().0, tool.ack + 9);
        assert_eq!(world.server.taken, 0);
        world.pass_time(Duration::from_secs(59));
        assert_eq!(world.inline.fill().refused, 1);
        world.pass_time(Duration::from_secs(2));
        assert_eq!(world.inline.fill(), Fill::default());
        assert_eq!(world.inline.poll_timeout(), None);
    });
}

#[test]
fn http_is_judged_by_its_host() {
    both(|mut world, mut tool| {
        tool.stream = get("blocked.example");
        shake_hands(&mut world, &tool);
        world.send(&tool.all().bytes());
        assert_eq!((world.server.taken, world.server.resets), (0, 1));
        let mut world = world_of(tool.source.is_ipv6());
        tool.stream = get("open.example");
        shake_hands(&mut world, &tool);
        world.send(&tool.all().bytes());
        assert_eq!((world.server.stream, world.onward[2].1), (tool.stream, true));
    });
}

#[test]
fn a_hello_in_pieces_waits_for_its_last_piece() {
    both(|_, mut tool| {
        for (name, whole) in [("open.example", true), ("blocked.example", false)] {
            let mut world = world_of(tool.source.is_ipv6());
            tool.stream = hello(name);
            shake_hands(&mut world, &tool);
            let len = tool.stream.len();
            for at in [0, 50, 100, 150] {
                assert_eq!(world.onward.len(), 2, "nothing until it is whole");
                let end = if at == 150 { len } else { at + 50 };
                world.send(&tool.real(at..end).bytes());
            }
            assert_eq!(world.server.stream == tool.stream, whole);
            assert_eq!(world.server.taken == 0, !whole);
        }
    });
}

#[test]
fn an_address_that_a_rule_names_is_refused_at_once() {
    both(|mut world, tool| {
        world.rules.address = Some(BLOCK);
        world.send(&tool.syn().bytes());
        assert_eq!((world.onward.len(), world.back.len()), (0, 1));
        let seen = world.last_seen();
        assert_eq!((seen.learnt, seen.refused, seen.host.clone()), (Learnt::Address, true, None));
        // The same SYN again.
        world.pass_time(Duration::from_secs(1));
        world.send(&tool.syn().bytes());
        assert_eq!((world.onward.len(), world.back.len(), world.seen.len()), (0, 2, 1));
    });
}

#[test]
fn names_of_answers_refuse_only_if_all_are_blocked() {
    both(|mut world, tool| {
        world.rules.answers = names(&["blocked.example", "blocked.test"]);
        world.send(&tool.syn().bytes());
        assert_eq!((world.onward.len(), world.back.len()), (0, 1));
        assert_eq!(world.last_seen().learnt, Learnt::Answers);
        assert_eq!(world.last_seen().host.as_ref().unwrap().as_str(), "blocked.example");

        let mut world = world_of(tool.source.is_ipv6());
        world.rules.answers = names(&["blocked.example", "open.example"]);
        world.send(&tool.syn().bytes());
        assert_eq!((world.onward.len(), world.back.len()), (1, 0));
    });
}

#[test]
fn another_syn_on_a_refused_tuple_is_another_flow() {
    both(|mut world, mut tool| {
        tool.stream = hello("blocked.example");
        shake_hands(&mut world, &tool);
        world.send(&tool.all().bytes());
        tool.isn = 77;
        tool.stream = hello("open.example");
        shake_hands(&mut world, &tool);
        world.send(&tool.all().bytes());
        assert_eq!(world.server.stream, tool.stream);
    });
}

#[test]
fn a_watched_host_passes_and_is_told() {
    both(|mut world, mut tool| {
        tool.stream = hello("watched.example");
        shake_hands(&mut world, &tool);
        world.send(&tool.all().bytes());
        assert_eq!(world.server.stream, tool.stream);
        assert_eq!(world.last_seen().verdict, Verdict::Watch(RULE));
        assert!(!world.last_seen().refused);
    });
}

#[test]
fn a_protocol_without_names_is_cut_through_at_its_first_bytes() {
    both(|mut world, mut tool| {
        tool.stream = b"\x00\x01 something else".to_vec();
        shake_hands(&mut world, &tool);
        world.send(&tool.all().bytes());
        assert_eq!((world.server.stream.clone(), world.onward[2].1), (tool.stream, true));
        assert_eq!(world.last_seen().learnt, Learnt::Not(Cause::OtherProtocol));
        assert_eq!(world.inline.counters().unnamed, 1);
    });
}

#[test]
fn a_client_of_a_server_that_speaks_first_loses_no_time() {
    both(|mut world, mut tool| {
        shake_hands(&mut world, &tool);
        world.server.said = 60;
        tool.stream = b"SSH-2.0-Client\r\n".to_vec();
        world.send(&tool.pure_ack().acking(60).bytes());
        assert_eq!(world.onward.len(), 3, "an acknowledgment never waits");
        world.send(&tool.all().acking(60).bytes());
        assert_eq!((world.server.stream.clone(), world.onward[3].1), (tool.stream, true));
        assert_eq!(world.last_seen().spoken, Some(Spoken::Ssh));
    });
}

#[test]
fn half_a_hello_goes_on_undecided_after_its_patience_and_the_rest_is_judged() {
    both(|mut world, mut tool| {
        tool.stream = hello("blocked.example");
        shake_hands(&mut world, &tool);
        world.send(&tool.real(0..60).bytes());
        world.pass_time(Duration::from_millis(1999));
        assert_eq!(world.onward.len(), 2);
        world.pass_time(Duration::from_millis(2));
        assert_eq!((world.server.stream.len(), world.onward[2].1), (60, false));
        world.send(&tool.real(60..tool.stream.len()).bytes());
        assert_eq!((world.server.taken, world.server.resets), (60, 1), "not the rest");
        assert_eq!(world.back.len(), 1);
    });
}

#[test]
fn who_takes_longer_than_a_minute_passes_without_a_name() {
    both(|mut world, mut tool| {
        tool.stream = hello("open.example");
        shake_hands(&mut world, &tool);
        world.send(&tool.real(0..20).bytes());
        world.pass_time(Duration::from_secs(61));
        assert_eq!(world.last_seen().learnt, Learnt::Not(Cause::Incomplete));
        world.send(&tool.real(20..tool.stream.len()).bytes());
        assert_eq!(world.onward.last().map(|(_, decided)| *decided), Some(true));
        assert_eq!(world.server.stream, tool.stream);
    });
}

#[test]
fn the_end_of_a_stream_ends_the_wait_for_a_name() {
    both(|mut world, mut tool| {
        tool.stream = hello("open.example")[..30].to_vec();
        shake_hands(&mut world, &tool);
        world.send(&tool.all().flags(FIN | ACK).bytes());
        assert_eq!(world.server.stream, tool.stream);
        assert_eq!(world.server.state(), server::State::Ended);
        assert!(world.onward.last().unwrap().1);
        assert_eq!(world.last_seen().learnt, Learnt::Not(Cause::Incomplete));
    });
}

#[test]
fn a_client_that_closes_without_a_word_is_seen_and_closed() {
    both(|mut world, tool| {
        shake_hands(&mut world, &tool);
        world.send(&tool.pure_ack().flags(FIN | ACK).bytes());
        assert_eq!(world.server.state(), server::State::Ended);
        assert_eq!(world.last_seen().learnt, Learnt::Not(Cause::Silent));
    });
}

#[test]
fn a_client_that_resets_is_forgotten_and_so_is_what_it_said() {
    both(|mut world, mut tool| {
        tool.stream = hello("open.example");
        shake_hands(&mut world, &tool);
        world.send(&tool.real(0..40).bytes());
        world.send(&tool.pure_ack().shifted(40).flags(RST | ACK).bytes());
        assert_eq!(world.server.state(), server::State::Reset);
        assert_eq!((world.server.taken, world.inline.fill()), (0, Fill::default()));
    });
}

#[test]
fn fast_open_is_judged_and_said_again_in_order() {
    both(|mut world, mut tool| {
        tool.stream = hello("blocked.example");
        world.send(&tool.syn().carrying(&tool.stream).bytes());
        assert_eq!((world.onward.len(), world.back.len()), (0, 1));
        let end = tool.isn.wrapping_add(1 + u32::try_from(tool.stream.len()).unwrap());
        assert_eq!(reads_as_reset(&world.back[0]), Some((0, end)));

        let mut world = world_of(tool.source.is_ipv6());
        tool.stream = hello("open.example");
        world.send(&tool.syn().carrying(&tool.stream).bytes());
        assert_eq!(world.onward[0].0, tool.syn().bytes(), "without what it carried");
        world.send(&tool.pure_ack().bytes());
        world.send(&tool.all().bytes());
        assert_eq!(world.server.stream, tool.stream);
    });
}

#[test]
fn congestion_bits_in_a_syn_change_nothing() {
    both(|mut world, tool| {
        let syn = tool.syn().flags(SYN | 0xc0).bytes();
        world.send(&syn);
        assert_eq!(world.onward[0].0, syn);
    });
}

#[test]
fn segments_that_no_server_takes_begin_nothing() {
    for flags in [SYN | FIN, SYN | RST, 0, SYN | FIN | ACK, FIN | PSH | 0x20, SYN | RST | ACK] {
        both(|mut world, tool| {
            world.send(&tool.pure_ack().flags(flags).bytes());
            assert_eq!((world.onward.len(), world.inline.counters().dropped), (0, 1), "{flags:x}");
            assert_eq!(world.inline.fill(), Fill::default());
        });
    }
}

#[test]
fn a_flow_older_than_we_passes_at_its_first_bytes() {
    both(|mut world, mut tool| {
        tool.stream = vec![0xab; 900];
        world.send(&tool.all().acking(70_000).bytes());
        assert_eq!((world.onward.len(), world.onward[0].1), (1, true));
        assert_eq!(world.last_seen().learnt, Learnt::Not(Cause::Midway));
    });
}

#[test]
fn a_flow_older_than_we_that_begins_a_hello_is_judged() {
    both(|mut world, mut tool| {
        tool.stream = hello("blocked.example");
        world.send(&tool.real(0..100).bytes());
        world.send(&tool.real(100..tool.stream.len()).bytes());
        assert_eq!(world.back.len(), 1);
        assert!(world.onward.iter().all(|(packet, _)| reads_as_reset(packet).is_some()));
    });
}

#[test]
fn a_client_that_only_listens_is_cut_through() {
    both(|mut world, tool| {
        // One that is older than we.
        for n in 1..5 {
            assert!(world.onward.iter().all(|(_, decided)| !decided));
            world.send(&tool.pure_ack().acking(n * 3000).bytes());
        }
        assert!(world.onward[3].1);

        // One that we saw begin, as for the data of FTP.
        let mut world = world_of(tool.source.is_ipv6());
        shake_hands(&mut world, &tool);
        for n in 1..100 {
            world.send(&tool.pure_ack().acking(n * 5000).bytes());
        }
        assert_eq!(world.onward.len(), 1 + 64, "the rest goes by itself");
        assert_eq!(world.last_seen().learnt, Learnt::Not(Cause::Silent));
    });
}

#[test]
fn a_second_hello_that_names_a_blocked_host_is_refused() {
    both(|mut world, mut tool| {
        let [first, second] = ["open.example", "blocked.example"].map(hello);
        tool.stream = [first.clone(), record(20, &[1]), second].concat();
        shake_hands(&mut world, &tool);
        world.server.said = 99;
        world.send(&tool.real(0..first.len()).bytes());
        assert!(!world.onward[2].1, "there may be another");
        world.send(&tool.real(first.len()..tool.stream.len()).acking(99).bytes());
        assert_eq!((world.server.stream.len(), world.server.resets), (first.len(), 1));
        assert_eq!((world.back.len(), world.seen.len()), (1, 2));
    });
}

#[test]
fn a_lost_hello_may_be_sent_again_while_its_flow_is_watched() {
    both(|mut world, mut tool| {
        tool.stream = hello("open.example");
        shake_hands(&mut world, &tool);
        world.send(&tool.all().bytes());
        world.send(&tool.all().bytes());
        assert_eq!(world.onward[2].0, world.onward[3].0);
        world.send(&tool.fake(0, &hello("0pen.example")).bytes());
        assert_eq!(world.onward[4].0[40..], world.onward[2].0[40..], "what was judged, not that");
    });
}

#[test]
fn nameless_dns_over_tls_is_refused_and_a_named_one_is_not() {
    both(|mut world, mut tool| {
        tool.destination.set_port(853);
        tool.stream = record(22, &handshake_without_name());
        shake_hands(&mut world, &tool);
        world.send(&tool.all().bytes());
        assert_eq!((world.server.taken, world.server.resets), (0, 1));
        assert_eq!(world.last_seen().refusal, Some(Refusal::NamelessDot));

        let mut world = world_of(tool.source.is_ipv6());
        tool.stream = hello("dns.example");
        shake_hands(&mut world, &tool);
        world.send(&tool.all().bytes());
        assert_eq!(world.server.stream, tool.stream);
    });
}

#[test]
fn the_owner_is_asked_once_and_stands_in_what_is_seen() {
    let mut world = World::new();
    world.client = Client::Host(None);
    let mut tool = Tool::new(false, hello("open.example"));
    shake_hands(&mut world, &tool);
    assert_eq!(world.asked, [tool.tuple()]);
    world.send(&tool.all().bytes());
    assert_eq!((world.onward.len(), world.seen.len()), (3, 0), "the flow waits for nobody");
    world.owner(tool.tuple(), 5);
    let owner = Owner { uid: Some(5), ..Owner::default() };
    assert_eq!(world.last_seen().client, Client::Host(Some(owner)));
    // And if nobody knows it.
    tool.source.set_port(50_001);
    shake_hands(&mut world, &tool);
    world.send(&tool.all().bytes());
    world.pass_time(Duration::from_millis(101));
    assert_eq!((world.seen.len(), &world.last_seen().client), (2, &Client::Host(None)));
}

#[test]
fn a_verdict_waits_for_the_owner_only_where_it_matters() {
    for (uid, passes) in [(SPARED, true), (5, false)] {
        let mut world = World::new();
        world.client = Client::Host(None);
        world.rules.by_program = true;
        let tool = Tool::new(false, hello("blocked.example"));
        world.send(&tool.syn().bytes());
        world.send(&tool.syn().bytes());
        assert_eq!((world.onward.len(), world.asked.len()), (0, 1));
        world.owner(tool.tuple(), uid);
        world.send(&tool.pure_ack().bytes());
        world.send(&tool.all().bytes());
        assert_eq!(world.server.stream == tool.stream, passes);
        assert_eq!(world.asked.len(), 1);
    }
    let mut world = World::new();
    world.client = Client::Host(None);
    world.rules.by_program = true;
    let tool = Tool::new(true, Vec::new());
    world.send(&tool.syn().bytes());
    world.pass_time(Duration::from_millis(101));
    assert_eq!(world.onward.len(), 1, "nobody knows it, and it goes on");
}

#[test]
fn flows_of_an_exempt_program_pass_with_their_first_packet() {
    let exempt = vec!["curl".into()];
    for (program, address, passes) in [
        (Some("curl"), None, true),
        (Some("wget"), None, false),
        (None, None, false),
        (Some("curl"), Some(BLOCK), false),
    ] {
        let mut world = World::new();
        world.inline.set(Settings { exempt: exempt.clone(), ..Settings::default() });
        (world.client, world.rules.address) = (Client::Host(None), address);
        let tool = Tool::new(false, hello("blocked.example"));
        world.send(&tool.syn().bytes());
        assert_eq!((world.onward.len(), world.asked.len()), (0, 1), "it waits");
        let owner = Owner { program: program.map(Into::into), ..Owner::default() };
        world.inline.handle_owner(world.now, &world.rules, tool.tuple(), owner);
        world.drain();
        world.send(&tool.pure_ack().bytes());
        world.send(&tool.all().bytes());
        assert_eq!(world.server.stream == tool.stream, passes, "{program:?} {address:?}");
        if passes {
            assert_eq!((world.visits, world.seen.len()), (1, 0));
            assert_eq!(world.inline.fill(), Fill::default());
        }
    }
    let mut world = World::new();
    world.inline.set(Settings { exempt, ..Settings::default() });
    let tool = Tool::new(false, hello("blocked.example"));
    shake_hands(&mut world, &tool);
    assert_eq!((world.onward.len(), world.asked.len()), (2, 0), "a device has no program");
}

#[test]
fn bounds_may_change_while_flows_live() {
    let mut world = World::with(Settings { flows: 2, flows_of_client: 2, ..Settings::default() });
    let mut tool = Tool::new(false, hello("open.example"));
    for (port, flows) in [(1, 2), (2, 2), (3, 2), (4, 9), (5, 1)] {
        world.inline.set(Settings { flows, flows_of_client: flows, ..Settings::default() });
        tool.source.set_port(port);
        world.send(&tool.syn().bytes());
    }
    assert_eq!(world.inline.counters().over_bound, 2, "the third and the last");
    assert_eq!((world.inline.fill().undecided, world.onward.len()), (3, 5));
}

#[test]
fn new_rules_recall_what_passed_and_free_what_was_refused() {
    both(|mut world, mut tool| {
        world.rules.lax = true;
        tool.stream = [hello("blocked.example"), after_hello()].concat();
        shake_hands(&mut world, &tool);
        world.send(&tool.all().bytes());
        assert_eq!(world.inline.fill().passed, 1);
        world.rejudge();
        assert_eq!(world.recalled, 0);

        world.rules.lax = false;
        world.rejudge();
        assert_eq!((world.recalled, world.seen.len()), (1, 2));
        assert!(world.last_seen().refused);
        let end = i32::try_from(tool.stream.len()).unwrap();
        world.send(&tool.pure_ack().shifted(end).bytes());
        assert_eq!((world.server.resets, world.back.len()), (1, 1));

        world.rules.lax = true;
        world.rejudge();
        assert_eq!(world.inline.fill(), Fill::default());
    });
}

#[test]
fn new_rules_meet_flows_that_passed_and_are_still_with_us() {
    both(|mut world, mut tool| {
        world.rules.lax = true;
        tool.stream = [hello("blocked.example"), after_hello()].concat();
        shake_hands(&mut world, &tool);
        let len = hello("blocked.example").len();
        world.send(&tool.real(0..len).bytes());
        world.rules.lax = false;
        world.rejudge();
        world.rejudge();
        assert_eq!(world.inline.fill().refused, 1, "one change more does not free it");
        world.send(&tool.real(len..tool.stream.len()).bytes());
        assert_eq!((world.server.stream.len(), world.server.resets), (len, 1));
        assert_eq!(world.back.len(), 1);
    });
}

#[test]
fn a_syn_on_a_tuple_that_passed_has_the_kernel_ask_again() {
    both(|mut world, mut tool| {
        tool.stream = get("open.example");
        shake_hands(&mut world, &tool);
        world.send(&tool.all().bytes());
        assert_eq!(world.passed.len(), 1);
        tool.isn = 4711;
        tool.stream = get("blocked.example");
        shake_hands(&mut world, &tool);
        assert_eq!((world.recalled, world.passed.len()), (1, 0));
        let before = world.server.taken;
        world.send(&tool.all().bytes());
        assert_eq!(world.server.taken, before);
    });
}

#[test]
fn release_lets_all_go_that_is_held() {
    both(|mut world, mut tool| {
        tool.stream = hello("blocked.example");
        shake_hands(&mut world, &tool);
        world.send(&tool.real(0..60).bytes());
        world.send(&tool.real(60..90).bytes());
        world.release();
        assert_eq!(world.server.stream, tool.stream[..90]);
        assert_eq!(world.onward[2..].iter().map(|(_, d)| *d).collect::<Vec<_>>(), [false, true]);
        assert_eq!((world.inline.fill(), world.inline.poll_timeout()), (Fill::default(), None));
    });
}

#[test]
fn a_client_that_storms_meets_silence() {
    both(|mut world, mut tool| {
        tool.stream = hello("blocked.example");
        for n in 0..40 {
            tool.source.set_port(40_000 + n);
            world.server = Server::default();
            shake_hands(&mut world, &tool);
            world.send(&tool.all().bytes());
            assert_eq!(world.server.resets, 1, "the server is told in any case");
        }
        assert_eq!((world.back.len(), world.inline.counters().storms), (30, 1));
    });
}

#[test]
fn a_packet_that_is_neither_tcp_nor_udp_is_judged_by_its_address() {
    let mut world = World::new();
    let mut ping = Vec::new();
    let [from, to] = [[192, 0, 2, 7], [203, 0, 113, 4]].map(IpAddr::from);
    ip::write_header(&mut ping, from, to, ip::ICMP, 8).unwrap();
    ping.extend([8, 0, 0xf7, 0xfe, 0, 1, 0, 0]);
    world.send(&ping);
    assert_eq!((world.onward.len(), world.onward[0].1), (1, false));
    world.rules.address = Some(BLOCK);
    world.send(&ping);
    assert_eq!((world.onward.len(), world.back.len()), (1, 1));
}

fn names(names: &[&str]) -> Vec<HostName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn handshake_without_name() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0, 0, 7, 0, 43, 0, 3, 2, 3, 4]);
    let mut message = vec![1, 0, 0, u8::try_from(body.len()).unwrap()];
    message.extend(body);
    message
}
