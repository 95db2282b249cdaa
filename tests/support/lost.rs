//! A connection to the store that is lost in every step of every endpoint, and what its caller's next try
//! must give. It is for any store.

use std::sync::Arc;
use std::time::Duration;

use grantor::protocol::secret::{Bearer, BearerKind, OrderedId};
use grantor::storage::testkit::{Call, Faulty, Lost};
use grantor::storage::{Storage, invariants};
use grantor::{Keys, Subject};
use http::StatusCode;

use super::refreshing::Tokens;
use super::{API, Answer, CALLBACK, Client, ISSUER, World};

/// An app whose connection to its store can be lost.
pub type Shaky<S> = World<Arc<Faulty<S>>>;

/// Loses the request and the answer of every call of every endpoint, over an empty store.
pub async fn every_loss_is_survived<S: Storage>(storage: S) {
    let world = shaky(storage);
    let client = world.refreshing_client("client_secret_post").await;
    let losses = Losses { world: &world, client: &client };
    losses.registrations().await;
    losses.pages().await;
    losses.approvals().await;
    losses.denials().await;
    losses.exchanges().await;
    losses.refreshes().await;
    losses.refreshes_for_less().await;
    losses.revocations().await;
    losses.looks().await;
    losses.withdrawals().await;
    let report = invariants::check(world.storage.inner()).await.unwrap();
    assert!(report.is_clean(), "{report}");
}

pub fn shaky<S: Storage>(storage: S) -> Shaky<S> {
    World::at(ISSUER, Arc::new(Faulty::new(storage)), |builder| builder.keys(Keys::from_bytes([7; 32])))
}

/// The key of the row of a refresh token.
pub fn id_of(token: &str) -> OrderedId {
    Bearer::parse(BearerKind::Refresh, token).unwrap().id
}

fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body());
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(!answer.body().contains("was made to fail"), "the cause is for the log");
}

fn assert_temporary(answer: &Answer) {
    assert_unavailable(answer);
    answer.assert_error(503, "temporarily_unavailable");
}

/// What gets lost, and for whom: nobody has anything from an earlier try.
struct Try {
    lost: Lost,
    call: Call,
    user: String,
}

impl Try {
    fn is(&self, lost: Lost, call: Call) -> bool {
        self.lost == lost && self.call == call
    }
}

struct Losses<'a, S> {
    world: &'a Shaky<S>,
    client: &'a Client,
}

impl<S: Storage> Losses<'_, S> {
    /// Tries a step with each loss that it can come to. `step` says whether it came to that, and it must for
    /// these calls and no others.
    async fn each(&self, name: &str, calls: &[Call], step: impl AsyncFn(&Try) -> bool) {
        for call in Call::ALL {
            for lost in [Lost::Request, Lost::Answer] {
                let user = format!("{name} {call:?} {lost:?}").replace(' ', "-");
                let came = step(&Try { lost, call, user }).await;
                assert_eq!(came, calls.contains(&call), "{name}: {lost:?} of {call:?}");
            }
        }
    }

    fn lose(&self, attempt: &Try) {
        self.world.storage.lose(attempt.lost, attempt.call, 1);
    }

    /// Whether the call was made that was to fail.
    fn was_lost(&self) -> bool {
        self.world.storage.lose_nothing() == 0
    }

    async fn grants(&self, user: &str) -> usize {
        self.world.server.grants(&Subject::new(user), None, 10).await.unwrap().len()
    }

    async fn tokens(&self, user: &str) -> Tokens {
        self.world.tokens_of(user, self.client, &[]).await
    }

    async fn registrations(&self) {
        let metadata = serde_json::json!({ "redirect_uris": [CALLBACK] });
        self.each("registration", &[Call::InsertClient], async |attempt| {
            self.lose(attempt);
            let answer = self.world.register(&metadata).await;
            let was_lost = self.was_lost();
            if was_lost {
                assert_temporary(&answer);
                assert_eq!(self.world.register(&metadata).await.status(), StatusCode::CREATED);
            }
            was_lost
        })
        .await;
    }

    async fn pages(&self) {
        self.each("page", &[Call::Client, Call::Consents], async |attempt| {
            let mut browser = self.world.browser_of(&attempt.user);
            self.lose(attempt);
            let answer = browser.get(&self.client.authorize()).await;
            let was_lost = self.was_lost();
            if was_lost {
                assert_unavailable(&answer);
                answer.assert_page(503);
                assert_eq!(browser.get(&self.client.authorize()).await.status(), StatusCode::OK);
            }
            was_lost
        })
        .await;
    }

    /// If nobody heard of the code, nobody has it, and it ends.
    async fn approvals(&self) {
        self.each("approval", &[Call::Client, Call::Decide], async |attempt| {
            let mut browser = self.world.browser_of(&attempt.user);
            let page = browser.prompt(&self.client.authorize()).await;
            self.lose(attempt);
            let answer = browser.decide(&page, "allow").await;
            if !self.was_lost() {
                return false;
            }
            assert_unavailable(&answer);
            answer.assert_page(503);
            let again = browser.decide(&page, "allow").await;
            if attempt.is(Lost::Answer, Call::Decide) {
                again.assert_page(409);
                assert!(!again.body().contains("grc_"), "a code that is shown to whoever comes second");
                self.world.clock.advance(Duration::from_secs(60));
                assert_eq!(self.grants(&attempt.user).await, 0, "a code that nobody has is no lasting grant");
            } else {
                let code = again.redirect_parameter("code").expect("nothing was decided before");
                let tokens = Tokens::of(&self.world.exchange(self.client, &code, &[]).await);
                assert!(self.world.is_live(&tokens.access).await);
                assert_eq!(self.grants(&attempt.user).await, 1);
            }
            true
        })
        .await;
    }

    async fn denials(&self) {
        self.each("denial", &[Call::Client, Call::Decide], async |attempt| {
            let mut browser = self.world.browser_of(&attempt.user);
            let page = browser.prompt(&self.client.authorize()).await;
            self.lose(attempt);
            let answer = browser.decide(&page, "deny").await;
            if !self.was_lost() {
                return false;
            }
            assert_unavailable(&answer);
            if attempt.is(Lost::Answer, Call::Decide) {
                browser.decide(&page, "allow").await.assert_page(409);
            } else {
                let again = browser.decide(&page, "deny").await;
                assert_eq!(again.redirect_parameter("error").as_deref(), Some("access_denied"));
            }
            assert_eq!(self.grants(&attempt.user).await, 0, "it was denied");
            true
        })
        .await;
    }

    /// RFC 6749 §4.1.2: a code is used once. Whoever tries it again, having heard nothing, ends its grant.
    async fn exchanges(&self) {
        self.each("exchange", &[Call::Client, Call::Code, Call::RedeemCode], async |attempt| {
            let mut browser = self.world.browser_of(&attempt.user);
            let code = browser.allow(&self.client.authorize()).await.redirect_parameter("code").unwrap();
            self.lose(attempt);
            let answer = self.world.exchange(self.client, &code, &[]).await;
            if !self.was_lost() {
                return false;
            }
            assert_temporary(&answer);
            let again = self.world.exchange(self.client, &code, &[]).await;
            if attempt.is(Lost::Answer, Call::RedeemCode) {
                again.assert_error(400, "invalid_grant");
                assert_eq!(self.grants(&attempt.user).await, 0, "a token that nobody has is not left alive");
            } else {
                assert!(self.world.is_live(&Tokens::of(&again).access).await, "the code was not burned");
                assert_eq!(self.grants(&attempt.user).await, 1);
            }
            true
        })
        .await;
    }

    /// Whatever got lost, whoever tries again has the one pair that took the token's place.
    async fn refreshes(&self) {
        self.each("refresh", &[Call::Client, Call::RefreshToken, Call::RotateRefresh], async |attempt| {
            let start = self.tokens(&attempt.user).await;
            let rotation = async || {
                let stored = self.world.storage.inner().refresh_token(id_of(&start.refresh)).await.unwrap().unwrap();
                stored.rotation.map(|rotation| rotation.successor)
            };
            self.lose(attempt);
            let answer = self.world.refresh(self.client, &start.refresh, &[]).await;
            if !self.was_lost() {
                return false;
            }
            assert_temporary(&answer);
            let happened = rotation().await;
            assert_eq!(happened.is_some(), attempt.is(Lost::Answer, Call::RotateRefresh), "a request that got lost");
            let retried = self.world.refreshed(self.client, &start.refresh, &[]).await;
            assert_eq!(rotation().await, Some(id_of(&retried.refresh)), "the one successor");
            assert!(happened.is_none_or(|lost| lost == id_of(&retried.refresh)), "the pair that got lost");
            assert_eq!(self.world.refreshed(self.client, &start.refresh, &[]).await, retried, "the same pair");
            assert!(self.world.is_live(&retried.access).await);
            let next = self.world.refreshed(self.client, &retried.refresh, &[]).await;
            assert!(self.world.is_live(&next.access).await && self.grants(&attempt.user).await == 1);
            true
        })
        .await;
    }

    /// Another access token beside the one successor.
    async fn refreshes_for_less(&self) {
        let narrow = [("scope", "projects:read")];
        self.each("narrow", &[Call::Client, Call::RefreshToken, Call::IssueAccess], async |attempt| {
            let start = self.tokens(&attempt.user).await;
            let first = self.world.refreshed(self.client, &start.refresh, &[]).await;
            self.lose(attempt);
            let answer = self.world.refresh(self.client, &start.refresh, &narrow).await;
            if !self.was_lost() {
                return false;
            }
            assert_temporary(&answer);
            let retried = self.world.refreshed(self.client, &start.refresh, &narrow).await;
            assert_eq!((retried.refresh.as_str(), retried.scope.as_str()), (first.refresh.as_str(), "projects:read"));
            assert!(self.world.is_live(&retried.access).await && self.world.is_live(&first.access).await);
            true
        })
        .await;
    }

    /// A revocation is never called done before it is, and trying again is no error.
    async fn revocations(&self) {
        for (name, by_refresh, calls) in [
            ("revocation", true, [Call::Client, Call::RefreshToken, Call::RevokeGrant]),
            ("revocation of one", false, [Call::Client, Call::AccessToken, Call::RevokeAccess]),
        ] {
            self.each(name, &calls, async |attempt| {
                let start = self.tokens(&attempt.user).await;
                let token = if by_refresh { &start.refresh } else { &start.access };
                self.lose(attempt);
                let answer = self.world.revoke(self.client, token, &[]).await;
                if !self.was_lost() {
                    return false;
                }
                assert_temporary(&answer);
                let happened = attempt.is(Lost::Answer, calls[2]);
                assert_eq!(self.world.is_live(&start.access).await, !happened, "a request that got lost");
                self.world.revoked(self.client, token).await;
                assert!(!self.world.is_live(&start.access).await, "the next try revoked it");
                assert_eq!(self.grants(&attempt.user).await, usize::from(!by_refresh));
                true
            })
            .await;
        }
    }

    /// Nobody passes a guard that cannot tell.
    async fn looks(&self) {
        self.each("look", &[Call::AccessToken], async |attempt| {
            let start = self.tokens(&attempt.user).await;
            self.lose(attempt);
            let status = self.world.guard(API, "", &start.access).await;
            let was_lost = self.was_lost();
            assert_eq!(status, if was_lost { 503 } else { 200 });
            assert_eq!(self.world.guard(API, "", &start.access).await, 200);
            was_lost
        })
        .await;
    }

    /// What the app's own people take back.
    async fn withdrawals(&self) {
        self.each("list", &[Call::Grants, Call::Client], async |attempt| {
            self.tokens(&attempt.user).await;
            let subject = Subject::new(&attempt.user);
            self.lose(attempt);
            let listed = self.world.server.grants(&subject, None, 10).await;
            let was_lost = self.was_lost();
            assert_eq!(listed.is_err(), was_lost, "an error is no empty list");
            assert_eq!(self.grants(&attempt.user).await, 1);
            was_lost
        })
        .await;
        self.each("withdrawal", &[Call::RevokeGrant], async |attempt| {
            let start = self.tokens(&attempt.user).await;
            let subject = Subject::new(&attempt.user);
            let grant = self.world.server.grants(&subject, None, 10).await.unwrap()[0].id;
            self.lose(attempt);
            let outcome = self.world.server.revoke_grant(&subject, grant).await;
            if !self.was_lost() {
                return false;
            }
            assert!(outcome.is_err(), "a withdrawal that may have failed is never called done");
            let happened = attempt.lost == Lost::Answer;
            assert_eq!(self.world.is_live(&start.access).await, !happened);
            assert_eq!(self.world.server.revoke_grant(&subject, grant).await.unwrap(), !happened);
            assert!(!self.world.is_live(&start.access).await && self.grants(&attempt.user).await == 0);
            true
        })
        .await;
        self.each("purge", &[Call::Purge], async |attempt| {
            self.lose(attempt);
            let outcome = self.world.server.purge(10).await;
            let was_lost = self.was_lost();
            assert!(outcome.is_err() == was_lost && self.world.server.purge(10).await.is_ok());
            was_lost
        })
        .await;
    }
}
