//! What is kept of the grants that one walk looks at.

use std::collections::BTreeMap;

use crate::protocol::secret::OrderedId;

/// What was seen of a grant.
#[derive(Clone, Copy, Default)]
pub(super) struct Kept {
    /// Its code.
    pub(super) code: Option<OrderedId>,
    /// Whether that had not been redeemed and no token was seen since.
    pub(super) is_unspent: bool,
    /// The refresh token without a predecessor.
    pub(super) root: Option<OrderedId>,
    /// The refresh token that was not rotated.
    pub(super) head: Option<OrderedId>,
    /// The rotation whose successor is still to come.
    pub(super) step: Option<Step>,
}

/// A rotation.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) from: OrderedId,
    pub(super) to: OrderedId,
    pub(super) is_answered: bool,
}

/// A range of grant ids that is narrow enough to keep something of each.
pub(super) struct Window {
    from: Option<OrderedId>,
    before: Option<OrderedId>,
    kept: BTreeMap<OrderedId, Kept>,
    most: usize,
}

impl Window {
    /// All grants, as long as they are at most `most`.
    pub(super) const fn new(most: usize) -> Self {
        Self { from: None, before: None, kept: BTreeMap::new(), most }
    }

    /// What is kept of a grant; `None` if it is for another walk.
    pub(super) fn get(&self, grant: OrderedId) -> Option<Kept> {
        let is_inside = self.from.is_none_or(|from| grant >= from) && self.before.is_none_or(|before| grant < before);
        is_inside.then(|| self.kept.get(&grant).copied().unwrap_or_default())
    }

    /// Keeps that of a grant. If it is one too many, the window ends before the last one.
    pub(super) fn put(&mut self, grant: OrderedId, kept: Kept) {
        self.kept.insert(grant, kept);
        if self.kept.len() > self.most {
            self.before = self.kept.pop_last().map(|(last, _)| last);
        }
    }

    /// Rotations whose successor did not come.
    pub(super) fn steps(&self) -> Vec<OrderedId> {
        self.kept.values().filter_map(|kept| kept.step).map(|step| step.from).collect()
    }

    pub(super) fn has_unspent_codes(&self) -> bool {
        self.kept.values().any(|kept| kept.is_unspent)
    }

    /// The window behind this one, if this one did not reach to the end.
    pub(super) fn next(self) -> Option<Self> {
        let from = self.before?;
        Some(Self { from: Some(from), ..Self::new(self.most) })
    }
}
