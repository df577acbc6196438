//! Questions that pass: who is asked, when, and how often.

use super::*;

const SITE: &str = "www.site.example.";

fn good(asked: &Asked) -> Message {
    answer_to(asked, vec![a(SITE, [192, 0, 2, 80])])
}

#[test]
fn the_client_gets_the_answer_under_its_own_id_and_case() {
    let mut home = Home::with(&[], true);
    let asked = home.ask(device(1), "WWW.Site.Example.", RecordType::A).remove(0);
    assert_eq!((asked.upstream, asked.transport), (upstream(1), Transport::Udp));
    assert!(!asked.message.queries[0].name().eq_case(&Name::from_ascii(SITE).unwrap()));
    let outs = home.answer(asked.ask, &good(&asked));
    let (id, reply) = &outs.replies[0];
    assert_eq!((*id, reply.id), (1, 0x1234));
    assert_eq!(reply.queries[0].name().to_ascii(), "WWW.Site.Example.");
    assert_eq!(addresses(reply), [IpAddr::from([192, 0, 2, 80])]);
    assert_eq!(outs.forgotten, [asked.ask]);
    assert_eq!(outs.seen[0].outcome, Outcome::Passed);
    assert_eq!(home.dns.poll_timeout(), None, "nothing is left to wait for");
    let outs = home.answer(asked.ask, &good(&asked));
    assert!(outs.replies.is_empty(), "the same answer again is none");
}

#[test]
fn ids_and_case_are_never_the_same_twice_running() {
    let mut home = Home::with(&[], true);
    let mut seen = std::collections::HashSet::new();
    for n in 0..200 {
        let name = format!("n{n}.some.longer.site.example.");
        let asked = home.ask(device(1), &name, RecordType::A).remove(0);
        seen.insert(asked.message.id);
    }
    assert!(seen.len() > 195, "{}", seen.len());
}

#[test]
fn an_upstream_that_is_silent_is_passed_over_within_half_a_second() {
    let mut home = Home::new(&[]);
    home.ask(device(1), SITE, RecordType::A);
    home.pass(millis(399));
    assert!(home.outs().asked.is_empty());
    home.pass(millis(1));
    let asked = home.outs().asked.remove(0);
    assert_eq!(asked.upstream, upstream(2));
    assert_eq!(home.answer(asked.ask, &good(&asked)).replies.len(), 1);
}

#[test]
fn silence_is_asked_five_times_and_then_told_before_the_client_gives_up() {
    let mut home = Home::new(&[]);
    let mut asked = home.ask(device(1), SITE, RecordType::A);
    let mut replies = Vec::new();
    while let Some(deadline) = home.dns.poll_timeout() {
        home.now = deadline;
        home.dns.handle_timeout(deadline);
        let outs = home.outs();
        asked.extend(outs.asked);
        replies.extend(outs.replies);
    }
    assert_eq!(home.now, Instant::ZERO + millis(4800));
    assert_eq!(asked.len(), 5);
    assert_eq!(asked.iter().filter(|asked| asked.upstream == upstream(1)).count(), 3);
    let ids: std::collections::HashSet<_> = asked.iter().map(|asked| asked.message.id).collect();
    assert_eq!(ids.len(), 5, "each try has an id of its own");
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0].1.response_code, ResponseCode::ServFail);
    assert_eq!(home.dns.counters().unanswered, 1);
    let late = home.answer(asked[0].ask, &good(&asked[0]));
    assert!(late.replies.is_empty());
}

#[test]
fn the_first_try_may_still_answer_while_the_second_is_under_way() {
    let mut home = Home::new(&[]);
    let first = home.ask(device(1), SITE, RecordType::A).remove(0);
    home.pass(millis(400));
    let second = home.outs().asked.remove(0);
    let outs = home.answer(first.ask, &good(&first));
    assert_eq!(outs.replies.len(), 1);
    assert_eq!(outs.forgotten, [first.ask, second.ask]);
    assert!(home.answer(second.ask, &good(&second)).replies.is_empty());
}

#[test]
fn a_dead_upstream_is_asked_last_and_tried_again_beside_another() {
    let mut home = Home::new(&[]);
    for n in 0..3 {
        home.ask(device(1), &format!("n{n}.example."), RecordType::A);
        home.pass(millis(400));
        let asked = home.outs().asked.remove(0);
        let outs = home.answer(asked.ask, &answer_to(&asked, Vec::new()));
        assert_eq!(outs.replies.len(), 1);
    }
    assert_eq!(home.dns.upstream_health(), [(upstream(1), false), (upstream(2), true)]);
    let asked = home.ask(device(1), SITE, RecordType::A);
    assert_eq!(asked.iter().map(|a| a.upstream).collect::<Vec<_>>(), [upstream(2)]);
    home.answer(asked[0].ask, &good(&asked[0]));
    home.pass(millis(5000));
    let asked = home.ask(device(1), "x.example.", RecordType::A);
    assert_eq!(asked.iter().map(|a| a.upstream).collect::<Vec<_>>(), [upstream(2), upstream(1)]);
    home.answer(asked[1].ask, &answer_to(&asked[1], Vec::new()));
    assert_eq!(home.dns.upstream_health(), [(upstream(1), true), (upstream(2), true)]);
}

#[test]
fn an_upstream_that_cannot_be_reached_is_passed_over_at_once() {
    let mut home = Home::new(&[]);
    let asked = home.ask(device(1), SITE, RecordType::A).remove(0);
    home.dns.handle_failure(home.now, asked.ask);
    let asked = home.outs().asked.remove(0);
    assert_eq!(asked.upstream, upstream(2));
    home.dns.handle_failure(home.now, asked.ask);
    assert!(home.outs().asked.is_empty(), "both failed: wait a little");
    home.pass(millis(400));
    assert_eq!(home.outs().asked.len(), 1);
}

#[test]
fn a_hundred_failures_at_once_do_not_make_a_storm() {
    let mut home = Home::new(&[]);
    let mut asked = home.ask(device(1), SITE, RecordType::A);
    let (mut count, mut replies) = (0, 0);
    while replies == 0 {
        for asked in std::mem::take(&mut asked) {
            count += 1;
            home.dns.handle_failure(home.now, asked.ask);
        }
        home.now = home.dns.poll_timeout().unwrap_or(home.now);
        home.dns.handle_timeout(home.now);
        let outs = home.outs();
        asked = outs.asked;
        replies += outs.replies.len();
    }
    assert!((2..=8).contains(&count), "{count}");
}

#[test]
fn an_upstream_that_refuses_makes_way_for_the_next() {
    for code in [ResponseCode::ServFail, ResponseCode::Refused] {
        let mut home = Home::new(&[]);
        let asked = home.ask(device(1), SITE, RecordType::A).remove(0);
        let asked = home.answer(asked.ask, &failure_to(&asked, code)).asked.remove(0);
        assert_eq!(asked.upstream, upstream(2));
        let outs = home.answer(asked.ask, &good(&asked));
        assert_eq!(outs.replies[0].1.response_code, ResponseCode::NoError);
    }
}

#[test]
fn an_upstream_without_edns_is_asked_without_it_from_then_on() {
    let mut home = Home::new(&[]);
    let asked = home.ask(device(1), SITE, RecordType::A).remove(0);
    let outs = home.answer(asked.ask, &failure_to(&asked, ResponseCode::FormErr));
    let outs = home.answer(outs.asked[0].ask, &good(&outs.asked[0]));
    assert_eq!(outs.replies.len(), 1);
    let asked = home.ask(device(1), "x.example.", RecordType::A).remove(0);
    assert!(asked.message.edns.is_none());
    let outs = home.answer(asked.ask, &failure_to(&asked, ResponseCode::FormErr));
    assert_eq!(outs.asked[0].upstream, upstream(2), "now it is a failure");
}

#[test]
fn an_upstream_that_mangles_case_is_served_by_tcp_and_then_in_lower_case() {
    let mut home = Home::with(&[], true);
    for n in 0..3 {
        let name = format!("n{n}.long.name.of.some.site.example.");
        let asked = home.ask(device(1), &name, RecordType::A).remove(0);
        let mut lower = answer_to(&asked, Vec::new());
        lower.queries[0] = Query::query(Name::from_ascii(&name).unwrap(), RecordType::A);
        let tcp = home.answer(asked.ask, &lower).asked.remove(0);
        assert_eq!(tcp.transport, Transport::Tcp);
        assert_eq!(home.answer(tcp.ask, &answer_to(&tcp, Vec::new())).replies.len(), 1);
    }
    let asked = home.ask(device(1), SITE, RecordType::A).remove(0);
    assert!(asked.message.queries[0].name().eq_case(&Name::from_ascii(SITE).unwrap()));
}

#[test]
fn ten_thousand_clients_that_ask_the_same_make_one_question() {
    let mut home = Home::new(&[]);
    let message = question(SITE, RecordType::A).to_vec().unwrap();
    for n in 0..10_000_u32 {
        let client = Client::Device(Ipv4Addr::from_bits(0x0a00_0000 + n).into());
        let asker = Asker { id: n.into(), client, ..device(1) };
        assert_eq!(home.send(asker, &message).0, Handled::Pending);
    }
    let asked = home.outs().asked;
    assert_eq!(asked.len(), 1);
    let outs = home.answer(asked[0].ask, &good(&asked[0]));
    let ids: std::collections::BTreeSet<_> = outs.replies.iter().map(|(id, _)| *id).collect();
    assert_eq!((outs.replies.len(), ids.len()), (10_000, 10_000));
}

#[test]
fn questions_that_differ_in_what_they_want_are_asked_apart() {
    let mut home = Home::new(&[]);
    let mut validating = with_edns(question(SITE, RecordType::A), 1232);
    validating.edns.as_mut().unwrap().set_dnssec_ok(true);
    let mut unchecked = question(SITE, RecordType::A);
    unchecked.metadata.checking_disabled = true;
    for message in [question(SITE, RecordType::A), validating, unchecked] {
        assert_eq!(home.send(device(1), &message.to_vec().unwrap()).0, Handled::Pending);
    }
    assert_eq!(home.outs().asked.len(), 3);
}

#[test]
fn one_client_cannot_take_the_room_of_the_others() {
    let mut home = Home::new(&[]);
    let mut pending = 0;
    for n in 0..5000 {
        let message = question(&format!("n{n}.example."), RecordType::A).to_vec().unwrap();
        let (handled, reply) = home.send(device(1), &message);
        if handled == Handled::Pending {
            pending += 1;
        } else {
            let code = Message::from_vec(&reply).unwrap().response_code;
            assert_eq!(code, ResponseCode::ServFail);
        }
    }
    assert_eq!(pending, 1024);
    assert_eq!(home.ask(device(2), SITE, RecordType::A).len() - 1, 1024);
    let mut replies = 0;
    while let Some(deadline) = home.dns.poll_timeout() {
        home.now = deadline;
        home.dns.handle_timeout(deadline);
        replies += home.outs().replies.len();
    }
    assert_eq!(replies, 1025);
    home.ask(device(1), SITE, RecordType::A);
}

#[test]
fn when_all_is_full_new_questions_are_refused_and_old_ones_answered() {
    let mut home = Home::new(&[]);
    let mut first = Vec::new();
    for n in 0..4096_u32 {
        let client = Client::Device(Ipv4Addr::from_bits(0x0a00_0000 + n).into());
        let asker = Asker { id: n.into(), client, ..device(1) };
        let asked = home.ask(asker, &format!("n{n}.example."), RecordType::A);
        first.extend(asked);
    }
    let reply = home.ask_at_once(device(2), SITE, RecordType::A);
    assert_eq!(reply.response_code, ResponseCode::ServFail);
    let outs = home.answer(first[0].ask, &answer_to(&first[0], Vec::new()));
    assert_eq!(outs.replies.len(), 1);
    home.ask(device(2), SITE, RecordType::A);
}

#[test]
fn a_question_of_this_host_does_not_go_back_to_its_own_resolver() {
    let dnsmasq = SocketAddr::from(([127, 0, 0, 1], 53));
    let own = SocketAddr::from(([203, 0, 113, 200], 53));
    for upstreams in [vec![dnsmasq], vec![own], vec![dnsmasq, own]] {
        let mut home = Home::new(&[]);
        home.dns.set_own_addresses(&[own.ip()]);
        home.dns.set_upstreams(home.now, &upstreams);
        let asked = home.ask(host(), SITE, RecordType::A).remove(0);
        assert_eq!(asked.upstream, host().resolver);
        let asked = home.ask(device(1), SITE, RecordType::A).remove(0);
        assert_eq!(asked.upstream, upstreams[0], "a device's question does");
        for ours in ["198.18.0.53:53", "[fd6f:7074:6f75:7400::53]:53", "127.0.0.1:53"] {
            let asker = Asker { resolver: ours.parse().unwrap(), ..host() };
            let reply = home.ask_at_once(asker, "x.example.", RecordType::A);
            assert_eq!(reply.response_code, ResponseCode::ServFail, "{ours}");
        }
        home.dns.set_upstreams(home.now, &[dnsmasq, upstream(1)]);
        let asked = home.ask(host(), "y.example.", RecordType::A).remove(0);
        assert_eq!(asked.upstream, upstream(1), "one that is away is better");
    }
}

#[test]
fn with_no_upstream_the_resolver_that_was_meant_is_asked() {
    let mut home = Home::new(&[]);
    home.dns.set_upstreams(home.now, &[]);
    let asked = home.ask(device(1), SITE, RecordType::A).remove(0);
    assert_eq!(asked.upstream, device(1).resolver);
}

#[test]
fn questions_to_an_upstream_that_is_gone_go_to_the_new_one_at_once() {
    let mut home = Home::new(&[]);
    let asked = home.ask(device(1), SITE, RecordType::A).remove(0);
    home.pass(millis(10));
    home.dns.set_upstreams(home.now, &[upstream(9)]);
    assert_eq!(home.dns.poll_timeout(), Some(home.now));
    home.pass(Duration::ZERO);
    let outs = home.outs();
    assert_eq!(outs.forgotten, [asked.ask]);
    assert_eq!(outs.asked[0].upstream, upstream(9));
    assert_eq!(home.answer(outs.asked[0].ask, &good(&outs.asked[0])).replies.len(), 1);
}

#[test]
fn a_client_that_resolves_by_itself_gets_its_referral_from_whom_it_asked() {
    let mut home = Home::new(&["tracker.example"]);
    let mut message = question(SITE, RecordType::A);
    message.metadata.recursion_desired = false;
    assert_eq!(home.send(host(), &message.to_vec().unwrap()).0, Handled::Pending);
    let asked = home.outs().asked.remove(0);
    assert_eq!(asked.upstream, host().resolver);
    assert!(!asked.message.recursion_desired);
    let mut referral = answer_to(&asked, Vec::new());
    referral.metadata.recursion_available = false;
    let server = Name::from_ascii("ns.site.example.").unwrap();
    let ns = RData::NS(hickory_proto::rr::rdata::NS(server));
    referral.add_authority(Record::from_rdata(Name::from_ascii("site.example.").unwrap(), 60, ns));
    referral.add_additional(a("ns.site.example.", [192, 0, 2, 9]));
    referral.add_additional(a("bank.example.", [192, 0, 2, 66]));
    let reply = home.answer(asked.ask, &referral).replies.remove(0).1;
    assert_eq!((reply.authorities.len(), reply.additionals.len()), (1, 1));
    assert!(!reply.recursion_available);
    let mut blocked = question("t.tracker.example.", RecordType::A);
    blocked.metadata.recursion_desired = false;
    let (_, reply) = home.send(host(), &blocked.to_vec().unwrap());
    assert!(Message::from_vec(&reply).unwrap().authoritative);
}

#[test]
fn a_validated_answer_is_marked_so_only_for_those_who_ask() {
    for wants in [false, true] {
        let mut home = Home::new(&[]);
        let mut message = question(SITE, RecordType::A);
        message.metadata.authentic_data = wants;
        assert_eq!(home.send(device(1), &message.to_vec().unwrap()).0, Handled::Pending);
        let asked = home.outs().asked.remove(0);
        let mut answer = good(&asked);
        answer.metadata.authentic_data = true;
        let outs = home.answer(asked.ask, &answer);
        assert_eq!(outs.replies[0].1.authentic_data, wants);
    }
}

#[test]
fn an_answer_keeps_its_chain_and_loses_the_rest() {
    let mut home = Home::new(&[]);
    let asked = home.ask(device(1), SITE, RecordType::A).remove(0);
    let mut answer = answer_to(
        &asked,
        vec![
            a("edge.cdn.example.", [192, 0, 2, 1]), // before its alias: order is free
            cname(SITE, "www.cdn.example."),
            a("bank.example.", [192, 0, 2, 66]),
            cname("www.cdn.example.", "edge.cdn.example."),
            a("edge.cdn.example.", [192, 0, 2, 2]),
        ],
    );
    answer.add_additional(a("bank.example.", [192, 0, 2, 66]));
    let reply = home.answer(asked.ask, &answer).replies.remove(0).1;
    let names: Vec<_> = reply.answers.iter().map(|record| record.name.to_ascii()).collect();
    assert_eq!(names, [SITE, "www.cdn.example.", "edge.cdn.example.", "edge.cdn.example."]);
    assert!(reply.additionals.is_empty());
}

#[test]
fn sixteen_links_pass_and_seventeen_do_not() {
    for (links, passes) in [(16, true), (17, false)] {
        let mut home = Home::new(&[]);
        let asked = home.ask(device(1), "n0.example.", RecordType::A).remove(0);
        let link = |n| cname(&format!("n{n}.example."), &format!("n{}.example.", n + 1));
        let outs = home.answer(asked.ask, &answer_to(&asked, (0..links).map(link).collect()));
        assert_eq!(outs.replies.len(), usize::from(passes), "{links}");
    }
}
