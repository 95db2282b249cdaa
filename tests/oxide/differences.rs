//! Every kind of request that both engines can judge goes to both. Where they differ, the guide says so, and by which
//! RFC.

use std::collections::BTreeMap;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::CALLBACK;
use crate::engines::{Engine, Ours, Pairs, SECRET, Theirs, honest};
use crate::support::{VERIFIER, changed, pairs};

const GUIDE: &str = include_str!("../../src/manual/oxide_auth.md");

type Case = (&'static str, fn(&mut dyn Engine) -> String);

/// An authorization request of `helper` with changes.
fn asks(engine: &mut dyn Engine, changes: Pairs<'_>) -> String {
    engine.authorize(&pairs(&changed(&honest("helper"), changes)))
}

const AUTHORIZATION: &[Case] = &[
    ("an authorization request", |e| asks(e, &[])),
    ("no client_id", |e| asks(e, &[("client_id", "")])),
    ("an unknown client_id", |e| asks(e, &[("client_id", "nobody")])),
    ("client_id twice", |e| asks(e, &[("client_id", "helper"), ("client_id", "other")])),
    ("no redirect_uri", |e| asks(e, &[("redirect_uri", "")])),
    ("another redirect_uri", |e| asks(e, &[("redirect_uri", "https://evil.example/cb")])),
    ("a redirect_uri with a slash more", |e| asks(e, &[("redirect_uri", "https://client.example/cb/")])),
    ("a redirect_uri with a query more", |e| asks(e, &[("redirect_uri", "https://client.example/cb?x=y")])),
    ("a redirect_uri in capitals", |e| asks(e, &[("redirect_uri", "https://CLIENT.example/cb")])),
    ("a redirect_uri with the usual port", |e| asks(e, &[("redirect_uri", "https://client.example:443/cb")])),
    ("a redirect_uri that is none", |e| asks(e, &[("redirect_uri", "/cb")])),
    ("redirect_uri twice", |e| asks(e, &[("redirect_uri", CALLBACK), ("redirect_uri", CALLBACK)])),
    ("no response_type", |e| asks(e, &[("response_type", "")])),
    ("response_type=token", |e| asks(e, &[("response_type", "token")])),
    ("response_type twice", |e| asks(e, &[("response_type", "code"), ("response_type", "code")])),
    ("no scope", |e| asks(e, &[("scope", "")])),
    ("an unknown scope", |e| asks(e, &[("scope", "unknown")])),
    ("a scope that the client may not have", |e| asks(e, &[("scope", "notes:write")])),
    ("more scopes than the client may have", |e| asks(e, &[("scope", "notes:read notes:write")])),
    ("a scope with a quote", |e| asks(e, &[("scope", "notes\"read")])),
    ("scope twice", |e| asks(e, &[("scope", "notes:read"), ("scope", "notes:read")])),
    ("no state", |e| asks(e, &[("state", "")])),
    ("state twice", |e| asks(e, &[("state", "a"), ("state", "b")])),
    ("no code_challenge", |e| asks(e, &[("code_challenge", ""), ("code_challenge_method", "")])),
    ("code_challenge_method=plain", |e| asks(e, &[("code_challenge_method", "plain")])),
    ("an unknown parameter", |e| asks(e, &[("unknown", "x")])),
    ("a request object", |e| asks(e, &[("request", "x.y.z")])),
];

fn form<'a>(client: &'a str, code: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("code", code),
        ("code_verifier", VERIFIER),
    ]
}

/// An exchange of a code of `helper` with changes.
fn exchanges(engine: &mut dyn Engine, changes: Pairs<'_>) -> String {
    let code = engine.code("helper");
    engine.token(&pairs(&changed(&form("helper", &code), changes)), None).0
}

/// An exchange of a code of the confidential client, with changes and credentials.
fn proves(engine: &mut dyn Engine, changes: Pairs<'_>, credentials: Option<&str>) -> String {
    let code = engine.code("office");
    let basic = credentials.map(|credentials| format!("Basic {}", STANDARD.encode(credentials)));
    engine.token(&pairs(&changed(&form("office", &code), changes)), basic.as_deref()).0
}

const EXCHANGE: &[Case] = &[
    ("an exchange of a code", |e| exchanges(e, &[])),
    ("an exchange without redirect_uri", |e| exchanges(e, &[("redirect_uri", "")])),
    ("an exchange with another redirect_uri", |e| exchanges(e, &[("redirect_uri", "https://evil.example/cb")])),
    ("an exchange without code", |e| exchanges(e, &[("code", "")])),
    ("an exchange of an unknown code", |e| exchanges(e, &[("code", "unknown")])),
    ("an exchange of a code of another client", |e| exchanges(e, &[("client_id", "other")])),
    ("an exchange without client_id", |e| exchanges(e, &[("client_id", "")])),
    ("an exchange by an unknown client", |e| exchanges(e, &[("client_id", "nobody")])),
    ("an exchange without grant_type", |e| exchanges(e, &[("grant_type", "")])),
    ("an unknown grant_type", |e| exchanges(e, &[("grant_type", "password")])),
    ("an exchange without code_verifier", |e| exchanges(e, &[("code_verifier", "")])),
    ("an exchange with a wrong code_verifier", |e| exchanges(e, &[("code_verifier", &"x".repeat(43))])),
    ("an exchange with grant_type twice", |e| {
        exchanges(e, &[("grant_type", "authorization_code"), ("grant_type", "authorization_code")])
    }),
    ("an exchange with an unknown parameter", |e| exchanges(e, &[("unknown", "x")])),
    ("a second exchange of a code", |e| {
        let code = e.code("helper");
        e.token(&form("helper", &code), None);
        e.token(&form("helper", &code), None).0
    }),
    ("the token of a code that was exchanged twice", |e| {
        let code = e.code("helper");
        let (_, tokens) = e.token(&form("helper", &code), None);
        e.token(&form("helper", &code), None);
        knocks(e, &format!("Bearer {}", tokens["access_token"].as_str().unwrap()))
    }),
    ("credentials in the header", |e| proves(e, &[("client_id", "")], Some(&format!("office:{SECRET}")))),
    ("credentials in the header, client_id in the body", |e| proves(e, &[], Some(&format!("office:{SECRET}")))),
    ("credentials in the body", |e| proves(e, &[("client_secret", SECRET)], None)),
    ("credentials in both", |e| proves(e, &[("client_secret", SECRET)], Some(&format!("office:{SECRET}")))),
    ("a wrong secret in the header", |e| proves(e, &[("client_id", "")], Some("office:wrong"))),
    ("a wrong secret in the body", |e| proves(e, &[("client_secret", "wrong")], None)),
    ("no secret", |e| proves(e, &[], None)),
    ("a secret of a public client", |e| exchanges(e, &[("client_secret", "x")])),
    ("the header of an unknown client", |e| proves(e, &[("client_id", "")], Some("nobody:x"))),
    ("a header that is no Basic", |e| {
        let code = e.code("helper");
        e.token(&form("helper", &code), Some("Bearer x")).0
    }),
];

fn refreshes(engine: &mut dyn Engine, changes: Pairs<'_>) -> String {
    let code = engine.code("helper");
    let (_, tokens) = engine.token(&form("helper", &code), None);
    let Some(refresh) = tokens["refresh_token"].as_str() else { return "gave no refresh token".to_owned() };
    let honest = [("grant_type", "refresh_token"), ("client_id", "helper"), ("refresh_token", refresh)];
    engine.token(&pairs(&changed(&honest, changes)), None).0
}

fn knocks(engine: &mut dyn Engine, authorization: &str) -> String {
    engine.knock(Some(authorization))
}

/// At the guard, with a text around a token that is good.
fn shows(engine: &mut dyn Engine, before: &str, after: &str) -> String {
    let code = engine.code("helper");
    let (_, tokens) = engine.token(&form("helper", &code), None);
    knocks(engine, &format!("{before}{}{after}", tokens["access_token"].as_str().unwrap()))
}

const REFRESH: &[Case] = &[
    ("a refresh", |e| refreshes(e, &[])),
    ("a refresh by another client", |e| refreshes(e, &[("client_id", "other")])),
    ("a refresh by nobody", |e| refreshes(e, &[("client_id", "")])),
    ("an unknown refresh token", |e| refreshes(e, &[("refresh_token", "unknown")])),
    ("no refresh token", |e| refreshes(e, &[("refresh_token", "")])),
    ("a refresh with the same scope", |e| refreshes(e, &[("scope", "notes:read")])),
    ("a refresh with a wider scope", |e| refreshes(e, &[("scope", "notes:read notes:write")])),
    ("a refresh with a scope that is none", |e| refreshes(e, &[("scope", "notes\"read")])),
];

const GUARD: &[Case] = &[
    ("a request with a token", |e| shows(e, "Bearer ", "")),
    ("a token after `bearer`", |e| shows(e, "bearer ", "")),
    ("a token after two spaces", |e| shows(e, "Bearer  ", "")),
    ("a token before a space", |e| shows(e, "Bearer ", " ")),
    ("a token that is cut", |e| shows(e, "Bearer x", "")),
    ("a request without a token", |e| e.knock(None)),
    ("an unknown token", |e| knocks(e, "Bearer unknown")),
    ("an empty token", |e| knocks(e, "Bearer ")),
    ("`Bearer` alone", |e| knocks(e, "Bearer")),
    ("a request with Basic credentials", |e| knocks(e, "Basic YTpi")),
    ("a request with a header of no scheme", |e| knocks(e, "x")),
];

/// What a row of the guide's table says of a case: both answers, and why.
fn told() -> BTreeMap<String, [String; 3]> {
    let rows = GUIDE.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = rows.map(|row| row.split(" | ").map(str::to_owned).collect::<Vec<_>>());
    let rows = cells.filter_map(|cells| <[String; 4]>::try_from(cells).ok());
    rows.filter(|[name, ..]| name != "request" && !name.starts_with('-'))
        .map(|[name, theirs, ours, why]| (name, [theirs, ours, why]))
        .collect()
}

#[test]
fn both_engines_answer_alike_except_where_the_guide_says_why_not() {
    let cases: Vec<_> = [AUTHORIZATION, EXCHANGE, REFRESH, GUARD].concat();
    let mut told = told();
    let mut wrong = Vec::new();
    let mut same = 0;
    for (name, case) in &cases {
        let (theirs, ours) = (case(&mut Theirs::new()), case(&mut Ours::new()));
        match told.remove(*name) {
            None if theirs == ours => same += 1,
            Some([said_theirs, said_ours, why]) if theirs != ours && [&said_theirs, &said_ours] == [&theirs, &ours] => {
                assert!(["RFC ", "OAuth 2.1"].iter().any(|source| why.contains(source)), "{name}: {why}");
            }
            _ => wrong.push(format!("| {name} | {theirs} | {ours} | |")),
        }
    }
    assert!(wrong.is_empty(), "the guide is wrong about these:\n{}", wrong.join("\n"));
    assert!(told.is_empty(), "nobody asks this: {told:?}");
    let different = cases.len() - same;
    writeln!(std::io::stdout(), "oxide-auth beside grantor: {same} requests answered alike, {different} not").unwrap();
}
