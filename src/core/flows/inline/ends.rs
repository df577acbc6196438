//! How a flow is refused.

use super::flow::State;
use super::refused::Refused;
use super::storms::Manner;
use super::verdicts::Ruling;
use super::{Arrival, Inline, Judge, Out, Transport, parts};
use crate::core::flow::FiveTuple;
use crate::core::time::Instant;
use crate::core::wire::ip::Packet;

impl Inline {
    /// Refuses a flow with its first packet: nothing of it went on.
    pub(super) fn refuse_first(&mut self, arrival: &Arrival<'_>, ruling: &Ruling) {
        let Arrival { now, judge, tuple, .. } = *arrival;
        let Some(flow) = self.table.find(&tuple) else { return };
        let (at, state) = parts(flow, now, judge, tuple, 0);
        let manner = self.desk.refuses(&at, ruling);
        let opened_at = match &arrival.what {
            Transport::Tcp(segment) if segment.opens() => Some(segment.sequence),
            _ => None,
        };
        let mut refused = Refused::new(now, opened_at, manner);
        refused.handle(&mut self.desk, &at, arrival.packet);
        *state = State::Refused(refused);
        self.settle(&tuple);
    }

    /// Refuses a flow of which something went on: both ends are told.
    pub(super) fn refuse_live(
        &mut self,
        now: Instant,
        judge: &dyn Judge,
        tuple: FiveTuple,
        ruling: &Ruling,
    ) {
        let Some(flow) = self.table.find(&tuple) else { return };
        let (at, state) = parts(flow, now, judge, tuple, 0);
        let manner = self.desk.refuses(&at, ruling);
        let mut refused = Refused::new(now, None, manner);
        match &*state {
            State::Connection(connection) => {
                refused.opened_at = connection.opened_at();
                let [back, onward] = connection.resets(&at);
                if let (Some(back), Manner::Tell) = (back, manner) {
                    self.desk.push(Out::Back(back));
                    refused = refused.was_told();
                }
                if let Some(onward) = onward {
                    self.desk.onward(at.case.client, onward, false);
                }
            }
            State::Exchange(exchange) => {
                if let Some(packet) = exchange.first()
                    && let Ok(packet) = Packet::parse(packet)
                {
                    refused.handle(&mut self.desk, &at, &packet);
                }
            }
            _ => {}
        }
        *state = State::Refused(refused);
        self.settle(&tuple);
    }

    /// A flow that passed must not be any more.
    pub(super) fn recall(
        &mut self,
        now: Instant,
        judge: &dyn Judge,
        tuple: FiveTuple,
        ruling: &Ruling,
    ) {
        let Some(flow) = self.table.find(&tuple) else { return };
        let (at, state) = parts(flow, now, judge, tuple, 0);
        let manner = self.desk.refuses(&at, ruling);
        *state = State::Refused(Refused::recalled(now, manner));
        self.desk.push(Out::Recall(tuple));
        self.table.need_it(&tuple);
        self.settle(&tuple);
    }
}
