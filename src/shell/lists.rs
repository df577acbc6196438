//! List files on disk → rules.
//!
//! A list that cannot be used is an error of the configuration that names it:
//! who believes to be protected by a list that is not there is not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use thiserror::Error;

use crate::config::{ListSource, Place};
use crate::core::catalog;
use crate::core::list::{Format, Guard, MAX_LINE, Options, Reader};
use crate::core::rules::{Builder, Kind, RuleSet};
use crate::core::verdict::Mode;

/// All rules.
#[derive(Debug)]
pub struct Loaded {
    /// The rules of packs and lists.
    pub rules: Arc<RuleSet>,
    /// When each list was changed, seconds since 1970 (UTC), in the order of
    /// [`RuleSet::lists`]; `None` for what is built in.
    pub changed: Vec<Option<i64>>,
}

/// Why a list could not be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListError {
    /// The file could not be read.
    #[error("cannot read list {}: {source}; check the path in [[lists]], or that the file is readable", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a directory, a pipe or a device.
    #[error("list {} is not a file; name a file in [[lists]]", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file is larger than we are willing to read.
    #[error("list {} is larger than {} MiB; use a shorter list or split it", path.display(), MAX_BYTES >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// There is not one rule in it: likely an error page, or another format.
    #[error("list {} has no rule in {lines} lines; it must be a hosts file or have one name a line", path.display())]
    NotAList {
        /// The file.
        path: PathBuf,
        /// All lines.
        lines: u32,
    },
    /// There are more names in all lists together than we are willing to hold.
    #[error("list {} does not fit: there are too many names in all lists; leave out one", path.display())]
    Full {
        /// The file that was too much.
        path: PathBuf,
    },
}

/// Reads the built-in packs and these lists. A list that is off is not read.
///
/// # Errors
///
/// The first list that cannot be used, and why.
pub fn load(lists: &[ListSource]) -> Result<Loaded, (&ListSource, ListError)> {
    let mut builder = Builder::default();
    let mut changed = Vec::new();
    for pack in catalog::embedded() {
        builder.pack(&pack);
        changed.push(None);
    }
    for list in lists.iter().filter(|list| list.mode != Mode::Off) {
        let Place::Path(path) = &list.place else { continue };
        changed.push(read(list, path, &mut builder).map_err(|error| (list, error))?);
    }
    Ok(Loaded { rules: Arc::new(builder.build()), changed })
}

/// Reads one list into `builder`. Yields when the file was changed.
fn read(source: &ListSource, path: &Path, builder: &mut Builder) -> Result<Option<i64>, ListError> {
    let fail = |source| ListError::Read { path: path.into(), source };
    // Looked at before it is opened: to open a pipe would wait for its writer.
    let meta = path.metadata().map_err(fail)?;
    if !meta.is_file() {
        return Err(ListError::NotAFile { path: path.into() });
    }
    if meta.len() > MAX_BYTES {
        return Err(ListError::TooLarge { path: path.into() });
    }
    let file = File::open(path).map_err(fail)?;
    builder.list(&source.name, Kind::File(source.format.unwrap_or(Format::Domains)), source.mode);
    read_lines(BufReader::new(file), source, path, builder)?;
    let time = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok(time.and_then(|time| i64::try_from(time.as_secs()).ok()))
}

fn read_lines(
    mut file: impl BufRead,
    source: &ListSource,
    path: &Path,
    builder: &mut Builder,
) -> Result<(), ListError> {
    let path = || path.to_path_buf();
    let format = source.format.unwrap_or(Format::Domains);
    let options = Options {
        subdomains: source.subdomains.unwrap_or(format.subdomains()),
        ..Options::of(format)
    };
    let mut reader = Reader::new(options, Arc::new(Guard::default()));
    let (mut line, mut left, mut fits) = (Vec::new(), MAX_BYTES, true);
    while read_line(&mut file, &mut line, &mut left)
        .map_err(|source| ListError::Read { path: path(), source })?
    {
        reader.line(&line, |number, rule| {
            if let Ok(rule) = rule {
                fits &= builder.rule(number, rule);
            }
        });
    }
    let counts = reader.counts();
    if left == 0 {
        return Err(ListError::TooLarge { path: path() });
    }
    if !fits {
        return Err(ListError::Full { path: path() });
    }
    builder.ended(format, counts);
    Ok(())
}

/// Reads the next line into `line`, and no more of it than a reader wants to
/// see. False at the end, and once `left` bytes have been read: a file may
/// grow while it is read.
fn read_line(file: &mut impl BufRead, line: &mut Vec<u8>, left: &mut u64) -> io::Result<bool> {
    line.clear();
    let wanted = MAX_LINE as u64 + 1;
    let mut read = file.by_ref().take(wanted.min(*left)).read_until(b'\n', line)?;
    *left -= read as u64;
    let any = read > 0;
    while read > 0 && line.last() != Some(&b'\n') && line.len() > MAX_LINE {
        // What is left of a line that is too long is passed over in pieces.
        let mut rest = Vec::new();
        read = file.by_ref().take(wanted.min(*left)).read_until(b'\n', &mut rest)?;
        *left -= read as u64;
        if rest.last() == Some(&b'\n') {
            break;
        }
    }
    Ok(any)
}

/// Largest list that is read, in bytes: the largest public ones are near 40 MiB.
const MAX_BYTES: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::flow::Client;
    use crate::core::policy::Policy;
    use crate::core::time::Instant;
    use crate::core::verdict::Verdict;

    fn source(dir: &Path, name: &str, text: &[u8]) -> ListSource {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        ListSource::new(Place::Path(path), name)
    }

    fn dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("optout-lists-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn blocks(loaded: &Loaded, host: &str) -> bool {
        let policy = Policy::builder(loaded.rules.clone()).build();
        matches!(policy.judge(Instant::ZERO, host, &Client::Host(None)), Verdict::Block(_))
    }

    #[test]
    fn lists_join_the_packs() {
        let dir = dir("join");
        let hosts = source(&dir, "hosts.txt", b"0.0.0.0 a.example\n0.0.0.0 a.example b.example\n");
        let mut domains = source(&dir, "domains.txt", b"# c\nc.example\nodd line\n");
        domains.name = "mine".into();
        let loaded = load(&[hosts.clone(), domains.clone()]).unwrap();
        for (host, want) in [
            ("a.example", true),
            ("x.a.example", false),
            ("c.example", true),
            ("x.c.example", true),
            ("open.oneplus.net", true),
            ("connectivitycheck.gstatic.com", false),
        ] {
            assert_eq!(blocks(&loaded, host), want, "{host}");
        }
        let [.., first, second] = loaded.rules.lists() else { panic!("two lists") };
        assert_eq!((&*first.name, first.rules(), first.ignored), ("hosts.txt", 2, 0));
        assert_eq!((&*second.name, second.rules(), second.ignored), ("mine", 1, 1));
        assert_eq!(first.kind, Kind::File(Format::Hosts));
        assert_eq!(loaded.changed.len(), loaded.rules.lists().len());
        assert!(loaded.changed.last().unwrap().unwrap() > 1_700_000_000);

        let exact = ListSource { subdomains: Some(false), ..domains };
        let wide = ListSource { subdomains: Some(true), ..hosts };
        let loaded = load(&[exact, wide]).unwrap();
        assert!(!blocks(&loaded, "x.c.example") && blocks(&loaded, "x.a.example"));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_first_list_that_cannot_be_used_is_named_with_its_reason() {
        let dir = dir("bad");
        let page = source(&dir, "page.txt", b"<html>\n<p>Sign in\n");
        let good = source(&dir, "good.txt", b"g.example\n");
        let empty = source(&dir, "empty.txt", b"# nothing yet\n");
        let gone = ListSource { place: Place::Path(dir.join("gone.txt")), ..good.clone() };
        let folder = ListSource { place: Place::Path(dir.clone()), ..good.clone() };
        let big = source(&dir, "big.txt", b"");
        File::options()
            .write(true)
            .open(dir.join("big.txt"))
            .unwrap()
            .set_len(MAX_BYTES + 1)
            .unwrap();
        for (bad, want) in [
            (page, "page.txt has no rule in 2 lines"),
            (gone, "gone.txt: No such file"),
            (folder, "is not a file"),
            (big, "larger than 64 MiB"),
        ] {
            let lists = [empty.clone(), bad.clone(), good.clone()];
            let (list, error) = load(&lists).unwrap_err();
            let said = error.to_string();
            assert_eq!(list, &bad);
            assert!(said.contains(want) && !said.contains('\n'), "{said}");
            let off = ListSource { mode: Mode::Off, ..bad };
            assert!(load(&[off]).is_ok(), "what is off is not read");
        }
        assert!(blocks(&load(&[empty, good]).unwrap(), "g.example"));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_line_without_end_is_one_line() {
        let dir = dir("long");
        let mut text = b"a.example\n".to_vec();
        text.extend(b"x".repeat(3 * MAX_LINE + 7));
        text.extend(b"\nb.example\n");
        let loaded = load(&[source(&dir, "long.txt", &text)]).unwrap();
        let list = loaded.rules.lists().last().unwrap();
        assert_eq!((list.rules(), list.ignored), (2, 1));
        assert!(blocks(&loaded, "b.example"));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
