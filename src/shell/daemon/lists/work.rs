//! What a thread does for the lists.

use std::sync::Arc;

use super::{After, Undo, What};
use crate::config::{Config, ListSource, Place};
use crate::request::{ListProgress, Response};
use crate::shell::control::server::Reply;
use crate::shell::daemon::origin::Origin;
use crate::shell::own_dial::OwnDial;
use crate::shell::rulebook::Rulebook;
use crate::shell::state::State;
use crate::shell::subscriptions::{
    Bounds, Fetcher, ListId, Outcome, Source, Store, Updater, Version, survey, system_roots,
};
use crate::shell::{clock, list_sources, lists};

/// What a thread needs.
pub(super) struct Tools {
    pub(super) config: Config,
    pub(super) origin: Origin,
    pub(super) state: State,
    pub(super) store: Store,
    pub(super) dial: OwnDial,
    pub(super) reply: Option<Reply>,
}

impl Tools {
    pub(super) fn tell(&self, progress: ListProgress) {
        if let Some(reply) = &self.reply {
            let _ = reply.offer(Response::Progress(progress)); // who reads slowly misses a step
        }
    }

    pub(super) fn compiling(&self) {
        self.tell(ListProgress::Compiling);
    }

    pub(super) fn rules(&self) -> Result<Box<(Config, Rulebook)>, String> {
        self.rules_with(&self.state)
    }

    pub(super) fn rules_with(&self, state: &State) -> Result<Box<(Config, Rulebook)>, String> {
        let named = self.origin.named();
        Rulebook::read(&self.config, named, state, || self.compiling())
            .map(|rulebook| Box::new((self.config.clone(), rulebook)))
            .map_err(|error| error.to_string())
    }

    pub(super) fn sources(&self) -> Vec<ListSource> {
        list_sources::all(&self.config, &self.state).0
    }

    pub(super) fn add(&self, list: &crate::request::AddedList) -> What {
        match self.try_add(list) {
            Ok(what) => what,
            Err(why) => What::Nothing { word: Err(why), tried: Vec::new() },
        }
    }

    pub(super) fn try_add(&self, list: &crate::request::AddedList) -> Result<What, String> {
        let source = list_sources::added(list)?;
        if let Some(why) = list_sources::clash(&self.sources(), &source) {
            return Err(why);
        }
        let mut tried = Vec::new();
        if let Some(subscription) = list_sources::subscription(&source) {
            tried.push(subscription.id.clone());
            let came = self.fetch(&[subscription]);
            if let [Outcome::Failed { why } | Outcome::Quarantined { why }] = &came[..] {
                let _ = tried.iter().try_for_each(|id| self.store.remove(id));
                return Err(format!("not added: {why}"));
            }
        }
        let (id, list) = (source.id.clone(), list.clone());
        let change = move |state: &mut State| {
            state.list_modes.remove(&id);
            state.lists_since.remove(&id);
            state.lists.insert(id.clone(), list.clone());
        };
        let mut state = self.state.clone();
        change(&mut state);
        let rules = self.rules_with(&state)?;
        // Left out with a problem is not added.
        if let Some(problem) = rules.1.problems().iter().find(|why| why.contains(&source.name)) {
            let _ = tried.iter().try_for_each(|id| self.store.remove(id));
            return Err(format!("not added: {problem}"));
        }
        let undo = vec![Undo::Added(source.id)];
        let after = After { state: Some(Box::new(change)), tried, undo, ..After::default() };
        Ok(What::Rules { rules: Ok(rules), after })
    }

    pub(super) fn remove(&self, called: &str) -> What {
        let sources = self.sources();
        let nothing = |why: String| What::Nothing { word: Err(why), tried: Vec::new() };
        let Some(source) = list_sources::find(&sources, called) else {
            return nothing(no_such(called));
        };
        if !self.state.lists.contains_key(&source.id) {
            return nothing(format!(
                "list {called:?} stands in the configuration; take its [[lists]] table out there, \
                 or `optout lists mode {called} off`"
            ));
        }
        let id = source.id.clone();
        let change = move |state: &mut State| {
            state.lists.remove(&id);
            state.list_modes.remove(&id);
            state.lists_since.remove(&id);
        };
        let mut state = self.state.clone();
        change(&mut state);
        let after = After {
            state: Some(Box::new(change)),
            forget: source.id.parse().ok(),
            ..After::default()
        };
        What::Rules { rules: self.rules_with(&state), after }
    }

    /// Changes which version of a list is in force.
    pub(super) fn store_change<E: std::fmt::Display>(
        &self,
        called: &str,
        done: &str,
        undo: impl FnOnce(ListId) -> Undo,
        change: impl FnOnce(&Store, &ListId, i64) -> Result<Version, E>,
    ) -> What {
        let nothing = |why: String| What::Nothing { word: Err(why), tried: Vec::new() };
        let sources = self.sources();
        let Some(source) = list_sources::find(&sources, called) else {
            return nothing(no_such(called));
        };
        let Some(subscription) = list_sources::subscription(source) else {
            return nothing(format!("list {called:?} is a file, of which no versions are kept"));
        };
        match change(&self.store, &subscription.id, clock::wall_seconds()) {
            Err(error) => nothing(error.to_string()),
            Ok(version) => {
                let word = format!("version {} of {called} {done}", version.number);
                let undo = vec![undo(subscription.id)];
                let after = After { word: Some(word), undo, ..After::default() };
                What::Rules { rules: self.rules(), after }
            }
        }
    }

    /// Takes changes back: what was done in words, the lists that are no longer there,
    /// and those that have no version to go back to.
    pub(super) fn take_back(&self, undo: Vec<Undo>) -> (String, Vec<String>, Vec<String>) {
        let (mut done, mut gone, mut off) = (String::new(), Vec::new(), Vec::new());
        let now = clock::wall_seconds();
        for undo in undo {
            let (back, id) = match undo {
                Undo::Added(id) => {
                    done = "it was not added".into();
                    gone.push(id);
                    continue;
                }
                Undo::NewVersion(id) => (self.store.rollback(&id, now), id),
                Undo::OldVersion(id) => (self.store.accept(&id, now), id),
            };
            match back {
                Ok(_) => done = "the version before is in force again".into(),
                Err(error) => {
                    log::warn!("{error}");
                    off.push(id.to_string());
                }
            }
        }
        (done, gone, off)
    }

    pub(super) fn update_named(&self, called: &[String]) -> What {
        let sources = self.sources();
        let mut wanted = Vec::new();
        for name in called {
            match list_sources::find(&sources, name) {
                Some(source) => wanted.push(source),
                None => return What::Nothing { word: Err(no_such(name)), tried: Vec::new() },
            }
        }
        if called.is_empty() {
            wanted.extend(&sources);
        }
        let due: Vec<_> = wanted.into_iter().filter_map(list_sources::subscription).collect();
        if due.is_empty() && !called.is_empty() {
            let why = "a file is not updated; `systemctl reload optout` or SIGHUP reads it anew";
            return What::Nothing { word: Err(why.into()), tried: Vec::new() };
        }
        self.update(&due)
    }

    /// Fetches lists, and compiles if anything is new.
    pub(super) fn update(&self, due: &[Source]) -> What {
        let tried: Vec<_> = due.iter().map(|source| source.id.clone()).collect();
        let outcomes = self.fetch(due);
        let updated = |outcome: &Outcome| matches!(outcome, Outcome::Updated { .. });
        let undo: Vec<_> = due
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| updated(outcome))
            .map(|(source, _)| Undo::NewVersion(source.id.clone()))
            .collect();
        let held = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Quarantined { .. }));
        let failed = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Failed { .. }));
        let failed = failed.count();
        if undo.is_empty() {
            let word = match failed {
                0 if held => Ok(Some("Nothing new is in force.".into())),
                0 => Ok(Some("Nothing new.".into())),
                _ => Err(format!("{failed} of {} lists could not be updated", due.len())),
            };
            return What::Nothing { word, tried };
        }
        let word = match failed {
            0 => None,
            _ => Some(format!("In force; {failed} of {} lists could not be updated.", due.len())),
        };
        What::Rules { rules: self.rules(), after: After { tried, undo, word, ..After::default() } }
    }

    pub(super) fn fetch(&self, due: &[Source]) -> Vec<Outcome> {
        let fetcher = Fetcher::new(Arc::new(self.dial.clone()), system_roots(), Bounds::default());
        let sources = self.sources();
        let options = move |source: &Source, head: &[u8]| {
            let known = sources.iter().find(|known| known.id == source.id.as_str());
            let fresh;
            let known = if let Some(known) = known {
                known
            } else {
                fresh = ListSource::new(Place::Url(source.url.clone()), &source.name);
                &fresh
            };
            lists::options(known, head)
        };
        let look = survey(options, Arc::new(lists::guard()));
        let updater = Updater { store: &self.store, fetcher: &fetcher, survey: &look };
        let mut outcomes = Vec::with_capacity(due.len());
        for source in due {
            let mut shown = 0;
            let outcome = updater.update(source, clock::wall_seconds(), &mut |bytes, total| {
                if bytes >= shown + STEP {
                    shown = bytes;
                    let list = source.name.clone();
                    self.tell(ListProgress::Fetching { list, bytes, total });
                }
            });
            self.tell(looked(source, &outcome));
            if let Outcome::Failed { why } | Outcome::Quarantined { why } = &outcome {
                log::warn!("list {:?}: {why}", source.name);
            }
            outcomes.push(outcome);
        }
        outcomes
    }
}

fn looked(source: &Source, outcome: &Outcome) -> ListProgress {
    let (word, detail) = match outcome {
        Outcome::Unchanged => ("unchanged", String::new()),
        Outcome::Updated { bytes, lines } => ("updated", format!("{lines} lines, {bytes} bytes")),
        Outcome::Quarantined { why } => ("held back", why.clone()),
        Outcome::Failed { why } => ("failed", why.clone()),
    };
    ListProgress::Looked { list: source.name.clone(), outcome: word.into(), detail }
}

pub(super) fn no_such(called: &str) -> String {
    format!("there is no list {called:?}; `optout lists` shows them")
}

const STEP: u64 = 256 * 1024; // bytes between two signs of progress
