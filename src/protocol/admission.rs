//! On what terms a client that registers itself is taken in, and what makes two registrations the same.

use ring::digest::{SHA256, digest};
use serde::Serialize;

use super::client::{AuthMethod, ClientLifetimes, ClientMetadata, GrantType};
use super::policy::Policy;
use super::redirect::RedirectUri;
use super::resource::{ResourceId, ResourceUri};
use super::scope::ScopeSet;

/// What a client that registers itself gets beyond what it asks for, or less. None of it is in its own hands.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Terms {
    /// The names of the scopes that it may ever get; `None` for all that are not reserved. Reserved ones it never gets.
    pub scopes: Option<ScopeSet>,
    /// Whether it may act for itself (RFC 6749 §4.4), if it asks for that and proves who it is.
    pub client_credentials: bool,
    /// The resources whose tokens it may introspect beside its own (RFC 7662), if it proves who it is; `None` if it
    /// may introspect none.
    pub introspects: Option<Vec<ResourceUri>>,
    /// Where its tokens live for other than the usual times.
    pub lifetimes: ClientLifetimes,
    /// Whether its assertions may be addressed to the token endpoint, and not to the issuer alone, if it authenticates
    /// by them (RFC 7523 §3). [`NewClient::token_endpoint_audience`](super::new_client::NewClient::token_endpoint_audience)
    /// says what that costs.
    pub token_endpoint_audience: bool,
    /// Whether it may read, change and remove its registration by a token of its own (RFC 7592).
    pub managed: bool,
}

impl Terms {
    /// The same with the ids of scopes in place of their names: a scope that comes later under a name is another one.
    pub(super) fn by_id(&self, policy: &Policy) -> Self {
        Self { scopes: self.scopes.as_ref().map(|names| policy.scopes.ids_of(names)), ..self.clone() }
    }

    /// The ids of the resources whose tokens the client may introspect. Those that there are not are left out.
    pub(super) fn introspected(&self, policy: &Policy) -> Option<Vec<ResourceId>> {
        let ids = |uris: &Vec<ResourceUri>| {
            uris.iter().filter_map(|uri| policy.resources.named(uri)).map(|known| known.id().clone()).collect()
        };
        self.introspects.as_ref().map(ids)
    }
}

/// What identical registrations have in common.
#[derive(Serialize)]
struct Same<'a> {
    redirect_uris: Vec<&'a RedirectUri>,
    name: Option<&'a str>,
    home_page: Option<&'a str>,
    logo: Option<&'a str>,
    refreshes: bool,
    scopes: Option<&'a ScopeSet>,
    lifetimes: ClientLifetimes,
}

/// A digest of all that is shown of a registration and enforced on it, which leads every identical one to one
/// client (attack 35). `None` for one that cannot be shared: it proves who it is, or has a token to manage itself, and
/// whoever registers the same would get it.
#[must_use]
pub fn fold(metadata: &ClientMetadata, terms: &Terms) -> Option<[u8; 32]> {
    let ClientMetadata { redirect_uris, name, home_page, logo, auth_method, grant_types } = metadata;
    if *auth_method != AuthMethod::None || terms.managed {
        return None;
    }
    // The order in which a client lists them says nothing.
    let mut redirect_uris: Vec<_> = redirect_uris.iter().collect();
    redirect_uris.sort_unstable_by_key(|uri| uri.as_str());
    redirect_uris.dedup_by_key(|uri| uri.as_str());
    let same = Same {
        redirect_uris,
        name: name.as_deref(),
        home_page: home_page.as_deref(),
        logo: logo.as_deref(),
        refreshes: grant_types.contains(&GrantType::RefreshToken),
        scopes: terms.scopes.as_ref(),
        lifetimes: terms.lifetimes,
    };
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, &serde_json::to_vec(&same).ok()?).as_ref());
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::ScopeCatalogue;
    use super::super::issuer::Issuer;
    use super::super::scope_change::Scope;
    use super::super::scope_records::ScopeRecord;
    use super::*;

    #[test]
    fn terms_are_kept_by_the_ids_of_scopes_which_no_later_scope_of_a_name_has() {
        let (id, scope) = (r"read\2".to_owned(), Scope::new("read", "Look").declared().unwrap());
        let later = ScopeRecord { id, of_code: false, ..scope };
        let policy = Policy {
            issuer: Issuer::parse("https://h.example").unwrap(),
            scopes: ScopeCatalogue::new(Vec::new()).overlaid(&[later]),
            default_scopes: ScopeSet::empty(),
            resources: Default::default(),
            lifetimes: Default::default(),
        };
        let terms = Terms { scopes: Some(ScopeSet::parse("read").unwrap()), managed: true, ..Terms::default() };
        let by_id = terms.by_id(&policy);
        assert_eq!((by_id.scopes.unwrap().as_str(), by_id.managed), (r"read\2", true));
    }
}
