//! Whole lists, where they are at hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;

/// Counts what it is told, and how much of it in the last line.
#[derive(Default)]
struct Tally {
    rules: BTreeMap<&'static str, usize>,
    faults: BTreeMap<Fault, usize>,
    told: usize,
}

impl Sink for Tally {
    fn rule(&mut self, rule: &Rule<'_>) {
        let kind = match rule.subject {
            Subject::Host(..) => "names",
            Subject::Pattern(_) => "patterns",
            Subject::Prefix(_) => "addresses",
            Subject::Everything => "everything",
        };
        *self.rules.entry(kind).or_default() += 1;
        self.told += 1;
    }

    fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
        self.told += 1;
    }
}

#[test]
fn every_line_of_real_lists_is_a_comment_or_has_its_rule_or_its_fault() {
    let Some(shared) = std::env::var_os("OPTOUT_SHARED").map(PathBuf::from) else {
        assert!(std::env::var_os("OPTOUT_REQUIRE_SHARED").is_none(), "OPTOUT_SHARED is not set");
        return eprintln!("SKIPPED: OPTOUT_SHARED is not set, so no real list was read");
    };
    let mut files = 0;
    for folder in ["adguard", "easylist", "hagezi-2026-03/adblock"] {
        for entry in std::fs::read_dir(shared.join("lists").join(folder)).unwrap() {
            read_all_of(&entry.unwrap().path());
            files += 1;
        }
    }
    assert!(files > 3);
}

#[expect(clippy::disallowed_methods, reason = "a test, and only where lists are at hand")]
fn read_all_of(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    let (mut adblock, mut tally, mut comments) = (reader(), Tally::default(), 0);
    for line in String::from_utf8_lossy(&bytes).lines() {
        let before = tally.told;
        adblock.line(line, &mut tally);
        if tally.told == before {
            let sort = Line::of(line.trim_matches([' ', '\t']));
            assert_eq!(sort, Line::Comment, "{line}");
            comments += 1;
        }
    }
    let name = path.file_name().unwrap().to_string_lossy();
    println!("{name}: {:?} {:?} comments: {comments}", tally.rules, tally.faults);
    assert!(tally.rules.values().sum::<usize>() > 1000);
}
