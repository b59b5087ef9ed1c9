//! The routes.

use serde_json::json;
use sluice_core::{
    Error, Result,
    ports::{AssetRepository, Clock, Disposition, Link, LinkSigner, Listed, MultipartStore, OriginalStore},
};
use sluice_lambda::http::{self, Method, Request, Response, StatusCode};

use crate::read::{MAX_LIMIT, Reader};

/// Answers a request. To HEAD the answer is that of GET without its body.
pub async fn handle<T, O, L, C>(reader: &Reader<T, O, L, C>, request: Request) -> Result<Response>
where
    T: AssetRepository,
    O: OriginalStore + MultipartStore,
    L: LinkSigner,
    C: Clock,
{
    if *request.method() != Method::HEAD {
        return route(reader, &request, request.method()).await;
    }
    let mut response = route(reader, &request, &Method::GET).await?;
    response.body_mut().clear();
    Ok(response)
}

async fn route<T, O, L, C>(
    reader: &Reader<T, O, L, C>,
    request: &Request,
    method: &Method,
) -> Result<Response>
where
    T: AssetRepository,
    O: OriginalStore + MultipartStore,
    L: LinkSigner,
    C: Clock,
{
    let owner = || request.caller(reader.clock.now()).map(|caller| caller.owner);
    match (method, &request.segments()[..]) {
        (&Method::GET, ["assets"]) => {
            request.only_queries(&["limit", "cursor", "stage"])?;
            let limit = request.query_number("limit", 1..=MAX_LIMIT)?;
            let listed = match request.query("stage") {
                None => Listed::Present,
                Some("cancelled") => Listed::Cancelled,
                Some(_) => return Err(Error::invalid_field("stage", "only `cancelled` can be asked for")),
            };
            let page = reader.list(&owner()?, listed, limit, request.query("cursor")).await?;
            Ok(http::state(request, &json!({ "assets": page.items, "next": page.next }), None))
        }
        (&Method::GET, ["assets", id]) => {
            let document = reader.one(&owner()?, id).await?;
            Ok(http::state(request, &document, document.poll))
        }
        (&Method::GET, ["assets", id, "download"]) => {
            lead_to(request, &reader.original(&owner()?, id, Disposition::Attachment).await?)
        }
        (&Method::GET, ["assets", id, "file"]) => {
            lead_to(request, &reader.original(&owner()?, id, Disposition::Inline).await?)
        }
        (&Method::GET, ["assets", id, "derivatives", name]) => {
            lead_to(request, &reader.derivative(&owner()?, id, name).await?)
        }
        (&Method::DELETE, ["assets", id]) => {
            reader.cancel(&owner()?, id).await?;
            Ok(http::no_content())
        }
        (&Method::DELETE, ["assets", id, "update"]) => {
            reader.cancel_update(&owner()?, id).await?;
            Ok(http::no_content())
        }
        (_, ["assets", _, "update"]) => Ok(http::method_not_allowed(request, &["DELETE"])),
        (_, ["assets"] | ["assets", _, "download" | "file"] | ["assets", _, "derivatives", _]) => {
            Ok(http::method_not_allowed(request, &["GET", "HEAD"]))
        }
        (_, ["assets", _]) => Ok(http::method_not_allowed(request, &["GET", "HEAD", "DELETE"])),
        _ => Ok(http::no_such_route(request)),
    }
}

/// The answer of an address that stays the same while its content changes. A page of another origin can't follow a redirect to
/// a third one (its browser says `Origin: null` then), so who accepts JSON is told the link.
fn lead_to(request: &Request, Link { url, expires_at }: &Link) -> Result<Response> {
    if request.accepts_json() {
        return Ok(http::json(StatusCode::OK, &json!({ "url": url, "expires_at": expires_at })));
    }
    http::redirect(url)
}
