//! What keeps optout from its job on Android alone: its policy, Private DNS, other VPNs.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::facts::PolicyRule;
use super::{Check, State};

/// What is particular to Android.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Android {
    /// Whether `SELinux` forbids, or only records; `None` if it does not say.
    pub enforcing: Option<bool>,
    /// What `SELinux` takes us for, `u:r:magisk:s0`.
    pub context: Option<String>,
    /// What was lately denied to us.
    pub denials: Vec<Denial>,
    /// How names are asked for (`private_dns_mode`): `off`, `opportunistic`, `hostname`.
    pub private_dns: Option<String>,
}

/// A line of the kernel's log about something that was forbidden to us.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Denial {
    /// The domain that asked, `su`.
    pub source: String,
    /// The type that it was about.
    pub target: String,
    /// Class of the object, `tun_socket`.
    pub class: String,
    /// What was asked for, `create`.
    pub permissions: String,
}

impl Android {
    /// Looks, if this is Android. Asks the kernel's log and the settings, each for two
    /// seconds at most.
    pub(super) fn look() -> Option<Self> {
        Path::new("/system/bin/app_process").exists().then(|| {
            let read = |path| std::fs::read_to_string(path).ok();
            let context = read("/proc/self/attr/current").map(|text| trimmed(&text));
            let logs = [
                said("dmesg", &[]),
                said("logcat", &["-d", "-t", "2000", "-b", "all", "-s", "auditd"]),
            ];
            let logs = logs.into_iter().flatten().collect::<Vec<_>>().join("\n");
            let mode = said("settings", &["get", "global", "private_dns_mode"]);
            Self {
                enforcing: read("/sys/fs/selinux/enforce").map(|text| trimmed(&text) == "1"),
                denials: denials(&logs, context.as_deref()),
                context: context.filter(|context| !context.is_empty()),
                private_dns: mode.map(|mode| trimmed(&mode)).filter(|mode| !mode.is_empty()),
            }
        })
    }

    /// All findings. `rules`: those of policy routing.
    pub(super) fn examine(&self, rules: &[PolicyRule]) -> Vec<Check> {
        let mut checks = self.policy();
        checks.extend(self.private_dns());
        checks.extend(vpn(rules));
        checks
    }

    fn policy(&self) -> Vec<Check> {
        let name = "selinux";
        if self.enforcing != Some(true) {
            let said = "SELinux forbids nothing here: it is off or only records";
            return vec![check(name, State::Ok, said.into(), None)];
        }
        if !self.denials.is_empty() {
            return self.denials.iter().map(Denial::check).collect();
        }
        let judge = |context: &String| {
            if ROOT_DOMAINS.contains(&domain(context)) {
                let said =
                    format!("SELinux takes this for {context}, and denied it nothing lately");
                return check(name, State::Ok, said, None);
            }
            let said = format!("this runs as {context}, which may not do what optout needs");
            let fix = "run it from the root manager's shell (`su -c optout doctor`)";
            check(name, State::Warning, said, Some(fix.into()))
        };
        self.context.iter().map(judge).collect()
    }

    fn private_dns(&self) -> Option<Check> {
        let name = "private dns";
        let fix =
            "Settings, Network, Private DNS: Off (`settings put global private_dns_mode off`)";
        let (state, said) = match self.private_dns.as_deref()? {
            "off" => (State::Ok, "Private DNS is off: questions come to optout"),
            "hostname" => (
                State::Problem,
                "Private DNS names a provider: questions go there encrypted, and optout sees none",
            ),
            // "null" before anybody chose, which is the same as opportunistic.
            _ => (
                State::Warning,
                "Private DNS is automatic: where the network's resolver knows TLS, questions go \
                 past optout, unless nftables lets optout refuse that",
            ),
        };
        let fix = (state != State::Ok).then(|| fix.to_owned());
        Some(check(name, state, said.into(), fix))
    }
}

impl Denial {
    fn check(&self) -> Check {
        let Self { source, target, class, permissions } = self;
        let needed = purpose(class, permissions);
        let said = format!(
            "SELinux denies {source} {{ {permissions} }} of {target}:{class}, needed for {needed}"
        );
        let fix = format!(
            "start optout by its module (Magisk runs it as magisk, KernelSU as su or ksu, which \
             may do this); or write `allow {source} {target} {class} {{ {permissions} }}` into \
             {MODULE}/sepolicy.rule and restart the phone"
        );
        check("selinux", State::Problem, said, Some(fix))
    }
}

fn check(name: &'static str, state: State, said: String, fix: Option<String>) -> Check {
    Check { name, state, said, fix }
}

/// netd's rule for a VPN that takes everything of some users.
fn vpn(rules: &[PolicyRule]) -> Option<Check> {
    let is_of_vpn = |rule: &&PolicyRule| {
        rule.users && rule.table.is_some() && rule.mark == Some((0, PROTECTED_FROM_VPN))
    };
    rules.iter().find(is_of_vpn).map(|rule| {
        let said = format!(
            "a VPN app is up (rule {}): questions of its apps come to optout, and pass on to the \
             resolvers that optout uses",
            rule.priority
        );
        let fix = "if names of the VPN's own network do not resolve, name its resolver in \
                   `upstreams`, or `optout pause` while it is up";
        check("vpn", State::Warning, said, Some(fix.into()))
    })
}

/// What a permission is needed for, as far as optout asks for it.
fn purpose(class: &str, permissions: &str) -> &'static str {
    let net_admin = permissions.split(' ').any(|word| word == "net_admin");
    match class {
        "tun_socket" | "chr_file" => "the TUN device",
        "netlink_route_socket" => "routes and rules",
        "netlink_netfilter_socket" => "nftables",
        "netlink_tcpdiag_socket" => "the owners of flows",
        "rawip_socket" | "packet_socket" => "packets that are put back",
        "udp_socket" | "tcp_socket" => "questions to upstreams",
        "unix_stream_socket" | "sock_file" => "the commands",
        "capability" if net_admin => "routes, rules and marks",
        "capability" => "the programs behind flows",
        "file" | "dir" | "lnk_file" => "files",
        _ => "something that optout does",
    }
}

/// What was denied to us, each once: to the program of our name, or to our context.
fn denials(log: &str, context: Option<&str>) -> Vec<Denial> {
    let mut found: Vec<_> =
        log.lines().filter_map(|line| denial(line, context)).take(MOST_LINES).collect();
    found.sort();
    found.dedup();
    found.truncate(SHOWN);
    found
}

/// `avc:  denied  { create } for  pid=1 comm="optout" scontext=u:r:su:s0
/// tcontext=u:r:su:s0 tclass=tun_socket permissive=0`
fn denial(line: &str, context: Option<&str>) -> Option<Denial> {
    let (_, rest) = line.split_once("avc:  denied  { ")?;
    let (permissions, rest) = rest.split_once(" }")?;
    let mut words = rest.split_ascii_whitespace();
    let mut field = |name: &str| words.find_map(|word| word.strip_prefix(name));
    let comm = field("comm=")?.trim_matches('"');
    let source = field("scontext=")?;
    let target = field("tcontext=")?;
    let class = field("tclass=")?;
    if rest.contains("permissive=1") || !(comm == "optout" || Some(source) == context) {
        return None;
    }
    let sound = |text: &str| {
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '-');
        (text.len() <= LONGEST && !text.is_empty() && text.chars().all(letter))
            .then(|| text.to_owned())
    };
    Some(Denial {
        source: sound(domain(source))?,
        target: sound(domain(target))?,
        class: sound(class)?,
        permissions: sound(permissions)?,
    })
}

/// The third part of `u:r:magisk:s0`.
fn domain(context: &str) -> &str {
    context.split(':').nth(2).unwrap_or(context)
}

fn trimmed(text: &str) -> String {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned()
}

/// What a program printed, as much as is read of it; `None` if it is not there, failed
/// to start, or said nothing in time.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let output = child.stdout.take()?;
    let (done, printed) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let _ = output.take(MOST_BYTES).read_to_end(&mut text);
        let _ = done.send(String::from_utf8_lossy(&text).into_owned());
    });
    let text = printed.recv_timeout(PATIENCE).ok();
    // It may write on, for ever; then nobody reads it any more.
    let _ = child.kill();
    let _ = child.wait();
    text
}

/// Domains of root managers, to which everything is allowed.
const ROOT_DOMAINS: [&str; 3] = ["magisk", "su", "ksu"];

/// Bit of netd's marks that says "not into a VPN" (`include/Fwmark.h` in netd).
const PROTECTED_FROM_VPN: u32 = 0x2_0000;

const MODULE: &str = "/data/adb/modules/optout";
const PATIENCE: Duration = Duration::from_secs(2);
const MOST_BYTES: u64 = 4 << 20;
const MOST_LINES: usize = 1000;
const LONGEST: usize = 128; // bytes of a permission, class or domain

/// Denials that are shown; the rest is like them.
const SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const TUN: &str = "<5>[ 12.3] type=1400 audit(1.2:3): avc:  denied  { create } for  pid=77 \
                       comm=\"optout\" scontext=u:r:su:s0 tcontext=u:r:su:s0 tclass=tun_socket \
                       permissive=0";

    fn android(mode: Option<&str>) -> Android {
        Android {
            enforcing: Some(true),
            context: Some("u:r:magisk:s0".into()),
            denials: Vec::new(),
            private_dns: mode.map(Into::into),
        }
    }

    #[test]
    fn a_denial_is_told_with_the_rule_that_is_missing() {
        let denials = denials(&format!("x\n{TUN}\n{TUN}\n"), None);
        assert_eq!(denials.len(), 1, "each once");
        let checks = Android { denials, ..android(None) }.examine(&[]);
        assert_eq!(checks.len(), 1);
        let found = &checks[0];
        assert_eq!(found.state, State::Problem);
        assert_eq!(
            found.said,
            "SELinux denies su { create } of su:tun_socket, needed for the TUN device"
        );
        let fix = found.fix.as_deref().unwrap();
        assert!(fix.contains("`allow su su tun_socket { create }`"), "{fix}");
    }

    #[test]
    fn what_was_denied_to_others_or_only_recorded_is_not_told() {
        let of_others = TUN.replace("comm=\"optout\"", "comm=\"adbd\"");
        assert!(denials(&of_others, None).is_empty());
        assert_eq!(denials(&of_others, Some("u:r:su:s0")).len(), 1, "our context");
        assert!(denials(&TUN.replace("permissive=0", "permissive=1"), None).is_empty());
    }

    #[test]
    fn lines_that_others_wrote_into_the_log_do_no_harm() {
        for cut in 0..TUN.len() {
            let _ = denials(&TUN[..cut], None);
        }
        let escape = TUN.replace("tun_socket", "\x1b[31m");
        assert!(denials(&escape, None).is_empty());
        let long = TUN.replace("{ create }", &format!("{{ {} }}", "a".repeat(LONGEST + 1)));
        assert!(denials(&long, None).is_empty());
        let many: String =
            (0..5000).map(|n| TUN.replace("create", &format!("p{n}")) + "\n").collect();
        assert_eq!(denials(&many, None).len(), SHOWN);
    }

    #[test]
    fn each_mode_of_private_dns_has_its_word() {
        for (mode, want) in [
            (Some("off"), Some(State::Ok)),
            (Some("hostname"), Some(State::Problem)),
            (Some("opportunistic"), Some(State::Warning)),
            (Some("null"), Some(State::Warning)),
            (None, None),
        ] {
            let found = android(mode).private_dns();
            assert_eq!(found.as_ref().map(|check| check.state), want, "{mode:?}");
            let fix = found.and_then(|check| check.fix);
            assert_eq!(fix.is_some(), want.is_some_and(|state| state != State::Ok));
        }
    }

    #[test]
    fn the_context_is_one_of_a_root_manager_or_it_is_told() {
        let state = |android: Android| android.examine(&[])[0].state;
        assert_eq!(state(android(None)), State::Ok);
        let shell = Android { context: Some("u:r:shell:s0".into()), ..android(None) };
        assert_eq!(state(shell.clone()), State::Warning);
        assert_eq!(state(Android { enforcing: Some(false), ..shell.clone() }), State::Ok);
        assert!(Android { context: None, ..shell }.examine(&[]).is_empty(), "nothing is known");
    }

    #[test]
    fn a_program_that_never_ends_is_not_waited_for() {
        assert_eq!(said("/nonexistent", &[]), None);
        assert_eq!(said("echo", &["off"]).as_deref(), Some("off\n"));
        assert_eq!(said("sleep", &["600"]), None);
        let endless = said("yes", &[]).map(|text| text.len());
        assert!(endless.is_some_and(|length| length as u64 <= MOST_BYTES), "{endless:?}");
    }
}
