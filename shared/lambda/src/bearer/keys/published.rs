//! Public keys that an identity provider publishes (JSON Web Key Set, RFC 7517), found by their names.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jsonwebtoken::{
    Algorithm, DecodingKey, Header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;
use sluice_core::{Error, Result, time::Timestamp};

use super::KeySource;

/// How long a set is kept though it has every key that is asked for: one that was withdrawn goes by then.
const KEPT: Duration = Duration::from_hours(1);
/// The shortest time between fetches once there is a set: made-up names must not become a flood of fetches.
const RETRY: Duration = Duration::from_mins(1);
/// How long the identity provider may take: API Gateway gives an authorizer 10 seconds, the function itself has 5.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// Where a key set is published.
pub trait KeySetSource: Send + Sync {
    /// The set, as it is now.
    fn fetch(&self) -> impl Future<Output = Result<KeySet>> + Send;
}

/// A published key set. Keys are read one by one: a kind that isn't known hides no other.
#[derive(Debug, Clone, Deserialize)]
pub struct KeySet {
    keys: Vec<Value>,
}

/// A key set behind a URL.
#[derive(Debug, Clone)]
pub struct HttpKeySet {
    client: reqwest::Client,
    url: String,
}

impl HttpKeySet {
    /// The set at `url`; redirects aren't followed.
    ///
    /// # Errors
    /// If no client can be set up.
    pub fn new(url: &str) -> Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(FETCH_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(Error::internal)?;
        Ok(Self { client, url: url.to_owned() })
    }
}

impl KeySetSource for HttpKeySet {
    async fn fetch(&self) -> Result<KeySet> {
        let unavailable = |error| Error::unavailable("the identity provider", error);
        let response = self.client.get(&self.url).send().await.map_err(unavailable)?;
        let response = response.error_for_status().map_err(unavailable)?;
        if !response.status().is_success() {
            return Err(Error::unavailable(
                "the identity provider",
                format!("it answered {}", response.status()),
            ));
        }
        response.json().await.map_err(unavailable)
    }
}

/// The keys of a set, kept by name.
pub struct PublishedKeys<P> {
    source: P,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    keys: HashMap<Name, DecodingKey>,
    /// When the keys were fetched; none if they never were.
    fetched_at: Option<Timestamp>,
    /// When that was last tried.
    tried_at: Option<Timestamp>,
}

/// What a key is found by. Binding the algorithm to the key is what keeps an RSA key from being taken for a curve's.
#[derive(PartialEq, Eq, Hash)]
struct Name(Option<String>, Algorithm);

impl<P: KeySetSource> PublishedKeys<P> {
    /// Nothing is fetched yet.
    pub fn new(source: P) -> Self {
        Self { source, kept: Mutex::new(Kept::default()) }
    }

    fn with_kept<T>(&self, look: impl FnOnce(&mut Kept) -> T) -> T {
        look(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn fetch(&self, now: Timestamp) -> Result<()> {
        self.with_kept(|kept| kept.tried_at = Some(now));
        let keys = self.source.fetch().await?.into_keys();
        self.with_kept(|kept| {
            kept.keys = keys;
            kept.fetched_at = Some(now);
        });
        Ok(())
    }
}

impl<P: KeySetSource> KeySource for PublishedKeys<P> {
    fn algorithms(&self) -> &'static [Algorithm] {
        &[Algorithm::RS256, Algorithm::ES256]
    }

    async fn key(&self, header: &Header, now: Timestamp) -> Result<Option<DecodingKey>> {
        let name = Name(header.kid.clone(), header.alg);
        let (key, due) = self.with_kept(|kept| {
            let key = kept.keys.get(&name).cloned();
            let due = match kept.fetched_at {
                // without any set nothing can be said about a token
                None => true,
                Some(at) if key.is_some() && now < at.plus(KEPT) => false,
                Some(_) => kept.tried_at.is_none_or(|at| now >= at.plus(RETRY)),
            };
            (key, due)
        });
        if !due {
            return Ok(key);
        }
        match self.fetch(now).await {
            Ok(()) => Ok(self.with_kept(|kept| kept.keys.get(&name).cloned())),
            // a set that can't be fetched again is better than none
            Err(error) if key.is_some() => {
                tracing::warn!(code = error.code(), source = error.sources(), "the old key set is used on");
                Ok(key)
            }
            Err(error) => Err(error),
        }
    }

    /// A name is bound to a key: providers give a new key a new name.
    async fn newer_key(&self, _: &Header, _: Timestamp) -> Result<Option<DecodingKey>> {
        Ok(None)
    }
}

impl KeySet {
    /// The keys that can check signatures, by name. A set of one key needs no names, so that one is found without
    /// one too (`kid` is optional, RFC 7515, section 4.1.4).
    fn into_keys(self) -> HashMap<Name, DecodingKey> {
        let usable: Vec<_> = self.keys.into_iter().filter_map(usable).collect();
        let mut keys = HashMap::new();
        if let [(_, algorithm, key)] = &usable[..] {
            keys.insert(Name(None, *algorithm), key.clone());
        }
        keys.extend(
            usable.into_iter().filter_map(|(kid, algorithm, key)| Some((Name(Some(kid?), algorithm), key))),
        );
        keys
    }
}

fn usable(key: Value) -> Option<(Option<String>, Algorithm, DecodingKey)> {
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|other| other != named) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some((jwk.common.key_id, algorithm, key))
}
