//! What strangers said, made fit for a terminal and a log.

/// The most characters of one text.
const LONGEST: usize = 160;

/// The text in quotes: short, on one line, printable ASCII alone.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", inert(text))
}

/// The same without quotes.
pub(super) fn inert(text: &str) -> String {
    let mut inert = String::new();
    for (at, character) in text.chars().enumerate() {
        match character {
            _ if at == LONGEST => {
                inert.push_str("...");
                break;
            }
            '"' | '\\' => inert.extend(['\\', character]),
            ' '..='~' => inert.push(character),
            _ => inert.extend(character.escape_unicode()),
        }
    }
    inert
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_moves_no_cursor_and_hides_nothing() {
        assert_eq!(quoted("plain text, with: signs"), "\"plain text, with: signs\"");
        assert_eq!(quoted("\u{1b}[2Ja\r\nb\t\u{7f}"), r#""\u{1b}[2Ja\u{d}\u{a}b\u{9}\u{7f}""#);
        assert_eq!(quoted("\u{202e}\u{9b}é\u{0}"), r#""\u{202e}\u{9b}\u{e9}\u{0}""#);
        assert_eq!(quoted(r#"a"b\c"#), r#""a\"b\\c""#);
        let long = quoted(&"é".repeat(100_000));
        assert!(long.len() < 2000 && long.ends_with("...\""), "{}", long.len());
    }
}
