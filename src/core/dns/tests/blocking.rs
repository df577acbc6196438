//! Blocked names: what they are answered with, and what is remembered.

use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::rdata::{HTTPS, SVCB};

use super::*;

const TRACKER: &str = "t.tracker.example.";

fn ede(message: &Message) -> Option<Vec<u8>> {
    match message.edns.as_ref()?.option(EdnsCode::Unknown(15))? {
        EdnsOption::Unknown(15, code) => Some(code.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_blocked_name_gets_an_address_of_its_own_in_both_families() {
    let mut home = Home::new(&["tracker.example"]);
    let v4 = addresses(&home.ask_at_once(device(1), TRACKER, RecordType::A))[0];
    let v6 = addresses(&home.ask_at_once(device(1), TRACKER, RecordType::AAAA))[0];
    let other = addresses(&home.ask_at_once(device(1), "u.tracker.example.", RecordType::A))[0];
    assert_eq!(v4.to_string(), "198.18.1.0");
    assert_eq!(v6.to_string(), "fd6f:7074:6f75:7400::100");
    assert_eq!(other.to_string(), "198.18.1.1");
    for address in [v4, v6] {
        let sunk = home.dns.host_of(address).unwrap();
        assert_eq!(sunk.host.as_str(), "t.tracker.example");
        assert_eq!((sunk.evidence.0.line, sunk.evidence.1), (1, Via::Name));
    }
    for stranger in ["198.18.0.53", "198.18.1.2", "198.20.1.0", "::ffff:198.18.1.0"] {
        assert_eq!(home.dns.host_of(stranger.parse().unwrap()), None, "{stranger}");
    }
    assert_eq!(home.outs().seen.len(), 3);
    assert_eq!((home.dns.counters().blocked, home.dns.counters().queries), (3, 3));
}

#[test]
fn each_way_to_answer_says_what_it_should() {
    let types = [RecordType::A, RecordType::AAAA, RecordType::HTTPS, RecordType::TXT];
    for (how, code, addressed) in [
        (BlockAnswer::Sinkhole, ResponseCode::NoError, true),
        (BlockAnswer::Null, ResponseCode::NoError, true),
        (BlockAnswer::Nxdomain, ResponseCode::NXDomain, false),
        (BlockAnswer::Refused, ResponseCode::Refused, false),
    ] {
        for kind in types {
            let mut home = Home::new(&["tracker.example"]);
            home.policy.block_answer = how;
            let reply = home.ask_at_once(device(1), TRACKER, kind);
            let has_address = addressed && matches!(kind, RecordType::A | RecordType::AAAA);
            assert_eq!(reply.response_code, code, "{how:?} {kind}");
            assert_eq!(reply.answers.len(), usize::from(has_address), "{how:?} {kind}");
            let has_soa = !has_address && code != ResponseCode::Refused;
            assert_eq!(reply.authorities.len(), usize::from(has_soa), "{how:?} {kind}");
            let ttls = reply.answers.iter().chain(&reply.authorities).map(|record| record.ttl);
            assert!(ttls.into_iter().all(|ttl| ttl == 10), "{how:?} {kind}");
            let is_null = addresses(&reply).iter().all(IpAddr::is_unspecified);
            assert_eq!(is_null, how != BlockAnswer::Sinkhole || !has_address, "{how:?} {kind}");
        }
    }
}

#[test]
fn the_answer_is_the_clients_own_question_again() {
    let mut home = Home::new(&["tracker.example"]);
    let mut message = with_edns(question("T.Tracker.EXAMPLE.", RecordType::A), 4096);
    message.metadata.checking_disabled = true;
    let (_, bytes) = home.send(device(1), &message.to_vec().unwrap());
    let reply = Message::from_vec(&bytes).unwrap();
    assert_eq!(reply.id, 0x1234);
    assert!(reply.queries[0].name().eq_case(message.queries[0].name()));
    assert!(reply.recursion_desired && reply.recursion_available && reply.checking_disabled);
    assert!(!reply.authentic_data && !reply.authoritative && !reply.truncation);
    assert_eq!(reply.edns.as_ref().unwrap().max_payload(), 1232);
    assert_eq!(ede(&reply), Some(vec![0, 15]), "extended error: blocked");
    let plain = home.ask_at_once(device(1), TRACKER, RecordType::A);
    assert!(plain.edns.is_none(), "no OPT without OPT");
}

#[test]
fn canaries_are_denied_before_lists_are_asked() {
    let mut home = Home::new(&["use-application-dns.net", "mask.icloud.com"]);
    let reply = home.ask_at_once(device(1), "Use-Application-DNS.net.", RecordType::A);
    assert_eq!(reply.response_code, ResponseCode::NXDomain);
    assert!(reply.answers.is_empty());
    let reply = home.ask_at_once(device(1), "_dns.resolver.arpa.", RecordType::SVCB);
    assert_eq!((reply.response_code, reply.answers.len()), (ResponseCode::NoError, 0));
    home.ask(device(1), "mask-h2.icloud.com.", RecordType::A);
    home.policy.canaries.private_relay = true;
    let reply = home.ask_at_once(device(1), "mask.icloud.com.", RecordType::A);
    assert_eq!((reply.response_code, reply.answers.len()), (ResponseCode::NXDomain, 0));
}

#[test]
fn a_retry_storm_makes_the_answer_hold_longer_and_calm_undoes_it() {
    let mut home = Home::new(&["tracker.example"]);
    let mut held = Vec::new();
    for _ in 0..150 {
        held.push(home.ask_at_once(device(1), TRACKER, RecordType::A).answers[0].ttl);
        home.pass(millis(1000));
    }
    assert_eq!((held[0], held[149]), (10, 300));
    let calm = home.ask_at_once(device(2), TRACKER, RecordType::A);
    assert_eq!(calm.answers[0].ttl, 10, "another client is not made to wait");
    home.pass(Duration::from_mins(10));
    assert_eq!(home.ask_at_once(device(1), TRACKER, RecordType::A).answers[0].ttl, 10);
}

#[test]
fn an_address_is_not_used_again_while_an_answer_with_it_may_be_cached() {
    let mut home = Home::new(&["tracker.example"]);
    let settings = Settings {
        sinkhole_v4: ([198, 18, 0, 0].into(), 23), // room for 255 names
        sinkhole_v6: ("fd6f:7074:6f75:7400::".parse().unwrap(), 64),
        seed: [1; 32],
        case_randomization: false,
    };
    home.dns = Dns::new(&settings);
    let name = |n: usize| format!("n{n}.tracker.example.");
    for n in 0..255 {
        let address = addresses(&home.ask_at_once(device(1), &name(n), RecordType::A))[0];
        assert_eq!(home.dns.host_of(address).unwrap().host.to_string() + ".", name(n));
    }
    let one_more = home.ask_at_once(device(1), &name(255), RecordType::A);
    assert!(addresses(&one_more)[0].is_unspecified());
    assert_eq!(home.dns.counters().sinkhole_full, 1);
    home.pass(millis(9_000));
    let kept = addresses(&home.ask_at_once(device(1), &name(7), RecordType::A))[0];
    home.pass(millis(7_000)); // the others ran out one second ago
    for n in 300..554 {
        let address = addresses(&home.ask_at_once(device(1), &name(n), RecordType::A))[0];
        assert_ne!(address, kept, "{n}");
        assert_eq!(home.dns.host_of(address).unwrap().host.to_string() + ".", name(n));
    }
    let again = addresses(&home.ask_at_once(device(1), &name(7), RecordType::A))[0];
    assert_eq!(again, kept);
}

#[test]
fn a_flood_of_names_stays_bounded_and_blocked() {
    let mut home = Home::new(&["tracker.example"]);
    for n in 0..40_000_u32 {
        let reply = home.ask_at_once(device(1), &format!("n{n}.tracker.example."), RecordType::A);
        assert_eq!(reply.answers.len(), 1);
        home.outs();
    }
    assert_eq!(home.dns.counters().sinkhole_full, 40_000 - 32_768);
}

#[test]
fn an_alias_of_a_blocked_name_is_blocked_with_the_alias_as_evidence() {
    let mut home = Home::new(&["tracker.example"]);
    let asked = home.ask(device(1), "www.shop.example.", RecordType::A).remove(0);
    let chain = vec![
        cname("www.shop.example.", "shop.cdn.example."),
        cname("shop.cdn.example.", TRACKER),
        a(TRACKER, [192, 0, 2, 80]),
    ];
    let outs = home.answer(asked.ask, &answer_to(&asked, chain));
    let address = addresses(&outs.replies[0].1)[0];
    let sunk = home.dns.host_of(address).unwrap();
    assert_eq!(sunk.host.as_str(), "www.shop.example");
    let alias = Via::Alias("t.tracker.example".parse().unwrap());
    assert_eq!(sunk.evidence.1, alias);
    assert_eq!(outs.seen[0].outcome, Outcome::Blocked);
    assert_eq!(outs.seen[0].evidence.as_ref().unwrap().1, alias);
}

#[test]
fn a_service_that_points_to_a_blocked_name_is_blocked() {
    let mut home = Home::new(&["tracker.example"]);
    let asked = home.ask(device(1), "shop.example.", RecordType::HTTPS).remove(0);
    let name = Name::from_ascii("shop.example.").unwrap();
    let service = |target| SVCB::new(1, Name::from_ascii(target).unwrap(), Vec::new());
    let record =
        |target| Record::from_rdata(name.clone(), 60, RData::HTTPS(HTTPS(service(target))));
    let records = vec![record("."), record(TRACKER)];
    let outs = home.answer(asked.ask, &answer_to(&asked, records));
    assert!(outs.replies[0].1.answers.is_empty());
    assert_eq!(outs.seen[0].outcome, Outcome::Blocked);
}

#[test]
fn the_policy_in_force_when_the_answer_comes_decides() {
    let mut home = Home::new(&[]);
    let asked = home.ask(device(1), TRACKER, RecordType::A).remove(0);
    home.policy = Policy::blocking(&["tracker.example"]);
    home.dns.policy_changed();
    let outs = home.answer(asked.ask, &answer_to(&asked, vec![a(TRACKER, [192, 0, 2, 80])]));
    assert!(home.dns.host_of(addresses(&outs.replies[0].1)[0]).is_some());
    home.policy = Policy::blocking(&["other.example", "tracker.example"]);
    home.dns.policy_changed();
    home.ask_at_once(device(1), TRACKER, RecordType::A);
    let seen = home.outs().seen;
    assert_eq!(seen[0].evidence.as_ref().unwrap().0.line, 2, "words of the new rule");
}
