//! The routes, and the wire's form of their answers.

use serde_json::{Map, Value, json};
use sluice_core::{
    Error, ErrorKind, Result,
    gate::Principal,
    idempotency::{Attempt, Made},
    intake::Opening,
    ports::{IdGenerator, SignedForm},
    time::Timestamp,
};
use sluice_lambda::http::{self, Method, Request, Response, StatusCode};

use crate::{
    companion::{Companion, Ports, granted},
    endpoint,
    sign::{SignBody, sign},
    wire::{CompleteBody, CreateBody, metadata_of_query, refusal, refused, wanted},
};

/// The most parts that one answer signs: old clients ask for a few at a time.
const MAX_BATCH: usize = 1000;

/// Who asks, and for what they were let in.
struct Authority {
    principal: Principal,
    /// An endpoint opens new uploads for a while only.
    may_open: bool,
}

impl Authority {
    fn to_open(&self) -> Result<&Principal> {
        if self.may_open {
            return Ok(&self.principal);
        }
        let message = "this endpoint opens no new uploads any more; make another";
        Err(Error::new(ErrorKind::Forbidden, "endpoint_closed", message))
    }
}

/// Answers a request. Errors are answers too, in the form that Uppy reads.
pub async fn handle<P: Ports>(companion: &Companion<P>, request: &Request) -> Response {
    route(companion, request).await.unwrap_or_else(|error| {
        http::log_error(&error);
        refusal(&error, request)
    })
}

async fn route<P: Ports>(companion: &Companion<P>, request: &Request) -> Result<Response> {
    let now = companion.now();
    let segments = request.segments();
    match (request.method(), &segments[..]) {
        (&Method::POST, ["uppy", "endpoints"]) => {
            let principal = request.caller(now)?.principal();
            let owner = principal.owner.clone();
            let run = async |attempt: Option<&Attempt>| {
                let token = attempt.map_or_else(|| companion.intake.ids.secret(), Attempt::secret);
                let (token, endpoint) = endpoint::make(&companion.endpoints, token, principal, now).await?;
                let body = json!({
                    "path": format!("/u/{token}"), "expires_at": endpoint.opens_until,
                    "continues_until": endpoint.expires_at,
                });
                Ok(http::json(StatusCode::CREATED, &body))
            };
            companion.once().run(&owner, request, || request.digest(), run).await
        }
        (_, ["s3", rest @ ..]) => {
            let principal = request.caller(now)?.principal();
            serve(companion, request, rest, &Authority { principal, may_open: true }).await
        }
        (_, ["u", token, "s3", rest @ ..]) => {
            let endpoint = endpoint::find(&companion.endpoints, token, now).await?;
            let may_open = now < endpoint.opens_until;
            serve(companion, request, rest, &Authority { principal: endpoint.principal, may_open }).await
        }
        _ => Ok(no_such_route(request)),
    }
}

fn no_such_route(request: &Request) -> Response {
    refused(StatusCode::NOT_FOUND, "no_such_route", "nothing is served at this path by this method", request)
}

/// The routes of a Companion, below `/s3`.
async fn serve<P: Ports>(
    companion: &Companion<P>,
    request: &Request,
    path: &[&str],
    authority: &Authority,
) -> Result<Response> {
    if *request.method() != Method::POST {
        return Box::pin(answer(companion, request, path, authority, None)).await;
    }
    let run = async |attempt: Option<&Attempt>| {
        answer(companion, request, path, authority, attempt.map(|attempt| attempt.made(0))).await
    };
    companion.once().run(&authority.principal.owner, request, || request.digest(), run).await
}

async fn answer<P: Ports>(
    companion: &Companion<P>,
    request: &Request,
    path: &[&str],
    authority: &Authority,
    made: Option<Made>,
) -> Result<Response> {
    let now = companion.now();
    let owner = &authority.principal.owner;
    let key = || request.required_query("key");
    let body = match (request.method(), path) {
        (&Method::GET, ["params"]) => {
            let metadata = metadata_of_query(request);
            let wanted = wanted(request.required_query("filename")?, request.query("type"), metadata)?;
            let (asset, form) = companion.form(authority.to_open()?, wanted).await?;
            let SignedForm { url, fields, expires_at } = form;
            let fields: Map<String, Value> =
                fields.into_iter().map(|(name, value)| (name, value.into())).collect();
            json!({
                "method": "POST", "url": url, "fields": fields, "expires": seconds_left(now, expires_at),
                "asset_id": asset.id(),
            })
        }
        (&Method::POST, ["multipart"]) => {
            let CreateBody { filename, r#type, metadata } = request.json()?;
            let mut wanted = wanted(&filename, r#type.as_deref(), metadata.unwrap_or_default())?;
            wanted.wish.made = made;
            let asset = companion.open(authority.to_open()?, wanted, Opening::OpenMultipart).await?;
            let upload_id = granted(&asset)?.upload_id();
            json!({
                "key": asset.key(), "uploadId": upload_id, "bucket": companion.bucket, "asset_id": asset.id(),
            })
        }
        (&Method::GET, ["multipart", upload_id]) => {
            json!(companion.parts(owner, upload_id, key()?).await?)
        }
        (&Method::GET, ["multipart", upload_id, "batch"]) => {
            let numbers = batch(request.required_query("partNumbers")?)?;
            let (parts, _) = companion.parts_signed(owner, upload_id, key()?, &numbers).await?;
            let urls: Map<String, Value> =
                parts.into_iter().map(|part| (part.number.to_string(), part.url.into())).collect();
            json!({ "presignedUrls": urls })
        }
        (&Method::GET, ["multipart", upload_id, number]) => {
            let number = number_of(number)?;
            let (mut parts, expires_at) = companion.parts_signed(owner, upload_id, key()?, &[number]).await?;
            let url = parts.pop().map(|part| part.url);
            json!({ "url": url, "expires": seconds_left(now, expires_at) })
        }
        (&Method::POST, ["multipart", upload_id, "complete"]) => {
            let parts = request.json::<CompleteBody>()?.tags()?;
            let completed = companion.complete(owner, upload_id.parse()?, key()?, parts).await?;
            let (asset, location) = completed;
            json!({
                "location": location, "key": asset.key(), "bucket": companion.bucket, "asset_id": asset.id(),
            })
        }
        (&Method::DELETE, ["multipart", upload_id]) => {
            companion.finisher.cancel(owner, upload_id, key()?).await?;
            // never 204: Uppy 4 and 5 read JSON
            json!({})
        }
        (&Method::POST, ["sign"]) => {
            let body: SignBody = request.json()?;
            let principal = if body.opens() { authority.to_open()? } else { &authority.principal };
            sign(companion, principal, body, made).await?
        }
        (&Method::GET, ["sts"]) => {
            let message = "no credentials are given out: they would let in whatever no gate has seen; \
                           leave `getTemporarySecurityCredentials` and `getCredentials` off";
            return Err(Error::new(ErrorKind::Forbidden, "no_credentials", message));
        }
        _ => return Ok(no_such_route(request)),
    };
    Ok(http::json(StatusCode::OK, &body))
}

/// In whole seconds, as Uppy takes it for the time limit of its request.
fn seconds_left(now: Timestamp, expires_at: Timestamp) -> u64 {
    now.until(expires_at).as_secs()
}

fn number_of(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::invalid_field("partNumber", "a number from 1 to 10000 is expected"))
}

fn batch(numbers: &str) -> Result<Vec<u64>> {
    let numbers: Vec<u64> = numbers.split(',').map(number_of).collect::<Result<_>>()?;
    if numbers.len() > MAX_BATCH {
        return Err(Error::invalid_field(
            "partNumbers",
            format_args!("at most {MAX_BATCH} are signed at once"),
        ));
    }
    Ok(numbers)
}
