//! The rules in force: what configuration, lists and the user's state add up to.
//!
//! The only way from a configuration file to rules. The daemon takes it at the
//! start and on a reload, the command line to check a configuration and to judge
//! without the daemon, so all of them find the same things wrong.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::config::{Config, ConfigError};
use crate::core::catalog;
use crate::core::policy::{self, Policy, UserRule};
use crate::core::time::Instant;
use crate::request;
use crate::shell::clock;
use crate::shell::config_file::{self, ConfigFileError, DEFAULT_PATH};
use crate::shell::lists::{self, ListError, Loaded};
use crate::shell::schedules::Schedules;
use crate::shell::state::State;

/// Lists as they were read, from which policies are made quickly.
#[derive(Debug)]
pub struct Rulebook {
    loaded: Loaded,
}

/// Why there are no rules: one line, exit code 2. On a reload the old ones stay
/// in use.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RulebookError {
    /// The configuration alone is wrong already.
    #[error(transparent)]
    File(#[from] ConfigFileError),
    /// It sets a mode for a vendor that is not in the catalogue.
    #[error("{}:{error}", path.display())]
    Vendor {
        /// The configuration file.
        path: PathBuf,
        /// What is wrong, with its line.
        error: ConfigError,
    },
    /// It names a list that cannot be used.
    #[error("{}:{line}: {error}", path.display())]
    List {
        /// The configuration file.
        path: PathBuf,
        /// The line that names the list, counted from 1.
        line: u32,
        /// What is wrong with the list.
        error: ListError,
    },
}

impl Rulebook {
    /// Reads the configuration as [`config_file::load`] does, and every list
    /// that it names.
    ///
    /// # Errors
    ///
    /// [`RulebookError`].
    pub fn load(named: Option<&Path>) -> Result<(Config, Self), RulebookError> {
        let config = config_file::load(named)?;
        let path = || named.unwrap_or(Path::new(DEFAULT_PATH)).to_path_buf();
        let vendors: Vec<_> = catalog::EMBEDDED.iter().map(|&(key, _)| key).collect();
        config
            .check_vendors(&vendors)
            .map_err(|error| RulebookError::Vendor { path: path(), error })?;
        let loaded = lists::load(&config.lists).map_err(|(list, error)| RulebookError::List {
            path: path(),
            line: list.line,
            error,
        })?;
        Ok((config, Self { loaded }))
    }

    /// When each list was changed, in the order of [`Policy::lists`].
    #[must_use]
    pub fn changed(&self) -> &[Option<i64>] {
        &self.loaded.changed
    }

    /// The policy of now, and the user's rules in `state` that make no sense.
    #[must_use]
    pub fn policy(&self, config: &Config, state: &State) -> (Arc<Policy>, Vec<String>) {
        let mut problems = Vec::new();
        let allow = config.allow.iter().map(|subject| (true, subject));
        let block = config.block.iter().map(|subject| (false, subject));
        let mut user: Vec<_> = allow
            .chain(block)
            .map(|(allow, subject)| UserRule::about(allow, subject.value.clone()))
            .collect();
        let (now, wall) = (clock::now(), clock::wall_seconds());
        for rule in &state.rules.known {
            match user_rule(rule, now, wall) {
                Ok(Some(made)) => {
                    problems.extend(unknown_schedule(rule, config));
                    user.push(made);
                }
                Ok(None) => {}
                Err(error) => problems.push(error),
            }
        }
        let mut builder = Policy::builder(Arc::clone(&self.loaded.rules))
            .mode(config.mode)
            .strict(config.strict)
            .block_answer(config.block_answer)
            .canaries(config.canaries)
            .devices(config.devices.iter().cloned())
            .user_rules(user);
        for list in &config.lists {
            builder = builder.list_limits(&list.name, list.limits.clone());
        }
        let configured = config.vendors.iter().map(|(key, mode)| (key, mode.value));
        let chosen = state.vendors.iter().filter_map(|(key, vendor)| Some((key, vendor.mode?)));
        for (key, mode) in configured.chain(chosen) {
            builder = builder.vendor(key, mode);
        }
        (Arc::new(at_this_time(builder, config, now).build()), problems)
    }
}

/// Tells the policy which schedules hold now, and when to make it anew. Where
/// nothing is limited to a schedule nobody is woken for one.
fn at_this_time(builder: policy::Builder, config: &Config, now: Instant) -> policy::Builder {
    let all = config.schedules.iter().map(|(name, schedule)| (name.as_str(), schedule));
    let used: Vec<_> = all.filter(|(name, _)| builder.uses_schedule(name)).collect();
    if used.is_empty() {
        return builder;
    }
    let (schedules, wall) = (Schedules::new(used, TimeZone::system()), Timestamp::now());
    let change = schedules.until_change(wall).map(|left| now + left.min(LOOK_AGAIN));
    builder.schedules(schedules.active(wall)).next_change(change)
}

/// What is wrong with a rule for a time that the configuration does not know.
fn unknown_schedule(rule: &request::UserRule, config: &Config) -> Option<String> {
    let name = rule.schedule.as_ref().filter(|name| !config.schedules.contains_key(*name))?;
    Some(format!(
        "your rule for {:?} never holds: [schedules] has no {name:?}; add it, or remove the rule",
        rule.subject
    ))
}

/// How long a schedule is trusted: a clock may be set, and sleep may be longer
/// than it seemed.
const LOOK_AGAIN: Duration = Duration::from_mins(15);

/// The rule as core knows it; `None` if its time is over.
///
/// # Errors
///
/// One line for the user: why it can be no rule.
pub fn user_rule(
    rule: &request::UserRule,
    now: Instant,
    wall: i64,
) -> Result<Option<UserRule>, String> {
    let until = match rule.until {
        None => Instant::NEVER,
        Some(until) if until <= wall => return Ok(None),
        Some(until) => now + Duration::from_secs(until.saturating_sub(wall).unsigned_abs()),
    };
    let allow = rule.action == request::Action::Allow;
    let client = rule.client.as_deref().map(str::parse).transpose();
    let client = client.map_err(|_| {
        format!("{:?} is not a client's address; `optout log` shows them", rule.client)
    })?;
    UserRule::new(allow, &rule.subject, rule.exact)
        .and_then(|made| made.only_for(rule.app.as_deref(), client))
        .map(|made| Some(made.until(until).during(rule.schedule.as_deref())))
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::core::flow::Client;
    use crate::core::verdict::Verdict;

    /// What is said of this configuration, with its directory as `DIR`.
    fn said(name: &str, text: &str) -> Result<Config, String> {
        let dir = std::env::temp_dir().join(format!("optout-book-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("optout.toml");
        let shown = dir.display().to_string();
        fs::write(dir.join("good"), "a.example\n").unwrap();
        fs::write(dir.join("page"), "<html>\n").unwrap();
        fs::write(&path, text.replace("DIR", &shown)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let loaded = Rulebook::load(Some(&path));
        fs::remove_dir_all(&dir).unwrap();
        loaded.map(|(config, _)| config).map_err(|error| error.to_string().replace(&shown, "DIR"))
    }

    #[test]
    fn what_a_configuration_names_must_be_there() {
        let good = "[[lists]]\npath = 'DIR/good'\n";
        for (name, text, want) in [
            (
                "gone",
                "[[lists]]\npath = 'DIR/gone'\n",
                "DIR/optout.toml:2: cannot read list DIR/gone",
            ),
            (
                "page",
                "[[lists]]\npath = 'DIR/good'\n[[lists]]\n\npath = 'DIR/page'\n",
                "DIR/optout.toml:5: list DIR/page has no rule",
            ),
            (
                "vendor",
                "[vendors]\noneplsu = 'off'\n",
                "DIR/optout.toml:2: unknown vendor \"oneplsu\"; did you mean \"oneplus\"?",
            ),
            ("subject", "\nallow = ['a b']\n", "DIR/optout.toml:2: \"allow\" cannot hold \"a b\""),
        ] {
            let said = said(name, text).unwrap_err();
            assert!(said.starts_with(want), "{said}");
        }
        assert_eq!(said("good", good).unwrap().lists.len(), 1);
        let url = "[[lists]]\nurl = 'https://lists.example/a'\n";
        assert!(said("url", url).is_ok(), "what is fetched need not be there yet");
        assert!(said("off", "[[lists]]\npath = '/nowhere'\nmode = 'off'\n").is_ok());
    }

    /// The policy that a configuration makes of the packs and these rules of the user's.
    fn policy(text: &str, rules: Vec<request::UserRule>) -> (Arc<Policy>, Vec<String>) {
        let book = Rulebook { loaded: lists::load(&[]).unwrap() };
        let mut state = State::default();
        state.rules.known = rules;
        book.policy(&Config::parse(text).unwrap(), &state)
    }

    fn rule(schedule: Option<&str>) -> request::UserRule {
        request::UserRule {
            action: request::Action::Block,
            subject: "a.example".into(),
            exact: false,
            until: None,
            app: None,
            client: None,
            schedule: schedule.map(Into::into),
        }
    }

    fn is_blocked(policy: &Policy) -> bool {
        let verdict = policy.judge(clock::now(), "a.example", &Client::Host(None));
        matches!(verdict, Verdict::Block(_))
    }

    #[test]
    fn a_rule_holds_while_its_schedule_does() {
        let text = "[schedules]\nalways = ['0:00-24:00']\nnever = []\n";
        assert!(is_blocked(&policy(text, vec![rule(Some("always"))]).0));
        assert!(!is_blocked(&policy(text, vec![rule(Some("never"))]).0));
        let (policy, problems) = policy(text, vec![rule(Some("nihgt"))]);
        assert!(!is_blocked(&policy));
        assert!(problems[0].contains("[schedules] has no \"nihgt\""), "{problems:?}");
    }

    #[test]
    fn nobody_is_woken_for_a_schedule_that_nothing_uses() {
        // At least one of both is to change within a day.
        let text = "[schedules]\nmorning = ['0:00-12:00']\nevening = ['12:00-24:00']\n";
        let now = clock::now();
        assert_eq!(policy(text, vec![rule(None)]).0.next_end(now), None);
        let (policy, problems) = policy(text, vec![rule(Some("morning"))]);
        let change = policy.next_end(now).unwrap();
        assert!(change.since(clock::now()) <= LOOK_AGAIN, "clocks may be set");
        assert_eq!(problems, [""; 0]);
    }
}
