//! The style sheet, its accent colour, and the policy that lets it through.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

/// The text is not a `#` and six hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an accent colour is written as `#rrggbb`")]
pub struct InvalidAccent;

/// A colour for the main buttons.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accent([u8; 3]);

impl Accent {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidAccent> {
        let digits = text.strip_prefix('#').ok_or(InvalidAccent)?;
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidAccent);
        }
        let value = u32::from_str_radix(digits, 16).map_err(|_| InvalidAccent)?;
        let [_, red, green, blue] = value.to_be_bytes();
        Ok(Self([red, green, blue]))
    }

    /// WCAG 2.2's relative luminance.
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|channel| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// Black or white: whichever contrasts more, which is always at least 4.58 to 1.
    fn writing(self) -> &'static str {
        if (self.luminance() + 0.05).powi(2) > 0.05 * 1.05 { "#000" } else { "#fff" }
    }

    fn rule(self) -> String {
        let [red, green, blue] = self.0;
        format!(":root{{--accent:#{red:02x}{green:02x}{blue:02x};--on-accent:{}}}\n", self.writing())
    }
}

/// The style sheet with its hash.
#[derive(Debug, Clone)]
pub(super) struct Style {
    sheet: String,
    source: String,
}

impl Style {
    pub(super) fn new(accent: Option<Accent>) -> Self {
        // A rule of the same weight wins by coming last, over the dark colours too.
        let sheet = format!("{}{}", include_str!("style.css"), accent.map(Accent::rule).unwrap_or_default());
        let source = format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, sheet.as_bytes())));
        Self { sheet, source }
    }

    pub(super) fn sheet(&self) -> &str {
        &self.sheet
    }

    /// The policy of a page that loads this sheet and images from `images`.
    pub(super) fn policy<'a>(&self, images: impl IntoIterator<Item = &'a str>) -> String {
        let mut images: Vec<&str> = images.into_iter().collect();
        images.dedup();
        if images.is_empty() {
            return format!("style-src {}", self.source);
        }
        format!("style-src {}; img-src {}", self.source, images.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accent_is_six_digits_and_nothing_else() {
        for bad in ["", "#", "#fff", "2563eb", "#2563e", "#2563eb0", "#25é3e", "#+563eb", "red", "#000;}*{x:y"] {
            assert!(Accent::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Accent::parse("#2563EB").unwrap().rule(), ":root{--accent:#2563eb;--on-accent:#fff}\n");
    }

    #[test]
    fn writing_on_an_accent_is_always_readable() {
        let channels = (0..=255).step_by(15);
        for (red, green, blue) in channels
            .clone()
            .flat_map(|red| channels.clone().map(move |green| (red, green)))
            .flat_map(|(red, green)| channels.clone().map(move |blue| (red, green, blue)))
        {
            let accent = Accent([red, green, blue]);
            let contrast = match accent.writing() {
                "#000" => (accent.luminance() + 0.05) / 0.05,
                _ => 1.05 / (accent.luminance() + 0.05),
            };
            assert!(contrast >= 4.5, "{accent:?}: {contrast}");
        }
    }

    #[test]
    fn the_sheet_cannot_end_its_element_early() {
        assert!(!include_str!("style.css").contains('<'));
    }
}
