//! What the system tells us to do.

use std::io;

use tokio::signal::unix::{self, SignalKind};

/// Listens for signals. Those that end a program no longer do once it is made.
#[derive(Debug)]
pub struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hang_up: unix::Signal,
    /// Held and never read: whoever listens to a signal does not die of it. A
    /// client that hangs up while we write must not end us.
    _pipe: unix::Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Told {
    /// SIGTERM or SIGINT: put everything back and end.
    Stop,
    /// SIGHUP: read configuration and lists anew.
    Reload,
}

impl Signals {
    /// Begins to listen, inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            hang_up: unix::signal(SignalKind::hangup())?,
            _pipe: unix::signal(SignalKind::pipe())?,
        })
    }

    /// Waits for the next signal. Several of one kind that came since the last
    /// call are one; of a stop and a reload the stop is told first.
    ///
    /// Cancel-safe.
    pub async fn next(&mut self) -> Told {
        tokio::select! {
            biased;
            Some(()) = self.terminate.recv() => Told::Stop,
            Some(()) = self.interrupt.recv() => Told::Stop,
            Some(()) = self.hang_up.recv() => Told::Reload,
            else => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nix::sys::signal::{Signal, raise};

    use super::*;

    /// The next thing told, or `None` when nothing is for 50 ms.
    async fn told(signals: &mut Signals) -> Option<Told> {
        tokio::time::timeout(Duration::from_millis(50), signals.next()).await.ok()
    }

    // One test: signals belong to the whole process.
    #[tokio::test(flavor = "current_thread")]
    async fn reloads_are_one_stops_come_first_and_a_broken_pipe_is_nothing() {
        let mut signals = Signals::new().unwrap();
        for _ in 0..20 {
            raise(Signal::SIGHUP).unwrap();
        }
        raise(Signal::SIGPIPE).unwrap();
        assert_eq!(told(&mut signals).await, Some(Told::Reload));
        assert_eq!(told(&mut signals).await, None);

        for stop in [Signal::SIGTERM, Signal::SIGINT] {
            raise(Signal::SIGHUP).unwrap();
            raise(stop).unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert_eq!(told(&mut signals).await, Some(Told::Stop));
            assert_eq!(told(&mut signals).await, Some(Told::Reload));
            assert_eq!(told(&mut signals).await, None);
        }
    }
}
