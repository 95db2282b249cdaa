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
        for (name, value) in url::form_urlencoded::parse(encoded) {
            if let Some(name) = known.iter().find(|known| **known == name) {
                values.push((*name, value));
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
}
