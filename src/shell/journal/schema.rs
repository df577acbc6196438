//! The database: its tables, and how it is opened, checked and set aside.
//!
//! Times are milliseconds since 1970 (UTC). Lines are in the order of `id`, not
//! of their times: the clock may have been set.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use thiserror::Error;

/// Why the journal cannot be used. Blocking does not need it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file, or its directory, could not be made.
    #[error("cannot make the journal {}: {source}; check the directory and its mount", path.display())]
    Make {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a journal, or no longer.
    #[error("the journal {} is damaged ({what}); it is set aside at the next write", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A later version of optout made it.
    #[error("the journal {} was made by a newer optout (format {version}); update, or move the file away", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: i64,
    },
    /// Reading took too long and was given up.
    #[error("reading the journal took over {} s and was stopped; ask for less with --since or --last", PATIENCE.as_secs())]
    TooSlow,
    /// Anything else.
    #[error("cannot use the journal {}: {source}; {}", path.display(), remedy(source))]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl JournalError {
    /// Sorts out what SQLite said. All that is asked of it is known to work with
    /// our tables: if it does not, the tables are not what they were.
    pub(super) fn new(path: &Path, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::TooSlow,
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OperationAborted
                | ErrorCode::OutOfMemory
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure,
            ) => Self::Database { path: path.into(), source },
            _ => Self::Damaged { path: path.into(), what: source.to_string() },
        }
    }
}

/// Opens the journal for writing and makes it if it is not there: the file with
/// mode 0600, its directory with 0750.
///
/// # Errors
///
/// Any [`JournalError`] but [`JournalError::TooSlow`].
pub(super) fn open(path: &Path) -> Result<Connection, JournalError> {
    let format =
        make_file(path).map_err(|source| JournalError::Make { path: path.into(), source })?;
    if !format.is_none_or(|versions| versions.iter().all(|version| matches!(version, 1 | 2))) {
        // SQLite would take it for one that may only be read.
        return Err(JournalError::Damaged { path: path.into(), what: "odd file format".into() });
    }
    let fail = |source| JournalError::new(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(fail)?;
    db.busy_timeout(BUSY).map_err(fail)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(fail)?;
    db.execute_batch(SETUP).map_err(fail)?;
    check(path, &mut db)?;
    Ok(db)
}

/// Opens the journal for reading; `None` if there is none yet. Whatever is asked
/// of the connection is stopped after [`PATIENCE`].
///
/// # Errors
///
/// Any [`JournalError`] but [`JournalError::Make`].
pub(super) fn open_to_read(path: &Path) -> Result<Option<Connection>, JournalError> {
    // A file that was made but never written is a journal without lines.
    if !path.metadata().is_ok_and(|file| file.len() > 0) {
        return Ok(None);
    }
    let fail = |source| JournalError::new(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(fail)?;
    db.busy_timeout(BUSY).map_err(fail)?;
    db.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY").map_err(fail)?;
    match version(&db).map_err(fail)? {
        FIRST..=VERSION => Ok(Some(db)),
        0 => Ok(None),
        version @ NEWER..=LATEST => Err(JournalError::Newer { path: path.into(), version }),
        _ => Err(JournalError::Damaged { path: path.into(), what: "it is not a journal".into() }),
    }
}

/// Looks at every page of the database. Takes a second for a large one.
///
/// # Errors
///
/// [`JournalError::Damaged`] if one is not as it should be.
pub(super) fn check_whole(path: &Path, db: &Connection) -> Result<(), JournalError> {
    let fail = |source| JournalError::new(path, source);
    match db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)).map_err(fail)? {
        said if said == "ok" => Ok(()),
        what => {
            let what = what.lines().last().unwrap_or_default().to_owned();
            Err(JournalError::Damaged { path: path.into(), what })
        }
    }
}

/// Moves a damaged journal out of the way, and returns its new name. At most
/// [`MAX_DAMAGED`] are kept; beyond, the last is replaced.
///
/// # Errors
///
/// What the system says of the renaming.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = (1..=MAX_DAMAGED)
        .map(|n| with_suffix(path, &format!(".damaged-{n}")))
        .find(|name| !name.exists())
        .unwrap_or_else(|| with_suffix(path, &format!(".damaged-{MAX_DAMAGED}")));
    std::fs::rename(path, &aside)?;
    // What was written last is in the -wal file; the -shm file is made anew from it.
    let _ = std::fs::remove_file(with_suffix(&aside, "-wal"));
    let _ = std::fs::rename(with_suffix(path, "-wal"), with_suffix(&aside, "-wal"));
    let _ = std::fs::remove_file(with_suffix(path, "-shm"));
    Ok(aside)
}

/// Removes the journal's files, those set aside too.
///
/// # Errors
///
/// What the system says, but for a file that is not there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let aside = (1..=MAX_DAMAGED).map(|n| with_suffix(path, &format!(".damaged-{n}")));
    for file in aside.chain([path.into()]) {
        for suffix in ["", "-wal", "-shm"] {
            match std::fs::remove_file(with_suffix(&file, suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Copies the numbers of an old journal into a new one, as far as they can be read.
///
/// # Errors
///
/// What SQLite says of the new one, or that the old one cannot be opened.
pub(super) fn rescue_counters(from: &Path, to: &mut Connection) -> rusqlite::Result<usize> {
    let old = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut query = old.prepare(
        "SELECT day, outcome, vendor, host, kind, count, first_ms, last_ms FROM counters",
    )?;
    let mut rows = query.query([])?;
    let new = to.transaction()?;
    let mut rescued = 0;
    while let Ok(Some(row)) = rows.next() {
        let mut insert = new.prepare_cached(
            "INSERT OR IGNORE INTO counters VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        for column in 0..8 {
            insert.raw_bind_parameter(column + 1, row.get::<_, Value>(column)?)?;
        }
        // A damaged row does not pass the table's checks: it is left behind.
        rescued += insert.raw_execute().unwrap_or(0);
    }
    new.commit()?;
    Ok(rescued)
}

/// Makes the file, or sets its mode. Returns the two bytes in its header that say
/// by which format it is written and read; `None` if it is too short to have them.
fn make_file(path: &Path) -> io::Result<Option<[u8; 2]>> {
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o750).create(dir)?;
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.permissions().mode() & 0o777 != 0o600 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    let mut format = [0; 2];
    Ok(file.read_exact_at(&mut format, FORMAT_AT).is_ok().then_some(format))
}

fn check(path: &Path, db: &mut Connection) -> Result<(), JournalError> {
    let fail = |source| JournalError::new(path, source);
    match version(db).map_err(fail)? {
        VERSION => Ok(()),
        0 if is_empty(db).map_err(fail)? => {
            let begin = db.transaction().map_err(fail)?;
            begin.execute_batch(TABLES).map_err(fail)?;
            begin.pragma_update(None, "user_version", VERSION).map_err(fail)?;
            begin.commit().map_err(fail)
        }
        FIRST => {
            let begin = db.transaction().map_err(fail)?;
            begin.execute_batch(FROM_1_TO_2).map_err(fail)?;
            begin.pragma_update(None, "user_version", VERSION).map_err(fail)?;
            begin.commit().map_err(fail)
        }
        version @ NEWER..=LATEST => Err(JournalError::Newer { path: path.into(), version }),
        _ => Err(JournalError::Damaged { path: path.into(), what: "it is not a journal".into() }),
    }
}

fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn is_empty(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |_| Ok(()))
        .optional()
        .map(|row| row.is_none())
}

fn remedy(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "free some space",
        Some(ErrorCode::ReadOnly) => "make the file system writable",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "close the program that holds it"
        }
        Some(ErrorCode::SystemIoFailure) => "check the disk and the space on it",
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "check the directory's owner, mode and mount"
        }
        _ => "if it stays so, move the file away",
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// How long a reader may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How many damaged journals are kept.
pub(super) const MAX_DAMAGED: u32 = 3;
const BUSY: Duration = Duration::from_secs(2); // for a person with an SQLite shell open
const FIRST: i64 = 1; // the oldest version that is carried on
const VERSION: i64 = 2; // of the tables below
const NEWER: i64 = VERSION + 1;
const LATEST: i64 = 99; // what is higher is damage, not a later version
const FORMAT_AT: u64 = 18; // SQLite file format §1.3.3: 1 for a rollback journal, 2 for WAL

/// `auto_vacuum` comes first: it cannot be set later. The checkpoint at 256 pages
/// and the limit keep the -wal file near 1 MiB; the cache is for a device with little memory.
const SETUP: &str = "
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 256;
    PRAGMA journal_size_limit = 1048576;
    PRAGMA cache_size = -512;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
    PRAGMA secure_delete = FAST;
";

/// How connections are told of, since they are looked into.
const FROM_1_TO_2: &str = "
    ALTER TABLE events ADD COLUMN learnt TEXT;
    ALTER TABLE events ADD COLUMN unnamed TEXT;
    ALTER TABLE events ADD COLUMN ech INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE events ADD COLUMN bytes_up INTEGER;
    ALTER TABLE events ADD COLUMN ms INTEGER;
";

/// `events` has no index but its id: each would be written with every line.
/// `counters` outlives it: what was done, by day since 1970 (UTC).
const TABLES: &str = "
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        count INTEGER NOT NULL CHECK (count > 0),
        outcome TEXT NOT NULL CHECK (outcome IN ('blocked', 'watched', 'passed')),
        host TEXT,
        query TEXT,
        protocol TEXT,
        port INTEGER,
        address TEXT,
        client_address TEXT,
        client_mac TEXT,
        client_name TEXT,
        uid INTEGER,
        pid INTEGER,
        program TEXT,
        list TEXT,
        line INTEGER,
        rule TEXT,
        vendor TEXT,
        via TEXT,
        alias TEXT,
        learnt TEXT,
        unnamed TEXT,
        ech INTEGER NOT NULL DEFAULT 0,
        bytes_up INTEGER,
        ms INTEGER
    ) STRICT;
    CREATE TABLE counters (
        day INTEGER NOT NULL,
        outcome TEXT NOT NULL CHECK (outcome IN ('blocked', 'watched', 'passed')),
        vendor TEXT NOT NULL,
        host TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('query', 'connection')),
        count INTEGER NOT NULL CHECK (count > 0),
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        PRIMARY KEY (day, outcome, vendor, host, kind)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";
