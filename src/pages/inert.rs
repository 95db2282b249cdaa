//! Makes texts of strangers inert: what is shown is what was written, in the order it was written.
//!
//! Escaping keeps markup out; it does not stop a name from turning the words around it about, from
//! hiding letters, or from filling the screen.

use std::borrow::Cow;

/// At most so many combining marks on one letter: two are needed (Vietnamese), piles of them cover
/// the lines above and below.
const MARKS_PER_LETTER: usize = 2;

/// The text without controls, bidirectional or otherwise, and without invisible characters; runs of
/// white space become one space.
pub(super) fn inert(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut marks = 0;
    for character in text.chars() {
        if character.is_whitespace() || character.is_control() {
            if !shown.is_empty() && !shown.ends_with(' ') {
                shown.push(' ');
            }
            marks = 0;
        } else if is_combining(character) {
            marks += 1;
            if marks <= MARKS_PER_LETTER {
                shown.push(character);
            }
        } else if !is_invisible(character) {
            shown.push(character);
            marks = 0;
        }
    }
    shown.truncate(shown.trim_end().len());
    shown
}

/// At most `most` characters of the text; the last of them is `…` if some were left out.
pub(super) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    if text.chars().count() <= most {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    Cow::Owned(format!("{}…", kept.trim_end()))
}

/// The letter that stands in for a logo.
pub(super) fn initial(name: &str) -> String {
    name.chars()
        .find(|character| character.is_alphanumeric())
        .map_or_else(|| "·".to_owned(), |letter| letter.to_uppercase().collect())
}

/// Characters that take no room or leave it blank, and those that steer the direction of writing.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{00AD}'                 // soft hyphen
        | '\u{034F}'               // combining grapheme joiner
        | '\u{061C}'               // Arabic letter mark
        | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' // Hangul fillers
        | '\u{17B4}' | '\u{17B5}'  // Khmer inherent vowels
        | '\u{180B}'..='\u{180F}'  // Mongolian selectors and vowel separator
        | '\u{200B}'..='\u{200F}'  // zero-width space, joiners; left-to-right and right-to-left marks
        | '\u{202A}'..='\u{202E}'  // bidirectional embeddings and overrides
        | '\u{2060}'..='\u{206F}'  // word joiner, invisible operators, bidirectional isolates
        | '\u{2800}'               // Braille blank
        | '\u{FE00}'..='\u{FE0F}'  // variation selectors
        | '\u{FEFF}'               // zero-width no-break space
        | '\u{FFF0}'..='\u{FFFB}'  // annotations
        | '\u{1D173}'..='\u{1D17A}' // musical controls
        | '\u{E0000}'..='\u{E0FFF}' // tags and more selectors
    )
}

const fn is_combining(character: char) -> bool {
    matches!(
        character,
        '\u{0300}'..='\u{034E}'
        | '\u{0350}'..='\u{036F}'
        | '\u{0483}'..='\u{0489}'
        | '\u{0E47}'..='\u{0E4E}'
        | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}'
        | '\u{FE20}'..='\u{FE2F}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_32_bidirectional_controls_are_dropped() {
        let controls = (0x202A..=0x202E).chain(0x2066..=0x2069).chain([0x200E, 0x200F, 0x061C]);
        for control in controls.filter_map(char::from_u32) {
            assert_eq!(inert(&format!("a{control}b")), "ab", "{control:?}");
        }
    }

    #[test]
    fn attack_32_control_characters_become_one_space() {
        for control in (0..=0x1F).chain(0x7F..=0x9F).chain([0x2028, 0x2029]).filter_map(char::from_u32) {
            assert_eq!(inert(&format!("a{control}{control}b")), "a b", "{control:?}");
        }
    }

    #[test]
    fn attack_32_invisible_characters_are_dropped() {
        for character in ['\u{AD}', '\u{200B}', '\u{200C}', '\u{200D}', '\u{2060}', '\u{FEFF}', '\u{3164}', '\u{E0041}']
        {
            assert_eq!(inert(&format!("pay{character}pal")), "paypal", "{character:?}");
        }
    }

    #[test]
    fn attack_32_blanks_cannot_push_a_name_out_of_sight() {
        assert_eq!(inert("\u{3000}a\u{A0}\u{A0} \n\u{2003}b\u{3000}"), "a b");
        assert_eq!(inert("\u{200B}\u{A0}\u{2800}"), "");
    }

    #[test]
    fn attack_32_marks_do_not_pile_up() {
        assert_eq!(inert(&format!("Z{}a", "\u{0335}".repeat(40))), "Z\u{0335}\u{0335}a");
    }

    #[test]
    fn names_in_any_script_stay_as_they_are() {
        for name in
            ["Zoë’s Tool — 2", "日本語アプリ", "تطبيق", "ứng dụng", "ủ\u{0323}\u{0309}", "Ещё одно", "🦀 crab", "ไม่"]
        {
            assert_eq!(inert(name), name);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöüß", 3), "äö…");
    }

    #[test]
    fn the_initial_is_a_letter_or_a_digit() {
        assert_eq!(initial("«élan»"), "É");
        assert_eq!(initial("🦀 7"), "7");
        assert_eq!(initial(""), "·");
    }
}
