//! When and for whom rules and lists hold.

use super::order::{judged, lists};
use super::*;
use crate::core::rule::Device;

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

/// Some devices, and one schedule that holds.
fn home(lines: &[&str]) -> Builder {
    let device = |name: &str, address: &str, tag: &str| NamedDevice {
        name: name.into(),
        addresses: vec![address.parse().unwrap()],
        tags: vec![tag.into()],
    };
    lists(lines)
        .devices([
            device("Kids tablet", "192.0.2.20", "user_child"),
            device("TV", "192.0.2.30/31", "device_tv"),
        ])
        .schedules(["night"])
}

/// One row, one test: `name: rule; type, client, subject => whether the rule holds`.
/// A client is an address, or `host`; a type of 0 is none.
macro_rules! held {
    ($($name:ident: $limits:literal; $qtype:expr, $client:literal, $subject:literal => $want:literal;)*) => {
        $(#[test] fn $name() {
            for (action, blocked) in [("block", $want), ("important allow", false)] {
                // As a block it stops; as an exception it opens what another list stops.
                let judged = $subject.split(' ').next().unwrap();
                let subject = if judged.parse::<IpAddr>().is_ok() { "0.0.0.0/0" } else { "*.example" };
                let rule = format!("a {action} {subject} {}", $limits);
                let other = format!("b block {subject}");
                let lines: &[&str] = if blocked || action == "block" { &[&rule] } else { &[&rule, &other] };
                let verdict = ask(&home(lines).build(), $subject, $qtype, $client);
                let want = if action == "block" { $want } else { !$want };
                assert_eq!(matches!(verdict, Verdict::Block(_)), want, "{lines:?}");
            }
        })*
    };
}

fn ask(policy: &Policy, subject: &str, qtype: u16, client: &str) -> Verdict {
    let client = client.parse().map_or(HOST, Client::Device);
    let qtype = (qtype != 0).then_some(qtype);
    let (question, subject) = match subject.split_once(" for ") {
        Some((subject, question)) => (Some(question), subject),
        None => (None, subject),
    };
    let asked = Asked { host: question, qtype, client: &client };
    match subject.parse() {
        Ok(address) => policy.judge_address(Instant::ZERO, address, asked),
        Err(_) => policy.judge(Instant::ZERO, subject, asked),
    }
}

held! {
    denyallow_else: r#"{"not_below":["b.example"]}"#; A, "host", "a.example" => true;
    denyallow_itself: r#"{"not_below":["b.example"]}"#; A, "host", "b.example" => false;
    denyallow_below: r#"{"not_below":["b.example"]}"#; A, "host", "x.b.example" => false;
    denyallow_by_whole_labels: r#"{"not_below":["b.example"]}"#; A, "host", "xb.example" => true;
    denyallow_above: r#"{"not_below":["x.b.example"]}"#; A, "host", "b.example" => true;
    denyallow_of_many: r#"{"not_below":["a.example","b.example","c.example"]}"#; A, "host", "x.c.example" => false;
    denyallow_of_the_question: r#"{"not_below":["b.example"]}"#; CNAME, "host", "a.example for b.example" => false;
    denyallow_not_of_the_question: r#"{"not_below":["b.example"]}"#; CNAME, "host", "a.example for c.example" => true;
    type_asked: r#"{"types":[1]}"#; A, "host", "a.example" => true;
    type_not_asked: r#"{"types":[1]}"#; AAAA, "host", "a.example" => false;
    types: r#"{"types":[1,28]}"#; AAAA, "host", "a.example" => true;
    not_type_asked: r#"{"not_types":[28]}"#; AAAA, "host", "a.example" => false;
    not_type_not_asked: r#"{"not_types":[28]}"#; A, "host", "a.example" => true;
    type_and_not_type: r#"{"types":[1],"not_types":[1]}"#; A, "host", "a.example" => true;
    no_type_for_a_type: r#"{"types":[1]}"#; 0, "host", "a.example" => false;
    no_type_for_not_a_type: r#"{"not_types":[1]}"#; 0, "host", "a.example" => false;
    client_by_address: r#"{"clients":[{"address":"192.0.2.0/28"}]}"#; A, "192.0.2.9", "a.example" => true;
    client_by_other_address: r#"{"clients":[{"address":"192.0.2.0/28"}]}"#; A, "192.0.2.20", "a.example" => false;
    client_of_v6: r#"{"clients":[{"address":"2001:db8::/64"}]}"#; A, "2001:db8::7", "a.example" => true;
    client_by_name: r#"{"clients":[{"name":"kids tablet"}]}"#; A, "192.0.2.20", "a.example" => true;
    client_by_other_name: r#"{"clients":[{"name":"kids tablet"}]}"#; A, "192.0.2.30", "a.example" => false;
    client_by_unknown_name: r#"{"clients":[{"name":"mom"}]}"#; A, "192.0.2.20", "a.example" => false;
    client_is_this_host: r#"{"clients":[{"address":"127.0.0.1"}]}"#; A, "host", "a.example" => true;
    not_this_client: r#"{"not_clients":[{"name":"tv"}]}"#; A, "192.0.2.31", "a.example" => false;
    not_another_client: r#"{"not_clients":[{"name":"tv"}]}"#; A, "192.0.2.20", "a.example" => true;
    not_an_unknown_client: r#"{"not_clients":[{"name":"mom"}]}"#; A, "192.0.2.20", "a.example" => true;
    tagged: r#"{"tags":["user_child"]}"#; A, "192.0.2.20", "a.example" => true;
    tagged_otherwise: r#"{"tags":["user_child"]}"#; A, "192.0.2.30", "a.example" => false;
    tag_unknown: r#"{"tags":["user_toddler"]}"#; A, "192.0.2.20", "a.example" => false;
    not_tagged: r#"{"not_tags":["device_tv"]}"#; A, "192.0.2.30", "a.example" => false;
    not_tagged_otherwise: r#"{"not_tags":["device_tv"]}"#; A, "192.0.2.20", "a.example" => true;
    at_night: r#"{"schedule":"night"}"#; A, "host", "a.example" => true;
    at_night_in_any_case: r#"{"schedule":"Night"}"#; A, "host", "a.example" => true;
    by_day: r#"{"schedule":"day"}"#; A, "host", "a.example" => false;
    all_must_hold: r#"{"types":[1],"schedule":"day"}"#; A, "host", "a.example" => false;
    address_by_type: r#"{"types":[1]}"#; A, "host", "192.0.2.9" => true;
    address_without_type: r#"{"types":[1]}"#; 0, "host", "192.0.2.9" => false;
    address_for_a_client: r#"{"clients":[{"name":"tv"}]}"#; A, "192.0.2.30", "192.0.2.9" => true;
    address_for_no_name: r#"{"not_below":["b.example"]}"#; A, "host", "192.0.2.9" => false;
    address_for_a_name: r#"{"not_below":["b.example"]}"#; A, "host", "192.0.2.9 for a.example" => true;
    address_for_an_excepted_name: r#"{"not_below":["b.example"]}"#; A, "host", "192.0.2.9 for b.example" => false;
}

fn only_for(clients: &[&str], apps: &[&str], schedule: Option<&str>) -> ListLimits {
    let client = |text: &&str| match text.parse() {
        Ok(prefix) => Device::Address(prefix),
        Err(_) => Device::Name((*text).into()),
    };
    ListLimits {
        clients: clients.iter().map(client).collect(),
        apps: apps.iter().map(|&app| app.into()).collect(),
        schedule: schedule.map(Into::into),
    }
}

#[test]
fn a_list_is_for_those_it_is_limited_to() {
    let owner = |uid, program: &str| {
        Client::Host(Some(Owner { uid: Some(uid), pid: None, program: Some(program.into()) }))
    };
    let device = |address: &str| Client::Device(address.parse().unwrap());
    let tablet = || device("192.0.2.20");
    for (limits, client, want) in [
        (only_for(&[], &[], None), HOST, true),
        (only_for(&["Kids Tablet"], &[], None), tablet(), true),
        (only_for(&["kids tablet"], &[], None), device("192.0.2.21"), false),
        (only_for(&["192.0.2.16/28"], &[], None), device("192.0.2.21"), true),
        (only_for(&[], &["curl"], None), owner(1, "curl"), true),
        (only_for(&[], &["curl"], None), owner(1, "wget"), false),
        (only_for(&[], &["uid:7"], None), owner(7, "wget"), true),
        (only_for(&[], &["curl"], None), tablet(), false),
        (only_for(&["kids tablet"], &["curl"], None), tablet(), true),
        (only_for(&["kids tablet"], &["curl"], None), owner(1, "curl"), true),
        (only_for(&["kids tablet"], &["curl"], None), owner(1, "wget"), false),
        (only_for(&[], &[], Some("night")), HOST, true),
        (only_for(&[], &[], Some("day")), HOST, false),
        (only_for(&["kids tablet"], &[], Some("day")), tablet(), false),
    ] {
        let by_app = !limits.apps.is_empty();
        let policy = home(&["a block a.example"]).list_limits("a", limits.clone()).build();
        let verdict = policy.judge(Instant::ZERO, "a.example", &client);
        assert_eq!(matches!(verdict, Verdict::Block(_)), want, "{limits:?} {client:?}");
        assert_eq!(policy.depends_on_program(), by_app, "{limits:?}");
    }
}

#[test]
fn a_list_may_have_another_mode_than_it_was_made_with() {
    let watched = lists(&["a block a.example"]).list_mode("a", Mode::Watch);
    assert_eq!(judged(watched, "a.example"), "watch 1");
    let pack = lists(&["n never a.example", "a block a.example"]).list_mode("n", Mode::Off);
    assert_eq!(judged(pack, "a.example"), "never 1", "a pack is no list");
}

#[test]
fn a_rule_of_mine_may_be_for_a_time() {
    let rule = || UserRule::new(false, "a.example", false).unwrap();
    let address = || UserRule::new(false, "192.0.2.1", false).unwrap();
    for (name, want) in [("night", true), ("day", false)] {
        let mine = [rule().during(Some(name)), address().during(Some(name))];
        let policy = home(&[]).user_rules(mine).build();
        let verdict = policy.judge(Instant::ZERO, "a.example", &HOST);
        assert_eq!(matches!(verdict, Verdict::Block(_)), want);
        let verdict = policy.judge_address(Instant::ZERO, "192.0.2.1".parse().unwrap(), &HOST);
        assert_eq!(matches!(verdict, Verdict::Block(_)), want);
        assert_eq!(policy.prefixes_to_route(Instant::ZERO).len(), usize::from(want));
    }
}

#[test]
fn a_policy_knows_when_the_next_schedule_begins_and_which_are_used() {
    let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
    let builder = home(&["a block a.example {\"schedule\":\"night\"}"])
        .list_limits("b", only_for(&[], &[], Some("weekend")))
        .user_rules([UserRule::new(true, "b.example", false).unwrap().during(Some("noon"))]);
    for (name, want) in [("night", true), ("weekend", true), ("noon", true), ("day", false)] {
        assert_eq!(builder.uses_schedule(name), want, "{name}");
    }
    let ends = UserRule::new(true, "c.example", false).unwrap().until(at(7));
    let policy = builder.user_rules([ends]).next_change(Some(at(5))).build();
    assert_eq!(policy.next_end(at(4)), Some(at(5)));
    assert!(!policy.is_over(at(4)) && policy.is_over(at(5)) && policy.is_over(at(6)));
    assert_eq!(policy.next_end(at(5)), Some(at(7)));
    assert_eq!(policy.next_end(at(7)), None);
}

#[test]
fn what_is_for_some_is_not_routed_and_an_exception_for_some_spares_all() {
    let lines = [
        "a block 192.0.2.0/24",
        "b allow 192.0.2.7 {\"clients\":[{\"name\":\"tv\"}]}",
        "a block 198.51.100.0/24 {\"types\":[1]}",
        "a block 203.0.113.0/25 {\"schedule\":\"night\"}",
        "a block 203.0.113.128/25 {\"schedule\":\"day\"}",
        "r block 192.0.2.16/28",
        "r allow 192.0.2.17",
    ];
    let show = |all: Vec<Prefix>| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let policy = home(&lines).build();
    assert_eq!(
        show(policy.prefixes_to_route(Instant::ZERO)),
        ["192.0.2.0/24", "192.0.2.16/28", "203.0.113.0/25"]
    );
    assert_eq!(show(policy.prefixes_to_spare(Instant::ZERO)), ["192.0.2.7", "192.0.2.17"]);
    let policy = home(&lines).list_limits("a", only_for(&["tv"], &[], None)).build();
    assert_eq!(show(policy.prefixes_to_route(Instant::ZERO)), ["192.0.2.16/28"]);
}

#[test]
fn evidence_holds_what_does_not_hold_now_and_says_why() {
    let lines = [
        "a block *.example",
        "b important allow a.example {\"types\":[28]}",
        "b nodata a.example {\"clients\":[{\"name\":\"tv\"}]}",
        "d block *.example",
        "d allow a.example {\"schedule\":\"day\"}",
        "d allow a.example",
        "o block a.example",
        "w allow a.example",
        "my allow a.example",
    ];
    let tv = Client::Device("192.0.2.30".parse().unwrap());
    let mut mine = vec![UserRule::new(true, "x.test", false).unwrap(); 9];
    mine.push(
        UserRule::new(false, "a.example", false).unwrap().only_for(Some("curl"), None).unwrap(),
    );
    let policy = home(&lines[..8]).user_rules(mine).build();
    let told: Vec<_> = policy
        .evidence(Instant::ZERO, "a.example", Asked::about(A, &tv))
        .into_iter()
        .map(|it| (it.rule.line, it.effect, it.limits.unwrap_or_default()))
        .collect();
    let find = |line| told.iter().find(|it| it.0 == line).unwrap();
    assert_eq!(told[0].0, 6, "what decides comes first: {told:?}");
    assert_eq!(*find(1), (1, Effect::Block, String::new()));
    let aaaa = "only for records of type AAAA".to_owned();
    assert_eq!(*find(2), (2, Effect::Limited(Limit::Type), aaaa));
    assert_eq!(*find(3), (3, Effect::Block, "only for \"tv\"".into()));
    assert_eq!(find(4).1, Effect::Outdone);
    assert_eq!(*find(5), (5, Effect::Limited(Limit::Schedule), "only during day".into()));
    assert_eq!((find(7).1, find(8).1), (Effect::Off, Effect::WatchAllow));
    let mine = told.iter().find(|it| it.2 == "only for curl").unwrap();
    assert_eq!(mine.1, Effect::Limited(Limit::App));
}
