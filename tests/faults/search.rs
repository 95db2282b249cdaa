//! A search for secrets in bytes, in whichever form they are there.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// So many bytes in a row of any form are too much.
const PART: usize = 16;

/// What is looked for.
pub(crate) struct Search {
    texts: HashSet<String>,
    parts: HashSet<[u8; PART]>,
    forms: usize,
    /// By their first three bytes, to pass over most places quickly.
    beginnings: Vec<bool>,
}

impl Search {
    pub(crate) fn new() -> Self {
        Self { texts: HashSet::new(), parts: HashSet::new(), forms: 0, beginnings: vec![false; 1 << 24] }
    }

    /// Adds a secret as its owner writes it, and the random bytes in it.
    pub(crate) fn add(&mut self, secret: &str) {
        if !self.texts.insert(secret.to_owned()) {
            return;
        }
        self.add_bytes(secret.as_bytes());
        let encoded = ["grc_", "gra_", "grr_", "grs_"].iter().find_map(|prefix| secret.strip_prefix(prefix));
        if let Ok(bytes) = URL_SAFE_NO_PAD.decode(encoded.unwrap_or(secret)) {
            // Before the random bytes of a token stands the key of its row, which is no secret.
            let is_token = encoded.is_some() && bytes.len() == 40;
            self.add_bytes(&bytes[if is_token { 8 } else { 0 }..]);
        }
    }

    /// Adds bytes that are secret, in all forms.
    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) {
        assert!(bytes.len() >= PART, "that would be found anywhere");
        for form in forms(bytes) {
            self.add_form(&form);
        }
    }

    /// Adds what is looked for just as it is.
    pub(crate) fn add_form(&mut self, form: &[u8]) {
        self.forms += 1;
        for part in form.windows(PART) {
            self.beginnings[beginning(part)] = true;
            self.parts.insert(part.try_into().unwrap());
        }
    }

    /// Where the first of them is.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<usize> {
        bytes.windows(PART).position(|part| self.beginnings[beginning(part)] && self.parts.contains(part))
    }

    pub(crate) fn assert_absent(&self, bytes: &[u8], what: &str) {
        if let Some(at) = self.find(bytes) {
            let around = &bytes[at.saturating_sub(64)..(at + 64).min(bytes.len())];
            panic!("{what} tells a secret at {at}: {:?}", String::from_utf8_lossy(around));
        }
    }

    /// What was looked for, in numbers.
    pub(crate) fn numbers(&self) -> String {
        format!("{} secrets in {} forms ({} pieces of {PART} bytes)", self.texts.len(), self.forms, self.parts.len())
    }
}

fn beginning(part: &[u8]) -> usize {
    usize::from(part[0]) << 16 | usize::from(part[1]) << 8 | usize::from(part[2])
}

/// The bytes themselves, in hexadecimal, and in base64 after nought, one or two bytes of something else.
fn forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![bytes.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    for before in 0..3 {
        let padded = [&vec![0; before][..], bytes].concat();
        // The characters at both ends depend on what stands beside.
        let own = |text: String| text.as_bytes()[(before * 8).div_ceil(6)..padded.len() * 8 / 6].to_vec();
        forms.extend([own(STANDARD_NO_PAD.encode(&padded)), own(URL_SAFE_NO_PAD.encode(&padded))]);
    }
    forms
}

#[test]
fn a_secret_is_found_in_every_form() {
    let secret = b"\xff\xfe\xfdmany random bytes here!?";
    let mut search = Search::new();
    search.add_bytes(secret);
    assert!(search.find(&[0x61; 4096]).is_none());
    for before in 0..7 {
        let around = [&vec![0x61; before][..], secret, b"aaaa"].concat();
        let hex: String = around.iter().map(|byte| format!("{byte:02x}")).collect();
        for form in [hex.clone(), hex.to_uppercase(), STANDARD_NO_PAD.encode(&around), URL_SAFE_NO_PAD.encode(&around)]
        {
            assert!(search.find(form.as_bytes()).is_some(), "{form}");
        }
        assert!(search.find(&around).is_some());
        assert!(search.find(&around[..before + PART]).is_some(), "a part is enough");
    }
}
