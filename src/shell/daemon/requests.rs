//! What people ask the daemon, and what it does about it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::Daemon;
use crate::config::Config;
use crate::core::catalog::{self, Action, Pack};
use crate::core::engine::Input;
use crate::core::policy::{Policy, UserSubject};
use crate::core::verdict::Mode;
use crate::request::{LogLine, LogQuery, Request, Response, UserRule, VendorLine};
use crate::shell::clock;
use crate::shell::control::explain;
use crate::shell::control::server::{Asked, Reply, Taken};
use crate::shell::journal::{self, JournalError, Known, Reader, Subscription};
use crate::shell::rulebook;
use crate::shell::state::State;

/// What a request comes to: a word for the user, or why not. Both are one line.
type Outcome = Result<Option<String>, String>;

impl Daemon {
    /// Answers one request.
    pub(super) fn answer(&mut self, asked: Asked) {
        let Asked { request, reply, .. } = asked;
        let outcome = match request {
            Request::Capture { capture } => Ok(Some(self.set_capture(capture))),
            Request::Reload => return self.reload(Some(reply)),
            Request::Lists => return self.lists(reply),
            Request::ChangeLists(change) => return self.change_lists(change, reply),
            Request::Status => return reply.give(Response::Status(Box::new(self.status()))),
            Request::Tunnel => return reply.give(self.tell_plan()),
            Request::Rules => return reply.give(Response::Rules(self.user_rules())),
            Request::Log(query) => return self.log(query, reply),
            Request::Report { since } => return self.report(since, reply),
            Request::Vendors => return self.vendors(reply),
            Request::Explain { subject, app, client } => {
                let response = self.explain(&subject, app.as_deref(), client.as_deref());
                return self.with_originals(response, reply);
            }
            Request::On => self.switch(true),
            Request::Off => self.switch(false),
            Request::Pause { seconds } => self.pause(seconds),
            Request::Resume => self.resume(),
            Request::AddRule(rule) => self.add_rule(rule),
            Request::RemoveRule { subject } => self.remove_rule(&subject),
            Request::SetVendor { vendor, mode, opted_out } => {
                self.set_vendor(&vendor, mode, opted_out)
            }
        };
        reply.give(match outcome {
            Ok(word) => Response::Done(word),
            Err(why) => Response::Failed(why),
        });
    }

    /// Whether traffic should come our way, by the user's last word.
    pub(super) fn wants_capture(&self) -> bool {
        self.state_word() == "on"
    }

    /// Tells systemd, and whoever looks at its status, how things are.
    pub(super) fn say_state(&mut self) {
        self.notify.status(self.state_word());
        self.seat.note();
    }

    fn tell_plan(&mut self) -> Response {
        match self.network.handed() {
            Some(handed) => Response::Tunnel(handed.plan.clone()),
            None => Response::Failed(
                "no TUN was handed over: optout leads packets to its own by itself".into(),
            ),
        }
    }

    fn switch(&mut self, on: bool) -> Outcome {
        self.change_state(|state| {
            state.on = on;
            state.paused_until = None;
        });
        self.follow_state()
    }

    fn pause(&mut self, seconds: u64) -> Outcome {
        if !self.state.on {
            return Err(
                "optout is off, so there is nothing to pause; `optout on` switches it on".into()
            );
        }
        let until = clock::wall_seconds().saturating_add_unsigned(seconds);
        self.change_state(|state| state.paused_until = Some(until));
        self.follow_state()
    }

    /// Ends a pause.
    pub(super) fn resume(&mut self) -> Outcome {
        self.change_state(|state| state.paused_until = None);
        self.follow_state()
    }

    /// Makes the rules of the kernel what the state says.
    fn follow_state(&mut self) -> Outcome {
        self.say_state();
        if self.network.handed().is_some() {
            self.renew_policy();
        }
        if self.wants_capture() {
            let outcome = self.network.capture_on();
            self.problems.set("capture", outcome.as_ref().err().map(ToString::to_string));
            self.follow_capture();
            outcome.map(|()| None).map_err(|error| error.to_string())
        } else {
            self.stop_capture();
            Ok(None)
        }
    }

    /// Lets everything pass, at once what is held, and then what comes.
    pub(super) fn stop_capture(&mut self) {
        self.release();
        self.network.capture_off();
        self.release();
        self.problems.set("flows", None);
    }

    pub(super) fn change_state(&mut self, change: impl FnOnce(&mut State)) {
        change(&mut self.state);
        let saved = self.state_file.save(&self.state);
        // What cannot be written still holds until the next start.
        self.problems.set("state", saved.err().map(|error| error.to_string()));
    }

    /// Makes a new policy of what is known now, and puts it in force.
    pub(super) fn renew_policy(&mut self) {
        let config = if self.network.handed().is_some() && !self.wants_capture() {
            // Questions come all the same, and must pass.
            &Config { mode: Mode::Off, ..self.config.clone() }
        } else {
            &self.config
        };
        let (policy, problems) = self.rulebook.policy(config, &self.state);
        self.problems.set("rules", problems);
        self.policy = Arc::clone(&policy);
        self.engine.handle(clock::now(), Input::Policy(policy));
        self.route_prefixes();
    }

    fn user_rules(&self) -> Vec<UserRule> {
        let wall = clock::wall_seconds();
        let live = |rule: &&UserRule| rule.until.is_none_or(|until| until > wall);
        self.state.rules.known.iter().filter(live).cloned().collect()
    }

    fn add_rule(&mut self, mut rule: UserRule) -> Outcome {
        if rulebook::user_rule(&rule, clock::now(), clock::wall_seconds())?.is_none() {
            return Err("the time of this rule is over already; give a later end".into());
        }
        rule.subject = as_kept(&rule.subject);
        self.change_state(|state| {
            state.rules.known.retain(|known| !same_scope(known, &rule));
            state.rules.known.push(rule);
        });
        self.renew_policy();
        Ok(None)
    }

    fn remove_rule(&mut self, subject: &str) -> Outcome {
        let before = self.state.rules.known.len();
        let subject = as_kept(subject);
        self.change_state(|state| {
            state.rules.known.retain(|rule| as_kept(&rule.subject) != subject);
        });
        if self.state.rules.known.len() == before {
            return Err(format!(
                "there is no rule of yours for {subject:?}; `optout allow` and `optout block` show them"
            ));
        }
        self.renew_policy();
        Ok(None)
    }

    /// Rules whose time is over leave the state, and their routes with them.
    pub(super) fn forget_ended_rules(&mut self) {
        let wall = clock::wall_seconds();
        self.change_state(|state| {
            state.rules.known.retain(|rule| rule.until.is_none_or(|until| until > wall));
        });
        self.renew_policy();
    }

    fn set_vendor(&mut self, key: &str, mode: Option<Mode>, opted_out: Option<String>) -> Outcome {
        if !self.policy.vendors().any(|vendor| *vendor.key == *key) {
            return Err(format!("there is no vendor {key:?}; `optout vendors` lists them"));
        }
        self.change_state(|state| {
            let vendor = state.vendors.entry(key.into()).or_default();
            vendor.mode = mode.or(vendor.mode);
            if let Some(date) = opted_out {
                vendor.opted_out = Some(date).filter(|date| !date.is_empty());
            }
        });
        self.renew_policy();
        Ok(None)
    }

    fn explain(&self, subject: &str, app: Option<&str>, client: Option<&str>) -> Response {
        let explain = || {
            let subject = subject.parse()?;
            let client = explain::client_of(app, client)?;
            Ok::<_, explain::ExplainError>(explain::explain(
                &self.policy,
                clock::now(),
                &subject,
                &client,
            ))
        };
        match explain() {
            Ok(explanation) => Response::Explanation(Box::new(explanation)),
            Err(error) => Response::Failed(error.to_string()),
        }
    }

    /// Adds the lines of lists as they were written: on a thread, for it reads files.
    fn with_originals(&self, mut response: Response, reply: Reply) {
        let originals = self.rulebook.originals();
        tokio::task::spawn_blocking(move || {
            if let Response::Explanation(explanation) = &mut response {
                explain::quote(explanation, &originals);
            }
            reply.give(response);
        });
    }

    /// The lists, with what their files on disk know.
    fn lists(&self, reply: Reply) {
        reply.give(Response::Lists(self.list_lines(true)));
    }

    /// Stored lines first, then, if asked for, those that come.
    fn log(&mut self, query: LogQuery, reply: Reply) {
        let mut live = query.follow.then(|| self.journal.subscribe());
        let mut reader = self.journal.reader();
        tokio::spawn(async move {
            let (stored, way, follows) = (query.clone(), reply.clone(), query.follow);
            let read = tokio::task::spawn_blocking(move || {
                let read = reader.log(&stored, |line| {
                    match way.give_blocking(Response::Log(Box::new(line))) {
                        Taken::Gone => ControlFlow::Break(()),
                        Taken::Yes | Taken::Full => ControlFlow::Continue(()),
                    }
                });
                let last = match read {
                    Err(error) => Response::Failed(error.to_string()),
                    Ok(()) if follows => return true,
                    Ok(()) => Response::Done(None),
                };
                way.give_blocking(last) == Taken::Full
            });
            if !read.await.unwrap_or(false) {
                return;
            }
            while let Some(line) = next(&mut live).await {
                if journal::matches(&query, &line)
                    && reply.offer(Response::Log(Box::new(line))) == Taken::Gone
                {
                    return;
                }
            }
        });
    }

    fn report(&mut self, since: i64, reply: Reply) {
        let policy = Arc::clone(&self.policy);
        let opted_out = opted_out(&self.state);
        self.with_reader(reply, move |reader| {
            // Read once and not for each host: reading all takes milliseconds.
            let packs: Vec<_> =
                policy.vendors().filter_map(|vendor| catalog::pack(&vendor.key)).collect();
            let named = |key: &str| packs.iter().find(|pack| *pack.key == *key);
            let known = Known {
                vendor_name: &|key| named(key).map(|pack| pack.name.clone()),
                opted_out: &opted_out,
                collects: &|host| collects(&packs, host),
            };
            let report = reader.report(since, clock::wall_seconds(), &known)?;
            Ok(Response::Report(Box::new(report)))
        });
    }

    fn vendors(&mut self, reply: Reply) {
        let policy = Arc::clone(&self.policy);
        let opted_out = opted_out(&self.state);
        self.with_reader(reply, move |reader| {
            // Without a journal there are still vendors.
            let blocked = reader.blocked_by_vendor().unwrap_or_default();
            let mut lines = vendor_lines(&policy, &opted_out);
            for line in &mut lines {
                line.blocked = blocked.get(&line.vendor).copied().unwrap_or(0);
            }
            Ok(Response::Vendors(lines))
        });
    }

    /// Reads the journal on a thread of its own, so that nobody waits for it.
    fn with_reader(
        &mut self,
        reply: Reply,
        read: impl FnOnce(&mut Reader) -> Result<Response, JournalError> + Send + 'static,
    ) {
        let mut reader = self.journal.reader();
        tokio::task::spawn_blocking(move || {
            let response = read(&mut reader);
            reply.give(response.unwrap_or_else(|error| Response::Failed(error.to_string())));
        });
    }
}

/// The vendors, as far as they are known without the journal.
pub(crate) fn vendor_lines(
    policy: &Policy,
    opted_out: &BTreeMap<String, String>,
) -> Vec<VendorLine> {
    let line = |vendor: crate::core::policy::Vendor| {
        let pack = catalog::pack(&vendor.key)?;
        let count = |actions: &[Action]| {
            pack.entries.iter().filter(|entry| actions.contains(&entry.action)).count() as u64
        };
        Some(VendorLine {
            vendor: vendor.key.to_string(),
            mode: vendor.mode,
            blocks: count(&[Action::Block]),
            watches: count(&[Action::Strict, Action::Watch]),
            allows: count(&[Action::Allow]),
            name: pack.name,
            story: pack.story,
            opt_out: pack.opt_out,
            opted_out: opted_out.get(&*vendor.key).cloned(),
            blocked: 0,
        })
    };
    policy.vendors().filter_map(line).collect()
}

fn opted_out(state: &State) -> BTreeMap<String, String> {
    let dated = |(key, vendor): (&String, &crate::shell::state::Vendor)| {
        vendor.opted_out.clone().map(|date| (key.clone(), date))
    };
    state.vendors.iter().filter_map(dated).collect()
}

fn collects(packs: &[Pack], host: &str) -> Option<String> {
    let host = host.parse().ok()?;
    let entry = packs.iter().find_map(|pack| pack.entry_for(&host))?;
    Some(entry.about.collects.clone())
}

async fn next(live: &mut Option<Subscription>) -> Option<LogLine> {
    live.as_mut()?.next().await
}

/// A subject in the one form in which it can be found again.
fn as_kept(subject: &str) -> String {
    subject.parse().map_or_else(|_| subject.to_owned(), |read: UserSubject| read.to_string())
}

fn same_scope(known: &UserRule, new: &UserRule) -> bool {
    (&known.subject, &known.app, &known.client, &known.schedule)
        == (&new.subject, &new.app, &new.client, &new.schedule)
}

/// What a running daemon cannot change.
pub(super) fn needs_restart(old: &Config, new: &Config) -> Option<String> {
    let same = old.device == new.device
        && old.mark == new.mark
        && (old.dns_table, old.address_table) == (new.dns_table, new.address_table)
        && old.flow_table == new.flow_table
        && old.rule_priority == new.rule_priority
        && (old.sinkhole_v4, old.sinkhole_v6) == (new.sinkhole_v4, new.sinkhole_v6)
        && old.fail_policy == new.fail_policy
        && old.resolv_conf == new.resolv_conf
        && (&old.clients, old.capture_forwarded) == (&new.clients, new.capture_forwarded)
        && old.case_randomization == new.case_randomization
        && (&old.control_socket, &old.state_dir) == (&new.control_socket, &new.state_dir);
    (!same).then(|| {
        "the configuration changes how traffic is captured or where files are: restart optout \
         for that (systemctl restart optout)"
            .into()
    })
}
