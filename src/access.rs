//! Who may ask what of the API: named keys with scopes.
//!
//! Of a key only its SHA-256 is kept. That is enough, without the salt and the slowness that a password needs: a key has
//! 256 random bits, so that nobody finds one by guessing, however fast, and no two are alike.
//!
//! # Layout
//!
//! - [`key`]: a key, its hash and its scopes; [`attempts`]: who sent wrong ones, and how long they wait for it.
//! - [`client`]: whose request it is, behind proxies too.

pub mod attempts;
pub mod client;
pub mod key;

use std::sync::{Arc, PoisonError, RwLock};

use attempts::Attempts;
use client::TrustedProxies;
use key::{ApiKey, KeyHash, Scope};

/// The keys that open the API, and what is open without one.
#[derive(Debug, Clone, Default)]
pub struct AccessSettings {
    /// Without any, whatever only reads is open to everybody and whatever changes something to nobody.
    pub keys: Vec<Arc<ApiKey>>,
    /// `/metrics` needs no key.
    pub open_metrics: bool,
    /// `/badge/{service}.svg` needs no key.
    pub open_badges: bool,
    /// Proxies whose word on the client's address counts.
    pub trusted_proxies: TrustedProxies,
}

/// Decides who may ask what.
#[derive(Debug, Default)]
pub struct Access {
    settings: RwLock<Arc<AccessSettings>>,
    pub(crate) attempts: Attempts,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Anybody: no keys are configured.
    Anybody,
    /// Somebody who sends no key, although there are keys.
    Stranger,
    /// Who holds this key.
    Holder(Arc<ApiKey>),
}

/// A key was sent, and it is none of those that are configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongKey;

// === impl Access ===

impl Access {
    /// With these settings.
    pub fn new(settings: AccessSettings) -> Self {
        Self {
            settings: RwLock::new(Arc::new(settings)),
            attempts: Attempts::default(),
        }
    }

    /// The settings that hold now.
    pub fn settings(&self) -> Arc<AccessSettings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Other settings hold from now on; who sent wrong keys is remembered.
    pub fn replace(&self, settings: AccessSettings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
}

// === impl AccessSettings ===

impl AccessSettings {
    /// Who sends this key, or none.
    ///
    /// # Errors
    ///
    /// Where keys are configured and this is none of them. Where none are, any is as good as none.
    pub fn identify(&self, key: Option<&[u8]>) -> Result<Caller, WrongKey> {
        match (self.keys.is_empty(), key) {
            (true, _) => Ok(Caller::Anybody),
            (false, None) => Ok(Caller::Stranger),
            (false, Some(key)) => self.holder(&KeyHash::of(key)).map(Caller::Holder).ok_or(WrongKey),
        }
    }

    /// Compares with every key, whichever fits, so that the time tells nothing.
    fn holder(&self, hash: &KeyHash) -> Option<Arc<ApiKey>> {
        let mut holder = None;
        for key in &self.keys {
            if key.hash.is(hash) {
                holder = Some(key.clone());
            }
        }
        holder
    }
}

// === impl Caller ===

impl Caller {
    /// Whether this caller may do what needs this scope.
    pub fn may(&self, scope: Scope) -> bool {
        match self {
            Caller::Anybody => scope != Scope::Admin,
            Caller::Stranger => false,
            Caller::Holder(key) => key.scopes.include(scope),
        }
    }

    /// The name of the key, for the log; of callers without one a word for them.
    pub fn name(&self) -> &str {
        match self {
            Caller::Anybody => "anybody",
            Caller::Stranger => "nobody",
            Caller::Holder(key) => key.name.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::key::{KeyName, Scopes};
    use super::*;

    fn with_keys() -> AccessSettings {
        let key = |name: &str, scope: Scope| {
            Arc::new(ApiKey {
                name: KeyName::new(name).unwrap(),
                hash: KeyHash::of(format!("the key of {name}").as_bytes()),
                scopes: Scopes::from_iter([scope]),
            })
        };
        AccessSettings {
            keys: vec![
                key("grafana", Scope::Read),
                key("prometheus", Scope::Metrics),
                key("ops", Scope::Admin),
            ],
            ..AccessSettings::default()
        }
    }

    #[test]
    fn without_keys_anybody_may_read_and_nobody_change_anything() {
        let settings = AccessSettings::default();
        for key in [None, Some(&b"whatever"[..])] {
            let caller = settings.identify(key).unwrap();
            assert_eq!(
                Scope::ALL.map(|scope| caller.may(scope)),
                [true, true, false],
                "{key:?}"
            );
        }
    }

    #[test]
    fn a_key_opens_its_scopes_and_admin_opens_all() {
        let settings = with_keys();
        for (name, may) in [
            ("grafana", [true, false, false]),
            ("prometheus", [false, true, false]),
            ("ops", [true, true, true]),
        ] {
            let caller = settings
                .identify(Some(format!("the key of {name}").as_bytes()))
                .unwrap();
            assert_eq!((caller.name(), Scope::ALL.map(|scope| caller.may(scope))), (name, may));
        }
        let stranger = settings.identify(None).unwrap();
        assert_eq!(Scope::ALL.map(|scope| stranger.may(scope)), [false; 3]);
        for wrong in ["", "the key of", "the key of grafana ", "grafana"] {
            assert_eq!(settings.identify(Some(wrong.as_bytes())), Err(WrongKey), "{wrong}");
        }
    }

    #[test]
    fn other_keys_hold_at_once() {
        let access = Access::new(with_keys());
        access.replace(AccessSettings::default());
        assert_eq!(access.settings().identify(None), Ok(Caller::Anybody));
    }
}
