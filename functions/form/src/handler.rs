//! The routes, and the wire's form of their answers.

use serde_json::{Value, json};
use sluice_core::{
    Error, Result,
    asset::Stage,
    document::{AssetDocument, POLL},
    idempotency::Attempt,
    ports::{
        AssetRepository, Clock, ContentIndex, GateFunction, IdGenerator, IdempotencyRepository, JobQueue,
        LinkSigner, MultipartStore, OriginalStore, TaskRepository,
    },
    task::TaskStatus,
};
use sluice_lambda::http::{self, Method, Once, Request, Response, StatusCode};

use crate::{
    form::{self, MAX_FORM_BYTES},
    take::{Taken, Taker},
};

/// Answers a request.
pub async fn handle<T, O, C, I, G, Q, K, L, R>(
    taker: &Taker<T, O, C, I, G, Q, K>,
    links: &L,
    records: &R,
    request: Request,
) -> Result<Response>
where
    T: AssetRepository + ContentIndex,
    O: OriginalStore + MultipartStore,
    C: Clock,
    I: IdGenerator,
    G: GateFunction,
    Q: JobQueue,
    K: TaskRepository,
    L: LinkSigner,
    R: IdempotencyRepository,
{
    let caller = || request.caller(taker.intake.clock.now());
    match (request.method(), &request.segments()[..]) {
        (&Method::POST, ["api", "v1", "assets"]) => {
            let principal = caller()?.principal();
            let body = request.bytes(MAX_FORM_BYTES)?.ok_or_else(form::too_large)?;
            let form = form::read(request.header("content-type"), body).await?;
            let once = Once { records, clock: &taker.intake.clock, ids: &taker.intake.ids };
            // of what the form holds: each time that it is sent its boundary is another
            let asked = form.digest();
            let run = async |attempt: Option<&Attempt>| {
                let taken = taker.take(&principal, form, attempt).await?;
                Ok(http::json(StatusCode::OK, &taken_on_the_wire(&taken, links).await?))
            };
            once.run(&principal.owner, &request, || asked, run).await
        }
        (&Method::GET, ["api", "v1", "tasks", id]) => {
            let taken = taker.task(&caller()?.owner, id).await?;
            let documents = taken.documents(links).await?;
            let status = taken.status();
            let poll = (status == TaskStatus::Processing).then_some(POLL);
            let answer = json!({
                "task_id": taken.task.id, "status": status, "assets": documents,
                "refused": taken.task.refused, "poll": poll,
            });
            Ok(http::state(&request, &answer, poll))
        }
        (_, ["api", "v1", "assets"]) => Ok(http::method_not_allowed(&request, &["POST"])),
        (_, ["api", "v1", "tasks", _]) => Ok(http::method_not_allowed(&request, &["GET"])),
        _ => Ok(http::no_such_route(&request)),
    }
}

/// The answer to a form: always `processing`, for what became of its files is the task's to tell. A file that is known already
/// comes with its document, and so with its previews.
async fn taken_on_the_wire(taken: &Taken, links: &impl LinkSigner) -> Result<Value> {
    let mut assets = Vec::with_capacity(taken.assets.len());
    for asset in &taken.assets {
        let mut entry =
            json!({ "asset_id": asset.id(), "filename": asset.filename(), "object_key": asset.key() });
        if asset.stage() == Stage::Done {
            let document = AssetDocument::render(asset, links).await?;
            entry["asset"] = serde_json::to_value(document).map_err(Error::internal)?;
        }
        assets.push(entry);
    }
    Ok(json!({
        "task_id": taken.task.id, "status": TaskStatus::Processing, "assets": assets,
        "refused": taken.task.refused,
    }))
}
