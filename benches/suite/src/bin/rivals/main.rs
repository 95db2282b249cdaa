//! grantor beside its rivals and the bare hardware, in one run: `cargo bench --bench suite -- rivals`.

mod oxide;
mod table;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion};
use grantor_benches::in_process::InProcess;
use grantor_benches::oauth_as::OauthAs;
use grantor_benches::ours::{self, Ours};
use oxide::Oxide;

/// So many requests are made ready at a time: few, since a request that a server answers has just come in.
const BATCH: BatchSize = BatchSize::NumIterations(16);

/// So many live tokens there are while requests are guarded.
const LIVE: usize = 1_000;

fn exchange(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("exchange");
    let (ours, theirs, mut oxide) = (Ours::new(), OauthAs::new(), Oxide::new());
    let in_process = InProcess::of(&ours);
    group.bench_function("ours in process", |b| {
        b.iter_batched(|| Ours::form_of(&ours.code(ours.asks())), |form| in_process.exchange(&form), BATCH);
    });
    group.bench_function("ours", |b| b.iter_batched(|| ours.redeems(), |r| ours.handle(r), BATCH));
    group.bench_function("oauth-as", |b| b.iter_batched(|| theirs.redeems(), |r| theirs.token(r), BATCH));
    group.bench_function("oauth-as by its service", |b| {
        b.iter_batched(|| theirs.redeems_over_http(), |r| theirs.handle(r), BATCH);
    });
    let oxide = std::cell::RefCell::new(&mut oxide);
    group.bench_function("oxide-auth", |b| {
        b.iter_batched(|| oxide.borrow_mut().redeems(), |r| oxide.borrow_mut().exchanges(r), BATCH);
    });
    group.finish();
}

fn whole_way(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("authorize and exchange");
    let (ours, theirs) = (Ours::new(), OauthAs::new());
    // Now the client is stored.
    ours.code(ours.asks());
    let in_process = InProcess::of(&ours);
    group.bench_function("ours in process", |b| {
        let whole = |(query, user): (&str, _)| in_process.exchange(&Ours::form_of(&in_process.authorize(query, &user)));
        b.iter_batched(|| ours.query(), whole, BATCH);
    });
    group.bench_function("ours", |b| b.iter_batched(|| ours.asks(), |r| ours.goes_the_whole_way(r), BATCH));
    group.bench_function("oauth-as", |b| {
        b.iter_batched(|| theirs.asks(), |r| theirs.goes_the_whole_way(&r), BATCH);
    });
    group.finish();
}

fn refresh(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("refresh");
    let (ours, theirs) = (Ours::new(), OauthAs::new());
    let in_process = InProcess::of(&ours);
    group.bench_function("ours in process", |b| {
        b.iter_batched(|| ours.refresh_form(), |form| in_process.refresh(&form), BATCH);
    });
    group.bench_function("ours", |b| b.iter_batched(|| ours.refreshes(), |r| ours.handle(r), BATCH));
    group.bench_function("oauth-as", |b| b.iter_batched(|| theirs.refreshes(), |r| theirs.token(r), BATCH));
    group.finish();
}

fn client_credentials(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("client credentials");
    let (ours, theirs) = (Ours::new(), OauthAs::new());
    // Now the client is stored.
    ours.token();
    let (in_process, header) = (InProcess::of(&ours), Ours::basic());
    group.bench_function("ours in process", |b| {
        b.iter_batched(|| (), |()| in_process.client_credentials(ours::ACCESS, &header), BATCH);
    });
    group.bench_function("ours", |b| b.iter_batched(|| Ours::client_credentials(), |r| ours.handle(r), BATCH));
    group.bench_function("oauth-as", |b| {
        b.iter_batched(|| theirs.client_credentials(), |r| theirs.token(r), BATCH);
    });
    group.finish();
}

fn introspect(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("introspection");
    let ours = Ours::new();
    let token = ours.token();
    group.bench_function("ours", |b| b.iter_batched(|| ours.introspects(&token), |r| ours.handle(r), BATCH));
    group.finish();
}

fn guard(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("guard");
    let ours = Ours::new();
    let tokens: Vec<_> = (0..LIVE).map(|_| ours.token()).collect();
    let mut at = 0;
    let mut next = || {
        // A step that is prime to their number leads to all of them, and to no neighbour.
        at = (at + 7_919) % LIVE;
        ours.shows(&tokens[at])
    };
    group.bench_function("ours", |b| b.iter_batched(&mut next, |request| ours.guards(black_box(&request)), BATCH));
    let theirs = OauthAs::new();
    let token = theirs.token(theirs.client_credentials()).access_token;
    group.bench_function("oauth-as", |b| b.iter(|| theirs.guards(black_box(&token))));
    let mut oxide = Oxide::new();
    let shown = oxide.shows();
    group.bench_function("oxide-auth", |b| b.iter_batched(|| shown.clone(), |r| oxide.guards(r), BATCH));
    group.bench_function("SHA-256", |b| {
        b.iter(|| ring::digest::digest(&ring::digest::SHA256, black_box(&[7; 32])));
    });
    group.finish();
}

fn main() {
    assert_eq!(ours::challenge(), ours::CHALLENGE);
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for bench in [exchange, whole_way, refresh, client_credentials, introspect, guard] {
        bench(&mut criterion);
    }
    table::print();
}
