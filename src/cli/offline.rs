//! What commands know without the daemon: the configuration, the lists, the
//! catalogue and the state, read from where the daemon reads them.

use std::path::{Path, PathBuf};

use crate::cli::Wrong;
use crate::core::catalog::{self, Subject};
use crate::core::prefix::Prefix;
use crate::core::rules::Kind;
use crate::core::verdict::Mode;
use crate::request::Explanation;
use crate::shell::clock;
use crate::shell::config_file::{self, DEFAULT_PATH};
use crate::shell::control::{SOCKET, explain};
use crate::shell::doctor::Ours;
use crate::shell::rulebook::Rulebook;
use crate::shell::state::State;

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
    let dir = &config.state_dir;
    let state = State::look(dir);
    let missing = state
        .as_ref()
        .err()
        .map(|error| format!("Your own rules in {} could not be read: {error}.", dir.display()));
    let (policy, _) = rulebook.policy(&config, &state.unwrap_or_default());
    let explanation = explain::explain(&policy, clock::now(), &subject, &client);
    Ok(Offline { explanation, missing })
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
