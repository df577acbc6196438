//! Tells the service manager how we are (`sd_notify(3)`), where there is one.

use std::env;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The line to the service manager. Does nothing where nobody listens.
#[derive(Debug)]
pub struct Notify {
    listens: bool,
    watchdog: Option<Duration>,
    /// Made at the first wait, for it needs a runtime.
    ticks: Option<Interval>,
}

impl Notify {
    /// Learns from the environment who listens: `NOTIFY_SOCKET`,
    /// `WATCHDOG_USEC` and `WATCHDOG_PID`.
    #[must_use]
    pub fn from_env() -> Self {
        let listens = env::var_os("NOTIFY_SOCKET").is_some();
        let watchdog = sd_notify::watchdog_enabled().filter(|period| listens && !period.is_zero());
        Self { listens, watchdog, ticks: None }
    }

    /// Everything is set up: traffic is covered from now on.
    pub fn ready(&self) {
        self.send(&[NotifyState::Ready]);
    }

    /// We have begun to put everything back.
    pub fn stopping(&self) {
        self.send(&[NotifyState::Stopping]);
    }

    /// We have begun to read the configuration anew; [`ready`](Self::ready) ends it.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send(&[NotifyState::Reloading, now]),
            Err(_) => self.send(&[NotifyState::Reloading]),
        }
    }

    /// One line for `systemctl status`. It may be read by everyone, so no names in it.
    pub fn status(&self, line: &str) {
        self.send(&[NotifyState::Status(line)]);
    }

    /// Waits until the watchdog must hear from us, and tells it. Put this in the
    /// loop that does the work, so that it falls silent when the loop is stuck.
    ///
    /// Waits forever, without a timer, where there is no watchdog. Cancel-safe.
    pub async fn watchdog(&mut self) {
        let Some(period) = self.watchdog else { return std::future::pending().await };
        // Half the period, as sd_watchdog_enabled(3) advises.
        let ticks = self.ticks.get_or_insert_with(|| {
            let mut ticks = interval(period / 2);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        ticks.tick().await;
        self.send(&[NotifyState::Watchdog]);
    }

    fn send(&self, state: &[NotifyState<'_>]) {
        if self.listens
            && let Err(error) = sd_notify::notify(state)
        {
            log::debug!("cannot tell the service manager: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    const INSIDE: &str = "OPTOUT_INSIDE_NOTIFY";

    /// Environment belongs to a whole process, so the test is one of its own.
    #[test]
    fn the_service_manager_hears_what_is_said_and_the_watchdog_at_half_its_period() {
        if env::var_os(INSIDE).is_some() {
            return speak();
        }
        let dir = env::temp_dir().join(format!("optout-notify-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let at = dir.join("socket");
        let socket = UnixDatagram::bind(&at).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let name = "shell::notify::tests::the_service_manager_hears_what_is_said_and_the_watchdog_at_half_its_period";
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", name])
            .env(INSIDE, "1")
            .env("NOTIFY_SOCKET", &at)
            .env("WATCHDOG_USEC", "200000")
            .env_remove("WATCHDOG_PID")
            .spawn()
            .unwrap();
        let hear = || {
            let mut buffer = [0; 200];
            let len = socket.recv(&mut buffer).expect("something is said");
            String::from_utf8_lossy(&buffer[..len]).trim_end().to_owned()
        };
        assert_eq!(hear(), "READY=1");
        assert_eq!(hear(), "STATUS=on");
        assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert_eq!(hear(), "WATCHDOG=1");
        assert_eq!(hear(), "WATCHDOG=1");
        assert_eq!(hear(), "STOPPING=1");
        assert!(child.wait().unwrap().success());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    fn speak() {
        let mut notify = Notify::from_env();
        notify.ready();
        notify.status("on");
        notify.reloading();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            notify.watchdog().await;
            let before = Instant::now();
            notify.watchdog().await;
            let waited = before.elapsed();
            assert!(waited >= Duration::from_millis(90) && waited < Duration::from_millis(190));
        });
        notify.stopping();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn without_a_watchdog_there_is_no_timer() {
        let mut notify = Notify { listens: false, watchdog: None, ticks: None };
        notify.ready();
        let waited = tokio::time::timeout(Duration::from_millis(20), notify.watchdog()).await;
        assert!(waited.is_err() && notify.ticks.is_none());
    }
}
