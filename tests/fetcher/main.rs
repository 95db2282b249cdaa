//! The fetcher that is built in, against a hostile site on loopback.

#![allow(clippy::disallowed_methods, reason = "sockets take real time")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

#[path = "../support/mod.rs"]
mod support;

mod site;
mod through_the_server;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use grantor::GuardedFetcher;
use grantor::host::{FetchError, Fetched};
use site::{LIMIT, PUBLIC, Site};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const DOCUMENT: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

fn kind(fetched: &Result<Fetched, FetchError>) -> &'static str {
    match fetched {
        Ok(_) => "fetched",
        Err(FetchError::AddressNotPublic) => "not public",
        Err(FetchError::Unreachable(_)) => "unreachable",
        Err(FetchError::TimedOut) => "timed out",
        Err(FetchError::TooLarge) => "too large",
        Err(_) => "?",
    }
}

#[tokio::test]
async fn a_document_is_fetched_with_what_its_headers_say() {
    let site = Site::sending(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: public\r\ncache-control: max-age=60\r\n\
         age: 7\r\nset-cookie: a=b\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    )
    .await;
    let fetched = site.fetch_url("https://client.example:8443/a/client.json?b=c").await.unwrap();
    assert_eq!((fetched.status, &*fetched.body), (200, &b"{}"[..]));
    assert_eq!(fetched.content_type.as_deref(), Some("application/json"));
    assert_eq!(fetched.cache_control.as_deref(), Some("public, max-age=60"));
    assert_eq!(fetched.age.as_deref(), Some("7"));
    let request = site.requests().pop().unwrap().to_ascii_lowercase();
    assert!(request.starts_with("get /a/client.json?b=c http/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nhost: client.example:8443\r\n"), "{request}");
    assert!(request.contains("\r\naccept: application/json\r\n"), "{request}");
    for never in ["cookie", "authorization", "referer"] {
        assert!(!request.contains(never), "{request}");
    }
    assert_eq!(site.net.connected(), ["1.2.3.4:8443"], "the port is that of the URL and of no resolver");
}

#[tokio::test]
async fn attack_33_a_name_that_leads_inside_is_not_followed() {
    let site = Site::sending(DOCUMENT).await;
    for address in [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:1.2.3.4",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "ff02::1",
    ] {
        for answer in [&[address][..], &[PUBLIC, address], &[address, PUBLIC]] {
            site.net.leads_to(&[answer]);
            assert_eq!(kind(&site.fetch().await), "not public", "{answer:?}");
        }
    }
    assert!(site.net.connected().is_empty());
}

#[tokio::test]
async fn attack_33_the_address_that_was_looked_at_is_the_one_that_is_connected_to() {
    let site = Site::sending(DOCUMENT).await;
    // The name server of the attacker has another answer each time.
    site.net.leads_to(&[&[PUBLIC], &["127.0.0.1"]]);
    assert_eq!(kind(&site.fetch().await), "fetched");
    assert_eq!((site.net.questions(), site.net.connected()), (1, vec!["1.2.3.4:443".to_owned()]));
    assert_eq!(kind(&site.fetch().await), "not public", "nothing is remembered of the first answer");
    assert_eq!(site.net.connected().len(), 1);
}

#[tokio::test]
async fn attack_33_redirects_are_not_followed() {
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let location = "location: https://client.example/other";
        let site = Site::sending(format!("HTTP/1.1 {status}\r\n{location}\r\ncontent-length: 0\r\n\r\n")).await;
        let fetched = site.fetch().await.unwrap();
        assert_eq!(fetched.status.to_string(), status[..3]);
        assert_eq!((site.requests().len(), site.net.questions()), (1, 1));
    }
}

#[tokio::test]
async fn attack_33_urls_that_name_an_address_or_hide_their_host_are_not_fetched() {
    let site = Site::sending(DOCUMENT).await;
    for (url, why) in [
        ("https://127.0.0.1/c", "not public"),
        ("https://1.2.3.4/c", "not public"),
        ("https://127.1/c", "not public"),
        ("https://2130706433/c", "not public"),
        ("https://0x7f.1/c", "not public"),
        ("https://0177.0.0.1/c", "not public"),
        ("https://[::1]/c", "not public"),
        ("https://[::ffff:127.0.0.1]:8443/c", "not public"),
        ("http://client.example/c", "unreachable"),
        ("https://good.example@client.example/c", "unreachable"),
        ("https://client.example:99999/c", "unreachable"),
        ("file:///etc/passwd", "unreachable"),
        ("gopher://client.example/_x", "unreachable"),
        ("", "unreachable"),
    ] {
        assert_eq!(kind(&site.fetch_url(url).await), why, "{url}");
    }
    assert_eq!((site.net.questions(), site.net.connected().len()), (0, 0));
}

#[tokio::test]
async fn attack_33_no_more_is_read_than_may_be() {
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    let exact = Site::sending(head(LIMIT) + &"x".repeat(LIMIT)).await;
    assert_eq!(exact.fetch().await.unwrap().body.len(), LIMIT);

    let announced = Site::sending(head(LIMIT + 1) + &"x".repeat(LIMIT + 1)).await;
    assert_eq!(kind(&announced.fetch().await), "too large");

    let wrong = Site::sending(head(2) + &"x".repeat(10 * LIMIT)).await;
    assert_eq!(wrong.fetch().await.unwrap().body.len(), 2, "what follows is of no request");

    let short = Site::sending(head(100) + "{}").await;
    assert_eq!(kind(&short.fetch().await), "unreachable", "half a document is none");

    let unannounced = Site::sending("HTTP/1.1 200 OK\r\n\r\n".to_owned() + &"x".repeat(LIMIT + 1)).await;
    assert_eq!(kind(&unannounced.fetch().await), "too large");

    let endless = Site::with(
        |_| {},
        |mut stream| async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
            while stream.write_all(chunk.as_bytes()).await.is_ok() {}
        },
    )
    .await;
    let began = Instant::now();
    assert_eq!(kind(&endless.fetch().await), "too large");
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn attack_33_headers_without_end_are_not_read() {
    let endless = Site::with(
        |_| {},
        |mut stream| async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
            let mut number = 0_u64;
            while stream.write_all(format!("x-{number}: {}\r\n", "x".repeat(100)).as_bytes()).await.is_ok() {
                number += 1;
            }
        },
    )
    .await;
    assert_eq!(kind(&endless.fetch().await), "unreachable");
    for garbage in ["", "\r\n\r\n", "{}", "HTTP/1.1 9999 x\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"] {
        let site = Site::sending(garbage).await;
        assert_eq!(kind(&site.fetch().await), "unreachable", "{garbage:?}");
    }
}

#[tokio::test]
async fn attack_33_a_slow_site_has_five_seconds_in_all() {
    let drip = |head: &'static [u8], drop: &'static [u8]| {
        Site::with(
            |_| {},
            move |mut stream| async move {
                let _ = stream.write_all(head).await;
                while stream.write_all(drop).await.is_ok() && stream.flush().await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        )
    };
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let without_tls = Site { net: site::Net::to(silent.local_addr().unwrap()), ..Site::sending("").await };
    let (body, head, silence) = (
        drip(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n", b"x").await,
        drip(b"HTTP/1.1 200 OK\r\nx: ", b"x").await,
        Site::with(
            |_| {},
            |stream| async move {
                std::future::pending::<()>().await;
                drop(stream);
            },
        )
        .await,
    );
    let began = Instant::now();
    let all = tokio::join!(body.fetch(), head.fetch(), silence.fetch(), without_tls.fetch());
    for fetched in [&all.0, &all.1, &all.2, &all.3] {
        assert_eq!(kind(fetched), "timed out");
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(7), "{took:?}");
}

#[tokio::test]
async fn attack_33_a_certificate_must_be_the_hosts_own() {
    let answer = |mut stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>| async move {
        let _ = stream.write_all(DOCUMENT.as_bytes()).await;
    };
    let name = |name: &str| rcgen::SanType::DnsName(name.try_into().unwrap());
    let other = Site::with(|params| params.subject_alt_names = vec![name("other.example")], answer).await;
    let address = SocketAddr::from(([1, 2, 3, 4], 443)).ip();
    let of_address =
        Site::with(|params| params.subject_alt_names = vec![rcgen::SanType::IpAddress(address)], answer).await;
    let ended = Site::with(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1), answer).await;
    for site in [&other, &of_address, &ended] {
        assert_eq!(kind(&site.fetch().await), "unreachable");
        assert!(site.requests().is_empty(), "nothing was asked for");
    }
    // Of an authority that nobody trusts.
    let stranger = Site { authority: site::Authority::new(), ..Site::sending(DOCUMENT).await };
    assert_eq!(kind(&stranger.fetch().await), "unreachable");
    assert!(GuardedFetcher::with_roots([&b"no certificate"[..]]).is_err());
}

#[tokio::test]
async fn an_address_where_nobody_answers_leaves_time_for_the_next() {
    let site = Site::sending(DOCUMENT).await;
    site.net.leads_to(&[&["9.9.9.9", PUBLIC]]);
    assert_eq!(kind(&site.fetch().await), "fetched");
    assert_eq!(site.net.connected(), ["9.9.9.9:443", "1.2.3.4:443"]);
    site.net.leads_to(&[&["9.9.9.9"]]);
    assert_eq!(kind(&site.fetch().await), "unreachable");
    site.net.leads_to(&[&[]]);
    assert_eq!(kind(&site.fetch().await), "unreachable");
}

#[tokio::test]
async fn a_fetch_that_is_given_up_closes_its_connection() {
    let (told, tell) = tokio::sync::oneshot::channel();
    let told = std::sync::Mutex::new(Some(told));
    let site = Site::with(
        |_| {},
        move |mut stream| {
            let told = told.lock().unwrap().take();
            async move {
                let ended = stream.read(&mut [0]).await;
                told.unwrap().send(ended.map_or(true, |read| read == 0)).unwrap();
            }
        },
    )
    .await;
    let given_up = tokio::time::timeout(Duration::from_millis(500), site.fetch()).await;
    assert!(given_up.is_err());
    assert!(tokio::time::timeout(Duration::from_secs(2), tell).await.unwrap().unwrap());
}
