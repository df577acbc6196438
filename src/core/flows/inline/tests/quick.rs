//! Where the kernel lets nothing go on by itself.

use super::client::{FIN, RST, SYN};
use super::*;

impl World {
    /// A packet of the client comes by, and goes on as it is if it may. Whether it did.
    fn send_quickly(&mut self, bytes: &[u8]) -> bool {
        let packet = Packet::parse(bytes).expect("sound");
        let counted = self.inline.counters();
        if self.inline.passes(self.now, &packet) {
            assert!(self.inline.poll().is_none(), "there is nothing to do");
            assert_eq!(self.inline.counters().put_back, counted.put_back + 1);
            self.server.receive(bytes);
            return true;
        }
        assert_eq!(self.inline.counters(), counted, "nothing has happened");
        self.inline.handle_packet(self.now, &self.rules, &self.client, &packet);
        self.drain();
        false
    }
}

/// A connection that passed, but for bytes yet to come.
fn passed(tool: &mut Tool) -> World {
    let mut world = World::new();
    let head = [hello("open.example"), after_hello()].concat();
    tool.stream = [head.clone(), vec![5; 60_000]].concat();
    let hello = hello("open.example").len();
    let sent = [tool.syn(), tool.pure_ack(), tool.real(0..hello), tool.real(hello..head.len())];
    for packet in sent {
        assert!(!world.send_quickly(&packet.bytes()), "it is looked at");
    }
    world
}

#[test]
fn nothing_of_a_flow_is_quick_before_it_passed_and_all_is_then() {
    for v6 in [false, true] {
        let mut tool = Tool::new(v6, Vec::new());
        let mut world = passed(&mut tool);
        let from = hello("open.example").len() + after_hello().len();
        let rest = tool.real(from..tool.stream.len());
        // Its checksum is not made yet.
        assert!(world.send_quickly(&rest.clone().bad_sum().bytes()));
        assert!(world.send_quickly(&rest.bytes()));
        assert!(world.send_quickly(&tool.pure_ack().bytes()));
        assert_eq!(world.server.stream, tool.stream, "the server has all of it, once");
    }
}

#[test]
fn what_begins_or_ends_is_looked_at() {
    for flags in [SYN, FIN, RST] {
        let mut tool = Tool::new(false, Vec::new());
        let mut world = passed(&mut tool);
        assert!(!world.send_quickly(&tool.pure_ack().flags(flags | 0x10).bytes()), "{flags}");
    }
    let mut tool = Tool::new(false, Vec::new());
    let mut world = passed(&mut tool);
    // Another connection between the same ends, to another host.
    tool.isn = tool.isn.wrapping_add(0x1000_0000);
    tool.stream = hello("blocked.example");
    assert!(!world.send_quickly(&tool.syn().bytes()));
    assert!(!world.send_quickly(&tool.all().bytes()));
    assert_eq!(world.back.len(), 1, "it is refused");
}

#[test]
fn what_is_refused_is_never_quick() {
    let mut tool = Tool::new(false, hello("blocked.example"));
    let mut world = World::new();
    for packet in [tool.syn(), tool.pure_ack(), tool.all(), tool.all(), tool.pure_ack()] {
        assert!(!world.send_quickly(&packet.bytes()));
    }
    assert!(world.server.stream.is_empty() && !world.back.is_empty());
    // What passed and may no more.
    let mut world = passed(&mut tool);
    assert!(world.send_quickly(&tool.pure_ack().bytes()));
    world.rules.address = Some(BLOCK);
    world.rejudge();
    assert!(!world.send_quickly(&tool.pure_ack().bytes()));
    assert_eq!(world.recalled, 1);
}

#[test]
fn a_flow_that_is_used_is_never_forgotten() {
    let mut tool = Tool::new(false, Vec::new());
    let mut world = passed(&mut tool);
    for _ in 0..48 {
        world.pass_time(Duration::from_mins(30));
        assert!(world.send_quickly(&tool.pure_ack().bytes()));
    }
    world.pass_time(Duration::from_hours(5));
    assert_eq!(world.inline.fill(), Fill::default());
    assert!(!world.send_quickly(&tool.pure_ack().bytes()));
}

#[test]
fn a_client_that_only_listens_is_quick_after_a_while() {
    let tool = Tool::new(false, Vec::new());
    let mut world = World::new();
    let quick = (1..100).map(|n| world.send_quickly(&tool.pure_ack().acking(n * 1400).bytes()));
    assert!(quick.skip(10).all(|quick| quick));
    assert_eq!(world.inline.fill().passed, 1);
}

#[test]
fn datagrams_of_a_flow_that_passed_are_quick() {
    let mut world = World::new();
    for (from, to) in
        [("192.0.2.7:5000", "203.0.113.4:5001"), ("[2001:db8:7::7]:5000", "[2001:db8::4]:5001")]
    {
        let packet = datagram(from, to, b"neither QUIC nor anything else that is known");
        let quick: Vec<_> = (0..10).map(|_| world.send_quickly(&packet)).collect();
        assert!(!quick[0] && quick[9], "{quick:?}");
        if from.starts_with('1') {
            // A fragment is for those that join them.
            let mut fragment = packet.clone();
            fragment[6] = 0x20;
            ip::mend_length(&mut fragment, 20).unwrap();
            assert!(!world.inline.passes(world.now, &Packet::parse(&fragment).unwrap()));
        }
    }
}

#[test]
fn for_whom_there_is_no_room_nothing_is_quick_and_everything_passes() {
    let mut world = World::with(Settings { flows: 1, flows_of_client: 1, ..Settings::default() });
    let other = Tool::new(true, hello("blocked.example"));
    assert!(!world.send_quickly(&other.syn().bytes()));
    let tool = Tool::new(false, get("open.example"));
    for packet in [tool.syn(), tool.pure_ack(), tool.all(), tool.all()] {
        assert!(!world.send_quickly(&packet.bytes()));
    }
    assert_eq!(world.onward.len(), 5);
    assert_eq!(world.inline.counters().over_bound, 4);
}
