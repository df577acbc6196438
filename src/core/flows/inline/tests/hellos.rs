//! Hellos of flows that passed, where the kernel brings them back.

use super::lives::{both, shake_hands, world_of};
use super::*;

/// A world whose kernel brings hellos back.
fn bringing(test: impl Fn(World, Tool)) {
    both(|world, tool| test(world.bringing(true), tool));
}

#[test]
fn where_hellos_come_back_a_flow_passes_with_its_first() {
    bringing(|mut world, mut tool| {
        tool.stream = [hello("open.example"), after_hello()].concat();
        shake_hands(&mut world, &tool);
        let len = hello("open.example").len();
        world.send(&tool.real(0..len).bytes());
        world.send(&tool.real(len..tool.stream.len()).bytes());
        assert!(world.onward[2].1);
        assert_eq!((world.visits, world.seen.len()), (3, 1));
        assert_eq!(world.server.stream, tool.stream);
    });
}

#[test]
fn a_second_hello_comes_back_and_is_judged_and_so_is_all_behind_it() {
    let change = record(20, &[1]);
    // In one segment with what goes before it, or apart; whole, or in two segments.
    for (ahead, cut) in [(6, 0), (6, 90), (0, 0), (0, 70)] {
        bringing(|mut world, mut tool| {
            let first = hello("open.example");
            let stream =
                |name| [first.clone(), change.clone(), hello(name), after_hello()].concat();
            tool.stream = stream("blocked.example");
            shake_hands(&mut world, &tool);
            world.server.said = 99;
            world.send(&tool.real(0..first.len()).bytes());
            let second = first.len() + 6 - ahead;
            let end = first.len() + 6 + hello("blocked.example").len();
            let places = [first.len(), second, second + cut, end];
            for (start, end) in places.into_iter().zip(places.into_iter().skip(1)) {
                if start < end {
                    world.send(&tool.real(start..end).acking(99).bytes());
                }
            }
            assert!(world.server.stream.len() < end - 1, "not the whole of it");
            let told = (world.server.resets, world.back.len(), world.seen.len());
            assert_eq!(told, (1, 1, 2), "{ahead} {cut}");
            assert_eq!(world.last_seen().host.as_ref().unwrap().as_str(), "blocked.example");

            let mut world = world_of(tool.source.is_ipv6()).bringing(true);
            tool.stream = stream("fine.example");
            shake_hands(&mut world, &tool);
            world.server.said = 99;
            for end in [first.len(), second, second + cut, tool.stream.len()] {
                let start = world.server.stream.len();
                if start < end {
                    world.send(&tool.real(start..end).acking(99).bytes());
                }
            }
            assert_eq!(world.server.stream, tool.stream);
            assert!(world.onward.last().unwrap().1, "it passes again");
            assert_eq!(world.seen.len(), 1, "it is told once");
        });
    }
}

#[test]
fn a_hello_after_words_in_clear_comes_back() {
    bringing(|mut world, mut tool| {
        let words = b"EHLO t.example\r\nSTARTTLS\r\n".to_vec();
        tool.stream = [words.clone(), hello("blocked.example")].concat();
        shake_hands(&mut world, &tool);
        world.send(&tool.real(0..words.len()).bytes());
        world.send(&tool.real(words.len()..tool.stream.len()).acking(99).bytes());
        assert_eq!((world.server.stream.len(), world.server.resets), (words.len(), 1));
        assert!(world.last_seen().refused);

        let mut world = world_of(tool.source.is_ipv6()).bringing(true);
        tool.stream = [words.clone(), hello("open.example"), after_hello()].concat();
        shake_hands(&mut world, &tool);
        world.server.said = 99;
        world.send(&tool.real(0..words.len()).bytes());
        assert_eq!(world.last_seen().host, None);
        let end = words.len() + hello("open.example").len();
        for range in [words.len()..end, end..tool.stream.len()] {
            world.send(&tool.real(range).acking(99).bytes());
        }
        assert_eq!(world.server.stream, tool.stream);
        assert_eq!(world.last_seen().host.as_ref().unwrap().as_str(), "open.example");
        let Counters { flows, named, unnamed, .. } = world.inline.counters();
        assert_eq!((world.seen.len(), flows, named, unnamed), (2, 1, 1, 0));
    });
}

#[test]
fn who_cuts_a_hello_small_stays_with_us_until_no_other_can_follow() {
    bringing(|mut world, mut tool| {
        tool.stream = [hello("open.example"), after_hello()].concat();
        shake_hands(&mut world, &tool);
        let len = hello("open.example").len();
        for (start, end) in [(0, 100), (100, len)] {
            world.send(&tool.real(start..end).bytes());
        }
        assert!(!world.onward.last().unwrap().1);
        world.send(&tool.real(len..tool.stream.len()).bytes());
        assert!(world.onward.last().unwrap().1);
    });
}

#[test]
fn what_begins_like_a_hello_and_is_none_passes_again() {
    bringing(|mut world, mut tool| {
        let junk = [22, 3, 3, 0, 9, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];
        tool.stream = [&hello("open.example")[..], &junk, &after_hello()].concat();
        shake_hands(&mut world, &tool);
        let len = hello("open.example").len();
        world.send(&tool.real(0..len).bytes());
        world.send(&tool.real(len..tool.stream.len()).bytes());
        assert!(world.onward.last().unwrap().1);
        assert_eq!(world.server.stream, tool.stream);
    });
}

#[test]
fn a_lost_hello_comes_back_and_goes_on_again() {
    bringing(|mut world, mut tool| {
        tool.stream = hello("open.example");
        shake_hands(&mut world, &tool);
        world.send(&tool.all().bytes());
        world.send(&tool.all().bytes());
        assert_eq!(world.onward[2], world.onward[3]);
        world.send(&tool.fake(0, &hello("blocked.example")).bytes());
        assert!(world.last_seen().refused);
    });
}
