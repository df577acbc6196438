//! `optout explain`

use std::io;
use std::path::PathBuf;

use crate::cli::offline::ReadList;
use crate::cli::page::{Ink, Page, Side, count, ink, ink_of, plain};
use crate::cli::{offline, who};
use crate::core::verdict::{RuleText, Via};
use crate::request::{EntryLine, ExplainedRule, Explanation, Request, Response};
use crate::shell::control::client::{ClientError, Daemon};

/// Say what happens to a name or address, and why
///
/// Shows the verdict with its evidence: every rule that names it, with list,
/// line and text; what is collected there, how surely that is known and from
/// where; what breaks when it is blocked; and the vendor's own opt-out.
///
/// Without a running daemon it judges by the built-in catalogue, the
/// configuration and the list files, and says that it does. With `--list` it
/// judges by the files alone that are named, with or without a daemon.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(after_help = EXAMPLES)]
pub(super) struct Explain {
    /// A host name or an address
    #[arg(value_name = "NAME|IP")]
    subject: String,
    /// As for this program
    #[arg(long, value_name = "PROGRAM")]
    app: Option<String>,
    /// As for this client, by its address
    #[arg(long, value_name = "ADDRESS")]
    client: Option<String>,
    /// The configuration to judge by when no daemon runs, if not the usual one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Judge by these lists alone, as if there were nothing else
    #[arg(long = "list", value_name = "FILE", num_args = 1.., conflicts_with = "config")]
    lists: Vec<PathBuf>,
    /// Print one JSON object (docs/control.md describes it)
    #[arg(long)]
    json: bool,
}

/// Who judged.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Judge {
    /// The running daemon.
    Daemon,
    /// We did, by what is on disk; and what could not be read of it.
    Files(Option<String>),
    /// We did, by the lists that were named.
    Lists(Vec<ReadList>),
}

impl Judge {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::Files(_) => "files",
            Self::Lists(_) => "lists",
        }
    }
}

impl Explain {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let (explanation, judge) = self.explanation(daemon)?;
        if self.json {
            let mut value = serde_json::to_value(&explanation)?;
            value["judged_by"] = judge.as_str().into();
            if let Judge::Lists(lists) = &judge {
                value["lists"] = serde_json::to_value(lists)?;
            }
            page.json(&value)?;
        } else {
            show(&explanation, &judge, page)?;
        }
        Ok(())
    }

    fn explanation(&self, daemon: &mut dyn Daemon) -> anyhow::Result<(Explanation, Judge)> {
        let (app, client) = (self.app.as_deref(), self.client.as_deref());
        if !self.lists.is_empty() {
            let found = offline::explain_by_files(&self.lists, &self.subject, app, client)?;
            return Ok((found.0, Judge::Lists(found.1)));
        }
        let request = Request::Explain {
            subject: self.subject.clone(),
            app: self.app.clone(),
            client: self.client.clone(),
        };
        match daemon.ask(&request) {
            Ok(Response::Explanation(explanation)) => Ok((*explanation, Judge::Daemon)),
            Ok(_) => Err(super::unexpected().into()),
            Err(ClientError::NotRunning(_) | ClientError::NoPermission { .. }) => {
                let config = self.config.as_deref();
                let found = offline::explain_offline(config, &self.subject, app, client)?;
                Ok((found.explanation, Judge::Files(found.missing)))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn show(explanation: &Explanation, judge: &Judge, page: &mut Page<'_>) -> io::Result<()> {
    page.line(&[
        ink(&explanation.subject, Ink::Strong),
        plain(" is "),
        ink(explanation.outcome.as_str(), ink_of(explanation.outcome)),
        plain("."),
    ])?;
    page.say(&explanation.because)?;
    show_judge(judge, page)?;
    if !explanation.rules.is_empty() {
        page.heading("Rules that name it, the deciding one first")?;
        let rows: Vec<_> = explanation.rules.iter().map(rule_row).collect();
        page.table(&COLUMNS, &rows)?;
    }
    match &explanation.entry {
        Some(entry) => show_entry(entry, page),
        None => Ok(()),
    }
}

fn show_judge(judge: &Judge, page: &mut Page<'_>) -> io::Result<()> {
    match judge {
        Judge::Daemon => {}
        Judge::Files(missing) => {
            let note = "Judged by the built-in catalogue, the configuration and the list files: \
                        the daemon could not be asked.";
            page.line(&[ink(note, Ink::Yellow)])?;
            if let Some(missing) = missing {
                page.line(&[ink(missing, Ink::Yellow)])?;
            }
        }
        Judge::Lists(lists) => {
            page.say("Judged by these lists alone:")?;
            for ReadList { file, format, subdomains, rules } in lists {
                let bare = if *subdomains { "covers what is below it" } else { "is exact" };
                let rules = count(u64::from(*rules), "rule");
                page.say(format_args!(
                    "  {}: {format}, where a bare name {bare}; {rules}",
                    file.display()
                ))?;
            }
        }
    }
    Ok(())
}

fn rule_row(explained: &ExplainedRule) -> Vec<crate::cli::page::Span> {
    let ExplainedRule { rule, action, via, important, answer, limits, idle, original } = explained;
    let mut matched: String = match via {
        Via::Name => "matches the name".into(),
        Via::Alias(host) => format!("matches as alias of {host}"),
        Via::Address => "matches the address".into(),
    };
    let mut add = |words: &str| matched.extend(["; ", words]);
    if *important {
        add("important");
    }
    if let Some(answer) = answer {
        add(&format!("answers with {answer}"));
    }
    for words in limits.iter().chain(idle) {
        add(words);
    }
    // What an entry of the catalogue says is told below.
    let original = original.as_deref().filter(|_| rule.vendor.is_none()).unwrap_or_default();
    vec![
        plain(who::place(rule)),
        plain(action),
        ink(rule_text(rule), Ink::Strong),
        plain(matched),
        ink(original, Ink::Faint),
    ]
}

fn rule_text(rule: &RuleText) -> String {
    let below = rule.text.starts_with("*.");
    let reach = if below || rule.text.contains('/') { "" } else { " (exactly)" };
    format!("{}{reach}", rule.text)
}

fn show_entry(entry: &EntryLine, page: &mut Page<'_>) -> io::Result<()> {
    page.heading("What is known of it")?;
    page.field("Vendor", format_args!("{} ({})", entry.vendor_name, entry.vendor))?;
    page.field("Product", &entry.product)?;
    let how = if entry.inferred { " (inferred from the name alone)" } else { "" };
    page.field("Collects", format_args!("{}{how}", entry.collects))?;
    page.field("Category", &entry.category)?;
    let breaks = if entry.breaks.is_empty() { "nothing known" } else { &entry.breaks };
    page.field("Breaks", breaks)?;
    page.field("Confidence", &entry.confidence)?;
    let mut name = "Sources";
    for source in &entry.sources {
        page.field(name, source)?;
        name = "";
    }
    if let Some(opt_out) = &entry.opt_out {
        page.field("Opt out", opt_out)?;
    }
    Ok(())
}

/// Columns of the rules; the line as it was written stands below its row.
const COLUMNS: [Side; 5] = [Side::Left, Side::Left, Side::Left, Side::Left, Side::Below];

const EXAMPLES: &str = "\
Examples:
  optout explain open.oneplus.net
  optout explain 192.0.2.1 --client 192.168.1.20
  optout explain t.example --list new.txt old.txt";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::escape::HOSTILE;
    use crate::cli::page::tests::{assert_harmless, printed};
    use crate::cli::who::tests::hostile_rule;
    use crate::core::event::Outcome;

    fn explanation() -> Explanation {
        let rule = |list: &str, line, text: &str| RuleText {
            list: list.into(),
            line,
            text: text.into(),
            vendor: None,
        };
        Explanation {
            subject: "t.vendor.example".into(),
            outcome: Outcome::Blocked,
            because: "The rule *.vendor.example of acme stops it.".into(),
            rules: vec![
                ExplainedRule::new(
                    rule("acme", 12, "*.vendor.example"),
                    "block",
                    Via::Alias("c.vendor.example".parse().unwrap()),
                ),
                ExplainedRule::new(rule("your rules", 0, "vendor.example"), "allow", Via::Name),
            ],
            entry: Some(EntryLine {
                vendor: "acme".into(),
                vendor_name: "Acme".into(),
                product: "AcmeOS".into(),
                collects: "IMEI".into(),
                category: "analytics".into(),
                breaks: String::new(),
                confidence: "low".into(),
                inferred: true,
                sources: vec!["https://a.example/1".into(), "https://a.example/2".into()],
                opt_out: Some("Settings, Privacy".into()),
            }),
        }
    }

    #[test]
    fn the_whole_chain_is_shown() {
        let text = printed(|page| show(&explanation(), &Judge::Daemon, page));
        assert_eq!(text, CHAIN);
    }

    const CHAIN: &str = "\
t.vendor.example is blocked.
The rule *.vendor.example of acme stops it.

Rules that name it, the deciding one first
  acme:12     block  *.vendor.example          matches as alias of c.vendor.example
  your rules  allow  vendor.example (exactly)  matches the name

What is known of it
  Vendor       Acme (acme)
  Product      AcmeOS
  Collects     IMEI (inferred from the name alone)
  Category     analytics
  Breaks       nothing known
  Confidence   low
  Sources      https://a.example/1
               https://a.example/2
  Opt out      Settings, Privacy
";

    #[test]
    fn what_was_judged_without_the_daemon_says_so() {
        let bare = Explanation { rules: Vec::new(), entry: None, ..explanation() };
        let text = printed(|page| show(&bare, &Judge::Files(None), page));
        assert!(text.ends_with("the daemon could not be asked.\n"), "{text}");
        let missing = Some("Your own rules could not be read.".into());
        let text = printed(|page| show(&bare, &Judge::Files(missing), page));
        assert!(text.ends_with("asked.\nYour own rules could not be read.\n"), "{text}");
    }

    #[test]
    fn what_was_judged_by_lists_alone_names_them() {
        let bare = Explanation { rules: Vec::new(), entry: None, ..explanation() };
        let list = ReadList {
            file: "mine.txt".into(),
            format: "adblock".into(),
            subdomains: false,
            rules: 3,
        };
        let text = printed(|page| show(&bare, &Judge::Lists(vec![list]), page));
        let want = "Judged by these lists alone:\n  mine.txt: adblock, where a bare name is exact; \
                    3 rules\n";
        assert!(text.ends_with(want), "{text}");
        let list =
            ReadList { file: HOSTILE.into(), format: HOSTILE.into(), subdomains: true, rules: 1 };
        assert_harmless(&printed(|page| show(&bare, &Judge::Lists(vec![list]), page)));
    }

    #[test]
    fn a_hostile_explanation_is_harmless() {
        let mut hostile = explanation();
        hostile.subject = HOSTILE.into();
        hostile.because = HOSTILE.into();
        hostile.rules[0].rule = hostile_rule();
        hostile.rules[0].action = HOSTILE.into();
        if let Some(entry) = &mut hostile.entry {
            entry.collects = HOSTILE.into();
            entry.sources = vec![HOSTILE.into()];
        }
        assert_harmless(&printed(|page| show(&hostile, &Judge::Files(Some(HOSTILE.into())), page)));
    }
}
