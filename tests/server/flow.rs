//! The main job, from registration to revocation, over HTTP and without a network.

use crate::support::{self, API, CALLBACK, ISSUER, World};
use grantor::protocol::grant::Subject;
use http::{Method, StatusCode};

#[tokio::test]
async fn a_user_consents_a_client_gets_a_token_and_loses_it_again() {
    let world = World::new();
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");

    let answer = browser.allow(&client.authorize()).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(answer.location().unwrap().starts_with(&format!("{CALLBACK}?")));
    assert_eq!(answer.redirect_parameter("state").as_deref(), Some("st/a te"));
    assert_eq!(answer.redirect_parameter("iss").as_deref(), Some(ISSUER));
    let code = answer.redirect_parameter("code").unwrap();

    let answer = world.exchange(&client, &code, &[]).await;
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
    let token = answer.json();
    assert_eq!((token["token_type"].as_str(), token["expires_in"].as_u64()), (Some("Bearer"), Some(3600)));
    assert_eq!(token["scope"].as_str(), Some("projects:read projects:write"));
    let token = token["access_token"].as_str().unwrap();
    assert!(world.is_live(token).await);

    let alice = Subject::new("alice");
    let apps = world.server.grants(&alice, None, 10).await.unwrap();
    assert_eq!(apps.iter().map(|app| app.client_name.as_str()).collect::<Vec<_>>(), ["Helper"]);
    assert!(!world.server.revoke_grant(&Subject::new("bob"), apps[0].id).await.unwrap());
    assert!(world.is_live(token).await, "only her own hand takes it back");
    assert!(world.server.revoke_grant(&alice, apps[0].id).await.unwrap());
    assert!(!world.is_live(token).await);
    assert!(world.server.grants(&alice, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_denial_reaches_the_client() {
    let world = World::new();
    let client = world.public_client().await;
    let answer = world.browser_of("alice").deny(&client.authorize()).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.redirect_parameter("error").as_deref(), Some("access_denied"));
    assert_eq!(answer.redirect_parameter("state").as_deref(), Some("st/a te"));
    assert_eq!(answer.redirect_parameter("iss").as_deref(), Some(ISSUER));
    assert!(answer.redirect_parameter("code").is_none());
    assert!(world.server.grants(&Subject::new("alice"), None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn whoever_is_signed_out_comes_back_after_the_login() {
    let world = World::new();
    let client = world.public_client().await;
    let mut browser = world.browser();
    let answer = browser.get(&client.authorize()).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let login = url::Url::parse(ISSUER).unwrap().join(answer.location().unwrap()).unwrap();
    assert_eq!(login.path(), "/login");
    let return_to = login.query_pairs().find(|(name, _)| name == "return_to").unwrap().1.into_owned();

    browser.sign_in("bob");
    let answer = browser.allow(&return_to).await;
    assert_eq!(answer.redirect_parameter("state").as_deref(), Some("st/a te"));
    assert!(answer.redirect_parameter("code").is_some());
}

#[tokio::test]
async fn confidential_clients_authenticate_with_basic_or_post() {
    let world = World::new();
    for method in ["client_secret_basic", "client_secret_post"] {
        let client = world.client(method, &[CALLBACK]).await;
        assert!(client.secret.is_some());
        let code = world.code(&client).await;
        assert_eq!(world.exchange(&client, &code, &[]).await.status(), StatusCode::OK);

        let code = world.code(&client).await;
        let form = client.token_request(&code, &[("client_secret", ""), ("client_id", "")]);
        let answer = world.post("/oauth/token", &support::pairs(&form), &[("authorization", &client.basic())]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
    }
}

#[tokio::test]
async fn metadata_is_where_clients_look() {
    let world = World::new();
    let server = world.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(server["issuer"], ISSUER);
    assert_eq!(server["authorization_endpoint"], "https://app.example/oauth/authorize");
    assert_eq!(server["registration_endpoint"], "https://app.example/oauth/register");
    assert_eq!(server["code_challenge_methods_supported"], serde_json::json!(["S256"]));
    assert_eq!(server["authorization_response_iss_parameter_supported"], true);
    assert_eq!(server["scopes_supported"], serde_json::json!(["projects:read", "projects:write", "offline_access"]));

    for (path, resource) in [("/api", API), ("/mcp", support::MCP), ("", API)] {
        let document = world.get(&format!("/.well-known/oauth-protected-resource{path}")).await.json();
        assert_eq!(document["resource"], resource);
        assert_eq!(document["authorization_servers"], serde_json::json!([ISSUER]));
    }
    let head = world.call(Method::HEAD, "/.well-known/oauth-authorization-server", &[]).await;
    assert_eq!((head.status(), head.body()), (StatusCode::OK, ""));
    assert_ne!(head.header("content-length"), Some("0"));
}

#[tokio::test]
async fn access_is_refreshed_repeated_and_given_back() {
    let world = World::new();
    let metadata = serde_json::json!({
        "client_name": "Helper", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    let id = world.register(&metadata).await.json()["client_id"].as_str().unwrap().to_owned();
    let client = support::Client { id, secret: None, redirect_uri: CALLBACK.to_owned() };
    let code = world.code(&client).await;
    let first = world.exchange(&client, &code, &[]).await.json();
    let refresh = |token: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", client.id.as_str())];
        let form: Vec<_> = form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let world = world.clone();
        async move { world.post("/oauth/token", &support::pairs(&form), &[]).await }
    };

    let second = refresh(first["refresh_token"].as_str().unwrap()).await.json();
    assert!(world.is_live(second["access_token"].as_str().unwrap()).await, "{second}");
    let again = refresh(first["refresh_token"].as_str().unwrap()).await.json();
    assert_eq!((&again["access_token"], &again["refresh_token"]), (&second["access_token"], &second["refresh_token"]));
    let third = refresh(second["refresh_token"].as_str().unwrap()).await.json();
    assert!(world.is_live(third["access_token"].as_str().unwrap()).await, "{third}");

    let form = [("token", third["refresh_token"].as_str().unwrap()), ("client_id", client.id.as_str())];
    assert_eq!(world.post("/oauth/revoke", &form, &[]).await.status(), StatusCode::OK);
    assert!(!world.is_live(third["access_token"].as_str().unwrap()).await);
    refresh(third["refresh_token"].as_str().unwrap()).await.assert_error(400, "invalid_grant");
}
