//! The loop: waits for whatever happens, has the engine decide, and does what it wants
//! done.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;

use super::network::Ears;
use super::seat::{Seat, Word};
use super::{BURST, Daemon, DaemonError, MOST_LOCAL, by_rules, lists};
use crate::core::engine::{self, Input, Output, WayBack};
use crate::core::flow::{Owner, Protocol};
use crate::core::time::Instant;
use crate::shell::control::server::Asked;
use crate::shell::tun::Tun;
use crate::shell::upstream::{AskError, Reply};
use crate::shell::{clock, journal, link_local};

/// What woke the daemon.
enum Woken {
    Packets,
    Flows,
    Owner(engine::SearchId, Owner),
    Asked(Asked),
    Local(link_local::Question),
    Routes,
    Outside,
    Told(Word),
    Lists(Box<lists::Done>),
    Timer,
    Served,
}

/// What there is more of than was taken at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum More {
    Nothing,
    Packets,
    /// Of flows, with virtio headers.
    Frames,
}

impl Daemon {
    /// Turns the crank until someone says stop.
    pub(super) async fn serve(&mut self) -> Result<(), DaemonError> {
        let mut more = More::Nothing;
        loop {
            if more != More::Nothing {
                // Tasks and timers of the runtime have a turn only when somebody waits.
                tokio::task::yield_now().await;
            }
            let deadline = self.perform();
            let woken = self.wait(deadline, more).await;
            self.wakeups += 1;
            more = More::Nothing;
            match woken {
                Woken::Packets if self.take_packets() => more = More::Packets,
                Woken::Flows if self.take_flows() => more = More::Frames,
                Woken::Owner(search, owner) => {
                    self.engine.handle(clock::now(), Input::Owner { search, owner });
                }
                Woken::Asked(asked) => self.answer(asked),
                Woken::Local(question) => self.take_local(question),
                Woken::Routes => self.look_around(),
                Woken::Outside => self.tell_network(),
                Woken::Told(Word::Stop) => return Ok(()),
                // What went wrong is in the log and in the status.
                Woken::Told(Word::Reload) => self.reload(None),
                Woken::Told(Word::Tunnel(tun, reply)) => {
                    // Who asked and left needs no answer.
                    let _ = reply.send(self.replace_tunnel(tun));
                }
                Woken::Lists(done) => self.take_lists(*done),
                Woken::Timer => self.pass_time(),
                Woken::Packets | Woken::Flows | Woken::Served => {}
            }
            if self.gone {
                self.lose_tunnel()?;
            }
            self.look_after_lists();
            self.tell_news();
        }
    }

    /// Packets come first. But where there are `more` of them than were taken, everyone
    /// else does: a flood has no end.
    async fn wait(&mut self, deadline: Option<Instant>, more: More) -> Woken {
        let timer = self.next_timer(deadline);
        if more != More::Nothing && timer.is_some_and(|timer| timer.is_zero()) {
            return Woken::Timer;
        }
        let packets_last = more == More::Packets;
        let Ears { tun, offload, changed, outside } = self.network.ears();
        tokio::select! {
            biased;
            told = self.seat.next() => Woken::Told(told),
            () = readable(tun), if !packets_last => Woken::Packets,
            reply = self.upstreams.next() => {
                let input = match reply {
                    Reply::Answer { ask, message } => {
                        self.problems.end("protect");
                        Input::Answer { ask, message }
                    }
                    Reply::Failed { ask, error } => {
                        log::debug!("no answer: {error}");
                        if let AskError::Protect(_) = error {
                            self.problems.set("protect", Some(error.to_string()));
                        }
                        Input::AskFailed { ask }
                    }
                };
                self.engine.handle(clock::now(), input);
                Woken::Served
            }
            (search, owner) = self.owners.next() => Woken::Owner(search, owner),
            Some(question) = self.local.recv() => Woken::Local(question),
            Some(asked) = self.asked.recv() => Woken::Asked(asked),
            Some(done) = self.lists.came.recv() => Woken::Lists(Box::new(done)),
            Some(()) = next(changed) => Woken::Routes,
            Ok(()) = outside.changed() => Woken::Outside,
            () = self.notify.watchdog() => Woken::Served,
            () = sleep(timer) => Woken::Timer,
            // After the others: there may be frames without end, and these are soon done.
            () = by_rules::readable(offload) => Woken::Flows,
            () = readable(tun), if packets_last => Woken::Packets,
        }
    }

    /// Does what the engine wants done; when it wants to be called again.
    pub(super) fn perform(&mut self) -> Option<Instant> {
        loop {
            match self.engine.poll() {
                Output::Packet(packet) => self.network.send(packet),
                Output::Onward { packet, decided, host } => {
                    self.network.put_back(packet, decided, host);
                }
                Output::Recall(flow) => self.network.recall(&flow),
                Output::Ask { ask, upstream, transport, message } => {
                    self.upstreams.ask(ask, upstream, transport, message);
                }
                Output::Forget { ask } => self.upstreams.forget(ask),
                Output::WhoOwns { search, flow } => self.owners.search(search, flow),
                Output::Reply { way_back, message } => {
                    if let Some(way) = self.ways_back.remove(&way_back) {
                        way.send(message);
                    }
                }
                Output::Seen(event, traffic) => {
                    let neighbours = &mut self.neighbours;
                    self.journal.record(clock::wall_millis(), &event, traffic, || {
                        let mut line = journal::client_line(&event.client);
                        if let Some(address) = line.address {
                            let known = neighbours.lookup(address, std::time::Instant::now());
                            (line.mac, line.name) = (known.mac, known.name);
                        }
                        line
                    });
                }
                Output::Wait(deadline) => return deadline,
            }
        }
    }

    /// Takes packets until there are none, but not for ever: others wait too. Whether
    /// there may be more.
    pub(super) fn take_packets(&mut self) -> bool {
        for _ in 0..BURST {
            let Some(tun) = self.network.tun() else { return false };
            let len = match tun.try_recv(&mut self.packet) {
                Ok(len) => len,
                Err(error) => {
                    self.gone = Tun::is_gone(&error);
                    return false;
                }
            };
            let packet = self.packet.get(..len).unwrap_or_default();
            self.engine.handle(clock::now(), Input::Packet(packet));
            self.perform();
        }
        true
    }

    fn take_local(&mut self, question: link_local::Question) {
        // The client gave up, or never waited: nothing is owed to the oldest.
        if self.ways_back.len() >= MOST_LOCAL {
            self.ways_back.pop_first();
        }
        self.next_way += 1;
        let way_back = WayBack(self.next_way);
        let transport = match question.reply.protocol() {
            Protocol::Udp => engine::Transport::Udp,
            Protocol::Tcp => engine::Transport::Tcp,
        };
        let input = Input::Question {
            way_back,
            client: question.client.ip(),
            resolver: SocketAddr::new(self.network.resolver_v6().into(), 53),
            transport,
            message: &question.message,
        };
        self.ways_back.insert(way_back, question.reply);
        self.engine.handle(clock::now(), input);
    }

    /// The device is gone from which packets came. Without it we are of no use, but to
    /// somebody who may hand over another.
    fn lose_tunnel(&mut self) -> Result<(), DaemonError> {
        self.gone = false;
        let Seat::App(_) = self.seat else { return Err(DaemonError::Gone) };
        log::warn!("the tunnel is gone");
        if let Some(handed) = self.network.handed() {
            handed.tun = None;
        }
        self.engine.handle(clock::now(), Input::Release);
        self.seat.note();
        Ok(())
    }

    /// Tells the app how things are, if that is news.
    fn tell_news(&mut self) {
        if self.problems.take_news() {
            self.seat.note();
        }
        if self.seat.wants_news() {
            let state = self.engine_state();
            self.seat.tell(state);
        }
    }

    fn next_timer(&self, deadline: Option<Instant>) -> Option<Duration> {
        let now = clock::now();
        let engine = deadline.map(|then| clock::until(now, then));
        let journal = self
            .journal
            .next_flush()
            .map(|then| then.saturating_duration_since(std::time::Instant::now()));
        let rule = self.policy.next_end(now).map(|then| clock::until(now, then));
        let wall = clock::wall_seconds();
        let pause = self
            .state
            .paused_until
            .map(|until| Duration::from_secs(until.saturating_sub(wall).max(0).unsigned_abs()));
        [engine, journal, rule, pause].into_iter().flatten().min()
    }

    fn pass_time(&mut self) {
        let now = clock::now();
        self.engine.handle(now, Input::Timeout);
        if self.journal.next_flush().is_some_and(|due| due <= std::time::Instant::now()) {
            self.journal.flush();
            // Many names were looked up since; few of them will be again.
            self.rulebook.let_go();
        }
        if self.state.paused_until.is_some_and(|until| until <= clock::wall_seconds()) {
            let _ = self.resume(); // a problem is in the status
        }
        if self
            .state
            .rules
            .known
            .iter()
            .any(|rule| rule.until.is_some_and(|until| until <= clock::wall_seconds()))
        {
            self.forget_ended_rules();
        }
        if self.policy.is_over(now) {
            self.renew_policy();
        }
    }
}

/// Waits until there may be a packet.
async fn readable(tun: Option<&Tun>) {
    match tun {
        Some(tun) => drop(tun.readable().await),
        None => std::future::pending().await,
    }
}

async fn next(from: Option<&mut mpsc::Receiver<()>>) -> Option<()> {
    from?.recv().await
}

async fn sleep(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}
