//! The promise of thirty lines: `examples/minimal.rs` is counted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

const SOURCE: &str = include_str!("../examples/minimal.rs");

/// The lines that say something: neither blank nor a comment.
fn count<'a>(lines: impl Iterator<Item = &'a str>) -> usize {
    lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

/// Whether a line is between the markers, for each line.
fn marked(source: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut inside = false;
    source.lines().filter_map(move |line| match line.trim() {
        "// -- grantor: begin" => {
            inside = true;
            None
        }
        "// -- grantor: end" => {
            inside = false;
            None
        }
        _ => Some((inside, line)),
    })
}

#[test]
fn an_app_adds_at_most_thirty_lines() {
    let added = count(marked(SOURCE).filter(|(inside, _)| *inside).map(|(_, line)| line));
    assert!((1..=30).contains(&added), "{added} lines between the markers");
    assert!(SOURCE.lines().count() <= 90, "{} lines in all", SOURCE.lines().count());
}

#[test]
fn nothing_of_grantor_is_outside_the_markers_but_its_imports() {
    let import = SOURCE.lines().find(|line| line.starts_with("use grantor::")).expect("an import");
    let names: Vec<_> = import
        .trim_start_matches("use grantor::")
        .split(|char: char| !char.is_alphanumeric())
        .filter(|name| !name.is_empty())
        .collect();
    assert!(names.contains(&"Server") && names.contains(&"Host"), "{names:?}");
    for (_, line) in marked(SOURCE).filter(|(inside, line)| !inside && !line.starts_with("use ")) {
        let code = line.split("//").next().unwrap();
        let mut words = code.split(|char: char| !char.is_alphanumeric() && char != '_');
        assert!(words.all(|word| word != "grantor" && !names.contains(&word)), "{line}");
    }
}

#[test]
fn the_count_can_fail() {
    let source = "a\n// -- grantor: begin\nb\n\n// c\n  d // e\n// -- grantor: end\nf";
    assert_eq!(count(marked(source).filter(|(inside, _)| *inside).map(|(_, line)| line)), 2);
    assert_eq!(count(marked(source).map(|(_, line)| line)), 4);
}
