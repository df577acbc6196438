//! Live lines for `log -f`.
//!
//! The first of equal events is told at once. The others are told together, as
//! one line with their number, when the batch is written. So the numbers add
//! up, and a storm of events is not a storm of lines.

use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::request::LogLine;

/// Who follows.
#[derive(Debug, Default)]
pub(super) struct Followers(Vec<Sender<LogLine>>);

/// The lines from the moment of subscribing on.
#[derive(Debug)]
pub struct Subscription(Receiver<LogLine>);

impl Followers {
    /// One more.
    pub(super) fn subscribe(&mut self) -> Subscription {
        let (sender, receiver) = mpsc::channel(PATIENCE_LINES);
        self.0.push(sender);
        Subscription(receiver)
    }

    /// Whether nobody does.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells everyone, and drops who has gone or cannot keep up.
    pub(super) fn tell(&mut self, line: &LogLine) {
        self.0.retain(|follower| follower.try_send(line.clone()).is_ok());
    }
}

impl Subscription {
    /// The next line. `None` after the last: the journal was closed, or the
    /// follower was too slow and has been dropped.
    pub async fn next(&mut self) -> Option<LogLine> {
        self.0.recv().await
    }

    /// The next line if there is one already.
    pub fn try_next(&mut self) -> Option<LogLine> {
        self.0.try_recv().ok()
    }
}

/// How many lines a follower may be behind: some 0.5 MiB.
const PATIENCE_LINES: usize = 1_024;
