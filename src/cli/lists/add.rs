//! `optout lists add`

use std::path::Path;

use crate::cli::page::Page;
use crate::cli::{Wrong, time};
use crate::core::list::Format;
use crate::core::verdict::Mode;
use crate::request::{AddedList, ListChange};
use crate::shell::control::client::Daemon;

/// Use one more list: a file, or an https address that is fetched again every day
///
/// Its format is found out unless you say. Whether a bare name also covers what
/// is below it is a property of the list: as its own heading says, or else as
/// usual for its format; `optout lists` shows which.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Add {
    /// An address that begins with https://, or a file
    #[arg(value_name = "URL|FILE")]
    place: String,
    /// What verdicts call it; otherwise the last part of its place
    #[arg(long)]
    name: Option<String>,
    /// hosts, domains, wildcard, adblock, dnsmasq, unbound, rpz, dnscrypt or ips
    #[arg(long, value_parser = parse_format)]
    format: Option<Format>,
    /// Whether a bare name covers what is below it
    #[arg(long, value_name = "yes|no", value_parser = parse_yes)]
    subdomains: Option<bool>,
    /// Let through what it names, instead of blocking it
    #[arg(long)]
    allow: bool,
    /// It may name whole top-level domains
    #[arg(long)]
    tlds: bool,
    /// SHA-256 that its text must have
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Key of minisign that must have signed it (at the address plus .minisig);
    /// may be given twice while keys change
    #[arg(long, value_name = "KEY")]
    minisign: Vec<String>,
    /// How often to look for a new version: 12h, 7d, or never
    #[arg(long, value_name = "TIME", value_parser = parse_every)]
    every: Option<u64>,
    /// It may lie at a private address, such as a server at home
    #[arg(long)]
    private: bool,
    /// Only record what it would block, for a week or as long as you say; then block
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "7d",
          value_parser = time::parse_duration)]
    watch: Option<u64>,
}

impl Add {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let change = ListChange::Add(self.list()?);
        super::change::ask(daemon, change, &format!("Added: {}", self.place), page)
    }

    fn list(&self) -> Result<AddedList, Wrong> {
        Ok(AddedList {
            place: place(&self.place)?,
            name: self.name.clone(),
            format: self.format,
            subdomains: self.subdomains,
            allow: self.allow,
            tlds: self.tlds,
            sha256: self.sha256.clone(),
            minisign: self.minisign.clone(),
            every: self.every,
            allow_private: self.private,
            mode: Mode::Enforce,
            watch_for: self.watch,
        })
    }
}

/// The address, or the whole path of the file: the daemon is somewhere else.
fn place(written: &str) -> Result<String, Wrong> {
    if let Some((scheme, _)) = written.split_once("://") {
        return if scheme.eq_ignore_ascii_case("https") {
            Ok(written.into())
        } else {
            Err(Wrong(format!(
                "{written:?} is not fetched: what comes over {scheme} can be changed on the way; \
                 give an https address, or fetch it yourself and add the file"
            )))
        };
    }
    match Path::new(written).canonicalize() {
        Ok(path) => Ok(path.display().to_string()),
        Err(error) => Err(Wrong(format!(
            "there is no list at {written}: {error}; give a file, or an address with https://"
        ))),
    }
}

pub(super) fn parse_format(text: &str) -> Result<Format, String> {
    Format::ALL.into_iter().find(|format| format.as_str() == text).ok_or_else(|| {
        let known: Vec<_> = Format::ALL.map(Format::as_str).into();
        format!("the formats are {}", known.join(", "))
    })
}

pub(super) fn parse_yes(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("write yes or no".into()),
    }
}

fn parse_every(text: &str) -> Result<u64, String> {
    if text == "never" {
        return Ok(0);
    }
    let seconds = time::parse_duration(text)?;
    if (HOUR..=30 * DAY).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("between 1h and 30d, or never".into())
    }
}

const HOUR: u64 = 3600; // seconds
const DAY: u64 = 24 * HOUR;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_must_be_one_that_nobody_can_change_on_the_way() {
        assert_eq!(place("https://a.example/l").unwrap(), "https://a.example/l");
        for wrong in ["http://a.example/l", "file:///etc/hosts", "ftp://a.example/"] {
            assert!(place(wrong).unwrap_err().0.contains("is not fetched"), "{wrong}");
        }
        assert!(place("/nowhere/at/all").unwrap_err().0.starts_with("there is no list at"));
        assert_eq!(place("/etc/../etc/passwd").unwrap(), "/etc/passwd");
    }

    #[test]
    fn times_and_words_are_read_as_they_are_meant() {
        assert_eq!(parse_every("never"), Ok(0));
        assert_eq!(parse_every("24h"), Ok(DAY));
        for wrong in ["5m", "31d", "often"] {
            assert!(parse_every(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_format("rpz"), Ok(Format::Rpz));
        assert!(parse_format("auto").unwrap_err().contains("dnscrypt"));
        assert_eq!((parse_yes("yes"), parse_yes("no")), (Ok(true), Ok(false)));
    }
}
