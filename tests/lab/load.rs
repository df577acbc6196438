//! Many questions a second, of which each is accounted for, and little memory.

use std::fs;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Daemon, ISP, Node, dns};

/// Questions of a machine to the provider's resolver.
pub(crate) struct Load<N> {
    /// Questions a second.
    pub(crate) rate: u32,
    /// The name of the question with this number.
    pub(crate) name: N,
}

/// What came of them.
pub(crate) struct Tally {
    sent: usize,
    answered: usize,
    /// The number of each question that has no answer, and when it was asked.
    lost: Vec<(usize, Duration)>,
    longest: Duration,
}

impl<N: Fn(u32) -> String + Sync> Load<N> {
    /// Asks while `work` lasts; each question once, however long its answer takes.
    pub(crate) fn during(&self, node: &Node, work: impl FnOnce()) -> Tally {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let asking = scope.spawn(|| node.enter(|| self.ask(&stop)));
            // However `work` ends, the questions must, or the scope never does.
            let stopped = StopAtEnd(&stop);
            work();
            drop(stopped);
            asking.join().expect("no panic while asking")
        })
    }

    fn ask(&self, stop: &AtomicBool) -> Tally {
        let socket = UdpSocket::bind(("0.0.0.0", 0)).expect("a socket");
        socket.connect((ISP[0], 53)).expect("a route");
        socket.set_nonblocking(true).expect("a socket");
        let begun = Instant::now();
        let mut sent: Vec<(Instant, Option<Duration>)> = Vec::new();
        let mut buffer = [0; 1500];
        let mut ended = None;
        loop {
            let due = begun.elapsed().as_millis() * u128::from(self.rate) / 1000;
            let due = usize::try_from(due).expect("a test is short");
            if stop.load(Ordering::Relaxed) || sent.len() == MOST {
                ended.get_or_insert_with(Instant::now);
            } else if sent.len() < due {
                let id = u16::try_from(sent.len()).expect("at most MOST");
                let question = dns::question(id, &(self.name)(u32::from(id)), dns::A);
                socket.send(&question).expect("the route is up");
                sent.push((Instant::now(), None));
            }
            loop {
                match socket.recv(&mut buffer) {
                    Ok(length) if length > 12 => {
                        let id = usize::from(u16::from_be_bytes([buffer[0], buffer[1]]));
                        let rcode = buffer[3] & 15;
                        assert!(rcode == dns::NOERROR || rcode == dns::NXDOMAIN, "RCODE {rcode}");
                        if let Some((when, took)) = sent.get_mut(id) {
                            took.get_or_insert(when.elapsed());
                        }
                    }
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
            let all =
                sent.iter().rev().take(2 * self.rate as usize).all(|(_, took)| took.is_some());
            if ended.is_some_and(|ended| all || ended.elapsed() > PATIENCE) {
                break;
            }
            if ended.is_some() || sent.len() >= due {
                thread::sleep(Duration::from_micros(200));
            }
        }
        Tally {
            sent: sent.len(),
            answered: sent.iter().filter(|(_, took)| took.is_some()).count(),
            lost: sent
                .iter()
                .enumerate()
                .filter(|(_, (_, took))| took.is_none())
                .map(|(n, (when, _))| (n, when.duration_since(begun)))
                .collect(),
            longest: sent.iter().filter_map(|(_, took)| *took).max().unwrap_or_default(),
        }
    }
}

impl Tally {
    /// Questions without an answer.
    pub(crate) fn lost(&self) -> usize {
        self.lost.len()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { sent, answered, longest, lost } = self;
        let ms = longest.as_millis();
        write!(f, "{answered} of {sent} questions answered, the slowest after {ms} ms")?;
        let (Some(first), Some(last)) = (lost.first(), lost.last()) else { return Ok(()) };
        let passed = lost.iter().filter(|(n, _)| n.is_multiple_of(20)).count();
        let (first, last) = (first.1.as_millis(), last.1.as_millis());
        write!(f, "; lost from {first} to {last} ms, {passed} of them every twentieth")
    }
}

struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A control group that may have so much memory. It goes with the value, if it is empty.
pub(crate) struct MemoryLimit {
    group: PathBuf,
    peak: &'static str,
}

impl MemoryLimit {
    /// Makes one, in bytes; `None` where that cannot be done.
    pub(crate) fn new(bytes: u64) -> Option<Self> {
        use std::hash::{BuildHasher as _, RandomState};
        let name = format!("optout-test-{:x}", RandomState::new().hash_one(0));
        GROUPS.iter().find_map(|(base, limit, peak)| {
            let made = Self { group: PathBuf::from(base).join(&name), peak };
            fs::create_dir(&made.group).ok()?;
            // Not made anew: this may be no control group at all.
            let file = made.group.join(limit);
            (file.exists() && fs::write(file, bytes.to_string()).is_ok()).then_some(made)
        })
    }

    /// Puts a process into it.
    pub(super) fn hold(&self, process: u32) {
        fs::write(self.group.join("cgroup.procs"), process.to_string()).expect("our own group");
    }

    /// The most that was in use, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        let text = fs::read_to_string(self.group.join(self.peak)).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.group);
    }
}

impl Node {
    /// Starts `optout run` with no more memory than that, and waits until it is ready.
    #[track_caller]
    pub(crate) fn optout_within(&self, config: &str, limit: &MemoryLimit) -> Daemon<'_> {
        let mut daemon = self.optout_starting(config);
        limit.hold(daemon.process());
        daemon.wait_until_ready(Duration::from_mins(2));
        daemon
    }
}

/// Where control groups are: version 2 and version 1.
const GROUPS: [(&str, &str, &str); 2] = [
    ("/sys/fs/cgroup", "memory.max", "memory.peak"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
];

/// Most questions: each has an id of its own.
const MOST: usize = 65_536;

/// Longest wait for the answers that are still to come.
const PATIENCE: Duration = Duration::from_secs(5);
