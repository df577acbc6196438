//! The thread that writes. It sleeps until it is given something.
//!
//! One parcel, one transaction. What cannot be written is held (see [`Held`]) and
//! tried again with the next parcel, or after [`RETRY`]. A damaged database is set
//! aside and a new one is made.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portable_atomic::AtomicU64;
use rusqlite::{Connection, TransactionBehavior};

use super::batch::Parcel;
use super::held::Held;
use super::insert;
use super::retention::{self, Limits};
use super::schema::{self, JournalError};

/// What the writer is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Write this.
    Write(Parcel),
    /// Say when all that came before is done: by a message, or by hanging up.
    Settle(Sender<()>),
    /// Delete everything.
    Wipe,
}

/// What the writer, the readers and the engine's thread tell one another.
#[derive(Debug)]
pub(super) struct Shared {
    limits: Mutex<Limits>,
    /// What keeps the writer from writing.
    problem: Mutex<Option<String>>,
    /// What a person should know though it is over.
    notice: Mutex<Option<String>>,
    /// Events that will not be in the journal.
    lost: AtomicU64,
    /// Transactions written.
    writes: AtomicU64,
    /// Orders sent and not yet taken.
    waiting: AtomicUsize,
    /// A reader found damage.
    suspect: AtomicBool,
}

impl Shared {
    /// Nothing wrong yet.
    #[must_use]
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits: Mutex::new(limits),
            problem: Mutex::default(),
            notice: Mutex::default(),
            lost: AtomicU64::default(),
            writes: AtomicU64::default(),
            waiting: AtomicUsize::default(),
            suspect: AtomicBool::default(),
        }
    }

    /// From now on, keep this much.
    pub(super) fn set_limits(&self, limits: Limits) {
        *lock(&self.limits) = limits;
    }

    /// What keeps the writer from writing, else what it wants known.
    pub(super) fn problem(&self) -> Option<String> {
        lock(&self.problem).clone().or_else(|| lock(&self.notice).clone())
    }

    /// Events that will not be in the journal.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Transactions written.
    pub(super) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// The number of orders that the writer has not taken yet.
    pub(super) fn waiting(&self) -> &AtomicUsize {
        &self.waiting
    }

    /// Has the writer look at the whole database before it next writes.
    pub(super) fn suspect_damage(&self) {
        self.suspect.store(true, Ordering::Release);
    }
}

/// The writing end.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    open: Option<Open>,
    held: Held,
    shared: Arc<Shared>,
    maintained: Option<Instant>,
}

/// A connection and the file it has open: device and inode.
#[derive(Debug)]
struct Open {
    db: Connection,
    file: Option<(u64, u64)>,
}

impl Writer {
    /// A writer that opens the database when it is first needed.
    #[must_use]
    pub(super) fn new(path: PathBuf, shared: Arc<Shared>) -> Self {
        Self { path, open: None, held: Held::default(), shared, maintained: None }
    }

    /// Opens the database now, and hands it to `read`. A damaged one is replaced.
    ///
    /// # Errors
    ///
    /// Why it cannot be opened or read. It is tried again with every parcel.
    pub(super) fn start<T>(
        &mut self,
        read: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        let go = |writer: &mut Self| {
            let db = writer.db()?;
            read(db).map_err(|source| JournalError::new(&writer.path.clone(), source))
        };
        let result = match go(self) {
            Err(JournalError::Damaged { what, .. }) => {
                self.start_anew(&what).and_then(|()| go(self))
            }
            other => other,
        };
        if let Err(error) = &result {
            self.complain(error);
        }
        result
    }

    /// Does what it is told until the other end hangs up; then writes what is left.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let order = if self.held.is_empty() {
                orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                orders.recv_timeout(RETRY)
            };
            if order.is_ok() {
                self.shared.waiting.fetch_sub(1, Ordering::AcqRel);
            }
            match order {
                Ok(Order::Write(parcel)) => {
                    self.held.add(parcel);
                    self.write();
                }
                Ok(Order::Settle(done)) => drop(done.send(())),
                Ok(Order::Wipe) => self.wipe(),
                Err(RecvTimeoutError::Timeout) => self.write(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.write();
        self.shared.lost.fetch_add(self.held.events(), Ordering::Relaxed);
    }

    /// Writes what is held, and says how it went.
    fn write(&mut self) {
        self.shared.lost.fetch_add(std::mem::take(&mut self.held.lost), Ordering::Relaxed);
        if self.held.is_empty() {
            return;
        }
        let mut result = self.try_write();
        if let Err(JournalError::Damaged { what, .. }) = &result {
            result = self.start_anew(&what.clone()).and_then(|()| self.try_write());
        }
        match result {
            Ok(()) => {
                self.held = Held::default();
                self.shared.writes.fetch_add(1, Ordering::Relaxed);
                if lock(&self.shared.problem).take().is_some() {
                    log::info!("the journal is written again");
                }
            }
            Err(error) => {
                // A connection that failed may have lost its place: the next try has its own.
                self.open = None;
                self.complain(&error);
            }
        }
    }

    fn try_write(&mut self) -> Result<(), JournalError> {
        let (path, limits) = (self.path.clone(), *lock(&self.shared.limits));
        let fail = |source| JournalError::new(&path, source);
        let due = self.maintained.is_none_or(|last| last.elapsed() >= MAINTENANCE);
        self.let_go_of_a_lost_file();
        self.db()?;
        let (Some(Open { db, .. }), Some(now_ms)) = (&mut self.open, self.held.newest_ms()) else {
            return Ok(());
        };
        if self.shared.suspect.load(Ordering::Acquire) {
            schema::check_whole(&path, db)?;
            self.shared.suspect.store(false, Ordering::Release);
        }
        let begin = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        insert::lines(&begin, &self.held).map_err(fail)?;
        insert::counters(&begin, &self.held).map_err(fail)?;
        retention::by_size(&begin, limits).map_err(fail)?;
        if due {
            retention::by_age(&begin, limits, now_ms).map_err(fail)?;
        }
        begin.commit().map_err(fail)?;
        if due {
            self.maintained = Some(Instant::now());
        }
        Ok(())
    }

    /// The database, opened if it is not.
    fn db(&mut self) -> Result<&Connection, JournalError> {
        if self.open.is_none() {
            let db = schema::open(&self.path)?;
            self.open = Some(Open { db, file: file_id(&self.path) });
        }
        Ok(&self.open.as_ref().expect("opened above").db)
    }

    /// A file that someone removed or replaced is not worth writing to.
    fn let_go_of_a_lost_file(&mut self) {
        if self.open.as_ref().is_some_and(|open| open.file != file_id(&self.path)) {
            self.open = None;
        }
    }

    /// Sets the damaged database aside and begins a new one with its numbers.
    fn start_anew(&mut self, what: &str) -> Result<(), JournalError> {
        self.open = None;
        let aside = schema::set_aside(&self.path)
            .map_err(|source| JournalError::Make { path: self.path.clone(), source })?;
        self.db()?;
        if let Some(open) = &mut self.open
            && let Err(error) = schema::rescue_counters(&aside, &mut open.db)
        {
            log::debug!("no counters can be taken over from the damaged journal: {error}");
        }
        let notice = format!(
            "the journal was damaged ({what}); a new one was begun, the old one is {}; \
             check the disk, delete that file when you no longer need it",
            aside.display()
        );
        log::warn!("{notice}");
        *lock(&self.shared.notice) = Some(notice);
        Ok(())
    }

    fn wipe(&mut self) {
        self.open = None;
        self.held = Held::default();
        self.maintained = None;
        let wiped = schema::remove(&self.path)
            .map_err(|source| JournalError::Make { path: self.path.clone(), source });
        match wiped.and_then(|()| self.db().map(|_| ())) {
            Ok(()) => {
                *lock(&self.shared.problem) = None;
                *lock(&self.shared.notice) = None;
            }
            Err(error) => self.complain(&error),
        }
    }

    /// Says what is wrong: in `status` always, in the log once.
    fn complain(&self, error: &JournalError) {
        let text = error.to_string();
        let mut problem = lock(&self.shared.problem);
        if problem.as_ref() != Some(&text) {
            log::warn!("{text}; blocking goes on");
        }
        *problem = Some(text);
    }
}

fn file_id(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino())).ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long to wait before trying again to write what could not be written.
const RETRY: Duration = Duration::from_secs(30);
/// How often lines are looked at for their age.
const MAINTENANCE: Duration = Duration::from_hours(1);
