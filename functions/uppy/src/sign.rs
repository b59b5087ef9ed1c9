//! Signing for Uppy 6's `signRequest`, which speaks with S3 itself and has each request signed here.
//!
//! | Uppy asks for | it gets | what the signature binds |
//! |---|---|---|
//! | `PUT {key, contentType}`, a whole file | a form (`url`, `fields`) | key, type, size, version |
//! | `POST {key}`, a multipart upload | `url`, `headers` | key, type, version |
//! | `PUT {key, uploadId, partNumber}` | `url` | the part |
//! | `GET {key, uploadId}` | `url` | the list |
//! | `POST {key, uploadId}` | `url`, `headers` | the condition: nothing is there, or what is replaced |
//! | `DELETE {key, uploadId}` | `url` | the abort; the asset's upload is cancelled here |
//!
//! The key that Uppy proposes for a new file (`{uuid}-{name}`, or what `generateObjectKey` made) names only its file, and
//! before the last slash its folder; the answer's `key` is the asset's own, which Uppy uses from then on. Uppy starts the
//! multipart upload itself, so its id isn't known here. It needn't be: S3 takes an id with its own key only, a key is one
//! asset's, and the version stands in the upload's signed metadata, by which `process` knows the object. Parts that
//! nobody completes are freed by the bucket's lifecycle rule.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sluice_core::{
    Error, ErrorKind, Result,
    asset::{Asset, Grant},
    cancel::{already_uploaded, cancel_upload},
    gate::Principal,
    idempotency::Made,
    ids::UploadId,
    intake::{Opening, Wanted},
    ports::{MultipartStep, SignedRequest, UploadSigner},
    upload::MULTIPART_TTL,
};
use uuid::Uuid;

use crate::{
    companion::{Companion, Ports, granted, part_number, why_over},
    wire,
};

/// What Uppy hands to `signRequest`; `metadata` is what a page may add to it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignBody {
    method: String,
    key: String,
    upload_id: Option<String>,
    part_number: Option<u64>,
    content_type: Option<String>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
}

/// One of the requests that Uppy sends.
#[derive(Debug)]
enum Step {
    Whole(Wanted),
    Create(Wanted),
    Part(UploadId, u16),
    List(UploadId),
    Complete(UploadId),
    Abort(UploadId),
}

impl SignBody {
    /// Whether it opens a new upload.
    pub const fn opens(&self) -> bool {
        self.upload_id.is_none()
    }

    fn step(self) -> Result<(String, Step)> {
        let Self { method, key, upload_id, part_number: number, content_type, metadata } = self;
        let wanted = || {
            let (folder, filename) = proposal(&key);
            let mut metadata = metadata.unwrap_or_default();
            if let Some(folder) = folder {
                metadata.entry("folder").or_insert_with(|| folder.into());
            }
            wire::wanted(filename, content_type.as_deref(), metadata)
        };
        let step = match (method.as_str(), upload_id, number) {
            ("PUT", None, None) => Step::Whole(wanted()?),
            ("POST", None, None) => Step::Create(wanted()?),
            ("PUT", Some(id), Some(number)) => Step::Part(id.parse()?, part_number(number)?),
            ("GET", Some(id), None) => Step::List(id.parse()?),
            ("POST", Some(id), None) => Step::Complete(id.parse()?),
            ("DELETE", Some(id), None) => Step::Abort(id.parse()?),
            _ => {
                let message = "this isn't signed: only what an upload takes is; a file is deleted by DELETE /assets/{id}";
                return Err(Error::new(ErrorKind::Forbidden, "not_signed", message));
            }
        };
        Ok((key, step))
    }
}

/// The folder and the name in a key that Uppy proposes. Its own keys begin with a UUID and a hyphen, and a name may hold the
/// path of a file in a folder.
fn proposal(key: &str) -> (Option<&str>, &str) {
    match without_uuid(key).rsplit_once('/') {
        Some((folder, name)) => (Some(folder), without_uuid(name)),
        None => (None, without_uuid(key)),
    }
}

fn without_uuid(name: &str) -> &str {
    let own = name.split_at_checked(36).filter(|(start, _)| Uuid::try_parse(start).is_ok());
    own.and_then(|(_, rest)| rest.strip_prefix('-')).filter(|rest| !rest.is_empty()).unwrap_or(name)
}

/// Signs one request.
///
/// # Errors
/// As for the same step by the Companion's routes; `not_signed` for what is no step of an upload.
pub async fn sign<P: Ports>(
    companion: &Companion<P>,
    principal: &Principal,
    body: SignBody,
    made: Option<Made>,
) -> Result<Value> {
    let (now, ttl) = (companion.now(), companion.grant_ttl);
    let (key, step) = body.step()?;
    let upload_id = match step {
        Step::Whole(mut wanted) => {
            wanted.wish.made = made;
            let (asset, form) = companion.form(principal, wanted).await?;
            let fields: Map<String, Value> =
                form.fields.into_iter().map(|(name, value)| (name, value.into())).collect();
            return Ok(json!({
                "url": form.url, "fields": fields, "key": asset.key(), "asset_id": asset.id(),
                "expires_at": form.expires_at,
            }));
        }
        Step::Create(mut wanted) => {
            wanted.wish.made = made;
            let asset = companion.open(principal, wanted, Opening::Direct(MULTIPART_TTL)).await?;
            let request = companion.signer.sign_create(asset.key(), granted(&asset)?, now, ttl).await?;
            return Ok(answer(&asset, request));
        }
        Step::Part(ref id, _) | Step::List(ref id) | Step::Complete(ref id) | Step::Abort(ref id) => id,
    };
    let asset = companion.owned(&principal.owner, &key).await?.ok_or_else(Error::upload_not_found)?;
    if matches!(step, Step::Abort(_)) {
        if asset.grant().is_none() && asset.object().is_some() {
            return Err(already_uploaded());
        }
        let finisher = &companion.finisher;
        cancel_upload(&finisher.table, &finisher.originals, &finisher.clock, asset.clone()).await?;
        let request =
            companion.signer.sign_step(asset.key(), upload_id, MultipartStep::Abort, now, ttl).await?;
        return Ok(answer(&asset, request));
    }
    let grant = asset.open_grant().filter(|grant| is_of(grant, upload_id));
    let grant = grant.ok_or_else(|| why_over(&asset, upload_id))?;
    let request = match step {
        Step::Part(_, number) => {
            let signed = companion.signer.sign_parts(asset.key(), upload_id, number..=number, now, ttl).await;
            let (mut parts, expires_at) = signed?;
            let url =
                parts.pop().map(|part| part.url).ok_or_else(|| Error::internal("no part was signed"))?;
            SignedRequest { url, headers: Vec::new(), expires_at }
        }
        Step::Complete(_) => {
            let step = MultipartStep::Complete { replaces: grant.replaces.as_ref() };
            companion.signer.sign_step(asset.key(), upload_id, step, now, ttl).await?
        }
        _ => companion.signer.sign_step(asset.key(), upload_id, MultipartStep::List, now, ttl).await?,
    };
    Ok(answer(&asset, request))
}

/// Whether the upload can be the grant's: one that was opened by the Companion's routes has its id on record.
fn is_of(grant: &Grant, upload_id: &UploadId) -> bool {
    grant.upload_id().is_none_or(|open| open == upload_id)
}

fn answer(asset: &Asset, request: SignedRequest) -> Value {
    let headers: Map<String, Value> =
        request.headers.into_iter().map(|(name, value)| (name, value.into())).collect();
    json!({
        "url": request.url, "headers": headers, "key": asset.key(), "asset_id": asset.id(),
        "expires_at": request.expires_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposed_key_names_a_file_and_its_folder() {
        let uuid = "0b0e7a34-1f0c-4c5e-9c1c-0d2a3b4c5d6e";
        assert_eq!(proposal("photo.jpg"), (None, "photo.jpg"));
        assert_eq!(proposal(&format!("{uuid}-photo.jpg")), (None, "photo.jpg"));
        assert_eq!(proposal(&format!("trips/2026/{uuid}-a-b.jpg")), (Some("trips/2026"), "a-b.jpg"));
        assert_eq!(proposal(&format!("{uuid}-x/y.png")), (Some("x"), "y.png"), "no folder of the UUID");
        let odd = [uuid.to_owned(), format!("{uuid}-"), format!("{uuid}.jpg"), "é".repeat(30)];
        for name in odd {
            assert_eq!(proposal(&name), (None, &*name));
        }
    }
}
