//! The crate's own Rust files as tokens, for the tests that read source: comments are dropped and
//! literals lose their content, so that only code counts.

use std::fs;
use std::path::Path;

/// A file of the package, with the path that messages name, such as `src/protocol/scope.rs`.
#[derive(Clone)]
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A word, or a sign: `::`, a single character, `'` for a lifetime, `"` for any literal.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(|first: char| first == '_' || first.is_alphabetic())
    }
}

/// All Rust files below a directory of the package, in the order of their paths.
pub(crate) fn rust_files(directory: &str) -> Vec<SourceFile> {
    let mut files = Vec::new();
    collect(Path::new(env!("CARGO_MANIFEST_DIR")), directory, &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn collect(root: &Path, directory: &str, files: &mut Vec<SourceFile>) {
    for entry in fs::read_dir(root.join(directory)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{directory}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(root, &path, files);
        } else if path.ends_with(".rs") {
            files.push(SourceFile { text: fs::read_to_string(entry.path()).unwrap(), path });
        }
    }
}

pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, kind) = next(rest, first);
        let kind = kind.unwrap_or(&rest[..length]);
        if !kind.is_empty() {
            tokens.push(Token { text: kind.to_owned(), line });
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// The length of the next piece and what to keep of it: nothing of white space and comments, a sign
/// for literals, `None` for the piece as it is.
fn next(rest: &str, first: char) -> (usize, Option<&'static str>) {
    if first.is_whitespace() {
        return (first.len_utf8(), Some(""));
    }
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), Some(""));
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), Some(""));
    }
    if let Some(length) = string(rest) {
        return (length, Some("\""));
    }
    if first == '\'' || rest.starts_with("b'") {
        return quote(rest);
    }
    if first == '_' || first.is_alphanumeric() {
        return (word(rest), first.is_ascii_digit().then_some("\""));
    }
    (if rest.starts_with("::") { 2 } else { first.len_utf8() }, None)
}

fn word(rest: &str) -> usize {
    rest.find(|other: char| other != '_' && !other.is_alphanumeric()).unwrap_or(rest.len())
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of a string literal of any kind: plain, byte or C, raw or not.
fn string(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""]
        .into_iter()
        .find(|prefix| rest.strip_prefix(prefix).is_some_and(|text| text.trim_start_matches('#').starts_with('"')))?;
    let body = &rest[prefix.len()..];
    let hashes = body.len() - body.trim_start_matches('#').len();
    if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        let opened = prefix.len() + end.len();
        return Some(rest[opened..].find(&end).map_or(rest.len(), |at| opened + at + end.len()));
    }
    (hashes == 0).then(|| prefix.len() + escaped(body, '"'))
}

/// The length of a literal between `quote`s in which a backslash escapes.
fn escaped(body: &str, quote: char) -> usize {
    let mut skip = false;
    for (at, character) in body.char_indices().skip(1) {
        match character {
            _ if skip => skip = false,
            '\\' => skip = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    body.len()
}

/// `'a'` is a character, `'a` a lifetime.
fn quote(rest: &str) -> (usize, Option<&'static str>) {
    let prefix = rest.find('\'').unwrap_or(0);
    let mut characters = rest[prefix + 1..].chars();
    let (one, two) = (characters.next(), characters.next());
    if one == Some('\\') || two == Some('\'') {
        return (prefix + escaped(&rest[prefix..], '\''), Some("\""));
    }
    (prefix + 1 + word(&rest[prefix + 1..]), Some("'"))
}
