//! What a person may ask the daemon, and what it answers: the language of the
//! control socket, one JSON object a line each way.
//!
//! `docs/control.md` describes the same for programs of others. What is written
//! there stays: fields are added, never renamed, and whoever reads an answer
//! skips fields that he does not know. A change that this cannot carry raises
//! [`PROTOCOL`].

mod lists;
mod tunnel;

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::Capture;
use crate::core::event::{Learnt, Outcome};
use crate::core::flow::Protocol;
use crate::core::host::HostName;
use crate::core::sniff::Cause;
use crate::core::verdict::{Mode, RuleText, Via};

pub use lists::{
    AddedList, ListChange, ListLine, ListMore, ListProgress, ListSummary, ListVersion,
};
pub use tunnel::{EngineState, TunnelPlan};

/// The version of this language. A request may name the one it speaks as `v`;
/// a daemon that speaks another answers [`Response::Version`].
pub const PROTOCOL: u64 = 1;

/// One request. The connection carries one, then its [`Response`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do", deny_unknown_fields)]
pub enum Request {
    /// Switch on, for good.
    On,
    /// Switch off, for good.
    Off,
    /// Let everything through for a while.
    Pause {
        /// How long.
        seconds: u64,
    },
    /// End a pause.
    Resume,
    /// How things are: [`Status`].
    Status,
    /// Stored events, newest last: a stream of [`LogLine`], then [`Response::Done`].
    Log(LogQuery),
    /// The verdict about a name or address with its evidence: [`Explanation`].
    Explain {
        /// A host name or an address.
        subject: String,
        /// Judge as for this program.
        app: Option<String>,
        /// Judge as for this client.
        client: Option<String>,
    },
    /// Add or replace a rule of the user's own.
    AddRule(UserRule),
    /// Remove the user's own rules that name exactly this.
    RemoveRule {
        /// A host name or a prefix.
        subject: String,
    },
    /// The user's own rules: `Vec<UserRule>`.
    Rules,
    /// The vendors, their modes and counts: `Vec<VendorLine>`.
    Vendors,
    /// Set a vendor's mode, or the date of the user's opt-out, or both.
    SetVendor {
        /// Key of the vendor.
        vendor: String,
        /// The new mode.
        mode: Option<Mode>,
        /// ISO date on which the user opted out at the vendor; empty to forget it.
        opted_out: Option<String>,
    },
    /// What was stopped since then: [`Report`].
    Report {
        /// Seconds since 1970 (UTC) from which on to count.
        since: i64,
    },
    /// Look into these flows from now on; without, as the configuration says.
    Capture {
        /// Which.
        capture: Option<Capture>,
    },
    /// Read the configuration and the lists anew.
    Reload,
    /// The lists in use: `Vec<ListLine>`.
    Lists,
    /// What has to be led to a TUN that was handed over: [`TunnelPlan`].
    Tunnel,
    /// Change the lists in use: [`ListProgress`] as it goes, then [`Response::Done`].
    ChangeLists(ListChange),
}

/// What kind of rule.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Let through, whatever lists say.
    Allow,
    /// Stop.
    Block,
}

/// A rule of the user's own.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserRule {
    /// Allow or block.
    pub action: Action,
    /// A host name, a name with `*.` before it (only what is below), an address or a prefix.
    pub subject: String,
    /// Exactly this name; otherwise also everything below it.
    #[serde(default)]
    pub exact: bool,
    /// Seconds since 1970 (UTC) at which it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// Only for this program (its file name, or `uid:1000`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Only for this client (its address).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Only while this schedule of the configuration holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
}

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// Done, and nothing more to say, or a sentence for the user.
    Done(Option<String>),
    /// Could not: one line, what happened, why, what to do.
    Failed(String),
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// One of the answers to [`Request::Log`].
    Log(Box<LogLine>),
    /// To [`Request::Explain`].
    Explanation(Box<Explanation>),
    /// To [`Request::Rules`].
    Rules(Vec<UserRule>),
    /// To [`Request::Vendors`].
    Vendors(Vec<VendorLine>),
    /// To [`Request::Report`].
    Report(Box<Report>),
    /// To [`Request::Lists`].
    Lists(Vec<ListLine>),
    /// To [`Request::Tunnel`].
    Tunnel(TunnelPlan),
    /// One of the answers to [`Request::ChangeLists`].
    Progress(ListProgress),
    /// To a request in another version of this language.
    Version {
        /// Version of the daemon.
        daemon: String,
        /// The [`PROTOCOL`] that it speaks.
        speaks: u64,
    },
}

impl Response {
    /// The answer to a request in another version of this language.
    #[must_use]
    pub fn version() -> Self {
        Self::Version { daemon: env!("CARGO_PKG_VERSION").into(), speaks: PROTOCOL }
    }

    /// Whether more answers to the same request may follow.
    #[must_use]
    pub fn is_part(&self) -> bool {
        matches!(self, Self::Log(_) | Self::Progress(_))
    }
}

/// Which events to show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogQuery {
    /// Stay and show what comes.
    pub follow: bool,
    /// At most so many, the newest; 0 for all.
    pub last: u64,
    /// Only from this time on, seconds since 1970 (UTC).
    pub since: Option<i64>,
    /// Only with this outcome.
    pub outcome: Option<Outcome>,
    /// Only names that contain this text.
    pub name: Option<String>,
    /// Only of this program.
    pub app: Option<String>,
    /// Only of this client.
    pub client: Option<String>,
    /// Only of this vendor.
    pub vendor: Option<String>,
}

/// One stored event: equal ones that came together share a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// Milliseconds since 1970 (UTC) of the first.
    pub first_ms: i64,
    /// Milliseconds since 1970 (UTC) of the last.
    pub last_ms: i64,
    /// How many.
    pub count: u64,
    /// What was done.
    pub outcome: Outcome,
    /// The host, if known.
    pub host: Option<HostName>,
    /// `A`, `AAAA`, `HTTPS`, … for a question; `None` for a connection.
    pub query: Option<String>,
    /// Protocol, port and address of a connection; `None` for a question.
    #[serde(default, with = "connection")]
    pub connection: Option<(Protocol, u16, IpAddr)>,
    /// Who asked.
    pub client: ClientLine,
    /// The rule that decided.
    pub rule: Option<RuleText>,
    /// What the rule matched.
    pub via: Option<Via>,
    /// How the host of a connection was learnt; `None` for a question, and where
    /// the address of the sinkhole says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learnt: Option<Learnt>,
    /// Why a connection that was looked into has no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unnamed: Option<Cause>,
    /// The client hid whom it wants (ECH): `host` is the outer name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ech: bool,
    /// Bytes that the client sent until it was decided, of all together. What
    /// passes is not seen further. `None` if it was not looked into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_up: Option<u64>,
    /// Milliseconds from the first packet until it was decided, of all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
}

/// Who asked, as far as known.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct ClientLine {
    /// Address of a device; `None` for this host.
    pub address: Option<IpAddr>,
    /// Its hardware address.
    pub mac: Option<Arc<str>>,
    /// Its host name.
    pub name: Option<Arc<str>>,
    /// User id, for a program on this host.
    pub uid: Option<u32>,
    /// Process id.
    pub pid: Option<u32>,
    /// File name of the program.
    pub program: Option<Arc<str>>,
}

/// How things are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// `on`, `off` or `paused`.
    pub state: String,
    /// Seconds since 1970 (UTC) at which a pause ends.
    pub paused_until: Option<i64>,
    /// `selective` or `full`.
    pub capture: String,
    /// `open` or `closed`.
    pub fail_policy: String,
    /// Global mode.
    pub mode: Mode,
    /// How blocked names are answered.
    pub block_answer: String,
    /// Name of the TUN device.
    pub device: String,
    /// Seconds since 1970 (UTC) of the start.
    pub started: i64,
    /// Resolvers that passed questions go to, best first.
    pub upstreams: Vec<UpstreamLine>,
    /// The lists in use.
    pub lists: Vec<ListLine>,
    /// Counters since the start.
    pub counters: Counters,
    /// The flows that are looked into.
    #[serde(default)]
    pub flows: FlowsLine,
    /// What keeps optout from doing its job, each with its remedy. Empty is good.
    pub problems: Vec<String>,
}

/// One upstream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamLine {
    /// Address and port.
    pub address: String,
    /// Where it was learnt: `config`, `/etc/resolv.conf`, ….
    pub source: String,
    /// False after it failed to answer, until it answers again.
    pub answering: bool,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// Packets that came out of the TUN.
    pub packets: u64,
    /// DNS questions.
    pub queries: u64,
    /// Of these, blocked.
    pub blocked: u64,
    /// Of these, watched.
    pub watched: u64,
    /// Of these, passed.
    pub passed: u64,
    /// Attempts to connect to a blocked host.
    pub connections: u64,
    /// Messages and packets that made no sense.
    pub malformed: u64,
    /// Packets that came to a TUN that was handed over and could not go on from there.
    #[serde(default)]
    pub strays: u64,
    /// Questions that no upstream answered.
    pub unanswered: u64,
    /// Events that could not be stored.
    pub events_lost: u64,
    /// Times the daemon was woken.
    pub wakeups: u64,
}

/// The flows that are looked into. What is not said to be of now is since the start.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowsLine {
    /// Now: those that wait for their verdict.
    pub undecided: u64,
    /// Now: those that are refused, and remembered so that they stay so.
    pub refused: u64,
    /// Now: those that passed and are remembered, so that they can be recalled.
    pub passed: u64,
    /// Now: bytes of packets that wait for a verdict.
    pub held_bytes: u64,
    /// How many bytes may wait.
    pub held_cap: u64,
    /// Flows that were looked into.
    pub seen: u64,
    /// Of these, stopped.
    pub stopped: u64,
    /// Of these, let through with a name.
    pub named: u64,
    /// Of these, let through without a name.
    pub unnamed: u64,
    /// Packets of clients that were put back on their way.
    pub put_back: u64,
    /// Flows that were decided unseen, because there was no room.
    pub over_bound: u64,
    /// Packets that were dropped: broken, or made to be read in two ways.
    pub dropped: u64,
    /// Hosts whose refusals became silence, because a client would not stop.
    pub storms: u64,
    /// Now: addresses that our answers gave to clients, and that are remembered.
    pub answers: u64,
    /// The kernel's sets of flows that passed.
    pub sets: Vec<SetLine>,
}

/// One of the kernel's sets.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct SetLine {
    /// Its name.
    pub name: String,
    /// Flows in it; `None` if that cannot be learnt.
    pub used: Option<u64>,
    /// Flows for which it has room.
    pub size: u64,
}

/// A verdict with its whole evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// What was asked about.
    pub subject: String,
    /// What happens to it.
    pub outcome: Outcome,
    /// One sentence: why.
    pub because: String,
    /// Every rule that names it, the deciding one first.
    pub rules: Vec<ExplainedRule>,
    /// What the catalogue knows of it.
    pub entry: Option<EntryLine>,
}

/// One rule that names the subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainedRule {
    /// The rule.
    pub rule: RuleText,
    /// What it does by itself: `allow`, `block`, `watch`, `never-block`;
    /// `watch-allow` where its list is only watched; `off` where its list is off;
    /// `outdone` by a nearer rule of its list; `limited` where it does not hold.
    pub action: String,
    /// What it matched.
    pub via: Via,
    /// Whether it comes before rules of lists that are not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub important: bool,
    /// How it wants a block answered, if it says so: `nodata`, `nxdomain`,
    /// `refused` or `drop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// In words, when and for whom it holds, if not always and for everyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<String>,
    /// In words, what of that keeps it from holding here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<String>,
    /// The line of its list, as its author wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
}

impl ExplainedRule {
    /// A rule for everyone and always.
    #[must_use]
    pub fn new(rule: RuleText, action: &str, via: Via) -> Self {
        let action = action.into();
        Self {
            rule,
            action,
            via,
            important: false,
            answer: None,
            limits: None,
            idle: None,
            original: None,
        }
    }
}

/// An entry of the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryLine {
    /// Key of the vendor.
    pub vendor: String,
    /// Its name.
    pub vendor_name: String,
    /// The product that calls home.
    pub product: String,
    /// What is collected.
    pub collects: String,
    /// Kind of collecting.
    pub category: String,
    /// What breaks when it is blocked.
    pub breaks: String,
    /// `high`, `medium` or `low`.
    pub confidence: String,
    /// Whether `collects` was inferred from the name alone.
    pub inferred: bool,
    /// Where this is known from.
    pub sources: Vec<String>,
    /// Where the vendor's own switch is, if there is one.
    pub opt_out: Option<String>,
}

/// One vendor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VendorLine {
    /// Its key, such as `oneplus`.
    pub vendor: String,
    /// Its name.
    pub name: String,
    /// Its mode.
    pub mode: Mode,
    /// Entries that block.
    pub blocks: u64,
    /// Entries that are only watched by default.
    pub watches: u64,
    /// Entries that keep something reachable.
    pub allows: u64,
    /// What the vendor's devices do, in a paragraph.
    pub story: String,
    /// Where the vendor's own switch is.
    pub opt_out: Option<String>,
    /// ISO date on which the user opted out.
    pub opted_out: Option<String>,
    /// Stopped so far, as the journal knows.
    pub blocked: u64,
}

/// What was stopped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// From, seconds since 1970 (UTC).
    pub since: i64,
    /// To.
    pub until: i64,
    /// Questions and connections that were stopped.
    pub blocked: u64,
    /// Those that would have been.
    pub watched: u64,
    /// Those let through.
    pub passed: u64,
    /// By vendor, most stopped first.
    pub vendors: Vec<ReportVendor>,
    /// By host, most stopped first.
    pub hosts: Vec<ReportHost>,
    /// By app or client, most stopped first.
    pub clients: Vec<ReportClient>,
}

/// What a vendor's software did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReportVendor {
    /// Its key; empty for what is in no pack.
    pub vendor: String,
    /// Its name.
    pub name: String,
    /// Stopped.
    pub blocked: u64,
    /// Would have been stopped.
    pub watched: u64,
    /// Different hosts.
    pub hosts: u64,
    /// Seconds since 1970 (UTC) of the first and the last attempt.
    pub first: i64,
    /// See `first`.
    pub last: i64,
    /// ISO date on which the user opted out.
    pub opted_out: Option<String>,
    /// Attempts on and after that day, whenever the report begins.
    pub since_opt_out: Option<u64>,
}

/// What was tried with one host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportHost {
    /// The host.
    pub host: String,
    /// What was done.
    pub outcome: Outcome,
    /// Questions.
    pub queries: u64,
    /// Attempts to connect.
    pub connections: u64,
    /// The rule.
    pub rule: Option<RuleText>,
    /// What is collected, from the catalogue.
    pub collects: Option<String>,
}

/// What one app or client did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportClient {
    /// Who.
    pub client: ClientLine,
    /// Stopped.
    pub blocked: u64,
    /// Would have been stopped.
    pub watched: u64,
    /// Let through.
    pub passed: u64,
}

/// A connection is an object with names in JSON, so that a reader need not count.
mod connection {
    use serde::{Deserializer, Serializer};

    use super::{Deserialize, IpAddr, Protocol, Serialize};

    type Connection = Option<(Protocol, u16, IpAddr)>;

    #[derive(Serialize, Deserialize)]
    struct Named {
        protocol: Protocol,
        port: u16,
        address: IpAddr,
    }

    pub(super) fn serialize<S: Serializer>(it: &Connection, to: S) -> Result<S::Ok, S::Error> {
        it.map(|(protocol, port, address)| Named { protocol, port, address }).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Connection, D::Error> {
        let named = Option::<Named>::deserialize(from)?;
        Ok(named.map(|it| (it.protocol, it.port, it.address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row, one test: what a program writes, and what we read.
    macro_rules! requests {
        ($($name:ident: $json:literal => $want:expr;)*) => {
            $(#[test] fn $name() {
                let request: Request = serde_json::from_str($json).unwrap();
                assert_eq!(request, $want);
                let again = serde_json::to_string(&request).unwrap();
                assert_eq!(serde_json::from_str::<Request>(&again).unwrap(), $want);
            })*
        };
    }

    requests! {
        on_is_a_word: r#"{"do":"on"}"# => Request::On;
        pause_has_seconds: r#"{"do":"pause","seconds":900}"# => Request::Pause { seconds: 900 };
        log_has_defaults: r#"{"do":"log","last":5}"# =>
            Request::Log(LogQuery { last: 5, ..LogQuery::default() });
        a_rule_lies_flat: r#"{"do":"add_rule","action":"allow","subject":"a.example"}"# =>
            Request::AddRule(rule("a.example"));
        a_vendor_may_be_set_in_part: r#"{"do":"set_vendor","vendor":"acme","mode":"watch"}"# =>
            Request::SetVendor { vendor: "acme".into(), mode: Some(Mode::Watch), opted_out: None };
    }

    fn rule(subject: &str) -> UserRule {
        UserRule {
            action: Action::Allow,
            subject: subject.into(),
            exact: false,
            until: None,
            app: None,
            client: None,
            schedule: None,
        }
    }

    #[test]
    fn a_mistyped_field_is_refused_and_not_skipped() {
        for json in [
            r#"{"do":"pause","seconds":1,"minutes":2}"#,
            r#"{"do":"log","lst":1}"#,
            r#"{"do":"add_rule","action":"allow","subject":"a.example","untill":1}"#,
            r#"{"do":"explode"}"#,
        ] {
            assert!(serde_json::from_str::<Request>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_connection_is_an_object_with_names() {
        let line = LogLine {
            first_ms: 1,
            last_ms: 2,
            count: 1,
            outcome: Outcome::Blocked,
            host: None,
            query: None,
            connection: Some((Protocol::Tcp, 443, IpAddr::from([198, 18, 1, 0]))),
            client: ClientLine::default(),
            rule: None,
            via: None,
            learnt: None,
            unnamed: None,
            ech: false,
            bytes_up: None,
            ms: None,
        };
        let json = serde_json::to_value(&line).unwrap();
        let want = r#"{"protocol":"tcp","port":443,"address":"198.18.1.0"}"#;
        assert_eq!(json["connection"], serde_json::from_str::<serde_json::Value>(want).unwrap());
        assert_eq!(serde_json::from_value::<LogLine>(json).unwrap(), line);
    }

    #[test]
    fn an_answer_with_fields_of_a_later_version_is_read() {
        let json = r#"{"version":{"daemon":"9.9.9","speaks":7,"colour":"blue"}}"#;
        let want = Response::Version { daemon: "9.9.9".into(), speaks: 7 };
        assert_eq!(serde_json::from_str::<Response>(json).unwrap(), want);
    }

    /// The lines of the examples of one kind in `docs/control.md`.
    fn examples(kind: &str) -> Vec<serde_json::Value> {
        let text = include_str!("../../docs/control.md");
        let blocks = text.split("```").skip(1).step_by(2);
        let lines = blocks.filter_map(|block| block.strip_prefix(kind)).flat_map(str::lines);
        let lines = lines.filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    #[test]
    fn what_is_written_down_is_what_is_spoken() {
        let (requests, responses) = (examples("request"), examples("response"));
        assert_eq!((requests.len(), responses.len()), (26, 19));
        // Both ways: no field is missing from the examples, and none too many.
        for example in requests {
            let request: Request = serde_json::from_value(example.clone()).expect("a request");
            assert_eq!(serde_json::to_value(request).unwrap(), example);
        }
        for example in responses {
            let response: Response = serde_json::from_value(example.clone()).expect("an answer");
            assert_eq!(serde_json::to_value(response).unwrap(), example);
        }
    }
}
