//! Marks by iptables, where routing rules know no ports and the kernel has no nftables.
//!
//! A chain of ours in the table `mangle` marks the questions of this host, and the
//! kernel routes anew what was marked: the same as the rules of `nft` that steer. There
//! is no library to ask that every system has, so iptables(8) is run, and not often:
//! when capture goes on or off.
//!
//! After a crash the chain stays. That stops nothing: what it marks looks into a table
//! whose routes went with the device, and goes on. The next start removes it.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{Plan, RouteError, Routes, kernel};

/// The names of iptables(8) for IPv4 and IPv6.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Programs {
    pub(super) v4: &'static str,
    pub(super) v6: &'static str,
}

/// Our chains. They go with the value.
#[derive(Debug)]
pub(super) struct Chains {
    /// Programs whose chains were made.
    made: Vec<&'static str>,
}

impl Default for Programs {
    fn default() -> Self {
        Self { v4: "iptables", v6: "ip6tables" }
    }
}

impl Routes {
    /// Has iptables mark the questions of this host, if that is needed and nftables does
    /// not: where rules know no ports, and where a strict reverse path filter would drop
    /// what upstreams answer because a rule by port leads questions to us.
    pub(super) fn mark_by_iptables(&mut self) -> Result<(), RouteError> {
        if self.filter.is_some() {
            self.marking = None;
            return Ok(());
        }
        if self.marking.is_some() {
            self.filter_problem = self.missing_beside_iptables();
            return Ok(());
        }
        if self.know_ports && !self.drops_answers()? {
            return Ok(());
        }
        let device = nix::net::if_::if_indextoname(self.device)
            .map(|name| name.to_string_lossy().into_owned())
            .map_err(|error| kernel("read the name of the TUN device", error.into()))?;
        match Chains::make(self.programs, &self.plan, self.around.has_v6, &device) {
            Ok(chains) => {
                log::info!("route: questions of this host are marked by iptables");
                self.marking = Some(chains);
                self.filter_problem = self.missing_beside_iptables();
                Ok(())
            }
            Err(why) if !self.know_ports => Err(RouteError::KernelTooOld { why }),
            Err(why) => {
                log::debug!("route: no marks by iptables: {why}");
                Ok(())
            }
        }
    }

    /// What marks of iptables leave out.
    fn missing_beside_iptables(&self) -> Option<String> {
        let what = match (self.plan.forwarded, self.know_ports) {
            (false, _) => return None,
            (true, true) => "questions that clients send to this host's own address",
            (true, false) => "questions of clients",
        };
        Some(format!(
            "not covered are {what}: the kernel has no nftables, and iptables marks those of this \
             host alone; Linux 5.12 or newer with nftables is needed"
        ))
    }
}

impl Chains {
    /// Makes them, in the place of what an older run left. `device`: our own.
    ///
    /// # Errors
    ///
    /// Which command failed and what it said; then none is left.
    pub(super) fn make(
        programs: Programs,
        plan: &Plan,
        has_v6: bool,
        device: &str,
    ) -> Result<Self, String> {
        let mut chains = Self { made: Vec::new() };
        for program in [Some(programs.v4), has_v6.then_some(programs.v6)].into_iter().flatten() {
            remove(program);
            chains.made.push(program);
            for arguments in commands(plan, device) {
                run(program, &arguments)?;
            }
        }
        Ok(chains)
    }
}

impl Drop for Chains {
    fn drop(&mut self) {
        self.made.drain(..).for_each(remove);
    }
}

/// Removes what an older run left, where there may be something: where the kernel has
/// such tables. What newer kernels keep for iptables in nftables never was ours, for
/// with nftables we need no iptables.
pub(super) fn sweep(programs: Programs) {
    let tables =
        [("/proc/net/ip_tables_names", programs.v4), ("/proc/net/ip6_tables_names", programs.v6)];
    for (names, program) in tables {
        let there = std::fs::read_to_string(names).unwrap_or_default();
        if there.lines().any(|name| name == TABLE) {
            remove(program);
        }
    }
}

/// What makes the chain, and last what leads to it.
fn commands(plan: &Plan, device: &str) -> Vec<Vec<String>> {
    let words = |text: String| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut commands = vec![format!("-N {CHAIN}")];
    // Ours, and what was marked already.
    for bit in [plan.mark, plan.steer] {
        commands.push(format!("-A {CHAIN} -m mark --mark {bit:#x}/{bit:#x} -j RETURN"));
    }
    for link in ["lo", device] {
        commands.push(format!("-A {CHAIN} -o {link} -j RETURN"));
    }
    for protocol in ["udp", "tcp"] {
        commands.push(format!(
            "-A {CHAIN} -p {protocol} --dport 53 -j MARK --or-mark {:#x}",
            plan.steer
        ));
    }
    // First, for chains of others may end the walk.
    commands.push(format!("-I OUTPUT 1 -j {CHAIN}"));
    commands.into_iter().map(words).collect()
}

/// Removes our chain and each way to it, if there is one.
fn remove(program: &str) {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    if run(program, &words(&format!("-n -L {CHAIN}"))).is_err() {
        return;
    }
    let jump = words(&format!("-D OUTPUT -j {CHAIN}"));
    for _ in 0..MOST_JUMPS {
        if run(program, &jump).is_err() {
            break;
        }
    }
    for command in ["-F", "-X"] {
        let _ = run(program, &words(&format!("{command} {CHAIN}")));
    }
}

/// Runs one command on the table and waits for its end, which is near: others hold the
/// lock for milliseconds.
fn run(program: &str, arguments: &[String]) -> Result<(), String> {
    let failed = |why: &dyn std::fmt::Display| {
        format!("{program} -t {TABLE} {}: {why}", arguments.join(" "))
    };
    let mut child = Command::new(program)
        .args(["-w", "-t", TABLE])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    match wait(&mut child) {
        Ok(true) => Ok(()),
        Ok(false) => Err(failed(&last_words(&mut child))),
        Err(error) => Err(failed(&error)),
    }
}

/// Whether it did what it should.
fn wait(child: &mut Child) -> io::Result<bool> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() > end {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it did not end in time"));
        }
        thread::sleep(STEP);
    }
}

/// The last line that it said, so far as a person reads one.
fn last_words(child: &mut Child) -> String {
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = stderr.take(MOST_WORDS).read_to_end(&mut said);
    }
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it failed");
    line.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

const TABLE: &str = "mangle";
const CHAIN: &str = "OPTOUT";

/// Ways to our chain that are removed: one for each run that was killed between two
/// commands.
const MOST_JUMPS: usize = 16;

/// iptables waits for its lock; netd on Android holds it for a second at the worst.
const PATIENCE: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(1);
const MOST_WORDS: u64 = 4096; // bytes

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_fails_or_hangs_says_so_in_one_line() {
        let said = run("/nonexistent/iptables", &["-N".into()]).unwrap_err();
        assert!(said.starts_with("/nonexistent/iptables -t mangle -N: "), "{said}");
        assert_eq!(said.lines().count(), 1);
        let said = run("ls", &["/nonexistent".into()]).unwrap_err();
        assert!(said.starts_with("ls -t mangle /nonexistent: "), "{said}");
        assert_eq!(said.lines().count(), 1);
    }

    #[test]
    fn no_word_of_a_command_is_empty() {
        for command in commands(&Plan::default(), "optout0") {
            assert!(command.iter().all(|word| !word.is_empty()), "{command:?}");
        }
    }
}
