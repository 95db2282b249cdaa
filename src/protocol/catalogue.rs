//! The scopes that there are at one moment: those of the code, and what was made of them and added since.

use super::scope::{self, OFFLINE_ACCESS, ScopeEntry, ScopeSet};
use super::scope_records::{Retired, ScopeRecord};

/// All scopes at one moment, in the order in which people should read them.
///
/// Clients speak of scopes by their names; clients' limits, grants and tokens hold ids. Both are told apart here and
/// nowhere else: [`ids_of`](Self::ids_of) reads what a client sent, [`names_of`](Self::names_of) and
/// [`allowed`](Self::allowed) say what something stored is worth now.
#[derive(Debug, Clone, Default)]
pub struct ScopeCatalogue {
    live: Vec<ScopeRecord>,
    retired: Vec<ScopeRecord>,
    /// Kept, because every exchange asks for them.
    ids: ScopeSet,
    unreserved: ScopeSet,
    of_resources: ScopeSet,
    /// The ids that are the names of their scopes.
    plain: ScopeSet,
}

/// What a token is worth at one moment, by names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// What was asked for.
    pub asked: ScopeSet,
    /// That, and what it has in it.
    pub all: ScopeSet,
}

impl ScopeCatalogue {
    /// The scopes of the code.
    #[must_use]
    pub fn new(live: Vec<ScopeRecord>) -> Self {
        Self::of(live, Vec::new())
    }

    fn of(live: Vec<ScopeRecord>, retired: Vec<ScopeRecord>) -> Self {
        let set = |keep: fn(&ScopeRecord) -> bool| {
            ScopeSet::of(live.iter().filter(|record| keep(record)).map(|record| record.id.as_str()))
        };
        let ids = set(|_| true);
        Self {
            unreserved: set(|record| !record.reserved),
            plain: set(|record| record.id == record.name),
            // It is about the connection and belongs to no resource.
            of_resources: ids.without(OFFLINE_ACCESS),
            ids,
            live,
            retired,
        }
    }

    /// The scopes of the code as `self` has them, with what is stored laid over them.
    ///
    /// What the code restricts, a record does not free: a scope is reserved, and needs consent, if either says so.
    #[must_use]
    pub fn overlaid(&self, stored: &[ScopeRecord]) -> Self {
        let (mut live, mut retired): (Vec<ScopeRecord>, _) = (Vec::new(), Vec::new());
        let of_code = self.live.iter().map(|declared| {
            let changed = stored.iter().find(|record| record.id == declared.id);
            changed.map_or_else(|| declared.clone(), |changed| laid_over(declared, changed))
        });
        let is_of_code = |record: &ScopeRecord| self.live.iter().any(|declared| declared.id == record.id);
        let added = stored.iter().filter(|record| !is_of_code(record)).cloned();
        // What the code has no more, and what cannot be a scope, is worth nothing.
        let added = added.map(|record| match scope::is_id(&record.id) && !record.of_code {
            true => record,
            false => ScopeRecord { retired: Some(record.retired.unwrap_or(Retired::Dead)), ..record },
        });
        for record in of_code.chain(added) {
            match record.retired {
                None if live.iter().all(|known| known.name != record.name) => live.push(record),
                Some(_) => retired.push(record),
                None => retired.push(ScopeRecord { retired: Some(Retired::Dead), ..record }),
            }
        }
        for at in 0..live.len() {
            if live[at].of_code {
                // The code speaks of scopes by name.
                let ids = live[at].implies.iter().filter_map(|name| live.iter().find(|record| record.name == *name));
                live[at].implies = ids.map(|record| record.id.clone()).collect();
            }
        }
        Self::of(live, retired)
    }

    /// The scopes that there are, in the order in which they were added.
    #[must_use]
    pub fn scopes(&self) -> &[ScopeRecord] {
        &self.live
    }

    /// The scopes that there were, those that went last at the end.
    #[must_use]
    pub fn retired(&self) -> &[ScopeRecord] {
        &self.retired
    }

    /// The ids of all scopes.
    #[must_use]
    pub fn ids(&self) -> ScopeSet {
        self.ids.clone()
    }

    /// The ids of the scopes that a client which registered itself may have.
    #[must_use]
    pub fn unreserved(&self) -> ScopeSet {
        self.unreserved.clone()
    }

    /// The ids of the scopes that mean something at a resource: all, or those of `names`.
    #[must_use]
    pub fn of_resource(&self, names: Option<&ScopeSet>) -> ScopeSet {
        names.map_or_else(|| self.of_resources.clone(), |names| self.ids_of(names).without(OFFLINE_ACCESS))
    }

    /// The scope of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&ScopeRecord> {
        self.live.iter().find(|record| record.name == name)
    }

    /// Those of some names that there are scopes of.
    #[must_use]
    pub fn present(&self, names: &ScopeSet) -> ScopeSet {
        self.names_of(&self.ids_of(names))
    }

    /// Whether there is, or ever was, a scope of that name.
    #[must_use]
    pub fn has_heard_of(&self, name: &str) -> bool {
        self.live.iter().chain(&self.retired).any(|record| record.name == name)
    }

    /// The ids of what a client asks for by `names`. Those that there are not are left out.
    #[must_use]
    pub fn ids_of(&self, names: &ScopeSet) -> ScopeSet {
        if self.plain.contains_all(names) {
            return names.clone();
        }
        ScopeSet::of(names.iter().filter_map(|name| self.named(name)).map(|record| record.id.as_str()))
    }

    /// The names of scopes that can be granted, of those that were `asked` for by id and of no others.
    #[must_use]
    pub fn names_of(&self, asked: &ScopeSet) -> ScopeSet {
        if self.plain.contains_all(asked) {
            return asked.clone();
        }
        let live = asked.iter().filter_map(|id| self.live.iter().find(|record| record.id == *id));
        ScopeSet::of(live.map(|record| record.name.as_str()))
    }

    /// The scopes that are asked for, by id, and those that they have in them.
    ///
    /// This is what people agree to. What a scope is made to imply later is not in it, so no grant ever widens.
    #[must_use]
    pub fn with_implied(&self, asked: &ScopeSet) -> ScopeSet {
        if self.live.iter().chain(&self.retired).all(|record| record.implies.is_empty()) {
            return asked.clone();
        }
        let more = self.live.iter().filter(|record| {
            !asked.contains(&record.id) && asked.iter().any(|id| id != record.id && self.implies(id, &record.id))
        });
        let more: Vec<_> = more.map(|record| scope::implied(&record.id)).collect();
        if more.is_empty() { asked.clone() } else { ScopeSet::of(asked.iter().chain(more.iter().map(String::as_str))) }
    }

    /// The ids of scopes and of all that they have in them.
    #[must_use]
    pub fn reach(&self, ids: &ScopeSet) -> ScopeSet {
        self.with_implied(ids).ids()
    }

    /// What of a grant can still be issued: neither scopes that are retired, nor what came only with such.
    #[must_use]
    pub fn left_of(&self, grant: &ScopeSet) -> ScopeSet {
        if self.plain.contains_all(grant) {
            return grant.clone();
        }
        let asked = grant.within(&self.ids);
        let is_left = |entry: &&str| {
            !scope::is_implied(entry) || asked.iter().any(|source| self.implies(source, scope::id(entry)))
        };
        ScopeSet::of(asked.iter().filter(is_left))
    }

    /// The names of what of a grant can still be issued, what came with other scopes included.
    #[must_use]
    pub fn left_by_name(&self, grant: &ScopeSet) -> ScopeSet {
        self.names_of(&self.left_of(grant).ids())
    }

    /// What a client is told that it got with a token of a grant, by names: not what came with that, unless it is
    /// all that there is.
    #[must_use]
    pub fn told(&self, token: &ScopeSet, grant: &ScopeSet) -> ScopeSet {
        match self.allowed(token, grant) {
            None => token.clone(),
            Some(Allowed { asked, all }) if asked.is_empty() => all,
            Some(Allowed { asked, .. }) => asked,
        }
    }

    /// What a token of a grant allows now. `None`: what it has in it, as it is.
    ///
    /// A scope that came with another one counts as long as it is still in that, and neither is dead.
    #[must_use]
    pub fn allowed(&self, token: &ScopeSet, grant: &ScopeSet) -> Option<Allowed> {
        if self.plain.contains_all(token) {
            return None;
        }
        let asked = |set: &ScopeSet| {
            let usable = set.iter().filter(|entry| !scope::is_implied(entry)).filter_map(|id| self.usable(id));
            usable.cloned().collect::<Vec<_>>()
        };
        let (of_token, of_grant) = (asked(token), asked(grant));
        let implied = token.iter().filter(|entry| scope::is_implied(entry)).filter_map(|entry| {
            let record = self.usable(scope::id(entry))?;
            of_grant.iter().any(|source| self.implies(&source.id, &record.id)).then_some(record)
        });
        let names = |record: &ScopeRecord| record.name.clone();
        let asked: Vec<_> = of_token.iter().map(names).collect();
        let implied: Vec<_> = implied.map(names).collect();
        Some(Allowed {
            asked: ScopeSet::of(asked.iter().map(String::as_str)),
            all: ScopeSet::of(asked.iter().chain(&implied).map(String::as_str)),
        })
    }

    /// The scopes that a grant or a consent is about, in the order of the catalogue.
    pub fn describe<'a>(&'a self, granted: &'a ScopeSet) -> impl Iterator<Item = &'a ScopeRecord> {
        self.live.iter().filter(|record| granted.mentions(&record.id))
    }

    /// Whether nobody needs to be asked about any of these.
    #[must_use]
    pub fn need_no_consent(&self, granted: &ScopeSet) -> bool {
        let free = |entry: &str| self.live.iter().any(|record| record.id == scope::id(entry) && !record.needs_consent);
        granted.iter().all(free)
    }

    /// The scope of that id, if a token that has it may still use it.
    fn usable(&self, id: &str) -> Option<&ScopeRecord> {
        let running_out = || {
            let last = self.retired.iter().rfind(|record| record.id == id)?;
            // A scope of the same name that came later is not what was agreed to.
            let is_followed = self.named(&last.name).is_some()
                || self.retired.iter().rfind(|record| record.name == last.name).is_none_or(|newest| newest.id != id);
            (last.retired == Some(Retired::RunsOut) && !is_followed).then_some(last)
        };
        self.live.iter().find(|record| record.id == id).or_else(running_out)
    }

    /// Whether a scope has another one in it, directly or by way of others that can be used.
    fn implies(&self, source: &str, target: &str) -> bool {
        let mut seen = vec![source];
        let mut at = 0;
        while let Some(id) = seen.get(at).copied() {
            let Some(record) = self.usable(id) else {
                at += 1;
                continue;
            };
            if record.implies.iter().any(|next| next == target) {
                return true;
            }
            for next in &record.implies {
                if !seen.contains(&next.as_str()) {
                    seen.push(next);
                }
            }
            at += 1;
        }
        false
    }

    /// A scope that has itself in it by way of others, if there is one.
    #[must_use]
    pub fn cycle(&self) -> Option<&str> {
        self.live.iter().map(|record| record.id.as_str()).find(|id| self.implies(id, id))
    }
}

impl From<&ScopeRecord> for ScopeEntry {
    fn from(record: &ScopeRecord) -> Self {
        let ScopeRecord { name, description, reserved, .. } = record;
        Self { name: name.clone(), description: description.clone(), reserved: *reserved }
    }
}

fn laid_over(declared: &ScopeRecord, changed: &ScopeRecord) -> ScopeRecord {
    let description = if changed.description.is_empty() { &declared.description } else { &changed.description };
    ScopeRecord {
        description: description.clone(),
        reserved: declared.reserved || changed.reserved,
        advertised: changed.advertised,
        needs_consent: declared.needs_consent || changed.needs_consent,
        retired: changed.retired,
        ..declared.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::scope_change::{Scope, ScopeChange};
    use super::*;

    fn set(text: &str) -> ScopeSet {
        ScopeSet::from_stored(text).unwrap()
    }

    fn declared() -> ScopeCatalogue {
        let read = Scope::new("read", "Look");
        let write = Scope::new("write", "Change").implies("read");
        let all = Scope::new("all", "Everything").implies("write");
        ScopeCatalogue::new([read, write, all].map(|scope| scope.declared().unwrap()).into())
    }

    fn after(changes: &[ScopeChange]) -> ScopeCatalogue {
        let (code, mut stored) = (declared(), Vec::new());
        for change in changes {
            stored = change.apply(&code, &stored).unwrap();
        }
        code.overlaid(&stored)
    }

    fn retire(name: &str, how: Retired) -> ScopeChange {
        ScopeChange::Retire { name: name.to_owned(), how }
    }

    fn all_of(catalogue: &ScopeCatalogue, grant: &str) -> String {
        let allowed = catalogue.allowed(&set(grant), &set(grant));
        allowed.map_or_else(|| grant.to_owned(), |allowed| allowed.all.as_str().to_owned())
    }

    #[test]
    fn what_is_implied_is_marked_and_never_doubled() {
        let catalogue = after(&[]);
        assert_eq!(catalogue.with_implied(&set("all")), set(r"all read\implied write\implied"));
        assert_eq!(catalogue.with_implied(&set("all read")), set(r"all read write\implied"));
        assert_eq!(catalogue.with_implied(&set("read")), set("read"));
        assert_eq!(catalogue.reach(&set("write")), set("read write"));
        assert_eq!(catalogue.cycle(), None);
    }

    #[test]
    fn a_mark_counts_only_beside_what_has_it_in_it() {
        let catalogue = after(&[]);
        assert_eq!(all_of(&catalogue, r"all read\implied write\implied"), "all read write");
        assert_eq!(all_of(&catalogue, r"read\implied"), "", "what it came with is not in the grant");
        assert_eq!(all_of(&catalogue, r"read write\implied"), "read", "nor is this in what is");
        let allowed = catalogue.allowed(&set(r"read\implied"), &set(r"all read\implied")).unwrap();
        assert_eq!((allowed.asked, allowed.all), (ScopeSet::empty(), set("read")), "a narrowed token of that grant");
        assert_eq!(catalogue.told(&set(r"read\implied"), &set(r"all read\implied")), set("read"));
    }

    #[test]
    fn a_retired_scope_is_worth_what_its_owner_says() {
        let grant = r"read\implied write";
        let dead = after(&[retire("write", Retired::Dead)]);
        assert_eq!((all_of(&dead, grant).as_str(), dead.left_of(&set(grant))), ("", ScopeSet::empty()));
        let ends = after(&[retire("write", Retired::RunsOut)]);
        assert_eq!((all_of(&ends, grant).as_str(), ends.left_of(&set(grant))), ("read write", ScopeSet::empty()));
        let again = after(&[
            retire("write", Retired::RunsOut),
            ScopeChange::Add(Scope::new("write", "Change")),
            retire("write", Retired::RunsOut),
            ScopeChange::Add(Scope::new("write", "Change")),
        ]);
        assert_eq!(all_of(&again, r"write write\2"), "");
        assert_eq!(again.ids_of(&set("write")), set(r"write\3"));
        assert_eq!(again.names_of(&set(r"read write write\2 write\3")), set("read write"));
        assert_eq!(again.with_implied(&set("all")).as_str(), r"all write\3\implied", "the code speaks of names");
    }

    #[test]
    fn what_is_stored_and_no_scope_is_worth_nothing() {
        let record = |id: &str, name: &str, of_code| ScopeRecord {
            id: id.to_owned(),
            of_code,
            ..Scope::new(name, "x").declared().unwrap()
        };
        let records = vec![record(r"a\b", "a", false), record("gone", "gone", true), record(r"read\2", "read", false)];
        let catalogue = declared().overlaid(&records);
        assert_eq!((catalogue.ids(), catalogue.retired().len()), (set("all read write"), 3));
        assert!(catalogue.retired().iter().all(|record| record.retired == Some(Retired::Dead)));
        assert_eq!(catalogue.ids_of(&set("read gone a")), set("read"));
    }

    #[test]
    fn whichever_of_code_and_record_restricts_a_scope_is_heeded() {
        let free = Scope::new("read", "Look").without_consent().declared().unwrap();
        let bound = Scope::new("read", "Look").reserved().declared().unwrap();
        for (code, stored) in [(&free, &bound), (&bound, &free)] {
            let catalogue = ScopeCatalogue::new(vec![code.clone()]).overlaid(std::slice::from_ref(stored));
            let [scope] = catalogue.scopes() else { panic!("one scope") };
            assert!(scope.reserved && scope.needs_consent, "{scope:?}");
        }
    }

    #[test]
    fn a_scope_that_dies_takes_none_of_another_name_with_it() {
        let catalogue = after(&[retire("write", Retired::RunsOut), retire("all", Retired::Dead)]);
        assert_eq!(all_of(&catalogue, r"read\implied write"), "read write");
    }
}
