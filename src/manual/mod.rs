//! The manual: what is easier to read in one place than item by item.

/// The attacks that this crate was built against, and the tests that prove the defences.
pub mod attacks {
    #![doc = include_str!("attacks.md")]
}

/// What happened: the events, what to watch, and the metrics.
pub mod audit {
    #![doc = include_str!("audit.md")]
}

/// Clients that are known by a metadata document, as MCP clients prefer: how to let them come, and what that means.
pub mod documents {
    #![cfg_attr(
        not(feature = "fetch"),
        allow(rustdoc::broken_intra_doc_links, reason = "it links to the fetcher, which is a feature")
    )]
    #![doc = include_str!("documents.md")]
}

/// Looking at a deployment as each known client would: what to run, what it sees, and what it means.
pub mod doctor {
    #![cfg_attr(
        not(feature = "doctor"),
        allow(rustdoc::broken_intra_doc_links, reason = "it links to the doctor, which is a feature")
    )]
    #![doc = include_str!("doctor.md")]
}

/// Which feature to take, and what each costs in packages and build time.
pub mod features {
    #![doc = include_str!("features.md")]
}

/// The way over from oxide-auth: what an app keeps, what it changes, and what is different afterwards.
pub mod oxide_auth {
    #![cfg_attr(
        not(feature = "oxide-auth-async"),
        allow(rustdoc::broken_intra_doc_links, reason = "it links to the bridge, which is a feature")
    )]
    #![doc = include_str!("oxide_auth.md")]
    #![doc = "```text"]
    #![doc = include_str!("../../examples/oxide_auth/before.rs")]
    #![doc = "```"]
    #![doc = "After, the solicitor, the scopes and the guarded route are as they were:"]
    #![doc = "```text"]
    #![doc = include_str!("../../examples/oxide_auth/after.rs")]
    #![doc = "```"]
}

/// Running it: keys, instances, clients and people that have to go, registration, and what to watch.
pub mod operations {
    #![doc = include_str!("operations.md")]
}

/// How fast it is beside its rivals and the bare machine, what the figures do not mean, and what costs most.
pub mod performance {
    #![doc = include_str!("performance.md")]
}

/// What holds if you say nothing.
pub mod defaults {
    #![doc = include_str!("defaults.md")]
}

/// The consent page: what it shows and why, how to brand or replace it, and what a login page has to mind.
#[cfg(feature = "pages")]
pub mod consent {
    #![doc = include_str!("consent.md")]
}

/// Scopes that change at run time, that have others in them and that need no consent.
pub mod scopes {
    #![doc = include_str!("scopes.md")]
}

/// Resources that come and go at run time, what that means for live grants, and guards for many tenants.
pub mod resources {
    #![doc = include_str!("resources.md")]
}

/// The guard in another process than the authorization server: what it takes, how stale its answers may be, and what
/// happens when something fails.
pub mod resource_servers {
    #![cfg_attr(
        not(feature = "remote"),
        allow(rustdoc::broken_intra_doc_links, reason = "it links to the transport, which is a feature")
    )]
    #![doc = include_str!("resource_servers.md")]
}

/// Where everything is kept: which store to take, how to write and prove one of your own, and what it takes to
/// run one.
pub mod storage {
    #![cfg_attr(
        not(all(feature = "sqlite", feature = "postgres", feature = "testkit")),
        allow(rustdoc::broken_intra_doc_links, reason = "it links to stores and to the kit, which are features")
    )]
    #![doc = include_str!("storage.md")]
    #![doc = ""]
    #![doc = include_str!("compatible_databases.md")]
    #![doc = "```sql"]
    #![doc = include_str!("../../examples/custom_store/store/schema.sql")]
    #![doc = "```"]
}

#[cfg(all(doctest, feature = "axum", feature = "sqlite"))]
#[doc = include_str!("../../README.md")]
mod readme {}
