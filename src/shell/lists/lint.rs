//! What would be made of a list.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::text::Text;
use super::{ListError, guard};
use crate::core::list::{Fault, Format, Options, Reader, detect};
use crate::core::rules::{Builder, Kind};
use crate::core::verdict::Mode;
use crate::request::ListSummary;

/// How to read it, where that is not to be found out.
#[derive(Clone, Debug, Default)]
pub struct How {
    /// The format.
    pub format: Option<Format>,
    /// Whether a bare name covers what is below it.
    pub subdomains: Option<bool>,
    /// Whether it may name whole top-level domains.
    pub tlds: bool,
}

/// What a list comes to.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The file.
    pub file: PathBuf,
    /// Why it is no list at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_list: Option<String>,
    /// What it calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its format.
    pub format: Option<Format>,
    /// Whether the format was found out.
    pub detected: bool,
    /// Whether a bare name covers what is below it.
    pub subdomains: bool,
    /// The counts.
    #[serde(flatten)]
    pub summary: ListSummary,
    /// For each reason, the first line with it: its number and text.
    pub examples: BTreeMap<Fault, (u32, String)>,
}

/// A line that is not used, or a part of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct NotUsed {
    /// Its number, counted from 1.
    pub line: u32,
    /// Why.
    pub fault: Fault,
    /// Its text, shortened.
    pub text: String,
}

impl Found {
    /// The first line with this fault, in words.
    #[must_use]
    pub fn example(&self, fault: Fault) -> String {
        self.examples
            .get(&fault)
            .map_or_else(String::new, |(line, text)| format!("line {line}: {text}"))
    }
}

/// Reads a list as it would be read for use, and tells `not_used` each line, or part
/// of one, that is not.
///
/// # Errors
///
/// [`ListError`] if the file cannot be read.
pub fn lint(path: &Path, how: &How, mut not_used: impl FnMut(NotUsed)) -> Result<Found, ListError> {
    let fail = |source| ListError::Read { path: path.to_path_buf(), source };
    let mut text = Text::open(path).map_err(fail)?;
    let mut found = Found {
        file: path.to_path_buf(),
        no_list: super::no_list(text.head()),
        title: None,
        format: how.format,
        detected: how.format.is_none(),
        subdomains: false,
        summary: ListSummary::default(),
        examples: BTreeMap::new(),
    };
    if found.no_list.is_some() {
        return Ok(found);
    }
    let Some(options) = options(&text, how, &mut found) else {
        found.no_list = Some("there is no rule in it in any known format".into());
        return Ok(found);
    };
    let mut builder = Builder::default();
    builder.list("", Kind::File(options.format), Mode::Enforce);
    let mut reader = Reader::new(options, Arc::new(guard()));
    read(&mut text, &mut reader, &mut builder, |line, fault, text| {
        found.examples.entry(fault).or_insert_with(|| (line, text.clone()));
        not_used(NotUsed { line, fault, text });
    })
    .map_err(fail)?;
    builder.ended(reader.options(), reader.counts());
    found.summary = super::summary(&builder.build().lists()[0]);
    if found.summary.kept == 0 && found.summary.comments < found.summary.lines {
        found.no_list = Some(format!("there is no rule in its {} lines", found.summary.lines));
    }
    Ok(found)
}

fn options(text: &Text, how: &How, found: &mut Found) -> Option<Options> {
    let detected = detect(text.head());
    let format = how.format.or(detected.as_ref().map(|detected| detected.format))?;
    let said = detected.as_ref().and_then(|detected| detected.subdomains);
    let subdomains = how.subdomains.or(said).unwrap_or(format.subdomains());
    found.title = detected.and_then(|detected| detected.title);
    found.format = Some(format);
    found.subdomains = subdomains;
    Some(Options { subdomains, tlds: how.tlds, ..Options::of(format) })
}

/// Reads to the end; `odd` gets the number of a line, why, and its text.
fn read(
    text: &mut Text,
    reader: &mut Reader,
    builder: &mut Builder,
    mut odd: impl FnMut(u32, Fault, String),
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut last = None;
    while text.next_line(&mut line)? {
        reader.line(&line, |number, rule| match rule {
            Ok(rule) => {
                builder.rule(number, rule);
            }
            // A line of a hosts file may have the same fault several times.
            Err(fault) if last != Some((number, fault)) => {
                last = Some((number, fault));
                odd(number, fault, shown(&line));
            }
            Err(_) => {}
        });
    }
    reader.end(|number, rule| match rule {
        Ok(rule) => {
            builder.rule(number, rule);
        }
        Err(fault) => odd(number, fault, shown(&line)),
    });
    Ok(())
}

fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line.trim_ascii()).chars().take(SHOWN).collect()
}

const SHOWN: usize = 200; // characters of a line: the rest of a long one says no more
