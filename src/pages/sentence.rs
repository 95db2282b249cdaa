//! Sentences with names in them, whose order is the translator's to choose.

/// A part of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Words of the catalogue.
    Words(&'static str),
    /// A name: shown in isolation, so that its direction of writing stays its own.
    Name(&'a str),
}

/// A text of the catalogue with its `{placeholders}` filled in.
#[derive(Debug, Clone)]
pub(super) struct Sentence<'a>(pub(super) Vec<Piece<'a>>);

impl<'a> Sentence<'a> {
    /// Fills `{name}` with the value of that name. Values are never searched for placeholders, and a
    /// placeholder without a value stays as it is.
    pub(super) fn new(pattern: &'static str, values: &[(&str, &'a str)]) -> Self {
        let mut pieces = Vec::new();
        let mut rest = pattern;
        while let Some((before, name, after)) = next_placeholder(rest) {
            let Some((_, value)) = values.iter().find(|(known, _)| *known == name) else { break };
            pieces.extend([Piece::Words(before), Piece::Name(value)]);
            rest = after;
        }
        pieces.push(Piece::Words(rest));
        Self(pieces)
    }

    /// Without marks around the names, for a document's title.
    pub(super) fn plain(&self) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Words(text) | Piece::Name(text) => *text,
            })
            .collect()
    }
}

fn next_placeholder(text: &'static str) -> Option<(&'static str, &'static str, &'static str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_where_the_pattern_wants_them() {
        let sentence = Sentence::new("{app}: {client}!", &[("client", "C"), ("app", "A")]);
        assert_eq!(sentence.plain(), "A: C!");
        assert_eq!(sentence.0[1], Piece::Name("A"));
    }

    #[test]
    fn a_name_is_not_searched_for_placeholders() {
        assert_eq!(Sentence::new("{client} {app}", &[("client", "{app}"), ("app", "A")]).plain(), "{app} A");
    }

    #[test]
    fn a_placeholder_without_a_value_stays() {
        assert_eq!(Sentence::new("a {b} c", &[]).plain(), "a {b} c");
        assert_eq!(Sentence::new("a {b", &[("b", "x")]).plain(), "a {b");
    }
}
