//! The journal: stored events, in one SQLite file.
//!
//! # Contract
//!
//! 1. The engine's thread hands in events: [`Journal::record`]. Equal ones are
//!    gathered; nothing is written, nothing waits.
//! 2. It calls [`Journal::flush`] at [`Journal::next_flush`], which is `None`
//!    while nothing happens: then there is no timer, no wake-up, no write.
//! 3. A thread of the journal's own writes, one transaction a flush.
//! 4. Who wants to read takes a [`Journal::reader`] to a thread that may wait.
//!
//! Nothing here can stop the blocking: what goes wrong is in [`Journal::health`],
//! and it is tried again. A `kill -9` costs what was not flushed yet.

mod batch;
mod follow;
mod held;
mod insert;
mod qtype;
mod reader;
mod report;
mod retention;
mod schema;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;

pub use self::batch::client_line;
pub use self::follow::Subscription;
pub use self::reader::{Reader, matches};
pub use self::report::Known;
pub use self::schema::JournalError;
use crate::config::Privacy;

use self::batch::{Batch, Noted, day};
use self::follow::Followers;
use self::retention::Limits;
use self::writer::{Order, Shared, Writer};
use crate::core::event::{Event, Outcome, Traffic};
use crate::request::ClientLine;

/// The recording end. Dropping it closes it.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    settings: Settings,
    batch: Batch,
    followers: Followers,
    totals: Totals,
    today: i64,
    /// When to flush; `None` if there is nothing.
    due: Option<Instant>,
    flushed: Instant,
    shared: Arc<Shared>,
    /// Gone once closed.
    orders: Option<SyncSender<Order>>,
    done: Receiver<()>,
}

/// What is kept, and how often it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// How much is kept.
    pub privacy: Privacy,
    /// Days for which lines are kept; 0: as long as there is room. Numbers by
    /// vendor stay longer.
    pub keep_days: u32,
    /// Size of the database in MiB at which the oldest lines go; at least 1.
    pub max_mb: u32,
    /// From the first event to its being written.
    pub flush: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            privacy: Privacy::default(),
            keep_days: 90,
            max_mb: 64,
            flush: Duration::from_secs(5),
        }
    }
}

/// How the journal does.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Health {
    /// One line: what is wrong, why, what to do. `None` is good.
    pub problem: Option<String>,
    /// Events since the start that have no line in the journal.
    pub lost: u64,
    /// Transactions since the start.
    pub writes: u64,
}

/// How many events there were.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Since the journal was begun.
    pub ever: Numbers,
    /// Today (UTC).
    pub today: Numbers,
}

/// Events by what was done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Numbers {
    /// Stopped.
    pub blocked: u64,
    /// Would have been.
    pub watched: u64,
    /// Let through.
    pub passed: u64,
}

impl Journal {
    /// Opens `journal.db` in `dir`, or begins it. Never fails: without a journal
    /// there is still work to do. The second value is the problem, if there is one.
    #[must_use]
    pub fn open(dir: &Path, settings: Settings) -> (Self, Option<String>) {
        let path = dir.join(FILE);
        let shared = Arc::new(Shared::new(settings.limits()));
        let mut writer = Writer::new(path.clone(), Arc::clone(&shared));
        let today = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).map_or(0, day));
        let totals = if settings.privacy == Privacy::Nothing {
            Totals::default()
        } else {
            writer.start(|db| Totals::read(db, today)).unwrap_or_default()
        };
        let (orders, receiver) = mpsc::sync_channel(QUEUE);
        let (finished, done) = mpsc::channel();
        let thread = std::thread::Builder::new().name("journal".into()).stack_size(STACK);
        let started = thread.spawn(move || {
            writer.run(&receiver);
            drop(finished);
        });
        let problem = match &started {
            Ok(_) => shared.problem(),
            Err(error) => {
                Some(format!("cannot start the journal's thread: {error}; restart optout"))
            }
        };
        let journal = Self {
            path,
            settings,
            batch: Batch::new(settings.privacy),
            followers: Followers::default(),
            totals,
            today,
            due: None,
            flushed: Instant::now(),
            shared,
            orders: started.is_ok().then_some(orders),
            done,
        };
        (journal, problem)
    }

    /// Takes an event that happened at `now_ms`, milliseconds since 1970 (UTC).
    /// `traffic` is added up over equal events. `client` says what is known of who asked; it is called only for the first
    /// of equal events (see [`client_line`]).
    pub fn record(
        &mut self,
        now_ms: i64,
        event: &Event,
        traffic: Option<Traffic>,
        client: impl FnOnce() -> ClientLine,
    ) {
        let noted = self.batch.record(now_ms, event, traffic, client);
        if noted == Noted::Ignored {
            return;
        }
        self.count(now_ms, event.outcome);
        if self.due.is_none() {
            self.due = Some(Instant::now() + self.settings.flush);
        }
        if let Noted::New(at) = noted
            && !self.followers.is_empty()
            && let Some(line) = self.batch.tell(at)
        {
            self.followers.tell(&line);
        }
    }

    /// When to call [`flush`](Self::flush): earlier wears out the flash, later
    /// holds lines back. `None`: when something has happened.
    #[must_use]
    pub fn next_flush(&self) -> Option<Instant> {
        self.due
    }

    /// Hands what was recorded to the writer. Does not wait. If the writer is far
    /// behind, it is put off.
    pub fn flush(&mut self) {
        self.due = None;
        if !self.followers.is_empty() {
            for line in self.batch.tell_rest() {
                self.followers.tell(&line);
            }
        }
        if self.batch.is_empty() {
            return;
        }
        // Nobody else sends: a free place now is a free place below.
        if self.shared.waiting().load(Ordering::Acquire) >= BEHIND {
            self.due = Some(Instant::now() + self.settings.flush);
            return;
        }
        let parcel = self.batch.take(self.flushed.elapsed());
        self.flushed = Instant::now();
        self.order(Order::Write(parcel));
    }

    /// A reader that sees all that was recorded up to now.
    pub fn reader(&mut self) -> Reader {
        self.flush();
        let (settled, receiver) = mpsc::channel();
        let sent = self.order(Order::Settle(settled));
        Reader::new(&self.path, Arc::clone(&self.shared), sent.then_some(receiver))
    }

    /// The lines from now on. To show older ones before them, take a
    /// [`reader`](Self::reader) right after, before anything is recorded.
    pub fn subscribe(&mut self) -> Subscription {
        // What is in the batch is for the reader: do not tell it again.
        self.batch.tell_rest().for_each(drop);
        self.followers.subscribe()
    }

    /// How the journal does.
    #[must_use]
    pub fn health(&self) -> Health {
        Health {
            problem: self.shared.problem(),
            lost: self.batch.lost() + self.shared.lost(),
            writes: self.shared.writes(),
        }
    }

    /// How many events there were, ever and on the day of `now_ms`.
    #[must_use]
    pub fn counters(&self, now_ms: i64) -> Totals {
        let today = if day(now_ms) == self.today { self.totals.today } else { Numbers::default() };
        Totals { today, ..self.totals }
    }

    /// Keeps more or less from now on. What is stored is not changed at once.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
        self.batch.set_privacy(settings.privacy);
        self.shared.set_limits(settings.limits());
    }

    /// Deletes everything that was ever recorded, the numbers too. Returns false
    /// if the writer is too busy to be told: then nothing was done.
    pub fn wipe(&mut self) -> bool {
        if !self.order(Order::Wipe) {
            return false;
        }
        drop(self.batch.take(Duration::ZERO));
        self.totals = Totals::default();
        self.due = None;
        true
    }

    /// Writes what is left, and waits for it, but not longer than a second.
    pub fn close(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        self.flush();
        if self.orders.take().is_some() {
            // The writer hangs up when it is done.
            let _ = self.done.recv_timeout(LAST_WRITE);
        }
    }

    /// Whether it could be sent.
    fn order(&mut self, order: Order) -> bool {
        let Some(orders) = &self.orders else { return false };
        self.shared.waiting().fetch_add(1, Ordering::AcqRel);
        match orders.try_send(order) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.shared.waiting().fetch_sub(1, Ordering::AcqRel);
                false
            }
        }
    }

    fn count(&mut self, now_ms: i64, outcome: Outcome) {
        if self.today != day(now_ms) {
            self.today = day(now_ms);
            self.totals.today = Numbers::default();
        }
        self.totals.ever.add(outcome, 1);
        self.totals.today.add(outcome, 1);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Settings {
    fn limits(self) -> Limits {
        let max_bytes = i64::from(self.max_mb.max(1)) * 1_048_576;
        Limits { keep_days: self.keep_days, max_bytes }
    }
}

impl Totals {
    fn read(db: &Connection, today: i64) -> rusqlite::Result<Self> {
        let mut totals = Self::default();
        let mut query = db.prepare(
            "SELECT outcome, sum(count), sum(iif(day = ?1, count, 0)) FROM counters GROUP BY 1",
        )?;
        let mut rows = query.query([today])?;
        while let Some(row) = rows.next()? {
            if let Some(outcome) = reader::outcome(row.get_ref(0)?.as_str()?) {
                totals.ever.add(outcome, reader::count(row.get(1)?));
                totals.today.add(outcome, reader::count(row.get(2)?));
            }
        }
        Ok(totals)
    }
}

impl Numbers {
    fn add(&mut self, outcome: Outcome, count: u64) {
        let number = match outcome {
            Outcome::Blocked => &mut self.blocked,
            Outcome::Watched => &mut self.watched,
            Outcome::Passed => &mut self.passed,
        };
        *number = number.saturating_add(count);
    }
}

const FILE: &str = "journal.db";
const BEHIND: usize = 2; // orders that wait, at which the batch goes on filling instead
const QUEUE: usize = BEHIND + 2; // the rest is for readers and for wiping
const STACK: usize = 512 * 1024; // in bytes; SQLite needs some 50 KiB
const LAST_WRITE: Duration = Duration::from_secs(1);
