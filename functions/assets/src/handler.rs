//! The routes.

use serde_json::json;
use sluice_core::{
    Result,
    ports::{AssetRepository, Clock, LinkSigner, MultipartStore, OriginalStore},
};
use sluice_lambda::http::{self, Method, Request, Response, StatusCode};

use crate::read::{MAX_LIMIT, Reader};

/// Answers a request.
pub async fn handle<T, O, L, C>(reader: &Reader<T, O, L, C>, request: Request) -> Result<Response>
where
    T: AssetRepository,
    O: OriginalStore + MultipartStore,
    L: LinkSigner,
    C: Clock,
{
    let owner = || request.caller(reader.clock.now()).map(|caller| caller.owner);
    match (request.method(), &request.segments()[..]) {
        (&Method::GET, ["assets"]) => {
            let limit = request.query_number("limit", 1..=MAX_LIMIT)?;
            let page = reader.list(&owner()?, limit, request.query("cursor")).await?;
            Ok(http::json(StatusCode::OK, &json!({ "assets": page.items, "next": page.next })))
        }
        (&Method::GET, ["assets", id]) => Ok(http::json(StatusCode::OK, &reader.one(&owner()?, id).await?)),
        (&Method::GET, ["assets", id, "download"]) => http::redirect(&reader.download(&owner()?, id).await?),
        (&Method::DELETE, ["assets", id]) => {
            reader.cancel(&owner()?, id).await?;
            Ok(http::no_content())
        }
        (&Method::DELETE, ["assets", id, "update"]) => {
            reader.cancel_update(&owner()?, id).await?;
            Ok(http::no_content())
        }
        (_, ["assets", _, "update"]) => Ok(http::method_not_allowed(&request, &["DELETE"])),
        (_, ["assets"] | ["assets", _, "download"]) => Ok(http::method_not_allowed(&request, &["GET"])),
        (_, ["assets", _]) => Ok(http::method_not_allowed(&request, &["GET", "DELETE"])),
        _ => Ok(http::no_such_route(&request)),
    }
}
