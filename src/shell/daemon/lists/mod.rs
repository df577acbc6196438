//! Lists: changed by the user, looked after, and put in force.
//!
//! Whatever reads, fetches or compiles lists does it on a thread of its own, one
//! at a time, and hands over the result; so questions are answered all the while.
//! After new rules are in force, another thread looks whether what must stay
//! reachable still is. If not, the rules of before come back.

mod reach;
mod work;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use self::reach::{Harm, harm};
use self::work::{Tools, no_such};
use super::Daemon;
use super::requests::needs_restart;
use super::settings;
use crate::config::{Config, ListSource};
use crate::core::engine::Input;
use crate::core::rules::Kind;
use crate::core::verdict::Mode;
use crate::request::{ListChange, ListProgress, Response};
use crate::shell::control::server::Reply;
use crate::shell::own_dial::OwnDial;
use crate::shell::rulebook::Rulebook;
use crate::shell::state::{ListMode, State};
use crate::shell::subscriptions::{ListId, Record, Schedule, Store};
use crate::shell::{clock, list_sources, lists};

/// The lists of the daemon, and what is under way.
pub(super) struct Lists {
    store: Store,
    schedule: Schedule,
    /// What is known of those that are fetched by themselves.
    records: Vec<Record>,
    /// No look at the schedule before this: it reads nothing, but often is too often.
    look_again: crate::core::time::Instant,
    working: bool,
    /// Someone wants the configuration read again once the present work is done.
    again: Vec<Option<Reply>>,
    done: mpsc::Sender<Done>,
    pub(super) came: mpsc::Receiver<Done>,
}

/// What a thread has worked out.
pub(super) struct Done {
    what: What,
    reply: Option<Reply>,
}

enum What {
    /// New rules, or why there are none.
    Rules { rules: Result<Box<(Config, Rulebook)>, String>, after: After },
    /// Nothing to put in force.
    Nothing { word: Result<Option<String>, String>, tried: Vec<ListId> },
    /// What a look at the rules in force came to.
    Checked { harm: Option<Harm>, after: After },
}

/// A change of the state that goes with other rules.
pub(super) type Change = Box<dyn FnOnce(&mut State) + Send>;

/// What belongs to new rules.
#[derive(Default)]
struct After {
    /// The state that goes with them, if it is another.
    state: Option<Change>,
    /// Lists that were tried to be updated.
    tried: Vec<ListId>,
    /// What is taken back if the rules do harm.
    undo: Vec<Undo>,
    /// The list whose text is forgotten once it is not in use.
    forget: Option<ListId>,
    /// The last word to whoever asked.
    word: Option<String>,
    /// The configuration was read anew.
    reloaded: bool,
    /// They are rules that were taken back, for this reason.
    is_undo: Option<String>,
}

/// A change of lists that can be taken back.
enum Undo {
    /// A version came; the one before it comes back.
    NewVersion(ListId),
    /// The user went back; the version that was in force comes back.
    OldVersion(ListId),
    /// A list was added; it goes.
    Added(String),
}

impl Lists {
    pub(super) fn new(config: &Config) -> Self {
        let mut seed = [0; 8];
        let _ = getrandom::fill(&mut seed); // without, it asks at the same second as others
        let (done, came) = mpsc::channel(1);
        Self {
            store: Store::at(&config.state_dir),
            schedule: Schedule::new(u64::from_ne_bytes(seed)),
            records: Vec::new(),
            look_again: crate::core::time::Instant::ZERO,
            working: false,
            again: Vec::new(),
            done,
            came,
        }
    }

    /// What is known of a list, from its file.
    pub(super) fn record(&self, list: &ListSource) -> Option<Record> {
        self.store.record(&list.id.parse().ok()?).ok()?
    }

    /// Seconds until it is looked after again.
    pub(super) fn wait(&self, record: &Record) -> Duration {
        self.schedule.wait(record, clock::now(), clock::wall_seconds())
    }
}

impl Daemon {
    /// Reads configuration and lists anew, in its time.
    pub(super) fn reload(&mut self, reply: Option<Reply>) {
        if self.lists.working {
            return self.lists.again.push(reply);
        }
        self.notify.reloading();
        self.work(reply, |tools| {
            let read = || {
                let config = tools.origin.read()?;
                let named = tools.origin.named();
                let rules = Rulebook::read(&config, named, &tools.state, || tools.compiling())?;
                Ok(Box::new((config, rules)))
            };
            let rules = read().map_err(|error: crate::shell::rulebook::RulebookError| {
                format!("{error}; the configuration of before stays in force")
            });
            What::Rules { rules, after: After { reloaded: true, ..After::default() } }
        });
    }

    /// Changes the lists as the user wants.
    pub(super) fn change_lists(&mut self, change: ListChange, reply: Reply) {
        if self.lists.working {
            let why = "the lists are being changed already; try again in a moment";
            return reply.give(Response::Failed(why.into()));
        }
        match change {
            ListChange::Mode { list, mode, seconds } => {
                self.set_list_mode(&list, mode, seconds, reply);
            }
            ListChange::Add(list) => self.work(Some(reply), move |tools| tools.add(&list)),
            ListChange::Remove { list } => self.work(Some(reply), move |tools| tools.remove(&list)),
            ListChange::Rollback { list } => self.work(Some(reply), move |tools| {
                let back = |store: &Store, id: &ListId, now| store.rollback(id, now);
                tools.store_change(&list, "is back", Undo::OldVersion, back)
            }),
            ListChange::Accept { list } => self.work(Some(reply), move |tools| {
                let accept = |store: &Store, id: &ListId, now| store.accept(id, now);
                tools.store_change(&list, "is accepted", Undo::NewVersion, accept)
            }),
            ListChange::Update { lists } => {
                self.work(Some(reply), move |tools| tools.update_named(&lists));
            }
        }
    }

    /// Looks whether a list is due. Only called when something else has woken us:
    /// an idle device sleeps on.
    pub(super) fn look_after_lists(&mut self) {
        let now = clock::now();
        self.end_list_modes();
        if self.lists.working || now < self.lists.look_again || self.network.is_spared() {
            return;
        }
        self.lists.look_again = now + BETWEEN_LOOKS;
        let wall = clock::wall_seconds();
        let due = |record: &&Record| self.lists.schedule.wait(record, now, wall).is_zero();
        let due: Vec<_> = self.lists.records.iter().filter(due).map(|r| r.source.clone()).collect();
        if !due.is_empty() {
            self.work(None, move |tools| tools.update(&due));
        }
    }

    /// Modes whose time is over leave the state. What was off must be compiled for that.
    fn end_list_modes(&mut self) {
        let modes = &self.state.list_modes;
        if self.lists.working || modes.values().all(|chosen| chosen.until.is_none()) {
            return;
        }
        let wall = clock::wall_seconds();
        let is_over = |chosen: &ListMode| chosen.until.is_some_and(|until| until <= wall);
        if modes.values().any(is_over) {
            self.change_state(|state| state.list_modes.retain(|_, chosen| !is_over(chosen)));
            self.work(None, |tools| What::Rules { rules: tools.rules(), after: After::default() });
        }
    }

    /// Takes what a thread has worked out.
    pub(super) fn take_lists(&mut self, Done { what, reply }: Done) {
        self.lists.working = false;
        match what {
            What::Nothing { word, tried } => {
                self.note_tries(&tried);
                Self::tell_word(word, reply);
            }
            What::Rules { rules: Err(problem), after } => {
                if after.reloaded {
                    self.notify.ready();
                    log::error!("{problem}");
                    self.problems.set("configuration", Some(problem.clone()));
                }
                self.note_tries(&after.tried);
                Self::tell_word(Err(problem), reply);
            }
            What::Rules { rules: Ok(made), after } => self.put_in_force(*made, after, reply),
            What::Checked { harm: None, after } => {
                self.problems.set("lists", after.is_undo.clone());
                Self::tell_word(after.is_undo.map_or(Ok(after.word), Err), reply);
            }
            What::Checked { harm: Some(harm), after } => self.go_back(harm, after, reply),
        }
        if !self.lists.working && !self.lists.again.is_empty() {
            let waiting = std::mem::take(&mut self.lists.again);
            let last = waiting.into_iter().flatten().last();
            self.reload(last);
        }
    }

    fn put_in_force(
        &mut self,
        (config, rulebook): (Config, Rulebook),
        mut after: After,
        reply: Option<Reply>,
    ) {
        if after.reloaded {
            self.notify.ready();
            self.problems.set("configuration", needs_restart(&self.config, &config));
            self.network.configure(config.upstreams.clone());
            self.journal.set(settings::of_journal(&config));
            let flows = settings::of_flows(&config, 0);
            self.engine.handle(clock::now(), Input::Flows(flows));
            self.config = config;
            log::info!("configuration and lists were read anew");
        }
        let change = after.state.take();
        self.rulebook = rulebook;
        self.know_lists(change);
        self.note_tries(&after.tried);
        self.renew_policy();
        self.tell_upstreams();
        self.follow_capture();
        self.tell_counts(reply.as_ref(), &after);
        if let Some(id) = after.forget.take() {
            let _ = self.lists.store.remove(&id); // a file list has nothing there
        }
        self.check_reach(after, reply);
    }

    /// Notes since when lists are in use, and what is fetched by itself.
    pub(super) fn know_lists(&mut self, change: Option<Change>) {
        let wall = clock::wall_seconds();
        let on_trial: Vec<_> = self
            .rulebook
            .sources()
            .iter()
            .filter(|source| source.watch_for.is_some())
            .map(|source| source.id.clone())
            .collect();
        let news =
            change.is_some() || on_trial.iter().any(|id| !self.state.lists_since.contains_key(id));
        if news {
            self.change_state(|state| {
                if let Some(change) = change {
                    change(state);
                }
                for id in on_trial {
                    state.lists_since.entry(id).or_insert(wall);
                }
            });
        }
        let sources = self.rulebook.sources().iter();
        let fetched = sources.filter(|source| source.every.is_some());
        self.lists.records = fetched
            .filter_map(|source| {
                let fresh = list_sources::subscription(source)?;
                let known = self.lists.record(source);
                let known = known.unwrap_or_else(|| Record::new(fresh.clone()));
                Some(Record { source: fresh, ..known })
            })
            .collect();
        self.problems.set("list", self.rulebook.problems().to_vec());
    }

    fn note_tries(&mut self, tried: &[ListId]) {
        let now = clock::now();
        for id in tried {
            self.lists.schedule.tried(id, now);
        }
        for record in &mut self.lists.records {
            if tried.contains(&record.source.id)
                && let Ok(Some(known)) = self.lists.store.record(&record.source.id)
            {
                *record = Record { source: record.source.clone(), ..known };
            }
        }
    }

    /// Tells whoever asked what each list came to.
    fn tell_counts(&self, reply: Option<&Reply>, after: &After) {
        let Some(reply) = reply else { return };
        if after.reloaded {
            return;
        }
        let compiled = self.policy.rules().lists().iter();
        for list in compiled.filter(|list| matches!(list.kind, Kind::File(_))) {
            let (name, summary) = (list.name.to_string(), lists::summary(list));
            let progress = ListProgress::Compiled { list: name, summary };
            let _ = reply.offer(Response::Progress(progress)); // counts are also in `lists show`
        }
    }

    /// Looks, on a thread, whether what must stay reachable still is.
    fn check_reach(&mut self, after: After, reply: Option<Reply>) {
        let policy = Arc::clone(&self.policy);
        self.work(reply, move |tools| What::Checked { harm: harm(&policy, &tools.dial), after });
    }

    /// Takes back what did harm. A list that has nothing to go back to is switched
    /// off; so this ends, at the latest when all are.
    fn go_back(&mut self, harm: Harm, mut after: After, reply: Option<Reply>) {
        log::error!("{}", harm.why);
        let undo = std::mem::take(&mut after.undo);
        let culprit = self.rulebook.sources().iter().find(|source| source.name == harm.list);
        let culprit = culprit.map(|source| source.id.clone());
        let before = after.is_undo.map(|word| format!("{word}; ")).unwrap_or_default();
        if undo.is_empty() && culprit.is_none() {
            // No list does it, so no list can be blamed: the user must know.
            let why = format!("{before}{}", harm.why);
            self.problems.set("lists", Some(why.clone()));
            return Self::tell_word(Err(why), reply);
        }
        self.work(reply, move |tools| {
            let (done, mut gone, mut off) = tools.take_back(undo);
            if done.is_empty() {
                off.extend(culprit);
            }
            let word = match &off[..] {
                [] => done,
                [..] => format!("list {} is switched off", off.join(", ")),
            };
            let forget = gone.first().and_then(|id| id.parse().ok());
            let change = move |state: &mut State| {
                for id in gone.drain(..) {
                    state.lists.remove(&id);
                    state.list_modes.remove(&id);
                    state.lists_since.remove(&id);
                }
                let is_off = ListMode { mode: Mode::Off, until: None };
                state.list_modes.extend(off.drain(..).map(|id| (id, is_off)));
            };
            let mut state = tools.state.clone();
            change.clone()(&mut state);
            let after = After {
                state: Some(Box::new(change)),
                forget,
                is_undo: Some(format!("{before}{}; {word}", harm.why)),
                ..After::default()
            };
            What::Rules { rules: tools.rules_with(&state), after }
        });
    }

    fn set_list_mode(&mut self, called: &str, mode: Mode, seconds: Option<u64>, reply: Reply) {
        let Some(source) = list_sources::find(self.rulebook.sources(), called) else {
            return reply.give(Response::Failed(no_such(called)));
        };
        let (id, wall) = (source.id.clone(), clock::wall_seconds());
        let before = list_sources::mode(source, &self.state, wall).0;
        let until = seconds.map(|seconds| wall.saturating_add_unsigned(seconds));
        self.change_state(|state| {
            state.list_modes.insert(id, ListMode { mode, until });
        });
        if (before == Mode::Off) == (mode == Mode::Off) {
            self.renew_policy();
            return self.check_reach(After::default(), Some(reply));
        }
        // What is off is not compiled.
        self.work(Some(reply), |tools| What::Rules {
            rules: tools.rules(),
            after: After::default(),
        });
    }

    fn tell_word(word: Result<Option<String>, String>, reply: Option<Reply>) {
        let Some(reply) = reply else {
            if let Err(why) = word {
                log::warn!("{why}");
            }
            return;
        };
        reply.give(match word {
            Ok(word) => Response::Done(word),
            Err(why) => Response::Failed(why),
        });
    }

    /// Works on a thread of its own, and has the result taken by [`Daemon::take_lists`].
    fn work(&mut self, reply: Option<Reply>, work: impl FnOnce(&Tools) -> What + Send + 'static) {
        let upstreams = self.network.addresses_of_upstreams();
        let tools = Tools {
            config: self.config.clone(),
            origin: self.origin.clone(),
            state: self.state.clone(),
            store: self.lists.store.clone(),
            dial: OwnDial::new(Arc::clone(&self.protector), upstreams),
            reply,
        };
        let done = self.lists.done.clone();
        self.lists.working = true;
        let spawned = std::thread::Builder::new().name("lists".into()).spawn(move || {
            let what = work(&tools);
            // A daemon that stops needs no result.
            let _ = done.blocking_send(Done { what, reply: tools.reply });
        });
        if let Err(error) = spawned {
            self.lists.working = false;
            log::error!("cannot start a thread for the lists: {error}");
        }
    }
}

/// Between looks whether a list is due.
const BETWEEN_LOOKS: Duration = Duration::from_mins(1);
