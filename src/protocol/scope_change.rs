//! New scopes, and what the app's own people change of scopes.

use super::catalogue::ScopeCatalogue;
use super::scope::{self, OFFLINE_ACCESS, ScopeSet};
use super::scope_records::{Retired, ScopeRecord};

/// A scope as the app's own people describe it: in the code, for [`Builder::add_scope`](crate::Builder::add_scope),
/// or at run time, for [`Scopes::add`](crate::server::Scopes::add).
///
/// ```
/// use grantor::Scope;
///
/// let scope = Scope::new("projects:write", "Create and change your projects").implies("projects:read");
/// # let _ = scope;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Scope {
    name: String,
    description: String,
    reserved: bool,
    advertised: bool,
    needs_consent: bool,
    implies: Vec<String>,
}

impl Scope {
    /// A scope of that name, with what people are told about it, such as `"See your projects"`.
    pub fn new(name: &str, description: &str) -> Self {
        Self {
            name: name.to_owned(),
            description: description.to_owned(),
            reserved: false,
            advertised: true,
            needs_consent: true,
            implies: Vec::new(),
        }
    }

    /// It has another scope in it: whoever gets this one gets that as well, and what that implies.
    ///
    /// It counts from the next consent on. What people agreed to before stays as it was: they were not told.
    pub fn implies(mut self, scope: &str) -> Self {
        self.implies.push(scope.to_owned());
        self
    }

    /// Only clients of the app's own people get it, and no others are told of it.
    pub const fn reserved(mut self) -> Self {
        self.reserved = true;
        self
    }

    /// The metadata does not name it. Whoever knows of it may ask for it.
    pub const fn hidden(mut self) -> Self {
        self.advertised = false;
        self
    }

    /// Nobody is asked about it: a client of the app's own people that asks for such scopes alone gets them from
    /// whoever is signed in and follows its link. Clients that registered themselves, and those on the user's own
    /// machine, show the consent page all the same.
    pub const fn without_consent(mut self) -> Self {
        self.needs_consent = false;
        self
    }

    /// Its name on the wire.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The scope as the code of the app has it.
    ///
    /// # Errors
    /// If its name is not exactly one scope by RFC 6749 §3.3.
    pub fn declared(self) -> Result<ScopeRecord, InvalidScopeChange> {
        let id = self.name.clone();
        let implies = self.implies.clone();
        self.record(id, implies, true)
    }

    fn record(self, id: String, implies: Vec<String>, of_code: bool) -> Result<ScopeRecord, InvalidScopeChange> {
        let Self { name, description, reserved, advertised, needs_consent, implies: _ } = self;
        let is_name = ScopeSet::parse(&name).is_ok_and(|parsed| parsed.as_str() == name) && scope::is_id(&name);
        if !is_name {
            return Err(InvalidScopeChange::NotAScope(name));
        }
        Ok(ScopeRecord { id, name, description, reserved, advertised, needs_consent, implies, retired: None, of_code })
    }
}

/// Why scopes cannot be changed in this way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidScopeChange {
    /// A text is not a scope by RFC 6749 §3.3.
    #[error("{0:?} is not a scope: use printable ASCII without space, quote and backslash")]
    NotAScope(String),
    /// There is a scope of that name.
    #[error("there is a scope {0:?}: retire it first, or describe it anew")]
    Exists(String),
    /// There is no scope of that name.
    #[error("there is no scope {0:?}")]
    Unknown(String),
    /// People would be asked about it without being told what it is.
    #[error("the scope {0:?} needs a description")]
    NoDescription(String),
    /// Clients ask for it to stay connected (OpenID Connect Core §11).
    #[error("the scope {0:?} belongs to the protocol and stays")]
    Stays(String),
}

/// What the app's own people change of scopes.
#[derive(Debug, Clone)]
pub enum ScopeChange {
    /// A scope is added.
    Add(Scope),
    /// A scope is described anew.
    Describe {
        /// Its name.
        name: String,
        /// What it allows, in words that a user of the app understands.
        description: String,
    },
    /// The metadata names it or not.
    Advertise {
        /// Its name.
        name: String,
        /// Whether it does.
        advertised: bool,
    },
    /// A scope goes.
    Retire {
        /// Its name.
        name: String,
        /// What it is still worth where it was granted.
        how: Retired,
    },
}

impl ScopeChange {
    /// What is to be stored, from the scopes of the code and what is stored.
    ///
    /// # Errors
    /// See [`InvalidScopeChange`].
    pub fn apply(
        &self,
        declared: &ScopeCatalogue,
        stored: &[ScopeRecord],
    ) -> Result<Vec<ScopeRecord>, InvalidScopeChange> {
        let present = declared.overlaid(stored);
        let mut records = stored.to_vec();
        match self {
            Self::Add(scope) => records.push(added(scope, declared, &present, stored)?),
            Self::Describe { name, description } if description.trim().is_empty() => {
                return Err(InvalidScopeChange::NoDescription(name.clone()));
            }
            Self::Describe { name, description } => {
                stored_of(&mut records, &present, name)?.description.clone_from(description);
            }
            Self::Advertise { name, advertised } => stored_of(&mut records, &present, name)?.advertised = *advertised,
            Self::Retire { name, .. } if name == OFFLINE_ACCESS => return Err(InvalidScopeChange::Stays(name.clone())),
            Self::Retire { name, how } => retire(&mut records, &present, name, *how)?,
        }
        Ok(records)
    }
}

fn added(
    scope: &Scope,
    declared: &ScopeCatalogue,
    present: &ScopeCatalogue,
    stored: &[ScopeRecord],
) -> Result<ScopeRecord, InvalidScopeChange> {
    if present.named(&scope.name).is_some() {
        return Err(InvalidScopeChange::Exists(scope.name.clone()));
    }
    if scope.description.trim().is_empty() {
        return Err(InvalidScopeChange::NoDescription(scope.name.clone()));
    }
    // What is implied is there already, and so nothing can come round to imply itself.
    let implied = |name: &String| {
        present.named(name).map(|record| record.id.clone()).ok_or_else(|| InvalidScopeChange::Unknown(name.clone()))
    };
    let implies = scope.implies.iter().map(implied).collect::<Result<_, _>>()?;
    let known = || declared.scopes().iter().chain(stored);
    let is_free = |id: &String| known().all(|record| record.id != *id);
    let id = (1..).map(|number| scope::numbered(&scope.name, number)).find(is_free).unwrap_or_default();
    scope.clone().record(id, implies, false)
}

/// The record of the scope of that name, made if the code has the scope and nothing was changed of it so far.
fn stored_of<'a>(
    records: &'a mut Vec<ScopeRecord>,
    present: &ScopeCatalogue,
    name: &str,
) -> Result<&'a mut ScopeRecord, InvalidScopeChange> {
    let known = present.named(name).ok_or_else(|| InvalidScopeChange::Unknown(name.to_owned()))?;
    let at = records.iter().position(|record| record.id == known.id).unwrap_or_else(|| {
        records.push(ScopeRecord {
            id: known.id.clone(),
            name: known.name.clone(),
            description: String::new(),
            reserved: false,
            advertised: known.advertised,
            needs_consent: false,
            implies: Vec::new(),
            retired: None,
            of_code: true,
        });
        records.len() - 1
    });
    Ok(&mut records[at])
}

/// Also those of the name that run out are dead from now on if this one is.
fn retire(
    records: &mut Vec<ScopeRecord>,
    present: &ScopeCatalogue,
    name: &str,
    how: Retired,
) -> Result<(), InvalidScopeChange> {
    match stored_of(records, present, name) {
        Ok(record) => record.retired = Some(how),
        Err(unknown) if !present.has_heard_of(name) => return Err(unknown),
        Err(_) => {}
    }
    if how == Retired::Dead {
        let earlier = records.iter_mut().filter(|record| record.name == name && record.retired.is_some());
        earlier.for_each(|record| record.retired = Some(how));
    }
    Ok(())
}
