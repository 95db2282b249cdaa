//! What cannot be a resource server is none.

use std::time::Duration;

use grantor::ResourceServer;
use grantor::guard::{InvalidResourceServer as Invalid, ResourceServerBuilder};

use crate::scene::Scene;
use crate::support::{API, ISSUER};

fn builder(issuer: &str, resource: &str) -> ResourceServerBuilder {
    ResourceServer::builder(issuer, resource).client("c", "secret").scopes("a b")
}

#[tokio::test]
async fn what_would_be_unsafe_or_useless_is_told_when_it_is_built() {
    let fails = |builder: ResourceServerBuilder| builder.build().unwrap_err();
    for issuer in ["app.example", "http://app.example", "https://app.example?x", ""] {
        assert!(matches!(fails(builder(issuer, API)), Invalid::Issuer(..)), "{issuer}");
    }
    for resource in ["/api", "api", "ftp://api.example", "https://api.example/#f", "https://u@api.example", ""] {
        assert!(matches!(fails(builder(ISSUER, resource)), Invalid::Resource(..)), "{resource}");
    }
    for resource in ["http://api.example/mcp", "http://10.0.0.1/", "http://127.0.0.1.evil.example/"] {
        assert!(matches!(fails(builder(ISSUER, resource)), Invalid::PlainHttp(_)), "{resource}");
    }
    assert!(matches!(fails(ResourceServer::builder(ISSUER, API)), Invalid::NoClient));
    for (id, secret) in [("", "x"), ("c", ""), ("é", "x")] {
        assert!(matches!(fails(builder(ISSUER, API).client(id, secret)), Invalid::Client(_)), "{id}");
    }
    assert!(matches!(fails(builder(ISSUER, API).scopes("a\"")), Invalid::Scopes(..)));
    assert!(matches!(fails(builder(ISSUER, API).default_scopes("c")), Invalid::DefaultScopes(_)));
    let longest = Duration::from_secs(60);
    let long = fails(builder(ISSUER, API).staleness(longest + Duration::from_millis(1)));
    assert_eq!(long.to_string(), "a staleness of 60.001s is more than 60s");
    assert!(builder(ISSUER, API).staleness(longest).build().is_ok());
    for url in ["http://app.example/introspect", "/introspect", "https://u:p@app.example/", "ftp://127.0.0.1/"] {
        assert!(matches!(fails(builder(ISSUER, API).introspection_endpoint(url)), Invalid::Endpoint(_)), "{url}");
    }
    for url in ["https://app.example/introspect", "http://127.0.0.1:9/introspect"] {
        assert!(builder(ISSUER, API).introspection_endpoint(url).build().is_ok());
    }
}

#[tokio::test]
async fn a_guard_requires_only_what_there_is() {
    let scene = Scene::new().await;
    assert!(scene.resource.require("projects:read projects:write").is_ok() && scene.resource.require("").is_ok());
    for unknown in ["projects:delete", "projects:read x", "a\"b", "offline_access"] {
        let error = scene.resource.require(unknown).unwrap_err().to_string();
        assert!(error.contains(API) && error.contains("ResourceServerBuilder::scopes"), "{error}");
    }
}
