//! The judgements, one function a question, each from facts alone.

use crate::core::verdict::Mode;
use crate::request::Status;
use crate::shell::doctor::facts::{Facts, Family, Ours, PolicyRule, Reached, Tun};
use crate::shell::doctor::{Check, ResolverUse, State};
use crate::shell::tun::second;

/// All findings.
pub(super) fn examine(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![tun(facts), capability(facts)];
    checks.extend(daemon(facts));
    checks.extend(captured(facts));
    checks.extend(in_the_way(facts));
    checks.extend(taken(facts));
    checks.extend(marks(facts));
    checks.extend(tunnels(facts));
    checks.extend(upstreams(facts));
    checks.push(bypass(facts));
    checks.extend(facts.resolver_use.as_ref().map(ResolverUse::check));
    checks.extend(lists(facts));
    checks.extend(facts.android.iter().flat_map(|android| android.examine(facts.rules())));
    checks.push(clock(facts));
    checks
}

fn ok(name: &'static str, said: impl Into<String>) -> Check {
    Check { name, state: State::Ok, said: said.into(), fix: None }
}

fn warning(name: &'static str, said: impl Into<String>, fix: impl Into<String>) -> Check {
    Check { name, state: State::Warning, said: said.into(), fix: Some(fix.into()) }
}

fn problem(name: &'static str, said: impl Into<String>, fix: impl Into<String>) -> Check {
    Check { name, state: State::Problem, said: said.into(), fix: Some(fix.into()) }
}

impl Facts {
    fn status(&self) -> Option<&Status> {
        match &self.daemon {
            Reached::Running(status) => Some(status),
            _ => None,
        }
    }

    fn rules(&self) -> &[PolicyRule] {
        self.rules.as_deref().unwrap_or_default()
    }

    fn our_rules(&self, family: Family) -> impl Iterator<Item = &PolicyRule> {
        self.rules().iter().filter(move |rule| rule.family == family && rule.origin == ORIGIN)
    }
}

fn tun(facts: &Facts) -> Check {
    let name = "tun";
    match &facts.tun {
        Tun::Usable => ok(name, "/dev/net/tun can be opened"),
        _ if facts.status().is_some() => ok(name, "the daemon has its TUN device"),
        Tun::Missing => problem(
            name,
            "there is no /dev/net/tun",
            "`sudo modprobe tun`; on OpenWrt `opkg install kmod-tun` (or `apk add kmod-tun`); \
             in a container, hand /dev/net/tun in",
        ),
        Tun::Denied => warning(name, "/dev/net/tun cannot be opened by this user", SUDO),
        Tun::Failed(why) => {
            problem(name, format!("/dev/net/tun cannot be opened: {why}"), "`sudo modprobe tun`")
        }
    }
}

fn capability(facts: &Facts) -> Check {
    let name = "capability";
    match (facts.net_admin, facts.status()) {
        (true, _) => ok(name, "CAP_NET_ADMIN is there"),
        (false, Some(_)) => ok(name, "the daemon runs, so it has CAP_NET_ADMIN"),
        (false, None) => warning(name, "this user has no CAP_NET_ADMIN, the daemon needs it", SUDO),
    }
}

fn daemon(facts: &Facts) -> Vec<Check> {
    let name = "daemon";
    let status = match &facts.daemon {
        Reached::Running(status) => status,
        Reached::NotRunning => {
            let fix = match facts.android {
                Some(_) => "enable its module and restart the phone, or press its action button",
                None => "`sudo systemctl start optout` or `sudo optout run`",
            };
            return vec![problem(name, "optout is not running", fix)];
        }
        Reached::Unasked(why) => return vec![problem(name, why, SUDO)],
    };
    let mut checks = vec![switch(status), fail_policy(status)];
    checks.extend(status.problems.iter().map(|said| {
        // The daemon's problems say "what; what to do".
        let (said, fix) =
            said.split_once("; ").unwrap_or((said, "see `optout status` and its log"));
        problem("status", said, fix)
    }));
    checks
}

fn switch(status: &Status) -> Check {
    let name = "switch";
    match (status.state.as_str(), status.mode) {
        ("on", Mode::Enforce) => ok(name, "optout is on"),
        ("on", mode) => {
            let said = format!("optout is on, but its mode is {mode}: nothing is stopped");
            warning(name, said, "set `mode = \"enforce\"` in the configuration")
        }
        ("paused", _) => warning(name, "optout is paused", "`optout resume`"),
        (state, _) => warning(name, format!("optout is {state}"), "`optout on`"),
    }
}

fn fail_policy(status: &Status) -> Check {
    let said = match status.fail_policy.as_str() {
        "open" => "if the daemon dies, traffic goes on without it (open)",
        "closed" => "if the daemon dies, questions go nowhere (closed)",
        _ => "the fail policy is of a kind unknown here",
    };
    ok("fail policy", said)
}

/// Whether the rules that send traffic our way are there exactly when they should.
fn captured(facts: &Facts) -> Vec<Check> {
    let name = "capture";
    if facts.rules.is_none() {
        let said = "the policy routing rules cannot be read";
        return vec![warning(name, said, SUDO)];
    }
    let on = facts.status().is_some_and(|status| status.state == "on");
    let (v4, v6) =
        (facts.our_rules(Family::V4).count() > 0, facts.our_rules(Family::V6).count() > 0);
    if !on {
        let dead = facts.status().is_none() && matches!(facts.daemon, Reached::NotRunning);
        let left = (v4 || v6) && dead;
        return left.then(|| warning(name, LEFT, "start optout again")).into_iter().collect();
    }
    let v6_used = has_default(facts, Family::V6, MAIN);
    let restart = "restart it: `sudo systemctl restart optout`";
    vec![
        if v4 {
            ok(name, "rules send this machine's questions to optout")
        } else {
            problem(name, "optout is on, but no rule sends questions its way", restart)
        },
        match (v6, v6_used) {
            (true, _) => ok("ipv6", "IPv6 is covered"),
            (false, false) => ok("ipv6", "there is no route to the IPv6 Internet"),
            (false, true) => problem(
                "ipv6",
                "IPv6 leads out, but no rule sends its questions to optout",
                restart,
            ),
        },
    ]
}

fn has_default(facts: &Facts, family: Family, table: u32) -> bool {
    facts.default_routes.contains(&(family, table))
}

/// Rules of others that come before ours and catch what we are to see.
fn in_the_way(facts: &Facts) -> Vec<Check> {
    let name = "routing rules";
    let mut checks: Vec<_> = facts
        .rules()
        .iter()
        .filter(|rule| rule.origin != ORIGIN && rule.priority < our_priority(facts, rule.family))
        .filter_map(|rule| obstacle(rule, facts).map(|(state, what)| (rule, state, what)))
        .map(|(rule, state, what)| Check {
            name,
            state,
            said: format!("rule {} comes before optout's and {what}", rule.priority),
            fix: Some(format!(
                "move it behind {} (`ip {}rule`), or stop what made it{}",
                facts.ours.priorities.1,
                if rule.family == Family::V6 { "-6 " } else { "" },
                maker(rule)
            )),
        })
        .collect();
    if checks.is_empty() && facts.rules.is_some() {
        checks.push(ok(name, "no rule of others comes before optout's"));
    }
    checks
}

/// Where ours begin, or would begin.
fn our_priority(facts: &Facts, family: Family) -> u32 {
    facts.our_rules(family).map(|rule| rule.priority).min().unwrap_or(facts.ours.priorities.0)
}

/// Whether a rule keeps questions from us, and from whom.
fn obstacle(rule: &PolicyRule, facts: &Facts) -> Option<(State, String)> {
    let ports = rule.ports.is_none_or(|(from, to)| (from..=to).contains(&53));
    let protocol = matches!(rule.protocol, None | Some(TCP | UDP));
    let uplink = rule.iif.as_ref().is_some_and(|name| facts.uplinks.contains(name));
    if !ports || !protocol || uplink || rule.to.is_some() || rule.table == Some(LOCAL) {
        return None;
    }
    // wg-quick's `lookup main suppress_prefixlength 0`: only what is on-link.
    if rule.suppress.is_some() {
        return None;
    }
    let whole = match rule.table {
        Some(table) => has_default(facts, rule.family, table),
        None => return None, // refuses, jumps, or nothing: no leak
    };
    let only = condition(rule);
    Some(match (whole, only) {
        (true, None) => (State::Problem, "takes all questions".into()),
        (true, Some(only)) => (State::Warning, format!("takes the questions {only}")),
        (false, only) => {
            let only = only.map(|only| format!(" {only}")).unwrap_or_default();
            let table = rule.table.unwrap_or(0);
            if rule.mark.is_some() {
                return None; // marked, and to a few places only: its maker's own traffic
            }
            (State::Warning, format!("takes the questions to what is in table {table}{only}"))
        }
    })
}

/// Whose questions a rule takes; `None`: everybody's.
fn condition(rule: &PolicyRule) -> Option<String> {
    if rule.inverted {
        // `not fwmark X` is everything but what X's maker sends itself.
        return rule.mark.is_none().then(|| "of some".into());
    }
    if let Some((value, mask)) = rule.mark
        && value & mask != 0
    {
        return Some(format!("marked {value:#x}/{mask:#x}"));
    }
    let from = rule.from.as_ref().map(|from| format!("from {from}"));
    let iif = rule.iif.as_ref().filter(|iif| *iif != "lo").map(|iif| format!("coming in by {iif}"));
    let lo = rule.iif.as_ref().map(|_| "of this machine".into());
    let oif = rule.oif.as_ref().map(|oif| format!("bound to {oif}"));
    let users = rule.users.then(|| "of some users".into());
    from.or(iif).or(lo).or(oif).or(users)
}

/// Who is known to make such rules.
fn maker(rule: &PolicyRule) -> &'static str {
    match (rule.priority, rule.mark) {
        (5200..=5299, _) => " (Tailscale: `tailscale set --accept-dns=false`)",
        (_, Some((_, 0x3f00))) => " (mwan3)",
        _ => "",
    }
}

/// The mark that says "from optout itself": what the rules in force except, or
/// else what the configuration says. Rules that steer ask for a value, too.
pub(super) fn our_mark(rules: &[PolicyRule], ours: &Ours) -> u32 {
    let in_force = rules.iter().filter(|rule| rule.origin == ORIGIN);
    let excepted = in_force.filter_map(|rule| rule.mark).filter(|(value, _)| *value == 0);
    // Some look at more bits, those that netd has for networks.
    excepted.map(|(_, mask)| mask).reduce(|one, other| one & other).unwrap_or(ours.mark)
}

/// A rule of others that leads to a table of ours, which a start refuses to share.
fn taken(facts: &Facts) -> Option<Check> {
    let others = facts.rules().iter().filter(|rule| rule.origin != ORIGIN);
    let (priority, table) = others
        .filter_map(|rule| Some((rule.priority, rule.table?)))
        .find(|(_, table)| facts.ours.tables.contains(table))?;
    let said = format!("rule {priority} of another program leads to table {table}, optout's own");
    let fix = "set another `dns_table`, `address_table` or `flow_table` in the configuration";
    Some(problem("routing tables", said, fix))
}

/// Marks of others that look like ours: what bears them would pass unseen.
fn marks(facts: &Facts) -> Option<Check> {
    let ours = our_mark(facts.rules(), &facts.ours);
    let others = facts.rules().iter().filter(|rule| rule.origin != ORIGIN);
    let (priority, value, mask) = others
        .filter_map(|rule| rule.mark.map(|(value, mask)| (rule.priority, value, mask)))
        .find(|(_, value, mask)| value & mask & ours != 0)?;
    let said = format!(
        "rule {priority} uses mark {value:#x}/{mask:#x}, which holds optout's own bit {ours:#x}: \
         what bears it passes unseen"
    );
    Some(problem("marks", said, "set another `mark` in optout's configuration"))
}

/// Other VPNs that are up: not wrong, but good to know.
fn tunnels(facts: &Facts) -> Vec<Check> {
    let own = facts.status().map_or("optout0", |status| status.device.as_str());
    let second = second(own);
    let ours = |link: &&super::Link| link.name == own || link.name == second;
    let others = facts.tunnels.iter().filter(|link| !ours(link));
    others
        .map(|link| {
            let said = format!("another tunnel is up: {} ({})", link.name, link.kind);
            ok("other tunnels", said)
        })
        .collect()
}

fn upstreams(facts: &Facts) -> Vec<Check> {
    let name = "upstreams";
    if facts.probes.is_empty() {
        let fix = "connect to a network, or set `upstreams` in the configuration";
        return vec![problem(name, "no upstream is known", fix)];
    }
    let answering = facts.probes.iter().filter(|probe| probe.answer.is_ok()).count();
    let judge = |said| match answering {
        0 => problem(name, said, "check the network, or set other `upstreams`"),
        _ => warning(name, said, "others answer; remove it if it stays away"),
    };
    let told = |address: &str| {
        let lines = facts.status().map(|status| &status.upstreams);
        let line = lines.and_then(|lines| lines.iter().find(|line| line.address == address));
        line.is_none_or(|line| line.answering)
    };
    let check = |probe: &super::Probe| {
        let address = &probe.address;
        match &probe.answer {
            Ok(_) if !told(address) => {
                let said = format!("{address} answers us, but not the daemon");
                warning(name, said, "wait a minute; then look for a firewall in between")
            }
            Ok(time) => ok(name, format!("{address} answers in {} ms", time.as_millis())),
            Err(why) => judge(format!("{address}: {why}")),
        }
    };
    facts.probes.iter().map(check).collect()
}

fn bypass(facts: &Facts) -> Check {
    let name = "bypass";
    let own = |flow: &&super::Flow| {
        let address = flow.resolver.to_string();
        facts.probes.iter().all(|probe| probe.address != address)
    };
    let flows: Vec<_> = facts.flows.iter().filter(own).collect();
    if flows.is_empty() {
        return ok(name, "no flow to a known encrypted resolver is open");
    }
    let mut who: Vec<_> =
        flows.iter().map(|flow| format!("{} to {}", flow.who, flow.resolver)).collect();
    who.sort();
    who.dedup();
    let more = who.len().saturating_sub(SHOWN);
    who.truncate(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let said = format!("encrypted resolvers are in use past optout: {}{more}", who.join(", "));
    warning(name, said, BYPASS_FIX)
}

fn lists(facts: &Facts) -> Vec<Check> {
    let name = "lists";
    let Some(status) = facts.status() else { return Vec::new() };
    let rules: u64 = status.lists.iter().map(|list| list.rules).sum();
    if rules == 0 {
        let fix = "add a list to the configuration, or take the built-in ones back in";
        return vec![problem(name, "there is not one rule: nothing can be blocked", fix)];
    }
    let mut checks: Vec<_> = status
        .lists
        .iter()
        .filter_map(|list| {
            let age = facts.clock.now.saturating_sub(list.changed?);
            let said = format!("{} is {} days old", list.name, age / DAY);
            (age > STALE)
                .then(|| warning(name, said, "fetch it anew, then `systemctl reload optout`"))
        })
        .collect();
    if checks.is_empty() {
        checks.push(ok(name, format!("{rules} rules, none stale")));
    }
    checks
}

fn clock(facts: &Facts) -> Check {
    let name = "clock";
    let fix = "set it, and let NTP keep it: `sudo timedatectl set-ntp true`";
    match facts.clock.synchronised {
        _ if facts.clock.now < BUILT => {
            problem(name, "the clock is before the day this optout was made", fix)
        }
        Some(false) => warning(name, "the clock is not synchronised", fix),
        Some(true) => ok(name, "the clock is synchronised"),
        None => ok(name, "the clock is plausible"),
    }
}

const SUDO: &str = "run `sudo optout doctor` to see";

const LEFT: &str = "optout died and its fail policy is closed: questions go nowhere";

const BYPASS_FIX: &str = "turn it off there (Firefox and Chrome: Settings, Privacy, secure DNS; \
                          Android: Private DNS), or block the resolver: `optout block ADDRESS`";

/// Who made a rule: us.
const ORIGIN: u8 = 235;

const LOCAL: u32 = 255; // RT_TABLE_LOCAL
const MAIN: u32 = super::routing::MAIN;
const TCP: u8 = 6; // IANA protocol numbers
const UDP: u8 = 17;

const DAY: i64 = 24 * 3600; // seconds

/// Seconds. Lists of telemetry hosts change by the week.
const STALE: i64 = 14 * DAY;

/// Flows that are named.
const SHOWN: usize = 3;

/// Seconds since 1970: no clock that is right shows an earlier time. Who builds
/// for others says when (reproducible-builds.org); else 2026-11-22.
const BUILT: i64 = match option_env!("SOURCE_DATE_EPOCH") {
    Some(text) => match i64::from_str_radix(text, 10) {
        Ok(seconds) => seconds,
        Err(_) => panic!("SOURCE_DATE_EPOCH is not a number of seconds"),
    },
    None => 1_795_305_600,
};

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
