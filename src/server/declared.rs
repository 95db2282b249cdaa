//! Scopes and resources as the code of the app has them.

use super::InvalidConfiguration;
use crate::protocol::catalogue::ScopeCatalogue;
use crate::protocol::issuer::Issuer;
use crate::protocol::resource::ResourceUri;
use crate::protocol::resource_change::{InvalidResourceChange, Resource};
use crate::protocol::resource_registry::{KnownResource, ResourceRegistry};
use crate::protocol::scope::OFFLINE_ACCESS;
use crate::protocol::scope_change::Scope;
use crate::protocol::scope_records::ScopeRecord;

pub(super) fn catalogue(scopes: Vec<Scope>) -> Result<ScopeCatalogue, InvalidConfiguration> {
    if scopes.is_empty() {
        return Err(InvalidConfiguration::NoScope);
    }
    let mut records: Vec<ScopeRecord> = Vec::new();
    for scope in scopes {
        let name = scope.name().to_owned();
        let record = scope.declared().map_err(|_| InvalidConfiguration::Scope(name))?;
        match records.iter_mut().find(|known| known.name == record.name) {
            Some(known) => *known = record,
            None => records.push(record),
        }
    }
    if records.iter().all(|record| record.name != OFFLINE_ACCESS) {
        let stay = Scope::new(OFFLINE_ACCESS, "Stay connected until you take the access back");
        records.extend(stay.declared());
    }
    let is_known = |name: &String| records.iter().any(|record| record.name == *name);
    if let Some(unknown) = records.iter().flat_map(|record| &record.implies).find(|name| !is_known(name)) {
        return Err(InvalidConfiguration::UnknownScope(unknown.clone()));
    }
    let catalogue = ScopeCatalogue::new(records);
    match catalogue.cycle().map(str::to_owned) {
        Some(scope) => Err(InvalidConfiguration::ScopeCycle(scope)),
        None => Ok(catalogue),
    }
}

pub(super) fn registry(
    resources: Vec<Resource>,
    default: Option<&str>,
    catalogue: &ScopeCatalogue,
    issuer: &Issuer,
) -> Result<ResourceRegistry, InvalidConfiguration> {
    let parse = |url: &str| {
        ResourceUri::parse(&issuer.absolute(url)).map_err(|error| InvalidConfiguration::Resource(url.to_owned(), error))
    };
    let mut registry = ResourceRegistry::default();
    for resource in resources {
        let url = resource.url().to_owned();
        let known = KnownResource::new(resource.declared(issuer, catalogue)?, catalogue);
        let (uri, is_origin) = (known.uri.clone(), known.record.is_origin);
        if !registry.add(known) || (is_origin && !registry.set_alias(parse("/")?, &uri)) {
            return Err(InvalidConfiguration::RepeatedResource(url));
        }
    }
    if registry.default_resource().is_none() {
        return Err(InvalidConfiguration::NoResource);
    }
    if let Some(url) = default
        && !registry.set_default(&parse(url)?)
    {
        return Err(InvalidConfiguration::UnknownResource(url.to_owned()));
    }
    Ok(registry)
}

impl From<InvalidResourceChange> for InvalidConfiguration {
    fn from(invalid: InvalidResourceChange) -> Self {
        match invalid {
            InvalidResourceChange::Url(url, error) => Self::Resource(url, error),
            InvalidResourceChange::Insecure(url) => Self::InsecureResource(url),
            InvalidResourceChange::Documentation(url) => Self::Documentation(url),
            InvalidResourceChange::NotAScope(text) => Self::Scope(text),
            InvalidResourceChange::UnknownScope(scope) => Self::UnknownScope(scope),
            InvalidResourceChange::Exists(url)
            | InvalidResourceChange::OriginTaken(url)
            | InvalidResourceChange::Default(url)
            | InvalidResourceChange::OfCode(url) => Self::RepeatedResource(url),
            InvalidResourceChange::Unknown(url) => Self::UnknownResource(url),
        }
    }
}
