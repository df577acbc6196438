//! Networks that cut, repeat, reorder and lose what a client sends.

use proptest::prelude::*;

use super::*;

/// What happens to one segment: where it begins and how long it is, how often it
/// comes, and how long after it the next.
#[derive(Clone, Debug)]
struct Step {
    from: usize,
    len: usize,
    times: usize,
    wait: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..13_000usize, 1..700usize, 0..3usize, 0..400u64)
        .prop_map(|(from, len, times, wait)| Step { from, len, times, wait });
    prop::collection::vec(step, 0..40)
}

/// Sends any parts of the stream in any order, then all that is missing, as a client
/// does that hears nothing: again and again, in order.
fn send(world: &mut World, tool: &Tool, steps: &[Step], mss: usize) {
    world.send(&tool.syn().bytes());
    world.send(&tool.pure_ack().bytes());
    let all = tool.stream.len();
    for step in steps {
        let from = step.from.min(all - 1);
        for _ in 0..step.times {
            world.send(&tool.real(from..(from + step.len).min(all)).bytes());
        }
        world.pass_time(Duration::from_millis(step.wait));
    }
    for _ in 0..3 {
        for from in (0..all).step_by(mss) {
            world.send(&tool.real(from..(from + mss).min(all)).bytes());
        }
        world.pass_time(Duration::from_millis(300));
    }
}

fn run(name: &str, (v6, brings): (bool, bool), steps: &[Step], mss: usize) -> (World, Tool) {
    let mut world = World::new().bringing(brings);
    if v6 {
        world.client = Client::Device("2001:db8:7::7".parse().unwrap());
    }
    let hello = record(22, &handshake(name, 1500));
    let mut tool = Tool::new(v6, [hello, after_hello(), vec![0x55; 9000]].concat());
    tool.stamps = Some((1, 1));
    send(&mut world, &tool, steps, mss);
    (world, tool)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_allowed_stream_arrives_as_it_was_sent(
        how in any::<(bool, bool)>(), steps in steps(), mss in 100..1400usize,
    ) {
        let (world, tool) = run("open.example", how, &steps, mss);
        prop_assert!(world.server.stream == tool.stream, "{} bytes", world.server.stream.len());
        prop_assert_eq!(world.inline.fill().held, 0);
        prop_assert_eq!(world.back.len(), 0);
        prop_assert!(world.inline.fill().passed == 1, "{:?}", world.inline.fill());
    }

    #[test]
    fn a_blocked_one_never_does(
        how in any::<(bool, bool)>(), steps in steps(), mss in 100..1400usize,
    ) {
        let (world, tool) = run("blocked.example", how, &steps, mss);
        let hello = tool.stream.len() - after_hello().len() - 9000;
        prop_assert!(world.server.taken < hello, "a whole hello");
        prop_assert!(!world.back.is_empty());
        prop_assert_eq!(world.inline.fill().refused, 1);
    }

    #[test]
    fn without_a_pause_of_two_seconds_not_one_byte_of_it_does(
        how in any::<(bool, bool)>(), steps in steps(), mss in 100..1400usize,
    ) {
        let steps: Vec<_> = steps.into_iter().map(|step| Step { wait: step.wait / 10, ..step }).collect();
        let (world, _) = run("blocked.example", how, &steps, mss);
        prop_assert_eq!(world.server.taken, 0);
    }
}
