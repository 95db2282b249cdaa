//! Members that the host adds to answers of its own, beside those of the RFCs.

use serde::Serialize;
use serde_json::{Map, Value};

/// Members of an answer that no RFC defines. They can neither replace nor repeat one that has a meaning already:
/// such are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ExtraFields(Map<String, Value>);

/// What the RFCs define for token answers and for introspection (RFC 6749 §5.1 and §5.2, RFC 7662 §2.2, RFC 7800,
/// RFC 8693 §2.2.1 and §4, RFC 8705, RFC 9068 §2.2, RFC 9396, RFC 9470, OpenID Connect Core §2 and §3.1.3.3), in both: what
/// is harmless in one answer today may be read by a client of both. `holder` is ours.
const RESERVED: [&str; 41] = [
    "access_token",
    "acr",
    "act",
    "active",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "authorization_details",
    "azp",
    "c_hash",
    "client_id",
    "cnf",
    "error",
    "error_description",
    "error_uri",
    "exp",
    "expires_in",
    "grant_id",
    "holder",
    "iat",
    "id_token",
    "interval",
    "iss",
    "issued_token_type",
    "jti",
    "may_act",
    "nbf",
    "nonce",
    "refresh_token",
    "refresh_token_expires_in",
    "resource",
    "scope",
    "session_state",
    "sid",
    "state",
    "sub",
    "sub_id",
    "token_introspection",
    "token_type",
    "username",
];

impl ExtraFields {
    /// Takes the members that are free to take, and names those that are not.
    #[must_use]
    pub fn checked(mut fields: Map<String, Value>) -> (Self, Vec<String>) {
        let taken: Vec<_> = fields.keys().filter(|name| !is_free(name)).cloned().collect();
        for name in &taken {
            fields.remove(name);
        }
        (Self(fields), taken)
    }

    /// The members as they stand behind others in an object: each with a comma before it.
    #[must_use]
    pub fn members(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        // A map of texts and JSON values always becomes an object in braces.
        let object = serde_json::to_string(&self.0).unwrap_or_default();
        let members = object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        members.map(|members| format!(",{members}")).unwrap_or_default()
    }
}

/// Some readers of JSON, such as Go's, do not tell upper from lower case, not even beyond ASCII.
fn is_free(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_graphic())
        && !RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_rfc_defines_is_left_out_however_it_is_written() {
        let odd = ["SCOPE", "Access_Token", "acce\u{17f}s_token", "to\u{212a}en_type", "", "a b"];
        let fields = RESERVED.iter().chain(&odd).chain(&["tenant"]).map(|name| ((*name).to_owned(), Value::from("x")));
        let (kept, taken) = ExtraFields::checked(fields.collect());
        assert_eq!(kept.members(), r#","tenant":"x""#);
        assert_eq!(taken.len(), RESERVED.len() + odd.len());
    }

    #[test]
    fn nothing_extra_adds_nothing() {
        assert_eq!(ExtraFields::default().members(), "");
        assert_eq!(serde_json::to_string(&ExtraFields::default()).unwrap(), "{}");
    }
}
