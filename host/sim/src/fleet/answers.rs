//! What comes back: answers to uplinks, notifications, failures.
//!
//! Must never count an uplink as acknowledged without an authentic success of the platform.

use super::{
    Fleet, FleetError,
    port::{Purpose, Uplink},
};
use crate::world::Received;
use davy_coap::{Code, Event, RequestId, Response};
use davy_domain::{Span, wire};
use std::time::Instant;

impl Fleet<'_> {
    pub(super) fn event(&mut self, index: usize, event: Event, now: Instant) -> Result<(), FleetError> {
        match event {
            Event::Response { request, response, more, .. } => self.response(index, request, response, more, now),
            Event::RequestFailed { request, .. } => {
                let purpose = self.ports[index].as_mut().and_then(|port| port.purpose(request, false));
                match purpose {
                    Some(Purpose::Uplink(uplink)) => {
                        self.book.totals.uplinks_given_up += 1;
                        self.tell(index, Received::Lost { ticket: uplink.ticket }, now);
                    }
                    Some(Purpose::Observe) => self.tell(index, Received::ObservationEnded, now),
                    Some(Purpose::Outcome) | None => {}
                }
                Ok(())
            }
            // Devices serve nothing and notify nobody.
            Event::Request { .. }
            | Event::NotificationDelivered { .. }
            | Event::NotificationFailed { .. }
            | Event::ObservationRegistered { .. }
            | Event::ObservationEnded { .. }
            | Event::SequencesLow { .. } => Ok(()),
        }
    }

    fn response(
        &mut self,
        index: usize,
        request: RequestId,
        response: Response,
        more: bool,
        now: Instant,
    ) -> Result<(), FleetError> {
        let Some(purpose) = self.ports[index].as_mut().and_then(|port| port.purpose(request, more)) else {
            return Ok(());
        };
        match purpose {
            Purpose::Uplink(uplink) => {
                let received = self.uplink_answered(index, &uplink, &response, now)?;
                self.tell(index, received, now);
            }
            Purpose::Outcome => self.book.totals.outcomes_acked += u64::from(response.code.is_success()),
            Purpose::Observe => {
                if response.code.is_success() {
                    self.book.totals.notifications += 1;
                    let commands = self.commands(&response.payload);
                    self.tell(index, Received::Commands(commands), now);
                }
                if !more {
                    self.tell(index, Received::ObservationEnded, now);
                }
            }
        }
        Ok(())
    }

    fn uplink_answered(
        &mut self,
        index: usize,
        uplink: &Uplink,
        response: &Response,
        now: Instant,
    ) -> Result<Received, FleetError> {
        let ticket = uplink.ticket;
        if response.code.is_success() {
            self.book.totals.uplinks_acked += 1;
            self.book.round_trip(now.saturating_duration_since(uplink.sent));
            for &device in &uplink.closed {
                if let Some(place) = self.world.place_of(device) {
                    self.book.proven(place, device, now);
                }
            }
            if let Some(told) = &mut self.told {
                let sent_ms = self.config.start.as_millis()
                    + uplink.sent.saturating_duration_since(self.began).as_millis() as i64;
                told.told(&self.credentials[index], sent_ms, &uplink.payload)?;
            }
            let commands = self.commands(&response.payload);
            return Ok(Received::Acknowledged { ticket, commands });
        }
        if matches!(response.code, Code::SERVICE_UNAVAILABLE | Code::TOO_MANY_REQUESTS | Code::INTERNAL_SERVER_ERROR) {
            self.book.totals.uplinks_turned_away += 1;
            let wait = response.max_age.map(|seconds| Span::from_secs(i64::from(seconds)));
            return Ok(Received::TurnedAway { ticket, wait });
        }
        self.book.totals.uplinks_refused += 1;
        Ok(Received::Refused { ticket })
    }

    fn commands(&mut self, payload: &[u8]) -> Vec<wire::PendingCommand> {
        wire::decode_pending(payload).unwrap_or_else(|_| {
            self.book.totals.commands_unreadable += 1;
            Vec::new()
        })
    }
}
