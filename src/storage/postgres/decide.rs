//! Decisions about prompts.

use std::collections::VecDeque;

use sqlx::Postgres;
use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;

use super::batch::{Answer, Call, Queues, Shared, by_number, numbers};
use super::failure::failed;
use super::redeem::column;
use super::text::Statements;
use crate::protocol::commit::Approval;
use crate::protocol::grant::Subject;
use crate::storage::sql::{bits, consent_key, digest, millis, resources_text};
use crate::storage::{Decide, Decided};

/// The clients stay as they are until all is done, and so does what is remembered. The mark of a prompt
/// decides: what is added is joined to the marks that were set here. A mark that another set while this
/// waited stops ours but cannot be seen: then the operation is asked again.
///
/// The first grant of a client that registered itself changes the client, which has to be locked for that from
/// the beginning. An operation that is alone does so; among others it is asked again, alone.
const SQL: &str = "
WITH op AS (
    SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::text[], $5::bigint[],
        $6::bigint[], $7::bigint[], $8::bytea[], $9::bytea[], $10::text[], $11::text[], $12::text[],
        $13::bigint[], $14::bigint[], $15::bytea[], $16::bytea[], $17::bytea[],
        $18::bytea[], $19::bytea[], $20::bytea[], $21::text[], $22::bytea[], $23::text[], $24::text[], $25::boolean[],
        $26::bigint[])
        AS o (n, prompt, keep_until, client, revision,
            grant_id, created_at, subject_key, subject, grant_client, scopes, resources,
            code, code_end, code_hash, challenge, redirect_uri,
            consent_key, consent_subject_key, consent_subject, consent_client,
            consent_redirect_uri, consent_resources, consent_scopes, needs_consent, client_until)
    WHERE n BETWEEN 0 AND 9223372036854775807
), {first_locked}shown AS (
    SELECT o.*, {is_for_one} AS is_for_one
    FROM op o JOIN {}.client c ON c.id = o.client
    WHERE c.revision = o.revision{locked_first}
    ORDER BY c.id
    FOR SHARE OF c
), remembered AS (
    SELECT s.n, r.scopes AS given
    FROM shown s JOIN {}.consent r ON r.key = s.consent_key
    ORDER BY r.key
    FOR UPDATE OF r
), judged AS (
    SELECT s.*, d.approved AS earlier,
        coalesce(string_to_array(s.consent_scopes, ' ') <@ string_to_array(r.given, ' '), false) AS covered
    FROM shown s
    LEFT JOIN remembered r ON r.n = s.n
    LEFT JOIN {}.decision d ON d.prompt = s.prompt
), marked AS (
    INSERT INTO {}.decision (prompt, keep_until, approved)
    SELECT prompt, keep_until, grant_id IS NOT NULL
    FROM judged WHERE earlier IS NULL AND (covered OR NOT needs_consent) AND NOT is_for_one
    ON CONFLICT (prompt) DO NOTHING
    RETURNING prompt
), approved AS (
    SELECT j.* FROM judged j JOIN marked m ON m.prompt = j.prompt WHERE j.grant_id IS NOT NULL
), grant_added AS (
    INSERT INTO {}.grants
        (id, expires_at, created_at, revoked, subject_key, subject, client, scopes, resources)
    SELECT grant_id, code_end, created_at, false, subject_key, subject, grant_client, scopes, resources
    FROM approved
), code_added AS (
    INSERT INTO {}.code (id, grant_id, expires_at, uses, hash, challenge, redirect_uri)
    SELECT code, grant_id, code_end, 0, code_hash, challenge, redirect_uri
    FROM approved
), consent_added AS (
    INSERT INTO {}.consent AS c (key, subject_key, subject, client, redirect_uri, resources, scopes)
    SELECT consent_key, consent_subject_key, consent_subject, consent_client,
        consent_redirect_uri, consent_resources, consent_scopes
    FROM approved WHERE NOT covered
    ORDER BY consent_key
    ON CONFLICT (key) DO UPDATE SET scopes = (
        SELECT coalesce(string_agg(scope, ' ' ORDER BY scope COLLATE \"C\"), '')
        FROM (
            SELECT unnest(string_to_array(c.scopes, ' '))
            UNION
            SELECT unnest(string_to_array(excluded.scopes, ' '))
        ) AS old_and_new (scope)
    )
){first_marked}
SELECT o.n, j.n IS NOT NULL, j.earlier, m.prompt IS NOT NULL, j.needs_consent AND NOT j.covered{tell_first}
FROM op o
LEFT JOIN judged j ON j.n = o.n
LEFT JOIN marked m ON m.prompt = o.prompt{first_of_one}";

const IS_FIRST: &str = "o.grant_id IS NOT NULL AND c.keep_until IS NOT NULL AND NOT c.granted";

/// The statement for any number of operations.
pub(super) fn many() -> String {
    let nothing = ["{first_locked}", "{locked_first}", "{first_marked}", "{tell_first}", "{first_of_one}"];
    let text = nothing.iter().fold(SQL.to_owned(), |text, part| text.replace(part, ""));
    text.replace("{is_for_one}", IS_FIRST)
}

/// The statement for one.
pub(super) fn one() -> String {
    let first_locked = format!(
        "first AS (
    SELECT c.id FROM op o JOIN {{}}.client c ON c.id = o.client WHERE {IS_FIRST} FOR UPDATE OF c
), "
    );
    let first_marked = ", first_marked AS (
    UPDATE {}.client c SET granted = true, keep_until = greatest(c.keep_until, a.client_until)
    FROM first f, approved a
    WHERE c.id = f.id AND a.client = f.id
    RETURNING c.id
)";
    SQL.replace("{first_locked}", &first_locked)
        .replace("{is_for_one}", "false")
        .replace("{locked_first}", " AND (SELECT count(*) FROM first) >= 0")
        .replace("{first_marked}", first_marked)
        .replace("{tell_first}", ", {tell}")
        .replace("{first_of_one}", "\nLEFT JOIN first_marked f ON true")
}

impl Shared for Decide {
    type Outcome = Decided;
    const KIND: usize = 0;
    const MOST: usize = 32;
    const COLLISION: Decided = Decided::Collision;

    fn queue(queues: &mut Queues) -> &mut VecDeque<Call<Self>> {
        &mut queues.decide
    }

    /// The prompt, and what is remembered: a statement can change that once.
    fn touches(&self) -> [u64; 2] {
        let [.., a, b, c, d, e, f, g, h] = *self.prompt.as_bytes();
        let prompt = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let Some(approval) = &self.approval else { return [prompt; 2] };
        let [a, b, c, d, e, f, g, h, ..] = consent_key(&approval.consent);
        [prompt, u64::from_be_bytes([a, b, c, d, e, f, g, h])]
    }

    fn query<'q>(statements: &Statements, ops: &[&'q Self]) -> Query<'q, Postgres, PgArguments> {
        let text = if ops.len() == 1 { &statements.decide_one } else { &statements.decide };
        let marks = sqlx::query(text.clone())
            .bind(numbers(ops))
            .bind(column(ops, |op| &op.prompt.as_bytes()[..]))
            .bind(column(ops, |op| millis(op.keep_until)))
            .bind(column(ops, |op| op.client.as_str()))
            .bind(column(ops, |op| i64::from(op.client_revision)));
        let grants = marks
            .bind(added(ops, |approval| bits(approval.grant.id)))
            .bind(added(ops, |approval| millis(approval.grant.created_at)))
            .bind(of_user(ops, |subject| subject_key(subject).to_vec()))
            .bind(of_user(ops, |subject| subject.as_str().as_bytes()))
            .bind(added(ops, |approval| approval.grant.client.as_str()))
            .bind(added(ops, |approval| approval.grant.scopes.as_str()))
            .bind(added(ops, |approval| resources_text(&approval.grant.resources)));
        let codes = grants
            .bind(added(ops, |approval| bits(approval.code.id)))
            .bind(added(ops, |approval| millis(approval.code.expires_at)))
            .bind(added(ops, |approval| &approval.code.hash.as_bytes()[..]))
            .bind(added(ops, |approval| &approval.code.challenge.as_bytes()[..]))
            .bind(added(ops, |approval| approval.code.redirect_uri.as_bytes()));
        codes
            .bind(added(ops, |approval| consent_key(&approval.consent).to_vec()))
            .bind(added(ops, |approval| subject_key(&approval.consent.subject).to_vec()))
            .bind(added(ops, |approval| approval.consent.subject.as_str().as_bytes()))
            .bind(added(ops, |approval| approval.consent.client.as_str()))
            .bind(added(ops, |approval| approval.consent.redirect_uri.as_str().as_bytes()))
            .bind(added(ops, |approval| resources_text(&approval.consent.resources)))
            .bind(added(ops, |approval| approval.consent.scopes.as_str()))
            .bind(column(ops, |op| op.approval.as_ref().is_some_and(|approval| approval.needs_consent)))
            .bind(added(ops, |approval| millis(approval.client_until)))
    }

    fn answers(ops: &[&Self], rows: &[PgRow]) -> Vec<Answer<Decided>> {
        by_number(ops.len(), rows, || Decided::ClientChanged, |row| outcome(row).map_err(failed))
    }
}

fn outcome(row: &PgRow) -> Result<Option<Decided>, sqlx::Error> {
    let is_shown: bool = row.try_get(1)?;
    if !is_shown {
        return Ok(Some(Decided::ClientChanged));
    }
    if let Some(approved) = row.try_get(2)? {
        return Ok(Some(Decided::AlreadyDecided { approved }));
    }
    let (is_marked, lacks_consent): (bool, bool) = (row.try_get(3)?, row.try_get(4)?);
    Ok(match (is_marked, lacks_consent) {
        (true, _) => Some(Decided::First),
        (false, true) => Some(Decided::ConsentGone),
        (false, false) => None,
    })
}

/// One value of each approval, none of a denial.
fn added<'q, T>(ops: &[&'q Decide], value: impl Fn(&'q Approval) -> T) -> Vec<Option<T>> {
    column(ops, |op| op.approval.as_ref().map(&value))
}

fn of_user<'q, T>(ops: &[&'q Decide], value: impl Fn(&'q Subject) -> T) -> Vec<Option<T>> {
    column(ops, |op| op.approval.as_ref().and_then(|approval| approval.grant.holder.subject()).map(&value))
}

/// What a user's grants and consents are found by: the id itself may be longer than a key of an index can be.
pub(super) fn subject_key(subject: &Subject) -> [u8; 16] {
    let [key @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = digest(&[subject.as_str()]);
    key
}
