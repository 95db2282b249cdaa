//! The statements, with the schema and the channel of this store in them.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::{client, decide, issue, read, redeem, revoke, rotate, sweep};

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
    pub(super) insert_client: SqlStr,
    pub(super) update_client: SqlStr,
    pub(super) revoke_access: SqlStr,
    pub(super) revoke_by_user: SqlStr,
    pub(super) revoke_by_client: SqlStr,
    pub(super) decide: SqlStr,
    pub(super) redeem: SqlStr,
    pub(super) rotate: SqlStr,
    pub(super) issue: SqlStr,
}

impl Statements {
    pub(super) fn new(texts: &Texts) -> Self {
        let revoke = |owner| texts.telling(&revoke::GRANT.replace("{owner}", owner), "NOT revoked", "'g' || id");
        Self {
            reads: read::Statements::new(texts),
            sweeps: sweep::Statements::new(texts),
            insert_client: texts.telling(client::INSERT, "true", "'c' || id"),
            update_client: texts.telling(client::UPDATE, "true", "'c' || id"),
            revoke_access: texts.telling(revoke::ACCESS, "true", "'a' || id"),
            revoke_by_user: revoke("g.subject = $2"),
            revoke_by_client: revoke("g.client = $2"),
            decide: texts.text(decide::SQL),
            redeem: texts.telling(redeem::SQL, "uses > 1", "'g' || grant_id"),
            rotate: texts.telling(&rotate::SQL.replace("{reused}", rotate::REUSED), rotate::REUSED, "'g' || grant_id"),
            issue: texts.text(issue::SQL),
        }
    }
}
