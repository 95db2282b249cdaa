//! Look-ups beside endings, for as long as there is something to end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use grantor::storage::testkit::Yielding;
use grantor::storage::{Cached, Sharing, Storage};
use tokio::task::yield_now;

use crate::scene::{Ending, Installed, Scene};
use crate::staged::Staged;

const GRANTS: usize = 400;

struct Watched {
    installed: Installed,
    has_ended: AtomicBool,
}

/// Looks up every token over and over, and whatever ended before the look-up began must show. Answers how
/// many look-ups that were.
async fn look_up(store: &impl Storage, watched: &[Watched], done: &AtomicBool) -> u64 {
    let mut look_ups = 0;
    while !done.load(Ordering::Acquire) {
        for one in watched {
            let had_ended = one.has_ended.load(Ordering::Acquire);
            let stored = store.access_token(one.installed.token).await.unwrap();
            let is_live = stored.is_some_and(|stored| !stored.revoked);
            assert!(!(had_ended && is_live), "a token is live that had ended");
            look_ups += 1;
        }
        yield_now().await;
    }
    look_ups
}

async fn end(store: &impl Storage, watched: &[Watched]) {
    for (ending, one) in Ending::OF_ONE.iter().cycle().zip(watched) {
        ending.of(store, &one.installed).await.unwrap();
        one.has_ended.store(true, Ordering::Release);
        for _ in 0..20 {
            yield_now().await;
        }
        thread::sleep(Duration::from_micros(500));
    }
}

/// So that nobody waits for ever if something panics.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

#[test]
fn no_look_up_beside_endings_tells_of_one_too_late() {
    let inner = Staged::new(Sharing::Sole);
    let watched: Vec<_> = run(async {
        let scene = Scene::over(inner.clone()).await;
        let mut watched = Vec::new();
        for _ in 0..GRANTS {
            watched.push(Watched { installed: scene.installed().await, has_ended: AtomicBool::new(false) });
        }
        watched
    });
    // Larger than what there is, and so small that entries push each other out.
    for (watched, capacity) in watched.chunks(GRANTS / 2).zip([10_000, GRANTS / 3]) {
        let store = Cached::new(Yielding::new(inner.clone())).capacity(capacity);
        let done = AtomicBool::new(false);
        let before = inner.look_ups();
        let total: u64 = thread::scope(|scope| {
            let looking = [(); 2].map(|()| scope.spawn(|| run(look_up(&store, watched, &done))));
            let set_at_the_end = SetOnDrop(&done);
            run(end(&store, watched));
            drop(set_at_the_end);
            looking.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let reads = inner.look_ups() - before;
        println!("capacity {capacity}: {total} look-ups, {reads} of them in the store");
        assert!(total > reads, "{total} look-ups, {reads} of them in the store");
    }
}
