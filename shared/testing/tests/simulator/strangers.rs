//! Invariant 15: to somebody else an id looks like one of none, by every route, and nothing changes.

use std::rc::Rc;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sluice_core::asset::{Asset, Grant};
use sluice_testing::{CountingIds, build, simulator::Function};

use crate::{
    clients::{Client, Scene},
    rest::Snapshot,
    watch::broken,
};

/// What there is none of.
const NOBODYS_UPLOAD: &str = "upload-4711";

/// Tries the id of an asset, and all places, by every route.
pub async fn try_all(scene: Rc<Scene>, asset: Asset) {
    let before = Snapshot::take(&scene);
    let client = Client {
        owner: build::owner("mallory"),
        roots: "",
        name: "a stranger".to_owned(),
        chance: scene.engine.chance.clone(),
        scene: scene.clone(),
    };
    let none = CountingIds::nth(0xFFFF_FFFF).to_string();
    let id = asset.id().to_string();
    let upload = asset.grant().and_then(Grant::upload_id).map_or("upload-1".to_owned(), ToString::to_string);
    let theirs = requests(&scene, &id, asset.key().as_str(), &upload);
    let nobodys = requests(&scene, &none, &asset.key().as_str().replace(&id, &none), NOBODYS_UPLOAD);
    for ((function, method, target, body), (_, _, other, other_body)) in theirs.into_iter().zip(nobodys) {
        let one = answer(&client, &function, method, &target, body.as_ref()).await;
        let two = answer(&client, &function, method, &other, other_body.as_ref()).await;
        let one = one.replace(&id, "ID").replace(&upload, "UPLOAD");
        let two = two.replace(&none, "ID").replace(NOBODYS_UPLOAD, "UPLOAD");
        if one != two {
            let kind = format!("another's id is answered otherwise than none: {method} by {}", function.name);
            broken(&scene, 15, &kind, format!("{target}: {one}, and {two}"));
        }
    }
    let places = scene.doors.borrow().places.clone();
    for (_, path) in places {
        let (parent, last) = path.rsplit_once('/').unwrap();
        let other = format!("{parent}/{}", last.replace(|c: char| c.is_ascii_digit(), "9"));
        for method in ["GET", "HEAD", "PATCH", "DELETE"] {
            let (one, two) = if parent == "/files" {
                (tus(&client, method, &path).await, tus(&client, method, &other).await)
            } else {
                let functions = &scene.functions;
                let function = if parent == "/uploadjobs" { &functions.presign } else { &functions.form };
                let one = answer(&client, function, method, &path, None).await;
                (one, answer(&client, function, method, &other, None).await)
            };
            if one != two {
                let kind = format!("another's {parent} is answered otherwise than none: {method}");
                broken(&scene, 15, &kind, format!("{path}: {one}, and {two}"));
            }
        }
    }
    if before != Snapshot::take(&scene) {
        broken(&scene, 15, "a stranger changes something", id);
    }
}

type Route = (Function, &'static str, String, Option<Value>);

/// Every route that takes an id.
fn requests(scene: &Scene, id: &str, key: &str, upload: &str) -> Vec<Route> {
    let functions = &scene.functions;
    let (presign, complete) = (&functions.presign, &functions.complete);
    let (assets, uppy) = (&functions.assets, &functions.uppy);
    let escaped = key.replace('/', "%2F");
    let file = json!({ "filename": "a.txt", "file_size": 3, "content_type": "text/plain", "asset_id": id });
    let window = json!({ "upload_id": upload, "object_key": key, "start_part": 1 });
    let parts = json!([{ "PartNumber": 1, "ETag": "\"0123\"" }]);
    let stitch = json!({ "object_key": key, "upload_id": upload, "parts": parts });
    let multipart = format!("/s3/multipart/{upload}");
    let sign = |method: &str| json!({ "method": method, "key": key, "uploadId": upload });
    let opened = json!({ "filename": "a.txt", "type": "text/plain", "metadata": { "asset_id": id } });
    vec![
        (presign.clone(), "POST", "/prepare".to_owned(), Some(file.clone())),
        (presign.clone(), "POST", "/prepare".to_owned(), Some(window)),
        (presign.clone(), "POST", "/s3_signature".to_owned(), Some(file)),
        (complete.clone(), "POST", "/complete".to_owned(), Some(json!({ "object_key": key }))),
        (complete.clone(), "POST", "/complete".to_owned(), Some(stitch)),
        (complete.clone(), "GET", format!("/uploads/{upload}?object_key={escaped}"), None),
        (complete.clone(), "GET", format!("/uploads/{upload}/parts?object_key={escaped}"), None),
        (complete.clone(), "DELETE", format!("/uploads/{upload}?object_key={escaped}"), None),
        (assets.clone(), "GET", format!("/assets/{id}"), None),
        (assets.clone(), "GET", format!("/assets/{id}/original"), None),
        (assets.clone(), "DELETE", format!("/assets/{id}/update"), None),
        (assets.clone(), "DELETE", format!("/assets/{id}"), None),
        (uppy.clone(), "POST", "/s3/multipart".to_owned(), Some(opened)),
        (uppy.clone(), "GET", format!("{multipart}?key={escaped}"), None),
        (uppy.clone(), "GET", format!("{multipart}/1?key={escaped}"), None),
        (
            uppy.clone(),
            "POST",
            format!("{multipart}/complete?key={escaped}"),
            Some(json!({ "parts": parts })),
        ),
        (uppy.clone(), "DELETE", format!("{multipart}?key={escaped}"), None),
        (uppy.clone(), "POST", "/s3/sign".to_owned(), Some(sign("GET"))),
        (uppy.clone(), "POST", "/s3/sign".to_owned(), Some(sign("POST"))),
        (uppy.clone(), "POST", "/s3/sign".to_owned(), Some(sign("DELETE"))),
    ]
}

async fn answer(
    client: &Client,
    function: &Function,
    method: &str,
    target: &str,
    body: Option<&Value>,
) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let reply = client.call(function, client.request(method, path, query, body)).await;
    client.tell(|| format!("{method} {target}: {}", reply.status));
    format!("{} {} {}", reply.status, reply.headers, reply.body)
}

async fn tus(client: &Client, method: &str, path: &str) -> String {
    let mut headers = Map::new();
    if method == "PATCH" {
        headers.insert("upload-offset".to_owned(), "0".into());
    }
    let reply = client.tus(method, path, headers, &Bytes::from_static(b"x"), false).await;
    reply.map(|reply| format!("{} {} {}", reply.status, reply.headers, reply.body)).unwrap_or_default()
}
