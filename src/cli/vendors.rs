//! `optout vendors`

use std::io;
use std::sync::Arc;

use crate::cli::mode::Setting;
use crate::cli::page::{Ink, Page, Side, Span, count, ink, number, plain};
use crate::cli::time;
use crate::core::catalog::{self, About, Action, Entry, Pack, Subject};
use crate::core::verdict::Mode;
use crate::request::{Request, Response, VendorLine};
use crate::shell::control::client::Daemon;

/// List the vendors, or show or set one
///
/// A vendor's mode is block (its rules are carried out; `enforce` is the same),
/// watch (recorded, nothing stopped) or off (as if its rules were not there).
/// Note the day on which you opted out at the vendor, and `optout report`
/// counts what its software tried since.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(after_help = EXAMPLES)]
pub(super) struct Vendors {
    /// The vendor's key, such as oneplus
    name: Option<String>,
    /// The new mode
    #[arg(requires = "name")]
    mode: Option<Setting>,
    /// The day on which you opted out at the vendor: 2026-11-01, or none
    #[arg(long, value_name = "DATE", requires = "name", value_parser = time::parse_day)]
    opted_out: Option<String>,
    /// Print JSON (docs/control.md describes it)
    #[arg(long)]
    json: bool,
}

impl Vendors {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        match &self.name {
            Some(name) if self.mode.is_some() || self.opted_out.is_some() => {
                self.set(name, daemon, page)
            }
            name => self.list(name.as_deref(), daemon, page),
        }
    }

    fn set(&self, name: &str, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let request = Request::SetVendor {
            vendor: name.into(),
            mode: self.mode.map(Mode::from),
            opted_out: self.opted_out.clone(),
        };
        super::order(daemon, &request, page, &format!("Set: {name}"))
    }

    fn list(
        &self,
        name: Option<&str>,
        daemon: &mut dyn Daemon,
        page: &mut Page<'_>,
    ) -> anyhow::Result<()> {
        let Response::Vendors(vendors) = daemon.ask(&Request::Vendors)? else {
            return Err(super::unexpected().into());
        };
        let Some(name) = name else {
            if self.json {
                page.json(&vendors)?;
            } else {
                show_all(&vendors, page)?;
            }
            return Ok(());
        };
        let Some(vendor) = vendors.iter().find(|vendor| vendor.vendor == name) else {
            let known: Vec<_> = vendors.iter().map(|vendor| vendor.vendor.as_str()).collect();
            anyhow::bail!("there is no vendor {name:?}; there are: {}", known.join(", "));
        };
        if self.json {
            page.json(vendor)?;
        } else {
            // Its text is built in, whether or not the daemon runs.
            show_one(vendor, catalog::pack(name).as_ref(), page)?;
        }
        Ok(())
    }
}

fn show_all(vendors: &[VendorLine], page: &mut Page<'_>) -> io::Result<()> {
    let head = ["KEY", "VENDOR", "BLOCK", "WATCH", "OPEN", "MODE", "OPTED OUT", ""];
    let mut rows = vec![head.map(|head| ink(head, Ink::Faint)).to_vec()];
    rows.extend(vendors.iter().map(row));
    page.table(&SIDES, &rows)
}

fn row(vendor: &VendorLine) -> Vec<Span> {
    // What stands in brackets is said when one vendor is shown.
    let name = vendor.name.split(" (").next().unwrap_or_default();
    let stopped = match vendor.blocked {
        0 => String::new(),
        n => format!("{} stopped", count(n, "attempt")),
    };
    vec![
        ink(&vendor.vendor, Ink::Strong),
        plain(name),
        plain(number(vendor.blocks)),
        plain(number(vendor.watches)),
        plain(number(vendor.allows)),
        mode(vendor.mode),
        plain(vendor.opted_out.as_deref().unwrap_or("")),
        ink(stopped, Ink::Faint),
    ]
}

/// The word that is written to set it.
fn mode(mode: Mode) -> Span {
    match mode {
        Mode::Enforce => plain("block"),
        Mode::Watch => ink("watch", Ink::Yellow),
        Mode::Off => ink("off", Ink::Red),
    }
}

/// The story first: who asks about a vendor wants to know what it does.
fn show_one(vendor: &VendorLine, pack: Option<&Pack>, page: &mut Page<'_>) -> io::Result<()> {
    let VendorLine { blocks, watches, allows, .. } = vendor;
    let name = format!("{} ({})", vendor.name, vendor.vendor);
    page.line(&[ink(name, Ink::Strong), plain(": "), mode(vendor.mode)])?;
    page.field("Story", &vendor.story)?;
    if let Some(opt_out) = &vendor.opt_out {
        page.field("Its switch", opt_out)?;
    }
    page.field("Opted out", vendor.opted_out.as_deref().unwrap_or("no day noted"))?;
    page.field("Entries", format_args!("{blocks} block, {watches} watch, {allows} keep open"))?;
    page.field("Stopped", number(vendor.blocked))?;
    let Some(pack) = pack else { return Ok(()) };
    let mut title = "Sources";
    for source in &pack.sources {
        page.field(title, source)?;
        title = "";
    }
    show_entries(pack, page)
}

/// By category, in the order in which the pack comes to them.
fn show_entries(pack: &Pack, page: &mut Page<'_>) -> io::Result<()> {
    let mut categories: Vec<&str> = Vec::new();
    for entry in &pack.entries {
        if !categories.contains(&&*entry.about.category) {
            categories.push(&entry.about.category);
        }
    }
    for category in categories {
        let entries: Vec<_> =
            pack.entries.iter().filter(|entry| entry.about.category == category).collect();
        page.heading(&format!("{category}: {}", count(entries.len() as u64, "name")))?;
        // Entries that were written together share what is known of them.
        for group in entries.chunk_by(|a, b| Arc::ptr_eq(&a.about, &b.about)) {
            show_group(group, page)?;
        }
    }
    Ok(())
}

fn show_group(group: &[&Entry], page: &mut Page<'_>) -> io::Result<()> {
    let Some(first) = group.first() else { return Ok(()) };
    for entry in group {
        let below = match &entry.subject {
            Subject::Host { subdomains: true, .. } => " and all below it",
            Subject::Host { .. } | Subject::Prefix(_) => "",
        };
        let name = match &entry.subject {
            Subject::Host { host, .. } => host.to_string(),
            Subject::Prefix(prefix) => prefix.to_string(),
        };
        page.line(&[plain("  "), plain(name), plain(below), plain(": "), action(entry.action)])?;
    }
    let About { product, collects, breaks, reason, .. } = &*first.about;
    page.field("  Product", product)?;
    if !collects.is_empty() {
        page.field("  Collects", collects)?;
    }
    page.field("  Breaks", breaks)?;
    if let Some(reason) = reason {
        page.field("  Reason", reason)?;
    }
    page.field("  Sure", sure(&first.about))
}

/// How sure it is, and why it may not be.
fn sure(about: &About) -> String {
    let inferred = if about.inferred { "; what is collected was read off the name" } else { "" };
    let seen = about.last_seen.as_deref().map(|date| format!("; last in a list of {date}"));
    format!("{} confidence{inferred}{}", about.confidence.as_str(), seen.unwrap_or_default())
}

fn action(action: Action) -> Span {
    match action {
        Action::Block => plain("block"),
        Action::Strict => ink("watch, block where strict is set", Ink::Yellow),
        Action::Watch => ink("watch", Ink::Yellow),
        Action::Allow => ink("keep open", Ink::Green),
        Action::NeverBlock => ink("never block", Ink::Green),
    }
}

/// Columns of the table.
const SIDES: [Side; 8] = [
    Side::Left,
    Side::Left,
    Side::Right,
    Side::Right,
    Side::Right,
    Side::Left,
    Side::Left,
    Side::Below,
];

const EXAMPLES: &str = "\
Examples:
  optout vendors                                  all of them
  optout vendors oneplus                          one: its story, then its hosts
  optout vendors oneplus watch                    record, but let through
  optout vendors oneplus --opted-out 2026-11-01   count attempts from that day on";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::escape::HOSTILE;
    use crate::cli::page::tests::{assert_harmless, printed};

    fn vendor() -> VendorLine {
        VendorLine {
            vendor: "acme".into(),
            name: "Acme Phones (AcmeOS)".into(),
            mode: Mode::Enforce,
            blocks: 12,
            watches: 3,
            allows: 1,
            story: "It calls home.".into(),
            opt_out: Some("Settings, Privacy".into()),
            opted_out: Some("2026-11-01".into()),
            blocked: 1234,
        }
    }

    #[test]
    fn vendors_stand_in_a_table() {
        let other = VendorLine {
            vendor: "b".into(),
            mode: Mode::Watch,
            opted_out: None,
            blocked: 0,
            ..vendor()
        };
        assert_eq!(printed(|page| show_all(&[vendor(), other], page)), TABLE);
    }

    const TABLE: &str = "  \
  KEY   VENDOR       BLOCK  WATCH  OPEN  MODE   OPTED OUT
  acme  Acme Phones     12      3     1  block  2026-11-01
      1,234 attempts stopped
  b     Acme Phones     12      3     1  watch
";

    #[test]
    fn the_table_fits_the_screen() {
        let line = |pack: Pack| VendorLine {
            vendor: pack.key.to_string(),
            name: pack.name,
            blocks: 999,
            ..vendor()
        };
        let all: Vec<_> = catalog::embedded()
            .filter(|pack| *pack.key != *"never-block") // it is no vendor
            .map(line)
            .collect();
        let text = printed(|page| show_all(&all, page));
        assert_eq!(text.lines().count(), 1 + 2 * all.len());
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn one_vendor_is_shown_whole() {
        assert_eq!(printed(|page| show_one(&vendor(), Some(&pack()), page)), ONE);
    }

    /// A pack with what a pack can have.
    fn pack() -> Pack {
        Pack::parse("acme.toml", PACK).unwrap()
    }

    const PACK: &str = r#"
key = "acme"
name = "Acme Phones (AcmeOS)"
story = "Not shown: the daemon tells it."
sources = ["https://a.example/", "https://b.example/"]

[defaults]
breaks = "none reported"
category = "crash"
confidence = "low"

[[entry]]
hosts = ["a.example", "b.example"]
product = "Acme crash reporter"
collects = "stack traces"
action = "block"
last_seen = "2026-03"
sources = ["https://a.example/"]

[[entry]]
host = "push.example"
subdomains = true
product = "Acme push"
collects = "reports on push"
category = "push-analytics"
action = "strict"
confidence = "high"
inferred = true
reason = "It takes reports only."
sources = ["https://a.example/"]

[[entry]]
prefix = "192.0.2.0/24"
product = "Acme login"
action = "allow"
breaks = "major: login"
sources = ["https://a.example/"]
"#;

    const ONE: &str = "\
Acme Phones (AcmeOS) (acme): block
  Story        It calls home.
  Its switch   Settings, Privacy
  Opted out    2026-11-01
  Entries      12 block, 3 watch, 1 keep open
  Stopped      1,234
  Sources      https://a.example/
               https://b.example/

crash: 3 names
  a.example: block
  b.example: block
    Product    Acme crash reporter
    Collects   stack traces
    Breaks     none reported
    Sure       low confidence; last in a list of 2026-03
  192.0.2.0/24: keep open
    Product    Acme login
    Breaks     major: login
    Sure       low confidence

push-analytics: 1 name
  push.example and all below it: watch, block where strict is set
    Product    Acme push
    Collects   reports on push
    Breaks     none reported
    Reason     It takes reports only.
    Sure       high confidence; what is collected was read off the name
";

    #[test]
    fn every_built_in_vendor_can_be_shown() {
        for pack in catalog::embedded() {
            let text = printed(|page| show_one(&vendor(), Some(&pack), page));
            for entry in &pack.entries {
                let name = match &entry.subject {
                    Subject::Host { host, .. } => host.to_string(),
                    Subject::Prefix(prefix) => prefix.to_string(),
                };
                assert!(text.contains(&format!("\n  {name}")), "{}: {name}", pack.key);
            }
        }
    }

    #[test]
    fn hostile_vendors_are_harmless() {
        let mut hostile = vendor();
        for text in [&mut hostile.vendor, &mut hostile.name, &mut hostile.story] {
            *text = HOSTILE.into();
        }
        hostile.opted_out = Some(HOSTILE.into());
        assert_harmless(&printed(|page| show_one(&hostile, Some(&pack()), page)));
        assert_harmless(&printed(|page| show_all(&[hostile], page)));
    }
}
