//! The lists on disk: a folder each, with what is known and the last good texts.
//!
//! A version is a file that is written once, under a number that is never used
//! again. What is in force is said by one small file, which is replaced whole. So
//! after a power cut the old version is in force or the new one, and what belongs
//! to neither is swept by the next update.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::error::StoreError;
use super::record::{Held, MOST_REFUSED, Record, Version};
use super::source::{ListId, Source};
use super::text::{Arrived, INCOMING, Incoming, Text, read_line};

/// The lists of this machine.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// Proof that nobody else updates this list. The kernel ends it with the process.
#[derive(Debug)]
pub(super) struct Updating<'a> {
    store: &'a Store,
    id: ListId,
    _folder: Flock<File>,
}

impl Store {
    /// The lists in this state folder. Nothing is read or made yet.
    #[must_use]
    pub fn at(state_dir: &Path) -> Self {
        Self { root: state_dir.join("lists") }
    }

    /// Every list that was ever added or updated, in order.
    ///
    /// # Errors
    ///
    /// [`StoreError::Read`].
    pub fn ids(&self) -> Result<Vec<ListId>, StoreError> {
        let fail = |source| StoreError::Read { path: self.root.clone(), source };
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fail(error)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let name = entry.map_err(fail)?.file_name();
            let id = name.to_str().and_then(|name| name.parse().ok());
            ids.extend(id.filter(|id| self.folder(id).join(RECORD).exists()));
        }
        ids.sort();
        Ok(ids)
    }

    /// What is known of a list; `None` if nothing is.
    ///
    /// # Errors
    ///
    /// [`StoreError::Read`] or [`StoreError::Damaged`].
    pub fn record(&self, id: &ListId) -> Result<Option<Record>, StoreError> {
        let path = self.folder(id).join(RECORD);
        let mut bytes = Vec::new();
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let read = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&path)
            .and_then(|file| file.take(LONGEST_RECORD + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Read { path, source }),
        }
        match serde_json::from_slice(&bytes) {
            Ok(record) => Ok(Some(record)),
            Err(error) => Err(StoreError::Damaged { path, problem: error.to_string() }),
        }
    }

    /// The text in force, to be read line by line.
    ///
    /// # Errors
    ///
    /// [`StoreError`]. That the text is damaged shows only at its end; see
    /// [`Store::heal`].
    pub fn open_text(&self, id: &ListId) -> Result<Text, StoreError> {
        let record = self.known(id)?;
        let version = record.current().ok_or_else(|| StoreError::Nothing { id: id.clone() })?;
        let path = self.text_path(id, version.number);
        Text::open(&path, version).map_err(|source| StoreError::Read { path, source })
    }

    /// The file with the text in force, packed, and when it became that.
    ///
    /// # Errors
    ///
    /// As for [`Store::record`].
    pub fn in_force(&self, id: &ListId) -> Result<Option<(PathBuf, Option<i64>)>, StoreError> {
        let Some(record) = self.record(id)? else { return Ok(None) };
        let file = |version: &Version| self.text_path(id, version.number);
        Ok(record.current().map(|version| (file(version), record.changed)))
    }

    /// A line of the text in force, from 1, as its author wrote it and cut to
    /// [`LONGEST_LINE`] bytes. Reads all that is before it.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn line(&self, id: &ListId, number: u32) -> Result<Option<String>, StoreError> {
        let mut text = self.open_text(id)?;
        let mut line = Vec::new();
        for _ in 0..number {
            let read = read_line(&mut text, &mut line, LONGEST_LINE);
            if !read.map_err(|source| StoreError::Read { path: self.folder(id), source })? {
                return Ok(None);
            }
        }
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        Ok((number > 0).then(|| String::from_utf8_lossy(line).into_owned()))
    }

    /// Makes a list known, or changes where it comes from.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn add(&self, source: &Source, watch_until: Option<i64>) -> Result<(), StoreError> {
        self.change(&source.id, Some(source), |record| {
            record.source = source.clone();
            record.watch_until = watch_until;
            Ok(())
        })
    }

    /// Puts the version before the one in force back in force, and yields it. The
    /// one that was in force waits to be accepted, and no update takes it until
    /// its server has something else.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoOlder`], and others.
    pub fn rollback(&self, id: &ListId, now: i64) -> Result<Version, StoreError> {
        self.change(id, None, |record| {
            let back = record.good.get(1).cloned();
            let back = back.ok_or_else(|| StoreError::NoOlder { id: id.clone() })?;
            let left = record.good.remove(0);
            record.refused.retain(|sha256| *sha256 != left.sha256);
            record.refused.insert(0, left.sha256.clone());
            record.refused.truncate(MOST_REFUSED);
            record.held =
                Some(Held { version: left, why: "is one that was gone back from".into() });
            record.changed = Some(now);
            Ok(back)
        })
    }

    /// Puts the version that waits in force, and yields it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NothingHeld`], and others.
    pub fn accept(&self, id: &ListId, now: i64) -> Result<Version, StoreError> {
        self.change(id, None, |record| {
            let held = record.held.take();
            let held = held.ok_or_else(|| StoreError::NothingHeld { id: id.clone() })?;
            record.take(held.version.clone(), now);
            Ok(held.version)
        })
    }

    /// Forgets a list, texts and all.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn remove(&self, id: &ListId) -> Result<(), StoreError> {
        let folder = self.folder(id);
        if !folder.exists() {
            return Err(StoreError::Unknown { id: id.clone() });
        }
        let _update = self.begin(id)?;
        let _lock = self.lock()?;
        let fail = |source| StoreError::Write { path: folder.clone(), source };
        // First what makes it a list, so that half of it is none.
        match fs::remove_file(folder.join(RECORD)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(fail(error)),
            Ok(()) | Err(_) => {}
        }
        fs::remove_dir_all(&folder).map_err(fail)?;
        sync(&self.root).map_err(fail)
    }

    /// Reads the text in force to its end. If it is damaged, puts the newest one
    /// in force that is not, and yields a sentence for the user.
    ///
    /// # Errors
    ///
    /// [`StoreError`], if that cannot be done.
    pub fn heal(&self, id: &ListId, now: i64) -> Result<Option<String>, StoreError> {
        let record = self.known(id)?;
        let whole = |version: &&Version| self.is_whole(id, version);
        let damaged: Vec<u32> =
            record.good.iter().take_while(|version| !whole(version)).map(|v| v.number).collect();
        if damaged.is_empty() {
            return Ok(None);
        }
        self.change(id, None, |record| {
            record.good.retain(|version| !damaged.contains(&version.number));
            (record.validators_of, record.changed) = (None, Some(now));
            Ok(Some(match record.current() {
                Some(_) => format!(
                    "the text of list \"{id}\" was damaged on the disk; the version before it is \
                     in force until the next update"
                ),
                None => format!(
                    "the text of list \"{id}\" was damaged on the disk and there is no other; it \
                     is not in force until the next update"
                ),
            }))
        })
    }

    /// Whether this version is on the disk as it was written.
    pub(super) fn is_whole(&self, id: &ListId, version: &Version) -> bool {
        let text = Text::open(&self.text_path(id, version.number), version);
        text.and_then(|mut text| text.prove()).is_ok()
    }

    /// Begins an update of a list.
    pub(super) fn begin(&self, id: &ListId) -> Result<Updating<'_>, StoreError> {
        let folder = self.folder(id);
        let fail = |source| StoreError::Write { path: folder.clone(), source };
        loop {
            make_folder(&folder).map_err(fail)?;
            let file = File::open(&folder).map_err(fail)?;
            let locked = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(locked) => locked,
                Err((_, Errno::EWOULDBLOCK)) => return Err(StoreError::Busy { id: id.clone() }),
                Err((_, error)) => return Err(fail(error.into())),
            };
            // It may have been removed between our open and our lock.
            if is_at(&locked, &folder) {
                self.sweep(id);
                return Ok(Updating { store: self, id: id.clone(), _folder: locked });
            }
        }
    }

    /// Removes what a crash left. Only while no update runs.
    fn sweep(&self, id: &ListId) {
        let _ = fs::remove_file(self.folder(id).join(INCOMING));
        if let Ok(Some(record)) = self.record(id) {
            self.prune(id, &record);
        }
    }

    /// Removes the texts that the record does not name. What cannot be removed
    /// only takes room.
    fn prune(&self, id: &ListId, record: &Record) {
        for number in self.numbers(id) {
            if !record.versions().any(|version| version.number == number) {
                let _ = fs::remove_file(self.text_path(id, number));
            }
        }
    }

    /// The numbers of all texts on disk.
    fn numbers(&self, id: &ListId) -> Vec<u32> {
        let number = |entry: io::Result<fs::DirEntry>| {
            entry.ok()?.file_name().to_str()?.strip_suffix(TEXT)?.parse().ok()
        };
        fs::read_dir(self.folder(id)).into_iter().flatten().filter_map(number).collect()
    }

    /// Changes what is known of a list; makes it known if it is not and a source
    /// is given.
    pub(super) fn change<T>(
        &self,
        id: &ListId,
        source: Option<&Source>,
        change: impl FnOnce(&mut Record) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let folder = self.folder(id);
        if source.is_some() {
            make_folder(&folder).map_err(|source| StoreError::Write { path: folder, source })?;
        } else if !folder.exists() {
            return Err(StoreError::Unknown { id: id.clone() });
        }
        let _lock = self.lock()?;
        let mut record = match (self.record(id), source) {
            (Ok(Some(record)), _) => record,
            (Ok(None), Some(source)) => Record::new(source.clone()),
            (Ok(None), None) => return Err(StoreError::Unknown { id: id.clone() }),
            (Err(StoreError::Damaged { .. }), Some(source)) => self.start_over(id, source),
            (Err(error), _) => return Err(error),
        };
        let done = change(&mut record)?;
        self.save(id, &record)?;
        self.prune(id, &record);
        Ok(done)
    }

    /// A new record in the place of one that makes no sense, which is set aside.
    fn start_over(&self, id: &ListId, source: &Source) -> Record {
        let path = self.folder(id).join(RECORD);
        let _ = fs::rename(&path, path.with_extension("damaged"));
        let last_number = self.numbers(id).into_iter().max().unwrap_or_default();
        Record { last_number, ..Record::new(source.clone()) }
    }

    /// Writes what is known: all of it or nothing.
    fn save(&self, id: &ListId, record: &Record) -> Result<(), StoreError> {
        let folder = self.folder(id);
        let path = folder.join(RECORD);
        let new = path.with_extension("json.new");
        let write = || -> io::Result<()> {
            match fs::remove_file(&new) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o640).open(&new)?;
            serde_json::to_writer_pretty(&mut file, record)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        let written = write().and_then(|()| sync(&folder));
        written.map_err(|source| {
            let _ = fs::remove_file(&new);
            StoreError::Write { path, source }
        })
    }

    /// Waits until nobody else changes what is known.
    fn lock(&self) -> Result<Flock<File>, StoreError> {
        let fail = |source| StoreError::Write { path: self.root.clone(), source };
        let mut file = File::open(&self.root).map_err(fail)?;
        loop {
            match Flock::lock(file, FlockArg::LockExclusive) {
                Ok(locked) => return Ok(locked),
                Err((again, Errno::EINTR)) => file = again,
                Err((_, error)) => return Err(fail(error.into())),
            }
        }
    }

    fn known(&self, id: &ListId) -> Result<Record, StoreError> {
        self.record(id)?.ok_or_else(|| StoreError::Unknown { id: id.clone() })
    }

    fn folder(&self, id: &ListId) -> PathBuf {
        self.root.join(id.as_str())
    }

    fn text_path(&self, id: &ListId, number: u32) -> PathBuf {
        self.folder(id).join(format!("{number}{TEXT}"))
    }
}

impl Updating<'_> {
    /// Where a new text goes.
    pub(super) fn incoming(&self) -> Result<Incoming, StoreError> {
        let folder = self.store.folder(&self.id);
        Incoming::new(&folder).map_err(|source| StoreError::Write { path: folder, source })
    }

    /// Gives a text that has come its place, and says in the record what it is.
    /// Its number in `version` is set here.
    pub(super) fn keep<T>(
        &self,
        source: &Source,
        text: Arrived,
        version: Version,
        note: impl FnOnce(&mut Record, Version) -> T,
    ) -> Result<T, StoreError> {
        let on_disk = self.store.numbers(&self.id).into_iter().max().unwrap_or_default();
        self.store.change(&self.id, Some(source), |record| {
            let number = record.last_number.max(on_disk).saturating_add(1);
            let path = self.store.text_path(&self.id, number);
            let folder = self.store.folder(&self.id);
            let kept = text.keep(&path).and_then(|()| sync(&folder));
            kept.map_err(|source| StoreError::Write { path, source })?;
            record.last_number = number;
            Ok(note(record, Version { number, ..version }))
        })
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(path)
}

/// Waits until the disk has the names in this folder.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |a: &fs::Metadata, b: &fs::Metadata| a.ino() == b.ino() && a.dev() == b.dev();
    matches!((&file.metadata(), &fs::symlink_metadata(path)), (Ok(a), Ok(b)) if same(a, b))
}

const RECORD: &str = "list.json";
const TEXT: &str = ".txt.gz";
const LONGEST_RECORD: u64 = 1 << 20; // bytes; a usual one has two thousand
/// Longest line that is shown, in bytes.
pub const LONGEST_LINE: usize = 1000;
