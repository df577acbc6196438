//! `optout demo`: a phone that calls home, with and without optout in front of it.

mod daemon;
mod evidence;
mod internet;
mod phone;
mod show;
mod tls;
mod world;

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use rustls::ClientConfig;

use crate::cli::page::Page;
use daemon::Daemon;
use evidence::Evidence;
use internet::{Arrival, Book, SITES};
use phone::{ACTS, Deed, End, Way};
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
    /// Add to it all that was seen, for whoever wants to check the counts
    #[arg(long, requires = "json", hide = true)]
    evidence: bool,
}

/// How a scene went.
#[derive(Debug, Default)]
struct Scene {
    /// Bytes of payload that the vendors' servers received.
    payload: usize,
    /// Posts with a payload that they received.
    posts_arrived: u64,
    /// Ordinary requests that came to nothing.
    failed_ordinary: u64,
    /// What phone and servers saw.
    evidence: Evidence,
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Summary<'a> {
    payload_bytes_off: usize,
    payload_bytes_on: usize,
    blocked: u64,
    passed: u64,
    failed_ordinary: u64,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<evidence::All<'a>>,
}

impl Demo {
    /// Runs both scenes.
    ///
    /// # Errors
    ///
    /// If the namespaces cannot be made, optout does not start in them, does not
    /// do what it should, or reports something else than what happened.
    pub(super) fn run(&self, page: &mut Page<'_>) -> Result<ExitCode> {
        let start = Instant::now();
        let stage = Stage::build()?;
        let mut show = Show::new((!self.json).then_some(&mut *page), stdout().is_terminal());
        show.picture()?;
        show.scene("Half a minute of a phone of 2017. First as it was sold:")?;
        stage.wait_for_v6()?;
        let off = stage.play(&mut show)?;
        let daemon = Daemon::start()?;
        show.scene("The same with optout on the router:")?;
        let on = stage.play(&mut show)?;
        let report = daemon.report(evidence::since())?;
        drop(daemon);
        show.end(&off, &on, &report)?;
        if self.json {
            let evidence = evidence::All { scene: &on.evidence, report: &report };
            page.json(&Summary {
                payload_bytes_off: off.payload,
                payload_bytes_on: on.payload,
                blocked: report.blocked,
                passed: report.passed,
                failed_ordinary: on.failed_ordinary,
                seconds: start.elapsed().as_secs_f64(),
                evidence: self.evidence.then_some(evidence),
            })?;
        }
        ensure!(off.payload > 0 && off.failed_ordinary == 0, "the demo's own Internet failed");
        ensure!(on.payload == 0, "{} bytes of payload got past optout", on.payload);
        ensure!(on.failed_ordinary == 0, "{} ordinary requests failed", on.failed_ordinary);
        on.evidence.compare(&report)?;
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
        let (arrivals, v6) = (book.clone(), world.v6);
        world.internet.run(move || internet::serve(&server_tls, &arrivals, v6))??;
        Ok(Self { world, book, tls })
    }

    /// Meanwhile the picture can be looked at.
    fn wait_for_v6(&self) -> Result<()> {
        if self.world.v6 { self.world.phone.run(phone::wait_for_v6) } else { Ok(()) }
    }

    fn play(&self, show: &mut Show<'_, '_>) -> Result<Scene> {
        let mut scene = Scene::default();
        for &act in ACTS.iter().filter(|act| self.world.v6 || act.by != Way::V6) {
            let tls = self.tls.clone();
            let deed = self.world.phone.run(move || phone::perform(act, &tls))?;
            scene.note(&deed);
            show.deed(&deed)?;
        }
        let seen = self.book.take();
        for Arrival { body, .. } in seen.arrivals.iter().filter(|arrival| arrival.collects()) {
            scene.payload += body;
            scene.posts_arrived += u64::from(*body > 0);
        }
        scene.evidence.servers(&seen);
        Ok(scene)
    }
}

impl Scene {
    fn note(&mut self, deed: &Deed) {
        self.evidence.phone(deed);
        if !deed.act.posts && !matches!(deed.end, End::Done { .. }) {
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
        stage.wait_for_v6().unwrap();
        let scene = stage.play(&mut Show::new(None, false)).unwrap();
        let posts = ACTS.iter().filter(|act| act.posts && (stage.world.v6 || act.by != Way::V6));
        let posts = posts.count();
        assert_eq!(scene.posts_arrived, posts as u64);
        assert_eq!(scene.payload, posts * phone::PAYLOAD.len());
        assert_eq!(scene.failed_ordinary, 0);
    }
}
