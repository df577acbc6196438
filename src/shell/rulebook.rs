//! The rules in force: what configuration, lists and the user's state add up to.
//!
//! The only way from a configuration file to rules. The daemon takes it at the
//! start and on a reload, the command line to check a configuration and to judge
//! without the daemon, so all of them find the same things wrong.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::config::{Config, ConfigError, ListSource, Place};
use crate::core::catalog;
use crate::core::policy::{self, Policy, UserRule};
use crate::core::time::Instant;
use crate::core::verdict::Mode;
use crate::request;
use crate::shell::clock;
use crate::shell::config_file::{self, ConfigFileError, DEFAULT_PATH};
use crate::shell::list_sources;
use crate::shell::lists::original::Originals;
use crate::shell::lists::{self, Compiled, Input, ListError};
use crate::shell::schedules::Schedules;
use crate::shell::state::State;
use crate::shell::subscriptions::Store;

/// Lists as they were compiled, from which policies are made quickly.
#[derive(Debug)]
pub struct Rulebook {
    compiled: Compiled,
    /// Every list there is, the ones that are off too.
    sources: Vec<ListSource>,
    /// The lists in the compiled rules, in their order, after the packs.
    inputs: Vec<Input>,
    /// What keeps a list from being in use.
    problems: Vec<String>,
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
    /// The rules could not be put together at all.
    #[error("cannot put the lists together: {0}; free some space in the state directory")]
    Compile(#[source] io::Error),
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
    /// Reads the configuration as [`config_file::load`] does, and takes the rules of
    /// its lists and of those that the user added.
    ///
    /// # Errors
    ///
    /// [`RulebookError`].
    pub fn load(named: Option<&Path>) -> Result<(Config, Self), RulebookError> {
        let config = Self::config(named)?;
        let state = State::look(&config.state_dir).unwrap_or_default();
        let rulebook = Self::read(&config, named, &state, || {})?;
        Ok((config, rulebook))
    }

    /// Reads the configuration alone.
    ///
    /// # Errors
    ///
    /// [`RulebookError::File`] and [`RulebookError::Vendor`].
    pub fn config(named: Option<&Path>) -> Result<Config, RulebookError> {
        let config = config_file::load(named)?;
        let vendors: Vec<_> = catalog::EMBEDDED.iter().map(|packed| packed.key).collect();
        config.check_vendors(&vendors).map_err(|error| RulebookError::Vendor {
            path: named.unwrap_or(Path::new(DEFAULT_PATH)).to_path_buf(),
            error,
        })?;
        Ok(config)
    }

    /// Takes the rules of all lists; `compiling` is called if they must be compiled.
    ///
    /// A file that the configuration names must be there: who believes to be protected
    /// by a list that is not there is not. What was added or comes over the network
    /// is left out with a problem, for the rest protects all the same.
    ///
    /// # Errors
    ///
    /// [`RulebookError::List`] and [`RulebookError::Compile`].
    pub fn read(
        config: &Config,
        named: Option<&Path>,
        state: &State,
        mut compiling: impl FnMut(),
    ) -> Result<Self, RulebookError> {
        let (sources, mut problems) = list_sources::all(config, state);
        let store = Store::at(&config.state_dir);
        let wall = clock::wall_seconds();
        let on = |source: &&ListSource| list_sources::mode(source, state, wall).0 != Mode::Off;
        let mut inputs = Vec::new();
        for source in sources.iter().filter(on) {
            match input(source, &store) {
                Ok(input) => inputs.push(input),
                Err(why) => problems.push(why),
            }
        }
        loop {
            let (n, error) = match lists::load(&inputs, &config.state_dir, &mut compiling) {
                Ok(compiled) => {
                    problems.extend(compiled.problem.clone());
                    return Ok(Self { compiled, sources, inputs, problems });
                }
                Err((_, ListError::Compile(error))) => return Err(RulebookError::Compile(error)),
                Err(failed) => failed,
            };
            let source = inputs.remove(n).source;
            if matches!(source.place, Place::Path(_)) && config.lists.contains(&source) {
                let path = named.unwrap_or(Path::new(DEFAULT_PATH)).to_path_buf();
                return Err(RulebookError::List { path, line: source.line, error });
            }
            match healed(&source, &store) {
                Some((input, why)) => {
                    inputs.insert(n, input);
                    problems.push(why);
                }
                None => problems.push(format!("list {:?} is not in use: {error}", source.name)),
            }
        }
    }

    /// When each list was changed, in the order of [`Policy::lists`].
    #[must_use]
    pub fn changed(&self) -> Vec<Option<i64>> {
        let packs = self.compiled.rules.lists().len().saturating_sub(self.inputs.len());
        let files = self.inputs.iter().map(|input| input.changed);
        std::iter::repeat_n(None, packs).chain(files).collect()
    }

    /// Every list there is, those that are off or not there yet too.
    #[must_use]
    pub fn sources(&self) -> &[ListSource] {
        &self.sources
    }

    /// What keeps a list from being in use, or the rules from being kept.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Finds lines as they were written, of lists and packs. It reads files, so it is
    /// not for the daemon's loop.
    #[must_use]
    pub fn originals(&self) -> Originals {
        Originals::new(
            self.inputs.iter().map(|input| (input.source.name.clone(), input.text.clone())),
        )
    }

    /// Gives the memory back that is only needed to confirm a verdict; it returns by
    /// itself where it is needed.
    pub fn let_go(&self) {
        if let Some(mapping) = &self.compiled.mapping {
            mapping.let_go(&self.compiled.rules.cold());
        }
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
        let mut builder = Policy::builder(Arc::clone(&self.compiled.rules))
            .mode(config.mode)
            .strict(config.strict)
            .block_answer(config.block_answer)
            .canaries(config.canaries)
            .devices(config.devices.iter().cloned())
            .user_rules(user);
        let mut change = None;
        for list in &self.sources {
            let (mode, until) = list_sources::mode(list, state, wall);
            let left = until.map(|until| until.saturating_sub(wall).max(0).unsigned_abs());
            let then = left.map(|left| now + Duration::from_secs(left));
            change = [change, then].into_iter().flatten().min();
            builder =
                builder.list_mode(&list.name, mode).list_limits(&list.name, list.limits.clone());
        }
        let configured = config.vendors.iter().map(|(key, mode)| (key, mode.value));
        let chosen = state.vendors.iter().filter_map(|(key, vendor)| Some((key, vendor.mode?)));
        for (key, mode) in configured.chain(chosen) {
            builder = builder.vendor(key, mode);
        }
        (Arc::new(at_this_time(builder, config, now, change).build()), problems)
    }
}

/// The text that a list is read from; why there is none.
fn input(source: &ListSource, store: &Store) -> Result<Input, String> {
    let source = source.clone();
    match &source.place {
        Place::Path(path) => {
            let time = path.metadata().and_then(|meta| meta.modified()).ok();
            let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let changed = since.and_then(|since| i64::try_from(since.as_secs()).ok());
            Ok(Input { text: path.clone(), source, changed })
        }
        Place::Url(_) => {
            let id = source.id.parse().map_err(|error| format!("{:?}: {error}", source.name))?;
            match store.in_force(&id) {
                Ok(Some((text, changed))) => Ok(Input { source, text, changed }),
                Ok(None) => Err(format!(
                    "list {:?} has not been fetched yet; it is when the network is there, or with \
                     `optout lists update`",
                    source.name
                )),
                Err(error) => Err(error.to_string()),
            }
        }
    }
}

/// The version before a damaged one, and what to tell the user.
fn healed(source: &ListSource, store: &Store) -> Option<(Input, String)> {
    let id = source.id.parse().ok()?;
    let said = store.heal(&id, clock::wall_seconds()).ok()??;
    Some((input(source, store).ok()?, said))
}

/// Tells the policy which schedules hold now, and when to make it anew: when one of
/// them changes, or at `change`. Where nothing is limited to a schedule nobody is
/// woken for one.
fn at_this_time(
    builder: policy::Builder,
    config: &Config,
    now: Instant,
    change: Option<Instant>,
) -> policy::Builder {
    let all = config.schedules.iter().map(|(name, schedule)| (name.as_str(), schedule));
    let used: Vec<_> = all.filter(|(name, _)| builder.uses_schedule(name)).collect();
    if used.is_empty() {
        return builder.next_change(change);
    }
    let (schedules, wall) = (Schedules::new(used, TimeZone::system()), Timestamp::now());
    let next = schedules.until_change(wall).map(|left| now + left.min(LOOK_AGAIN));
    let next = [next, change].into_iter().flatten().min();
    builder.schedules(schedules.active(wall)).next_change(next)
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
    use crate::shell::state::ListMode;

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
                "DIR/optout.toml:5: DIR/page cannot be used as a list: it is a web page",
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
        let mut state = State::default();
        state.rules.known = rules;
        let config = Config::parse(&format!("state_dir = '/nowhere'\n{text}")).unwrap();
        let book = Rulebook::read(&config, None, &state, || {}).unwrap();
        book.policy(&config, &state)
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
    fn a_mode_for_a_while_ends_by_itself() {
        let text = "[[lists]]\nurl = 'https://lists.example/a'\nname = 'a'\n";
        let config = Config::parse(&format!("state_dir = '/nowhere'\n{text}")).unwrap();
        let mut state = State::default();
        let mut ends = |mode: Option<ListMode>| {
            state.list_modes = mode.into_iter().map(|mode| ("a".into(), mode)).collect();
            let book = Rulebook::read(&config, None, &state, || {}).unwrap();
            let now = clock::now();
            book.policy(&config, &state).0.next_end(now).map(|then| then.since(now).as_secs())
        };
        let until = |seconds| Some(clock::wall_seconds() + seconds);
        assert_eq!(ends(None), None);
        assert_eq!(ends(Some(ListMode { mode: Mode::Off, until: None })), None);
        let left = ends(Some(ListMode { mode: Mode::Off, until: until(100) })).unwrap();
        assert!((98..=100).contains(&left), "{left}");
        assert_eq!(ends(Some(ListMode { mode: Mode::Off, until: until(-1) })), None);
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
