//! The routes.

use serde::Deserialize;
use serde_json::json;
use sluice_core::{
    Error, Result,
    document::AssetDocument,
    finish::{Completion, Finisher},
    idempotency::Attempt,
    ids::{ETag, Version},
    ports::{
        AssetRepository, Clock, IdGenerator, IdempotencyRepository, JobQueue, LinkSigner, MultipartStore,
        OriginalStore,
    },
    upload::{MAX_PARTS, PartTag},
};
use sluice_lambda::http::{self, Method, Once, Request, Response, StatusCode};

/// The body of `POST /complete`.
#[derive(Debug, Deserialize)]
struct CompleteBody {
    object_key: Option<String>,
    version: Option<Version>,
    upload_id: Option<String>,
    parts: Option<Vec<PartBody>>,
}

/// A part as it comes; S3's own names.
#[derive(Debug, Deserialize)]
struct PartBody {
    #[serde(rename = "PartNumber")]
    number: u16,
    #[serde(rename = "ETag")]
    etag: String,
}

impl CompleteBody {
    fn read(self) -> Result<Completion> {
        let upload = match (self.upload_id, self.parts) {
            (None, None) => None,
            (Some(upload_id), Some(parts)) => {
                if parts.len() as u64 > MAX_PARTS {
                    let reason = format!("{} are named; S3 takes at most {MAX_PARTS}", parts.len());
                    return Err(Error::invalid_parts("too_many_parts", reason));
                }
                let tag = |part: PartBody| {
                    Ok(PartTag { number: part.number, etag: ETag::from_header(&part.etag)? })
                };
                Some((upload_id.parse()?, parts.into_iter().map(tag).collect::<Result<_>>()?))
            }
            (Some(_), None) => return Err(Error::invalid_field("parts", "is missing")),
            (None, Some(_)) => return Err(Error::invalid_field("upload_id", "is missing")),
        };
        Ok(Completion { object_key: self.object_key, version: self.version, upload })
    }
}

/// Answers a request.
pub async fn handle<T, O, Q, C>(
    finisher: &Finisher<T, O, Q, C>,
    links: &impl LinkSigner,
    records: &impl IdempotencyRepository,
    ids: &impl IdGenerator,
    request: Request,
) -> Result<Response>
where
    T: AssetRepository,
    O: OriginalStore + MultipartStore,
    Q: JobQueue,
    C: Clock,
{
    let owner = || request.caller(finisher.clock.now()).map(|caller| caller.owner);
    match (request.method(), &request.segments()[..]) {
        (&Method::POST, ["complete"]) => {
            let completion = request.json::<CompleteBody>()?.read()?;
            let owner = owner()?;
            // a repeat gives the same without a key, too: what is completed is completed
            let run = async |_: Option<&Attempt>| {
                let asset = finisher.complete(&owner, &completion).await?;
                Ok(http::json(StatusCode::OK, &AssetDocument::render(&asset, links).await?))
            };
            let once = Once { records, clock: &finisher.clock, ids };
            once.run(&owner, &request, || request.digest(), run).await
        }
        (&Method::GET, ["uploads", upload_id, "parts"]) => {
            let key = request.required_query("object_key")?;
            let parts = finisher.parts(&owner()?, upload_id, key).await?;
            Ok(http::json(StatusCode::OK, &json!({ "parts": parts })))
        }
        (&Method::DELETE, ["uploads", upload_id]) => {
            finisher.cancel(&owner()?, upload_id, request.required_query("object_key")?).await?;
            Ok(http::no_content())
        }
        (_, ["complete"]) => Ok(http::method_not_allowed(&request, &["POST"])),
        (_, ["uploads", _, "parts"]) => Ok(http::method_not_allowed(&request, &["GET"])),
        (_, ["uploads", _]) => Ok(http::method_not_allowed(&request, &["DELETE"])),
        _ => Ok(http::no_such_route(&request)),
    }
}
