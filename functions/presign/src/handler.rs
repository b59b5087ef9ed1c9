//! The route, and the wire's form of its answers.

use serde_json::{Value, json};
use sluice_core::{
    Result,
    ports::{
        AssetRepository, Clock, ContentIndex, GateFunction, IdGenerator, LinkSigner, MultipartStore,
        UploadSigner,
    },
};
use sluice_lambda::http::{self, Method, Request, Response, StatusCode};

use crate::{
    grant::{Granted, Granter, Upload},
    request::{Prepare, PrepareBody},
};

/// Answers a request.
pub async fn handle<T, O, S, L, C, I, G>(
    granter: &Granter<T, O, S, L, C, I, G>,
    request: Request,
) -> Result<Response>
where
    T: AssetRepository + ContentIndex,
    O: MultipartStore,
    S: UploadSigner,
    L: LinkSigner,
    C: Clock,
    I: IdGenerator,
    G: GateFunction,
{
    match (request.method(), &request.segments()[..]) {
        (&Method::POST, ["prepare"]) => {
            let caller = request.caller(granter.intake.clock.now())?.principal();
            match request.json::<PrepareBody>()?.read()? {
                Prepare::New(wanted) => {
                    // 201 also for a file that is there already: what came of it is said by `mode`
                    let answer = granter.grant(&caller, wanted).await?;
                    Ok(http::json(StatusCode::CREATED, &on_the_wire(answer)))
                }
                Prepare::Window(wanted) => {
                    let answer = granter.window(&caller.owner, &wanted).await?;
                    Ok(http::json(StatusCode::OK, &on_the_wire(answer)))
                }
            }
        }
        (_, ["prepare"]) => Ok(http::method_not_allowed(&request, &["POST"])),
        _ => Ok(http::no_such_route(&request)),
    }
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
