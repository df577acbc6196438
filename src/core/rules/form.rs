//! Forms: all that a rule says, but for its subject and its line.
//!
//! A list of a million names has one form or two. So each is written once, and
//! rules name it by its number.

use std::collections::BTreeMap;

use crate::core::list::Fault;
use crate::core::rule::{Action, Answer, Limits, Scope};

/// What a rule says, whatever it is about.
///
/// In the order in which the hits of one name are told: what is nearest comes last. What
/// only cancels is not told at all.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Form {
    pub(super) cancels: bool,
    pub(super) reach: Reach,
    pub(super) list: u16,
    pub(super) action: Action,
    pub(super) important: bool,
    pub(super) answer: Answer,
    pub(super) limits: Option<u16>,
}

/// A [`Scope`], the nearest last.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Reach {
    Below,
    WithSubdomains,
    Exact,
}

impl From<Scope> for Reach {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Exact => Self::Exact,
            Scope::WithSubdomains => Self::WithSubdomains,
            Scope::Below => Self::Below,
        }
    }
}

impl Form {
    /// Bytes of one in the image.
    pub(super) const SIZE: usize = 8;

    /// What `$badfilter` compares: all but who says it and how it is answered.
    pub(super) fn sense(self) -> (Reach, Action, bool, Option<u16>) {
        (self.reach, self.action, self.important, self.limits)
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend(self.list.to_le_bytes());
        out.extend(self.limits.unwrap_or(NO_LIMITS).to_le_bytes());
        out.extend([
            self.reach as u8,
            self.action as u8,
            self.answer as u8,
            u8::from(self.important),
        ]);
    }

    /// Reads what [`Form::write`] wrote; `None` if it is not that.
    pub(super) fn read(bytes: [u8; Self::SIZE]) -> Option<Self> {
        let [list, more, limits, many, reach, action, answer, important] = bytes;
        let limits = u16::from_le_bytes([limits, many]);
        Some(Self {
            cancels: false,
            reach: *REACHES.get(usize::from(reach))?,
            list: u16::from_le_bytes([list, more]),
            action: *ACTIONS.get(usize::from(action))?,
            important: important != 0,
            answer: *ANSWERS.get(usize::from(answer))?,
            limits: (limits != NO_LIMITS).then_some(limits),
        })
    }
}

/// Gives each form and each limits a number.
#[derive(Default)]
pub(super) struct Forms {
    numbers: BTreeMap<Form, u16>,
    all: Vec<Form>,
    last: Option<(Form, u16)>,
    limits: BTreeMap<Box<Limits>, u16>,
    /// Bytes that all limits take in the image.
    limits_size: usize,
}

impl Forms {
    /// The number of a form.
    ///
    /// # Errors
    ///
    /// [`Fault::BadModifier`] if there are more forms than anyone needs.
    pub(super) fn number(&mut self, form: Form) -> Result<u16, Fault> {
        match self.last {
            Some((last, number)) if last == form => return Ok(number),
            _ => {}
        }
        let number = match self.numbers.get(&form) {
            Some(&number) => number,
            None if self.all.len() >= MAX_FORMS => return Err(Fault::BadModifier),
            None => self.insert(form),
        };
        self.last = Some((form, number));
        Ok(number)
    }

    /// The number of limits.
    ///
    /// # Errors
    ///
    /// [`Fault::BadModifier`] if there are more than anyone needs.
    pub(super) fn limits(&mut self, limits: &Limits) -> Result<u16, Fault> {
        if let Some(&number) = self.limits.get(limits) {
            return Ok(number);
        }
        let size = serde_json::to_vec(limits).map_err(|_| Fault::BadModifier)?.len();
        if self.limits.len() >= MAX_LIMITS || self.limits_size + size > MAX_LIMITS_SIZE {
            return Err(Fault::BadModifier);
        }
        self.limits_size += size;
        let number = u16::try_from(self.limits.len()).unwrap_or(NO_LIMITS);
        self.limits.insert(Box::new(limits.clone()), number);
        Ok(number)
    }

    /// All forms in their order, of each number its place in it, and all limits.
    pub(super) fn settle(mut self) -> (Vec<Form>, Vec<u16>, Vec<Limits>) {
        // What two halves are together needs a form too.
        for exact in self.all.clone().into_iter().filter(|form| form.reach == Reach::Exact) {
            let both = Form { reach: Reach::WithSubdomains, ..exact };
            let below = Form { reach: Reach::Below, ..exact };
            if self.numbers.contains_key(&below) && !self.numbers.contains_key(&both) {
                self.insert(both);
            }
        }
        let mut places = vec![0; self.all.len()];
        for (place, number) in (0..).zip(self.numbers.values()) {
            places[usize::from(*number)] = place;
        }
        let mut limits: Vec<_> = self.limits.into_iter().collect();
        limits.sort_unstable_by_key(|(_, number)| *number);
        let forms = self.numbers.into_keys().collect();
        (forms, places, limits.into_iter().map(|(limits, _)| *limits).collect())
    }

    fn insert(&mut self, form: Form) -> u16 {
        let number = u16::try_from(self.all.len()).unwrap_or(u16::MAX);
        self.all.push(form);
        self.numbers.insert(form, number);
        number
    }
}

const NO_LIMITS: u16 = u16::MAX;
const MAX_LIMITS: usize = 4096; // public lists have a few hundred; each hit may have to look at one
const MAX_LIMITS_SIZE: usize = 1 << 20; // bytes: they stay in memory
const MAX_FORMS: usize = 1 << 15; // half of what a number can say: the other half is for joined ones
const REACHES: [Reach; 3] = [Reach::Below, Reach::WithSubdomains, Reach::Exact];
const ACTIONS: [Action; 5] =
    [Action::Block, Action::Strict, Action::Watch, Action::Allow, Action::NeverBlock];
const ANSWERS: [Answer; 5] =
    [Answer::Usual, Answer::Nodata, Answer::Nxdomain, Answer::Refused, Answer::Drop];
