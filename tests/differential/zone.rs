//! Line by line: response policy zones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use optout::core::rule::Action::{Allow, Block};
use optout::core::rule::{Action, Answer};

use crate::common::{below, exact, is_nowhere, name, of_length};
use crate::statement::{Limits, Statement, Subject, bits};

/// What is known from the lines before.
#[derive(Default)]
pub(crate) struct Zone {
    /// What names are relative to: the zone itself if empty.
    origin: String,
    /// Its name, where the file says it.
    apex: Option<String>,
    owner: Option<String>,
    /// Kind and meaning of the first record of this owner.
    first: Option<(Kind, Meaning)>,
    /// A record within parentheses.
    open: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Cname,
    Address,
    Other,
}

type Meaning = Option<(Action, Answer)>;

impl Zone {
    pub(crate) fn line(&mut self, line: &str) -> Option<Statement> {
        let record = match line.find(';') {
            Some(at) if line[..at].matches('"').count().is_multiple_of(2) => &line[..at],
            _ => line,
        };
        self.open.push_str(record);
        self.open.push(' ');
        let count =
            |mark| self.open.split('"').step_by(2).map(|s| s.matches(mark).count()).sum::<usize>();
        if count('(') > count(')') {
            return None;
        }
        let record = std::mem::take(&mut self.open);
        self.record(&record.replace(['(', ')'], " "))
    }

    fn record(&mut self, text: &str) -> Option<Statement> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() {
            return None;
        }
        if words[0] == "$ORIGIN" {
            let origin = words.get(1)?.strip_suffix('.').expect("an absolute origin");
            origin.clone_into(&mut self.origin);
            self.apex.get_or_insert_with(|| origin.to_owned());
            return None;
        }
        if words[0].starts_with('$') {
            return None;
        }
        if !text.starts_with([' ', '\t']) {
            let owner = self.absolute(&words.remove(0).to_ascii_lowercase());
            if self.owner.as_ref() != Some(&owner) {
                self.first = None;
            }
            self.owner = Some(owner);
        }
        while words
            .first()
            .is_some_and(|w| *w == "IN" || w.starts_with(|c: char| c.is_ascii_digit()))
        {
            words.remove(0);
        }
        let (kind, data) = words.split_first()?;
        let (kind, meaning) = match *kind {
            "SOA" | "NS" | "DNAME" => return None,
            "CNAME" => (Kind::Cname, self.target(data.first()?)),
            "A" | "AAAA" => {
                let nowhere = data.first()?.parse::<IpAddr>().is_ok_and(is_nowhere);
                (Kind::Address, nowhere.then_some((Block, Answer::Usual)))
            }
            _ => (Kind::Other, None),
        };
        let (action, answer) = self.agree(kind, meaning)?;
        let (subject, limits) = self.trigger()?;
        Some(Statement { answer, limits, ..Statement::new(subject, action) })
    }

    /// A CNAME is alone at its name, and one address of a host makes it a host.
    fn agree(&mut self, kind: Kind, meaning: Meaning) -> Meaning {
        match self.first {
            Some((Kind::Cname, first)) => {
                meaning.filter(|_| kind == Kind::Cname && first == meaning)
            }
            Some(_) if kind == Kind::Cname => None,
            Some((Kind::Address, first)) if kind == Kind::Address => first.and(meaning),
            Some((Kind::Address, _)) => None,
            _ => {
                self.first = Some((kind, meaning));
                meaning
            }
        }
    }

    /// The name with that of the zone, as far as it is known.
    fn absolute(&self, word: &str) -> String {
        match word.strip_suffix('.') {
            Some(absolute) => format!("{absolute}."),
            None if word == "@" => {
                self.origin.clone() + if self.origin.is_empty() { "" } else { "." }
            }
            None if self.origin.is_empty() => word.to_owned(),
            None => format!("{word}.{}.", self.origin),
        }
    }

    /// The owner within the zone.
    fn within(&self) -> Option<&str> {
        let owner = self.owner.as_deref()?;
        match (owner.strip_suffix('.'), self.apex.as_deref()) {
            (None, _) => Some(owner),
            (Some(absolute), Some(zone)) => absolute.strip_suffix(zone)?.strip_suffix('.'),
            (Some(_), None) => None,
        }
    }

    fn target(&self, word: &str) -> Meaning {
        let word = word.to_ascii_lowercase();
        match word.as_str() {
            "." => Some((Block, Answer::Usual)),
            "*." => Some((Block, Answer::Nodata)),
            "rpz-passthru." => Some((Allow, Answer::Usual)),
            "rpz-drop." => Some((Block, Answer::Drop)),
            itself => {
                let trigger = self.within()?;
                let same = itself.strip_suffix('.') == Some(trigger) && !trigger.starts_with("*.");
                same.then_some((Allow, Answer::Usual))
            }
        }
    }

    fn trigger(&self) -> Option<(Subject, Limits)> {
        let text = self.within()?;
        if let Some(address) = text.strip_suffix(".rpz-ip") {
            return Some((backwards(address)?, Limits::default()));
        }
        if let Some(address) = text.strip_suffix(".rpz-client-ip") {
            let Subject::Range { v4, first, last } = backwards(address)? else { return None };
            let width = if v4 { 32 } else { 128 };
            let base = if v4 {
                IpAddr::from(Ipv4Addr::from(u32::try_from(first).ok()?))
            } else {
                IpAddr::from(Ipv6Addr::from(first))
            };
            let clients = vec![format!("{base}/{}", width - (last - first).count_ones())];
            return Some((Subject::Everything, Limits { clients, ..Limits::default() }));
        }
        if text.ends_with('.') || text.rsplit('.').next()?.starts_with("rpz-") {
            return None;
        }
        let subject = match text.strip_prefix("*.") {
            Some(parent) => below(&name(parent)?),
            None => exact(name(text).filter(|name| name.contains('.'))?),
        };
        Some((subject, Limits::default()))
    }
}

/// `24.0.2.0.192` or `48.zz.1.db8.2001`.
fn backwards(text: &str) -> Option<Subject> {
    let (length, parts) = text.split_once('.')?;
    let length = length.parse().ok()?;
    let mut parts: Vec<&str> = parts.split('.').collect();
    parts.reverse();
    let address: IpAddr = if let Ok(address) = parts.join(".").parse::<Ipv4Addr>() {
        address.into()
    } else {
        let mut text = parts.join(":").replace("zz", "");
        if parts.first() == Some(&"zz") {
            text.insert(0, ':');
        }
        if parts.last() == Some(&"zz") {
            text.push(':');
        }
        text.parse::<Ipv6Addr>().ok()?.into()
    };
    let found = of_length(address, length)?;
    let Subject::Range { first, last, .. } = found else { return None };
    debug_assert!(first <= bits(address).1 && bits(address).1 <= last);
    Some(found)
}
