//! Bearer tokens: JSON Web Tokens (RFC 7519), checked as RFC 8725 advises. The configuration fixes the algorithms;
//! what a token says of its own algorithm only ever narrows them.

use std::{fmt, time::Duration};

use jsonwebtoken::{DecodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::{Number, Value};
use sluice_core::{Result, gate::Roots, ids::OwnerId, time::Timestamp};

use super::keys::KeySource;
use crate::http::Caller;

/// How far the issuer's clock may be ahead. `exp` gets no such leeway: routes check it again against the same clock,
/// long after the authorizer's answer was kept.
const LEEWAY: Duration = Duration::from_secs(30);

/// What a token's claims must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// `iss`, if it is checked.
    pub issuer: Option<String>,
    /// One of `aud`, if it is checked.
    pub audience: Option<String>,
}

/// Why a token is refused: a code for the log, never for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no `Authorization: Bearer …`.
    NoToken,
    /// It isn't a JWT, its claims aren't of their types, or it demands an extension (`crit`).
    Malformed,
    /// It names an algorithm that isn't the configured one.
    WrongAlgorithm,
    /// No key has the name that it gives.
    UnknownKey,
    /// The signature doesn't fit.
    BadSignature,
    /// `exp` is missing.
    NoExpiry,
    /// `exp` is past.
    Expired,
    /// `nbf` is to come.
    NotYetValid,
    /// `iss` is missing or another.
    WrongIssuer,
    /// `aud` is missing or others.
    WrongAudience,
    /// `sub` is missing or can't own anything.
    InvalidSubject,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoToken => "no_token",
            Self::Malformed => "malformed",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::NoExpiry => "no_expiry",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::InvalidSubject => "invalid_subject",
        })
    }
}

/// The registered claims (RFC 7519, section 4.1) that are looked at.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: Option<String>,
    iss: Option<String>,
    #[serde(default)]
    aud: Audience,
    exp: Option<Number>,
    nbf: Option<Number>,
    /// Our own: the roots that its bearer may write to beside the own one.
    #[serde(default)]
    roots: Vec<String>,
}

/// One audience or several.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Audience {
    #[default]
    None,
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn contains(&self, wanted: &str) -> bool {
        match self {
            Self::None => false,
            Self::One(one) => one == wanted,
            Self::Several(several) => several.iter().any(|one| one == wanted),
        }
    }
}

/// Checks a token: whose it is, or why it is refused.
///
/// # Errors
/// Only if the keys can't be had at the moment; that says nothing about the token.
pub async fn verify(
    keys: &impl KeySource,
    expected: &Expected,
    token: &str,
    now: Timestamp,
) -> Result<Result<Caller, Refusal>> {
    let Ok(header) = jsonwebtoken::decode_header(token) else { return Ok(Err(Refusal::Malformed)) };
    if header.crit.is_some() {
        return Ok(Err(Refusal::Malformed));
    }
    if !keys.algorithms().contains(&header.alg) {
        return Ok(Err(Refusal::WrongAlgorithm));
    }
    let Some(key) = keys.key(&header, now).await? else { return Ok(Err(Refusal::UnknownKey)) };
    let mut claims = check_signature(token, &header, &key);
    if matches!(claims, Err(Refusal::BadSignature))
        && let Some(newer) = keys.newer_key(&header, now).await?
    {
        claims = check_signature(token, &header, &newer);
    }
    Ok(claims.and_then(|claims| check_claims(claims, expected, now)))
}

fn check_signature(token: &str, header: &Header, key: &DecodingKey) -> Result<Claims, Refusal> {
    // claims are checked below, on our own clock and each with its own reason
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let decoded =
        jsonwebtoken::decode::<Value>(token, key, &validation).map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::Json(_) | jsonwebtoken::errors::ErrorKind::Base64(_) => {
                Refusal::Malformed
            }
            _ => Refusal::BadSignature,
        })?;
    serde_json::from_value(decoded.claims).map_err(|_| Refusal::Malformed)
}

fn check_claims(claims: Claims, expected: &Expected, now: Timestamp) -> Result<Caller, Refusal> {
    let expires_at = claims.exp.as_ref().map(numeric_date).ok_or(Refusal::NoExpiry)?;
    if expires_at <= now {
        return Err(Refusal::Expired);
    }
    if claims.nbf.as_ref().map(numeric_date).is_some_and(|from| from > now.plus(LEEWAY)) {
        return Err(Refusal::NotYetValid);
    }
    if expected.issuer.is_some() && claims.iss != expected.issuer {
        return Err(Refusal::WrongIssuer);
    }
    if expected.audience.as_ref().is_some_and(|audience| !claims.aud.contains(audience)) {
        return Err(Refusal::WrongAudience);
    }
    let owner: OwnerId = claims.sub.and_then(|sub| sub.parse().ok()).ok_or(Refusal::InvalidSubject)?;
    Ok(Caller { owner, roots: Roots::new(claims.roots), expires_at })
}

/// Seconds since 1970, which may have a fraction (RFC 7519, section 2); the fraction is dropped.
fn numeric_date(number: &Number) -> Timestamp {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what is beyond an i64 is cut to it, and a time is far below"
    )]
    let seconds = number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or_default() as i64);
    Timestamp::from_seconds(seconds)
}
