//! Who runs us, and what he says: a terminal or a service manager by signals, an app by
//! words of its own. It tells the app in turn what became of things.

use std::fmt::Debug;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::core::flow::{FiveTuple, Owner};
use crate::request::EngineState;
use crate::shell::protect::Protect;
use crate::shell::signals::{Signals, Told};
use crate::shell::tun::HandedError;

/// The app that we run in, where we run in one.
///
/// Each call comes from a thread of ours, and what it waits for keeps others waiting.
pub trait App: Debug + Send + Sync + 'static {
    /// Keeps a socket of ours out of the tunnel.
    ///
    /// # Errors
    ///
    /// Why it could not; then the socket is not used.
    fn protect(&self, socket: BorrowedFd<'_>) -> io::Result<()>;

    /// Whose flow it is. What is not known is `None`.
    fn owner_of(&self, flow: &FiveTuple) -> Owner;

    /// Something changed that a person may want to see.
    fn on_state(&self, state: &EngineState);
}

/// The app, as what keeps sockets out of the tunnel.
#[derive(Debug)]
pub(super) struct ByApp(pub(super) Arc<dyn App>);

impl Protect for ByApp {
    fn protect(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.0.protect(socket)
    }
}

/// What we are told to do.
#[derive(Debug)]
pub(super) enum Word {
    /// Put everything back and end.
    Stop,
    /// Read configuration and lists anew.
    Reload,
    /// Go on with this TUN, or with none.
    Tunnel(Option<OwnedFd>, std::sync::mpsc::SyncSender<Result<(), HandedError>>),
}

/// Who runs us.
pub(super) enum Seat {
    /// Somebody who sends signals.
    System(Signals),
    /// An app.
    App(AppSeat),
}

/// An app that runs us.
pub(super) struct AppSeat {
    app: Arc<dyn App>,
    words: mpsc::Receiver<Word>,
    /// Something changed since it was told.
    has_news: bool,
    plan_changed: bool,
    told: EngineState,
}

impl Seat {
    pub(super) fn of_app(app: Arc<dyn App>, words: mpsc::Receiver<Word>) -> Self {
        let told = EngineState::default();
        Self::App(AppSeat { app, words, has_news: true, plan_changed: false, told })
    }

    /// Waits for the next word.
    ///
    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> Word {
        match self {
            Self::System(signals) => match signals.next().await {
                Told::Stop => Word::Stop,
                Told::Reload => Word::Reload,
            },
            // Nobody is left who could tell us to stop.
            Self::App(seat) => seat.words.recv().await.unwrap_or(Word::Stop),
        }
    }

    /// Notes that something changed.
    pub(super) fn note(&mut self) {
        if let Self::App(seat) = self {
            seat.has_news = true;
        }
    }

    /// Notes that another tunnel is needed than the plan of before said.
    pub(super) fn plan_changed(&mut self) {
        if let Self::App(seat) = self {
            (seat.has_news, seat.plan_changed) = (true, true);
        }
    }

    /// Whether there is somebody who has to be told something.
    pub(super) fn wants_news(&self) -> bool {
        matches!(self, Self::App(seat) if seat.has_news)
    }

    /// Tells how things are, if that is news.
    pub(super) fn tell(&mut self, state: EngineState) {
        let Self::App(seat) = self else { return };
        let state = EngineState { plan_changed: std::mem::take(&mut seat.plan_changed), ..state };
        seat.has_news = false;
        if state != seat.told {
            seat.app.on_state(&state);
            // That the plan changed is news each time.
            seat.told = EngineState { plan_changed: false, ..state };
        }
    }
}
