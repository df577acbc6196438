//! What is remembered of the answers that were given.

use hickory_proto::rr::rdata::svcb::{IpHint, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{AAAA, HTTPS, SVCB};

use super::*;

const NAME: &str = "www.example.";

/// Asks as `asker`, and lets the first upstream answer with these records.
fn given(home: &mut Home, asker: Asker, kind: RecordType, records: Vec<Record>) {
    let asked = home.ask(asker, NAME, kind);
    let outs = home.answer(asked[0].ask, &answer_to(&asked[0], records));
    assert_eq!(outs.replies.len(), 1);
}

fn names(home: &Home, asker: &Asker, address: &str) -> Vec<String> {
    let mut names = Vec::new();
    let address = address.parse().unwrap();
    home.dns.visit_answered(home.now, &asker.client, address, &mut |name| {
        names.push(name.as_str().to_owned());
    });
    names
}

fn v6(name: &str, address: &str) -> Record {
    let data = RData::AAAA(AAAA(address.parse().unwrap()));
    Record::from_rdata(Name::from_ascii(name).unwrap(), 60, data)
}

#[test]
fn addresses_and_hints_of_an_answer_are_remembered_for_who_asked() {
    let mut home = Home::new(&[]);
    given(&mut home, device(1), RecordType::A, vec![a(NAME, [203, 0, 113, 9])]);
    given(&mut home, device(1), RecordType::AAAA, vec![v6(NAME, "2001:db8::9")]);
    let hints = [
        (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(vec![A([198, 51, 100, 9].into())]))),
        (
            SvcParamKey::Ipv6Hint,
            SvcParamValue::Ipv6Hint(IpHint(vec![AAAA("2001:db8::a".parse().unwrap())])),
        ),
    ];
    let service = HTTPS(SVCB::new(1, Name::root(), hints.into()));
    let record = Record::from_rdata(Name::from_ascii(NAME).unwrap(), 60, RData::HTTPS(service));
    given(&mut home, device(1), RecordType::HTTPS, vec![record]);
    for address in ["203.0.113.9", "2001:db8::9", "198.51.100.9", "2001:db8::a"] {
        assert_eq!(names(&home, &device(1), address), ["www.example"], "{address}");
        assert!(names(&home, &device(2), address).is_empty(), "{address}");
        assert!(names(&home, &host(), address).is_empty(), "{address}");
    }
    assert_eq!(home.dns.answers_remembered(), 4);
}

#[test]
fn an_alias_is_remembered_by_the_name_that_was_asked_for() {
    let mut home = Home::new(&[]);
    let chain = vec![
        cname(NAME, "edge.cdn.example."),
        a("edge.cdn.example.", [203, 0, 113, 9]),
        a("stranger.example.", [203, 0, 113, 10]),
    ];
    given(&mut home, host(), RecordType::A, chain);
    assert_eq!(names(&home, &host(), "203.0.113.9"), ["www.example"]);
    assert!(names(&home, &host(), "203.0.113.10").is_empty(), "it is no part of the answer");
}

#[test]
fn everybody_who_waited_for_an_answer_is_told_and_remembered() {
    let mut home = Home::new(&[]);
    let asked = home.ask(device(1), NAME, RecordType::A);
    assert!(home.ask(device(2), NAME, RecordType::A).is_empty(), "one flight for both");
    home.answer(asked[0].ask, &answer_to(&asked[0], vec![a(NAME, [203, 0, 113, 9])]));
    for n in [1, 2] {
        assert_eq!(names(&home, &device(n), "203.0.113.9"), ["www.example"]);
    }
}

#[test]
fn what_a_blocked_name_stands_for_is_not_remembered() {
    let mut home = Home::new(&["cdn.example"]);
    let chain = vec![cname(NAME, "cdn.example."), a("cdn.example.", [203, 0, 113, 9])];
    given(&mut home, device(1), RecordType::A, chain);
    assert_eq!(home.dns.answers_remembered(), 0, "the client got the sinkhole's address");
    let reply = home.ask_at_once(device(1), "cdn.example.", RecordType::A);
    assert!(names(&home, &device(1), &addresses(&reply)[0].to_string()).is_empty());
}

#[test]
fn a_forged_answer_is_not_remembered() {
    let mut home = Home::new(&[]);
    let asked = home.ask(device(1), NAME, RecordType::A);
    let mut forged = answer_to(&asked[0], vec![a(NAME, [203, 0, 113, 66])]);
    forged.metadata.id ^= 1;
    home.answer(asked[0].ask, &forged);
    assert_eq!(home.dns.answers_remembered(), 0);
}
