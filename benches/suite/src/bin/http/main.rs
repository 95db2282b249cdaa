//! grantor over HTTP beside bare axum and `oauth-as`: `cargo bench --bench suite -- http`.
//!
//! The server has one core and wrk another one, over loopback. Bare axum is asked the same, and sends the same headers
//! and bodies from memory. Each pair is measured in turns, so that a drift of the machine hits both.

mod load;
mod servers;

use grantor_benches::ours::{ACCESS, METADATA};
use grantor_benches::report::{Figure, Goal, Report, median};
use load::{Found, Load, Server};

const ROUNDS: usize = 5;
const SECONDS: u64 = 2;
/// Codes for one round: more than are redeemed in it.
const CODES: usize = 200_000;
/// Tokens that are issued while it is looked at how long that takes.
const MANY: f64 = 1_000_000.0;

fn main() {
    let mut arguments = std::env::args().skip(1);
    if let (Some("serve"), Some(name)) = (arguments.next().as_deref(), arguments.next()) {
        return servers::serve(&name);
    }
    let mut report = Report::new("http", "HTTP over loopback, one core for the server, one for the load");
    let servers =
        Servers { bare: Server::start("bare"), grantor: Server::start("grantor"), oauth_as: Server::start("oauth-as") };
    servers.reads(&mut report);
    servers.issues(&mut report);
    drop(servers);
    growth(&mut report);
    report.finish();
}

struct Servers {
    bare: Server,
    grantor: Server,
    oauth_as: Server,
}

impl Servers {
    fn reads(&self, report: &mut Report) {
        let token = self.grantor.prepared("/prepare/tokens/1").remove(0);
        let metadata = || Load::Get(METADATA);
        let fixed = [(&self.bare, Load::Get("/metadata")), (&self.grantor, metadata()), (&self.oauth_as, metadata())];
        rate(report, "metadata", fixed.map(Some), 0.9);
        let guarded = |server| Some((server, Load::Guarded("/api", token.clone())));
        rate(report, "guarded resource", [guarded(&self.bare), guarded(&self.grantor), None], 0.9);
        let asks = |path| Load::Post(path, format!("token={token}"));
        let pair = [Some((&self.bare, asks("/introspection"))), Some((&self.grantor, asks("/oauth/introspect"))), None];
        rate(report, "introspection", pair, 0.92);
    }

    fn issues(&self, report: &mut Report) {
        let asks = |path| Load::Post(path, ACCESS.to_owned());
        let all = [
            (&self.bare, asks("/client_credentials")),
            (&self.grantor, asks("/oauth/token")),
            (&self.oauth_as, asks("/token")),
        ];
        rate(report, "client credentials", all.map(Some), 0.8);
        self.exchanges(report);
    }

    /// By CPU, since making such requests ready takes wrk longer than answering them takes a server.
    fn exchanges(&self, report: &mut Report) {
        let codes = |server: &Server| server.prepared(&format!("/prepare/codes/{CODES}"));
        let [mut bare, mut ours, mut theirs] = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            let taken = codes(&self.grantor);
            bare.push(self.bare.under(&Load::Codes("/exchange", taken.clone()), SECONDS).cpu);
            ours.push(self.grantor.under(&Load::Codes("/oauth/token", taken), SECONDS).cpu);
            theirs.push(self.oauth_as.under(&Load::Codes("/token", codes(&self.oauth_as)), SECONDS).cpu);
        }
        let [bare, ours, theirs] = [bare, ours, theirs].map(|taken| Figure(1e6 / median(taken), "/CPU s"));
        report.ratio("exchange", ours, ("bare axum", bare), Goal::AtLeast(0.7));
        report.ratio("exchange", ours, ("oauth-as", theirs), Goal::None);
    }
}

/// Requests a second: of bare axum, grantor and `oauth-as`.
fn rate(report: &mut Report, what: &str, servers: [Option<(&Server, Load<'_>)>; 3], goal: f64) {
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (server, rates) in servers.iter().zip(&mut rates) {
            rates.extend(server.as_ref().map(|(server, load)| server.under(load, SECONDS).per_second));
        }
    }
    let [bare, ours, theirs] = rates;
    let ours = Figure(median(ours), "/s");
    report.ratio(what, ours, ("bare axum", Figure(median(bare), "/s")), Goal::AtLeast(goal));
    if !theirs.is_empty() {
        report.ratio(what, ours, ("oauth-as", Figure(median(theirs), "/s")), Goal::None);
    }
}

/// How long an answer takes while there come to be a million tokens.
fn growth(report: &mut Report) {
    let bare = grow("bare", "/client_credentials");
    let ours = grow("grantor", "/oauth/token");
    let theirs = grow("oauth-as", "/token");
    let p99 = |found: &Found| Figure(found.p99, "ms");
    let longest = |found: &Found| Figure(found.longest, "ms");
    report.ratio("p99 while growing to 10⁶ tokens", p99(&ours), ("bare axum", p99(&bare)), Goal::AtMost(3.0));
    report.ratio("p99 while growing to 10⁶ tokens", p99(&ours), ("oauth-as", p99(&theirs)), Goal::None);
    report.figure("longest answer meanwhile", longest(&ours), Goal::AtMost(5.0));
    report.ratio("longest answer meanwhile", longest(&ours), ("bare axum", longest(&bare)), Goal::None);
    report.ratio("longest answer meanwhile", longest(&ours), ("oauth-as", longest(&theirs)), Goal::None);
}

/// A new server, under load until that many requests are answered.
fn grow(name: &str, path: &str) -> Found {
    let load = Load::Post(path, ACCESS.to_owned());
    let warm = Server::start(name).under(&load, SECONDS);
    let seconds = (MANY / warm.per_second * 1.3).ceil() as u64;
    let found = Server::start(name).under(&load, seconds);
    assert!(found.requests >= MANY, "only {} requests in {seconds} s", found.requests);
    found
}
