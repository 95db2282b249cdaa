//! The walk through a store.

use std::future::poll_fn;
use std::task::Poll;

use super::report::{Report, Violation, table};
use super::rules::{self, Rule};
use super::window::{Kept, Step, Window};
use crate::protocol::grant::Rotation;
use crate::protocol::secret::OrderedId;
use crate::storage::{Row, Scanned, Storage, StorageError, Table};

/// A walk that goes on from one table, and from one window of grants, to the next.
pub(super) struct Walk<'a, S> {
    storage: &'a S,
    page: u32,
    window: Window,
    /// Rows are counted, and judged by themselves, in the first round.
    is_first_round: bool,
    report: Report,
}

impl<'a, S: Storage> Walk<'a, S> {
    pub(super) fn new(storage: &'a S, page: u32, grants: usize) -> Self {
        Self { storage, page, window: Window::new(grants), is_first_round: true, report: Report::default() }
    }

    pub(super) async fn run(mut self) -> Result<Report, StorageError> {
        self.walk(Table::Grants).await?;
        loop {
            self.walk(Table::Codes).await?;
            self.walk(Table::RefreshTokens).await?;
            for from in self.window.steps() {
                self.judge_step(from).await?;
            }
            if self.is_first_round || self.window.has_unspent_codes() {
                self.walk(Table::AccessTokens).await?;
            }
            self.is_first_round = false;
            let Some(next) = self.window.next() else { return Ok(self.report) };
            self.window = next;
        }
    }

    async fn walk(&mut self, table: Table) -> Result<(), StorageError> {
        let mut last = None;
        loop {
            let page = self.storage.scan(table, last, self.page).await?;
            if page.is_empty() {
                return Ok(());
            }
            for row in page {
                if last.is_some_and(|last| row.id() <= last) {
                    // Going on from here might never end.
                    self.report.add(Violation::new(Rule::Order, &row, None));
                    return Ok(());
                }
                last = Some(row.id());
                self.judge(&row).await?;
            }
            give_way().await;
        }
    }

    async fn judge(&mut self, row: &Scanned) -> Result<(), StorageError> {
        if self.is_first_round {
            self.report.saw(table(row));
            self.judge_alone(row).await?;
        }
        let Some(mut kept) = self.window.get(row.grant.id) else { return Ok(()) };
        match &row.row {
            Row::Grant => return Ok(()),
            Row::Code { redeemed, .. } => self.judge_code(row, *redeemed, &mut kept).await?,
            Row::Access(_) if kept.is_unspent => self.judge_payment(row, &mut kept).await?,
            Row::Access(_) => return Ok(()),
            Row::Refresh { rotation, predecessor, .. } => {
                self.judge_payment(row, &mut kept).await?;
                self.judge_place(row, rotation.as_ref(), *predecessor, &mut kept).await?;
                self.judge_number(row, rotation.is_none(), predecessor.is_none(), &mut kept).await?;
            }
        }
        self.window.put(row.grant.id, kept);
        Ok(())
    }

    /// A row by itself. The end of a grant may move between two looks, but only to be later.
    async fn judge_alone(&mut self, row: &Scanned) -> Result<(), StorageError> {
        if rules::broken_by(row).next().is_none() {
            return Ok(());
        }
        if let Some(again) = self.again(table(row), row.id()).await? {
            for rule in rules::broken_by(&again) {
                self.report.add(Violation::new(rule, &again, None));
            }
        }
        Ok(())
    }

    async fn judge_code(&mut self, row: &Scanned, redeemed: bool, kept: &mut Kept) -> Result<(), StorageError> {
        if let Some(other) = kept.code
            && let Some(other) = self.again(Table::Codes, other).await?
        {
            self.judge_two(Rule::OneCode, rules::is_the_only_code(row, &other), row, &other);
        }
        kept.code = Some(row.id());
        kept.is_unspent = !redeemed;
        Ok(())
    }

    /// The token was there before the code is read, so that this must say that it was redeemed.
    async fn judge_payment(&mut self, row: &Scanned, kept: &mut Kept) -> Result<(), StorageError> {
        if let Some(code) = kept.code.filter(|_| kept.is_unspent)
            && let Some(code) = self.again(Table::Codes, code).await?
        {
            self.judge_two(Rule::RedeemedCode, rules::was_paid_for(row, &code), row, &code);
        }
        kept.is_unspent = false;
        Ok(())
    }

    /// A refresh token beside the one before it. What took the place of what never changes.
    async fn judge_place(
        &mut self,
        row: &Scanned,
        rotation: Option<&Rotation>,
        predecessor: Option<OrderedId>,
        kept: &mut Kept,
    ) -> Result<(), StorageError> {
        let expected = kept.step.take();
        let is_expected = expected.is_some_and(|step| step.to == row.id() && predecessor == Some(step.from));
        if let Some(step) = expected.filter(|_| !is_expected) {
            self.judge_step(step.from).await?;
        }
        let is_suspect = !is_expected || expected.is_some_and(|step| step.is_answered) && rotation.is_some();
        if let Some(before) = predecessor.filter(|_| is_suspect)
            && let Some(before) = self.again(Table::RefreshTokens, before).await?
        {
            // It is read after its successor, which says whether that was used.
            self.judge_two(Rule::Predecessor, rules::took_its_predecessors_place(row, &before), row, &before);
            self.judge_two(Rule::Answer, rules::forgot_its_answer(&before, row), &before, row);
        }
        kept.step = rotation.map(|rotation| Step {
            from: row.id(),
            to: rotation.successor,
            is_answered: rotation.answer.is_some(),
        });
        Ok(())
    }

    /// A rotation whose successor did not come next.
    async fn judge_step(&mut self, from: OrderedId) -> Result<(), StorageError> {
        let Some(before) = self.again(Table::RefreshTokens, from).await? else { return Ok(()) };
        let Row::Refresh { rotation: Some(rotation), .. } = &before.row else { return Ok(()) };
        let Some(successor) = self.again(Table::RefreshTokens, rotation.successor).await? else { return Ok(()) };
        let keeps = rules::is_the_successor_it_remembers(&before, &successor);
        self.judge_two(Rule::Successor, keeps, &before, &successor);
        if rules::forgot_its_answer(&before, &successor) {
            return Ok(());
        }
        let Some(later) = self.again(Table::RefreshTokens, from).await? else { return Ok(()) };
        self.judge_two(Rule::Answer, rules::forgot_its_answer(&later, &successor), &later, &successor);
        Ok(())
    }

    /// A refresh token beside others of its grant: one begins the family, and one can be used.
    async fn judge_number(
        &mut self,
        row: &Scanned,
        is_head: bool,
        is_root: bool,
        kept: &mut Kept,
    ) -> Result<(), StorageError> {
        if is_root {
            if let Some(root) = kept.root
                && let Some(other) = self.again(Table::RefreshTokens, root).await?
            {
                self.judge_two(Rule::OneFamily, rules::is_the_only_family(row, &other), row, &other);
            }
            kept.root = Some(row.id());
        }
        if is_head && !self.judge_head(row, kept.head).await? {
            kept.head = Some(row.id());
        }
        Ok(())
    }

    /// A refresh token that can be used beside an earlier one; whether that can be used still.
    async fn judge_head(&mut self, row: &Scanned, earlier: Option<OrderedId>) -> Result<bool, StorageError> {
        let Some(earlier) = earlier else { return Ok(false) };
        let Some(earlier) = self.again(Table::RefreshTokens, earlier).await? else { return Ok(false) };
        // It was there before the other was read: if it was not used until now, both could be used then.
        let keeps = rules::is_the_only_one_to_use(row, &earlier);
        self.judge_two(Rule::OneToUse, keeps, row, &earlier);
        Ok(!keeps)
    }

    fn judge_two(&mut self, rule: Rule, keeps: bool, row: &Scanned, beside: &Scanned) {
        if !keeps {
            self.report.add(Violation::new(rule, row, Some(beside)));
        }
    }

    /// A row as it is by now.
    async fn again(&self, table: Table, id: OrderedId) -> Result<Option<Scanned>, StorageError> {
        let before = id.to_bits().checked_sub(1).and_then(OrderedId::from_bits);
        let found = self.storage.scan(table, before, 1).await?;
        Ok(found.into_iter().find(|row| row.id() == id))
    }
}

/// Lets other tasks run: a store in memory never waits.
async fn give_way() {
    let mut gave_way = false;
    poll_fn(|context| {
        if gave_way {
            return Poll::Ready(());
        }
        gave_way = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
