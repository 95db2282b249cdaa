//! The manual's table of attacks and the tests that it names agree, in both directions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod source;

use std::fs;

use source::{SourceFile, rust_files, tokens};

const TABLE: &str = "src/manual/attacks.md";

#[test]
fn the_manual_names_every_attack_test_and_no_other() {
    let files = [rust_files("src"), rust_files("tests")].concat();
    let manual = fs::read_to_string(format!("{}/{TABLE}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let wrong = check(&manual, &files);
    assert!(wrong.is_empty(), "the manual and the tests differ:\n{}", wrong.join("\n"));
}

/// One line of the table: an attack, and the tests in one file that prove the defence.
struct Row<'a> {
    line: usize,
    number: u32,
    file: &'a str,
    tests: Vec<&'a str>,
}

fn check(manual: &str, files: &[SourceFile]) -> Vec<String> {
    let (rows, mut wrong) = rows(manual);
    if rows.is_empty() {
        wrong.push(format!("{TABLE}: the table has no rows"));
    }
    for pair in rows.windows(2).filter(|pair| pair[0].number > pair[1].number) {
        wrong.push(format!("{TABLE}:{}: the rows are not in the order of their numbers", pair[1].line));
    }
    for row in &rows {
        wrong.extend(row.wrong(files).into_iter().map(|wrong| format!("{TABLE}:{}: {wrong}", row.line)));
    }
    for file in files {
        for (test, line) in functions(&file.text).into_iter().filter(|(name, _)| name.starts_with("attack_")) {
            if !rows.iter().any(|row| row.file == file.path && row.tests.contains(&test.as_str())) {
                wrong.push(format!("{}:{line}: `{test}` is not in {TABLE}", file.path));
            }
        }
    }
    wrong
}

/// The rows below the table's head, and what could not be read.
fn rows(manual: &str) -> (Vec<Row<'_>>, Vec<String>) {
    let lines = manual.lines().enumerate().filter(|(_, line)| line.starts_with('|')).skip(2);
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (at, line) in lines {
        match Row::parse(at + 1, line) {
            Some(row) => rows.push(row),
            None => wrong.push(format!("{TABLE}:{}: not a number and four filled cells", at + 1)),
        }
    }
    (rows, wrong)
}

impl<'a> Row<'a> {
    fn parse(line: usize, text: &'a str) -> Option<Self> {
        let cells: Vec<_> = text.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let &[number, _, _, file, tests] = cells.as_slice() else { return None };
        let tests: Vec<_> = tests.split("<br>").map(unquoted).collect();
        let filled = cells.iter().chain(&tests).all(|cell| !cell.is_empty());
        filled.then_some(Self { line, number: number.parse().ok()?, file: unquoted(file), tests })
    }

    fn wrong(&self, files: &[SourceFile]) -> Vec<String> {
        let Some(file) = files.iter().find(|file| file.path == self.file) else {
            return vec![format!("there is no file `{}`", self.file)];
        };
        let defined = functions(&file.text);
        let mut wrong = Vec::new();
        for test in &self.tests {
            if !defined.iter().any(|(name, _)| name == test) {
                wrong.push(format!("there is no `{test}` in {}", self.file));
            }
            if test.starts_with("attack_") && !test.starts_with(&format!("attack_{:02}_", self.number)) {
                wrong.push(format!("`{test}` belongs to another number than {}", self.number));
            }
        }
        wrong
    }
}

fn unquoted(cell: &str) -> &str {
    cell.trim().trim_matches('`')
}

/// The functions that a text defines, each with its line.
fn functions(text: &str) -> Vec<(String, usize)> {
    let tokens = tokens(text);
    let named = tokens.windows(2).filter(|pair| pair[0].text == "fn" && pair[1].is_word());
    named.map(|pair| (pair[1].text.clone(), pair[1].line)).collect()
}

/// What is wrong with a table of the given rows, beside a file with two tests.
fn wrong(rows: &str) -> Vec<String> {
    let text = "// fn attack_03_c()\nfn attack_01_a() {}\nasync fn attack_02_b() {}\nfn helper() {}\n";
    let file = SourceFile { path: "tests/x.rs".to_owned(), text: text.to_owned() };
    check(&format!("Intro.\n\n| No. | … |\n|--|--|\n{rows}"), &[file])
}

#[test]
fn agreement_passes() {
    let right =
        "| 1 | a | d | `tests/x.rs` | `attack_01_a`<br>`helper` |\n| 2 | a | d | `tests/x.rs` | `attack_02_b` |\n";
    assert_eq!(wrong(right), [""; 0]);
}

#[test]
fn every_disagreement_is_found() {
    let first = "| 1 | a | d | `tests/x.rs` | `attack_01_a` |\n";
    for (rows, expected) in [
        (first.to_owned(), "tests/x.rs:3: `attack_02_b` is not in"),
        (format!("{first}| 2 | a | d | tests/x.rs | attack_02_b<br>attack_02_c |"), "no `attack_02_c` in tests/x.rs"),
        (
            format!("{first}| 2 | a | d | tests/x.rs | attack_02_b |\n| 3 | a | d | tests/x.rs | attack_03_c |"),
            "no `attack_03_c`",
        ),
        (format!("{first}| 2 | a | d | tests/y.rs | attack_02_b |"), "there is no file `tests/y.rs`"),
        (format!("{first}| 3 | a | d | tests/x.rs | attack_02_b |"), "belongs to another number"),
        (format!("{first}| 2 | a |  | tests/x.rs | attack_02_b |"), "not a number and four filled cells"),
        (format!("{first}| 2 | a | d | tests/x.rs | attack_02_b<br> |"), "not a number and four filled cells"),
        (format!("| 2 | a | d | tests/x.rs | attack_02_b |\n{first}"), "not in the order"),
        (String::new(), "the table has no rows"),
    ] {
        let wrong = wrong(&rows);
        assert!(wrong.iter().any(|wrong| wrong.contains(expected)), "{rows}: {wrong:?}");
    }
}
