//! `optout vendors`

use std::io;

use crate::cli::page::{Ink, Page, Side, Span, ink, number, plain};
use crate::cli::time;
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

/// A mode as it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Setting {
    /// Carry its rules out
    #[value(alias = "enforce")]
    Block,
    /// Record, let through
    Watch,
    /// As if its rules were not there
    Off,
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
            mode: self.mode.map(|mode| match mode {
                Setting::Block => Mode::Enforce,
                Setting::Watch => Mode::Watch,
                Setting::Off => Mode::Off,
            }),
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
            show_one(vendor, page)?;
        }
        Ok(())
    }
}

fn show_all(vendors: &[VendorLine], page: &mut Page<'_>) -> io::Result<()> {
    let head = ["KEY", "VENDOR", "MODE", "BLOCKS", "WATCHES", "STOPPED", "OPTED OUT"];
    let mut rows = vec![head.map(|head| ink(head, Ink::Faint)).to_vec()];
    rows.extend(vendors.iter().map(row));
    page.table(&SIDES, &rows)
}

fn row(vendor: &VendorLine) -> Vec<Span> {
    vec![
        ink(&vendor.vendor, Ink::Strong),
        plain(&vendor.name),
        mode(vendor.mode),
        plain(number(vendor.blocks)),
        plain(number(vendor.watches)),
        plain(number(vendor.blocked)),
        plain(vendor.opted_out.as_deref().unwrap_or("")),
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

fn show_one(vendor: &VendorLine, page: &mut Page<'_>) -> io::Result<()> {
    let VendorLine { blocks, watches, allows, .. } = vendor;
    let name = format!("{} ({})", vendor.name, vendor.vendor);
    page.line(&[ink(name, Ink::Strong), plain(": "), mode(vendor.mode)])?;
    page.field("Entries", format_args!("{blocks} block, {watches} watch, {allows} allow"))?;
    page.field("Stopped", number(vendor.blocked))?;
    page.field("Opted out", vendor.opted_out.as_deref().unwrap_or("no day noted"))?;
    if let Some(opt_out) = &vendor.opt_out {
        page.field("Its switch", opt_out)?;
    }
    page.field("Story", &vendor.story)
}

/// Columns of the table.
const SIDES: [Side; 7] =
    [Side::Left, Side::Left, Side::Left, Side::Right, Side::Right, Side::Right, Side::Left];

const EXAMPLES: &str = "\
Examples:
  optout vendors                                  all of them
  optout vendors oneplus                          one, with its story
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
            name: "Acme Phones".into(),
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
  KEY   VENDOR       MODE   BLOCKS  WATCHES  STOPPED  OPTED OUT
  acme  Acme Phones  block      12        3    1,234  2026-11-01
  b     Acme Phones  watch      12        3        0
";

    #[test]
    fn one_vendor_is_shown_whole() {
        assert_eq!(printed(|page| show_one(&vendor(), page)), ONE);
    }

    const ONE: &str = "\
Acme Phones (acme): block
  Entries      12 block, 3 watch, 1 allow
  Stopped      1,234
  Opted out    2026-11-01
  Its switch   Settings, Privacy
  Story        It calls home.
";

    #[test]
    fn hostile_vendors_are_harmless() {
        let mut hostile = vendor();
        for text in [&mut hostile.vendor, &mut hostile.name, &mut hostile.story] {
            *text = HOSTILE.into();
        }
        hostile.opted_out = Some(HOSTILE.into());
        assert_harmless(&printed(|page| show_one(&hostile, page)));
        assert_harmless(&printed(|page| show_all(&[hostile], page)));
    }
}
