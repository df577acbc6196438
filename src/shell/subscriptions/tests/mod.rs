//! A real server on loopback does what the catalogue of hostile input says, row
//! by row.

mod fetching;
mod keeping;
mod server;
mod signing;
mod updating;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Bounds, Fetcher, ListId, Outcome, Source, Store, Survey, Updater, survey};
use crate::core::list::{Format, Guard, Options};
use server::Server;

/// A folder that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("optout-subs-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A store, and what fetches into it from a server.
struct World {
    scratch: Scratch,
    store: Store,
    fetcher: Fetcher,
    source: Source,
    now: i64,
    _server: Server,
}

impl World {
    fn new(server: &Server) -> Self {
        let scratch = Scratch::new();
        let store = Store::at(&scratch.0);
        let (fetcher, source) = (fetcher(server, bounds()), source("a"));
        Self { store, fetcher, source, now: NOW, scratch, _server: server.clone() }
    }

    /// The same store with another server.
    fn at(self, server: &Server) -> Self {
        Self { fetcher: fetcher(server, bounds()), _server: server.clone(), ..self }
    }

    /// Updates the list, an hour after the last time.
    fn update(&mut self) -> Outcome {
        self.now += 3600;
        let look = domains();
        let updater = Updater { store: &self.store, fetcher: &self.fetcher, survey: &look };
        updater.update(&self.source, self.now, &mut |_, _| {})
    }

    /// Updates it, which must fail; the sentence.
    #[track_caller]
    fn fails(&mut self) -> String {
        match self.update() {
            Outcome::Failed { why } => {
                assert!(!why.contains('\n'), "{why}");
                let record = self.store.record(&self.source.id).unwrap().unwrap();
                assert_eq!(record.failed.unwrap().why, why);
                why
            }
            other => panic!("{other:?}"),
        }
    }

    /// Updates it, which must succeed.
    #[track_caller]
    fn takes(&mut self) {
        let outcome = self.update();
        assert!(matches!(outcome, Outcome::Updated { .. }), "{outcome:?}");
    }

    /// Updates it, which must set the new version aside; the sentence.
    #[track_caller]
    fn holds(&mut self) -> String {
        match self.update() {
            Outcome::Quarantined { why } => why,
            other => panic!("{other:?}"),
        }
    }

    /// The text in force.
    #[track_caller]
    fn text(&self) -> String {
        text(&self.store, &self.source.id)
    }

    fn folder(&self) -> PathBuf {
        self.scratch.0.join("lists").join(self.source.id.as_str())
    }
}

#[track_caller]
fn text(store: &Store, id: &ListId) -> String {
    let mut text = String::new();
    store.open_text(id).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn fetcher(server: &Server, bounds: Bounds) -> Fetcher {
    Fetcher::new(server.dial.clone(), server.roots.clone(), bounds)
}

/// Small, so that no test waits long, and large enough for a busy machine.
fn bounds() -> Bounds {
    Bounds {
        total: Duration::from_secs(20),
        connect: Duration::from_secs(10),
        bytes: 1 << 20,
        redirects: 5,
    }
}

fn source(id: &str) -> Source {
    Source {
        id: id.parse().unwrap(),
        url: URL.into(),
        name: id.to_uppercase(),
        every: 24 * 3600,
        sha256: None,
        minisign: Vec::new(),
        allow_private: false,
    }
}

/// Takes every list for one of plain names.
fn domains() -> Box<Survey<'static>> {
    let options = |_: &Source, _: &[u8]| Some(Options::of(Format::Domains));
    Box::new(survey(options, Arc::new(Guard::default())))
}

/// A list of so many names.
fn names(count: usize) -> String {
    (0..count).map(|n| format!("h{n}.example\n")).collect::<Vec<_>>().concat()
}

/// The files in a folder, in order.
fn files(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.unwrap().file_name().into_string().unwrap()
    };
    let mut files: Vec<String> = std::fs::read_dir(folder).unwrap().map(name).collect();
    files.sort();
    files
}

const URL: &str = "https://lists.example/l.txt";
const NOW: i64 = 1_800_000_000;
