//! Who may import whom, how pure the protocol is, and how large files and functions may grow.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod source;

use std::collections::HashSet;
use std::fmt;
use std::ops::RangeInclusive;

use source::{SourceFile, Token, rust_files, tokens};

/// A top-level module and the modules that it may use besides itself.
const IMPORTS: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("storage", &["protocol"]),
    ("host", &["protocol"]),
    ("pages", &["protocol", "host"]),
    ("guard", &["protocol", "storage", "host"]),
    // The server hands out guards over its own store.
    ("server", &["protocol", "storage", "host", "pages", "guard"]),
    // The HTTP boundary speaks the protocol's requests and the host's views.
    ("web", &["server", "guard", "protocol", "host"]),
    // What comes from another library may be a page of the host's.
    ("adapters", &["web", "guard", "server", "protocol", "host"]),
    // It looks at a server from outside, and is no part of one.
    ("doctor", &["protocol", "host"]),
    ("manual", &[]),
];

/// What the protocol does without: waiting, clocks, randomness, HTTP and the world outside.
/// An entry that begins with `::` is a part of a path, any other the start of one.
const IMPURE: &[&str] = &[
    "::async::",
    "::await::",
    "::SystemTime::",
    "::Instant::",
    "rand::",
    "::ring::rand::",
    "getrandom::",
    "http::",
    "tokio::",
    "::std::env::",
    "::std::fs::",
    "::std::io::",
    "::std::net::TcpListener::",
    "::std::net::TcpStream::",
    "::std::net::UdpSocket::",
    "::std::process::",
    "::std::thread::",
];

/// What would be logic in `lib.rs`, which only declares modules and re-exports.
const LOGIC: &[&str] = &["fn", "impl", "trait", "struct", "enum", "union", "const", "static", "type", "macro_rules"];

const FILE_LINES: usize = 500;
const ADAPTER_LINES: usize = 250;
const FUNCTION_LINES: usize = 60;

#[test]
fn the_source_keeps_the_rules() {
    let broken = check(&rust_files("src"));
    assert!(broken.is_empty(), "{} rules are broken:\n{}", broken.len(), broken.join("\n"));
}

fn check(files: &[SourceFile]) -> Vec<String> {
    let files: Vec<_> = files.iter().map(File::new).collect();
    let test_modules: HashSet<_> = files.iter().flat_map(File::test_modules).collect();
    let mut broken = Vec::new();
    for file in &files {
        let tested = test_modules.iter().any(|module| file.module.starts_with(module));
        file.check_imports(&mut broken);
        file.check_purity(&mut broken);
        file.check_logic(&mut broken);
        if !tested {
            file.check_lengths(&mut broken);
        }
    }
    broken.dedup();
    broken
}

struct File<'a> {
    path: &'a str,
    length: usize,
    /// `["host", "user"]` for `src/host/user.rs`, nothing for `src/lib.rs`.
    module: Vec<String>,
    tokens: Vec<Token>,
}

/// A path as written, with the module around it and all groups of a `use` resolved.
struct Named {
    segments: Vec<String>,
    /// The index of its first token.
    at: usize,
}

impl<'a> File<'a> {
    fn new(file: &'a SourceFile) -> Self {
        let inner = file.path.trim_start_matches("src/").trim_end_matches(".rs");
        let module = inner.split('/').filter(|part| !matches!(*part, "lib" | "mod")).map(str::to_owned).collect();
        Self { path: &file.path, length: file.text.lines().count(), module, tokens: tokens(&file.text) }
    }

    fn line(&self, at: usize) -> usize {
        self.tokens[at].line
    }

    fn broken(&self, line: usize, rule: impl fmt::Display) -> String {
        format!("{}:{line}: {rule}", self.path)
    }

    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    fn check_imports(&self, broken: &mut Vec<String>) {
        let Some(own) = self.module.first() else { return };
        let Some((_, allowed)) = IMPORTS.iter().find(|(module, _)| module == own) else {
            broken.push(self.broken(1, format_args!("the module `{own}` has no import rule in {}", file!())));
            return;
        };
        for named in self.paths() {
            let Some(used) = self.top_level(&named) else { continue };
            if !IMPORTS.iter().any(|(module, _)| *module == used) {
                let rule = "within the crate, things are imported from their module, not from the crate's root";
                broken.push(self.broken(self.line(named.at), format_args!("`{}`: {rule}", named.segments.join("::"))));
            } else if used != own && !allowed.contains(&used) {
                let rule = format_args!("`{own}` may not use `{used}`, only {allowed:?}");
                broken.push(self.broken(self.line(named.at), rule));
            }
        }
    }

    /// The top-level module that a path leads to, empty for the root itself; `None` outside the crate.
    fn top_level<'n>(&'n self, named: &'n Named) -> Option<&'n str> {
        let mut segments = named.segments.iter().map(String::as_str).filter(|segment| *segment != "self").peekable();
        if segments.next_if_eq(&"crate").is_some() {
            return Some(segments.next().unwrap_or_default());
        }
        segments.peek().filter(|segment| **segment == "super")?;
        let mut above = self.module_at(named.at);
        while segments.next_if_eq(&"super").is_some() {
            above.pop();
        }
        Some(if above.is_empty() { segments.next().unwrap_or_default() } else { &self.module[0] })
    }

    /// The module around a token: that of the file and the inline ones.
    fn module_at(&self, at: usize) -> Vec<String> {
        let opened = (0..at).filter(|start| self.text(*start) == "mod" && self.text(start + 2) == "{");
        let around = opened.filter(|start| self.closing(start + 2) > at);
        self.module.iter().cloned().chain(around.map(|start| self.text(start + 1).to_owned())).collect()
    }

    /// The brace that closes the one at `open`.
    fn closing(&self, open: usize) -> usize {
        let mut depth = 0;
        for at in open..self.tokens.len() {
            match self.text(at) {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return at;
            }
        }
        self.tokens.len() - 1
    }

    /// The lines from the token at `start` to the end of the block that opens at `open`.
    fn lines(&self, start: usize, open: usize) -> RangeInclusive<usize> {
        self.line(start)..=self.line(self.closing(open))
    }

    fn check_purity(&self, broken: &mut Vec<String>) {
        if self.module.first().is_none_or(|module| module != "protocol") {
            return;
        }
        for named in self.paths() {
            let path = format!("::{}::", named.segments.join("::"));
            let impure = IMPURE.iter().find(|impure| match impure.starts_with("::") {
                true => path.contains(*impure),
                false => named.segments.len() > 1 && path[2..].starts_with(*impure),
            });
            if let Some(impure) = impure {
                broken.push(self.broken(
                    self.line(named.at),
                    format_args!("the protocol is pure: no `{}`", impure.trim_matches(':')),
                ));
            }
        }
    }

    fn check_logic(&self, broken: &mut Vec<String>) {
        if self.module.is_empty() {
            for token in self.tokens.iter().filter(|token| LOGIC.contains(&token.text.as_str())) {
                let rule = "lib.rs only declares modules and re-exports";
                broken.push(self.broken(token.line, format_args!("`{}`: {rule}", token.text)));
            }
        }
    }

    fn check_lengths(&self, broken: &mut Vec<String>) {
        let tests: Vec<_> = self.inline_tests();
        let lines = self.length - tests.iter().map(|lines| lines.end() - lines.start() + 1).sum::<usize>();
        let adapter = self.module.first().is_some_and(|module| module == "adapters");
        let limit = if adapter { ADAPTER_LINES } else { FILE_LINES };
        if lines > limit {
            broken.push(self.broken(1, format_args!("{lines} lines outside its tests; a file has at most {limit}")));
        }
        for (name, span) in self.functions() {
            let lines = span.end() - span.start() + 1;
            if lines > FUNCTION_LINES && !tests.iter().any(|tests| tests.contains(span.start())) {
                let rule = format_args!("`{name}` has {lines} lines; a function has at most {FUNCTION_LINES}");
                broken.push(self.broken(*span.start(), rule));
            }
        }
    }

    /// Every function that has a body.
    fn functions(&self) -> Vec<(&str, RangeInclusive<usize>)> {
        let named = |at: &usize| self.text(*at) == "fn" && self.tokens.get(at + 1).is_some_and(Token::is_word);
        let starts = (0..self.tokens.len()).filter(named);
        let bodies = starts.filter_map(|at| Some((at, self.body(at)?)));
        bodies.map(|(at, open)| (self.text(at + 1), self.lines(at, open))).collect()
    }

    /// Where the body of the function at `start` opens; a `;` comes first where it has none.
    fn body(&self, start: usize) -> Option<usize> {
        let mut nested = 0;
        for at in start..self.tokens.len() {
            match self.text(at) {
                "(" | "[" => nested += 1,
                ")" | "]" => nested -= 1,
                "{" if nested == 0 => return Some(at),
                ";" if nested == 0 => return None,
                _ => {}
            }
        }
        None
    }

    /// Where `#[cfg(test)]` stands before a `mod`: the index of the first attribute and that of the `mod`.
    fn test_starts(&self) -> Vec<(usize, usize)> {
        let mut starts = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let (first, mut tested) = (at, false);
            while self.text(at) == "#" && self.text(at + 1) == "[" {
                let end = (at..self.tokens.len()).find(|at| self.text(*at) == "]").unwrap_or(self.tokens.len());
                let words: Vec<_> = (at..end).map(|at| self.text(at)).collect();
                tested |= words[2] == "cfg" && words.contains(&"test") && !words.contains(&"not");
                at = end + 1;
            }
            if tested && self.text(at) == "mod" {
                starts.push((first, at));
            }
            at += 1;
        }
        starts
    }

    fn inline_tests(&self) -> Vec<RangeInclusive<usize>> {
        let inline = self.test_starts().into_iter().filter(|(_, at)| self.text(at + 2) == "{");
        inline.map(|(first, at)| self.lines(first, at + 2)).collect()
    }

    /// The modules in files of their own that this file declares as tests.
    fn test_modules(&self) -> Vec<Vec<String>> {
        let declared = self.test_starts().into_iter().filter(|(_, at)| self.text(at + 2) == ";");
        declared.map(|(_, at)| [self.module.clone(), vec![self.text(at + 1).to_owned()]].concat()).collect()
    }

    fn paths(&self) -> Vec<Named> {
        let mut paths = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let before = at.checked_sub(1).map_or("", |before| self.text(before));
            // `pub(crate)` names nothing.
            let visibility = before == "(" && self.text(at + 1) == ")" && matches!(self.text(at), "crate" | "super");
            if self.tokens[at].is_word() && !visibility {
                at = self.path(at, &[], &mut paths);
            } else {
                at += 1;
            }
        }
        paths
    }

    /// Reads one path, or one tree of a `use`, and returns where it ends.
    fn path(&self, mut at: usize, above: &[String], paths: &mut Vec<Named>) -> usize {
        let start = at;
        let mut segments = above.to_vec();
        loop {
            match self.text(at) {
                "{" => return self.group(at + 1, &segments, paths),
                "*" => segments.push("*".to_owned()),
                _ if self.tokens.get(at).is_some_and(Token::is_word) => segments.push(self.text(at).to_owned()),
                _ => break,
            }
            at += 1;
            if self.text(at) != "::" {
                break;
            }
            at += 1;
        }
        paths.push(Named { segments, at: start });
        at
    }

    fn group(&self, mut at: usize, above: &[String], paths: &mut Vec<Named>) -> usize {
        while at < self.tokens.len() && self.text(at) != "}" {
            at = match self.text(at) {
                "," => at + 1,
                // The new name is not a path.
                "as" => at + 2,
                _ => self.path(at, above, paths).max(at + 1),
            };
        }
        at + 1
    }
}

/// What is wrong with a file of the given path and text.
fn broken(path: &str, text: &str) -> Vec<String> {
    check(&[SourceFile { path: path.to_owned(), text: text.to_owned() }])
}

#[test]
fn a_forbidden_import_is_found() {
    for text in [
        "use crate::storage::Storage;",
        "use crate::{\n    protocol::scope, storage::{Storage, StorageError}};",
        "fn f() { crate::storage::f() }",
        "fn f(storage: &dyn Into<crate::storage::S>) {}",
        "use super::super::storage;",
        "use super::{super::storage as s, time};",
        "mod a { use super::time; } use super::super::storage; mod b {}",
        "use self::super::super::storage::S;",
        "mod tests { use super::super::super::storage; }",
        "use { crate::storage::S, std::fmt };",
        "use crate :: /* here */ storage;",
        "fn f<'a>(_: &'a u8) -> char { '\"' } use crate::storage; const S: &str = \"\";",
    ] {
        let found = broken("src/protocol/deep.rs", text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].ends_with("`protocol` may not use `storage`, only []"), "{found:?}");
    }
    let found = broken("src/host/mod.rs", "\n\nuse super::web;");
    assert_eq!(found, ["src/host/mod.rs:3: `host` may not use `web`, only [\"protocol\"]"]);
}

#[test]
fn a_way_around_the_rules_is_found() {
    for text in ["use crate::Server;", "use crate::*;", "use crate as root;", "use crate::{self as root};"] {
        assert!(broken("src/guard/mod.rs", text)[0].contains("not from the crate's root"), "{text}");
    }
    assert!(broken("src/else/mod.rs", "")[0].contains("`else` has no import rule"));
}

#[test]
fn an_allowed_import_passes() {
    for text in [
        "use crate::protocol::{scope::ScopeSet, time::Timestamp};",
        "use crate::storage::Code; pub(crate) struct S; pub(super) fn f() {} pub(in crate::storage) fn g() {}",
        "use super::web; mod tests { use super::super::web; }",
        "// use crate::web;\n/// [`crate::web`]\n/* /* crate::web */ crate::web */ const S: &str = r#\"crate::web\"#;",
        "const S: &[u8] = b\"\\\" crate::web\"; const C: char = '\\''; const D: u8 = b'\"'; type R = r#struct;",
    ] {
        assert_eq!(broken("src/storage/deep.rs", text), [""; 0], "{text}");
    }
}

#[test]
fn an_impure_protocol_is_found() {
    for text in [
        "async fn f() {}",
        "use std::time::{Duration, SystemTime};",
        "use std::{env, fmt};",
        "fn f() { std::fs::read(\"x\"); }",
        "fn f() { ::std::fs::read(\"x\"); }",
        "use std::net::{IpAddr, TcpStream};",
        "use ring::{digest, rand::SystemRandom};",
        "use rand::Rng;",
        "fn f(parts: &http::request::Parts) {}",
        "type T = Vec<tokio::task::Id>;",
        "struct S(Instant);",
    ] {
        let found = broken("src/protocol/x.rs", text);
        assert!(found.len() == 1 && found[0].contains("the protocol is pure"), "{text}: {found:?}");
        assert_eq!(broken("src/web/x.rs", text), [""; 0]);
    }
    assert_eq!(broken("src/protocol/x.rs", "use std::net::IpAddr; fn f(rand: u8, http: u8) {} // async"), [""; 0]);
}

#[test]
fn logic_in_lib_is_found() {
    assert_eq!(broken("src/lib.rs", "//! fn\npub mod host;\npub use host::{Host, User};"), [""; 0]);
    for text in ["fn f() {}", "impl X {}", "pub struct S;"] {
        assert_eq!(broken("src/lib.rs", text).len(), 1, "{text}");
    }
}

#[test]
fn what_is_too_long_is_found() {
    let body = "    f();\n".repeat(FUNCTION_LINES - 2);
    assert_eq!(broken("src/web/x.rs", &format!("fn f(a: [u8; 3]) {{\n{body}}}")), [""; 0]);
    let found = broken("src/web/x.rs", &format!("\nfn g() {{\n\n{body}}}"));
    assert_eq!(found, ["src/web/x.rs:2: `g` has 61 lines; a function has at most 60"]);

    let lines = |count| "const X: u8 = 0;\n".repeat(count);
    assert_eq!(broken("src/web/x.rs", &lines(FILE_LINES)), [""; 0]);
    let found = broken("src/web/x.rs", &lines(FILE_LINES + 1));
    assert_eq!(found, ["src/web/x.rs:1: 501 lines outside its tests; a file has at most 500"]);
    assert_eq!(broken("src/adapters/x.rs", &lines(ADAPTER_LINES + 1)).len(), 1);
}

#[test]
fn tests_may_be_long() {
    let tests = format!("mod tests {{\n{}fn f() {{{}}}\n}}\n", "const X: u8 = 0;\n".repeat(600), "\n".repeat(70));
    assert_eq!(broken("src/web/x.rs", &format!("#[cfg(test)]\n#[allow(dead_code)]\n{tests}")), [""; 0]);
    assert_eq!(broken("src/web/x.rs", &format!("#[cfg(not(test))]\n{tests}")).len(), 2);

    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let inner = file("src/web/x/tests.rs", &tests);
    assert_eq!(check(&[file("src/web/x.rs", "#[cfg(test)]\nmod tests;"), inner]), [""; 0]);
}
