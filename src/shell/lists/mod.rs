//! Lists on disk → the compiled set of rules.
//!
//! All lists and packs are compiled into one file, which is mapped and stays as
//! it is until there is a newer one. What it was made of is in its stamp, so a
//! start with unchanged lists reads no list at all.

pub mod lint;
mod mapping;
pub mod original;
mod spill;
pub mod text;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use thiserror::Error;

pub use self::mapping::Mapping;
use self::spill::SpillFile;
use self::text::Text;
use crate::config::ListSource;
use crate::core::catalog::{self, Subject};
use crate::core::list::{Fault, Format, Guard, Options, Reader, detect};
use crate::core::rule::Action;
use crate::core::rules::{Builder, Kind, List, RuleSet};
use crate::request::ListSummary;

/// A list and the file that has its text.
#[derive(Clone, Debug)]
pub struct Input {
    /// What it is and how it is to be read.
    pub source: ListSource,
    /// Its text; packed if the name ends in `.gz`.
    pub text: PathBuf,
    /// Seconds since 1970 (UTC) of its last change.
    pub changed: Option<i64>,
}

/// All rules.
#[derive(Debug)]
pub struct Compiled {
    /// The rules of packs and lists.
    pub rules: Arc<RuleSet>,
    /// The file that they lie in; `None` if they are in memory only.
    pub mapping: Option<Mapping>,
    /// Why they are in memory only, or what else went wrong without harm.
    pub problem: Option<String>,
}

/// Why a list could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListError {
    /// The file could not be read.
    #[error("cannot read list {}: {source}; check the path, or that the file is readable", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is not one rule in it, or it is something else altogether.
    #[error("{} cannot be used as a list: {why}; `optout lists lint` shows what is in it", path.display())]
    NotAList {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The rules could not be put together at all.
    #[error("cannot put the lists together: {0}; the rules of before stay in force")]
    Compile(io::Error),
}

/// Takes the compiled rules in `state_dir` if they are of exactly these lists, and
/// compiles them anew otherwise. `compiling` is called before that, for it takes a moment.
///
/// # Errors
///
/// The first list that cannot be used, by its place in `inputs`, and why.
pub fn load(
    inputs: &[Input],
    state_dir: &Path,
    compiling: impl FnOnce(),
) -> Result<Compiled, (usize, ListError)> {
    let mut versions = Vec::with_capacity(inputs.len());
    for (n, input) in inputs.iter().enumerate() {
        versions.push(version(&input.text).map_err(|error| (n, error))?);
    }
    let stamp = stamp(inputs, &versions);
    let path = state_dir.join(FILE);
    match open(&path, Some(stamp)) {
        Ok(compiled) => return Ok(compiled),
        Err(why) => log::debug!("the compiled rules are not used: {why}"),
    }
    compiling();
    compile(inputs, state_dir, stamp)
}

/// The rules of these files alone, without the packs, in memory.
///
/// # Errors
///
/// As [`load`].
pub fn alone(inputs: &[Input]) -> Result<RuleSet, (usize, ListError)> {
    read_all(inputs, Builder::default()).map(Builder::build)
}

/// What the list came to, in numbers for people.
#[must_use]
pub fn summary(list: &List) -> ListSummary {
    let mut summary = ListSummary::of(&list.counts);
    summary.kept = list.rules().into();
    summary.duplicates = list.duplicates.into();
    summary.also_elsewhere = list.covered.into();
    summary
}

/// Lines, or parts of lines, that are not used.
#[must_use]
pub fn not_used(list: &List) -> u64 {
    Fault::ALL.into_iter().map(|fault| u64::from(list.counts.of(fault))).sum()
}

/// Knows what no list may name: what the pack `never-block` protects.
#[must_use]
pub fn guard() -> Guard {
    let pack = catalog::pack("never-block");
    let entries = pack.iter().flat_map(|pack| &pack.entries);
    let names = entries.filter_map(|entry| match &entry.subject {
        Subject::Host { host, .. } if entry.action == Action::NeverBlock => Some(host.as_str()),
        _ => None,
    });
    Guard::protecting(names)
}

/// Why a file that begins so is no list at all.
fn no_list(head: &[u8]) -> Option<String> {
    crate::core::list::check(head).err().map(|why| why.to_string())
}

/// What tells one version of a file from the next.
fn version(path: &Path) -> Result<String, ListError> {
    let meta = fs::metadata(path)
        .map_err(|source| ListError::Read { path: path.to_path_buf(), source })?;
    Ok(format!("{} {} {} {}", meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
}

/// What the compiled rules are made of: of the same things, the same rules.
fn stamp(inputs: &[Input], versions: &[String]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(env!("CARGO_PKG_VERSION"));
    for packed in catalog::EMBEDDED {
        hash.update([0]);
        hash.update(packed.key);
        hash.update(packed.deflated);
    }
    for (Input { source, text, .. }, version) in inputs.iter().zip(versions) {
        hash.update([0]);
        let how = (source.format, source.subdomains, source.allow, source.tlds, source.mode);
        hash.update(format!("{} {how:?} {} {version}", source.name, text.display()));
    }
    hash.finalize().into()
}

fn open(path: &Path, stamp: Option<[u8; 32]>) -> Result<Compiled, String> {
    let mapping = Mapping::open(path).map_err(|error| error.to_string())?;
    let rules = RuleSet::open(Box::new(mapping.clone())).map_err(|error| error.to_string())?;
    if stamp.is_some_and(|stamp| stamp != rules.stamp()) {
        return Err("they are of other lists".into());
    }
    // The check has touched every page.
    mapping.let_go(&rules.cold());
    Ok(Compiled { rules: Arc::new(rules), mapping: Some(mapping), problem: None })
}

fn compile(
    inputs: &[Input],
    state_dir: &Path,
    stamp: [u8; 32],
) -> Result<Compiled, (usize, ListError)> {
    let on_disk = SpillFile::new(state_dir)
        .map_err(ListError::Compile)
        .and_then(|spill| Ok((spill, NewFile::create(state_dir).map_err(ListError::Compile)?)));
    let problem = match on_disk {
        Ok((spill, mut file)) => {
            let builder = gather(inputs, Builder::spilling(spill).seeded(seed()))?;
            let kept = match builder.finish(stamp, &mut file.to) {
                Ok(_) => file.keep(),
                Err(error) => Err(error),
            };
            match kept.map_err(|error| error.to_string()).and_then(|path| open(&path, None)) {
                Ok(compiled) => return Ok(compiled),
                Err(why) => why,
            }
        }
        Err(error) => error.to_string(),
    };
    // A full disk is no reason to go without rules.
    let builder = gather(inputs, Builder::default())?;
    let mut bytes = Vec::new();
    let done = builder.finish(stamp, &mut bytes).and_then(|_| {
        RuleSet::open(Box::new(bytes)).map_err(|error| io::Error::other(error.to_string()))
    });
    let rules = done.map_err(|error| (0, ListError::Compile(error)))?;
    let problem = format!(
        "the compiled rules could not be kept in {}: {problem}; they are in memory, and are \
         made anew at the next start",
        state_dir.display()
    );
    Ok(Compiled { rules: Arc::new(rules), mapping: None, problem: Some(problem) })
}

/// Reads the packs and all lists.
fn gather(inputs: &[Input], mut builder: Builder) -> Result<Builder, (usize, ListError)> {
    for pack in catalog::embedded() {
        builder.pack(&pack);
    }
    read_all(inputs, builder)
}

fn read_all(inputs: &[Input], mut builder: Builder) -> Result<Builder, (usize, ListError)> {
    let guard = Arc::new(guard());
    for (n, input) in inputs.iter().enumerate() {
        read(input, &guard, &mut builder).map_err(|error| (n, error))?;
    }
    Ok(builder)
}

fn read(
    Input { source, text: path, .. }: &Input,
    guard: &Arc<Guard>,
    builder: &mut Builder,
) -> Result<(), ListError> {
    let fail = |source| ListError::Read { path: path.clone(), source };
    let not = |why: String| ListError::NotAList { path: path.clone(), why };
    let mut text = Text::open(path).map_err(fail)?;
    let Some(options) = options(source, text.head()) else {
        // A list may be empty for now; what has lines must have rules.
        if text.head().iter().all(u8::is_ascii_whitespace) {
            builder.list(&source.name, Kind::File(source.format.unwrap_or(EMPTY)), source.mode);
            return Ok(());
        }
        let why = no_list(text.head());
        return Err(
            not(why.unwrap_or_else(|| "there is no rule in it in any known format".into())),
        );
    };
    builder.list(&source.name, Kind::File(options.format), source.mode);
    let mut reader = Reader::new(options, Arc::clone(guard));
    let mut line = Vec::new();
    while text.next_line(&mut line).map_err(fail)? {
        reader.line(&line, |number, rule| {
            if let Ok(rule) = rule {
                builder.rule(number, rule);
            }
        });
    }
    reader.end(|number, rule| {
        if let Ok(rule) = rule {
            builder.rule(number, rule);
        }
    });
    let counts = reader.counts();
    if counts.rules == 0 && counts.comments < counts.lines {
        return Err(not(format!("there is no rule in its {} lines", counts.lines)));
    }
    builder.ended(reader.options(), counts);
    Ok(())
}

/// How to read it: as the source says, else as the list itself does, else as is usual.
/// `None` for what is no list in any known format.
#[must_use]
pub fn options(source: &ListSource, head: &[u8]) -> Option<Options> {
    if no_list(head).is_some() {
        return None;
    }
    let detected = detect(head);
    let format = source.format.or(detected.as_ref().map(|detected| detected.format))?;
    let said = detected.and_then(|detected| detected.subdomains);
    let subdomains = source.subdomains.or(said).unwrap_or(format.subdomains());
    Some(Options { format, subdomains, allow: source.allow, tlds: source.tlds })
}

/// A number that no list can know, so that none can make names collide.
fn seed() -> u64 {
    let mut seed = [0; 8];
    // Without random numbers lookups are as right as ever; a hostile list could make them slow.
    let _ = getrandom::fill(&mut seed);
    u64::from_le_bytes(seed)
}

/// The compiled file that is to be, beside the one that is.
struct NewFile {
    to: BufWriter<File>,
    path: PathBuf,
    place: PathBuf,
}

impl NewFile {
    fn create(dir: &Path) -> io::Result<Self> {
        let path = dir.join(format!("{FILE}.new-{}", std::process::id()));
        let to = BufWriter::with_capacity(BUFFER, File::create(&path)?);
        Ok(Self { to, path, place: dir.join(FILE) })
    }

    /// Puts it in its place: all of it, or the old one stays.
    fn keep(mut self) -> io::Result<PathBuf> {
        self.to.flush()?;
        self.to.get_ref().sync_all()?;
        fs::rename(&self.path, &self.place)?;
        Ok(self.place.clone())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // there only if it was not kept
    }
}

/// What an empty list is shown as: every format has that.
const EMPTY: Format = Format::Domains;
/// The compiled rules, in the state directory.
const FILE: &str = "rules.bin";
const BUFFER: usize = 64 * 1024; // bytes a write

#[cfg(test)]
mod tests;
