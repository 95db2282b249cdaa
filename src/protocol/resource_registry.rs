//! The resources that there are at one moment: those of the code, and what was added and retired since.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::catalogue::ScopeCatalogue;
use super::policy_records::ResourceRecord;
use super::resource::{ResourceId, ResourceUri};
use super::scope::ScopeSet;

/// A resource of the app: an API or an MCP endpoint that tokens are for.
#[derive(Debug, Clone)]
pub struct KnownResource {
    /// What clients send as `resource`.
    pub uri: ResourceUri,
    /// What is said of it.
    pub record: ResourceRecord,
    /// The ids of the scopes that mean something there. `offline_access` is about the connection and belongs to no
    /// resource.
    pub scopes: ScopeSet,
    alone: Arc<[ResourceId]>,
}

impl KnownResource {
    /// A resource of which that is said.
    #[must_use]
    pub fn new(record: ResourceRecord, catalogue: &ScopeCatalogue) -> Self {
        let scopes = catalogue.of_resource(record.scopes.as_ref());
        Self { uri: record.id.uri(), alone: Arc::new([record.id.clone()]), record, scopes }
    }

    /// What grants and tokens have of it.
    #[must_use]
    pub const fn id(&self) -> &ResourceId {
        &self.record.id
    }

    /// The same as what a grant for nothing else is for. All of them share it.
    #[must_use]
    pub const fn alone(&self) -> &Arc<[ResourceId]> {
        &self.alone
    }

    /// Whether a scope of that name means something there, if there is one.
    #[must_use]
    pub fn lists(&self, scope: &str) -> bool {
        self.record.scopes.as_ref().is_none_or(|listed| listed.contains(scope))
    }
}

/// All resources of the app. The first of the code is the default for requests that name none.
///
/// Clients speak of resources by their URLs; grants, tokens and clients' rights hold ids. Both are told apart here and
/// nowhere else: [`named`](Self::named) reads what a client sent, [`of`](Self::of) says whether something stored is
/// worth anything now. Each is one look-up, however many resources there are.
#[derive(Debug, Clone, Default)]
pub struct ResourceRegistry {
    /// At most one of a URL.
    all: Vec<KnownResource>,
    /// Where each is in the list.
    by_url: BTreeMap<ResourceUri, usize>,
    /// The same for the URL without its query, of those that have one.
    by_path: BTreeMap<String, usize>,
    default: Option<ResourceUri>,
    /// The root of an origin, and the resource that it is another name of.
    alias: Option<(ResourceUri, ResourceUri)>,
}

impl ResourceRegistry {
    /// Adds a resource; `false` if its URL has a meaning already.
    pub fn add(&mut self, resource: KnownResource) -> bool {
        let is_new = self.named(&resource.uri).is_none();
        if is_new {
            self.default.get_or_insert_with(|| resource.uri.clone());
            self.put(resource);
        }
        is_new
    }

    fn put(&mut self, resource: KnownResource) {
        let at = self.all.len();
        if let Some((path, _)) = resource.uri.as_str().split_once('?') {
            self.by_path.entry(path.to_owned()).or_insert(at);
        }
        self.by_url.insert(resource.uri.clone(), at);
        self.all.push(resource);
    }

    /// Makes a resource the default; `false` if there is none of that URL.
    pub fn set_default(&mut self, uri: &ResourceUri) -> bool {
        let found = self.at(uri.as_str()).is_some();
        if found {
            self.default = Some(uri.clone());
        }
        found
    }

    /// Makes the root of an origin another name of a resource; `false` if it has a meaning already.
    pub fn set_alias(&mut self, root: ResourceUri, resource: &ResourceUri) -> bool {
        let is_free = self.named(&root).is_none();
        if is_free {
            self.alias = Some((root, resource.clone()));
        }
        is_free
    }

    /// The resources of the code as `self` has them, with what is stored laid over them; `root` is the URL of the
    /// issuer's origin.
    ///
    /// Where both speak of one resource, the code says what it is, and what is stored whether it is retired.
    #[must_use]
    pub fn overlaid(&self, stored: &[ResourceRecord], catalogue: &ScopeCatalogue, root: Option<&ResourceUri>) -> Self {
        let mut newest: HashMap<&str, &ResourceRecord> = HashMap::with_capacity(stored.len());
        for record in stored {
            let rank = |record: &ResourceRecord| (record.id.number(), record.retired);
            let known = newest.entry(record.id.url()).or_insert(record);
            if rank(record) > rank(known) {
                *known = record;
            }
        }
        let mut registry = Self { default: self.default.clone(), ..Self::default() };
        for declared in &self.all {
            let record = match newest.get(declared.uri.as_str()) {
                Some(changed) if changed.id == declared.record.id => {
                    ResourceRecord { retired: changed.retired, ..declared.record.clone() }
                }
                Some(changed) => (*changed).clone(),
                None => declared.record.clone(),
            };
            registry.put(KnownResource::new(record, catalogue));
        }
        for record in stored {
            let is_newest = newest.get(record.id.url()).is_some_and(|known| std::ptr::eq(*known, record));
            if is_newest && !registry.by_url.contains_key(record.id.url()) {
                // What the code has no more is worth nothing.
                let retired = record.retired || record.of_code;
                registry.put(KnownResource::new(ResourceRecord { retired, ..record.clone() }, catalogue));
            }
        }
        let of_code = self.alias.as_ref().and_then(|(_, target)| registry.at(target.as_str()));
        let of_origin = || registry.iter().find(|known| known.record.is_origin);
        let target = of_code.or_else(of_origin).map(|known| known.uri.clone());
        registry.alias = root.cloned().zip(target);
        registry
    }

    /// The resource that a request without `resource` means.
    #[must_use]
    pub fn default_resource(&self) -> Option<&KnownResource> {
        self.default.as_ref().and_then(|uri| self.at(uri.as_str()))
    }

    /// The resource that a client means by a URL: of which it is the URL, or another name.
    #[must_use]
    pub fn named(&self, uri: &ResourceUri) -> Option<&KnownResource> {
        let by_alias = || {
            let (_, target) = self.alias.as_ref().filter(|(root, _)| root == uri)?;
            self.at(target.as_str())
        };
        self.at(uri.as_str()).or_else(by_alias)
    }

    /// The same by the text that a client sent; `None` also if that names no resource at all.
    #[must_use]
    pub fn meant_by(&self, text: &str) -> Option<&KnownResource> {
        // Nearly every client sends the URL as it was told, which need not be read.
        self.at(text).or_else(|| self.named(&ResourceUri::parse(text).ok()?))
    }

    /// The resource of exactly that canonical URL.
    #[must_use]
    pub fn at(&self, url: &str) -> Option<&KnownResource> {
        self.heard_of(url).filter(|known| !known.record.retired)
    }

    /// The same, also if it is retired.
    #[must_use]
    pub fn heard_of(&self, url: &str) -> Option<&KnownResource> {
        self.by_url.get(url).and_then(|at| self.all.get(*at))
    }

    /// The resource that a grant or a token is about; `None` if it is no more.
    #[must_use]
    pub fn of(&self, id: &ResourceId) -> Option<&KnownResource> {
        self.at(id.url()).filter(|known| known.record.id == *id)
    }

    /// The resource whose URL that is, up to its query.
    #[must_use]
    pub fn at_path(&self, url: &str) -> Option<&KnownResource> {
        let with_query = || self.by_path.get(url).and_then(|at| self.all.get(*at));
        self.at(url).or_else(|| with_query().filter(|known| !known.record.retired))
    }

    /// Those ids as a grant has them. All grants for one resource share its id.
    #[must_use]
    pub fn shared(&self, ids: &[ResourceId]) -> Arc<[ResourceId]> {
        match ids {
            [id] if let Some(known) = self.of(id) => Arc::clone(known.alone()),
            _ => ids.into(),
        }
    }

    /// The URLs of those resources that there still are.
    #[must_use]
    pub fn left_of(&self, ids: &[ResourceId]) -> Vec<ResourceUri> {
        ids.iter().filter_map(|id| self.of(id)).map(|known| known.uri.clone()).collect()
    }

    /// All resources in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &KnownResource> {
        self.all.iter().filter(|known| !known.record.retired)
    }

    /// Those that there were.
    pub fn retired(&self) -> impl Iterator<Item = &KnownResource> {
        self.all.iter().filter(|known| known.record.retired)
    }
}

#[cfg(test)]
mod tests {
    use super::super::issuer::Issuer;
    use super::super::resource_change::Resource;
    use super::*;

    const ROOT: &str = "https://h";

    fn uri(text: &str) -> ResourceUri {
        ResourceUri::parse(text).unwrap()
    }

    fn record(url: &str) -> ResourceRecord {
        let issuer = Issuer::parse(ROOT).unwrap();
        Resource::new(url).declared(&issuer, &ScopeCatalogue::default()).unwrap()
    }

    fn stored(id: &str, retired: bool) -> ResourceRecord {
        ResourceRecord { id: ResourceId::parse(id).unwrap(), retired, of_code: false, ..record("/x") }
    }

    fn registry(urls: &[&str]) -> ResourceRegistry {
        let mut registry = ResourceRegistry::default();
        for url in urls {
            assert!(registry.add(KnownResource::new(record(url), &ScopeCatalogue::default())));
        }
        registry
    }

    fn overlaid(code: &ResourceRegistry, stored: &[ResourceRecord]) -> ResourceRegistry {
        code.overlaid(stored, &ScopeCatalogue::default(), Some(&uri(ROOT)))
    }

    fn ids(registry: &ResourceRegistry) -> Vec<&str> {
        registry.iter().map(|known| known.id().as_str()).collect()
    }

    #[test]
    fn of_two_records_with_one_id_the_first_counts() {
        let named = |name: &str| ResourceRecord { name: Some(name.to_owned()), ..stored("https://h/late", false) };
        let registry = overlaid(&registry(&["/api"]), &[named("First"), named("Second")]);
        let late = registry.named(&uri("https://h/late")).unwrap();
        assert_eq!(late.record, named("First"));
    }

    #[test]
    fn the_first_resource_is_the_default_until_another_is_named() {
        assert!(ResourceRegistry::default().default_resource().is_none());
        let mut registry = registry(&["/api", "/mcp"]);
        let again = KnownResource::new(record("/api/"), &ScopeCatalogue::default());
        assert!(!registry.add(again), "one entry a resource");
        assert_eq!(registry.default_resource().unwrap().uri, uri("https://h/api"));
        assert!(registry.set_default(&uri("https://h/mcp")) && !registry.set_default(&uri("https://h/x")));
        assert_eq!(registry.default_resource().unwrap().uri, uri("https://h/mcp"));
        assert!(registry.named(&uri("https://h/mcp2")).is_none());
    }

    #[test]
    fn the_newest_of_a_url_counts_and_retired_is_retired() {
        let code = registry(&["/api", "/mcp"]);
        for (records, left) in [
            (&[][..], &["https://h/api", "https://h/mcp"][..]),
            (&[stored("https://h/mcp", true)], &["https://h/api"]),
            (&[stored("https://h/mcp", true), stored("https://h/mcp", false)], &["https://h/api"]),
            (&[stored("https://h/mcp#2", false)], &["https://h/api", "https://h/mcp#2"]),
            (&[stored("https://h/mcp#3", true), stored("https://h/mcp#2", false)], &["https://h/api"]),
            (&[stored("https://h/new", false), stored("https://h/new", true)], &["https://h/api", "https://h/mcp"]),
            (&[stored("https://h/api", true)], &["https://h/mcp"]),
        ] {
            assert_eq!(ids(&overlaid(&code, records)), left, "{records:?}");
        }
        let none = overlaid(&code, &[stored("https://h/api", true)]);
        assert!(none.default_resource().is_none(), "the next one is not the default by that");
        let of_code = ResourceRecord { of_code: true, ..stored("https://h/gone", false) };
        assert_eq!(ids(&overlaid(&code, &[of_code])), ["https://h/api", "https://h/mcp"], "the code has it no more");
    }

    #[test]
    fn what_is_held_is_worth_something_as_long_as_it_is_that_very_resource() {
        let code = registry(&["/api", "/mcp"]);
        let later = overlaid(&code, &[stored("https://h/mcp#2", false)]);
        let is_there = |registry: &ResourceRegistry, id| registry.of(&ResourceId::parse(id).unwrap()).is_some();
        assert!(is_there(&code, "https://h/mcp") && !is_there(&code, "https://h/mcp#2"));
        assert!(!is_there(&later, "https://h/mcp") && is_there(&later, "https://h/mcp#2"));
        assert!(!is_there(&later, "https://h/mcp#3") && !is_there(&later, "https://h/x"));
        let ids = ["https://h/mcp", "https://h/api", "https://h/mcp#2"].map(|id| ResourceId::parse(id).unwrap());
        assert_eq!(later.left_of(&ids), [uri("https://h/api"), uri("https://h/mcp")]);
    }

    #[test]
    fn the_origin_is_another_name_of_what_the_code_says_or_else_of_what_was_added() {
        let mut code = registry(&["/api", "/mcp"]);
        let added = ResourceRecord { is_origin: true, ..stored("https://h/new", false) };
        let named = |registry: &ResourceRegistry| registry.named(&uri(ROOT)).map(|known| known.uri.to_string());
        assert_eq!(named(&overlaid(&code, &[])), None);
        assert_eq!(named(&overlaid(&code, std::slice::from_ref(&added))).as_deref(), Some("https://h/new"));
        assert!(code.set_alias(uri(ROOT), &uri("https://h/mcp")) && !code.set_alias(uri(ROOT), &uri("https://h/api")));
        assert_eq!(named(&overlaid(&code, std::slice::from_ref(&added))).as_deref(), Some("https://h/mcp"));
        assert_eq!(named(&overlaid(&code, &[stored("https://h/mcp", true)])), None);
        let root = overlaid(&code, &[stored("https://h", false)]);
        assert_eq!(named(&root).as_deref(), Some("https://h"), "its own name before all others");
        assert!(root.at("https://h/").is_none(), "canonical URLs alone");
    }

    #[test]
    fn a_resource_with_a_query_is_found_by_its_path() {
        let code = registry(&["/a?b=c", "/d"]);
        let found = |registry: &ResourceRegistry, url| registry.at_path(url).map(|known| known.uri.to_string());
        assert_eq!(found(&code, "https://h/a").as_deref(), Some("https://h/a?b=c"));
        assert_eq!(found(&code, "https://h/d").as_deref(), Some("https://h/d"));
        assert_eq!(found(&code, "https://h/b"), None);
        assert_eq!(found(&overlaid(&code, &[stored("https://h/a?b=c", true)]), "https://h/a"), None);
    }
}
