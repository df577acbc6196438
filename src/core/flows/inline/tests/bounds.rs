//! What clients do without end.

use super::*;

#[test]
fn a_flood_of_syns_costs_its_client_its_share_and_nobody_else() {
    let mut world = World::new();
    let mut tool = Tool::new(false, get("open.example"));
    for n in 0..50_000u32 {
        let [_, _, a, b] = n.to_be_bytes();
        tool.destination = ([203, 0, a, b], 443).into();
        world.send(&tool.syn().bytes());
    }
    let settings = Settings::default();
    assert_eq!(world.inline.fill().undecided, settings.flows_of_client);
    assert_eq!(world.inline.counters().over_bound, 50_000 - 4096);
    assert!(world.onward.iter().all(|(_, decided)| !decided), "none fills the kernel's set");
    // Somebody else.
    world.client = Client::Device(IpAddr::from([192, 0, 2, 9]));
    let mut other = Tool::new(false, get("blocked.example"));
    other.source = "192.0.2.9:1".parse().unwrap();
    world.send(&other.syn().bytes());
    world.send(&other.all().bytes());
    assert_eq!(world.back.len(), 1);
    world.pass_time(Duration::from_secs(70));
    assert_eq!(world.inline.fill(), Fill::default());
}

#[test]
fn many_clients_together_fill_the_table_and_no_more() {
    let mut world =
        World::with(Settings { flows: 100, flows_of_client: 10, ..Settings::default() });
    for n in 0..1000u16 {
        let [a, b] = n.to_be_bytes();
        let mut tool = Tool::new(false, Vec::new());
        tool.source = ([198, 51, a, b], 1000).into();
        world.client = Client::Device(tool.source.ip());
        world.send(&tool.syn().bytes());
    }
    assert_eq!(world.inline.fill().undecided, 100);
    // For whom there is no room, the first bytes are decided unseen.
    let mut tool = Tool::new(false, get("blocked.example"));
    tool.source = "198.51.100.200:9".parse().unwrap();
    world.client = Client::Device(tool.source.ip());
    world.send(&tool.all().bytes());
    assert!(world.onward.last().unwrap().1);
}

#[test]
fn flows_that_passed_make_room_the_oldest_first() {
    let mut world = World::with(Settings { flows: 10, flows_of_client: 5, ..Settings::default() });
    let mut tool = Tool::new(false, get("open.example"));
    for port in 0..100 {
        tool.source.set_port(1000 + port);
        world.send(&tool.syn().bytes());
        world.send(&tool.all().bytes());
    }
    assert_eq!((world.inline.fill().passed, world.inline.counters().over_bound), (5, 0));
    assert_eq!(world.inline.counters().named, 100);
}

#[test]
fn bytes_that_wait_are_bounded_in_all_and_for_each_client() {
    let settings =
        Settings { flows: 64, flows_of_client: 16, held: 64 << 10, ..Settings::default() };
    let mut world = World::with(settings);
    for client in 0..8u8 {
        world.client = Client::Device(IpAddr::from([192, 0, 2, client + 1]));
        for port in 0..4 {
            let mut tool = Tool::new(false, record(22, &handshake("open.example", 16_000)));
            tool.source = ([192, 0, 2, client + 1], 1000 + port).into();
            world.send(&tool.syn().bytes());
            for from in (0..15_000).step_by(1000) {
                world.send(&tool.real(from..from + 1000).bytes());
                let held = world.inline.fill().held;
                assert!(held <= 64 << 10, "{held} bytes");
            }
        }
    }
    assert!(world.inline.counters().over_bound > 0);
    assert!(world.onward.iter().all(|(_, decided)| !decided), "who has no room waits");
    world.pass_time(Duration::from_secs(200));
    assert_eq!(world.inline.fill().held, 0);
}

#[test]
fn a_full_store_does_not_stop_hellos_of_one_segment() {
    let mut world = World::with(Settings { held: 0, ..Settings::default() });
    for (name, passes) in [("open.example", true), ("blocked.example", false)] {
        world.server = Server::default();
        let mut tool = Tool::new(false, hello(name));
        tool.source.set_port(name.len().try_into().unwrap());
        world.send(&tool.syn().bytes());
        world.send(&tool.all().bytes());
        assert_eq!(world.server.stream == tool.stream, passes);
    }
}

#[test]
fn a_hello_that_never_ends_is_held_up_to_its_bound_and_passes_without_a_name() {
    let mut world = World::new();
    let mut stream = Vec::new();
    for _ in 0..6 {
        stream.extend(record(22, &[&[1, 0, 0xff, 0xff][..], &vec![0; 16_000]].concat()));
    }
    let tool = Tool::new(false, stream);
    world.send(&tool.syn().bytes());
    let mut most = 0;
    for from in (0..60_000).step_by(1400) {
        world.send(&tool.real(from..from + 1400).bytes());
        most = most.max(world.inline.fill().held);
    }
    assert!(most < 200_000, "{most} bytes");
    assert_eq!(world.server.stream, tool.stream[..60_200]);
    assert!(matches!(world.last_seen().learnt, Learnt::Not(_)));
}

#[test]
fn one_byte_segments_without_end_are_not_slow() {
    let mut world = World::new();
    let mut stream = b"GET / HTTP/1.1\r\n".to_vec();
    stream.extend(b"a: b\r\n".repeat(10_000));
    let tool = Tool::new(false, stream);
    world.send(&tool.syn().bytes());
    for from in 0..60_000 {
        world.send(&tool.real(from..from + 1).bytes());
        assert!(world.inline.fill().held < 100_000);
    }
    assert!(world.visits < 40_000, "it was decided on the way");
}

#[test]
fn a_gap_that_is_never_filled_leaves_nothing_behind() {
    let mut world = World::new();
    let tool = Tool::new(false, hello("open.example"));
    world.send(&tool.syn().bytes());
    for at in 1..200 {
        world.send(&tool.real(at..at + 1).bytes());
    }
    assert!(world.inline.fill().held > 0);
    world.pass_time(Duration::from_secs(2));
    assert_eq!((world.inline.fill().held, world.server.taken), (0, 0), "and none goes on");
    world.pass_time(Duration::from_mins(2));
    assert_eq!((world.inline.fill().undecided, world.inline.poll_timeout().is_some()), (0, true));
}

#[test]
fn every_flow_ends_by_itself() {
    let mut world = World::new();
    let mut tool = Tool::new(false, hello("open.example"));
    for (port, step) in [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4)] {
        tool.source.set_port(port);
        world.send(&tool.syn().bytes());
        match step {
            0 => {}
            1 => world.send(&tool.pure_ack().bytes()),
            2 => world.send(&tool.real(0..9).bytes()),
            3 => world.send(&tool.all().bytes()),
            _ => world.send(&tool.fake(0, &hello("blocked.example")).bytes()),
        }
    }
    for _ in 0..10 {
        world.pass_time(Duration::from_hours(1));
    }
    assert_eq!((world.inline.fill(), world.inline.poll_timeout()), (Fill::default(), None));
}

#[test]
fn datagrams_of_other_protocols_are_cut_through_at_once() {
    for (from, to) in
        [("192.0.2.7:9", "203.0.113.4:5000"), ("[2001:db8::7]:9", "[2001:db8::4]:5000")]
    {
        let mut world = World::new();
        world.send(&datagram(from, to, b"a game"));
        assert!(world.onward[0].1);
        world.send(&datagram(from, to, b"goes on"));
        assert_eq!((world.visits, world.server.datagrams.len()), (1, 2));
        assert!(matches!(world.last_seen().learnt, Learnt::Not(_)));
    }
}

#[test]
fn datagrams_to_an_address_that_a_rule_names_are_refused() {
    let mut world = World::new();
    world.rules.address = Some(BLOCK);
    for _ in 0..5 {
        world.send(&datagram("192.0.2.7:9", "203.0.113.4:5000", b"hello"));
    }
    assert_eq!((world.back.len(), world.onward.len(), world.seen.len()), (1, 0, 1));
    assert_eq!(world.back[0][20..22], [3, 3], "port unreachable");
    world.pass_time(Duration::from_millis(100));
    world.send(&datagram("192.0.2.7:9", "203.0.113.4:5000", b"hello"));
    assert_eq!(world.back.len(), 2);
}

#[test]
fn datagrams_to_nobody_are_no_flow() {
    let mut world = World::new();
    world.send(&datagram("192.0.2.7:5353", "224.0.0.251:5353", b"mdns"));
    assert_eq!((world.onward.len(), world.onward[0].1), (1, false));
    assert_eq!(world.inline.fill(), Fill::default());
}

#[test]
fn a_flood_of_datagrams_passes_unseen_over_its_share() {
    let settings = Settings { flows: 1000, flows_of_client: 100, ..Settings::default() };
    let mut world = World::with(settings);
    for n in 0..5000u16 {
        let to = format!("203.0.113.4:{}", 10_000 + n);
        world.send(&datagram("192.0.2.7:443", &to, b"\0\0\0\0"));
    }
    assert_eq!(world.inline.fill().passed, 100);
    assert_eq!(world.onward.len(), 5000);
}
