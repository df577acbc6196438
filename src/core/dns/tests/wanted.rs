//! What a rule wants: an answer of its own, and only some records.

use super::*;
use crate::core::list::Format;
use crate::core::rule::{Action, Answer, Limits, Rule, Scope, Subject};
use crate::core::rules::{Builder, Kind};
use crate::core::verdict::Mode;

const TRACKER: &str = "t.tracker.example.";

/// A home with one list, of these rules.
fn home(rules: &[Rule<'_>]) -> Home {
    let mut set = Builder::default();
    set.list("list", Kind::File(Format::Adblock), Mode::Enforce);
    for (line, rule) in (1..).zip(rules) {
        set.rule(line, rule);
    }
    let mut home = Home::new(&[]);
    home.policy = Policy::builder(Arc::new(set.build())).build();
    home
}

fn tracker(answer: Answer) -> Rule<'static> {
    Rule { answer, ..Rule::block("tracker.example", Scope::WithSubdomains) }
}

fn limited(rule: &Rule<'static>, limits: Limits) -> Rule<'static> {
    Rule { limits: Some(Box::new(limits)), ..rule.clone() }
}

#[test]
fn a_rule_that_wants_an_answer_of_its_own_gets_it_whatever_is_usual() {
    use BlockAnswer::{Null, Nxdomain, Refused, Sinkhole};
    for usual in [Sinkhole, Null, Nxdomain, Refused] {
        for kind in [RecordType::A, RecordType::AAAA, RecordType::HTTPS, RecordType::TXT] {
            for (answer, code) in [
                (Answer::Nodata, ResponseCode::NoError),
                (Answer::Nxdomain, ResponseCode::NXDomain),
                (Answer::Refused, ResponseCode::Refused),
            ] {
                let mut home = home(&[tracker(answer)]);
                home.policy.block_answer = usual;
                let reply = home.ask_at_once(device(1), TRACKER, kind);
                assert_eq!(reply.response_code, code, "{usual:?} {answer:?} {kind}");
                assert!(reply.answers.is_empty(), "{usual:?} {answer:?} {kind}");
                let has_soa = answer != Answer::Refused;
                assert_eq!(reply.authorities.len(), usize::from(has_soa), "{answer:?} {kind}");
            }
            let mut home = home(&[tracker(Answer::Usual)]);
            home.policy.block_answer = Nxdomain;
            let reply = home.ask_at_once(device(1), TRACKER, kind);
            assert_eq!(reply.response_code, ResponseCode::NXDomain, "{kind}");
        }
    }
}

#[test]
fn a_dropped_question_gets_no_answer_and_is_told_of_as_blocked() {
    let mut home = home(&[tracker(Answer::Drop)]);
    let bytes = question(TRACKER, RecordType::A).to_vec().unwrap();
    let (handled, reply) = home.send(device(1), &bytes);
    assert_eq!((handled, reply.len()), (Handled::Dropped, 0));
    let outs = home.outs();
    assert!(outs.asked.is_empty(), "nobody else is asked");
    assert_eq!(outs.seen.len(), 1);
    assert_eq!(outs.seen[0].outcome, Outcome::Blocked);
    assert_eq!(home.dns.counters().blocked, 1);
}

#[test]
fn what_turns_out_to_be_an_alias_of_a_dropped_name_gets_an_empty_reply() {
    let mut home = home(&[tracker(Answer::Drop)]);
    let asked = home.ask(device(1), "www.shop.example.", RecordType::A).remove(0);
    let message = answer_to(&asked, vec![cname("www.shop.example.", TRACKER)]);
    home.dns.handle_answer(home.now, &home.policy, asked.ask, &message.to_vec().unwrap());
    let mut empty = 0;
    while let Some(out) = home.dns.poll() {
        if let Out::Reply { asker, message } = out {
            assert_eq!((asker.id, message.len()), (1, 0));
            empty += 1;
        }
    }
    assert_eq!(empty, 1, "its way back is forgotten, so it must be told");
}

/// Whether the answer to a question of this type for `www.shop.example`, an
/// alias of the tracker's name, is blocked by a rule with these limits.
fn alias_is_blocked(limits: Limits, kind: RecordType) -> bool {
    let mut home = home(&[limited(&tracker(Answer::Usual), limits)]);
    let asked = home.ask(device(1), "www.shop.example.", kind).remove(0);
    let chain = vec![cname("www.shop.example.", TRACKER), a(TRACKER, [192, 0, 2, 80])];
    home.answer(asked.ask, &answer_to(&asked, chain)).seen[0].outcome == Outcome::Blocked
}

#[test]
fn an_alias_is_judged_as_a_cname_whatever_was_asked() {
    let only = |types: &[u16]| Limits { types: types.into(), ..Limits::default() };
    let but = |types: &[u16]| Limits { not_types: types.into(), ..Limits::default() };
    for kind in [RecordType::A, RecordType::AAAA] {
        for (limits, want) in [
            (only(&[types::CNAME]), true),
            (only(&[types::A, types::AAAA]), false),
            (but(&[types::CNAME]), false), // `~CNAME` lets a CNAME through
            (but(&[types::A]), true),
        ] {
            assert_eq!(alias_is_blocked(limits.clone(), kind), want, "{limits:?} {kind}");
        }
    }
}

#[test]
fn a_question_is_judged_by_its_type() {
    let only = |types: &[u16]| Limits { types: types.into(), ..Limits::default() };
    let mut home = home(&[limited(&tracker(Answer::Usual), only(&[types::AAAA]))]);
    home.ask_at_once(device(1), TRACKER, RecordType::AAAA);
    assert_eq!(home.outs().seen[0].outcome, Outcome::Blocked);
    let asked = home.ask(device(1), TRACKER, RecordType::A).remove(0);
    let outs = home.answer(asked.ask, &answer_to(&asked, vec![a(TRACKER, [192, 0, 2, 80])]));
    assert_eq!(outs.seen[0].outcome, Outcome::Passed);
}

#[test]
fn an_address_is_judged_as_the_record_it_stands_in() {
    let prefix = "192.0.2.0/24".parse().unwrap();
    let rule = || Rule::about(Subject::Prefix(prefix), Action::Block);
    for (only, want) in [(types::A, true), (types::AAAA, false), (types::CNAME, false)] {
        let limits = Limits { types: vec![only], ..Limits::default() };
        let mut home = home(&[limited(&rule(), limits)]);
        let asked = home.ask(device(1), "www.shop.example.", RecordType::A).remove(0);
        let records = vec![a("www.shop.example.", [192, 0, 2, 80])];
        let outs = home.answer(asked.ask, &answer_to(&asked, records));
        assert_eq!(outs.seen[0].outcome == Outcome::Blocked, want, "{only}");
    }
}

#[test]
fn an_excepted_name_works_although_its_alias_is_not_excepted() {
    let but = |name: &str| Limits { not_below: vec![name.parse().unwrap()], ..Limits::default() };
    for (name, want) in [("shop.example", false), ("other.example", true)] {
        assert_eq!(alias_is_blocked(but(name), RecordType::A), want, "{name}");
    }
}

#[test]
fn each_of_two_who_asked_the_same_is_judged_by_what_is_for_it() {
    let limits = Limits {
        clients: vec![crate::core::rule::Device::Address("203.0.113.1".parse().unwrap())],
        ..Limits::default()
    };
    let mut home = home(&[limited(&tracker(Answer::Usual), limits)]);
    let asked = home.ask(device(1), "www.shop.example.", RecordType::A).remove(0);
    assert!(home.ask(device(2), "www.shop.example.", RecordType::A).is_empty(), "they share");
    let chain = vec![cname("www.shop.example.", TRACKER), a(TRACKER, [192, 0, 2, 80])];
    let outs = home.answer(asked.ask, &answer_to(&asked, chain));
    let outcomes: Vec<_> = outs.seen.iter().map(|seen| seen.outcome).collect();
    assert_eq!(outcomes, [Outcome::Blocked, Outcome::Passed]);
}
