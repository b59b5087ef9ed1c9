//! Bearer tokens, for the functions that check them themselves.

use std::{cell::RefCell, collections::BTreeMap};

use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use sluice_core::{Result, ids::OwnerId, ports::SecretSource};
use sluice_lambda::bearer::{Bearer, Expected, SecretKey};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Long after any run's end.
const EXPIRES: u64 = 4_000_000_000;

/// Where the secret is kept.
pub struct Vault;

impl SecretSource for Vault {
    async fn fetch(&self) -> Result<String> {
        Ok(SECRET.to_owned())
    }
}

/// What checks tokens.
pub fn bearer() -> Bearer<SecretKey<Vault>> {
    Bearer { keys: SecretKey::new(Vault), expected: Expected::default() }
}

thread_local! {
    static TOKENS: RefCell<BTreeMap<(OwnerId, &'static str), String>> = RefCell::default();
}

/// The token of an owner who may write below these roots as well, as a header has it.
pub fn token_of(owner: &OwnerId, roots: &'static str) -> String {
    let make = || {
        let named: Vec<_> = Some(roots).filter(|roots| !roots.is_empty()).into_iter().collect();
        let claims = json!({ "sub": owner, "exp": EXPIRES, "roots": named });
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        format!("Bearer {}", jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap())
    };
    TOKENS.with_borrow_mut(|tokens| tokens.entry((owner.clone(), roots)).or_insert_with(make).clone())
}
