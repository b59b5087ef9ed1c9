//! The secret in an upload's URL: found by its digest, and the key to what the client told.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256 as Hasher};
use sluice_core::{
    Error, Result,
    ids::{OwnerId, Sha256},
};

/// What the client told when it opened the upload, given back by HEAD. It may hold secrets: a job's token, other uploads'
/// URLs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// `Upload-Metadata`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// `Upload-Concat`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concat: Option<String>,
}

/// The secret of one upload.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// From a URL, or fresh.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// That of a final upload: only who has the URLs of all its parts can tell it, and always tells the same.
    pub fn of_parts(owner: &OwnerId, parts: &[Self], metadata: &str) -> Self {
        let mut hasher = Hasher::new_with_prefix("sluice tus final\0");
        let texts = parts.iter().map(|part| part.0.as_str());
        for text in [owner.as_str(), metadata].into_iter().chain(texts) {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
        Self(BASE64.encode(hasher.finalize()))
    }

    /// That of the one upload that a job's token opens: only who has the token can tell it, and always tells the same.
    pub fn of_job(token: &str) -> Self {
        Self(BASE64.encode(Hasher::new_with_prefix("sluice tus job\0").chain_update(token).finalize()))
    }

    /// As it stands in the URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is found by.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(self.0.as_bytes())
    }

    /// What the client told, so that only who has the URL can read it: AES-256-GCM, the nonce before it.
    pub fn seal(&self, told: &Told) -> Result<String> {
        let mut bytes = serde_json::to_vec(told).map_err(Error::internal)?;
        let nonce = self.key()?.seal_in_place_append_tag(Aad::empty(), &mut bytes);
        let nonce = nonce.map_err(|_| Error::internal("what was told can't be sealed"))?;
        Ok(BASE64.encode([nonce.as_ref().as_slice(), &bytes].concat()))
    }

    /// What was sealed.
    pub fn unseal(&self, sealed: &str) -> Result<Told> {
        let broken = || Error::internal("what was told can't be read");
        let mut bytes = BASE64.decode(sealed).map_err(Error::internal)?;
        let (nonce, bytes) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let told = self.key()?.open_in_place(nonce, Aad::empty(), bytes).map_err(|_| broken())?;
        serde_json::from_slice(told).map_err(Error::internal)
    }

    /// Its key. The secret has 256 random bits, so a digest of it is one; that which it is found by is another.
    fn key(&self) -> Result<RandomizedNonceKey> {
        let key = Hasher::new_with_prefix("sluice tus told\0").chain_update(&self.0).finalize();
        RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| Error::internal("a digest is no key"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_comes_back_and_shows_nothing() {
        let told = Told { metadata: Some(format!("filename {}", "x".repeat(500))), concat: None };
        let (one, other) = (Secret::new("one"), Secret::new("other"));
        let sealed = one.seal(&told).unwrap();
        assert_eq!(one.unseal(&sealed).unwrap(), told);
        assert_ne!(other.seal(&told).unwrap(), sealed);
        assert!(other.unseal(&sealed).is_err());
        assert!(!BASE64.decode(sealed).unwrap().windows(4).any(|window| window == b"xxxx"));
    }

    #[test]
    fn a_final_uploads_secret_is_that_of_just_these_parts() {
        let owner = |name: &str| name.parse::<OwnerId>().unwrap();
        let parts = |texts: &[&str]| texts.iter().map(|text| Secret::new(*text)).collect::<Vec<_>>();
        let one = Secret::of_parts(&owner("alice"), &parts(&["a", "b"]), "m");
        assert!(one == Secret::of_parts(&owner("alice"), &parts(&["a", "b"]), "m"));
        for other in [
            Secret::of_parts(&owner("bob"), &parts(&["a", "b"]), "m"),
            Secret::of_parts(&owner("alice"), &parts(&["b", "a"]), "m"),
            Secret::of_parts(&owner("alice"), &parts(&["ab"]), "m"),
            Secret::of_parts(&owner("alice"), &parts(&["a", "b"]), ""),
        ] {
            assert!(one != other);
        }
        assert_eq!(one.as_str().len(), 43);
    }

    #[test]
    fn a_token_has_one_secret_and_is_not_told_by_it() {
        assert!(Secret::of_job("a") == Secret::of_job("a") && Secret::of_job("a") != Secret::of_job("b"));
        assert!(Secret::of_job("a").digest() != Sha256::of(b"a"), "which is what the job is found by");
    }
}
