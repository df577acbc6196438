//! Vendor packs: host → vendor, what is collected, what breaks, source.
//!
//! The packs are the files of `blocklists/`, embedded at build; how they are
//! written stands in `blocklists/README.md`. Their texts are long, and matching
//! needs only the names in them. So nothing parsed is kept here: a pack is read
//! when the rules are built, and again when someone asks what is in it.

mod embedded;

use std::collections::HashSet;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

pub use self::embedded::{EMBEDDED, Packed};
use crate::core::host::HostName;
use crate::core::prefix::Prefix;
pub use crate::core::rule::Action;
use crate::core::verdict::Mode;

/// A vendor and what its software does.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    /// What commands call it, such as `oneplus`.
    pub key: Arc<str>,
    /// What people call it.
    pub name: String,
    /// What the vendor's devices do, in a paragraph.
    pub story: String,
    /// Where the vendor's own switch is, if there is one.
    pub opt_out: Option<String>,
    /// Where the story is known from.
    pub sources: Vec<String>,
    /// Its mode until the user chooses one.
    pub mode: Mode,
    /// The names and prefixes in it, in the order of the file.
    pub entries: Vec<Entry>,
}

/// One name or prefix of a pack.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What it names.
    pub subject: Subject,
    /// Where it stands in its file, counted from 1.
    pub line: u32,
    /// What is done by default.
    pub action: Action,
    /// What is known of it. Entries that were written together share it.
    pub about: Arc<About>,
}

/// What an entry names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// A host, perhaps with everything below it.
    Host {
        /// The name.
        host: HostName,
        /// Whether what is below it is meant too.
        subdomains: bool,
    },
    /// Addresses.
    Prefix(Prefix),
}

/// What is known of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// The product that calls home.
    pub product: String,
    /// What is collected; empty where the entry keeps something reachable.
    pub collects: String,
    /// Kind of collecting.
    pub category: String,
    /// What breaks when it is blocked.
    pub breaks: String,
    /// How sure it is that this host does that.
    pub confidence: Confidence,
    /// Whether `collects` was inferred from the name alone.
    pub inferred: bool,
    /// Why it may be blocked although its name looks like an update, a probe, a clock or push.
    pub reason: Option<String>,
    /// Month or year (`2026-03`, `2026`) of the newest list that carries it, if one does.
    /// Hosts die and stay in lists: what was last seen long ago may be gone.
    pub last_seen: Option<String>,
    /// Where this is known from.
    pub sources: Vec<String>,
}

/// How sure something is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Several independent sources, or one that shows it.
    High,
    /// A few sources.
    Medium,
    /// One.
    Low,
}

impl Confidence {
    /// `high`, `medium` or `low`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// Why a pack was refused.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{file}:{line}: {what}")]
pub struct CatalogError {
    /// Name of the file.
    pub file: String,
    /// Line in it, counted from 1.
    pub line: u32,
    /// What is wrong there.
    pub what: String,
}

/// Reads the built-in packs, one after the other, so that only one is in memory.
///
/// # Panics
///
/// If a built-in pack cannot be read; the tests read them all.
pub fn embedded() -> impl Iterator<Item = Pack> {
    EMBEDDED.iter().map(|packed| {
        let file = format!("{}.toml", packed.key);
        Pack::parse(&file, &packed.text()).expect("built-in packs are tested")
    })
}

/// Reads the built-in pack with this key anew.
#[must_use]
pub fn pack(key: &str) -> Option<Pack> {
    Pack::parse(&format!("{key}.toml"), &text(key)?).ok()
}

/// The text of the built-in pack with this key, unpacked anew.
#[must_use]
pub fn text(key: &str) -> Option<String> {
    EMBEDDED.iter().find(|packed| packed.key == key).map(Packed::text)
}

impl Pack {
    /// Reads the text of a pack. `file` is what errors call it.
    ///
    /// # Errors
    ///
    /// What is wrong, and in which line.
    pub fn parse(file: &str, text: &str) -> Result<Self, CatalogError> {
        let fail = |at: Option<Range<usize>>, what: &str| CatalogError {
            file: file.into(),
            line: Lines::new(text).at(at.map_or(0, |span| span.start)),
            what: what.into(),
        };
        let raw: RawPack = toml::from_str(text).map_err(|e| fail(e.span(), e.message()))?;
        let mut lines = Lines::new(text);
        let mut entries = Vec::with_capacity(raw.entry.len());
        for entry in raw.entry {
            let span = entry.span();
            read_entry(entry.into_inner(), &raw.defaults, &mut lines, &mut entries)
                .map_err(|(at, what)| fail(at.or(Some(span)), &what))?;
        }
        Ok(Self {
            key: raw.key.into(),
            name: raw.name,
            story: unfold(&raw.story),
            opt_out: raw.opt_out.map(|text| unfold(&text)),
            sources: raw.sources,
            mode: raw.mode,
            entries,
        })
    }

    /// Whether an entry that is only watched lies in a zone that is blocked. Then the
    /// nearest entry decides: who wrote it down apart meant it to be treated apart.
    #[must_use]
    pub fn is_graded(&self) -> bool {
        let zones: HashSet<&str> = self
            .entries
            .iter()
            .filter(|entry| entry.action == Action::Block)
            .filter_map(|entry| match &entry.subject {
                Subject::Host { host, subdomains: true } => Some(host.as_str()),
                Subject::Host { .. } | Subject::Prefix(_) => None,
            })
            .collect();
        self.entries.iter().any(|entry| match &entry.subject {
            Subject::Host { host, .. } => {
                matches!(entry.action, Action::Strict | Action::Watch)
                    && host.suffixes().skip(1).any(|zone| zones.contains(zone))
            }
            Subject::Prefix(_) => false,
        })
    }

    /// The entry that begins in this line.
    #[must_use]
    pub fn entry_at(&self, line: u32) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.line == line)
    }

    /// The entry that names this host most closely.
    #[must_use]
    pub fn entry_for(&self, host: &HostName) -> Option<&Entry> {
        host.suffixes().enumerate().find_map(|(above, name)| {
            self.entries.iter().find(|entry| match &entry.subject {
                Subject::Host { host, subdomains } => {
                    host.as_str() == name && (above == 0 || *subdomains)
                }
                Subject::Prefix(_) => false,
            })
        })
    }

    /// The entry that names this address most closely.
    #[must_use]
    pub fn entry_for_address(&self, address: IpAddr) -> Option<&Entry> {
        let length = |entry: &&Entry| match entry.subject {
            Subject::Prefix(prefix) if prefix.contains(address) => Some(prefix.length()),
            _ => None,
        };
        self.entries.iter().filter(|entry| length(entry).is_some()).max_by_key(length)
    }
}

/// A pack as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPack {
    key: String,
    name: String,
    story: String,
    opt_out: Option<String>,
    #[serde(default)]
    sources: Vec<String>,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    defaults: Defaults,
    #[serde(default)]
    entry: Vec<Spanned<RawEntry>>,
}

/// What holds for entries that do not say otherwise.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Defaults {
    action: Option<Action>,
    category: Option<String>,
    collects: Option<String>,
    breaks: Option<String>,
    confidence: Option<Confidence>,
    sources: Option<Vec<String>>,
}

/// An entry as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    host: Option<Spanned<String>>,
    #[serde(default)]
    hosts: Vec<Spanned<String>>,
    prefix: Option<Spanned<String>>,
    #[serde(default)]
    prefixes: Vec<Spanned<String>>,
    #[serde(default)]
    subdomains: bool,
    product: String,
    collects: Option<String>,
    category: Option<String>,
    breaks: Option<String>,
    action: Option<Action>,
    confidence: Option<Confidence>,
    #[serde(default)]
    inferred: bool,
    reason: Option<String>,
    last_seen: Option<String>,
    sources: Option<Vec<String>>,
}

/// What is wrong, and where if it is not the entry as a whole.
type Fault = (Option<Range<usize>>, String);

fn read_entry(
    raw: RawEntry,
    defaults: &Defaults,
    lines: &mut Lines<'_>,
    entries: &mut Vec<Entry>,
) -> Result<(), Fault> {
    let missing = |field: &str| (None, format!("this entry needs `{field}`, or its default"));
    let action = raw.action.or(defaults.action).ok_or_else(|| missing("action"))?;
    let about = Arc::new(About {
        product: raw.product,
        collects: raw.collects.or_else(|| defaults.collects.clone()).unwrap_or_default(),
        category: raw
            .category
            .or_else(|| defaults.category.clone())
            .ok_or_else(|| missing("category"))?,
        breaks: raw.breaks.or_else(|| defaults.breaks.clone()).ok_or_else(|| missing("breaks"))?,
        confidence: raw.confidence.or(defaults.confidence).ok_or_else(|| missing("confidence"))?,
        inferred: raw.inferred,
        reason: raw.reason,
        last_seen: raw.last_seen,
        sources: raw.sources.or_else(|| defaults.sources.clone()).unwrap_or_default(),
    });
    let before = entries.len();
    for text in raw.host.into_iter().chain(raw.hosts) {
        let host = text.get_ref().parse().map_err(|e| fault(&text, "host name", &e))?;
        let subject = Subject::Host { host, subdomains: raw.subdomains };
        let line = lines.at(text.span().start);
        entries.push(Entry { subject, line, action, about: about.clone() });
    }
    for text in raw.prefix.into_iter().chain(raw.prefixes) {
        let prefix = text.get_ref().parse().map_err(|e| fault(&text, "prefix", &e))?;
        let line = lines.at(text.span().start);
        entries.push(Entry {
            subject: Subject::Prefix(prefix),
            line,
            action,
            about: about.clone(),
        });
    }
    if entries.len() == before {
        return Err((None, "this entry names nothing: write `host` or `prefix`".into()));
    }
    Ok(())
}

fn fault(text: &Spanned<String>, kind: &str, why: &impl std::fmt::Display) -> Fault {
    (Some(text.span()), format!("{:?} is not a {kind}: {why}", text.get_ref()))
}

/// Offset → line, in one walk through the text as long as offsets grow.
struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: u32,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, offset: 0, line: 1 }
    }

    /// The line in which this offset is, counted from 1.
    fn at(&mut self, offset: usize) -> u32 {
        if offset < self.offset {
            *self = Self::new(self.text);
        }
        let passed = self.text.as_bytes().get(self.offset..offset).unwrap_or_default();
        let breaks = passed.split(|&b| b == b'\n').count() - 1;
        self.line = self.line.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
        self.offset = offset;
        self.line
    }
}

/// Joins the lines of a paragraph.
fn unfold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "key = 'v'\nname = 'V'\nstory = '''\nOne\ntwo.'''\n";

    fn parse(entries: &str) -> Result<Pack, CatalogError> {
        Pack::parse("v.toml", &format!("{HEAD}{entries}"))
    }

    #[test]
    fn every_built_in_pack_is_read() {
        let mut count = 0;
        for (packed, pack) in EMBEDDED.iter().zip(embedded()) {
            assert_eq!(packed.key, &*pack.key);
            count += pack.entries.len();
        }
        assert!(count > 1200, "{count}");
    }

    #[test]
    fn an_entry_knows_its_line() {
        for packed in EMBEDDED {
            let text = packed.text();
            let lines: Vec<_> = text.lines().collect();
            for entry in pack(packed.key).unwrap().entries {
                let line = lines[entry.line as usize - 1];
                match entry.subject {
                    Subject::Host { host, .. } => assert!(line.contains(host.as_str()), "{line}"),
                    Subject::Prefix(prefix) => {
                        assert!(line.contains(&prefix.to_string()), "{line}");
                    }
                }
            }
        }
    }

    #[test]
    fn defaults_serve_where_an_entry_says_nothing() {
        let pack = parse(
            "[defaults]\naction = 'watch'\ncategory = 'c'\nbreaks = 'b'\nconfidence = 'low'\n\
             sources = ['s']\n[[entry]]\nhosts = ['a.example', 'b.example']\nproduct = 'p'\n\
             [[entry]]\nprefix = '192.0.2.0/24'\nproduct = 'q'\naction = 'block'\n",
        )
        .unwrap();
        assert_eq!(pack.story, "One two.");
        assert_eq!(pack.mode, Mode::Enforce);
        let [a, b, c] = &pack.entries[..] else { panic!("{:?}", pack.entries) };
        assert_eq!((a.line, b.line, c.line), (13, 13, 16));
        assert_eq!((a.action, c.action), (Action::Watch, Action::Block));
        assert!(Arc::ptr_eq(&a.about, &b.about));
        assert_eq!(c.about.sources, ["s"]);
        assert_eq!(pack.entry_at(16), Some(c));
        assert_eq!(pack.entry_for_address("192.0.2.9".parse().unwrap()), Some(c));
    }

    #[test]
    fn a_fault_names_file_and_line() {
        let rest = "product = 'p'\naction = 'block'\ncategory = 'c'\nbreaks = 'b'\n\
                    confidence = 'high'\n";
        for (entries, want) in [
            (format!("[[entry]]\n{rest}"), "v.toml:6: this entry names nothing"),
            (format!("[[entry]]\nhost = 'a b'\n{rest}"), "v.toml:7: \"a b\" is not a host name"),
            (format!("[[entry]]\nprefix = '1/2'\n{rest}"), "v.toml:7: \"1/2\" is not a prefix"),
            (
                "[[entry]]\nhost = 'a'\nproduct = 'p'\n".into(),
                "v.toml:6: this entry needs `action`",
            ),
            (format!("[[entry]]\nhost = 'a'\n{rest}colour = 1\n"), "v.toml:13: unknown field"),
            ("[[entry]\n".into(), "v.toml:6: "),
            ("[[entry]]\nhost = 'a'\naction = 'burn'\n".into(), "v.toml:8: unknown variant"),
        ] {
            let got = parse(&entries).unwrap_err().to_string();
            assert!(got.starts_with(want), "{got}");
        }
    }

    #[test]
    fn the_nearest_entry_is_found() {
        let oneplus = pack("oneplus").unwrap();
        let host = "open.oneplus.net".parse().unwrap();
        assert!(oneplus.entry_for(&host).unwrap().about.collects.contains("IMEI"));
        let below = "x.data-ads.oneplusmobile.com".parse().unwrap();
        assert_eq!(oneplus.entry_for(&below).unwrap().about.category, "ads-attribution");
        assert_eq!(oneplus.entry_for(&"x.open.oneplus.net".parse().unwrap()), None);
        assert_eq!(pack("nobody"), None);
    }
}
