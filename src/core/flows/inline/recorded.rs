//! Flows of which a recording tells what was said: decided as those on their way
//! are, but there is nothing to hold, to put back or to refuse.

use super::door::{Judge, Learnt, Refusal, Settings};
use super::verdicts::Case;
use crate::core::flow::{Client, FiveTuple};
use crate::core::sniff::{Cause, Sniffed, Unnamed};
use crate::core::verdict::Verdict;

/// What would have been decided about a flow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Decided {
    /// What the rules say.
    pub verdict: Verdict,
    /// How the host was learnt that decided.
    pub learnt: Learnt,
    /// Why it would have been refused, if it would.
    pub refusal: Option<Refusal>,
}

/// Decides about a flow whose client `said` so.
#[must_use]
pub fn decide(
    judge: &dyn Judge,
    client: &Client,
    tuple: FiveTuple,
    said: &Sniffed,
    settings: &Settings,
) -> Decided {
    let case = Case { judge, client, tuple };
    let ruling = case.at_first().unwrap_or_else(|| match said {
        Sniffed::Named(named) => case.named(named),
        Sniffed::Unnamed(unnamed) => case.unnamed(*unnamed, settings),
        Sniffed::NeedMore => {
            let cut = Unnamed { cause: Cause::Incomplete, spoken: None, ech: false };
            case.unnamed(cut, settings)
        }
    });
    Decided { verdict: ruling.verdict, learnt: ruling.learnt, refusal: ruling.refusal }
}
