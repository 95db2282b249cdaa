//! What must hold of everything that is stored, whenever one looks.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::storage::{Row, Storage as _, Table, invariants};
use grantor::{MemoryStorage, OrderedId, Subject};

use crate::machine::{Machine, USERS};

/// Whether a grant is in the store, whatever became of it.
pub(crate) trait ScanHas {
    async fn scan_has(&self, grant: OrderedId) -> bool;
}

impl ScanHas for MemoryStorage {
    async fn scan_has(&self, grant: OrderedId) -> bool {
        let before = grant.to_bits().checked_sub(1).and_then(OrderedId::from_bits);
        let page = self.scan(Table::Grants, before, 1).await.unwrap();
        page.first().is_some_and(|row| row.grant.id == grant)
    }
}

impl Machine {
    pub(crate) async fn check_everything(&mut self) {
        let report = invariants::check(&self.world.storage).await.unwrap();
        assert!(report.is_clean(), "{report}");
        let now = self.now();
        for (at, name) in USERS.iter().enumerate() {
            let listed = self.world.server.grants(&Subject::new(name), None, 10_000).await.unwrap();
            let listed: BTreeSet<u64> = listed.iter().map(|app| app.id.to_bits()).collect();
            assert_eq!(listed, self.model.listed(at, now), "the grants of {name}");
        }
        self.every_token_is_what_it_must_be().await;
        self.no_secret_is_at_rest().await;
    }

    /// Each token that was ever given out, also those that nobody would try again.
    async fn every_token_is_what_it_must_be(&self) {
        let now = self.now();
        for access in &self.model.accesses {
            let expected = if self.model.is_live(access, now) { 200 } else { 401 };
            assert_eq!(self.world.guard(&access.resource, "", &access.text).await, expected, "{access:?}");
            let grant = &self.model.grants[access.grant];
            assert!(access.scopes.is_subset(&grant.scopes), "no scope beyond consent");
            assert!(grant.resources.contains(&access.resource), "no resource beyond consent");
            assert!(access.ends_at <= grant.ends_at, "no token outlives its grant");
        }
        for refresh in &self.model.refreshes {
            let live = self
                .model
                .refreshes
                .iter()
                .filter(|other| other.grant == refresh.grant && other.rotation.is_none() && now < other.ends_at);
            assert!(live.count() <= 1, "one live refresh token a grant");
        }
    }

    /// Looks through the bytes of every row for the text and the bytes of every secret.
    async fn no_secret_is_at_rest(&mut self) {
        let rest = self.bytes_at_rest().await;
        // Each eight bytes of what is stored, so that looking for a secret takes no time.
        let known: std::collections::HashSet<&[u8]> = rest.windows(8).collect();
        for secret in &self.secrets {
            let bytes = secret.get(4..).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).unwrap_or_default();
            // Behind the prefix lies the id, which is no secret.
            for form in [&secret.as_bytes()[secret.len().min(20)..], bytes.get(8..).unwrap_or_default()] {
                assert!(form.get(..8).is_none_or(|start| !known.contains(start)), "a secret is at rest: {secret}");
            }
        }
        assert!(self.secrets.len() < 20 || rest.len() > 1000, "something is at rest");
        self.secrets.clear();
    }

    async fn bytes_at_rest(&self) -> Vec<u8> {
        let mut rest = Vec::new();
        for client in self.world.storage.clients(None, u32::MAX).await.unwrap() {
            rest.extend(serde_json::to_vec(&*client).unwrap());
        }
        for table in [Table::Grants, Table::Codes, Table::AccessTokens, Table::RefreshTokens] {
            for scanned in self.world.storage.scan(table, None, u32::MAX).await.unwrap() {
                rest.extend(serde_json::to_vec(&*scanned.grant).unwrap());
                match &scanned.row {
                    Row::Grant => {}
                    Row::Code { code, .. } => rest.extend(code.hash.as_bytes()),
                    Row::Access(token) => rest.extend(token.hash.as_bytes()),
                    Row::Refresh { token, rotation, .. } => {
                        rest.extend(token.hash.as_bytes());
                        let answer = rotation.as_ref().and_then(|rotation| rotation.answer.as_deref());
                        rest.extend(answer.unwrap_or_default());
                    }
                }
            }
        }
        rest
    }
}
