//! Request parameters in form encoding.

use std::borrow::Cow;
use std::fmt;

/// A parameter was sent more than once (RFC 6749 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated(pub &'static str);

/// The parameters of one request that its endpoint knows, decoded. Others are ignored
/// (RFC 6749 §3.1: "MUST ignore unrecognized request parameters").
pub struct Parameters<'a> {
    values: Vec<(&'static str, Cow<'a, str>)>,
}

// Codes, verifiers and client secrets are among the values.
impl fmt::Debug for Parameters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.iter().map(|(name, _)| name)).finish()
    }
}

/// The only parameter that may be sent several times (RFC 8707 §2).
const MAY_REPEAT: &str = "resource";

impl<'a> Parameters<'a> {
    /// Reads a query or a form body, keeping the parameters in `known`.
    #[must_use]
    pub fn parse(encoded: &'a [u8], known: &[&'static str]) -> Self {
        let mut values = Vec::with_capacity(8);
        let (ends, mut start) = (memchr::memchr_iter(b'&', encoded).chain([encoded.len()]), 0);
        for pair in ends.map(|end| &encoded[std::mem::replace(&mut start, end + 1)..end]) {
            let end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let (name, value) = (&pair[..end], pair.get(end + 1..).unwrap_or_default());
            let named = |name: &[u8]| known.iter().find(|known| known.as_bytes() == name);
            if let Some(name) = named(name).or_else(|| named(&bytes_of(name))) {
                values.push((*name, decode(value)));
            }
        }
        Self { values }
    }

    /// The value of a parameter that may be sent once; an empty one counts as omitted.
    ///
    /// # Errors
    /// If it was sent more than once.
    pub fn one(&self, name: &'static str) -> Result<Option<&str>, Repeated> {
        let mut sent = self.values.iter().filter(|(known, _)| *known == name);
        match (sent.next(), sent.next()) {
            (_, Some(_)) => Err(Repeated(name)),
            // RFC 6749 §3.1: "Parameters sent without a value MUST be treated as if they were omitted"
            (Some((_, value)), None) => Ok(Some(value.as_ref()).filter(|value| !value.is_empty())),
            (None, None) => Ok(None),
        }
    }

    /// All values of a parameter that may be sent several times.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values
            .iter()
            .filter(move |(known, value)| *known == name && !value.is_empty())
            .map(|(_, value)| value.as_ref())
    }

    /// Checks that no parameter was sent twice that may be sent once.
    ///
    /// # Errors
    /// If one was.
    pub fn check_repetition(&self) -> Result<(), Repeated> {
        // RFC 6749 §3.1, §3.2: "parameters MUST NOT be included more than once"
        let repeated = self.values.iter().enumerate().find(|(at, (name, _))| {
            *name != MAY_REPEAT && self.values[..*at].iter().any(|(earlier, _)| earlier == name)
        });
        repeated.map_or(Ok(()), |(_, (name, _))| Err(Repeated(name)))
    }
}

/// Undoes form encoding once (URL standard §5.1): `+` and `%XX`; what is no UTF-8 becomes U+FFFD.
pub(super) fn decode(encoded: &[u8]) -> Cow<'_, str> {
    match bytes_of(encoded) {
        Cow::Borrowed(bytes) => {
            std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
        }
        Cow::Owned(bytes) => Cow::Owned(
            String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        ),
    }
}

fn bytes_of(encoded: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'%', b'+', encoded).is_none() {
        return Cow::Borrowed(encoded);
    }
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| tail.split_at_checked(2)).flatten();
        let escaped = escaped.and_then(|(digits, tail)| Some((hex(digits)?, tail)));
        let (byte, tail) = escaped.unwrap_or((if *first == b'+' { b' ' } else { *first }, tail));
        decoded.push(byte);
        rest = tail;
    }
    Cow::Owned(decoded)
}

/// The byte that two digits stand for.
fn hex(digits: &[u8]) -> Option<u8> {
    let value = |digit: &u8| char::from(*digit).to_digit(16);
    let (high, low) = (value(digits.first()?)?, value(digits.get(1)?)?);
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["scope", "state", "resource"];

    #[test]
    fn attack_07_a_known_parameter_counts_once_an_unknown_one_never() {
        let parse = |text: &'static str| Parameters::parse(text.as_bytes(), &KNOWN);
        assert_eq!(parse("state=a&state=a").check_repetition(), Err(Repeated("state")));
        assert_eq!(parse("state=a&state=").one("state"), Err(Repeated("state")));
        assert_eq!(parse("state=a&%73tate=b").one("state"), Err(Repeated("state")));
        assert!(parse("state=a&scope=b&x=1&x=2&scope[a]=c&resource=1&resource=2").check_repetition().is_ok());
        assert_eq!(parse("scope[a]=c&scope=d").one("scope"), Ok(Some("d")));
        assert_eq!(parse("state=").one("state"), Ok(None));
        assert_eq!(parse("").one("state"), Ok(None));
        assert_eq!(parse("resource=1&resource=&resource=2").all("resource").collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn values_are_decoded_once() {
        let parameters = Parameters::parse(b"state=a%2525+b%2B&scope=%ff", &KNOWN);
        assert_eq!(parameters.one("state"), Ok(Some("a%25 b+")));
        assert_eq!(parameters.one("scope"), Ok(Some("\u{fffd}")), "bytes that are no text never panic");
    }

    #[test]
    fn any_bytes_are_read_as_the_url_standard_reads_them() {
        const ALPHABET: &[u8] = b"ab&&==%%++2fFg0\xff\xc3\xa9";
        let mut state = 7_u32;
        let mut random = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below
        };
        for _ in 0..20_000 {
            let text: Vec<u8> = (0..random(12)).map(|_| ALPHABET[random(ALPHABET.len())]).collect();
            let known = ["a", "b", "", "f", "ab", "/", " "];
            let ours = Parameters::parse(&text, &known).values;
            let theirs = url::form_urlencoded::parse(&text).filter(|(name, _)| known.contains(&&**name));
            let ours: Vec<_> = ours.iter().filter(|(name, value)| !name.is_empty() || !value.is_empty()).collect();
            let theirs: Vec<_> = theirs.filter(|(name, value)| !name.is_empty() || !value.is_empty()).collect();
            assert!(ours.iter().map(|(name, value)| (*name, &**value)).eq(theirs.iter().map(|(n, v)| (&**n, &**v))));
        }
    }
}
