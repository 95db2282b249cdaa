//! Attacks by redirect URIs: which may be registered, which one is whose, and what a code is bound to.

use crate::support::{self, CALLBACK, Client, World};
use http::StatusCode;
use serde_json::json;

/// Whether an authorization request with that redirect URI gets as far as the consent page. If not, it
/// gets a page without a way to that place.
async fn is_asked(world: &World, client: &Client, redirect_uri: &str) -> bool {
    let answer = world.browser_of("alice").get(&client.authorize_with(&[("redirect_uri", redirect_uri)])).await;
    if answer.status() == StatusCode::OK {
        return true;
    }
    answer.assert_page(400);
    assert!(!answer.body().contains("href=\"http"), "no link: {}", answer.body());
    false
}

#[tokio::test]
async fn attack_02_a_similar_redirect_uri_is_another_one() {
    let world = World::new();
    let registered = [
        "https://client.example/cb",
        "https://CLIENT.example/Cb",
        "https://client.example:443/cb",
        "https://client.example/a/../cb",
        "https://client.example/./cb",
        "https://client.example/cb/",
        "https://client.example/cb?",
        "https://client.example/cb?x=1",
        "https://client.example/%63b",
        "https://client.example/c%62",
        "https://client.example",
        "https://client.example/",
        "HTTPS://client.example/cb",
    ];
    let never = [
        "https://attacker@client.example/cb",
        "https://:@client.example/cb",
        "https://@client.example/cb",
        "https://client.example/cb#",
        "https://client.example/cb#evil",
        "https://client.example/cb ",
        " https://client.example/cb",
        "https://client.example/cb\n",
        "https://client.example/cb\0",
        "https://client.example/cb?x=1&y=2",
        "https://client.example//cb",
        "https:/client.example/cb",
        "https:\\\\client.example\\cb",
        "https://client.example\\@evil.example/cb",
        "https://client.example.evil.example/cb",
        "https://client.example:8443/cb",
        "http://client.example/cb",
        "//client.example/cb",
        "https%3A%2F%2Fclient.example%2Fcb",
        "https://client.example./cb",
        "https://client.example/cb/../../evil",
    ];
    for mine in registered {
        let client = world.administrators_client(mine, None, &[mine]).await;
        for presented in registered.iter().chain(&never) {
            assert_eq!(is_asked(&world, &client, presented).await, *presented == mine, "{mine} {presented:?}");
        }
    }
}

#[tokio::test]
async fn attack_02_a_user_name_makes_no_loopback_uri() {
    let world = World::new();
    let client = world.client("none", &["http://127.0.0.1/cb"]).await;
    for presented in ["http://attacker@127.0.0.1/cb", "http://:@127.0.0.1/cb", "http://@127.0.0.1/cb"] {
        assert!(!is_asked(&world, &client, presented).await, "{presented}");
    }
}

#[tokio::test]
async fn attack_03_only_the_port_of_a_loopback_uri_may_differ() {
    let world = World::new();
    for host in ["127.0.0.1", "[::1]", "localhost"] {
        for registered in [format!("http://{host}/cb?a=1"), format!("http://{host}:33418/cb?a=1")] {
            let client = world.client("none", &[&registered]).await;
            for port in ["", ":1", ":80", ":33418", ":53123", ":65535"] {
                assert!(is_asked(&world, &client, &format!("http://{host}{port}/cb?a=1")).await, "{registered} {port}");
            }
            for other in [
                format!("http://{host}:53123/cb"),
                format!("http://{host}:53123/cb?a=1&b=2"),
                format!("http://{host}:53123/other?a=1"),
                format!("http://{host}:53123/cb/?a=1"),
                format!("http://{host}:53123/./cb?a=1"),
                format!("http://{host}:53123/CB?a=1"),
                format!("http://{host}:53123/cb?a=1#"),
                format!("http://u@{host}:53123/cb?a=1"),
                format!("http://u:p@{host}:53123/cb?a=1"),
                format!("http://{host}:53123@evil.example/cb?a=1"),
                format!("http://{host}.evil.com:53123/cb?a=1"),
                format!("http://{host}.evil.com/cb?a=1"),
                format!("http://{host}.:53123/cb?a=1"),
                format!("http://{host}:/cb?a=1"),
                format!("http://{host}:0/cb?a=1"),
                format!("http://{host}:65536/cb?a=1"),
                format!("http://{host}:-1/cb?a=1"),
                format!("http://{host}:53123x/cb?a=1"),
                format!("https://{host}:53123/cb?a=1"),
                format!("HTTP://{host}:53123/cb?a=1"),
                "http://evil.com:53123/cb?a=1".to_owned(),
                "http://127.1:53123/cb?a=1".to_owned(),
                "http://127.0.0.2:53123/cb?a=1".to_owned(),
                "http://2130706433:53123/cb?a=1".to_owned(),
                "http://0.0.0.0:53123/cb?a=1".to_owned(),
                "http://LOCALHOST:53123/cb?a=1".to_owned(),
                "http://[0:0:0:0:0:0:0:1]:53123/cb?a=1".to_owned(),
            ] {
                assert!(!is_asked(&world, &client, &other).await, "{registered} {other}");
            }
        }
    }
}

#[tokio::test]
async fn attack_03_one_loopback_host_is_not_another_and_only_loopback_has_a_free_port() {
    let world = World::new();
    let hosts = ["127.0.0.1", "[::1]", "localhost"];
    for mine in hosts {
        let client = world.client("none", &[&format!("http://{mine}/cb")]).await;
        for host in hosts {
            assert_eq!(is_asked(&world, &client, &format!("http://{host}:9/cb")).await, host == mine, "{mine} {host}");
        }
    }
    for registered in [
        "https://127.0.0.1:8443/cb",
        "https://localhost:8443/cb",
        "https://a.example:8443/cb",
        "app://localhost:8443/cb",
    ] {
        let client = world.client("none", &[registered]).await;
        assert!(is_asked(&world, &client, registered).await);
        assert!(!is_asked(&world, &client, &registered.replace("8443", "8444")).await, "{registered}");
        assert!(!is_asked(&world, &client, &registered.replace(":8443", "")).await, "{registered}");
    }
}

#[tokio::test]
async fn attack_04_a_code_is_bound_to_the_loopback_uri_as_presented() {
    let world = World::new();
    for (host, registered, presented) in [
        ("127.0.0.1", "http://127.0.0.1/cb", "http://127.0.0.1:53123/cb"),
        ("[::1]", "http://[::1]:4000/cb", "http://[::1]:53123/cb"),
        ("localhost", "http://localhost:4000/cb", "http://localhost/cb"),
    ] {
        let client = world.client("none", &[registered]).await;
        let request = client.authorize_with(&[("redirect_uri", presented)]);
        let answer = world.browser_of("alice").allow(&request).await;
        assert!(answer.location().unwrap().starts_with(&format!("{presented}?")), "{:?}", answer.location());
        let code = answer.redirect_parameter("code").unwrap();
        for wrong in [registered, &format!("http://{host}:9/cb"), &format!("{presented}/")] {
            let answer = world.exchange(&client, &code, &[("redirect_uri", wrong)]).await;
            answer.assert_error(400, "invalid_grant");
        }
        let answer = world.exchange(&client, &code, &[("redirect_uri", presented)]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());

        let code = world.code_for(&client, &[("redirect_uri", presented)]).await;
        let answer = world.exchange(&client, &code, &[("redirect_uri", "")]).await;
        assert_eq!(answer.status(), StatusCode::OK, "its absence is fine: {}", answer.body());
    }
}

/// Texts that run script, open a local file, send the code in the clear, or are read in two ways.
fn unsafe_uris() -> Vec<String> {
    let mut unsafe_uris: Vec<String> = Vec::new();
    for uri in
        ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:https://a.example/x"]
    {
        let (scheme, rest) = uri.split_once(':').unwrap();
        let (head, tail) = scheme.split_at(2);
        let mixed = format!("{}{tail}:{rest}", head.to_uppercase());
        unsafe_uris.extend([uri.to_owned(), uri.to_uppercase(), mixed]);
        for inside in ['\t', '\n', '\r', '\0', ' ', '\u{1}', '\u{7f}', '\u{a0}', '\u{200b}', '\u{feff}'] {
            unsafe_uris.extend([
                format!("{inside}{uri}"),
                format!("{head}{inside}{tail}:{rest}"),
                format!("{scheme}{inside}:{rest}"),
                format!("{scheme}:{inside}{rest}"),
                format!("{uri}{inside}"),
            ]);
        }
    }
    let others = [
        "http://a.example/cb",
        "HTTP://a.example/cb",
        "http://10.0.0.1/cb",
        "http://127.0.0.1.evil.com/cb",
        "http://localhost.evil.com/cb",
        "http://localhost@evil.com/cb",
        "http://127.1/cb",
        "http://0.0.0.0/cb",
        "https://a.example/cb#",
        "https://a.example/cb#f",
        "http://127.0.0.1/cb#f",
        "com.app:/cb#f",
        "https://u@a.example/cb",
        "https://u:p@a.example/cb",
        "https://@a.example/cb",
        "http://u@localhost/cb",
        "com.app://u@x/cb",
        "https://a.example\\@b.example/cb",
        "https://a.example/c b",
        "https://a.example/cb\r\nx",
        "https://a.example/\u{202e}",
        "https://a.example/<script>",
        "https:///cb",
        "https:a.example",
        "//a.example/cb",
        "/cb",
        "cb",
        "",
        "*",
        "https://a.example/cb?code=mine",
        "https://a.example/cb?iss=https://evil.example",
        "https://a.example/cb?stat%65=mine",
    ];
    unsafe_uris.extend(others.map(str::to_owned));
    unsafe_uris
}

#[tokio::test]
async fn attack_05_unsafe_redirect_uris_are_refused_at_registration_alone_and_among_others() {
    let world = World::new();
    for uri in unsafe_uris() {
        for uris in [json!([uri]), json!([CALLBACK, uri]), json!([uri, CALLBACK])] {
            let answer = world.register(&json!({ "redirect_uris": uris, "token_endpoint_auth_method": "none" })).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{uri:?}");
            answer.assert_error(400, "invalid_redirect_uri");
            assert!(!answer.body().contains("client_id"));
        }
    }
}

#[tokio::test]
async fn attack_06_a_redirect_uri_at_the_token_endpoint_is_the_one_of_the_request() {
    let world = World::new();
    let other = "https://client.example/other";
    for method in ["none", "client_secret_post"] {
        let client = world.client(method, &[CALLBACK, other]).await;
        for mine in [CALLBACK, other] {
            let code = world.code_for(&client, &[("redirect_uri", mine)]).await;
            let (slash, upper) = (format!("{mine}/"), mine.to_uppercase());
            let not_mine = if mine == CALLBACK { other } else { CALLBACK };
            for wrong in [not_mine, "https://evil.example/cb", &slash, &upper, &format!("{mine}?"), " ", "x"] {
                let answer = world.exchange(&client, &code, &[("redirect_uri", wrong)]).await;
                answer.assert_error(400, "invalid_grant");
            }
            let twice = [("redirect_uri", mine), ("redirect_uri", mine)];
            world.exchange(&client, &code, &twice).await.assert_error(400, "invalid_request");
            let answer = world.exchange(&client, &code, &[("redirect_uri", mine)]).await;
            assert_eq!(answer.status(), StatusCode::OK, "none of that burned the code: {}", answer.body());
        }
    }
}

#[tokio::test]
async fn attack_06_a_redirect_uri_may_be_left_out_at_the_token_endpoint() {
    let world = World::new();
    let client = world.public_client().await;
    for in_request in [CALLBACK, ""] {
        for at_token in ["", CALLBACK] {
            let code = world.code_for(&client, &[("redirect_uri", in_request)]).await;
            let wrong = [("redirect_uri", "https://client.example/other")];
            world.exchange(&client, &code, &wrong).await.assert_error(400, "invalid_grant");
            let answer = world.exchange(&client, &code, &[("redirect_uri", at_token)]).await;
            assert_eq!(answer.status(), StatusCode::OK, "{in_request} {at_token} {}", answer.body());
        }
    }
    let code = world.code(&client).await;
    let form = client.token_request(&code, &[("redirect_uri", "")]);
    let form = [support::pairs(&form), vec![("redirect_uri", "")]].concat();
    let answer = world.post("/oauth/token", &form, &[]).await;
    assert_eq!(answer.status(), StatusCode::OK, "an empty one is none: {}", answer.body());
}
