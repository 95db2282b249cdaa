//! What the endpoint says to whoever comes without a token, or with one that is none.

use http::header::WWW_AUTHENTICATE;

use super::status_of;
use crate::doctor::clients::{ALL, KnownClient};
use crate::doctor::finding::{Findings, Rule};
use crate::doctor::observed::{Exchange, Resource};
use crate::doctor::seen::{inert, quoted};

const GUARD: &str = "Put the guard in front of the route, as its outermost layer: \
    `.layer(oauth.resource(\"https://app.example/mcp\")?.require(\"\")?)`.";

static OPEN: Rule = Rule::fails("open_without_token", ALL, "the endpoint lets in whoever comes without a token")
    .change(GUARD, "RFC 6750 §3");
static GET_NOT_CHALLENGED: Rule = Rule::fails(
    "get_not_challenged",
    &[KnownClient::Codex],
    "a plain GET without a token is not answered with 401, and that is how it looks whether it has to sign in",
)
.change(
    "Let the guard answer before the route looks at the method, the `Accept` header or the protocol version. With axum, \
     guard `any_service(..)` or `any(..)` and not `post(..)`: `any_service(mcp).layer(guard)`.",
    "RFC 9728 §5.1",
);
static POST_NOT_CHALLENGED: Rule = Rule::fails(
    "post_not_challenged",
    ALL,
    "the first message of a client, without a token, is not answered with 401, so that none asks its user to sign in",
)
.change(GUARD, "RFC 9728 §5.1");
static NO_CHALLENGE: Rule =
    Rule::degrades("no_challenge", ALL, "the 401 has no `Bearer` challenge, and where to sign in has to be guessed")
        .change(
            "Answer with the guard's own refusal, which has it, and see that no proxy takes `WWW-Authenticate` away.",
            "RFC 9728 §5.1, RFC 9110 §11.6.1",
        );
static SEVERAL_CHALLENGES: Rule =
    Rule::degrades("several_challenges", ALL, "the 401 has several challenges, and many read only the first or none")
        .change("Send one `Bearer` challenge; take away what a framework or a proxy adds.", "RFC 9110 §11.6.1");
static UNQUOTED: Rule =
    Rule::degrades("challenge_unquoted", ALL, "values in the challenge are not quoted, and are cut off or not read")
        .change("Put each value of the challenge in quotes.", "RFC 6750 §3, RFC 9110 §11.2");
static NOT_ASCII: Rule = Rule::degrades(
    "challenge_not_ascii",
    ALL,
    "the challenge has bytes that are not ASCII, and some refuse the whole answer for it",
)
.change("Use ASCII alone in `WWW-Authenticate`; put what people should read into the body.", "RFC 9110 §5.5");
static NO_RESOURCE_METADATA: Rule = Rule::degrades(
    "challenge_without_resource_metadata",
    ALL,
    "the challenge does not say where the resource's metadata is, which then has to be guessed",
)
.change("Have `resource_metadata=\"..\"` in the challenge; the guard's refusal does.", "RFC 9728 §5.1");
static NO_SCOPE: Rule = Rule::advises(
    "challenge_without_scope",
    ALL,
    "the challenge does not say which scopes are needed; clients ask for all that are advertised, or for none",
)
.change("Name them: `.require(\"projects:read\")`, or `Builder::default_scopes`.", "RFC 6750 §3");
static ERROR_WITHOUT_CREDENTIALS: Rule = Rule::advises(
    "error_without_credentials",
    ALL,
    "the challenge has an `error` although no token came; some take that for a token of theirs that was refused",
)
.change("Leave `error` out where no credentials came; the guard's refusal does.", "RFC 6750 §3.1");
static WRONG_TOKEN_LET_IN: Rule =
    Rule::fails("wrong_token_let_in", ALL, "the endpoint lets in whoever brings any token at all")
        .change(GUARD, "RFC 6750 §3.1");
static WRONG_TOKEN_NOT_401: Rule = Rule::degrades(
    "wrong_token_not_401",
    ALL,
    "a token that is not good is not answered with 401 and `invalid_token`, which tells a client to refresh it",
)
.change("Answer with the guard's refusal, in whatever form the handler fails.", "RFC 6750 §3.1");

pub(super) fn judge(resource: &Resource, findings: &mut Findings) {
    unchallenged(&resource.plain, &GET_NOT_CHALLENGED, findings);
    unchallenged(&resource.initialize, &POST_NOT_CHALLENGED, findings);
    wrong_token(&resource.wrong_token, findings);
}

fn unchallenged(exchange: &Exchange, otherwise: &'static Rule, findings: &mut Findings) {
    let Some(status) = status_of(exchange, ALL, findings) else { return };
    match status.as_u16() {
        401 => unauthorized(exchange, findings),
        200..300 => findings.add(&OPEN, exchange.seen()),
        _ => findings.add(otherwise, exchange.seen()),
    }
}

fn unauthorized(exchange: &Exchange, findings: &mut Findings) {
    let header = exchange.header(&WWW_AUTHENTICATE).unwrap_or_default();
    let challenges = parse(&header);
    let seen = if header.is_empty() {
        exchange.seen_with("no WWW-Authenticate")
    } else {
        exchange.seen_with(&format!("WWW-Authenticate: {}", quoted(&header)))
    };
    let Some(bearer) = challenges.iter().find(|challenge| challenge.is_bearer()) else {
        findings.add(&NO_CHALLENGE, seen);
        return;
    };
    let wrong = [
        (&SEVERAL_CHALLENGES, challenges.len() > 1),
        (&UNQUOTED, bearer.parameters.iter().any(|parameter| !parameter.is_quoted)),
        (&NOT_ASCII, !header.bytes().all(|byte| matches!(byte, b' '..=b'~'))),
        (&NO_RESOURCE_METADATA, bearer.get("resource_metadata").is_none()),
        (&NO_SCOPE, bearer.get("scope").is_none()),
        (&ERROR_WITHOUT_CREDENTIALS, bearer.get("error").is_some()),
    ];
    for (rule, _) in wrong.into_iter().filter(|(_, is_wrong)| *is_wrong) {
        findings.add(rule, seen.clone());
    }
}

fn wrong_token(exchange: &Exchange, findings: &mut Findings) {
    let Some(status) = status_of(exchange, ALL, findings) else { return };
    let challenges = parse(&exchange.header(&WWW_AUTHENTICATE).unwrap_or_default());
    let bearer = challenges.iter().find(|challenge| challenge.is_bearer());
    match status.as_u16() {
        200..300 => findings.add(&WRONG_TOKEN_LET_IN, exchange.seen()),
        // What is wrong with all challenges was said of the first.
        401 if bearer.is_none_or(|bearer| bearer.get("error") == Some("invalid_token")) => {}
        _ => {
            let error = bearer.and_then(|bearer| bearer.get("error")).unwrap_or("none");
            findings.add(&WRONG_TOKEN_NOT_401, exchange.seen_with(&format!("error: {}", inert(error))));
        }
    }
}

/// One challenge of a `WWW-Authenticate` header.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::doctor) struct Challenge {
    scheme: String,
    parameters: Vec<Parameter>,
}

#[derive(Debug, PartialEq, Eq)]
struct Parameter {
    name: String,
    value: String,
    is_quoted: bool,
}

impl Challenge {
    pub(in crate::doctor) fn is_bearer(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("bearer")
    }

    pub(in crate::doctor) fn get(&self, name: &str) -> Option<&str> {
        let parameter = self.parameters.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(name));
        parameter.map(|parameter| parameter.value.as_str())
    }
}

/// A parameter of the `Bearer` challenge that an answer has.
pub(in crate::doctor) fn parameter(exchange: &Exchange, name: &str) -> Option<String> {
    let challenges = parse(&exchange.header(&WWW_AUTHENTICATE)?);
    challenges.iter().find(|challenge| challenge.is_bearer())?.get(name).map(str::to_owned)
}

/// All challenges of a header (RFC 9110 §11.6.1), read as kindly as can be.
fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',', '=', '"']);
        if rest.is_empty() {
            return challenges;
        }
        let (word, behind) = rest.split_at(rest.find([' ', '\t', ',', '=', '"']).unwrap_or(rest.len()));
        match (behind.trim_start().strip_prefix('='), challenges.last_mut()) {
            (Some(value), Some(challenge)) => {
                let (value, is_quoted, behind) = value_of(value.trim_start());
                challenge.parameters.push(Parameter { name: word.to_owned(), value, is_quoted });
                rest = behind;
            }
            (Some(_), None) | (None, _) => {
                challenges.push(Challenge { scheme: word.to_owned(), parameters: Vec::new() });
                rest = behind;
            }
        }
    }
}

/// A value, whether it was quoted, and what is behind it.
fn value_of(text: &str) -> (String, bool, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, behind) = text.split_at(text.find([',', ' ', '\t']).unwrap_or(text.len()));
        return (value.to_owned(), false, behind);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, true, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, true, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(scheme: &str, parameters: &[(&str, &str, bool)]) -> Challenge {
        let parameters = parameters.iter().map(|(name, value, is_quoted)| Parameter {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            is_quoted: *is_quoted,
        });
        Challenge { scheme: scheme.to_owned(), parameters: parameters.collect() }
    }

    #[test]
    fn challenges_are_told_apart() {
        let header = r#"Bearer resource_metadata="https://a.example/x", scope="a b", Basic realm="x, y=\"z\"", DPoP"#;
        let bearer = [("resource_metadata", "https://a.example/x", true), ("scope", "a b", true)];
        let basic = [("realm", "x, y=\"z\"", true)];
        assert_eq!(parse(header), [challenge("Bearer", &bearer), challenge("Basic", &basic), challenge("DPoP", &[])]);
        let unquoted = [("a", "https://b.example/c?d=e", false), ("f", "", false)];
        assert_eq!(parse("bearer a = https://b.example/c?d=e ,f="), [challenge("bearer", &unquoted)]);
    }

    #[test]
    fn whatever_comes_is_read_to_its_end() {
        for header in
            ["", ",", "=", "\"", "a=\"", "Bearer \"", "Bearer a=\"\\", "=,=\"x\" y", "é=\u{0}\u{1b}, Bearer é"]
        {
            let _ = parse(header);
        }
        assert_eq!(parse(&format!("Bearer {}", "a=\"b\",".repeat(10_000))).len(), 1);
    }
}
