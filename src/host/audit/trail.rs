//! Where events go.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Audit, CorrelationId, Event, EventKind, Place};
#[cfg(feature = "metrics")]
use crate::host::Metrics;
use crate::host::{Clock, Entropy};

/// Hands every event to all who want it, the log among them.
#[derive(Clone)]
pub(crate) struct Trail(Arc<Inner>);

struct Inner {
    audits: Vec<Box<dyn Audit>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Names requests when there is no randomness.
    counter: AtomicU64,
}

impl Trail {
    pub(crate) fn new(audits: Vec<Box<dyn Audit>>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        #[cfg(feature = "metrics")]
        let audits = audits.into_iter().chain([Box::new(Metrics::new()) as Box<dyn Audit>]).collect();
        Self(Arc::new(Inner { audits, clock, entropy, counter: AtomicU64::new(1) }))
    }

    /// A name for a request.
    pub(crate) fn correlate(&self) -> CorrelationId {
        let mut bytes = [0; 8];
        match self.0.entropy.fill(&mut bytes) {
            Ok(()) => CorrelationId::from_bits(u64::from_be_bytes(bytes)),
            Err(_) => CorrelationId::from_bits(self.0.counter.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Whether anybody takes notice of what happens with every request.
    pub(crate) fn hears_all(&self) -> bool {
        !self.0.audits.is_empty() || tracing::enabled!(tracing::Level::DEBUG)
    }

    pub(crate) fn record(&self, correlation: CorrelationId, place: Place, kind: EventKind) {
        let event = Event { at: self.0.clock.now(), correlation, place, kind };
        log(&event);
        for audit in &self.0.audits {
            audit.record(&event);
        }
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trail({} audits)", self.0.audits.len())
    }
}

/// What happens with every request of an app in use is for those who look closely.
fn log(event: &Event) {
    let Event { correlation, place, kind, .. } = event;
    macro_rules! log {
        ($level:ident) => {
            tracing::$level!(
                %correlation,
                place = place.name(),
                event = kind.name(),
                client = kind.client().map(tracing::field::display),
                grant = kind.grant().map(tracing::field::display),
                reason = kind.reason().map(tracing::field::display),
                "{kind}"
            )
        };
    }
    match (kind, place) {
        (EventKind::TokensIssued { .. } | EventKind::Introspected { .. }, _)
        | (EventKind::Refused { .. }, Place::Guard) => log!(debug),
        _ => log!(info),
    }
}
