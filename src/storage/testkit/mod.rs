//! The conformance suite for anyone's [`Storage`].
//!
//! Each function proves one invariant on an empty store and panics with the reason if it is broken;
//! [`run_all`] runs them all. Call them in a multi-threaded tokio runtime, so that the races are
//! races:
//!
//! ```
//! use grantor::storage::{MemoryStorage, testkit};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! testkit::run_all(|| async { MemoryStorage::new() }).await;
//! # });
//! # Ok::<_, std::io::Error>(())
//! ```
//!
//! [`run_shared`] does so for two handles on one database, and [`run_large`] with many rows.
//!
//! Run it a second time over [`Yielding`], which widens the gaps in which a race can go wrong.
//! [`Faulty`] is a store whose requests or answers get lost or wait, for the tests of what calls a store.
//!
//! A store may remove by itself what ended more than a minute before the present of any write; nothing
//! here expects such rows to be there.
//!
//! New invariants come with new versions: a store that passes today may fail after an update, and
//! was wrong before.

#![allow(clippy::panic, clippy::expect_used, reason = "a test suite fails by panicking")]

mod claims;
mod client_grants;
mod clients;
mod clocks;
mod consents;
mod decisions;
mod endings;
mod faulty;
mod fidelity;
mod large;
mod lists;
mod policy;
mod purging;
mod races;
pub mod records;
mod redemption;
mod registrations;
mod reuse;
mod revocation;
mod rotation;
mod scanning;
mod scene;
mod shared_clients;
mod sharing;
mod wholeness;
mod withdrawal;
mod yielding;

pub use claims::{a_claim_is_remembered_as_long_as_asked, attack_25_of_parallel_claims_one_is_the_first};
pub use client_grants::{
    a_taken_id_leaves_nothing_of_a_clients_own_grant, attack_41_a_client_that_changed_gets_no_grant_of_its_own,
    attack_57_a_clients_own_grant_is_no_users,
};
pub use clients::{
    a_change_replaces_a_client_and_raises_its_revision, a_client_is_read_back_as_it_was_inserted,
    a_registered_client_id_is_taken, attack_41_a_decision_about_a_client_before_its_change_does_not_count,
    of_parallel_changes_of_one_state_one_counts, parallel_registrations_of_one_id_add_one_client,
};
pub use clocks::{
    a_clock_that_goes_backwards_loses_nothing, attack_12_parallel_uses_by_two_clocks_give_one_token,
    the_ends_of_time_break_nothing, two_clocks_that_differ_lose_nothing,
};
pub use consents::{
    a_revocation_forgets_what_was_agreed_to, attack_22_a_silent_approval_beside_a_revocation_needs_its_consent,
    attack_42_a_silent_approval_needs_consent_that_covers_it, consent_is_remembered_and_added_to_what_was_there,
    only_an_approval_that_counts_is_remembered, pages_show_every_client_once,
};
pub use decisions::{
    a_collision_of_ids_records_nothing, a_denial_is_remembered_and_adds_nothing, an_approval_adds_its_grant_and_code,
    attack_41_a_client_that_changed_gains_nothing, attack_41_a_prompt_is_decided_once,
    attack_41_parallel_decisions_count_once,
};
pub use endings::{
    all_grants_of_a_client_end_at_once, all_grants_of_a_user_end_at_once,
    attack_22_revoking_everything_beside_its_use_leaves_nothing_alive,
    attack_22_what_ends_access_ends_all_of_that_client,
    attack_22_what_is_on_its_way_for_a_client_that_loses_access_is_dead,
};
pub use faulty::{Call, Faulty, Held, Lost};
pub use fidelity::{
    hostile_texts_are_kept_byte_for_byte, long_texts_are_kept_byte_for_byte, narrowed_tokens_are_kept,
    users_that_look_alike_are_apart,
};
pub use large::{
    pages_show_each_of_many_clients_once, pages_show_each_of_many_grants_once,
    purging_many_rows_beside_exchanges_leaves_what_is_alive,
};
pub use lists::{
    a_page_holds_no_more_than_asked_for, grants_are_listed_newest_first, only_live_grants_are_listed,
    pages_show_every_grant_once,
};
pub use policy::{of_parallel_changes_of_the_policy_one_counts, the_policy_is_read_back_as_it_was_saved};
pub use purging::{
    a_decision_is_remembered_as_long_as_asked, a_purged_code_is_unknown, a_purged_grant_takes_all_of_it_along,
    purging_beside_exchanges_loses_nothing, purging_goes_in_steps_until_nothing_is_left, purging_leaves_what_is_alive,
};
pub use redemption::{
    a_code_is_worth_one_token, a_code_that_is_over_or_unknown_is_gone,
    attack_12_parallel_exchanges_give_one_token_that_is_dead_at_once,
    attack_13_a_replay_is_noticed_after_the_end_of_the_code, attack_13_a_replay_is_noticed_whatever_token_id_it_brings,
    attack_13_a_replay_revokes_that_grant_alone, attack_15_a_taken_token_id_does_not_burn_the_code,
};
pub use registrations::{
    a_change_keeps_how_long_a_client_stays, a_use_beside_a_purge_keeps_the_client,
    a_use_moves_the_end_of_a_client_to_later_alone, an_identical_registration_renews_the_client,
    attack_35_a_blocked_client_does_not_come_back_by_registering,
    attack_35_at_the_budget_what_would_end_first_gives_way,
    attack_35_giving_way_beside_an_approval_removes_no_client_with_a_grant,
    attack_35_identical_registrations_are_one_client, purging_removes_clients_that_have_ended,
    the_first_approval_lets_a_client_stay,
};
pub use reuse::{
    attack_13_a_replay_ends_what_was_refreshed_since, attack_16_the_window_ends_when_the_successor_is_used,
    attack_17_a_reuse_is_noticed_whatever_ids_it_brings, attack_17_a_rotated_token_is_remembered_until_its_end,
    attack_17_reuse_after_the_window_revokes_that_grant_alone, purging_removes_refresh_tokens_that_have_ended,
};
pub use revocation::{
    a_grant_is_revoked_by_its_user_alone, a_revoked_grant_gives_no_token, parallel_revocations_count_once,
    revoking_beside_an_exchange_leaves_no_live_token, tokens_of_a_revoked_grant_are_revoked,
};
pub use rotation::{
    a_refresh_token_that_is_over_or_unknown_is_gone, a_successor_takes_the_place_of_a_refresh_token,
    a_taken_id_does_not_burn_the_refresh_token, an_exchange_adds_its_refresh_token,
    attack_15_a_taken_refresh_id_does_not_burn_the_code, attack_16_a_repetition_hears_the_same_and_adds_nothing,
    attack_16_parallel_rotations_give_one_successor,
};
pub use scanning::{
    a_walk_shows_rows_as_they_are, a_walk_shows_what_took_the_place_of_what, pages_of_a_walk_show_every_row_once,
};
pub use shared_clients::{
    attack_22_a_client_that_loses_access_over_another_handle_keeps_nothing,
    attack_25_claims_over_two_handles_count_once, attack_35_identical_registrations_over_two_handles_are_one_client,
    of_changes_of_one_state_over_two_handles_one_counts,
};
pub use sharing::{
    attack_12_exchanges_over_two_handles_give_one_token, attack_16_rotations_over_two_handles_give_one_successor,
    attack_22_a_revocation_over_another_handle_leaves_nothing_alive, attack_41_decisions_over_two_handles_count_once,
    what_one_handle_wrote_the_other_sees,
};
pub use wholeness::an_operation_that_is_dropped_midway_is_whole;
pub use withdrawal::{
    a_token_is_issued_into_a_live_grant_alone, an_access_token_is_revoked_alone,
    attack_22_revoking_beside_a_rotation_leaves_nothing_alive, attack_45_a_grant_is_revoked_by_its_client_alone,
};
pub use yielding::Yielding;

use std::sync::Arc;

use super::{Storage, invariants};

/// Runs every invariant of this module, each on a new empty store from `fresh`, and names on standard
/// error the one that is broken. What each leaves behind is checked by [`invariants::check`].
///
/// # Panics
/// At the first invariant that is broken.
pub async fn run_all<S, F, Fut>(fresh: F)
where
    S: Storage,
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = S> + Send,
{
    decisions_and_codes(&fresh).await;
    consents_and_clients(&fresh).await;
    refresh_tokens(&fresh).await;
    lists_and_purging(&fresh).await;
    registrations(&fresh).await;
    endings_and_claims(&fresh).await;
}

/// Runs what two handles on one database must keep to, each on a new empty database of which `fresh` gives
/// two handles: two values that share nothing but the database, as two processes do. A store that lives in
/// its process has two clones.
///
/// Like [`run_all`], it names what is broken, and checks what each leaves behind.
///
/// # Panics
/// At the first invariant that is broken.
pub async fn run_shared<A, B, F, Fut>(fresh: F)
where
    A: Storage,
    B: Storage,
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = (A, B)> + Send,
{
    macro_rules! each_on_a_fresh_database {
        ($($invariant:ident,)*) => { $({
            let _named = Named(stringify!($invariant));
            let (one, other) = fresh().await;
            let (one, other) = (Arc::new(one), Arc::new(other));
            $invariant(Arc::clone(&one), Arc::clone(&other)).await;
            nothing_is_wrong(&*one).await;
            nothing_is_wrong(&*other).await;
        })* };
    }
    each_on_a_fresh_database! {
        what_one_handle_wrote_the_other_sees,
        attack_12_exchanges_over_two_handles_give_one_token,
        attack_16_rotations_over_two_handles_give_one_successor,
        attack_41_decisions_over_two_handles_count_once,
        attack_22_a_revocation_over_another_handle_leaves_nothing_alive,
        attack_35_identical_registrations_over_two_handles_are_one_client,
        attack_25_claims_over_two_handles_count_once,
        of_changes_of_one_state_over_two_handles_one_counts,
        attack_22_a_client_that_loses_access_over_another_handle_keeps_nothing,
    }
}

/// Runs what takes its time: the same with a hundred thousand rows, each on a new empty store.
///
/// Like [`run_all`], it names what is broken, and checks what each leaves behind.
///
/// # Panics
/// At the first invariant that is broken.
pub async fn run_large<S, F, Fut>(fresh: F)
where
    S: Storage,
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = S> + Send,
{
    macro_rules! each_with_many_rows {
        ($($invariant:ident($rows:expr),)*) => { $({
            let _named = Named(stringify!($invariant));
            let store = Arc::new(fresh().await);
            $invariant(Arc::clone(&store), $rows).await;
            nothing_is_wrong(&*store).await;
        })* };
    }
    each_with_many_rows! {
        pages_show_each_of_many_grants_once(100_000),
        pages_show_each_of_many_clients_once(100_000),
        purging_many_rows_beside_exchanges_leaves_what_is_alive(10_000),
    }
}

macro_rules! each_on_a_fresh_store {
    ($group:ident: $($invariant:ident,)*) => {
        async fn $group<S, F, Fut>(fresh: &F)
        where
            S: Storage,
            F: Fn() -> Fut + Send + Sync,
            Fut: Future<Output = S> + Send,
        {
            $({
                let _named = Named(stringify!($invariant));
                let store = Arc::new(fresh().await);
                $invariant(Arc::clone(&store)).await;
                nothing_is_wrong(&*store).await;
            })*
        }
    };
}

each_on_a_fresh_store! {
    decisions_and_codes:
    a_client_is_read_back_as_it_was_inserted,
    a_registered_client_id_is_taken,
    parallel_registrations_of_one_id_add_one_client,
    a_change_replaces_a_client_and_raises_its_revision,
    attack_41_a_decision_about_a_client_before_its_change_does_not_count,
    of_parallel_changes_of_one_state_one_counts,
    an_approval_adds_its_grant_and_code,
    a_denial_is_remembered_and_adds_nothing,
    attack_41_a_prompt_is_decided_once,
    attack_41_parallel_decisions_count_once,
    attack_41_a_client_that_changed_gains_nothing,
    a_collision_of_ids_records_nothing,
    a_code_is_worth_one_token,
    a_code_that_is_over_or_unknown_is_gone,
    attack_12_parallel_exchanges_give_one_token_that_is_dead_at_once,
    attack_13_a_replay_revokes_that_grant_alone,
    attack_13_a_replay_is_noticed_after_the_end_of_the_code,
    attack_13_a_replay_is_noticed_whatever_token_id_it_brings,
    attack_15_a_taken_token_id_does_not_burn_the_code,
    a_grant_is_revoked_by_its_user_alone,
    tokens_of_a_revoked_grant_are_revoked,
    a_revoked_grant_gives_no_token,
    parallel_revocations_count_once,
    revoking_beside_an_exchange_leaves_no_live_token,
}

each_on_a_fresh_store! {
    consents_and_clients:
    consent_is_remembered_and_added_to_what_was_there,
    only_an_approval_that_counts_is_remembered,
    attack_42_a_silent_approval_needs_consent_that_covers_it,
    a_revocation_forgets_what_was_agreed_to,
    attack_22_a_silent_approval_beside_a_revocation_needs_its_consent,
    pages_show_every_client_once,
}

each_on_a_fresh_store! {
    refresh_tokens:
    an_exchange_adds_its_refresh_token,
    attack_15_a_taken_refresh_id_does_not_burn_the_code,
    a_successor_takes_the_place_of_a_refresh_token,
    attack_16_parallel_rotations_give_one_successor,
    attack_16_a_repetition_hears_the_same_and_adds_nothing,
    attack_16_the_window_ends_when_the_successor_is_used,
    a_refresh_token_that_is_over_or_unknown_is_gone,
    a_taken_id_does_not_burn_the_refresh_token,
    attack_17_reuse_after_the_window_revokes_that_grant_alone,
    attack_17_a_reuse_is_noticed_whatever_ids_it_brings,
    attack_17_a_rotated_token_is_remembered_until_its_end,
    attack_13_a_replay_ends_what_was_refreshed_since,
    a_token_is_issued_into_a_live_grant_alone,
    an_access_token_is_revoked_alone,
    attack_45_a_grant_is_revoked_by_its_client_alone,
    attack_22_revoking_beside_a_rotation_leaves_nothing_alive,
    purging_removes_refresh_tokens_that_have_ended,
}

each_on_a_fresh_store! {
    lists_and_purging:
    grants_are_listed_newest_first,
    pages_show_every_grant_once,
    only_live_grants_are_listed,
    a_page_holds_no_more_than_asked_for,
    pages_of_a_walk_show_every_row_once,
    a_walk_shows_rows_as_they_are,
    a_walk_shows_what_took_the_place_of_what,
    hostile_texts_are_kept_byte_for_byte,
    long_texts_are_kept_byte_for_byte,
    narrowed_tokens_are_kept,
    users_that_look_alike_are_apart,
    purging_leaves_what_is_alive,
    purging_goes_in_steps_until_nothing_is_left,
    a_purged_code_is_unknown,
    a_purged_grant_takes_all_of_it_along,
    a_decision_is_remembered_as_long_as_asked,
    purging_beside_exchanges_loses_nothing,
    an_operation_that_is_dropped_midway_is_whole,
    a_clock_that_goes_backwards_loses_nothing,
    the_ends_of_time_break_nothing,
    two_clocks_that_differ_lose_nothing,
    attack_12_parallel_uses_by_two_clocks_give_one_token,
}

each_on_a_fresh_store! {
    registrations:
    attack_35_identical_registrations_are_one_client,
    attack_35_a_blocked_client_does_not_come_back_by_registering,
    an_identical_registration_renews_the_client,
    attack_35_at_the_budget_what_would_end_first_gives_way,
    the_first_approval_lets_a_client_stay,
    attack_35_giving_way_beside_an_approval_removes_no_client_with_a_grant,
    a_use_moves_the_end_of_a_client_to_later_alone,
    a_change_keeps_how_long_a_client_stays,
    purging_removes_clients_that_have_ended,
    a_use_beside_a_purge_keeps_the_client,
}

each_on_a_fresh_store! {
    endings_and_claims:
    attack_57_a_clients_own_grant_is_no_users,
    attack_41_a_client_that_changed_gets_no_grant_of_its_own,
    a_taken_id_leaves_nothing_of_a_clients_own_grant,
    attack_22_what_ends_access_ends_all_of_that_client,
    attack_22_what_is_on_its_way_for_a_client_that_loses_access_is_dead,
    all_grants_of_a_user_end_at_once,
    all_grants_of_a_client_end_at_once,
    attack_22_revoking_everything_beside_its_use_leaves_nothing_alive,
    attack_25_of_parallel_claims_one_is_the_first,
    a_claim_is_remembered_as_long_as_asked,
    the_policy_is_read_back_as_it_was_saved,
    of_parallel_changes_of_the_policy_one_counts,
}

/// What is left behind is sound: [`invariants::check`] finds nothing.
///
/// # Panics
/// If it finds something.
pub async fn nothing_is_wrong<S: Storage>(store: &S) {
    let report = invariants::check(store).await.expect("scan answers");
    assert!(report.is_clean(), "what is left behind is sound: {report}");
}

struct Named(&'static str);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("broken invariant of the store: {}", self.0);
        }
    }
}
