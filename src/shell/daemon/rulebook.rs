//! The rules in force: what configuration, lists and the user's state add up to.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, ListFormat};
use crate::core::list::Format;
use crate::core::policy::{Policy, UserRule};
use crate::core::time::Instant;
use crate::request;
use crate::shell::clock;
use crate::shell::lists::{self, ListSource, Loaded};
use crate::shell::state::State;

/// Lists as they were read, from which policies are made quickly.
pub(super) struct Rulebook {
    loaded: Loaded,
}

impl Rulebook {
    /// Reads the packs and the lists that `config` names.
    pub(super) fn read(config: &Config) -> Self {
        let sources: Vec<_> = config.lists.iter().map(source).collect();
        Self { loaded: lists::load(&sources) }
    }

    /// The lists that are not in use, and why.
    pub(super) fn problems(&self) -> Vec<String> {
        self.loaded.problems.iter().map(ToString::to_string).collect()
    }

    /// When each list was changed, in the order of [`Policy::lists`].
    pub(super) fn changed(&self) -> &[Option<i64>] {
        &self.loaded.changed
    }

    /// The policy of now, and the user's rules that make no sense.
    pub(super) fn policy(&self, config: &Config, state: &State) -> (Arc<Policy>, Vec<String>) {
        let mut problems = Vec::new();
        let mut user = Vec::new();
        let configured = [(true, &config.allow), (false, &config.block)];
        for (allow, subjects) in configured {
            for subject in subjects {
                match UserRule::new(allow, &subject.value, false) {
                    Ok(rule) => user.push(rule),
                    Err(error) => problems.push(format!("line {}: {error}", subject.line)),
                }
            }
        }
        let (now, wall) = (clock::now(), clock::wall_seconds());
        for rule in &state.rules.known {
            match user_rule(rule, now, wall) {
                Ok(Some(rule)) => user.push(rule),
                Ok(None) => {}
                Err(error) => problems.push(error),
            }
        }
        let mut builder = Policy::builder(Arc::clone(&self.loaded.rules))
            .mode(config.mode)
            .strict(config.strict)
            .block_answer(config.block_answer)
            .canaries(config.canaries)
            .user_rules(user);
        let configured = config.vendors.iter().map(|(key, mode)| (key, mode.value));
        let chosen = state.vendors.iter().filter_map(|(key, vendor)| Some((key, vendor.mode?)));
        for (key, mode) in configured.chain(chosen) {
            builder = builder.vendor(key, mode);
        }
        (Arc::new(builder.build()), problems)
    }
}

/// The rule as core knows it; `None` if its time is over.
pub(super) fn user_rule(
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
        .map(|made| Some(made.until(until)))
        .map_err(|error| error.to_string())
}

fn source(list: &crate::config::ListFile) -> ListSource {
    ListSource {
        name: Some(list.name.clone()),
        path: list.path.clone(),
        format: match list.format {
            ListFormat::Auto => None,
            ListFormat::Hosts => Some(Format::Hosts),
            ListFormat::Domains => Some(Format::Domains),
        },
        subdomains: list.subdomains,
        mode: list.mode,
    }
}
