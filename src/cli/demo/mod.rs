//! `optout demo`: a phone that calls home, with and without optout in front of it.

mod daemon;
mod internet;
mod phone;
mod show;
mod tls;
mod world;

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use rustls::ClientConfig;

use daemon::Daemon;
use internet::{Arrival, Book, SITES};
use phone::{ACTS, Act, End};
use show::Show;
use world::World;

/// Watch optout at work in a home of its own
///
/// Builds a phone, a router and an Internet in private network namespaces. The
/// phone does what a OnePlus of 2017 did, first without optout, then with it.
/// Nothing of this machine's network is touched and nothing leaves it.
#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// Print one object instead of the show
    #[arg(long)]
    json: bool,
}

/// How a scene went.
#[derive(Clone, Copy, Debug, Default)]
struct Scene {
    /// Bytes of payload that the vendors' servers received.
    payload: usize,
    /// Posts with a payload that they received.
    posts_arrived: usize,
    /// Ordinary requests that came to nothing.
    failed_ordinary: usize,
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Summary {
    payload_bytes_off: usize,
    payload_bytes_on: usize,
    blocked: u64,
    passed: u64,
    failed_ordinary: usize,
    seconds: f64,
}

impl Demo {
    /// Runs both scenes.
    ///
    /// # Errors
    ///
    /// If the namespaces cannot be made, or optout does not start in them.
    pub(super) fn run(&self) -> Result<ExitCode> {
        let start = Instant::now();
        let mut show = Show::new(!self.json);
        let stage = Stage::build()?;
        show.picture();
        show.scene("Half a minute of a phone of 2017. First as it was sold:");
        let off = stage.play(&mut show)?;
        let daemon = Daemon::start()?;
        show.scene("The same with optout on the router:");
        let on = stage.play(&mut show)?;
        let report = daemon.report()?;
        drop(daemon);
        show.end(&off, &on, &report);
        if self.json {
            let summary = Summary {
                payload_bytes_off: off.payload,
                payload_bytes_on: on.payload,
                blocked: report.blocked,
                passed: report.passed,
                failed_ordinary: on.failed_ordinary,
                seconds: start.elapsed().as_secs_f64(),
            };
            writeln!(stdout(), "{}", serde_json::to_string(&summary)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The home, its Internet, and the book of what arrived there.
struct Stage {
    world: World,
    book: Book,
    tls: Arc<ClientConfig>,
}

impl Stage {
    fn build() -> Result<Self> {
        let world = World::build(&internet::addresses())?;
        let names: Vec<_> = SITES.iter().map(|site| site.host).collect();
        let (tls, server_tls) = tls::configs(&names)?;
        let book = Book::default();
        let arrivals = book.clone();
        world.internet.run(move || internet::serve(&server_tls, &arrivals))??;
        Ok(Self { world, book, tls })
    }

    fn play(&self, show: &mut Show) -> Result<Scene> {
        let mut scene = Scene::default();
        for &act in ACTS {
            let tls = self.tls.clone();
            let end = self.world.phone.run(move || phone::perform(act, &tls))?;
            scene.note(act, &end);
            show.act(act, &end);
        }
        for Arrival { body, .. } in self.book.take().iter().filter(|arrival| arrival.collects()) {
            scene.payload += body;
            scene.posts_arrived += usize::from(*body > 0);
        }
        Ok(scene)
    }
}

impl Scene {
    fn note(&mut self, act: Act, end: &End) {
        if !act.posts && !matches!(end, End::Done { .. }) {
            self.failed_ordinary += 1;
        }
    }
}

impl Arrival {
    fn collects(&self) -> bool {
        SITES.iter().any(|site| site.host == self.host && site.collects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Needs root: an unprivileged namespace wants a process of one thread,
    /// which a test harness is not. The whole demo is run by `tests/demo.rs`.
    #[test]
    fn without_optout_everything_arrives() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED without_optout_everything_arrives: not root");
            return;
        }
        let stage = Stage::build().unwrap();
        let scene = stage.play(&mut Show::new(true)).unwrap();
        let posts = ACTS.iter().filter(|act| act.posts).count();
        assert_eq!(scene.posts_arrived, posts);
        assert_eq!(scene.payload, posts * phone::PAYLOAD.len());
        assert_eq!(scene.failed_ordinary, 0);
    }
}
