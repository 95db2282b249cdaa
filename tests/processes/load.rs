//! Full load: many tasks that do to a store what clients and their users do, honest and not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use grantor::Timestamp;
use grantor::protocol::secret::OrderedId;
use grantor::storage::{AnyStorage, Storage as _};
use tokio::task::JoinSet;

use crate::child::{self, Event, Task};
use crate::steps::{Dice, Heard, Op, Step, perform};

const TASKS: u32 = 64;
/// How far the clock goes on for each acknowledged operation, in milliseconds. It stands still when
/// nothing goes on, so that an outage ends no token.
const TICK: u64 = 5;

/// Puts a store under load until this process is killed.
pub(crate) fn run(task: &Task) -> ! {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = task.place.open().await.unwrap();
        child::begin_telling();
        let now = AtomicU64::new(task.clock.as_millis());
        let told = Arc::new(Told { store, number: AtomicU64::new(0), now });
        let mut tasks = JoinSet::new();
        for number in 0..TASKS {
            // The first lane is the parent's.
            let dice = Dice::new(task.seed ^ (u64::from(number) << 32), number + 1);
            let heads = task.heads.iter().skip(number as usize).step_by(TASKS as usize);
            tasks.spawn(work(Arc::clone(&told), dice, heads.copied().collect()));
        }
        tasks.spawn(clean_up(told));
        let ended = tasks.join_next().await;
        eprintln!("the load ended: {ended:?}");
    });
    std::process::exit(1)
}

/// A store whose every operation is told before and after.
struct Told {
    store: AnyStorage,
    number: AtomicU64,
    now: AtomicU64,
}

impl Told {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }

    /// Does it; `None` if the store could not answer.
    async fn once(&self, op: Op) -> Option<Heard> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        child::tell(&Event::Begun { number, op });
        match perform(&self.store, &op).await {
            Ok(heard) => {
                child::tell(&Event::Done { number, heard });
                self.now.fetch_add(TICK, Ordering::Relaxed);
                Some(heard)
            }
            Err(error) => {
                let why = format!("{error}: {:?}", std::error::Error::source(&error));
                child::tell(&Event::Failed { number, temporary: error.is_temporary(), why });
                None
            }
        }
    }

    /// Does it, with other ids each time, until the store answers.
    async fn until_answered(&self, grant: OrderedId, mut step: impl FnMut(Timestamp) -> Step) -> (Step, Heard) {
        loop {
            let now = self.now();
            let op = Op { now, grant, step: step(now) };
            match self.once(op).await {
                Some(Heard::Collision) => {}
                Some(heard) => return (op.step, heard),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

async fn clean_up(told: Arc<Told>) {
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = told.now();
        child::tell(&Event::Clock(now));
        let _ = told.store.purge(now, 200).await;
    }
}

async fn work(told: Arc<Told>, mut dice: Dice, heads: Vec<(OrderedId, OrderedId)>) {
    for (grant, head) in heads {
        Installation { told: &told, dice: &mut dice, grant, head, last: None, earlier: None }.live().await;
    }
    loop {
        let (now, grant) = (told.now(), dice.id(told.now()));
        let prompt = dice.id(now);
        let (step, heard) = told.until_answered(grant, |now| Step::Decide { prompt, code: dice.id(now) }).await;
        // `Again`: the answer of the first attempt was lost, and its code with it.
        let (Step::Decide { code, .. }, Heard::First) = (step, heard) else { continue };
        if dice.percent(3) {
            continue;
        }
        if dice.percent(3) {
            let (one, other) = (redeem(&mut dice, code, now), redeem(&mut dice, code, now));
            let race = tokio::join!(told.once(Op { now, grant, step: one }), told.once(Op { now, grant, step: other }));
            assert_ne!(race, (Some(Heard::First), Some(Heard::First)), "one code, one token");
            continue;
        }
        let (step, heard) = told.until_answered(grant, |now| redeem(&mut dice, code, now)).await;
        if let (Step::Redeem { access, refresh, .. }, Heard::First) = (step, heard) {
            let last = Some(access);
            Installation { told: &told, dice: &mut dice, grant, head: refresh, last, earlier: None }.live().await;
            if dice.percent(2) {
                told.until_answered(grant, |now| redeem(&mut dice, code, now)).await;
            }
        }
    }
}

fn redeem(dice: &mut Dice, code: OrderedId, now: Timestamp) -> Step {
    Step::Redeem { code, access: dice.id(now), refresh: dice.id(now) }
}

fn rotate(dice: &mut Dice, presented: OrderedId, now: Timestamp) -> Step {
    Step::Rotate { presented, access: dice.id(now), successor: dice.id(now) }
}

/// A client with the tokens of one grant.
struct Installation<'a> {
    told: &'a Told,
    dice: &'a mut Dice,
    grant: OrderedId,
    head: OrderedId,
    /// Its last access token.
    last: Option<OrderedId>,
    /// The refresh token before the last.
    earlier: Option<OrderedId>,
}

impl Installation<'_> {
    async fn live(mut self) {
        for _ in 0..self.dice.below(7) {
            let goes_on = match self.dice.below(100) {
                0..55 => self.refresh().await,
                55..65 => self.refresh_twice_at_once().await,
                65..75 => self.issue().await,
                75..85 => self.withdraw_token().await,
                85..93 => self.withdraw_beside_a_refresh().await,
                93..95 => self.reuse().await,
                _ => self.withdraw().await,
            };
            if !goes_on {
                break;
            }
        }
    }

    async fn refresh(&mut self) -> bool {
        let Self { told, grant, head, .. } = *self;
        let (step, heard) = told.until_answered(grant, |now| rotate(self.dice, head, now)).await;
        let goes_on = self.heard(step, heard);
        if goes_on && self.dice.percent(20) {
            // As a client does that closed the connection too early.
            told.until_answered(grant, |now| rotate(self.dice, head, now)).await;
        }
        goes_on
    }

    fn heard(&mut self, step: Step, heard: Heard) -> bool {
        let Step::Rotate { access, successor, .. } = step else { return false };
        let (head, last) = match heard {
            Heard::First => (successor, Some(access)),
            // The answer of the first attempt was lost.
            Heard::Repeated { successor } => (successor, None),
            Heard::Again | Heard::Gone | Heard::Collision => return false,
        };
        self.earlier = Some(std::mem::replace(&mut self.head, head));
        self.last = last;
        true
    }

    async fn refresh_twice_at_once(&mut self) -> bool {
        let (now, grant) = (self.told.now(), self.grant);
        let (one, other) = (rotate(self.dice, self.head, now), rotate(self.dice, self.head, now));
        let race =
            tokio::join!(self.told.once(Op { now, grant, step: one }), self.told.once(Op { now, grant, step: other }));
        match race {
            (Some(Heard::First), Some(Heard::First)) => panic!("one refresh token, one successor"),
            (Some(heard @ Heard::First), _) => self.heard(one, heard),
            (_, Some(heard @ Heard::First)) => self.heard(other, heard),
            _ => false,
        }
    }

    async fn issue(&mut self) -> bool {
        let (step, heard) = self.told.until_answered(self.grant, |now| Step::Issue { access: self.dice.id(now) }).await;
        if let (Step::Issue { access }, Heard::First) = (step, heard) {
            self.last = Some(access);
        }
        heard == Heard::First
    }

    async fn withdraw_token(&mut self) -> bool {
        if let Some(token) = self.last.take() {
            self.told.until_answered(self.grant, |_| Step::RevokeAccess { token }).await;
        }
        true
    }

    async fn withdraw(&mut self) -> bool {
        self.told.until_answered(self.grant, |_| Step::RevokeGrant).await;
        false
    }

    async fn withdraw_beside_a_refresh(&mut self) -> bool {
        let (now, grant) = (self.told.now(), self.grant);
        let step = rotate(self.dice, self.head, now);
        tokio::join!(self.told.once(Op { now, grant, step }), self.told.until_answered(grant, |_| Step::RevokeGrant));
        false
    }

    async fn reuse(&mut self) -> bool {
        let Some(earlier) = self.earlier else { return true };
        let head = self.head;
        let (step, heard) = self.told.until_answered(self.grant, |now| rotate(self.dice, head, now)).await;
        if self.heard(step, heard) {
            let (_, heard) = self.told.until_answered(self.grant, |now| rotate(self.dice, earlier, now)).await;
            assert_ne!(heard, Heard::First, "a refresh token is used once");
        }
        false
    }
}
