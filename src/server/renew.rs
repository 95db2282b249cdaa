//! Clients that registered themselves stay for as long as they are used.

use std::time::Duration;

use super::Server;
use crate::protocol::client::Client;
use crate::storage::{RenewClient, Storage as _};

/// What an end is moved by at least, so that not every use is written down.
const STEP: Duration = Duration::from_hours(24);

impl Server {
    /// Notes that a client was used and stays for `lifetime` from now on. The use itself has taken place: that
    /// this fails spoils nothing.
    pub(super) async fn renew(&self, client: &Client, lifetime: Duration) {
        let Some(tenure) = client.tenure else { return };
        let (now, step) = (self.now(), STEP.min(lifetime / 8).min(self.lifetimes().registration / 2));
        let until = now.after(lifetime);
        if until < tenure.until.after(step) {
            return;
        }
        let op = RenewClient { client: client.id.clone(), until, now };
        if let Err(error) = self.0.storage.renew_client(op).await {
            tracing::warn!(error = &error as &dyn std::error::Error, client = %client.id, "the use of a client was not noted");
        }
    }
}
