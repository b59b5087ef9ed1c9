//! Keys, tokens and an identity provider, made without the library that the function checks tokens with.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// JSON as a part of a token.
pub fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Signs tokens.
pub struct Signer {
    kid: Option<&'static str>,
    key: Key,
}

enum Key {
    Secret(Box<hmac::Key>),
    Rsa(RsaKeyPair),
    Curve(EcdsaKeyPair),
}

impl Signer {
    /// HS256.
    pub fn secret(secret: &[u8]) -> Self {
        Self { kid: None, key: Key::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret))) }
    }

    /// RS256, a fresh key.
    pub fn rsa(kid: &'static str) -> Self {
        Self { kid: Some(kid), key: Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()) }
    }

    /// ES256, a fresh key.
    pub fn curve(kid: &'static str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { kid: Some(kid), key: Key::Curve(key) }
    }

    /// A token of these claims.
    pub fn token(&self, claims: &Value) -> String {
        let alg = match self.key {
            Key::Secret(_) => "HS256",
            Key::Rsa(_) => "RS256",
            Key::Curve(_) => "ES256",
        };
        let mut header = json!({"typ": "JWT", "alg": alg});
        if let Some(kid) = self.kid {
            header["kid"] = kid.into();
        }
        self.token_with(&header, claims)
    }

    /// The same with any header.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        let random = SystemRandom::new();
        let signature = match &self.key {
            Key::Secret(key) => hmac::sign(key, message.as_bytes()).as_ref().to_vec(),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Key::Curve(key) => key.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The public key's own bytes.
    pub fn public(&self) -> Vec<u8> {
        match &self.key {
            Key::Secret(_) => panic!("a secret has no public side"),
            Key::Rsa(key) => key.public_key().as_ref().to_vec(),
            Key::Curve(key) => key.public_key().as_ref().to_vec(),
        }
    }

    /// The public key as it is published.
    pub fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.key {
            Key::Secret(_) => panic!("a secret has no public side"),
            Key::Rsa(key) => {
                let public = key.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                json!({"kty": "RSA", "kid": self.kid, "use": "sig", "alg": "RS256",
                    "n": text(n.big_endian_without_leading_zero()),
                    "e": text(e.big_endian_without_leading_zero())})
            }
            Key::Curve(key) => {
                // the uncompressed point: 4, then both coordinates of 32 bytes
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": self.kid, "x": text(x), "y": text(y)})
            }
        }
    }
}

/// An identity provider on a port of its own.
pub struct Provider {
    port: u16,
    answer: Arc<Mutex<Option<(u16, String)>>>,
    hits: Arc<AtomicUsize>,
}

impl Provider {
    /// One that publishes these keys.
    pub async fn start(keys: &[Value]) -> Self {
        let provider = Self::silent().await;
        provider.publish(keys);
        provider
    }

    /// One that takes connections and never answers.
    pub async fn silent() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let provider = Self { port, answer: Arc::default(), hits: Arc::default() };
        let (answer, hits) = (Arc::clone(&provider.answer), Arc::clone(&provider.hits));
        tokio::spawn(async move {
            // those that get no answer are kept open
            let mut waiting = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some((status, body)) = answer.lock().unwrap().clone() else {
                    waiting.push(stream);
                    continue;
                };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => request.push(byte),
                        Err(_) => break,
                    }
                }
                assert!(request.starts_with(b"GET /jwks.json HTTP/1.1\r\n"));
                hits.fetch_add(1, Ordering::SeqCst);
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nlocation: /elsewhere\r\n\
                     content-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.ok();
            }
        });
        provider
    }

    /// Where the keys are.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/jwks.json", self.port)
    }

    /// Publishes these keys from now on.
    pub fn publish(&self, keys: &[Value]) {
        *self.answer.lock().unwrap() = Some((200, json!({ "keys": keys }).to_string()));
    }

    /// Answers with this status from now on.
    pub fn fail(&self, status: u16) {
        *self.answer.lock().unwrap() = Some((status, String::new()));
    }

    /// How often it was asked.
    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}
