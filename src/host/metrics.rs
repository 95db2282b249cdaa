//! Numbers of what happens, through the `metrics` facade. They are made of the events, so that both tell the same.

use std::time::Duration;

use http::StatusCode;
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

use super::audit::{Audit, Event, Place};

const EVENTS: &str = "grantor_events_total";
const DURATION: &str = "grantor_request_duration_seconds";

/// Counts every event. All labels are words of this crate: never a client, a user or anything that was sent.
pub(crate) struct Metrics;

impl Metrics {
    pub(crate) fn new() -> Self {
        describe_counter!(EVENTS, Unit::Count, "What changed or was refused, by event, place and outcome.");
        describe_histogram!(DURATION, Unit::Seconds, "How long requests to the endpoints take.");
        Self
    }

    pub(crate) fn answered(place: Place, status: StatusCode, duration: Duration) {
        histogram!(DURATION, "endpoint" => place.name(), "status" => class(status)).record(duration);
    }
}

impl Audit for Metrics {
    fn record(&self, Event { place, kind, .. }: &Event) {
        counter!(EVENTS, "event" => kind.name(), "place" => place.name(), "outcome" => kind.outcome()).increment(1);
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
