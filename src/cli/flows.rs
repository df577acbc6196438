//! The flows that are looked into, for `optout status`.

use std::io;

use crate::cli::page::{Ink, Page, Side, Span, count, ink, number, plain};
use crate::request::{FlowsLine, SetLine};

/// Nothing, where none is looked into.
pub(super) fn show(flows: &FlowsLine, page: &mut Page<'_>) -> io::Result<()> {
    if flows.seen == 0 && flows.sets.is_empty() {
        return Ok(());
    }
    page.heading("Connections looked into")?;
    let row = |name: &str, n: u64, color: Ink, note: String| {
        vec![plain(name), ink(number(n), color), ink(note, Ink::Faint)]
    };
    let now = format!(
        "of now undecided; {} held of {}",
        count(flows.held_bytes, "byte"),
        number(flows.held_cap)
    );
    let refused = format!("{} of now", number(flows.refused));
    let mut rows = vec![
        row("stopped", flows.stopped, Ink::Red, refused),
        row("passed", flows.named, Ink::Plain, "with a name".into()),
        row("", flows.unnamed, Ink::Plain, "without a name".into()),
        row("open", flows.undecided, Ink::Plain, now),
        row("packets", flows.put_back, Ink::Plain, "came to optout and were sent on".into()),
    ];
    for (name, n, note) in [
        ("no room", flows.over_bound, "decided unseen"),
        ("dropped", flows.dropped, "packets, broken or made to be read in two ways"),
        ("storms", flows.storms, "hosts whose clients would not stop, met with silence"),
    ] {
        if n > 0 {
            rows.push(row(name, n, Ink::Yellow, note.into()));
        }
    }
    rows.extend(flows.sets.iter().map(set));
    page.table(&[Side::Left, Side::Right, Side::Left], &rows)
}

fn set(set: &SetLine) -> Vec<Span> {
    let full = set.used.is_some_and(|used| used.saturating_mul(10) >= set.size.saturating_mul(9));
    let used = set.used.map_or_else(|| "?".into(), number);
    let note = format!("of {} flows that the kernel sends on", number(set.size));
    let color = if full { Ink::Yellow } else { Ink::Plain };
    vec![plain(&set.name), ink(used, color), ink(note, Ink::Faint)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::escape::HOSTILE;
    use crate::cli::page::tests::{assert_harmless, printed};

    fn flows() -> FlowsLine {
        FlowsLine {
            undecided: 2,
            refused: 3,
            passed: 41,
            held_bytes: 1,
            held_cap: 4_194_304,
            seen: 1300,
            stopped: 12,
            named: 1234,
            unnamed: 54,
            put_back: 5678,
            storms: 1,
            sets: vec![SetLine { name: "passed4".into(), used: Some(60_000), size: 65_536 }],
            ..FlowsLine::default()
        }
    }

    #[test]
    fn flows_read_so() {
        assert_eq!(printed(|page| show(&flows(), page)), SHOWN);
    }

    #[test]
    fn without_any_there_is_nothing_to_read() {
        assert_eq!(printed(|page| show(&FlowsLine::default(), page)), "");
    }

    #[test]
    fn a_hostile_set_is_harmless() {
        let sets = vec![SetLine { name: HOSTILE.into(), used: None, size: 0 }];
        let hostile = FlowsLine { sets, ..flows() };
        assert_harmless(&printed(|page| show(&hostile, page)));
    }

    const SHOWN: &str = "
Connections looked into
  stopped      12  3 of now
  passed    1,234  with a name
               54  without a name
  open          2  of now undecided; 1 byte held of 4,194,304
  packets   5,678  came to optout and were sent on
  storms        1  hosts whose clients would not stop, met with silence
  passed4  60,000  of 65,536 flows that the kernel sends on
";
}
