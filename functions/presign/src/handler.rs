//! The routes, and the wire's form of its answers.

use serde_json::{Value, json};
use sluice_core::{
    Result,
    idempotency::Attempt,
    ports::{
        AssetRepository, Clock, ContentIndex, GateFunction, IdGenerator, IdempotencyRepository, LinkSigner,
        MultipartStore, OriginalStore, UploadJobRepository, UploadSigner,
    },
};
use sluice_lambda::http::{self, Method, Once, Request, Response, StatusCode};

use crate::{
    grant::{Granted, Granter, Upload},
    jobs::{Announced, Announcement, MAX_LIMIT, UploadJobs},
    request::{FileBody, PartsBody, Wants},
};

/// Answers a request.
pub async fn handle<T, O, S, L, C, I, G, J, R>(
    granter: &Granter<T, O, S, L, C, I, G>,
    jobs: &J,
    records: &R,
    request: Request,
) -> Result<Response>
where
    T: AssetRepository + ContentIndex,
    O: OriginalStore + MultipartStore,
    S: UploadSigner,
    L: LinkSigner,
    C: Clock,
    I: IdGenerator,
    G: GateFunction,
    J: UploadJobRepository,
    R: IdempotencyRepository,
{
    let jobs = UploadJobs {
        jobs,
        table: &granter.intake.table,
        originals: &granter.intake.originals,
        clock: &granter.intake.clock,
        ids: &granter.intake.ids,
        gate: &granter.gate,
    };
    let once = Once { records, clock: &granter.intake.clock, ids: &granter.intake.ids };
    let caller = || request.caller(granter.intake.clock.now());
    match (request.method(), &request.segments()[..]) {
        (&Method::POST, ["prepare"]) => {
            let caller = caller()?.principal();
            match request.json::<PartsBody>()?.read()? {
                Wants::Upload(choice) => {
                    let file = request.json::<FileBody>()?.sized()?;
                    // 201 also for a file that is there already: what came of it is said by `mode`
                    let run = async |attempt: Option<&Attempt>| {
                        let wanted = file.wanted(attempt.map(|attempt| attempt.made(0)))?;
                        let answer = granter.grant(&caller, wanted, choice).await?;
                        Ok(http::json(StatusCode::CREATED, &on_the_wire(answer)))
                    };
                    once.run(&caller.owner, &request, || request.digest(), run).await
                }
                Wants::Window(wanted) => {
                    let answer = granter.window(&caller.owner, &wanted).await?;
                    Ok(http::json(StatusCode::OK, &on_the_wire(answer)))
                }
            }
        }
        (&Method::POST, ["uploadjobs"]) => {
            let (caller, wanted) = (caller()?.principal(), request.json::<Announcement>()?);
            let run = async |attempt: Option<&Attempt>| {
                let announced = jobs.announce(&caller, wanted, attempt).await?;
                Ok(http::json(StatusCode::CREATED, &token_of(&announced)))
            };
            once.run(&caller.owner, &request, || request.digest(), run).await
        }
        (&Method::GET, ["uploadjobs"]) => {
            request.only_queries(&["limit", "cursor"])?;
            let limit = request.query_number("limit", 1..=MAX_LIMIT)?;
            let page = jobs.list(&caller()?.owner, limit, request.query("cursor")).await?;
            Ok(http::state(&request, &json!({ "jobs": page.items, "next": page.next }), None))
        }
        (&Method::GET, ["uploadjobs", request_id]) => {
            let document = jobs.one(&caller()?.owner, request_id).await?;
            Ok(http::state(&request, &document, document.poll))
        }
        (&Method::DELETE, ["uploadjobs", request_id]) => {
            jobs.cancel(&caller()?.owner, request_id).await?;
            Ok(http::no_content())
        }
        (_, ["uploadjobs"]) => Ok(http::method_not_allowed(&request, &["GET", "POST"])),
        (_, ["uploadjobs", _]) => Ok(http::method_not_allowed(&request, &["GET", "DELETE"])),
        (&Method::POST, ["s3_signature"]) => {
            let caller = caller()?.principal();
            let file = request.json::<FileBody>()?.named()?;
            let run = async |attempt: Option<&Attempt>| {
                let wanted = file.wanted(attempt.map(|attempt| attempt.made(0)))?;
                let answer = granter.grant_form(&caller, wanted).await?;
                Ok(http::json(StatusCode::CREATED, &on_the_wire(answer)))
            };
            once.run(&caller.owner, &request, || request.digest(), run).await
        }
        (_, ["prepare" | "s3_signature"]) => Ok(http::method_not_allowed(&request, &["POST"])),
        _ => Ok(http::no_such_route(&request)),
    }
}

/// Where uploads of jobs are sent: the tus server, relative to the API.
const TUS: &str = "/files";

/// The wire's form of a new job, the only one that shows its token.
fn token_of(announced: &Announced) -> Value {
    let Announced { job, token } = announced;
    let terms = job.terms();
    json!({
        "request_id": job.request_id(), "upload_token": token, "filename": terms.filename,
        "size": terms.size.exact(), "location": TUS, "expires_at": job.start_before(),
    })
}

/// The wire's form.
fn on_the_wire(granted: Granted) -> Value {
    match granted {
        Granted::Existing(asset) => json!({ "mode": "existing", "asset": asset }),
        Granted::Direct { upload, url, headers, expires_at } => {
            let Upload { asset_id, key, version } = upload;
            let headers: serde_json::Map<_, _> =
                headers.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
            json!({
                "asset_id": asset_id, "object_key": key, "version": version, "mode": "direct",
                "method": "PUT", "url": url, "headers": headers, "expires_at": expires_at,
            })
        }
        Granted::Form { upload, form } => {
            let Upload { asset_id, key, version } = upload;
            let fields: serde_json::Map<_, _> =
                form.fields.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
            json!({
                "asset_id": asset_id, "object_key": key, "key": key, "version": version, "mode": "form",
                "method": "POST", "url": form.url, "fields": fields, "policy": form.field("policy"),
                "signature": form.field("x-amz-signature"), "metadata": { "version": version.to_string() },
                "expires_at": form.expires_at,
            })
        }
        Granted::Multipart { upload, upload_id, parts, signed, expires_at } => {
            let Upload { asset_id, key, version } = upload;
            let start = signed.first().map_or(0, |part| part.number);
            let items: Vec<_> =
                signed.iter().map(|part| json!({ "part_number": part.number, "url": part.url })).collect();
            json!({
                "asset_id": asset_id, "object_key": key, "version": version, "mode": "multipart",
                "upload_id": upload_id, "part_size": parts.part_size, "num_parts": parts.num_parts,
                "batch": { "start": start, "count": items.len(), "items": items }, "expires_at": expires_at,
            })
        }
    }
}
