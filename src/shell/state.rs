//! What must survive a restart: what the user switched, allowed and blocked.
//!
//! One small JSON file, written whole to a new file that takes the place of the
//! old one, so a power cut leaves either the old state or the new. What a newer
//! version wrote and we do not know is kept and written back.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::config::Capture;
use crate::core::verdict::Mode;
use crate::request::{AddedList, UserRule};

/// What the user switched, allowed and blocked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Whether optout is on.
    pub on: bool,
    /// Seconds since 1970 (UTC) at which a pause ends.
    pub paused_until: Option<i64>,
    /// Which flows are looked into, if not as the configuration says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<Capture>,
    /// The user's own rules.
    #[serde(with = "rules")]
    pub rules: Rules,
    /// What was set for vendors, by key.
    pub vendors: BTreeMap<String, Vendor>,
    /// Lists that the user added, by their ids.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, AddedList>,
    /// Modes that the user set for lists, by their ids.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub list_modes: BTreeMap<String, ListMode>,
    /// Seconds since 1970 (UTC) at which a list was first in use, by its id: for those
    /// that are only watched at first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lists_since: BTreeMap<String, i64>,
    /// What a newer version wrote.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// The mode that the user set for a list.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListMode {
    /// The mode.
    pub mode: Mode,
    /// Seconds since 1970 (UTC) at which it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

/// The user's own rules, and those that only a newer version understands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Those in force, oldest first.
    pub known: Vec<UserRule>,
    /// Kept and written back.
    pub unknown: Vec<Value>,
}

/// What the user set for a vendor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vendor {
    /// Its mode, if not that of the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// ISO date on which the user opted out at the vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opted_out: Option<String>,
    /// What a newer version wrote.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            on: true,
            paused_until: None,
            capture: None,
            rules: Rules::default(),
            vendors: BTreeMap::new(),
            lists: BTreeMap::new(),
            list_modes: BTreeMap::new(),
            lists_since: BTreeMap::new(),
            unknown: Map::new(),
        }
    }
}

/// Why the state could not be read or kept. What is in memory goes on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file cannot be read; the defaults are in use, and it is not written.
    #[error("cannot read {}: {source}; your rules and switches are not in force until that is mended and optout restarted", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file made no sense and was set aside; the defaults are in use.
    #[error("{} was damaged ({problem}) and is now {}; your rules and switches are the defaults, set them again", path.display(), aside.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        problem: String,
        /// Where it is now.
        aside: PathBuf,
    },
    /// Some rules were written by a newer version. They are kept.
    #[error("{count} of your rules in {} are not understood and not in force; update optout, or set them again", path.display())]
    UnknownRules {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// The file cannot be written: what was changed is lost at the next start.
    #[error("cannot write {}: {source}; what you changed is in force, but lost at the next start", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl State {
    /// Reads the state in `state_dir` and changes nothing there: for whoever is
    /// not the daemon. Where there is none, the defaults hold.
    ///
    /// # Errors
    ///
    /// What the system said, or that the file makes no sense.
    pub fn look(state_dir: &Path) -> io::Result<Self> {
        match bytes(&state_dir.join(NAME)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }
}

/// The place of the state on disk.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// The file is there and could not be read, so it must not be replaced.
    keep: bool,
}

impl StateFile {
    /// Reads the state in `state_dir`. Where there is none, the defaults hold.
    /// A file that makes no sense is set aside. Never fails: what the user must
    /// know is in the second part.
    #[must_use]
    pub fn load(state_dir: &Path) -> (Self, State, Option<StateError>) {
        let path = state_dir.join(NAME);
        let mut file = Self { path, keep: false };
        match file.read() {
            Ok(state) => {
                let count = state.rules.unknown.len();
                let path = file.path.clone();
                let problem = (count > 0).then_some(StateError::UnknownRules { path, count });
                (file, state, problem)
            }
            Err(problem) => {
                file.keep = matches!(problem, StateError::Read { .. });
                (file, State::default(), Some(problem))
            }
        }
    }

    fn read(&self) -> Result<State, StateError> {
        let path = || self.path.clone();
        let bytes = match bytes(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(State::default()),
            Err(source) => return Err(StateError::Read { path: path(), source }),
        };
        if bytes.len() as u64 > LONGEST {
            return Err(self.set_aside("it is too large".into()));
        }
        serde_json::from_slice(&bytes).map_err(|error| self.set_aside(error.to_string()))
    }

    /// Renames a damaged file, so that it can be looked at.
    fn set_aside(&self, problem: String) -> StateError {
        let path = self.path.clone();
        let free = (1..=MOST_DAMAGED)
            .map(|n| self.path.with_file_name(format!("{NAME}.damaged-{n}")))
            .find(|aside| fs::symlink_metadata(aside).is_err());
        let Some(aside) = free else {
            let source = io::Error::other(format!(
                "it is damaged ({problem}), as are {MOST_DAMAGED} set aside before; remove them"
            ));
            return StateError::Read { path, source };
        };
        match fs::rename(&self.path, &aside) {
            Ok(()) => StateError::Damaged { path, problem, aside },
            Err(source) => StateError::Read { path, source },
        }
    }

    /// Writes the state: all of it or nothing.
    ///
    /// # Errors
    ///
    /// [`StateError::Write`], for the user to know; what is in memory holds.
    pub fn save(&self, state: &State) -> Result<(), StateError> {
        self.write(state).map_err(|source| StateError::Write { path: self.path.clone(), source })
    }

    fn write(&self, state: &State) -> io::Result<()> {
        if self.keep {
            return Err(io::Error::other("the one that is there could not be read"));
        }
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o750).create(dir)?;
        let text = serde_json::to_vec_pretty(state)?;
        let new = self.path.with_file_name(format!("{NAME}.new"));
        // What a crash left, or a link that someone laid.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let written = write_new(&new, &text).and_then(|()| fs::rename(&new, &self.path));
        if written.is_err() {
            // On a full disk half a file would take what little there is.
            let _ = fs::remove_file(&new);
        }
        written?;
        File::open(dir)?.sync_all()
    }
}

/// What is in the file, and one byte more than is allowed where that is too long.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a new file and waits until the disk has it.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Rules one by one: one that is not understood is no reason to lose the others.
mod rules {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    use super::Rules;

    pub(super) fn serialize<S: Serializer>(rules: &Rules, to: S) -> Result<S::Ok, S::Error> {
        let known = rules.known.iter().map(serde_json::to_value);
        let unknown = rules.unknown.iter().cloned().map(Ok);
        let all: Result<Vec<Value>, _> = known.chain(unknown).collect();
        all.map_err(serde::ser::Error::custom)?.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Rules, D::Error> {
        let mut rules = Rules::default();
        for value in Vec::<Value>::deserialize(from)? {
            match serde_json::from_value(value.clone()) {
                Ok(rule) => rules.known.push(rule),
                Err(_) => rules.unknown.push(value),
            }
        }
        Ok(rules)
    }
}

const NAME: &str = "state.json";

/// Longest state read, in bytes: some ten thousand rules.
const LONGEST: u64 = 8 * 1024 * 1024;

/// Damaged files that are kept. With so many something else is wrong.
const MOST_DAMAGED: u32 = 20;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::request::Action;
    use crate::shell::netns_test::{isolated, sh};

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("optout-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            Self(dir)
        }

        fn with(name: &str, text: &str) -> Self {
            let dir = Self::new(name);
            fs::create_dir(&dir.0).unwrap();
            fs::write(dir.0.join(NAME), text).unwrap();
            dir
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<_> =
                entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn sample() -> State {
        let rule = UserRule {
            action: Action::Allow,
            subject: "a.example".into(),
            exact: true,
            until: Some(1_800_000_000),
            app: None,
            client: Some("192.0.2.7".into()),
            schedule: Some("night".into()),
        };
        let list = AddedList {
            minisign: vec!["RW".into()],
            ..serde_json::from_str(r#"{"place":"https://lists.example/a"}"#).unwrap()
        };
        let vendor = Vendor {
            mode: Some(Mode::Watch),
            opted_out: Some("2026-01-31".into()),
            unknown: Map::new(),
        };
        State {
            on: false,
            paused_until: Some(1_700_000_000),
            capture: Some(Capture::Full),
            rules: Rules { known: vec![rule], unknown: vec![] },
            vendors: BTreeMap::from([("oneplus".into(), vendor)]),
            lists: BTreeMap::from([("a".into(), list)]),
            list_modes: BTreeMap::from([(
                "a".into(),
                ListMode { mode: Mode::Watch, until: Some(1_800_000_000) },
            )]),
            lists_since: BTreeMap::from([("a".into(), 1_700_000_000)]),
            unknown: Map::new(),
        }
    }

    #[test]
    fn what_is_saved_is_loaded_and_nobody_else_reads_it() {
        let dir = Dir::new("state");
        let (file, state, problem) = StateFile::load(&dir.0);
        assert!(problem.is_none() && state == State::default() && state.on);
        file.save(&sample()).unwrap();
        file.save(&sample()).unwrap();
        assert_eq!(dir.names(), [NAME]);
        assert_eq!(fs::metadata(dir.0.join(NAME)).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&dir.0).unwrap().mode() & 0o777, 0o750);
        let (_, state, problem) = StateFile::load(&dir.0);
        assert!(problem.is_none());
        assert_eq!(state, sample());
    }

    #[test]
    fn what_a_newer_version_wrote_is_kept() {
        let text = r#"{
            "on": false, "colour": {"of": "the sky"},
            "rules": [
                {"action": "block", "subject": "b.example"},
                {"action": "delay", "subject": "c.example", "by": 5}
            ],
            "vendors": {"oneplus": {"mode": "off", "since": 3}}
        }"#;
        let dir = Dir::with("state-newer", text);
        let (file, state, problem) = StateFile::load(&dir.0);
        assert!(matches!(problem, Some(StateError::UnknownRules { count: 1, .. })));
        assert_eq!(state.rules.known.len(), 1);
        assert!(!state.on);
        file.save(&state).unwrap();
        let before: Value = serde_json::from_str(text).unwrap();
        let after: Value =
            serde_json::from_str(&fs::read_to_string(dir.0.join(NAME)).unwrap()).unwrap();
        assert_eq!(after["colour"], before["colour"]);
        assert_eq!(after["rules"][1], before["rules"][1]);
        assert_eq!(after["vendors"], before["vendors"]);
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_told() {
        for (n, text) in
            ["", "{", "[]", "{\"on\": 3}", "\0\0\0", "{\"vendors\": []}"].into_iter().enumerate()
        {
            let dir = Dir::with(&format!("state-damaged-{n}"), text);
            let (file, state, problem) = StateFile::load(&dir.0);
            let said = problem.expect("a problem").to_string();
            assert!(said.contains("damaged") && !said.contains('\n'), "{said}");
            assert_eq!(state, State::default());
            assert_eq!(dir.names(), ["state.json.damaged-1"]);
            file.save(&state).unwrap();
            fs::write(dir.0.join(NAME), text).unwrap();
            let _ = StateFile::load(&dir.0);
            assert_eq!(dir.names(), ["state.json.damaged-1", "state.json.damaged-2"]);
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_replaced() {
        let dir = Dir::new("state-unreadable");
        fs::create_dir_all(dir.0.join(NAME)).unwrap();
        let (file, _, problem) = StateFile::load(&dir.0);
        assert!(matches!(problem, Some(StateError::Read { .. })));
        let said = file.save(&sample()).unwrap_err().to_string();
        assert!(
            said.contains("what you changed is in force, but lost at the next start"),
            "{said}"
        );
        assert_eq!(dir.names(), [NAME]);
    }

    #[test]
    fn a_full_disk_leaves_the_old_state_and_is_told() {
        isolated("shell::state::tests::a_full_disk_leaves_the_old_state_and_is_told", || {
            let dir = Dir::new("state-full");
            fs::create_dir(&dir.0).unwrap();
            sh(&format!("mount -t tmpfs -o size=16k tmpfs {}", dir.0.display()));
            let (file, _, _) = StateFile::load(&dir.0);
            file.save(&sample()).unwrap();
            // What is left of the 16 KiB, and no more.
            let mut filler = File::create(dir.0.join("filler")).unwrap();
            while filler.write_all(&[0; 512]).is_ok() {}
            drop(filler);
            let error = file.save(&State::default()).unwrap_err().to_string();
            assert!(error.contains("No space left on device"), "{error}");
            assert_eq!(dir.names(), ["filler", NAME]);
            assert_eq!(StateFile::load(&dir.0).1, sample());
            sh(&format!("umount {}", dir.0.display()));
        });
    }
}
