//! One rule as the reference has it, and what it names: text against text, nothing
//! looked up.

use std::net::IpAddr;

use optout::core::rule::{Action, Answer};
use regex::bytes::Regex;

/// What one line says of one subject.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) line: u32,
    pub(crate) subject: Subject,
    pub(crate) action: Action,
    pub(crate) answer: Answer,
    pub(crate) important: bool,
    /// `$badfilter`.
    pub(crate) cancels: bool,
    pub(crate) limits: Limits,
}

/// What it names.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// This name.
    Exact(String),
    /// This name, kept with a dot before it, and all below.
    Wide(String),
    /// What is below this name, kept with a dot before it.
    Below(String),
    Mask(Mask),
    Regex(String, Regex),
    /// Addresses from one to another, of IPv4 or not.
    Range {
        v4: bool,
        first: u128,
        last: u128,
    },
    Everything,
}

/// Text with stars and sets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mask {
    pub(crate) start: Start,
    pub(crate) parts: Vec<Part>,
    /// Whether the name ends where the mask does.
    pub(crate) ends: bool,
}

/// Where in a name a mask may begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Start {
    Name,
    Label,
    Anywhere,
}

/// What stands for a character, or for any number of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    One(u8),
    Any,
    Star,
    /// Ranges, and whether what is in none of them is meant.
    Set(Vec<(u8, u8)>, bool),
}

/// When and for whom it holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Limits {
    pub(crate) not_below: Vec<String>,
    pub(crate) types: Vec<u16>,
    pub(crate) not_types: Vec<u16>,
    pub(crate) clients: Vec<String>,
    pub(crate) not_clients: Vec<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) not_tags: Vec<String>,
    pub(crate) schedule: Option<String>,
}

impl Statement {
    pub(crate) fn new(subject: Subject, action: Action) -> Self {
        Self {
            line: 0,
            subject,
            action,
            answer: Answer::Usual,
            important: false,
            cancels: false,
            limits: Limits::default(),
        }
    }

    /// What is compared with the product.
    pub(crate) fn said(&self) -> (u32, Action, bool, Answer, bool) {
        let limited = self.limits != Limits::default();
        (self.line, self.action, self.important, self.answer, limited)
    }

    /// How near it is to what it names.
    pub(crate) fn nearness(&self) -> usize {
        match &self.subject {
            Subject::Exact(name) => name.len() + 1,
            Subject::Wide(dotted) | Subject::Below(dotted) => dotted.len() - 1,
            Subject::Mask(_) | Subject::Regex(..) | Subject::Everything => 0,
            Subject::Range { v4, first, last } => {
                let width = if *v4 { 32 } else { 128 };
                width - (last - first).count_ones() as usize
            }
        }
    }
}

impl Subject {
    pub(crate) fn names(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => host == name,
            Self::Wide(dotted) => host.ends_with(dotted.as_str()) || host == &dotted[1..],
            Self::Below(dotted) => host.ends_with(dotted.as_str()),
            Self::Mask(mask) => mask.names(host),
            Self::Regex(_, regex) => regex.is_match(host.as_bytes()),
            Self::Range { .. } => false,
            Self::Everything => true,
        }
    }

    pub(crate) fn has(&self, address: IpAddr) -> bool {
        let Self::Range { v4, first, last } = self else { return false };
        let (other, bits) = bits(address);
        *v4 == other && *first <= bits && bits <= *last
    }

    /// Text that is equal if two subjects are.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Regex(text, _) => format!("/{text}/"),
            other => format!("{other:?}"),
        }
    }
}

impl Mask {
    pub(crate) fn names(&self, host: &str) -> bool {
        let host = host.as_bytes();
        let begins = |at: usize| match self.start {
            Start::Name => at == 0,
            Start::Label => at == 0 || host[at - 1] == b'.',
            Start::Anywhere => true,
        };
        (0..=host.len()).any(|at| begins(at) && self.fits(&host[at..]))
    }

    /// Whether the beginning of `text` fits, or all of it. Keeps which parts may come
    /// next after each character.
    fn fits(&self, text: &[u8]) -> bool {
        let mut next = vec![false; self.parts.len() + 1];
        next[0] = true;
        self.pass_stars(&mut next);
        for &byte in text {
            if next[self.parts.len()] && !self.ends {
                return true;
            }
            let mut after = vec![false; next.len()];
            for (at, part) in self.parts.iter().enumerate().filter(|&(at, _)| next[at]) {
                match part {
                    Part::Star => after[at] = true,
                    part if part.is(byte) => after[at + 1] = true,
                    _ => {}
                }
            }
            next = after;
            self.pass_stars(&mut next);
        }
        next[self.parts.len()]
    }

    /// A star may stand for nothing.
    fn pass_stars(&self, next: &mut [bool]) {
        for (at, part) in self.parts.iter().enumerate() {
            if next[at] && *part == Part::Star {
                next[at + 1] = true;
            }
        }
    }
}

impl Part {
    fn is(&self, byte: u8) -> bool {
        match self {
            Self::One(one) => *one == byte,
            Self::Any => true,
            Self::Star => false,
            Self::Set(ranges, negated) => {
                ranges.iter().any(|(first, last)| (first..=last).contains(&&byte)) != *negated
            }
        }
    }
}

impl Limits {
    /// Whether a rule with these limits holds for this question of a client that has no
    /// name and no tags, while no schedule is on.
    pub(crate) fn hold(&self, host: Option<&str>, qtype: u16, client: IpAddr) -> bool {
        let below = |host: &str, name: &String| host == name || host.ends_with(&format!(".{name}"));
        let excepted = match host {
            Some(host) => self.not_below.iter().any(|name| below(host, name)),
            None => !self.not_below.is_empty(),
        };
        let of_type = match self.types.as_slice() {
            [] => !self.not_types.contains(&qtype),
            types => types.contains(&qtype),
        };
        let is_client = |text: &String| narrow(text, client).is_some();
        let for_client = self.clients.is_empty() || self.clients.iter().any(is_client);
        let but_for = self.not_clients.iter().any(is_client);
        !excepted
            && of_type
            && for_client
            && !but_for
            && self.tags.is_empty()
            && self.schedule.is_none()
    }

    /// How narrowly it names this client.
    pub(crate) fn narrowness(&self, client: IpAddr) -> Option<u8> {
        self.clients.iter().filter_map(|text| narrow(text, client)).max()
    }
}

/// The length of the prefix in `text`, if it holds the client.
fn narrow(text: &str, client: IpAddr) -> Option<u8> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, length.parse().ok()),
        None => (text, None),
    };
    let (v4, base) = bits(address.parse().ok()?);
    let (other, bits) = bits(client);
    let width = if v4 { 32 } else { 128 };
    let length: u8 = length.unwrap_or(width);
    let rest = u32::from(width - length);
    let same = base.checked_shr(rest).unwrap_or(0) == bits.checked_shr(rest).unwrap_or(0);
    (v4 == other && same).then_some(length)
}

/// Whether it is of IPv4, and its bits.
pub(crate) fn bits(address: IpAddr) -> (bool, u128) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (true, u32::from(v4).into()),
        IpAddr::V6(v6) => (false, v6.into()),
    }
}
