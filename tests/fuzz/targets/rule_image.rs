//! Any bytes as a compiled rule set; and a good one that was changed, with a checksum that fits.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use optout::core::list::Format;
use optout::core::rule::{Action, Limits, Rule, Scope, Subject};
use optout::core::rules::{Builder, Kind, RuleSet};
use optout::core::verdict::{Mode, RuleRef};

fuzz_target!(|bytes: &[u8]| {
    look_up(bytes.to_vec());
    let mut image = good();
    let end = image.len() - 4;
    for edit in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % end;
        image[at] = edit[2];
    }
    let sum = crc32fast::hash(&image[..end]);
    image[end..].copy_from_slice(&sum.to_le_bytes());
    look_up(image);
});

fn look_up(image: Vec<u8>) {
    let len = image.len();
    let Ok(set) = RuleSet::open(Box::new(image)) else { return };
    assert!(set.cold().end <= len);
    for host in ["a.example", "x.a.example", "example", "", "..", "ads7.b.example", "n3.test"] {
        set.visit(host, |hit| {
            assert!(usize::from(hit.rule.list) < set.lists().len());
            assert!(hit.limits.is_none_or(|limits| set.limits(limits).is_some()));
            let _ = set.text(hit.rule, host);
        });
    }
    for address in [IpAddr::from([192, 0, 2, 1]), IpAddr::from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 1])] {
        set.visit_address(address, |_| {});
    }
    let _ = (set.written(RuleRef { list: 0, line: 1 }), set.prefixes().count(), set.memory());
}

/// A set with something in every section.
fn good() -> Vec<u8> {
    let mut builder = Builder::default();
    builder.list("l", Kind::File(Format::Adblock), Mode::Enforce);
    builder.host(1, "a.example", Scope::WithSubdomains, Action::Block);
    for n in 0..40 {
        builder.host(n, &format!("n{n}.test"), Scope::Exact, Action::Block);
    }
    builder.prefix(2, "192.0.2.0/24".parse().expect("prefix"), Action::Block);
    builder.prefix(3, "2001:db8::/32".parse().expect("prefix"), Action::Block);
    builder.rule(4, &Rule::about(Subject::Pattern("^ads[0-9]"), Action::Block));
    let limits = Limits { types: vec![1], ..Limits::default() };
    let all = Rule::about(Subject::Everything, Action::Allow);
    builder.rule(5, &Rule { limits: Some(Box::new(limits)), ..all });
    let mut image = Vec::new();
    builder.finish([0; 32], &mut image).expect("memory");
    image
}
