//! A key of the API: its name, its hash, and what it opens.

use std::fmt::{self, Write};

use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use crate::secret::Secret;

/// What every key begins with, so that scanners for secrets know one when they see it.
pub const PREFIX: &str = "hm_";

/// What a hash begins with in the configuration.
const HASH_PREFIX: &str = "sha256:";

/// Random bytes of a key.
const RANDOM: usize = 32;

/// Longest name, in bytes.
const LONGEST_NAME: usize = 64;

/// A key that is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// By which the log names it.
    pub name: KeyName,
    /// All that is known of the key itself.
    pub hash: KeyHash,
    /// What it opens.
    pub scopes: Scopes,
}

/// The name of a key: letters, digits, `_`, `.` and `-`, 64 at most, beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName(String);

/// Why something is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key's name has letters, digits, '_', '.' and '-', 64 at most, and begins with a letter or digit")]
pub struct InvalidKeyName;

/// What a key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everything that only reads, except `/metrics`.
    Read,
    /// `/metrics`.
    Metrics,
    /// Everything, what changes the monitor's state included.
    Admin,
}

/// One scope or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes {
    read: bool,
    metrics: bool,
    admin: bool,
}

/// The SHA-256 of a key.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; digest::SHA256_OUTPUT_LEN]);

/// Why something is no hash of a key. It never repeats what was given, which may be a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyHash {
    /// It is a key.
    #[error("is a key itself; give its hash, which `health-monitor key new` printed beside it")]
    PlainKey,
    /// It is something else.
    #[error("must be \"sha256:\" and 64 hexadecimal digits, as `health-monitor key new` prints it")]
    Malformed,
}

/// The operating system has no random numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random numbers")]
pub struct NoRandomness;

/// Makes a key that nobody else has.
///
/// # Errors
///
/// Where the operating system gives no random numbers.
pub fn new_key() -> Result<Secret, NoRandomness> {
    let mut random = [0; RANDOM];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_unspecified| NoRandomness)?;
    Ok(Secret::new(format!("{PREFIX}{}", hexadecimal(&random))))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _written = write!(text, "{byte:02x}").is_ok();
        text
    })
}

// === impl KeyName ===

impl KeyName {
    /// A key's name.
    ///
    /// # Errors
    ///
    /// Where it has other letters, none, or too many.
    pub fn new(name: &str) -> Result<Self, InvalidKeyName> {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let begins_well = name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        if begins_well && name.len() <= LONGEST_NAME && name.bytes().all(is_good) {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidKeyName)
        }
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Scope ===

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 3] = [Scope::Read, Scope::Metrics, Scope::Admin];

    /// As it is written in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Metrics => "metrics",
            Scope::Admin => "admin",
        }
    }

    /// The scope that is written like this.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Scopes ===

impl Scopes {
    /// Whether what needs this scope is open: `admin` opens all.
    pub fn include(self, scope: Scope) -> bool {
        self.admin
            || match scope {
                Scope::Read => self.read,
                Scope::Metrics => self.metrics,
                Scope::Admin => false,
            }
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut all = Self::default();
        for scope in scopes {
            match scope {
                Scope::Read => all.read = true,
                Scope::Metrics => all.metrics = true,
                Scope::Admin => all.admin = true,
            }
        }
        all
    }
}

// === impl KeyHash ===

impl KeyHash {
    /// The hash of this key.
    pub fn of(key: &[u8]) -> Self {
        let digest = digest::digest(&digest::SHA256, key);
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest.as_ref());
        Self(hash)
    }

    /// The hash that is written like this.
    ///
    /// # Errors
    ///
    /// Where it is none.
    pub fn parse(text: &str) -> Result<Self, InvalidKeyHash> {
        let text = text.trim();
        if text.starts_with(PREFIX) {
            return Err(InvalidKeyHash::PlainKey);
        }
        let digits = text.strip_prefix(HASH_PREFIX).ok_or(InvalidKeyHash::Malformed)?;
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        if pairs.len() != hash.len() || !rest.is_empty() {
            return Err(InvalidKeyHash::Malformed);
        }
        for (byte, pair) in hash.iter_mut().zip(pairs) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or(InvalidKeyHash::Malformed);
            *byte = u8::try_from(digit(0)? * 16 + digit(1)?).map_err(|_too_large| InvalidKeyHash::Malformed)?;
        }
        Ok(Self(hash))
    }

    /// As it is written in the configuration.
    pub fn written(&self) -> String {
        format!("{HASH_PREFIX}{}", hexadecimal(&self.0))
    }

    /// Whether they are equal, in a time that does not depend on where they differ.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.is(other)
    }
}

impl Eq for KeyHash {}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_keys_are_alike_and_each_says_what_it_is() {
        let keys = [new_key().unwrap(), new_key().unwrap()];
        assert_ne!(keys[0].expose(), keys[1].expose());
        assert!(
            keys.iter()
                .all(|key| key.expose().starts_with("hm_") && key.expose().len() == 67)
        );
    }

    #[test]
    fn a_hash_is_that_of_the_standard_and_read_as_it_is_written() {
        let hash = KeyHash::of(b"abc");
        // FIPS 180-4, the example of one block.
        let written = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.written(), written);
        assert_eq!(KeyHash::parse(written), Ok(hash));
        assert_eq!(
            KeyHash::parse(&format!(" {}\n", written.to_uppercase().replace("SHA", "sha"))),
            Ok(hash)
        );
        assert_ne!(KeyHash::of(b"abd"), hash);
        assert_eq!(format!("{hash:?}"), "***");
    }

    #[test]
    fn what_is_no_hash_is_refused_and_not_repeated() {
        let long = format!("sha256:{}", "a".repeat(66));
        let odd = format!("sha256:{}", "a".repeat(63));
        let foreign = format!("sha256:{}", "ä".repeat(32));
        let sign = format!("sha256:+{}", "a".repeat(63));
        for bad in ["", "sha256:", "hunter2", &long, &odd, &foreign, &sign, "md5:abcd"] {
            assert_eq!(KeyHash::parse(bad), Err(InvalidKeyHash::Malformed), "{bad}");
        }
        let key = new_key().unwrap();
        let error = KeyHash::parse(key.expose()).unwrap_err();
        assert_eq!(error, InvalidKeyHash::PlainKey);
        assert!(!error.to_string().contains(key.expose()));
    }

    #[test]
    fn names_are_short_and_plain() {
        for good in ["a", "grafana", "CI-1", "9.x_y", &"n".repeat(64)] {
            assert_eq!(KeyName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-x", "a b", "ä", "a\n", &"n".repeat(65)] {
            assert_eq!(KeyName::new(bad), Err(InvalidKeyName), "{bad}");
        }
    }
}
