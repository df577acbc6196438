//! The user's own rules: they come before everything else.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use super::limits::{Limit, ListLimits, Scene};
use crate::core::catalog::Action;
use crate::core::flow::{Client, Owner};
use crate::core::host::{HostName, HostNameError};
use crate::core::list::{self, Fault};
use crate::core::prefix::{Prefix, PrefixError};
use crate::core::rule::Device;
use crate::core::rules::{Builder, Hit, Kind, RuleSet, Scope};
use crate::core::time::Instant;
use crate::core::verdict::{Mode, RuleRef};

/// A rule of the user's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserRule {
    /// True: let through, whatever lists say. False: stop.
    pub allow: bool,
    /// What it is about.
    pub subject: UserSubject,
    /// When it ends by itself; [`Instant::NEVER`] if it does not.
    pub until: Instant,
    /// Only for this program.
    pub app: Option<App>,
    /// Only for this client.
    pub client: Option<IpAddr>,
    /// Only while the schedule of this name holds.
    pub schedule: Option<Arc<str>>,
}

/// What a rule of the user's own is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UserSubject {
    /// A host name.
    Host(HostName, Scope),
    /// Addresses.
    Prefix(Prefix),
}

/// A program of this host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum App {
    /// By the file name of its executable.
    Program(Arc<str>),
    /// By the user it runs as.
    Uid(u32),
}

/// Why a rule of the user's own cannot be.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum UserRuleError {
    /// What it is about is neither a name nor an address.
    #[error("{subject:?} is neither a host name nor an address: {why}")]
    Subject {
        /// As it was written.
        subject: String,
        /// Why it is not a name.
        why: HostNameError,
    },
    /// It has letters that no host name has on the wire, and none that stand for such.
    #[error("{subject:?} {why}")]
    Letters {
        /// As it was written.
        subject: String,
        /// Why it is not a name.
        why: Fault,
    },
    /// It is meant as an address or a prefix, and is none.
    #[error("{subject:?}: {why}")]
    Prefix {
        /// As it was written.
        subject: String,
        /// Why it is none.
        why: PrefixError,
    },
    /// `exact` was asked for where it means nothing.
    #[error("{0:?} cannot be exact: write the name without `*.`, or leave `exact` out")]
    Exact(String),
    /// Addresses are routed for all programs and clients at once.
    #[error(
        "a rule for the address {0} holds for every app and client: leave `app` and `client` out, or name a host"
    )]
    Narrow(Prefix),
}

impl UserRule {
    /// A rule about `subject`: a name in any script (with what is below it, unless `exact`),
    /// `*.` and a name (only what is below it), an address or a prefix.
    ///
    /// # Errors
    ///
    /// [`UserRuleError`] if it is none of these.
    pub fn new(allow: bool, subject: &str, exact: bool) -> Result<Self, UserRuleError> {
        Ok(Self::about(allow, UserSubject::parse(subject, exact)?))
    }

    /// A rule without end for everyone.
    #[must_use]
    pub fn about(allow: bool, subject: UserSubject) -> Self {
        Self { allow, subject, until: Instant::NEVER, app: None, client: None, schedule: None }
    }

    /// The rule, to end at `until`.
    #[must_use]
    pub fn until(self, until: Instant) -> Self {
        Self { until, ..self }
    }

    /// The rule, only while the schedule of this name holds, where there is one.
    #[must_use]
    pub fn during(self, schedule: Option<&str>) -> Self {
        Self { schedule: schedule.map(Into::into), ..self }
    }

    /// The rule, only for `app` (a file name or `uid:1000`) and `client`, where they are given.
    ///
    /// # Errors
    ///
    /// [`UserRuleError::Narrow`] if it is about addresses.
    pub fn only_for(
        self,
        app: Option<&str>,
        client: Option<IpAddr>,
    ) -> Result<Self, UserRuleError> {
        match self.subject {
            UserSubject::Prefix(prefix) if app.is_some() || client.is_some() => {
                Err(UserRuleError::Narrow(prefix))
            }
            _ => Ok(Self { app: app.map(App::from), client, ..self }),
        }
    }

    /// What keeps it from holding for this client, or for anybody.
    fn limit(&self, client: Option<&Client>, scene: &Scene) -> Option<Limit> {
        let for_app =
            |app: &App| matches!(client, Some(Client::Host(Some(owner))) if app.is(owner));
        let for_client =
            |it: IpAddr| matches!(client, Some(Client::Device(address)) if *address == it);
        if !scene.holds(self.schedule.as_deref()) {
            Some(Limit::Schedule)
        } else if self.app.as_ref().is_some_and(|app| !for_app(app)) {
            Some(Limit::App)
        } else if self.client.is_some_and(|it| !for_client(it)) {
            Some(Limit::Client)
        } else {
            None
        }
    }

    /// For whom and when it is, as a list might say it.
    fn limits(&self) -> ListLimits {
        ListLimits {
            clients: self.client.map(Prefix::from).map(Device::Address).into_iter().collect(),
            apps: self.app.iter().cloned().collect(),
            schedule: self.schedule.clone(),
        }
    }

    fn action(&self) -> Action {
        if self.allow { Action::Allow } else { Action::Block }
    }
}

impl UserSubject {
    fn parse(text: &str, exact: bool) -> Result<Self, UserRuleError> {
        // No name holds these, and no name is an address.
        if text.contains(['/', ':']) || text.parse::<IpAddr>().is_ok() {
            let prefix = text.parse().map(Self::Prefix);
            return prefix.map_err(|why| UserRuleError::Prefix { subject: text.into(), why });
        }
        let (name, scope) = match text.strip_prefix("*.") {
            Some(_) if exact => return Err(UserRuleError::Exact(text.into())),
            Some(name) => (name, Scope::Below),
            None if exact => (text, Scope::Exact),
            None => (text, Scope::WithSubdomains),
        };
        let subject = || text.to_owned();
        let host = if name.is_ascii() {
            name.parse().map_err(|why| UserRuleError::Subject { subject: subject(), why })
        } else {
            list::host_name(name).map_err(|why| UserRuleError::Letters { subject: subject(), why })
        };
        Ok(Self::Host(host?, scope))
    }
}

impl fmt::Display for UserSubject {
    /// As users write it; whether it is meant exactly is said apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host, Scope::Below) => write!(f, "*.{host}"),
            Self::Host(host, Scope::Exact | Scope::WithSubdomains) => host.fmt(f),
            Self::Prefix(prefix) => prefix.fmt(f),
        }
    }
}

impl FromStr for UserSubject {
    type Err = UserRuleError;

    /// Reads what [`UserRule::new`] takes: a name with what is below it.
    fn from_str(text: &str) -> Result<Self, UserRuleError> {
        Self::parse(text, false)
    }
}

impl App {
    pub(super) fn is(&self, owner: &Owner) -> bool {
        match self {
            Self::Program(name) => owner.program.as_ref() == Some(name),
            Self::Uid(uid) => owner.uid == Some(*uid),
        }
    }
}

impl From<&str> for App {
    fn from(text: &str) -> Self {
        text.strip_prefix("uid:")
            .and_then(|uid| uid.parse().ok())
            .map_or_else(|| Self::Program(text.into()), Self::Uid)
    }
}

impl From<App> for Owner {
    /// An owner of whom no more is known.
    fn from(app: App) -> Self {
        match app {
            App::Program(program) => Self { program: Some(program), ..Self::default() },
            App::Uid(uid) => Self { uid: Some(uid), ..Self::default() },
        }
    }
}

/// The user's own rules, ready to be looked up. Rule n is line n + 1.
#[derive(Debug, Default)]
pub(super) struct UserRules {
    rules: Vec<UserRule>,
    set: RuleSet,
}

impl UserRules {
    pub(super) fn new(rules: Vec<UserRule>) -> Self {
        let mut builder = Builder::default().keep_repeated();
        builder.list("", Kind::Pack("".into()), Mode::Enforce);
        for (line, rule) in (1..).zip(&rules) {
            match &rule.subject {
                UserSubject::Host(host, scope) => {
                    builder.host(line, host.as_str(), *scope, rule.action());
                }
                UserSubject::Prefix(prefix) => builder.prefix(line, *prefix, rule.action()),
            }
        }
        Self { rules, set: builder.build() }
    }

    /// Tells `found` each rule that names `host` and is not over, with what keeps
    /// it from holding for this client.
    pub(super) fn visit(
        &self,
        now: Instant,
        host: &str,
        (client, scene): (&Client, &Scene),
        mut found: impl FnMut(Hit, Option<Limit>),
    ) {
        self.set.visit(host, |hit| {
            if let Some(rule) = self.rule(hit.rule).filter(|rule| now < rule.until) {
                found(Hit { rule: at_user(hit.rule), ..hit }, rule.limit(Some(client), scene));
            }
        });
    }

    /// Tells `found` each rule that names `address` and is not over, with what
    /// keeps it from holding. None is for some clients only.
    pub(super) fn visit_address(
        &self,
        now: Instant,
        address: IpAddr,
        scene: &Scene,
        mut found: impl FnMut(Hit, Option<Limit>),
    ) {
        self.set.visit_address(address, |hit| {
            if let Some(rule) = self.rule(hit.rule).filter(|rule| now < rule.until) {
                found(Hit { rule: at_user(hit.rule), ..hit }, rule.limit(None, scene));
            }
        });
    }

    /// The prefixes of rules that hold now.
    pub(super) fn prefixes(&self, now: Instant, scene: &Scene) -> impl Iterator<Item = Prefix> {
        let holds = move |rule: &UserRule| now < rule.until && rule.limit(None, scene).is_none();
        self.set
            .prefixes()
            .filter(move |(_, at, _)| self.rule(*at).is_some_and(holds))
            .map(|(prefix, ..)| prefix)
    }

    /// For whom and when a rule is.
    pub(super) fn limits(&self, at: RuleRef) -> Option<ListLimits> {
        self.rule(at).map(UserRule::limits)
    }

    pub(super) fn text(&self, at: RuleRef, subject: &str) -> String {
        self.set.text(RuleRef { list: 0, ..at }, subject)
    }

    pub(super) fn name_an_app(&self) -> bool {
        self.rules.iter().any(|rule| rule.app.is_some())
    }

    pub(super) fn next_end(&self, now: Instant) -> Option<Instant> {
        let ends = self.rules.iter().map(|rule| rule.until);
        ends.filter(|&end| now < end && end < Instant::NEVER).min()
    }

    fn rule(&self, at: RuleRef) -> Option<&UserRule> {
        self.rules.get((at.line as usize).checked_sub(1)?)
    }
}

fn at_user(at: RuleRef) -> RuleRef {
    RuleRef { list: USER, ..at }
}

/// The list of the user's own rules, as [`RuleRef::list`] has it.
pub(super) const USER: u16 = u16::MAX;
