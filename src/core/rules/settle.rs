//! What is left of all that lists say about one subject.

use super::form::{Form, Reach};
use super::{Kind, List};
use crate::core::list::{Fault, Format};
use crate::core::rule::Action;

/// A form and the line that has it.
pub(super) type Evidence = (u16, u32);

/// Strikes what is repeated, cancelled or one half of another, and counts.
pub(super) struct Settler {
    /// In their order; evidence names them by place.
    forms: Vec<Form>,
    keep_repeated: bool,
    lists: Vec<List>,
    /// Room for what cancels.
    cancels: Vec<(Reach, Action, bool, Option<u16>)>,
}

impl Settler {
    pub(super) fn new(forms: Vec<Form>, lists: Vec<List>, keep_repeated: bool) -> Self {
        Self { forms, keep_repeated, lists, cancels: Vec::new() }
    }

    pub(super) fn forms(&self) -> &[Form] {
        &self.forms
    }

    pub(super) fn into_lists(self) -> Vec<List> {
        self.lists
    }

    /// A rule with this form was left out.
    pub(super) fn refuse(&mut self, form: u16, fault: Fault) {
        let list = self.forms[usize::from(form)].list;
        if let Some(list) = self.lists.get_mut(usize::from(list)) {
            list.refuse(fault, 1);
        }
    }

    /// Leaves of `evidence`, all of it about one subject, what counts, in order.
    pub(super) fn settle(&mut self, evidence: &mut Vec<Evidence>) {
        if let [(form, _)] = evidence[..] {
            let form = self.forms[usize::from(form)];
            if !form.cancels {
                return self.keep(form);
            }
        }
        evidence.sort_unstable();
        if !self.keep_repeated {
            self.strike_repeated(evidence);
            self.strike_cancelled(evidence);
            self.join_halves(evidence);
            self.count_covered(evidence);
        }
        for &(form, _) in &*evidence {
            self.keep(self.forms[usize::from(form)]);
        }
    }

    /// One more of this list is repeated.
    pub(super) fn count_repeated(&mut self, form: u16) {
        let list = self.forms[usize::from(form)].list;
        self.count(list, |list| &mut list.duplicates);
    }

    fn strike_repeated(&mut self, evidence: &mut Vec<Evidence>) {
        evidence.dedup_by(|b, a| {
            let same = a.0 == b.0;
            if same {
                self.count_repeated(b.0);
            }
            same
        });
    }

    fn strike_cancelled(&mut self, evidence: &mut Vec<Evidence>) {
        let mut cancels = std::mem::take(&mut self.cancels);
        cancels.clear();
        evidence.retain(|&(form, _)| {
            let form = self.forms[usize::from(form)];
            if form.cancels {
                cancels.push(form.sense());
                self.count(form.list, |list| &mut list.cancelling);
            }
            !form.cancels
        });
        if !cancels.is_empty() {
            cancels.sort_unstable();
            evidence.retain(|&(form, _)| {
                let form = self.forms[usize::from(form)];
                let adblock = self
                    .lists
                    .get(usize::from(form.list))
                    .is_some_and(|list| list.kind == Kind::File(Format::Adblock));
                let struck = adblock && cancels.binary_search(&form.sense()).is_ok();
                if struck {
                    self.count(form.list, |list| &mut list.cancelled);
                }
                !struck
            });
        }
        self.cancels = cancels;
    }

    /// A name and what is below it, said on two lines, is one rule: zones of RPZ are written so.
    fn join_halves(&mut self, evidence: &mut Vec<Evidence>) {
        let halves: Vec<_> = (0..evidence.len())
            .filter_map(|at| {
                let form = self.forms[usize::from(evidence[at].0)];
                let place = |reach| self.place(Form { reach, ..form });
                let (below, both) = match form.reach {
                    Reach::Exact => (place(Reach::Below)?, place(Reach::WithSubdomains)?),
                    Reach::Below | Reach::WithSubdomains => return None,
                };
                let half = evidence.binary_search_by_key(&below, |other| other.0).ok()?;
                Some((at, half, both))
            })
            .collect();
        if halves.is_empty() {
            return;
        }
        let mut gone = Vec::new();
        for (at, half, both) in halves {
            evidence.push((both, evidence[at].1.min(evidence[half].1)));
            gone.extend([at, half]);
            self.count(self.forms[usize::from(both)].list, |list| &mut list.joined);
        }
        gone.sort_unstable();
        let mut places = 0..;
        evidence.retain(|_| places.next().is_some_and(|at| gone.binary_search(&at).is_err()));
        evidence.sort_unstable();
        self.strike_repeated(evidence);
    }

    /// Counts what another list says too, at least as widely, for everyone.
    fn count_covered(&mut self, evidence: &[Evidence]) {
        if evidence.len() < 2 {
            return;
        }
        let mut says = [[None::<(u16, bool)>; 3]; 5];
        let forms = || evidence.iter().map(|&(form, _)| form);
        for form in forms() {
            let form = self.forms[usize::from(form)];
            if form.limits.is_some() {
                continue;
            }
            let seat = &mut says[form.action as usize][form.reach as usize];
            *seat = match *seat {
                None => Some((form.list, false)),
                Some((list, several)) => Some((list, several || list != form.list)),
            };
        }
        for form in forms() {
            let form = self.forms[usize::from(form)];
            let other = |reach: Reach| {
                says[form.action as usize][reach as usize]
                    .is_some_and(|(list, several)| several || list != form.list)
            };
            if other(form.reach) || other(Reach::WithSubdomains) {
                self.count(form.list, |list| &mut list.covered);
            }
        }
    }

    fn keep(&mut self, form: Form) {
        if let Some(list) = self.lists.get_mut(usize::from(form.list)) {
            list.actions[form.action as usize] += 1;
            list.kept += 1;
        }
    }

    fn count(&mut self, list: u16, what: impl Fn(&mut List) -> &mut u32) {
        if let Some(list) = self.lists.get_mut(usize::from(list)) {
            *what(list) += 1;
        }
    }

    fn place(&self, form: Form) -> Option<u16> {
        self.forms.binary_search(&form).ok().and_then(|place| u16::try_from(place).ok())
    }
}
