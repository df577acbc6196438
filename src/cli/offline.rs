//! What commands know without the daemon: the configuration, the lists, the
//! catalogue and the state, read from where the daemon reads them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::cli::Wrong;
use crate::config::{Config, ListSource, Place};
use crate::core::catalog::{self, Subject};
use crate::core::policy::Policy;
use crate::core::prefix::Prefix;
use crate::core::rules::{Kind, List};
use crate::core::verdict::Mode;
use crate::request::{Explanation, ListLine};
use crate::shell::config_file::{self, DEFAULT_PATH};
use crate::shell::control::{SOCKET, explain};
use crate::shell::doctor::Ours;
use crate::shell::lists::original::Originals;
use crate::shell::lists::{self, Input, ListError};
use crate::shell::rulebook::Rulebook;
use crate::shell::state::State;
use crate::shell::subscriptions::{Record, Schedule, Store};
use crate::shell::{clock, list_lines};

/// The control socket that the configuration names. What is wrong with the
/// configuration is not said here: the socket may be there all the same.
pub(super) fn socket_path() -> PathBuf {
    config_file::load(None).map_or_else(|_| SOCKET.into(), |config| config.control_socket)
}

/// Reads a configuration and every list that it names, as the daemon would at
/// its start. `Ok` has one line a list; `Err` the one line with file, line and
/// remedy.
pub(super) fn check_config(named: Option<&Path>) -> Result<Vec<String>, String> {
    let (config, rulebook) = Rulebook::load(named).map_err(|error| error.to_string())?;
    let (policy, _) = rulebook.policy(&config, &State::default());
    let in_use = policy.lists().filter_map(|(list, mode)| {
        let Kind::File(format) = list.kind else { return None };
        let (rules, ignored) = (list.rules(), list.ignored);
        let mode = if mode == Mode::Enforce { String::new() } else { format!(", only {mode}") };
        let name = &list.name;
        Some(format!("{name}: {}, {rules} rules, {ignored} lines ignored{mode}", format.as_str()))
    });
    let off = config.lists.iter().filter(|list| list.mode == Mode::Off);
    Ok(in_use.chain(off.map(|list| format!("{}: off, not read", list.name))).collect())
}

/// The file that [`check_config`] read, or that there is none.
pub(super) fn what_was_read(named: Option<&Path>) -> String {
    let path = named.unwrap_or(Path::new(DEFAULT_PATH));
    if named.is_none() && !path.exists() {
        return format!("There is no {}: the defaults hold, and are sound.", path.display());
    }
    format!("{} is sound.", path.display())
}

/// A verdict without the daemon, and what it could not rest on, if anything.
pub(super) struct Offline {
    pub(super) explanation: Explanation,
    pub(super) missing: Option<String>,
}

/// A list that was named on the command line, and what it was read as.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct ReadList {
    pub(super) file: PathBuf,
    pub(super) format: String,
    pub(super) subdomains: bool,
    pub(super) rules: u32,
}

/// Judges by these files alone: without the catalogue, the configuration and the
/// user's own rules. What a list may not say holds nothing here either.
pub(super) fn explain_by_files(
    files: &[PathBuf],
    subject: &str,
    app: Option<&str>,
    client: Option<&str>,
) -> anyhow::Result<(Explanation, Vec<ReadList>)> {
    let subject = subject.parse()?;
    let client = explain::client_of(app, client)?;
    let mut inputs: Vec<Input> = Vec::with_capacity(files.len());
    for file in files {
        if inputs.iter().all(|input| input.text != *file) {
            let name = file.display().to_string();
            let source = ListSource::new(Place::Path(file.clone()), &name);
            inputs.push(Input { source, text: file.clone(), changed: None });
        }
    }
    let rules = lists::alone(&inputs).map_err(|(_, error)| match error {
        ListError::Read { .. } => anyhow::Error::from(Wrong(error.to_string())),
        _ => error.into(),
    })?;
    let rules = Arc::new(rules);
    let read = |(list, input): (&List, &Input)| ReadList {
        file: input.text.clone(),
        format: match &list.kind {
            Kind::File(format) => format.as_str().into(),
            Kind::Pack(_) => "pack".into(),
        },
        subdomains: list.subdomains,
        rules: list.rules(),
    };
    let lists = rules.lists().iter().zip(&inputs).map(read).collect();
    let policy = Policy::builder(rules).build();
    let mut explanation = explain::explain(&policy, clock::now(), &subject, &client);
    let texts = inputs.into_iter().map(|input| (input.source.name, input.text));
    explain::quote(&mut explanation, &Originals::new(texts));
    Ok((explanation, lists))
}

/// Lists as the configuration and the state on disk have them, and what could not
/// be read of that.
pub(super) fn lists_offline() -> anyhow::Result<(Vec<ListLine>, Option<String>)> {
    let (config, rulebook) = Rulebook::load(None).map_err(|error| Wrong(error.to_string()))?;
    let (state, missing) = state_of(&config);
    let (policy, _) = rulebook.policy(&config, &state);
    let store = Store::at(&config.state_dir);
    let record = |list: &ListSource| store.record(&list.id.parse().ok()?).ok()?;
    // Without the number that tells a daemon from others: right to a tenth of the time.
    let schedule = Schedule::new(0);
    let wait = |record: &Record| schedule.wait(record, clock::now(), clock::wall_seconds());
    Ok((list_lines::all(&rulebook, &policy, &state, &record, &wait), missing))
}

/// The user's state, or none and why.
fn state_of(config: &Config) -> (State, Option<String>) {
    let dir = &config.state_dir;
    match State::look(dir) {
        Ok(state) => (state, None),
        Err(error) => {
            let dir = dir.display();
            let why = format!("Your own rules in {dir} could not be read: {error}.");
            (State::default(), Some(why))
        }
    }
}

/// Judges by the built-in catalogue, the configuration with its lists, and the
/// user's own rules where the state can be read.
pub(super) fn explain_offline(
    named: Option<&Path>,
    subject: &str,
    app: Option<&str>,
    client: Option<&str>,
) -> anyhow::Result<Offline> {
    let subject = subject.parse()?;
    let client = explain::client_of(app, client)?;
    let (config, rulebook) = Rulebook::load(named).map_err(|error| Wrong(error.to_string()))?;
    let (state, missing) = state_of(&config);
    let (policy, _) = rulebook.policy(&config, &state);
    let mut explanation = explain::explain(&policy, clock::now(), &subject, &client);
    explain::quote(&mut explanation, &rulebook.originals());
    Ok(Offline { explanation, missing })
}

/// The policy as the daemon would have it, by what is on disk, and what could not
/// be read of that.
pub(super) fn policy(named: Option<&Path>) -> anyhow::Result<(Arc<Policy>, Option<String>)> {
    let (config, rulebook) = Rulebook::load(named).map_err(|error| Wrong(error.to_string()))?;
    let (state, missing) = state_of(&config);
    let (policy, _) = rulebook.policy(&config, &state);
    Ok((policy, missing))
}

/// Where known encrypted resolvers are: the addresses of the pack `bypass`.
pub(super) fn encrypted_resolvers() -> Vec<Prefix> {
    let entries = catalog::pack("bypass").map(|pack| pack.entries).unwrap_or_default();
    let prefix = |subject| match subject {
        Subject::Prefix(prefix) => Some(prefix),
        Subject::Host { .. } => None,
    };
    entries.into_iter().filter_map(|entry| prefix(entry.subject)).collect()
}

/// What the configuration reserves for us in the kernel's routing.
pub(super) fn ours() -> Ours {
    config_file::load(None).map_or_else(|_| Ours::default(), |config| Ours::of(&config))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::core::event::Outcome;

    /// A configuration with a state and a list beside it; goes with the value.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, config: &str, state: &str) -> Self {
            let dir =
                std::env::temp_dir().join(format!("optout-off-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            let text = config.replace("DIR", &dir.display().to_string());
            fs::write(dir.join("list"), "a.example\nb.example\nodd line\n").unwrap();
            fs::write(dir.join("optout.toml"), text).unwrap();
            fs::write(dir.join("state.json"), state).unwrap();
            let mode = fs::Permissions::from_mode(0o644);
            fs::set_permissions(dir.join("optout.toml"), mode).unwrap();
            Self(dir)
        }

        fn config(&self) -> PathBuf {
            self.0.join("optout.toml")
        }

        fn judge(&self, subject: &str) -> Offline {
            explain_offline(Some(&self.config()), subject, None, None).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_sound_configuration_is_told_list_by_list() {
        let text = "[[lists]]\npath = 'DIR/list'\n[[lists]]\npath = 'DIR/list'\nname = 'again'\n\
                    mode = 'watch'\n[[lists]]\npath = '/nowhere'\nmode = 'off'\n";
        let folder = Folder::new("lists", text, "{}");
        let want = [
            "list: domains, 2 rules, 1 lines ignored",
            "again: domains, 2 rules, 1 lines ignored, only watch",
            "nowhere: off, not read",
        ];
        assert_eq!(check_config(Some(&folder.config())).unwrap(), want);
    }

    #[test]
    fn configuration_lists_and_state_judge_together() {
        let text = "state_dir = 'DIR'\nblock = ['c.example']\n[[lists]]\npath = 'DIR/list'\n\
                    [vendors]\noneplus = 'watch'\n";
        let state = r#"{"rules":[{"action":"allow","subject":"b.example","exact":false}]}"#;
        let folder = Folder::new("judge", text, state);
        for (subject, want) in [
            ("a.example", Outcome::Blocked),
            ("b.example", Outcome::Passed),
            ("c.example", Outcome::Blocked),
            ("open.oneplus.net", Outcome::Watched),
            ("d.example", Outcome::Passed),
        ] {
            let Offline { explanation, missing } = folder.judge(subject);
            assert_eq!((explanation.outcome, missing), (want, None), "{subject}");
        }
    }

    #[test]
    fn a_line_of_a_list_is_quoted_without_the_daemon_too() {
        let text = "state_dir = 'DIR'\n[[lists]]\npath = 'DIR/list'\nformat = 'domains'\n";
        let folder = Folder::new("quote", text, "{}");
        fs::write(folder.0.join("list"), "# one\nA.example. # why\n").unwrap();
        let explanation = folder.judge("a.example").explanation;
        assert_eq!(explanation.rules[0].original.as_deref(), Some("A.example. # why"));
    }

    /// What these texts, as files of these names, say about a subject.
    fn by_files(
        name: &str,
        texts: &[(&str, &str)],
        subject: &str,
    ) -> anyhow::Result<(Explanation, Vec<ReadList>)> {
        let folder = Folder::new(name, "", "");
        let file = |(file, text): &(&str, &str)| {
            let path = folder.0.join(file);
            fs::write(&path, text).unwrap();
            path
        };
        let files: Vec<_> = texts.iter().map(file).collect();
        explain_by_files(&files, subject, None, None)
    }

    #[test]
    fn files_alone_judge_each_in_its_format() {
        let texts = [
            ("block", "! Title: B\n||t.example^\n||u.example^$important\n"),
            ("except", "[Adblock Plus]\n@@||t.example^\n@@||u.example^\n"),
            ("hosts", "0.0.0.0 t.example\n0.0.0.0 v.example\n"),
        ];
        for (subject, outcome, rules) in [
            ("t.example", Outcome::Passed, 3),
            ("u.example", Outcome::Blocked, 2),
            ("v.example", Outcome::Blocked, 1),
            ("below.v.example", Outcome::Passed, 0),
            ("open.oneplus.net", Outcome::Passed, 0),
        ] {
            let (explanation, lists) = by_files("alone", &texts, subject).unwrap();
            let formats: Vec<_> = lists.iter().map(|l| (l.format.as_str(), l.rules)).collect();
            assert_eq!(formats, [("adblock", 2), ("adblock", 2), ("hosts", 2)]);
            assert_eq!(
                (explanation.outcome, explanation.rules.len()),
                (outcome, rules),
                "{subject}"
            );
        }
        let (explanation, _) = by_files("alone", &texts, "u.example").unwrap();
        let first = &explanation.rules[0];
        assert!(first.rule.list.ends_with("/block"), "{first:?}");
        assert_eq!((first.rule.line, first.important), (3, true));
        assert_eq!(first.original.as_deref(), Some("||u.example^$important"));
    }

    #[test]
    fn a_file_that_is_named_twice_is_read_once() {
        let texts = [("one", "a.example\nb.example\n"), ("one", "a.example\nb.example\n")];
        let (explanation, lists) = by_files("twice", &texts, "a.example").unwrap();
        assert_eq!((explanation.rules.len(), lists.len()), (1, 1));
    }

    #[test]
    fn a_file_that_is_not_there_is_wrong_usage_and_a_page_is_none() {
        let gone = explain_by_files(&["/nowhere/list".into()], "a.example", None, None);
        assert!(gone.unwrap_err().is::<Wrong>());
        let page = by_files("page", &[("page", "<html>\n")], "a.example").unwrap_err();
        assert!(!page.is::<Wrong>() && page.to_string().contains("cannot be used"), "{page}");
    }

    #[test]
    fn a_state_that_makes_no_sense_is_said_and_left_where_it_is() {
        let folder = Folder::new("state", "state_dir = 'DIR'\n", "{");
        let missing = folder.judge("open.oneplus.net").missing.unwrap();
        assert!(missing.starts_with("Your own rules in "), "{missing}");
        assert_eq!(fs::read_to_string(folder.0.join("state.json")).unwrap(), "{");
    }

    #[test]
    fn the_best_known_resolvers_are_known() {
        let known = encrypted_resolvers();
        for address in ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"] {
            let address = address.parse().unwrap();
            assert!(known.iter().any(|prefix| prefix.contains(address)), "{address}");
        }
    }
}
