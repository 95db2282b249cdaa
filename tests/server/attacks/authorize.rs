//! Attacks on the authorization endpoint: what never redirects, what an answer carries, PKCE.

use crate::support::{self, API, Answer, Browser, CALLBACK, CHALLENGE, Client, ISSUER, MCP, VERIFIER, World};
use http::{Method, StatusCode};

const EVIL: &str = "https://evil.example/cb";

/// Clients of the app's own people get their errors by redirect, without a login.
async fn house_clients(world: &World) -> [Client; 2] {
    [
        world.administrators_client("house", None, &[CALLBACK]).await,
        world.administrators_client("backend", Some("hush"), &[CALLBACK]).await,
    ]
}

/// One client of each kind: who brought it, and whether it has a secret.
async fn all_clients(world: &World) -> Vec<Client> {
    let mut clients = house_clients(world).await.to_vec();
    for method in ["none", "client_secret_basic"] {
        clients.push(world.client(method, &[CALLBACK]).await);
    }
    clients
}

fn browsers(world: &World) -> [Browser; 2] {
    [world.browser(), world.browser_of("alice")]
}

/// A page and no way on: neither a header nor the page itself leads to `place`.
fn assert_leads_nowhere(answer: &Answer, status: u16, place: &str) {
    answer.assert_page(status);
    assert!(answer.header("refresh").is_none() && answer.header("set-cookie").is_none());
    assert!(!answer.body().contains(place) && !answer.body().contains("http-equiv"), "{}", answer.body());
}

/// The error that an answer gives the client at its redirect URI.
fn redirected_error(answer: &Answer) -> String {
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", answer.body());
    let location = answer.location().unwrap();
    assert!(location.starts_with(&format!("{CALLBACK}?")), "{location}");
    assert!(answer.redirect_parameter("code").is_none(), "{location}");
    answer.redirect_parameter("error").unwrap()
}

/// Each thing that can be wrong with a request beside its client and redirect URI, and the error that
/// it gets when both are right.
const WRONGS: [(&[(&str, &str)], &str); 15] = [
    (&[("response_type", "")], "invalid_request"),
    (&[("response_type", "token")], "unsupported_response_type"),
    (&[("response_type", "code"), ("response_type", "code")], "invalid_request"),
    (&[("response_mode", "fragment")], "invalid_request"),
    (&[("request", "eyJhbGciOiJub25lIn0.e30.")], "request_not_supported"),
    (&[("request_uri", "https://evil.example/request")], "request_uri_not_supported"),
    (&[("code_challenge", "")], "invalid_request"),
    (&[("code_challenge", "short")], "invalid_request"),
    (&[("code_challenge_method", "")], "invalid_request"),
    (&[("code_challenge_method", "plain")], "invalid_request"),
    (&[("scope", "nothing:known")], "invalid_scope"),
    (&[("scope", "\"")], "invalid_scope"),
    (&[("scope", "projects:read"), ("scope", "projects:read")], "invalid_request"),
    (&[("resource", "https://evil.example/api")], "invalid_target"),
    (&[("resource", "no url")], "invalid_target"),
];

#[tokio::test]
async fn attack_01_an_unregistered_redirect_uri_never_redirects_whatever_else_is_wrong() {
    let world = World::new();
    let all: Vec<(&str, &str)> = WRONGS.iter().flat_map(|(wrong, _)| wrong.iter().copied()).collect();
    let mut requests = vec![vec![], all, vec![("state", "a"), ("state", "b")]];
    for (at, (wrong, _)) in WRONGS.iter().enumerate() {
        requests.push(wrong.to_vec());
        requests.extend(WRONGS[..at].iter().map(|(other, _)| [*other, *wrong].concat()));
    }
    for client in all_clients(&world).await {
        for mut browser in browsers(&world) {
            for wrong in &requests {
                let changes = [&[("redirect_uri", EVIL)][..], wrong].concat();
                let answer = browser.get(&client.authorize_with(&changes)).await;
                assert_leads_nowhere(&answer, 400, "evil.example");
            }
        }
    }
}

#[tokio::test]
async fn attack_01_a_client_that_is_not_known_never_redirects() {
    let world = World::new();
    let [known, _] = house_clients(&world).await;
    let ids: [&[&str]; 6] = [&["nobody"], &[""], &["house", "house"], &["house", "nobody"], &["hous"], &["HOUSE"]];
    for ids in ids {
        for (wrong, _) in [(&[] as &[(&str, &str)], "")].iter().chain(&WRONGS) {
            for redirect_uri in [CALLBACK, EVIL] {
                let ids: Vec<_> = ids.iter().map(|id| ("client_id", *id)).collect();
                let changes = [&ids, &[("redirect_uri", redirect_uri)][..], *wrong].concat();
                for mut browser in browsers(&world) {
                    let answer = browser.get(&known.authorize_with(&changes)).await;
                    assert_leads_nowhere(&answer, 400, redirect_uri);
                }
            }
        }
    }
}

#[tokio::test]
async fn attack_01_a_redirect_uri_that_is_not_one_of_the_client_s_own_never_redirects() {
    let world = World::new();
    let two = world.administrators_client("two", None, &[CALLBACK, "https://client.example/other"]).await;
    world.administrators_client("else", None, &[EVIL]).await;
    let sent: [&[&str]; 6] = [&[""], &[CALLBACK, EVIL], &[EVIL, CALLBACK], &[CALLBACK, CALLBACK], &[EVIL], &["/cb"]];
    for uris in sent {
        for (wrong, _) in [(&[] as &[(&str, &str)], "")].iter().chain(&WRONGS) {
            let uris: Vec<_> = uris.iter().map(|uri| ("redirect_uri", *uri)).collect();
            let answer = world.browser_of("alice").get(&two.authorize_with(&[&uris, *wrong].concat())).await;
            assert_leads_nowhere(&answer, 400, "example/cb");
        }
    }
    let answer = world.get(&format!("{}&redirect_uri=", two.authorize())).await;
    assert_leads_nowhere(&answer, 400, CALLBACK);
}

#[tokio::test]
async fn attack_01_a_posted_request_leads_to_this_server_alone() {
    let world = World::new();
    let [client, _] = house_clients(&world).await;
    let evil = client.authorize_with(&[("redirect_uri", EVIL), ("response_type", "token")]);
    let query = evil.split_once('?').unwrap().1;
    let form: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let answer = world.post("/oauth/authorize?redirect_uri=x", &support::pairs(&form), &[]).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let next = answer.location().unwrap().to_owned();
    assert!(next.starts_with("/oauth/authorize?"), "{next}");
    assert_leads_nowhere(&world.get(&next).await, 400, "evil.example");

    let hidden = format!("state=%23#&redirect_uri={EVIL}#&");
    for body in ["\r\nLocation: https://evil.example/", "\0", "é", "//evil.example", &hidden, ""] {
        let request = support::request(Method::POST, "/oauth/authorize")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(bytes::Bytes::from(body.to_owned() + query))
            .unwrap();
        let answer = world.send(request).await;
        let next = answer.location().unwrap();
        assert!(next.starts_with("/oauth/authorize?") && !next.contains('#'), "{next}");
        assert_leads_nowhere(&world.get(next).await, 400, "evil.example");
    }
    let long = "x".repeat(20_000);
    world.post("/oauth/authorize", &[("client_id", "house"), ("state", &long)], &[]).await.assert_page(413);
}

#[tokio::test]
async fn attack_08_a_posted_request_keeps_its_state() {
    let world = World::new();
    let [client, _] = house_clients(&world).await;
    let request = client.authorize_with(&[("state", ""), ("response_type", "token")]);
    let body = format!("{}&state=a#b+c%23 é", request.split_once('?').unwrap().1);
    let request = support::request(Method::POST, "/oauth/authorize")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(bytes::Bytes::from(body))
        .unwrap();
    let next = world.send(request).await;
    let answer = world.get(next.location().unwrap()).await;
    assert_eq!(redirected_error(&answer), "unsupported_response_type");
    assert_state_and_issuer(&answer, ISSUER, Some("a#b c# é"));
}

#[tokio::test]
async fn attack_07_a_parameter_sent_twice_is_refused() {
    let world = World::new();
    let [client, _] = house_clients(&world).await;
    let dynamic = world.public_client().await;
    for name in ["response_type", "scope", "state", "code_challenge", "code_challenge_method", "response_mode"] {
        let honest = client.authorize_with(&[]);
        let sent = url::form_urlencoded::parse(honest.split_once('?').unwrap().1.as_bytes())
            .find(|(known, _)| known == name)
            .map_or("query".to_owned(), |(_, value)| value.into_owned());
        for values in [[sent.as_str(), &sent], ["other", &sent], [&sent, "other"]] {
            let changes = values.map(|value| (name, value));
            let answer = world.get(&client.authorize_with(&changes)).await;
            assert_eq!(redirected_error(&answer), "invalid_request", "{name} {values:?}");
            assert!(name != "state" || answer.redirect_parameter("state").is_none(), "which one would it be?");
            world.get(&dynamic.authorize_with(&changes)).await.assert_page(400);
        }
        let encoded = format!("%{:02x}{}", name.as_bytes()[0], &name[1..]);
        for repeated in [format!("{honest}&{name}=&{name}"), format!("{honest}&{encoded}=x&{name}=y")] {
            assert_eq!(redirected_error(&world.get(&repeated).await), "invalid_request", "{repeated}");
        }
    }
    for name in ["request", "request_uri"] {
        let answer = world.get(&client.authorize_with(&[(name, "a"), (name, "a")])).await;
        assert_eq!(redirected_error(&answer), "invalid_request", "{name}");
    }
}

#[tokio::test]
async fn attack_07_an_empty_parameter_counts_as_omitted_and_an_unknown_one_is_ignored() {
    let world = World::new();
    let client = world.public_client().await;
    let empty = ["scope", "state", "redirect_uri", "resource", "response_mode", "request", "request_uri"];
    let query = [("response_type", "code"), ("client_id", &client.id), ("code_challenge", CHALLENGE)];
    let query = support::encode(&query) + "&code_challenge_method=S256&" + empty.join("=&").as_str() + "=";
    let unknown = "&scope[a]=admin&scope%5Bb%5D=x&Scope=admin&scope[]=x&nonce=1&nonce=2&state.=3&x&=y&%00=z&audience=x";
    for request in [query.clone(), query.clone() + unknown] {
        let answer = world.browser_of("alice").allow(&format!("/oauth/authorize?{request}")).await;
        assert!(answer.location().unwrap().starts_with(&format!("{CALLBACK}?code=")));
        assert!(answer.redirect_parameter("state").is_none());
        let code = answer.redirect_parameter("code").unwrap();
        let token = world.exchange(&client, &code, &[]).await.json();
        assert_eq!(token["scope"], "projects:read", "the default, and nothing of `scope[a]`");
    }
    for required in ["response_type", "client_id", "code_challenge", "code_challenge_method"] {
        let request = format!("{}&{required}=", client.authorize_with(&[(required, "")]));
        world.browser_of("alice").get(&request).await.assert_page(400);
    }
}

#[tokio::test]
async fn attack_07_the_token_endpoint_refuses_repetition_and_burns_nothing() {
    let world = World::new();
    let client = world.client("client_secret_post", &[CALLBACK]).await;
    let code = world.code(&client).await;
    let honest = client.token_request(&code, &[("scope", "projects:read")]);
    for (name, value) in &honest {
        for second in [value.as_str(), "other", ""] {
            let form = [support::pairs(&honest), vec![(name, second)]].concat();
            world.post("/oauth/token", &form, &[]).await.assert_error(400, "invalid_request");
        }
    }
    let extra = [
        ("code[a]", "x"),
        ("client_id[]", "x"),
        ("Code", "x"),
        ("x", "1"),
        ("x", "2"),
        ("state", "1"),
        ("state", "2"),
        ("resource", ""),
    ];
    let honest = client.token_request(&code, &[]);
    let form = [support::pairs(&honest), extra.to_vec()].concat();
    assert_eq!(world.post("/oauth/token", &form, &[]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn attack_07_the_consent_form_refuses_repetition_and_decides_nothing() {
    let world = World::new();
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&client.authorize()).await;
    let other = browser.prompt(&client.authorize()).await;
    for extra in
        [("decision", "allow"), ("decision", "deny"), ("decision", ""), ("prompt", &other.prompt), ("prompt", "")]
    {
        let form = [&page.form("allow")[..], &[extra]].concat();
        browser.post(&page.action, &form).await.assert_page(400);
    }
    let answer = browser.decide(&page, "allow").await;
    assert!(answer.redirect_parameter("code").is_some(), "it was still open");
}

#[tokio::test]
async fn attack_07_only_resource_may_repeat() {
    let world = World::new();
    let client = world.public_client().await;
    let both = [("resource", API), ("resource", MCP), ("resource", API)];
    for (resource, opens) in [(API, [200, 401]), (MCP, [401, 200])] {
        let code = world.code_for(&client, &both).await;
        world.exchange(&client, &code, &both[..2]).await.assert_error(400, "invalid_target");
        let token = world.exchange(&client, &code, &[("resource", resource)]).await.json();
        let token = token["access_token"].as_str().unwrap();
        let guards = [world.guard(API, "projects:read", token).await, world.guard(MCP, "projects:read", token).await];
        assert_eq!(guards, opens, "one token is for one resource");
    }
}

/// States as an attacker or an unlucky client would send them.
fn states() -> Vec<String> {
    let special =
        "&iss=https://evil.example&state=x&code=y#f ?a=b;c+d%20e%2526\"<>'\\\r\n\t\u{0}é\u{202e}🦀{}[]~*()!$,|^`@:/";
    let mut states =
        vec![special.to_owned(), " lead and trail ".to_owned(), "%".to_owned(), "+".to_owned(), "0".to_owned()];
    states.push("S".repeat(8 * 1024));
    states.push(special.repeat(20));
    states
}

fn assert_state_and_issuer(answer: &Answer, issuer: &str, state: Option<&str>) {
    assert_eq!(answer.redirect_parameter("iss").as_deref(), Some(issuer), "{:?}", answer.location());
    assert_eq!(answer.redirect_parameter("state").as_deref(), state, "{:?}", answer.location());
    let query = answer.location().unwrap().split_once('?').unwrap().1;
    for name in ["iss", "state"] {
        let times = query.split('&').filter(|pair| pair.starts_with(&format!("{name}="))).count();
        assert_eq!(times, usize::from(name == "iss" || state.is_some()), "{query}");
    }
    assert!(!answer.location().unwrap().contains('#'));
}

#[tokio::test]
async fn attack_08_each_error_redirect_has_the_issuer_and_the_unchanged_state_once() {
    for issuer in [ISSUER, "https://app.example/"] {
        let world = World::at(issuer, grantor::MemoryStorage::new(), |builder| builder);
        let [client, _] = house_clients(&world).await;
        for (wrong, error) in WRONGS {
            for state in states() {
                let answer = world.get(&client.authorize_with(&[&[("state", state.as_str())], wrong].concat())).await;
                assert_eq!(redirected_error(&answer), error);
                assert_state_and_issuer(&answer, issuer, Some(&state));
            }
            let answer = world.get(&client.authorize_with(&[&[("state", "")], wrong].concat())).await;
            assert_state_and_issuer(&answer, issuer, None);
        }
    }
}

#[tokio::test]
async fn attack_08_each_decision_has_the_issuer_and_the_unchanged_state_once() {
    let world = World::new();
    let callback = "https://client.example/cb?keep=%2F&me";
    let client = world.client("none", &[callback]).await;
    for state in states().iter().map(String::as_str).chain([""]) {
        let request = client.authorize_with(&[("state", state)]);
        let login = world.get(&request).await;
        let login = url::Url::parse(ISSUER).unwrap().join(login.location().unwrap()).unwrap();
        let after_login = login.query_pairs().next().unwrap().1.into_owned();
        for request in [request, after_login] {
            let mut browser = world.browser_of("alice");
            for (answer, name) in [(browser.deny(&request).await, "error"), (browser.allow(&request).await, "code")] {
                assert!(answer.location().unwrap().starts_with(&format!("{callback}&{name}=")));
                assert!(name == "code" || answer.redirect_parameter("error").as_deref() == Some("access_denied"));
                assert_state_and_issuer(&answer, ISSUER, Some(state).filter(|state| !state.is_empty()));
            }
        }
    }
}

#[tokio::test]
async fn attack_09_a_code_needs_the_verifier_of_its_own_challenge() {
    let world = World::new();
    for client in all_clients(&world).await {
        let code = world.code(&client).await;
        let missing = world.exchange(&client, &code, &[("code_verifier", "")]).await;
        missing.assert_error(400, "invalid_request");
        let (lower, longer) = (VERIFIER.to_lowercase(), format!("{VERIFIER}k"));
        let other = "another-verifier-of-forty-three-characters-x";
        for wrong in [CHALLENGE, &lower, &longer, &VERIFIER[1..], "short", other, &format!(" {VERIFIER}")] {
            let answer = world.exchange(&client, &code, &[("code_verifier", wrong)]).await;
            answer.assert_error(400, "invalid_grant");
        }
        let answer = world.exchange(&client, &code, &[]).await;
        assert_eq!(answer.status(), StatusCode::OK, "none of that burned the code: {}", answer.body());
    }
}

#[tokio::test]
async fn attack_09_no_code_is_issued_without_a_challenge_so_no_verifier_meets_nothing() {
    let world = World::new();
    for client in all_clients(&world).await {
        for changes in [&[("code_challenge", ""), ("code_challenge_method", "")][..], &[("code_challenge", "")]] {
            for mut browser in browsers(&world) {
                let answer = browser.get(&client.authorize_with(changes)).await;
                assert!(!answer.body().contains("name=\"prompt\""), "nobody is asked");
                assert!(answer.location().is_none_or(|location| location.contains("error=invalid_request&")));
                assert!(matches!(answer.status().as_u16(), 303 | 400), "{}", answer.status());
            }
        }
    }
}

#[tokio::test]
async fn attack_10_only_a_well_formed_s256_challenge_with_its_method_is_taken() {
    let world = World::new();
    let (house, dynamic) = (house_clients(&world).await, world.public_client().await);
    let (padded, longer) = (format!("{CHALLENGE}="), format!("{CHALLENGE}AA"));
    for (challenge, method) in [
        ("", "S256"),
        ("", "plain"),
        (CHALLENGE, ""),
        (CHALLENGE, "plain"),
        (VERIFIER, "plain"),
        (CHALLENGE, "s256"),
        (CHALLENGE, "S256 "),
        (CHALLENGE, " S256"),
        (CHALLENGE, "SHA256"),
        (CHALLENGE, "S512"),
        (CHALLENGE, "none"),
        (CHALLENGE, "S256,plain"),
        (&padded, "S256"),
        (&longer, "S256"),
        (&CHALLENGE[..42], "S256"),
        ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM", "S256"),
    ] {
        let changes = [("code_challenge", challenge), ("code_challenge_method", method)];
        for client in &house {
            let answer = world.browser_of("alice").get(&client.authorize_with(&changes)).await;
            assert_eq!(redirected_error(&answer), "invalid_request", "{challenge} {method}");
        }
        world.browser_of("alice").get(&dynamic.authorize_with(&changes)).await.assert_page(400);
    }
    let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["code_challenge_methods_supported"], serde_json::json!(["S256"]));
}

#[tokio::test]
async fn attack_11_a_client_secret_is_no_substitute_for_pkce() {
    let world = World::new();
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let [_, house] = house_clients(&world).await;
    assert_eq!(redirected_error(&world.get(&house.authorize_with(&without)).await), "invalid_request");
    for method in ["client_secret_basic", "client_secret_post"] {
        let client = world.client(method, &[CALLBACK]).await;
        world.browser_of("alice").get(&client.authorize_with(&without)).await.assert_page(400);
        let code = world.code(&client).await;
        for (verifier, error) in [("", "invalid_request"), (CHALLENGE, "invalid_grant")] {
            let changes = [("code_verifier", verifier)];
            world.exchange(&client, &code, &changes).await.assert_error(400, error);
            let form = client.token_request(&code, &[changes[0], ("client_secret", "")]);
            let answer =
                world.post("/oauth/token", &support::pairs(&form), &[("authorization", &client.basic())]).await;
            answer.assert_error(400, error);
        }
        assert_eq!(world.exchange(&client, &code, &[]).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn attack_55_an_error_of_a_self_registered_client_redirects_nobody_who_has_not_seen_it() {
    let world = World::new();
    let house = world.administrators_client("house", None, &[CALLBACK]).await;
    for client in [world.client("none", &[EVIL]).await, world.client("client_secret_basic", &[EVIL]).await] {
        for (wrong, _) in WRONGS.iter().chain(&[(&[("state", "a"), ("state", "b")][..], "")]) {
            for mut browser in browsers(&world) {
                for method in [Method::GET, Method::HEAD] {
                    let answer = world.call(method, &client.authorize_with(wrong), &[]).await;
                    assert_eq!((answer.status().as_u16(), answer.location()), (400, None));
                }
                let answer = browser.get(&client.authorize_with(wrong)).await;
                answer.assert_page(400);
                assert!(answer.header("refresh").is_none() && !answer.body().contains("http-equiv"));
            }
        }
        let answer = world.browser_of("alice").deny(&client.authorize()).await;
        assert!(answer.location().unwrap().starts_with(&format!("{EVIL}?error=access_denied")), "she has seen it");
        let login = world.get(&client.authorize()).await;
        assert!(login.location().unwrap().starts_with("/login?return_to=%2Foauth%2Fauthorize"), "{login:?}");
    }
    for mut browser in browsers(&world) {
        for (wrong, error) in WRONGS {
            assert_eq!(redirected_error(&browser.get(&house.authorize_with(wrong)).await), error);
        }
    }
}
