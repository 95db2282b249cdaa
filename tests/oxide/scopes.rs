//! Scopes, there and back.

use grantor::ScopeSet;
use grantor::oxide::{from_oxide, to_oxide};
use oxide_auth::primitives::scope::Scope;
use proptest::prelude::*;

proptest! {
    #[test]
    fn scopes_come_back_as_they_were(text in "([!#-\\[\\]-~]{1,12} ?){0,12}") {
        let ours = ScopeSet::parse(&text).unwrap();
        let theirs = to_oxide(&ours).unwrap();
        prop_assert_eq!(&from_oxide(&theirs).unwrap(), &ours);
        prop_assert_eq!(&theirs, &text.parse::<Scope>().unwrap());
    }
}
