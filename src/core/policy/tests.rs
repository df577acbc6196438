//! What decides, rule by rule.

mod limits;
mod naive;
mod order;

use std::time::Duration;

use super::*;
use crate::core::flow::Owner;
use crate::core::list::Format;
use crate::core::prefix::Prefix;
use crate::core::rules::{Builder as RulesBuilder, Kind, Scope};
use crate::core::verdict::Why;

const HOST: Client = Client::Host(None);

/// One row, one test: `name: {settings} [rules] subject => outcome`.
///
/// A rule is `list action name`, where `*.` before the name means with what is
/// below it; `my allow x` and `my block x` are the user's own. Line numbers are
/// places in the row, counted from 1.
macro_rules! judged {
    ($($name:ident: {$($setting:ident: $value:expr),*} [$($rule:literal),*] $subject:literal
        => $want:literal;)*) => {
        $(#[test] fn $name() {
            let builder = rules(&[$($rule),*]);
            $(let builder = builder.$setting($value);)*
            assert_eq!(say(&builder.build(), $subject), $want);
        })*
    };
}

judged! {
    nothing_is_known: {} [] "a.example" => "pass";
    a_pack_blocks: {} ["p block a.example"] "a.example" => "block 0:1";
    an_exact_rule_means_no_child: {} ["p block a.example"] "x.a.example" => "pass";
    a_wide_rule_means_children: {} ["p block *.a.example"] "x.y.a.example" => "block 0:1";
    a_wide_rule_means_itself: {} ["p block *.a.example"] "a.example" => "block 0:1";
    labels_match_whole: {} ["p block *.a.example"] "nota.example" => "pass";
    nearest_block_is_named: {} ["p block *.example", "l block *.a.example"]
        "x.a.example" => "block 1:2";
    first_list_is_named_at_the_same_name: {} ["p block *.a.example", "l block *.a.example"]
        "a.example" => "block 0:1";
    allow_outdoes_block: {} ["p block *.t.a.example", "l allow *.a.example"]
        "t.a.example" => "allow 1:2";
    never_block_outdoes_lists: {} ["l block *.a.example", "n never x.a.example"]
        "x.a.example" => "never 2:2";
    never_block_is_exact: {} ["l block *.a.example", "n never a.example"]
        "x.a.example" => "block 1:1";
    mine_outdoes_never_block: {} ["n never *.a.example", "my block a.example"]
        "a.example" => "block my:2";
    my_allow_outdoes_lists: {} ["p block a.example", "my allow a.example"]
        "a.example" => "allow my:2";
    mine_nearest_first: {} ["my allow *.a.example", "my block *.t.a.example"]
        "x.t.a.example" => "block my:2";
    mine_nearest_first_allow: {} ["my block *.a.example", "my allow t.a.example"]
        "t.a.example" => "allow my:2";
    my_allow_before_my_block: {} ["my block *.a.example", "my allow *.a.example"]
        "a.example" => "allow my:2";
    only_below_means_not_itself: {} ["my block below a.example"] "a.example" => "pass";
    only_below_means_below: {} ["my block below a.example"] "x.a.example" => "block my:1";
    strict_is_watched: {} ["p strict a.example"] "a.example" => "watch 0:1";
    strict_blocks_where_asked: {strict: true} ["p strict a.example"] "a.example" => "block 0:1";
    strict_does_not_lift_watch: {strict: true} ["p watch a.example"] "a.example" => "watch 0:1";
    watch_opens_nothing: {} ["l block *.a.example", "p watch t.a.example"]
        "t.a.example" => "block 1:1";
    strict_opens_nothing: {} ["p block *.a.example", "p strict t.a.example"]
        "t.a.example" => "block 0:1";
    vendor_watched: {vendor_pair: ("p", Mode::Watch)} ["p block a.example"] "a.example" => "watch 0:1";
    vendor_watched_list_blocks: {vendor_pair: ("p", Mode::Watch)}
        ["p block a.example", "l block a.example"] "a.example" => "block 1:2";
    vendor_off: {vendor_pair: ("p", Mode::Off)} ["p block a.example"] "a.example" => "pass";
    vendor_off_takes_its_allows: {vendor_pair: ("p", Mode::Off)}
        ["p allow a.example", "l block a.example"] "a.example" => "block 1:2";
    never_block_cannot_be_off: {vendor_pair: ("n", Mode::Off)}
        ["n never a.example", "l block a.example"] "a.example" => "never 2:1";
    all_watched: {mode: Mode::Watch} ["l block a.example"] "a.example" => "watch 1:1";
    all_watched_but_mine: {mode: Mode::Watch} ["my block a.example"] "a.example" => "block my:1";
    all_off: {mode: Mode::Off} ["p block a.example", "my block a.example"] "a.example" => "pass";
    watched_pack: {} ["w block a.example"] "a.example" => "watch 3:1";
    watched_pack_enforced: {vendor_pair: ("w", Mode::Enforce)} ["w block a.example"]
        "a.example" => "block 3:1";
    address_blocked: {} ["p block 192.0.2.0/24"] "192.0.2.9" => "block 0:1";
    address_longest_is_named: {} ["p block 192.0.2.0/24", "l block 192.0.2.8/31"]
        "192.0.2.9" => "block 1:2";
    address_of_v6: {} ["p block 2001:db8::/32"] "2001:db8::9" => "block 0:1";
    address_mine: {} ["p block 192.0.2.0/24", "my allow 192.0.2.9"] "192.0.2.9" => "allow my:2";
    address_other: {} ["p block 192.0.2.0/24"] "198.51.100.1" => "pass";
}

impl Builder {
    fn vendor_pair(self, (key, mode): (&str, Mode)) -> Self {
        self.vendor(key, mode)
    }
}

const LISTS: [(&str, Mode); 4] =
    [("p", Mode::Enforce), ("l", Mode::Enforce), ("n", Mode::Enforce), ("w", Mode::Watch)];

fn rules(lines: &[&str]) -> Builder {
    let mut set = RulesBuilder::default();
    let mut mine = Vec::new();
    for (list, mode) in LISTS {
        let kind = match list {
            "l" => Kind::File(Format::Domains),
            key => Kind::Pack(key.into()),
        };
        set.list(list, kind, mode);
        for (line, text) in (1..).zip(lines) {
            let words: Vec<_> = text.split(' ').collect();
            let action = match words[1] {
                "block" => Action::Block,
                "strict" => Action::Strict,
                "watch" => Action::Watch,
                "allow" => Action::Allow,
                "never" => Action::NeverBlock,
                other => panic!("no action: {other}"),
            };
            let name = *words.last().unwrap();
            if words[0] == list {
                match (name.parse(), name.strip_prefix("*.")) {
                    (Ok(prefix), _) => set.prefix(line, prefix, action),
                    (_, Some(wide)) => {
                        set.host(line, wide, Scope::WithSubdomains, action);
                    }
                    _ => {
                        set.host(line, name, Scope::Exact, action);
                    }
                }
            } else if words[0] == "my" && list == "p" {
                mine.push(my(words[1] == "allow", &words[2..]));
            }
        }
    }
    // The table counts lines over all lists; the user's rules are counted apart.
    let mut padded = Vec::new();
    for text in lines {
        let is_mine = text.starts_with("my ");
        padded.push(if is_mine { mine.remove(0) } else { my(true, &["filler.invalid"]) });
    }
    Policy::builder(Arc::new(set.build())).user_rules(padded)
}

fn my(allow: bool, subject: &[&str]) -> UserRule {
    match subject {
        ["below", name] => UserRule::new(allow, &format!("*.{name}"), false),
        [name] if name.starts_with("*.") => UserRule::new(allow, &name[2..], false),
        [name] => UserRule::new(allow, name, name.parse::<Prefix>().is_err()),
        other => panic!("no subject: {other:?}"),
    }
    .unwrap()
}

fn say(policy: &Policy, subject: &str) -> String {
    let (now, at) = (Instant::ZERO, |rule: RuleRef| match rule.list {
        USER => format!("my:{}", rule.line),
        list => format!("{list}:{}", rule.line),
    });
    let verdict = match subject.parse() {
        Ok(address) => policy.judge_address(now, address, &HOST),
        Err(_) => policy.judge(now, subject, &HOST),
    };
    match verdict {
        Verdict::Block(stop) => format!("block {}", at(stop.rule)),
        Verdict::Watch(rule) => format!("watch {}", at(rule)),
        Verdict::Pass(Why::Allowed(rule)) => format!("allow {}", at(rule)),
        Verdict::Pass(Why::NeverBlock(rule)) => format!("never {}", at(rule)),
        Verdict::Pass(Why::NoMatch) => "pass".into(),
    }
}

fn only(rules: impl IntoIterator<Item = UserRule>) -> Policy {
    Policy::builder(Arc::new(RuleSet::embedded())).user_rules(rules).build()
}

#[test]
fn a_rule_of_mine_ends_by_itself() {
    let end = Instant::ZERO + Duration::from_secs(5);
    let policy = only([UserRule::new(true, "open.oneplus.net", false).unwrap().until(end)]);
    let at = |now| policy.judge(now, "open.oneplus.net", &HOST);
    assert!(matches!(at(end - Duration::from_micros(1)), Verdict::Pass(Why::Allowed(_))));
    assert!(matches!(at(end), Verdict::Block(_)));
    assert_eq!(policy.next_end(Instant::ZERO), Some(end));
    assert_eq!(policy.next_end(end), None);
}

#[test]
fn a_rule_of_mine_can_be_for_one_program_or_client() {
    let rule = || UserRule::new(false, "a.example", false).unwrap();
    let owner = |uid, program: &str| {
        Client::Host(Some(Owner { uid: Some(uid), pid: None, program: Some(program.into()) }))
    };
    let device = |address: &str| Client::Device(address.parse().unwrap());
    let by_program = only([rule().only_for(Some("curl"), None).unwrap()]);
    let by_uid = only([rule().only_for(Some("uid:1000"), None).unwrap()]);
    let by_client = only([rule().only_for(None, Some("192.0.2.7".parse().unwrap())).unwrap()]);
    for (policy, client, want) in [
        (&by_program, owner(1, "curl"), true),
        (&by_program, owner(1, "curly"), false),
        (&by_program, HOST, false),
        (&by_program, device("192.0.2.7"), false),
        (&by_uid, owner(1000, "x"), true),
        (&by_uid, owner(100, "x"), false),
        (&by_client, device("192.0.2.7"), true),
        (&by_client, device("192.0.2.8"), false),
        (&by_client, owner(1, "curl"), false),
    ] {
        let blocked =
            matches!(policy.judge(Instant::ZERO, "a.example", &client), Verdict::Block(_));
        assert_eq!(blocked, want, "{client:?}");
    }
    assert!(by_program.depends_on_program() && by_uid.depends_on_program());
    assert!(!by_client.depends_on_program() && !only([]).depends_on_program());
}

#[test]
fn two_rules_of_mine_about_one_name_are_both_looked_at() {
    let end = Instant::ZERO + Duration::from_secs(5);
    let rule = || UserRule::new(false, "a.example", false).unwrap();
    let policy = only([rule().until(end), rule().only_for(Some("curl"), None).unwrap(), rule()]);
    assert!(
        matches!(policy.judge(end, "a.example", &HOST), Verdict::Block(stop) if stop.rule.line == 3)
    );
}

#[test]
fn what_cannot_be_a_rule_of_mine_is_refused() {
    let refused = |subject: &str, exact| UserRule::new(true, subject, exact).unwrap_err();
    assert!(refused("a b", false).to_string().contains("neither a host name nor an address"));
    assert!(refused("192.0.2.1/24", false).to_string().contains("did you mean 192.0.2.0/24?"));
    assert!(matches!(refused("*.a.example", true), UserRuleError::Exact(_)));
    assert!(matches!(refused("*", false), UserRuleError::Subject { .. }));
    let address = UserRule::new(false, "192.0.2.1", false).unwrap();
    assert!(matches!(address.only_for(Some("curl"), None), Err(UserRuleError::Narrow(_))));
}

#[test]
fn a_name_of_mine_may_be_in_any_script() {
    for (written, name) in [
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
        ("例え。example", "xn--r8jz45g.example"),
    ] {
        let subject: UserSubject = written.parse().unwrap();
        assert_eq!(subject.to_string(), name, "{written}");
    }
    for (written, why) in
        [("bü cher.example", "does not name a host"), ("ü\u{200b}.example", "control")]
    {
        let refused = UserRule::new(true, written, false).unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    }
}

#[test]
fn evidence_is_every_rule_with_the_deciding_one_first() {
    let lines = [
        "l block *.a.example",
        "p strict t.a.example",
        "n never t.a.example",
        "my allow *.example",
        "w block *.example",
    ];
    let policy = rules(&lines).build();
    let evidence = |policy: &Policy| -> Vec<_> {
        let all = policy.evidence(Instant::ZERO, "t.a.example", &HOST);
        all.iter().map(|e| (e.rule.line, e.effect.as_str())).collect()
    };
    assert_eq!(
        evidence(&policy),
        [(4, "allow"), (2, "watch"), (3, "never-block"), (1, "block"), (5, "watch")]
    );
    let policy = rules(&lines).mode(Mode::Off).build();
    assert!(evidence(&policy).iter().all(|(_, effect)| *effect == "off"));
    assert_eq!(evidence(&policy).len(), 5);
}

#[test]
fn a_rule_is_told_in_words() {
    let policy = only([UserRule::new(false, "*.a.example", false).unwrap()]);
    let text = |host: &str| {
        let rule = policy.judge(Instant::ZERO, host, &HOST).rule().unwrap();
        policy.rule_text(rule, host)
    };
    let catalogue = text("open.oneplus.net");
    assert_eq!((&*catalogue.list, &*catalogue.text), ("oneplus", "open.oneplus.net"));
    assert_eq!(catalogue.vendor.as_deref(), Some("oneplus"));
    assert!(catalogue.line > 1);
    let mine = text("x.a.example");
    assert_eq!(
        (&*mine.list, &*mine.text, mine.line),
        ("your rules", "*.a.example (only below)", 0)
    );
}

#[test]
fn prefixes_that_block_are_routed_and_exceptions_spared() {
    let lines = [
        "p block 192.0.2.0/24",
        "my allow 192.0.2.128/25",
        "my block 192.0.2.200",
        "w block 198.51.100.0/24",
        "n never 203.0.113.7",
        "l block 203.0.113.0/24",
        "my allow 198.51.100.9",
    ];
    let show = |all: Vec<Prefix>| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let policy = rules(&lines).build();
    assert_eq!(
        show(policy.prefixes_to_route(Instant::ZERO)),
        ["192.0.2.0/24", "192.0.2.200", "203.0.113.0/24"]
    );
    assert_eq!(show(policy.prefixes_to_spare(Instant::ZERO)), ["192.0.2.128/25", "203.0.113.7"]);
    let off = rules(&lines).mode(Mode::Off).build();
    assert!(off.prefixes_to_route(Instant::ZERO).is_empty());
    assert!(only([]).prefixes_to_route(Instant::ZERO).is_empty(), "bypass is only watched");
    let strict = Policy::builder(Arc::new(RuleSet::embedded())).vendor("bypass", Mode::Enforce);
    assert!(strict.build().prefixes_to_route(Instant::ZERO).len() > 50);
}

#[test]
fn vendors_are_counted_and_never_block_is_none() {
    let policy = only([]);
    let vendors: Vec<_> = policy.vendors().collect();
    let of = |key: &str| vendors.iter().find(|vendor| &*vendor.key == key);
    let oneplus = of("oneplus").unwrap();
    assert_eq!((oneplus.blocks, oneplus.watches, oneplus.allows), (6, 4, 2));
    assert_eq!(oneplus.mode, Mode::Enforce);
    let bypass = of("bypass").unwrap();
    assert_eq!((bypass.blocks, bypass.mode), (0, Mode::Watch));
    assert!(of("never-block").is_none());
    assert_eq!(policy.lists().count(), vendors.len() + 1);
}

#[test]
fn a_policy_is_small() {
    let policy = only([]);
    println!("{:?}: {} bytes", policy.rules, policy.rules.memory());
    assert!(policy.rules.memory() < 256 * 1024);
}
