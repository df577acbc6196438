//! Flows that are judged by more than what they say: by rules for addresses and
//! programs, by what was answered before, by what they lack.

use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::A;

use super::clients::{Caller, FINISHED, said, tls};
use super::*;
use crate::core::policy::{App, UserRule, UserSubject};
use crate::core::rule::Action;
use crate::core::rules::Kind as ListKind;
use crate::core::wire::tcp::Flags;

const HOST: &str = "192.0.2.1:40000";
const PHONE: &str = "192.0.2.7:40000";
const SERVER: &str = "203.0.113.9:443";

impl Home {
    /// Its own address is that of [`HOST`].
    fn at_home() -> Self {
        let mut home = Self::new();
        home.input(Input::OwnAddresses(vec![[192, 0, 2, 1].into()]));
        home
    }

    /// With a list of one rule, for the network of [`SERVER`].
    fn with_prefix(mode: Mode) -> Self {
        let mut home = Self::new();
        let mut set = rules::Builder::default();
        set.list("list", ListKind::File(Format::Ips), mode);
        set.prefix(1, "203.0.113.0/24".parse().unwrap(), Action::Block);
        home.input(Input::Policy(Arc::new(Policy::builder(Arc::new(set.build())).build())));
        home
    }

    fn packets<const N: usize>(&mut self, packets: [Vec<u8>; N]) -> Outs {
        let mut all = Outs::default();
        for packet in packets {
            let outs = self.input(Input::Packet(&packet));
            all.add(outs);
        }
        all
    }

    /// Opens a connection and says `bytes`.
    fn call(&mut self, from: &str, to: &str, bytes: &[u8]) -> Outs {
        let mut caller = Caller::new(from, to);
        self.packets([caller.syn(), caller.ack(), caller.say(bytes), caller.say(FINISHED)])
    }

    /// Has `PHONE` ask for a name, and the upstream answer with the address of [`SERVER`].
    fn told(&mut self, name: &str) {
        let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        let name = Name::from_ascii(name).unwrap();
        message.add_query(Query::query(name.clone(), RecordType::A));
        let message = message.to_vec().unwrap();
        let outs =
            self.input(Input::Packet(&clients::datagram(PHONE, "203.0.113.53:53", &message)));
        let (ask, asked) = &outs.asked[0];
        let asked = Message::from_vec(asked).unwrap();
        let mut answer = Message::response(asked.id, OpCode::Query);
        answer.metadata.recursion_available = true;
        answer.add_queries(asked.queries.clone());
        let data = RData::A(A([203, 0, 113, 9].into()));
        answer.insert_answers(vec![Record::from_rdata(name, 60, data)]);
        let message = answer.to_vec().unwrap();
        assert_eq!(self.input(Input::Answer { ask: *ask, message: &message }).packets.len(), 1);
    }
}

fn is_reset(packet: &[u8]) -> bool {
    said(packet).0.has(Flags::RST)
}

#[test]
fn an_address_that_a_rule_blocks_is_refused_at_once_and_nothing_goes_on() {
    let mut home = Home::with_prefix(Mode::Enforce);
    let mut caller = Caller::new(PHONE, SERVER);
    let outs = home.packets([caller.syn()]);
    assert!(is_reset(&outs.packets[0]) && outs.onward.is_empty());
    let event = &outs.seen[0];
    assert_eq!((event.outcome, event.learnt), (Outcome::Blocked, Some(Learnt::Address)));
    assert_eq!(event.evidence.as_ref().unwrap().1, Via::Address);
    let outs = home.packets([caller.ack()]);
    assert!(is_reset(&outs.packets[0]) && outs.onward.is_empty());
}

#[test]
fn an_address_that_is_watched_is_told_of_and_its_flow_goes_on() {
    let mut home = Home::with_prefix(Mode::Watch);
    let outs = home.call(PHONE, SERVER, &tls(""));
    assert!(outs.packets.is_empty() && outs.onward.last().unwrap().decided);
    let [event] = &outs.seen[..] else { panic!("{outs:?}") };
    assert_eq!((event.outcome, event.learnt), (Outcome::Watched, Some(Learnt::Address)));
    let (rule, via) = event.evidence.as_ref().unwrap();
    assert_eq!((rule.text.as_ref(), via), ("203.0.113.0/24", &Via::Address));
}

#[test]
fn an_address_whose_every_name_is_blocked_by_now_is_refused_before_a_word() {
    let mut home = Home::new();
    home.told("later.example.");
    home.input(Input::Policy(Arc::new(Policy::blocking(&["later.example"]))));
    let outs = home.packets([Caller::new(PHONE, SERVER).syn()]);
    assert!(is_reset(&outs.packets[0]) && outs.onward.is_empty());
    let event = &outs.seen[0];
    assert_eq!((event.outcome, event.learnt), (Outcome::Blocked, Some(Learnt::Answer)));
    assert_eq!(event.host.as_ref().unwrap().as_str(), "later.example");
    assert_eq!(event.evidence.as_ref().unwrap().1, Via::Name);
    // Whoever was not told of it must be heard first.
    let outs = home.packets([Caller::new("192.0.2.8:40000", SERVER).syn()]);
    assert!(outs.packets.is_empty() && outs.onward.len() == 1);
}

#[test]
fn an_address_that_has_an_innocent_name_too_is_not_condemned() {
    let mut home = Home::new();
    home.told("later.example.");
    home.told("innocent.example.");
    home.input(Input::Policy(Arc::new(Policy::blocking(&["later.example"]))));
    let outs = home.call(PHONE, SERVER, &tls(""));
    assert!(outs.packets.is_empty() && outs.onward.last().unwrap().decided);
    assert_eq!(outs.seen[0].outcome, Outcome::Passed);
}

#[test]
fn dns_over_tls_without_a_name_is_refused_and_told_as_such() {
    let mut home = Home::new();
    let outs = home.call(PHONE, "203.0.113.9:853", &tls(""));
    assert!(is_reset(&outs.packets[0]));
    let [event] = &outs.seen[..] else { panic!("{outs:?}") };
    assert_eq!((event.outcome, &event.host), (Outcome::Blocked, &None));
    let (rule, via) = event.evidence.as_ref().unwrap();
    assert_eq!(rule.list.as_ref(), "encrypted resolvers");
    assert_eq!(rule.text.as_ref(), "DNS over TLS without a name (port 853)");
    assert_eq!((rule.vendor.as_deref(), rule.line, via), (Some("bypass"), 0, &Via::Address));
    // With a name it is the rules' to say.
    let outs = home.call("192.0.2.7:40001", "203.0.113.9:853", &tls("dns.example.org"));
    assert!(outs.packets.is_empty() && outs.onward.last().unwrap().decided);
}

#[test]
fn a_program_is_found_and_its_own_rule_decides() {
    let rule = |program: &str| UserRule {
        allow: false,
        subject: UserSubject::Host("www.example.org".parse().unwrap(), Scope::Exact),
        until: Instant::NEVER,
        app: Some(App::Program(program.into())),
        client: None,
        schedule: None,
    };
    for (program, blocked) in [("curl", true), ("firefox", false)] {
        let mut home = Home::at_home();
        let policy = Policy::builder(Arc::default()).user_rules([rule(program)]).build();
        home.input(Input::Policy(Arc::new(policy)));
        let mut caller = Caller::new(HOST, SERVER);
        let first = home.packets([caller.syn()]);
        let [search] = first.searches[..] else { panic!("{first:?}") };
        assert!(first.wait.is_some_and(|wait| wait <= home.now + SEARCH_PATIENCE));
        let owner = Owner { uid: Some(1000), pid: Some(7), program: Some("curl".into()) };
        let found = home.input(Input::Owner { search, owner: owner.clone() });
        let rest =
            home.packets([caller.ack(), caller.say(&tls("www.example.org")), caller.say(FINISHED)]);
        let onward = [&first, &found, &rest].map(|outs| &outs.onward).into_iter().flatten();
        assert!(onward.clone().all(|onward| onward.host));
        assert_eq!(onward.clone().any(|onward| onward.decided), !blocked, "{program}");
        let seen: Vec<_> = found.seen.iter().chain(&rest.seen).collect();
        let [event] = seen[..] else { panic!("{seen:?}") };
        assert_eq!(event.outcome == Outcome::Blocked, blocked);
        assert_eq!(event.client, Client::Host(Some(owner)));
        assert_eq!(rest.packets.iter().any(|packet| is_reset(packet)), blocked);
    }
}

#[test]
fn more_programs_than_can_be_searched_for_are_decided_without() {
    let mut home = Home::at_home();
    let mut searches = 0;
    for port in 0..2 * u16::try_from(MAX_HELD).unwrap() {
        let from = format!("192.0.2.1:{}", 10_000 + port);
        let outs = home.call(&from, SERVER, &tls("www.example.org"));
        searches += outs.searches.len();
        let decided = outs.onward.iter().filter(|onward| onward.decided).count();
        assert_eq!(decided, 1, "{port}: {outs:?}");
    }
    assert_eq!(searches, MAX_HELD);
    home.now = home.now + SEARCH_PATIENCE;
    let outs = home.input(Input::Timeout);
    assert_eq!(outs.packets.len(), 0);
    let again = home.packets([Caller::new("192.0.2.1:9000", SERVER).syn()]);
    assert_eq!(again.searches.len(), 1, "there is room again");
}
