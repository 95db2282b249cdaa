//! What was told of all grants, held outside the processes that are killed.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use grantor::Timestamp;
use grantor::protocol::secret::OrderedId;
use grantor::storage::AnyStorage;

use crate::child::Event;
use crate::history::{Entry, History};
use crate::steps::Dice;

/// How many grants are looked at in each round: of those that were used in it, and of the earlier ones.
const LOOKED_AT: usize = 300;

/// What was told in all rounds.
#[derive(Debug)]
pub(crate) struct Ledger {
    grants: HashMap<OrderedId, History>,
    pub(crate) now: Timestamp,
}

/// What one round told.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) begun: usize,
    pub(crate) acknowledged: usize,
    /// How often the store could not answer.
    pub(crate) failed: usize,
    /// The grants that were used.
    used: BTreeSet<OrderedId>,
}

impl Ledger {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { grants: HashMap::new(), now }
    }

    /// Takes down what a child told before it was killed.
    pub(crate) fn add(&mut self, events: Vec<Event>) -> Round {
        let mut round = Round::default();
        let mut begun = HashMap::new();
        for event in events {
            match event {
                Event::Begun { number, op } => {
                    round.begun += 1;
                    self.now = self.now.max(op.now);
                    round.used.insert(op.grant);
                    let entries = &mut self.grants.entry(op.grant).or_default().entries;
                    begun.insert(number, (op.grant, entries.len()));
                    entries.push(Entry { op, heard: None });
                }
                Event::Done { number, heard } => {
                    round.acknowledged += 1;
                    let (grant, at) = begun[&number];
                    self.grants.get_mut(&grant).unwrap().entries[at].heard = Some(heard);
                }
                Event::Failed { temporary, why, .. } => {
                    assert!(temporary, "an error that trying again does not help against: {why}");
                    round.failed += 1;
                }
                Event::Clock(now) => self.now = self.now.max(now),
            }
        }
        // A new round makes ids that no earlier one made.
        self.now = self.now.after(Duration::from_secs(1));
        round
    }

    /// Compares the store with what was told: all grants of which something is unknown, and many others.
    pub(crate) async fn check(&mut self, store: &AnyStorage, round: &Round, dice: &mut Dice) -> usize {
        let now = self.now;
        let settled = |grant: &&OrderedId| self.grants[*grant].is_settled();
        let (known, unknown): (Vec<_>, Vec<_>) = round.used.iter().partition(|grant| settled(grant));
        let earlier: Vec<_> = self.grants.keys().filter(|grant| !round.used.contains(grant)).collect();
        let mut chosen: Vec<OrderedId> = unknown.into_iter().copied().collect();
        let all_unknown = chosen.len();
        for group in [known, earlier] {
            let few = LOOKED_AT.min(group.len());
            chosen.extend((0..few).map(|_| *group[usize::try_from(dice.below(group.len() as u64)).unwrap()]));
        }
        for (number, grant) in chosen.iter().enumerate() {
            let history = self.grants.get_mut(grant).unwrap();
            history.check(store, now).await;
            if number < all_unknown || dice.percent(25) {
                history.try_again(store, dice, now).await;
                history.check(store, now).await;
            }
        }
        self.grants.retain(|_, history| !history.is_over(now));
        chosen.len()
    }

    /// Grants that a next round can go on with.
    pub(crate) fn heads(&self, most: usize) -> Vec<(OrderedId, OrderedId)> {
        self.grants.values().filter_map(|history| history.head(self.now)).take(most).collect()
    }
}
