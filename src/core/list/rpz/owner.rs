//! Owners of records → what triggers a policy.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::core::host;
use crate::core::list::Fault;
use crate::core::prefix::Prefix;

/// Where in the tree of names the file is.
#[derive(Debug)]
pub(super) struct Places {
    /// What names without a final dot are relative to; `None` after an `$ORIGIN`
    /// that could not be read.
    origin: Option<Place>,
    /// The name of the zone, if the file tells it.
    zone: Option<String>,
    /// Records that had an owner. The first is the SOA, if there is one.
    records: u32,
}

/// A name and what it is relative to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Place {
    /// In lower case, without a final dot, odd bytes as in
    /// [`HostName`](crate::core::host::HostName) if there was an escape.
    text: String,
    /// Whether it is whole, and not relative to a zone of unknown name.
    absolute: bool,
}

/// The owner of a record.
#[derive(Debug)]
pub(super) struct Owner {
    place: Place,
    /// Where the owner before was: compared with, and its memory used again.
    before: Place,
    /// How much at the start of `place.text` is below the zone, or why nothing is.
    below: Result<usize, Fault>,
}

/// What a policy waits for (draft §3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Trigger<'a> {
    /// A question for this name.
    Name(&'a str),
    /// A question for a name below this.
    Below(&'a str),
    /// An address in an answer.
    Answer(Prefix),
    /// The address of who asks.
    Client(Prefix),
}

impl Default for Places {
    /// A file that does not tell where it is: it is at the apex of its zone.
    fn default() -> Self {
        Self { origin: Some(Place::default()), zone: None, records: 0 }
    }
}

impl Default for Owner {
    fn default() -> Self {
        Self { place: Place::default(), before: Place::default(), below: Ok(0) }
    }
}

impl Places {
    /// Goes where `$ORIGIN` says; `false` if that cannot be read. Then names without
    /// a final dot are nowhere until the next.
    pub(super) fn enter(&mut self, word: &str) -> bool {
        let mut place = Place::default();
        let entered = self.place(word, &mut place).is_ok()
            && (place.text.is_empty() || !place.text.split('.').any(str::is_empty));
        if entered && place.absolute && self.records == 0 && self.zone.is_none() {
            self.zone = Some(place.text.clone());
        }
        self.origin = entered.then_some(place);
        entered
    }

    /// Hears that the SOA has this owner, which is the name of the zone.
    pub(super) fn begin(&mut self, owner: &Owner) {
        if !owner.place.absolute || self.records != 1 {
            return;
        }
        self.zone = Some(owner.place.text.clone());
        if self.origin.as_ref().is_some_and(|origin| !origin.absolute) {
            self.origin = Some(owner.place.clone()); // a file that is given its origin is at the apex
        }
    }

    /// Makes `owner` the one that `word` names; `true` if it was that before.
    pub(super) fn locate(&mut self, word: &str, owner: &mut Owner) -> bool {
        self.records = self.records.saturating_add(1);
        std::mem::swap(&mut owner.place, &mut owner.before);
        let readable = self.place(word, &mut owner.place);
        owner.below = readable.and_then(|()| match word {
            "." | "*." => Err(Fault::MatchesAll),
            _ => self.below(&owner.place),
        });
        owner.before == owner.place
    }

    /// The name that `word` means, relative or not.
    pub(super) fn absolute(&self, word: &str) -> Option<String> {
        let mut place = Place::default();
        self.place(word, &mut place).ok()?;
        place.absolute.then_some(place.text)
    }

    fn place(&self, word: &str, place: &mut Place) -> Result<(), Fault> {
        place.text.clear();
        place.absolute = word != "@" && read(word, &mut place.text)?;
        if place.absolute {
            return Ok(());
        }
        let origin = self.origin.as_ref().ok_or(Fault::OutOfZone)?;
        place.absolute = origin.absolute;
        if !place.text.is_empty() && !origin.text.is_empty() {
            place.text.push('.');
        }
        place.text.push_str(&origin.text);
        Ok(())
    }

    /// How much of a name is below the zone.
    fn below(&self, place: &Place) -> Result<usize, Fault> {
        if !place.absolute {
            return Ok(place.text.len());
        }
        let zone = self.zone.as_deref().ok_or(Fault::OutOfZone)?;
        if zone.is_empty() {
            return Ok(place.text.len());
        }
        let below = place.text.strip_suffix(zone).ok_or(Fault::OutOfZone)?;
        match below.strip_suffix('.') {
            Some(below) => Ok(below.len()),
            None if below.is_empty() => Ok(0),
            None => Err(Fault::OutOfZone),
        }
    }
}

impl Owner {
    /// The part below the zone, which is what triggers.
    pub(super) fn trigger(&self) -> Result<&str, Fault> {
        Ok(self.place.text.get(..self.below?).unwrap_or_default())
    }
}

impl<'a> Trigger<'a> {
    /// Reads what stands below the zone.
    pub(super) fn read(text: &'a str) -> Result<Self, Fault> {
        let (head, last) = text.rsplit_once('.').unwrap_or(("", text));
        match last {
            "" if text.is_empty() => Err(Fault::NoRule), // the apex: the zone's own records
            "*" if head.is_empty() => Err(Fault::MatchesAll),
            "rpz-ip" => Ok(Self::Answer(prefix(head)?)),
            "rpz-client-ip" => Ok(Self::Client(prefix(head)?)),
            "rpz-nsdname" | "rpz-nsip" => Err(Fault::Unseen),
            _ if last.starts_with("rpz-") => Err(Fault::Malformed), // none that there is
            _ => Ok(text.strip_prefix("*.").map_or(Self::Name(text), Self::Below)),
        }
    }
}

/// The prefix that `length.part.….part` means, parts backwards (draft §3.2). Bits
/// after the length are dropped: that the list has them is no harm.
fn prefix(text: &str) -> Result<Prefix, Fault> {
    let (length, parts) = text.split_once('.').ok_or(Fault::BadTrigger)?;
    let length: u8 = decimal(length).ok_or(Fault::BadTrigger)?;
    let address = match v4(parts) {
        Some(v4) => v4.into(),
        None => v6(parts).ok_or(Fault::BadTrigger)?.into(),
    };
    match Prefix::new(address, length) {
        Ok(all) if all.length() == 0 => Err(Fault::MatchesAll),
        other => other.map_err(|_| Fault::BadTrigger),
    }
}

fn v4(parts: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut given = parts.rsplit('.');
    for octet in &mut octets {
        *octet = decimal(given.next()?)?;
    }
    given.next().is_none().then_some(octets.into())
}

/// Hexadecimal words; one `zz` stands for all words of zero that are left out.
fn v6(parts: &str) -> Option<Ipv6Addr> {
    let given = parts.split('.').count();
    let left_out = match parts.split('.').filter(|&part| part == "zz").count() {
        0 if given == 8 => 0,
        1 if given <= 8 => 9 - given,
        _ => return None,
    };
    let mut words = [0; 8];
    let mut next = words.iter_mut();
    for part in parts.rsplit('.') {
        if part == "zz" {
            next.by_ref().take(left_out).for_each(drop);
        } else {
            *next.next()? = hexadecimal(part)?;
        }
    }
    next.next().is_none().then_some(words.into())
}

fn decimal(digits: &str) -> Option<u8> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn hexadecimal(digits: &str) -> Option<u16> {
    let fits = digits.len() <= 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    fits.then(|| u16::from_str_radix(digits, 16).ok())?
}

/// Puts the name into `text` in lower case and without a final dot; whether it had
/// one. What it holds is not looked at, but for escapes (RFC 1035 §5.1).
fn read(word: &str, text: &mut String) -> Result<bool, Fault> {
    if word.is_empty() {
        return Err(Fault::BadName);
    }
    if word.contains('\\') {
        return unescape(word, text).ok_or(Fault::BadName);
    }
    let name = word.strip_suffix('.');
    text.push_str(name.unwrap_or(word));
    text.make_ascii_lowercase();
    Ok(name.is_some())
}

/// As [`read`], with escapes written as [`host`] has them.
fn unescape(word: &str, text: &mut String) -> Option<bool> {
    let mut rest = word.as_bytes();
    let mut absolute = false;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        absolute = first == b'.';
        match first {
            b'.' | b'*' => text.push(first.into()),
            b'\\' => {
                let (byte, after) = escaped(rest)?;
                rest = after;
                host::write_labels(text, [&[byte][..]]);
            }
            plain => host::write_labels(text, [&[plain][..]]),
        }
    }
    if absolute {
        text.pop();
    }
    Some(absolute)
}

/// The byte that an escape stands for, and what follows it: three digits, or any
/// other character for itself.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [a @ b'0'..=b'9', b, c, rest @ ..] => {
            let digits = [*a, *b, *c];
            Some((decimal(std::str::from_utf8(&digits).ok()?)?, rest))
        }
        [b'0'..=b'9', ..] | [] => None,
        [byte, rest @ ..] => Some((*byte, rest)),
    }
}
