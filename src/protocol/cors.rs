//! Cross-origin requests (Fetch standard §3.2): public clients run in browsers, on other origins.
//!
//! Every endpoint that takes no cookies answers any origin, and never with credentials. The pages,
//! which do take cookies, answer none.

/// Sent with every answer of an endpoint that browsers may call from anywhere.
pub const RESPONSE_HEADERS: [(&str, &str); 2] = [
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "WWW-Authenticate, Retry-After, DPoP-Nonce, Mcp-Session-Id, Grantor-Reference"),
];

/// Sent as well with the answer to a preflight, together with the methods.
pub const PREFLIGHT_HEADERS: [(&str, &str); 2] = [
    (
        "access-control-allow-headers",
        "Authorization, Content-Type, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID, DPoP",
    ),
    ("access-control-max-age", "86400"),
];

/// The methods that a guarded route may be called with; which of them it has is the route's affair.
pub const RESOURCE_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
