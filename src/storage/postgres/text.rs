//! The statements, with the schema and the channel of this store in them.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::{claim, client, decide, grant, issue, policy, read, redeem, revoke, rotate, sweep};
use crate::storage::sql::digest;

/// Makes statements out of templates: `{}.` stands for the schema.
pub(super) struct Texts {
    schema: String,
    channel: Option<String>,
}

impl Texts {
    /// Both names have only characters that need no escape in quotes.
    pub(super) fn new(schema: &str, channel: Option<&str>) -> Self {
        Self { schema: format!("\"{schema}\"."), channel: channel.map(str::to_owned) }
    }

    pub(super) fn text(&self, template: &str) -> SqlStr {
        let text: Arc<str> = template.replace("{}.", &self.schema).into();
        AssertSqlSafe(text).into_sql_str()
    }

    /// The same with a column in place of `{tell}` that tells of a change if `condition` holds.
    pub(super) fn telling(&self, template: &str, condition: &str, payload: &str) -> SqlStr {
        let tell = match &self.channel {
            Some(channel) => format!("CASE WHEN {condition} THEN pg_notify('{channel}', {payload})::text END"),
            None => "NULL::text".to_owned(),
        };
        self.text(&template.replace("{tell}", &tell))
    }
}

/// All statements of a store.
pub(super) struct Statements {
    pub(super) reads: read::Statements,
    pub(super) sweeps: sweep::Statements,
    pub(super) fold_client: SqlStr,
    pub(super) insert_client: SqlStr,
    pub(super) one_after_the_other: SqlStr,
    /// By what registrations know each other that come one after the other.
    pub(super) registrations: i64,
    pub(super) evict: SqlStr,
    pub(super) update_client: SqlStr,
    pub(super) remove_client: SqlStr,
    pub(super) renew_client: SqlStr,
    pub(super) have_ended: SqlStr,
    pub(super) remove_ended: SqlStr,
    pub(super) policy: SqlStr,
    pub(super) save_policy: SqlStr,
    pub(super) revoke_access: SqlStr,
    pub(super) revoke_by_user: SqlStr,
    pub(super) revoke_by_client: SqlStr,
    pub(super) revoke_grants: revoke::ByOwner,
    pub(super) forget_consents: revoke::ByOwner,
    pub(super) decide: SqlStr,
    pub(super) decide_one: SqlStr,
    pub(super) redeem: SqlStr,
    pub(super) rotate: SqlStr,
    pub(super) issue: SqlStr,
    pub(super) grant: SqlStr,
    pub(super) claim: SqlStr,
}

impl Statements {
    pub(super) fn new(texts: &Texts) -> Self {
        let revoke = |owner| texts.telling(&revoke::GRANT.replace("{owner}", owner), "NOT revoked", "'g' || id");
        let revoke_all =
            |owner: &str| texts.telling(&revoke::GRANTS.replace("{owner}", owner), revoke::TOLD, revoke::TELL);
        let of_client = |template, condition| texts.telling(template, condition, "'c' || id");
        let [a, b, c, d, e, f, g, h, ..] = digest(&["grantor registrations", &texts.schema]);
        Self {
            reads: read::Statements::new(texts),
            sweeps: sweep::Statements::new(texts),
            fold_client: texts.telling(client::FOLD, "r.id IS NOT NULL", "'c' || r.id"),
            insert_client: texts.telling(client::INSERT, "a.id IS NOT NULL", "'c' || a.id"),
            one_after_the_other: texts.text(client::ONE_AFTER_THE_OTHER),
            registrations: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
            evict: of_client(client::EVICT, "true"),
            update_client: texts.telling(client::UPDATE, "c.id IS NOT NULL", "'c' || c.id"),
            remove_client: of_client(client::REMOVE, "true"),
            renew_client: texts.telling(client::RENEW, "r.id IS NOT NULL", "'c' || r.id"),
            have_ended: texts.text(client::HAVE_ENDED),
            remove_ended: of_client(client::REMOVE_ENDED, "true"),
            policy: texts.text(policy::READ),
            save_policy: texts.text(policy::SAVE),
            revoke_access: texts.telling(revoke::ACCESS, "true", "'a' || id"),
            revoke_by_user: revoke("g.subject = $2"),
            revoke_by_client: revoke("g.client = $2"),
            revoke_grants: revoke::ByOwner::new(3, revoke_all),
            forget_consents: revoke::ByOwner::new(2, |owner| texts.text(&revoke::CONSENTS.replace("{owner}", owner))),
            decide: texts.text(&decide::many()),
            decide_one: texts.telling(&decide::one(), "f.id IS NOT NULL", "'c' || f.id"),
            redeem: texts.telling(redeem::SQL, "uses > 1", "'g' || grant_id"),
            rotate: texts.telling(&rotate::SQL.replace("{reused}", rotate::REUSED), rotate::REUSED, "'g' || grant_id"),
            issue: texts.text(issue::SQL),
            grant: texts.text(grant::SQL),
            claim: texts.text(claim::SQL),
        }
    }
}
