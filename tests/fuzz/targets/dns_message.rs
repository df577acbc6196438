//! A client's message, and what an upstream sends back: raw bytes, or bytes
//! behind a header and a question that fit, so that the fuzzer gets past the
//! first check.
#![no_main]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::Message;
use libfuzzer_sys::fuzz_target;
use optout::core::dns::{AskId, Asker, Dns, Handled, Out, Settings, Transport};
use optout::core::flow::Client;
use optout::core::policy::Policy;
use optout::core::time::Instant;
use optout::core::wire::reader::{Reader, Short};

fuzz_target!(|bytes: &[u8]| {
    let mut home = Home::new();
    let mut script = Reader::new(bytes);
    while home.step(&mut script).is_ok() {}
    for _ in 0..100 {
        let Some(next) = home.dns.poll_timeout() else { break };
        home.now = home.now.max(next);
        home.dns.handle_timeout(home.now);
        home.drain();
    }
    assert!(home.pending.is_empty(), "questions without a reply: {:?}", home.pending);
});

struct Home {
    dns: Dns,
    policy: Policy,
    now: Instant,
    next: u64,
    /// Questions that a reply is due to.
    pending: BTreeSet<u64>,
    asked: Vec<(AskId, Vec<u8>)>,
}

impl Home {
    fn new() -> Self {
        let settings = Settings {
            sinkhole_v4: ([198, 18, 0, 0].into(), 15),
            sinkhole_v6: ([0xfd6f, 0x7074, 0x6f75, 0x7400, 0, 0, 0, 0].into(), 64),
            seed: [7; 32],
            case_randomization: false,
        };
        let now = Instant::from_micros(1_000_000);
        let mut dns = Dns::new(&settings);
        let upstreams: [SocketAddr; 2] =
            [([192, 0, 2, 1], 53).into(), ([192, 0, 2, 2], 53).into()];
        dns.set_upstreams(now, &upstreams);
        let policy = Policy::blocking(&["a.b", "t.example"]);
        Self { dns, policy, now, next: 0, pending: BTreeSet::new(), asked: Vec::new() }
    }

    fn step(&mut self, script: &mut Reader<'_>) -> Result<(), Short> {
        let [what, len] = script.array()?;
        match what {
            0..=99 => {
                let message = script.take(usize::from(len))?;
                self.question(what % 2 == 0, message);
            }
            100..=219 => {
                let rest = script.take(usize::from(len))?;
                self.answer(what, rest);
            }
            220..=229 => {
                if let Some((ask, _)) = self.asked.pop() {
                    self.dns.handle_failure(self.now, ask);
                }
            }
            230..=239 => self.dns.policy_changed(),
            _ => {
                self.now = self.now + Duration::from_millis(u64::from(len) * 20);
                self.dns.handle_timeout(self.now);
            }
        }
        self.drain();
        Ok(())
    }

    fn question(&mut self, udp: bool, message: &[u8]) {
        self.next += 1;
        let transport = if udp { Transport::Udp } else { Transport::Tcp };
        let asker = Asker {
            id: self.next,
            client: Client::Device([203, 0, 113, 7].into()),
            resolver: ([198, 51, 100, 53], 53).into(),
            transport,
        };
        let mut reply = vec![1, 2, 3];
        match self.dns.handle_query(self.now, &self.policy, asker, message, &mut reply) {
            Handled::Replied => {
                assert_eq!(reply.get(..2), message.get(..2), "the id of another question");
                sound_reply(&reply, udp);
            }
            Handled::Pending => assert!(self.pending.insert(self.next)),
            Handled::Dropped => {}
        }
    }

    fn answer(&mut self, what: u8, rest: &[u8]) {
        let Some((ask, asked)) = self.asked.last().cloned() else { return };
        let mut message = Vec::new();
        match (what, rest.split_first_chunk(), asked.get(12..)) {
            (100..=119, ..) | (_, None, _) | (_, _, None) => message.extend(rest),
            (_, Some((&[flags, code, counts], records)), Some(question)) => {
                // A question of ours may end in an OPT record; what asked for names does not.
                let end = question.iter().position(|byte| *byte == 0).map_or(0, |zero| zero + 5);
                message.extend(&asked[..2]);
                message.extend([flags | 0x80, code, 0, 1, 0, counts & 7, 0, counts >> 3 & 3]);
                message.extend([0, counts >> 5]);
                message.extend(question.get(..end).unwrap_or_default());
                message.extend(records);
            }
        }
        self.dns.handle_answer(self.now, &self.policy, ask, &message);
    }

    fn drain(&mut self) {
        let mut outs = 0;
        while let Some(out) = self.dns.poll() {
            outs += 1;
            assert!(outs < 10_000, "one step makes no end of work");
            match out {
                Out::Reply { asker, message } => {
                    assert!(self.pending.remove(&asker.id), "a second reply, or one never due");
                    sound_reply(&message, asker.transport == Transport::Udp);
                }
                Out::Ask { ask, message, .. } => {
                    let sent = Message::from_vec(&message).expect("what we ask is sound");
                    let name = sent.queries[0].name().to_ascii().to_ascii_lowercase();
                    let blocked = ["a.b.", "t.example."].iter().any(|host| {
                        name.strip_suffix(host).is_some_and(|r| r.is_empty() || r.ends_with('.'))
                    });
                    // A label may hold a dot, written `\.`: then the text says less than the name.
                    assert!(!blocked || name.contains('\\'), "{name} was asked for");
                    self.asked.push((ask, message));
                }
                Out::Forget { ask } => self.asked.retain(|(other, _)| *other != ask),
                Out::Seen(_) => {}
            }
        }
        assert!(self.asked.len() < 10_000);
    }
}

fn sound_reply(reply: &[u8], udp: bool) {
    assert!(reply.len() >= 12 && reply[2] & 0x80 != 0, "not a reply: {reply:?}");
    assert!(!udp || reply.len() <= 4096, "a datagram of {} bytes", reply.len());
    // hickory refuses records that it knows and whose data it dislikes; the
    // header and the question it reads in any case.
    if let Err(error) = Message::from_vec(reply) {
        assert!(reply[7] > 0 || reply[9] > 0 || reply[11] > 0, "{error}: {reply:?}");
    }
}
