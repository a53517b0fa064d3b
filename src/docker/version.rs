//! Versions of the engine's API, and which one is spoken.

use std::fmt;
use std::str::FromStr;

/// A version of the engine's API, such as `1.41`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    /// Before the point.
    pub major: u16,
    /// After the point.
    pub minor: u16,
}

/// Why a text is not an API version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a version of the Docker API: write it like 1.41")]
pub struct InvalidApiVersion(String);

/// The version that will be spoken, and why it is not the one that was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) version: ApiVersion,
    pub(super) warning: Option<String>,
}

// === impl ApiVersion ===

impl ApiVersion {
    /// The newest version whose answers the client library knows.
    pub(super) const NEWEST: ApiVersion = ApiVersion { major: 1, minor: 53 };

    /// Of the first engine (25) that takes one sample without waiting for its own tick.
    pub(super) const SAMPLES_AT_ONCE: ApiVersion = ApiVersion { major: 1, minor: 44 };

    /// Both numbers in one, for an atomic. Never 0.
    pub(super) fn packed(self) -> u32 {
        u32::from(self.major) << 16 | u32::from(self.minor)
    }

    /// The reverse of [`Self::packed`]; `None` for 0.
    pub(super) fn unpacked(packed: u32) -> Option<Self> {
        let [high, low, ..] = [packed >> 16, packed & 0xffff];
        let (major, minor) = (u16::try_from(high).ok()?, u16::try_from(low).ok()?);
        (packed != 0).then_some(Self { major, minor })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = InvalidApiVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (major, minor) = text.strip_prefix('v').unwrap_or(text).split_once('.')?;
            let number = |digits: &str| digits.parse::<u16>().ok();
            Some(Self {
                major: number(major).filter(|major| *major > 0)?,
                minor: number(minor)?,
            })
        };
        read().ok_or_else(|| InvalidApiVersion(text.to_owned()))
    }
}

/// Which version to speak with an engine that knows `oldest` to `newest`.
pub(super) fn agree(wanted: Option<ApiVersion>, oldest: ApiVersion, newest: ApiVersion) -> Agreed {
    let best = newest.min(ApiVersion::NEWEST).max(oldest);
    match wanted {
        None => Agreed {
            version: best,
            warning: None,
        },
        Some(wanted) if (oldest..=newest).contains(&wanted) => Agreed {
            version: wanted,
            warning: None,
        },
        Some(wanted) => Agreed {
            version: best,
            warning: Some(format!(
                "the engine speaks API {oldest} to {newest}, not {wanted}: using {best}; set DOCKER_API_VERSION to one of these or leave it out"
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ApiVersion {
        text.parse().unwrap()
    }

    #[test]
    fn reads_what_the_variable_may_hold() {
        assert_eq!(version("1.41"), ApiVersion { major: 1, minor: 41 });
        assert_eq!(version("v1.7"), ApiVersion { major: 1, minor: 7 });
        assert!(version("1.9") < version("1.10"));
        for text in ["", "1", "1.", "1.x", "latest", "-1.4", "0.4", "1.41.0"] {
            let error = text.parse::<ApiVersion>().unwrap_err().to_string();
            assert!(error.contains("like 1.41"), "{error}");
        }
    }

    #[test]
    fn packs_and_unpacks() {
        assert_eq!(ApiVersion::unpacked(version("1.41").packed()), Some(version("1.41")));
        assert_eq!(ApiVersion::unpacked(0), None);
    }

    #[test]
    fn speaks_the_wanted_version_where_the_engine_knows_it() {
        let agreed = agree(Some(version("1.41")), version("1.12"), version("1.45"));
        assert_eq!((agreed.version, agreed.warning), (version("1.41"), None));
    }

    #[test]
    fn negotiates_and_warns_where_it_does_not() {
        let newer = agree(Some(version("1.41")), version("1.44"), version("1.51"));
        assert_eq!(newer.version, version("1.51"));
        assert!(newer.warning.unwrap().contains("1.44 to 1.51, not 1.41"));

        let older = agree(Some(version("1.47")), version("1.12"), version("1.41"));
        assert_eq!(older.version, version("1.41"));
        assert!(older.warning.is_some());
    }

    #[test]
    fn takes_the_newest_that_both_know_where_none_is_wanted() {
        assert_eq!(agree(None, version("1.12"), version("1.41")).version, version("1.41"));
        assert_eq!(
            agree(None, version("1.24"), version("1.99")).version,
            ApiVersion::NEWEST
        );
    }
}
