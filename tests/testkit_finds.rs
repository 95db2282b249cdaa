//! The conformance suite can fail: for every invariant there is a broken store that it finds.

mod broken;

use broken::{Broken, Flaw};
use grantor::storage::testkit;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_flaw_there_is_nothing_to_find() {
    testkit::run_all(|| async { Broken::new(Flaw::None) }).await;
    testkit::run_shared(|| async { Broken::two(Flaw::None) }).await;
}

/// Runs invariants as tasks on stores with a flaw and expects each to panic.
macro_rules! finds {
    ($($test:ident: $flaw:ident in $($invariant:ident),+;)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            $(
                let task = tokio::spawn(testkit::$invariant(Broken::new(Flaw::$flaw)));
                let found = task.await.is_err_and(|error| error.is_panic());
                assert!(found, "{} does not find the flaw", stringify!($invariant));
            )+
        }
    )* };
}

/// The same with a number of rows.
macro_rules! finds_among_many {
    ($($test:ident: $flaw:ident in $($invariant:ident),+;)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            $(
                let task = tokio::spawn(testkit::$invariant(Broken::new(Flaw::$flaw), 2000));
                let found = task.await.is_err_and(|error| error.is_panic());
                assert!(found, "{} does not find the flaw", stringify!($invariant));
            )+
        }
    )* };
}

/// The same over two handles.
macro_rules! finds_over_two {
    ($($test:ident: $two:expr, in $($invariant:ident),+;)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            $(
                let (one, other) = $two;
                let task = tokio::spawn(testkit::$invariant(one, other));
                let found = task.await.is_err_and(|error| error.is_panic());
                assert!(found, "{} does not find the flaw", stringify!($invariant));
            )+
        }
    )* };
}

finds! {
    a_client_that_is_replaced: ReplacesClients in
        a_registered_client_id_is_taken, parallel_registrations_of_one_id_add_one_client;
    a_client_that_is_not_kept_whole: ForgetsClientNames in a_client_is_read_back_as_it_was_inserted;
    a_prompt_that_can_be_decided_again: IgnoresMarks in
        attack_41_a_prompt_is_decided_once, attack_41_parallel_decisions_count_once,
        a_denial_is_remembered_and_adds_nothing, a_decision_is_remembered_as_long_as_asked;
    an_earlier_decision_that_is_told_wrongly: SwapsDecisions in
        attack_41_a_prompt_is_decided_once, attack_41_parallel_decisions_count_once;
    a_denial_that_is_not_recorded: IgnoresDenials in a_denial_is_remembered_and_adds_nothing;
    an_approval_without_a_grant: ForgetsApprovals in an_approval_adds_its_grant_and_code;
    a_client_that_changed_unnoticed: IgnoresRevisions in attack_41_a_client_that_changed_gains_nothing;
    a_refused_decision_that_is_recorded: RecordsRefusals in
        attack_41_a_client_that_changed_gains_nothing, a_collision_of_ids_records_nothing;
    a_second_exchange_that_succeeds: RedeemsTwice in
        attack_12_parallel_exchanges_give_one_token_that_is_dead_at_once, attack_13_a_replay_revokes_that_grant_alone,
        attack_13_a_replay_is_noticed_after_the_end_of_the_code;
    a_check_before_the_exchange: ChecksBeforeActing in
        attack_12_parallel_exchanges_give_one_token_that_is_dead_at_once;
    a_replay_without_consequences: ForgivesReplays in
        attack_12_parallel_exchanges_give_one_token_that_is_dead_at_once, attack_13_a_replay_revokes_that_grant_alone,
        attack_13_a_replay_is_noticed_whatever_token_id_it_brings;
    a_replay_that_logs_out_everywhere: RevokesAllOnReplay in attack_13_a_replay_revokes_that_grant_alone;
    a_replay_that_ends_with_its_code: ForgetsSpentCodes in attack_13_a_replay_is_noticed_after_the_end_of_the_code;
    a_replay_hidden_by_a_collision: CollidesFirst in attack_13_a_replay_is_noticed_whatever_token_id_it_brings;
    a_code_burnt_by_a_collision: BurnsOnCollision in attack_15_a_taken_token_id_does_not_burn_the_code;
    a_code_that_does_not_end: IgnoresTheEndOfCodes in a_code_that_is_over_or_unknown_is_gone;
    a_code_burnt_by_a_late_exchange: BurnsLateCodes in a_code_that_is_over_or_unknown_is_gone;
    a_grant_that_keeps_its_end: ForgetsTheEndOfGrants in a_code_is_worth_one_token, only_live_grants_are_listed;
    a_revocation_by_anybody: IgnoresSubjects in
        a_grant_is_revoked_by_its_user_alone, users_that_look_alike_are_apart;
    a_revocation_that_look_ups_forget: ForgetsRevocations in
        tokens_of_a_revoked_grant_are_revoked, attack_13_a_replay_revokes_that_grant_alone;
    a_revocation_that_did_not_happen: IgnoresRevocations in
        tokens_of_a_revoked_grant_are_revoked, a_revoked_grant_gives_no_token, parallel_revocations_count_once,
        revoking_beside_an_exchange_leaves_no_live_token, only_live_grants_are_listed;
    a_list_that_starts_with_the_oldest: ListsOldestFirst in
        grants_are_listed_newest_first, pages_show_every_grant_once;
    a_list_without_bounds: IgnoresLimits in pages_show_every_grant_once, a_page_holds_no_more_than_asked_for;
    pages_that_overlap: PagesInclusively in pages_show_every_grant_once, a_page_holds_no_more_than_asked_for;
    users_compared_without_case_and_space: FoldsSubjects in users_that_look_alike_are_apart;
    texts_that_are_cleaned: CleansTexts in hostile_texts_are_kept_byte_for_byte;
    tokens_that_get_all_of_their_grant: WidensTokens in narrowed_tokens_are_kept;
    a_purge_that_comes_too_early: PurgesEarly in
        purging_leaves_what_is_alive, a_decision_is_remembered_as_long_as_asked;
    a_purge_that_takes_what_is_added_beside_it: PurgesWhatIsNew in purging_beside_exchanges_loses_nothing;
    a_purge_that_does_nothing: NeverPurges in
        purging_goes_in_steps_until_nothing_is_left, a_purged_code_is_unknown, a_purged_grant_takes_all_of_it_along;
    a_purge_without_bounds: PurgesAllAtOnce in purging_goes_in_steps_until_nothing_is_left;
    a_purge_without_end: PurgesForever in purging_goes_in_steps_until_nothing_is_left, the_ends_of_time_break_nothing;
    a_rotation_in_two_steps: RotatesInTwoSteps in an_operation_that_is_dropped_midway_is_whole;
    a_change_in_two_steps: ChangesInTwoSteps in an_operation_that_is_dropped_midway_is_whole;
    a_removal_in_two_steps: RemovesInTwoSteps in an_operation_that_is_dropped_midway_is_whole;
    access_that_ends_ahead_of_the_change: EndsBeforeLooking in an_operation_that_is_dropped_midway_is_whole;
    an_exchange_in_two_steps: StopsMidway in an_operation_that_is_dropped_midway_is_whole;
    a_store_that_needs_ascending_ids: LosesOlderRows in a_clock_that_goes_backwards_loses_nothing;
    a_refresh_token_that_is_not_kept: ForgetsRefreshTokens in an_exchange_adds_its_refresh_token;
    a_collision_that_leaves_a_token: LeavesTokensBehind in
        attack_15_a_taken_refresh_id_does_not_burn_the_code, a_taken_id_does_not_burn_the_refresh_token,
        attack_16_a_repetition_hears_the_same_and_adds_nothing, attack_16_parallel_rotations_give_one_successor;
    a_refresh_code_burnt_by_a_collision: BurnsOnCollision in
        attack_15_a_taken_refresh_id_does_not_burn_the_code, a_taken_id_does_not_burn_the_refresh_token;
    a_rotation_that_keeps_the_end_of_its_grant: ForgetsTheEndOfGrants in a_successor_takes_the_place_of_a_refresh_token;
    a_second_rotation_that_succeeds: RotatesTwice in
        attack_16_parallel_rotations_give_one_successor, attack_16_a_repetition_hears_the_same_and_adds_nothing,
        attack_17_reuse_after_the_window_revokes_that_grant_alone;
    a_check_before_the_rotation: ChecksBeforeActing in
        attack_16_parallel_rotations_give_one_successor, attack_22_revoking_beside_a_rotation_leaves_nothing_alive;
    a_repetition_with_another_answer: AnswersAnew in
        attack_16_parallel_rotations_give_one_successor, attack_16_a_repetition_hears_the_same_and_adds_nothing;
    a_window_that_is_closed: ClosesWindows in
        attack_16_parallel_rotations_give_one_successor, attack_16_a_repetition_hears_the_same_and_adds_nothing,
        a_successor_takes_the_place_of_a_refresh_token;
    a_window_that_stays_open: KeepsWindowsOpen in
        attack_17_reuse_after_the_window_revokes_that_grant_alone, attack_17_a_reuse_is_noticed_whatever_ids_it_brings,
        attack_16_the_window_ends_when_the_successor_is_used, a_refresh_token_that_is_over_or_unknown_is_gone;
    an_answer_that_is_kept: KeepsAnswers in attack_16_the_window_ends_when_the_successor_is_used;
    a_reuse_without_consequences: ForgivesReuse in
        attack_17_reuse_after_the_window_revokes_that_grant_alone, attack_17_a_reuse_is_noticed_whatever_ids_it_brings,
        attack_16_the_window_ends_when_the_successor_is_used, attack_17_a_rotated_token_is_remembered_until_its_end;
    a_reuse_that_logs_out_everywhere: RevokesAllOnReuse in
        attack_17_reuse_after_the_window_revokes_that_grant_alone, attack_16_the_window_ends_when_the_successor_is_used;
    a_reuse_hidden_by_a_collision: CollidesFirst in attack_17_a_reuse_is_noticed_whatever_ids_it_brings;
    a_used_token_that_is_forgotten: ForgetsUsedTokens in
        attack_17_a_rotated_token_is_remembered_until_its_end, attack_17_reuse_after_the_window_revokes_that_grant_alone;
    a_refresh_token_that_does_not_end: IgnoresTheEndOfRefreshTokens in a_refresh_token_that_is_over_or_unknown_is_gone;
    a_revocation_that_refresh_tokens_forget: ForgetsRevocations in
        a_refresh_token_that_is_over_or_unknown_is_gone, attack_45_a_grant_is_revoked_by_its_client_alone;
    a_replay_that_spares_what_was_refreshed: ForgivesReplays in attack_13_a_replay_ends_what_was_refreshed_since;
    a_token_for_a_grant_that_is_over: IgnoresTheEndOfGrants in a_token_is_issued_into_a_live_grant_alone;
    a_token_that_is_said_to_be_issued: IssuesWithoutLooking in a_token_is_issued_into_a_live_grant_alone;
    a_revocation_of_one_token_that_ends_all: RevokesGrantsByTokens in an_access_token_is_revoked_alone;
    a_client_whose_revocation_did_not_happen: IgnoresRevocations in
        an_access_token_is_revoked_alone, attack_45_a_grant_is_revoked_by_its_client_alone,
        attack_22_revoking_beside_a_rotation_leaves_nothing_alive;
    a_revocation_by_any_client: IgnoresClients in attack_45_a_grant_is_revoked_by_its_client_alone;
    a_client_that_is_taken_for_a_user: TakesClientsForUsers in attack_45_a_grant_is_revoked_by_its_client_alone;
    a_purge_that_takes_live_refresh_tokens: PurgesEarly in
        purging_removes_refresh_tokens_that_have_ended, attack_17_a_rotated_token_is_remembered_until_its_end;
    a_purge_that_leaves_refresh_tokens: NeverPurges in purging_removes_refresh_tokens_that_have_ended;
    consent_that_is_not_remembered: ForgetsConsent in
        consent_is_remembered_and_added_to_what_was_there, only_an_approval_that_counts_is_remembered;
    consent_that_replaces_what_was_there: ReplacesConsent in consent_is_remembered_and_added_to_what_was_there;
    a_denial_that_counts_as_consent: RemembersDenials in only_an_approval_that_counts_is_remembered;
    a_refused_approval_that_counts_as_consent: RemembersRefusals in
        only_an_approval_that_counts_is_remembered, attack_42_a_silent_approval_needs_consent_that_covers_it;
    an_approval_without_question_or_consent: NeedsNoConsent in
        attack_42_a_silent_approval_needs_consent_that_covers_it, a_revocation_forgets_what_was_agreed_to,
        attack_22_a_silent_approval_beside_a_revocation_needs_its_consent;
    consent_that_covers_other_scopes: TakesAnyScopes in attack_42_a_silent_approval_needs_consent_that_covers_it;
    consent_that_covers_another_redirect: TakesAnyRedirect in attack_42_a_silent_approval_needs_consent_that_covers_it;
    consent_that_covers_other_resources: TakesAnyResources in attack_42_a_silent_approval_needs_consent_that_covers_it;
    missing_consent_that_decides_the_prompt: RecordsRefusals in
        attack_42_a_silent_approval_needs_consent_that_covers_it;
    consent_that_a_revocation_keeps: KeepsConsent in
        a_revocation_forgets_what_was_agreed_to, attack_22_a_silent_approval_beside_a_revocation_needs_its_consent;
    a_revocation_that_forgets_all_of_a_user: ForgetsAllConsent in a_revocation_forgets_what_was_agreed_to;
    a_check_before_a_silent_approval: ChecksBeforeActing in
        attack_22_a_silent_approval_beside_a_revocation_needs_its_consent;
    a_revocation_that_any_user_makes: IgnoresSubjects in a_revocation_forgets_what_was_agreed_to;
    a_page_of_clients_without_bounds: IgnoresLimits in pages_show_every_client_once;
    a_page_of_clients_that_repeats_one: PagesInclusively in pages_show_every_client_once;
    clients_in_another_order: ListsOldestFirst in pages_show_every_client_once;
    a_walk_without_bounds: IgnoresLimits in pages_of_a_walk_show_every_row_once;
    a_walk_that_repeats_a_row: PagesInclusively in pages_of_a_walk_show_every_row_once;
    a_walk_in_another_order: ListsOldestFirst in pages_of_a_walk_show_every_row_once;
    a_walk_without_what_was_revoked: HidesRevoked in
        pages_of_a_walk_show_every_row_once, a_walk_shows_what_took_the_place_of_what;
    a_walk_without_what_has_ended: HidesWhatHasEnded in pages_of_a_walk_show_every_row_once;
    a_walk_with_ends_that_have_moved: ShowsFirstEnds in
        a_walk_shows_rows_as_they_are, a_walk_shows_what_took_the_place_of_what;
    a_walk_without_predecessors: ForgetsPredecessors in a_walk_shows_what_took_the_place_of_what;
    a_walk_with_answers_that_are_over: KeepsAnswers in a_walk_shows_what_took_the_place_of_what;
    a_walk_without_revocations: ForgetsRevocations in a_walk_shows_what_took_the_place_of_what;
    a_walk_with_tokens_that_were_revoked: IgnoresRevocations in a_walk_shows_rows_as_they_are;
    a_change_that_keeps_the_revision: KeepsRevisions in
        a_change_replaces_a_client_and_raises_its_revision,
        attack_41_a_decision_about_a_client_before_its_change_does_not_count,
        of_parallel_changes_of_one_state_one_counts;
    a_change_that_brings_its_revision: TakesRevisions in
        a_change_replaces_a_client_and_raises_its_revision, of_parallel_changes_of_one_state_one_counts;
    a_change_that_adds_a_client: AddsOnUpdate in a_change_replaces_a_client_and_raises_its_revision;
    a_change_that_is_not_kept_whole: ForgetsClientNames in a_change_replaces_a_client_and_raises_its_revision;
    changes_that_get_lost_beside_others: LosesUpdates in of_parallel_changes_of_one_state_one_counts;
    a_decision_before_a_change: IgnoresRevisions in
        attack_41_a_decision_about_a_client_before_its_change_does_not_count;
    texts_that_are_cut: CutsTexts in
        hostile_texts_are_kept_byte_for_byte, long_texts_are_kept_byte_for_byte, users_that_look_alike_are_apart;
    a_clock_for_everybody: HasOneClock in two_clocks_that_differ_lose_nothing;
    an_end_that_moves_back: MovesEndsBack in two_clocks_that_differ_lose_nothing;
    exchanges_by_two_clocks_that_all_succeed: RedeemsTwice in
        two_clocks_that_differ_lose_nothing, attack_12_parallel_uses_by_two_clocks_give_one_token;
    rotations_by_two_clocks_that_all_succeed: RotatesTwice in
        two_clocks_that_differ_lose_nothing, attack_12_parallel_uses_by_two_clocks_give_one_token;
}

finds! {
    registrations_that_are_all_clients: FoldsNothing in
        attack_35_identical_registrations_are_one_client, an_identical_registration_renews_the_client,
        attack_35_a_blocked_client_does_not_come_back_by_registering;
    a_check_before_a_registration: ChecksBeforeActing in attack_35_identical_registrations_are_one_client;
    a_blocked_client_that_comes_back: FreesTheBlocked in attack_35_a_blocked_client_does_not_come_back_by_registering;
    an_identical_registration_that_does_not_count: LosesUpdates in an_identical_registration_renews_the_client;
    a_refused_registration_that_is_remembered: RemembersRefusals in an_identical_registration_renews_the_client;
    registrations_without_bounds: IgnoresBudgets in
        attack_35_at_the_budget_what_would_end_first_gives_way;
    the_longest_that_gives_way: EvictsTheLatest in attack_35_at_the_budget_what_would_end_first_gives_way;
    a_client_with_a_grant_that_gives_way: EvictsTheGranted in attack_35_at_the_budget_what_would_end_first_gives_way;
    a_new_client_that_gives_way: EvictsTheNew in attack_35_at_the_budget_what_would_end_first_gives_way;
    a_check_before_a_client_gives_way: ChecksBeforeActing in
        attack_35_giving_way_beside_an_approval_removes_no_client_with_a_grant;
    a_first_grant_that_is_forgotten: ForgetsFirstGrants in the_first_approval_lets_a_client_stay;
    a_denial_that_counts_as_a_grant: RemembersDenials in the_first_approval_lets_a_client_stay;
    an_end_that_every_grant_moves: MovesEndsWithEachGrant in the_first_approval_lets_a_client_stay;
    a_use_that_is_a_change: ChangesOnRenewal in
        a_use_moves_the_end_of_a_client_to_later_alone, the_first_approval_lets_a_client_stay;
    a_use_of_what_has_no_end: RenewsAnything in a_use_moves_the_end_of_a_client_to_later_alone;
    a_use_that_moves_an_end_back: MovesEndsBack in a_use_moves_the_end_of_a_client_to_later_alone;
    a_change_that_brings_an_end: TakesTenures in a_change_keeps_how_long_a_client_stays;
    a_purge_that_leaves_clients: NeverPurges in purging_removes_clients_that_have_ended;
    a_purge_that_takes_clients_too_early: PurgesEarly in purging_removes_clients_that_have_ended;
    a_purge_that_leaves_consent_to_clients: KeepsConsent in purging_removes_clients_that_have_ended;
    a_check_before_a_use: ChecksBeforeActing in a_use_beside_a_purge_keeps_the_client;
    a_clients_own_grant_that_is_a_users: TakesClientsForUsers in attack_57_a_clients_own_grant_is_no_users;
    a_clients_own_grant_with_another_end: ShowsFirstEnds in attack_57_a_clients_own_grant_is_no_users;
    a_clients_own_grant_that_cannot_be_revoked: IgnoresRevocations in attack_57_a_clients_own_grant_is_no_users;
    a_grant_for_a_client_that_changed: IgnoresRevisions in attack_41_a_client_that_changed_gets_no_grant_of_its_own;
    a_clients_own_grant_that_a_collision_leaves: LeavesTokensBehind in a_taken_id_leaves_nothing_of_a_clients_own_grant;
    access_that_does_not_end: IgnoresRevocations in
        attack_22_what_ends_access_ends_all_of_that_client, all_grants_of_a_user_end_at_once,
        attack_22_what_is_on_its_way_for_a_client_that_loses_access_is_dead, all_grants_of_a_client_end_at_once,
        attack_22_revoking_everything_beside_its_use_leaves_nothing_alive;
    access_that_ends_with_any_change: EndsOnEveryChange in attack_22_what_ends_access_ends_all_of_that_client;
    access_that_ends_with_a_refused_change: EndsBeforeLooking in attack_22_what_ends_access_ends_all_of_that_client;
    access_that_ends_before_the_change: ChecksBeforeActing in
        attack_22_what_is_on_its_way_for_a_client_that_loses_access_is_dead;
    access_that_ends_beyond_its_owner: RevokesAllOfUsers in
        attack_22_what_ends_access_ends_all_of_that_client, all_grants_of_a_user_end_at_once,
        all_grants_of_a_client_end_at_once;
    consent_that_outlives_access: KeepsConsent in
        attack_22_what_ends_access_ends_all_of_that_client, all_grants_of_a_user_end_at_once,
        attack_22_what_is_on_its_way_for_a_client_that_loses_access_is_dead, all_grants_of_a_client_end_at_once,
        attack_22_revoking_everything_beside_its_use_leaves_nothing_alive;
    grants_of_users_that_look_alike: FoldsSubjects in all_grants_of_a_user_end_at_once;
    grants_of_a_client_that_is_called_like_a_user: TakesClientsForUsers in all_grants_of_a_user_end_at_once;
    grants_that_are_miscounted: StopsMidway in all_grants_of_a_user_end_at_once, all_grants_of_a_client_end_at_once;
    a_second_claim_that_is_the_first: ClaimsTwice in
        attack_25_of_parallel_claims_one_is_the_first, a_claim_is_remembered_as_long_as_asked;
    a_check_before_a_claim: ChecksBeforeActing in attack_25_of_parallel_claims_one_is_the_first;
    a_claim_that_is_forgotten_early: PurgesEarly in a_claim_is_remembered_as_long_as_asked;
    a_claim_that_is_never_forgotten: NeverPurges in a_claim_is_remembered_as_long_as_asked;
    policies_that_are_cleaned: CleansTexts in the_policy_is_read_back_as_it_was_saved;
    policies_without_their_resources: ForgetsResources in the_policy_is_read_back_as_it_was_saved;
    policies_in_another_order: ListsOldestFirst in the_policy_is_read_back_as_it_was_saved;
    policies_that_keep_their_revision: KeepsRevisions in
        the_policy_is_read_back_as_it_was_saved, of_parallel_changes_of_the_policy_one_counts;
    policies_that_get_lost_beside_others: LosesUpdates in
        the_policy_is_read_back_as_it_was_saved, of_parallel_changes_of_the_policy_one_counts;
}

finds_among_many! {
    large_pages_that_lose_a_row: CutsFullPages in
        pages_show_each_of_many_grants_once, pages_show_each_of_many_clients_once;
    large_pages_that_overlap: PagesInclusively in
        pages_show_each_of_many_grants_once, pages_show_each_of_many_clients_once;
    large_pages_in_another_order: ListsOldestFirst in
        pages_show_each_of_many_grants_once, pages_show_each_of_many_clients_once;
    a_large_purge_that_does_nothing: NeverPurges in purging_many_rows_beside_exchanges_leaves_what_is_alive;
    a_large_purge_without_end: PurgesForever in purging_many_rows_beside_exchanges_leaves_what_is_alive;
    a_large_purge_that_comes_too_early: PurgesEarly in purging_many_rows_beside_exchanges_leaves_what_is_alive;
    a_large_purge_that_takes_what_is_new: PurgesWhatIsNew in purging_many_rows_beside_exchanges_leaves_what_is_alive;
}

finds_over_two! {
    handles_on_two_databases: (Broken::new(Flaw::None), Broken::new(Flaw::None)), in
        what_one_handle_wrote_the_other_sees, attack_12_exchanges_over_two_handles_give_one_token,
        attack_16_rotations_over_two_handles_give_one_successor, attack_41_decisions_over_two_handles_count_once,
        attack_22_a_revocation_over_another_handle_leaves_nothing_alive,
        attack_35_identical_registrations_over_two_handles_are_one_client,
        attack_25_claims_over_two_handles_count_once, of_changes_of_one_state_over_two_handles_one_counts,
        attack_22_a_client_that_loses_access_over_another_handle_keeps_nothing;
    registrations_over_two_handles_that_are_all_clients: Broken::two(Flaw::FoldsNothing), in
        attack_35_identical_registrations_over_two_handles_are_one_client;
    claims_over_two_handles_that_are_all_the_first: Broken::two(Flaw::ClaimsTwice), in
        attack_25_claims_over_two_handles_count_once;
    changes_over_two_handles_that_all_count: Broken::two(Flaw::LosesUpdates), in
        of_changes_of_one_state_over_two_handles_one_counts;
    access_that_ends_before_the_change_over_two_handles: Broken::two(Flaw::ChecksBeforeActing), in
        attack_22_a_client_that_loses_access_over_another_handle_keeps_nothing;
    a_handle_that_keeps_what_it_read: Broken::two(Flaw::KeepsWhatItRead), in what_one_handle_wrote_the_other_sees;
    exchanges_over_two_handles_that_all_succeed: Broken::two(Flaw::RedeemsTwice), in
        attack_12_exchanges_over_two_handles_give_one_token;
    a_check_before_an_exchange_over_two_handles: Broken::two(Flaw::ChecksBeforeActing), in
        attack_12_exchanges_over_two_handles_give_one_token, attack_16_rotations_over_two_handles_give_one_successor;
    rotations_over_two_handles_that_all_succeed: Broken::two(Flaw::RotatesTwice), in
        attack_16_rotations_over_two_handles_give_one_successor;
    decisions_over_two_handles_that_all_count: Broken::two(Flaw::IgnoresMarks), in
        attack_41_decisions_over_two_handles_count_once;
    a_revocation_that_the_other_handle_ignores: Broken::two(Flaw::IgnoresRevocations), in
        what_one_handle_wrote_the_other_sees, attack_22_a_revocation_over_another_handle_leaves_nothing_alive,
        attack_22_a_client_that_loses_access_over_another_handle_keeps_nothing;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_behind_is_checked() {
    // Nothing but the check looks at what this store shows wrongly.
    let store = Broken::new(Flaw::ShowsFirstEnds);
    let store = std::sync::Arc::new(store);
    testkit::a_code_is_worth_one_token(store.clone()).await;
    let task = tokio::spawn(async move { testkit::nothing_is_wrong(&*store).await });
    assert!(task.await.is_err_and(|error| error.is_panic()), "a token that outlives its grant");
}
