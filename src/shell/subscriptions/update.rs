//! Fetches lists, looks at them, and puts in force what is good.

use std::io;

use super::address;
use super::error::{FetchError, StoreError, UpdateError};
use super::fetch::{Bounds, Fetched, Fetcher, Progress, Validators, Wanted};
use super::record::{Failure, Held, Record, Version};
use super::signature;
use super::source::{ListId, Source};
use super::store::{Store, Updating};
use super::survey::{Found, Survey};
use super::text::Arrived;
use crate::core::list::vet::{Size, objection};

/// What became of a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// There is nothing new.
    Unchanged,
    /// A new version is in force.
    Updated {
        /// Length of its text.
        bytes: u64,
        /// Its lines.
        lines: u32,
    },
    /// A new version is odd, and waits for a person. The old one stays in force.
    Quarantined {
        /// What is odd about it, in a sentence.
        why: String,
    },
    /// It did not work. The old version stays in force.
    Failed {
        /// Why, in a sentence.
        why: String,
    },
}

/// Updates lists.
#[derive(Clone, Copy)]
pub struct Updater<'a> {
    /// Where they are kept.
    pub store: &'a Store,
    /// What fetches them.
    pub fetcher: &'a Fetcher,
    /// What looks at them.
    pub survey: &'a Survey<'a>,
}

/// Updates these lists, one after the other. `now` is the time of day in seconds
/// since 1970 (UTC).
pub fn update(
    sources: &[Source],
    updater: Updater<'_>,
    now: i64,
    progress: &mut dyn FnMut(&ListId, u64, Option<u64>),
) -> Vec<Outcome> {
    let one = |source: &Source| {
        updater.update(source, now, &mut |bytes, total| progress(&source.id, bytes, total))
    };
    sources.iter().map(one).collect()
}

impl Updater<'_> {
    /// Updates a list.
    #[must_use]
    pub fn update(&self, source: &Source, now: i64, progress: &mut Progress<'_>) -> Outcome {
        match self.attempt(source, now, progress) {
            Ok(outcome) => outcome,
            Err(error) => {
                let why = error.to_string();
                // Who is at it already will say how it went.
                if !matches!(error, UpdateError::Store(StoreError::Busy { .. })) {
                    self.note_failure(source, now, &why);
                }
                Outcome::Failed { why }
            }
        }
    }

    fn note_failure(&self, source: &Source, now: i64, why: &str) {
        let noted = self.store.change(&source.id, Some(source), |record| {
            record.tried = Some(now);
            record.failures = record.failures.saturating_add(1);
            record.failed = Some(Failure { at: now, why: why.into() });
            Ok(())
        });
        if let Err(error) = noted {
            log::warn!("{error}");
        }
    }

    fn attempt(
        &self,
        source: &Source,
        now: i64,
        progress: &mut Progress<'_>,
    ) -> Result<Outcome, UpdateError> {
        let updating = self.store.begin(&source.id)?;
        let record = match self.store.record(&source.id) {
            Ok(record) => record,
            // What is known makes no sense. So it is fetched anew.
            Err(StoreError::Damaged { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let record = record.unwrap_or_else(|| Record::new(source.clone()));
        let known = self.known(&record, source);
        let Some((text, validators)) = self.fetch(&updating, source, &known, progress)? else {
            return Ok(self.nothing_new(source, &record, None, now)?);
        };
        let came = Came { source, record: &record, validators, now };
        if let Some(pin) = &source.sha256
            && !pin.trim().eq_ignore_ascii_case(&text.sha256)
        {
            return Err(UpdateError::Pin { found: text.sha256.clone() });
        }
        let signed_at = self.signed(source, &record, &text)?;
        if record.current().is_some_and(|current| {
            current.sha256 == text.sha256 && self.store.is_whole(&source.id, current)
        }) || record.refused.contains(&text.sha256)
            || record.held.as_ref().is_some_and(|held| held.version.sha256 == text.sha256)
        {
            let came = Some((came.validators, text.sha256.as_str()));
            return Ok(self.nothing_new(source, &record, came, now)?);
        }
        self.judge(&updating, came, text, signed_at)
    }

    /// What to ask the server with: only what belongs to a text that we have, and
    /// that was held to the same demands.
    fn known(&self, record: &Record, source: &Source) -> Validators {
        let was = &record.source;
        let same = was.url == source.url
            && was.minisign == source.minisign
            && was.sha256 == source.sha256
            && was.allow_private == source.allow_private;
        let current = record.current().filter(|version| self.store.is_whole(&source.id, version));
        let of = record.validators_of.as_deref();
        let held = record.held.as_ref().map(|held| held.version.sha256.as_str());
        let ours = current.is_some_and(|current| {
            of == Some(&*current.sha256)
                || (of.is_some() && of == held)
                || record.refused.iter().any(|sha256| Some(&**sha256) == of)
        });
        if same && ours { record.validators.clone() } else { Validators::default() }
    }

    /// Fetches the text; `None` if it is unchanged.
    fn fetch(
        &self,
        updating: &Updating<'_>,
        source: &Source,
        known: &Validators,
        progress: &mut Progress<'_>,
    ) -> Result<Option<(Arrived, Validators)>, UpdateError> {
        let wanted = Wanted { url: &source.url, allow_private: source.allow_private, known };
        for try_again in [true, false] {
            let mut incoming = updating.incoming()?;
            match self.fetcher.get(wanted, &mut incoming, progress) {
                Ok(Fetched::Unchanged) => return Ok(None),
                Ok(Fetched::New(validators)) => {
                    let arrived = incoming.finish().map_err(FetchError::Keep)?;
                    return Ok(Some((arrived, validators)));
                }
                // A cache on the way may take us for someone else, once.
                Err(FetchError::NothingKnown) if try_again => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(FetchError::NothingKnown.into())
    }

    /// Checks the signature, if one is asked for. Yields the time in it.
    fn signed(
        &self,
        source: &Source,
        record: &Record,
        text: &Arrived,
    ) -> Result<Option<u64>, UpdateError> {
        if source.minisign.is_empty() {
            return Ok(None);
        }
        let url = address::signature_of(&source.url)?;
        let known = &Validators::default();
        let wanted = Wanted { url: &url, allow_private: source.allow_private, known };
        let small = Bounds { bytes: LONGEST_SIGNATURE, ..self.fetcher.bounds() };
        let mut bytes = Vec::new();
        self.fetcher
            .within(small)
            .get(wanted, &mut bytes, &mut |_, _| {})
            .map_err(UpdateError::NoSignature)?;
        let read = |error: io::Error| UpdateError::Fetch(FetchError::Keep(error));
        let mut text = text.open().map_err(read)?;
        let last = record.signed_at.filter(|_| record.source.url == source.url);
        Ok(signature::verify(&source.minisign, &bytes, &mut text, last).map_err(read)??)
    }

    /// Notes that there is nothing to put in force.
    fn nothing_new(
        &self,
        source: &Source,
        record: &Record,
        came: Option<(Validators, &str)>,
        now: i64,
    ) -> Result<Outcome, StoreError> {
        let of = came.as_ref().map(|(_, sha256)| *sha256).or(record.validators_of.as_deref());
        let held = record.held.as_ref().filter(|held| {
            of == Some(&*held.version.sha256) && !record.refused.contains(&held.version.sha256)
        });
        self.store.change(&source.id, Some(source), |record| {
            record.source = source.clone();
            record.reached(now);
            if let Some((validators, sha256)) = came {
                (record.validators, record.validators_of) = (validators, Some(sha256.to_owned()));
            }
            Ok(match held {
                Some(held) => Outcome::Quarantined { why: waits(&source.id, &held.why) },
                None => Outcome::Unchanged,
            })
        })
    }

    /// Looks at a new text, and puts it in force or aside.
    fn judge(
        &self,
        updating: &Updating<'_>,
        came: Came<'_>,
        text: Arrived,
        signed_at: Option<u64>,
    ) -> Result<Outcome, UpdateError> {
        let Came { source, record, validators, now } = came;
        let read = |error: io::Error| UpdateError::Fetch(FetchError::Keep(error));
        let size = match (self.survey)(source, &mut text.open().map_err(read)?).map_err(read)? {
            Found::List(size) => size,
            Found::NotAList(what) => return Err(UpdateError::NotAList(what)),
            Found::NoFormat => return Err(UpdateError::NoFormat),
        };
        let odd = objection(size, comparable(record, source));
        if let Some(odd) = odd.filter(|odd| !odd.may_be_accepted()) {
            return Err(UpdateError::NoRule { problem: odd.to_string() });
        }
        let (sha256, bytes) = (text.sha256.clone(), text.bytes);
        let version = Version { number: 0, sha256, bytes, size, fetched: now, signed_at };
        let outcome = updating.keep(source, text, version, |record, version| {
            record.source = source.clone();
            record.reached(now);
            (record.validators, record.validators_of) = (validators, Some(version.sha256.clone()));
            if let Some(odd) = odd {
                let why = odd.to_string();
                record.held = Some(Held { version, why: why.clone() });
                return Outcome::Quarantined { why: waits(&source.id, &why) };
            }
            record.take(version, now);
            Outcome::Updated { bytes, lines: size.lines }
        })?;
        Ok(outcome)
    }
}

impl std::fmt::Debug for Updater<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Updater").field("store", self.store).finish_non_exhaustive()
    }
}

/// A text that came, and what we knew before.
struct Came<'a> {
    source: &'a Source,
    record: &'a Record,
    validators: Validators,
    now: i64,
}

/// The size that a new version is compared to: another address is another list.
fn comparable(record: &Record, source: &Source) -> Option<Size> {
    record.current().filter(|_| record.source.url == source.url).map(|version| version.size)
}

/// What the user is told of a version that waits.
fn waits(id: &ListId, why: &str) -> String {
    format!(
        "the new version {why}; it is set aside and the old one stays in force: `optout lists \
         accept {id}` takes it"
    )
}

const LONGEST_SIGNATURE: u64 = 8 * 1024; // bytes; a usual one has 300
