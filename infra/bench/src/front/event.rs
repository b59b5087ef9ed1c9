//! Requests as events and answers as responses: API Gateway's HTTP APIs, payload format 2.0
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).

use std::{collections::BTreeMap, net::IpAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{HeaderMap, Response, StatusCode, header, http::request::Parts};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const DOMAIN: &str = "bench.execute-api.us-east-1.amazonaws.com";

/// Whence a request comes and whose it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    /// The first segment of the paths that are the function's.
    pub(super) resource: &'static str,
    /// The client's.
    pub(super) address: IpAddr,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    headers: BTreeMap<&'a str, String>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_parameters: Option<BTreeMap<&'static str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    account_id: &'static str,
    api_id: &'static str,
    domain_name: &'static str,
    domain_prefix: &'static str,
    http: Http<'a>,
    request_id: String,
    route_key: &'a str,
    stage: &'static str,
    time: String,
    time_epoch: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: String,
    user_agent: &'a str,
}

/// The event of a request; none if no route of the function matches.
pub(super) fn of(request: &Parts, body: &[u8], origin: &Origin) -> Option<Bytes> {
    let path = request.uri.path();
    let below = path.strip_prefix('/')?.strip_prefix(origin.resource)?;
    let proxy = match below {
        "" | "/" => None,
        below => Some(below.strip_prefix('/')?),
    };
    let route = format!("ANY /{}{}", origin.resource, if proxy.is_some() { "/{proxy+}" } else { "" });
    let now = Timestamp::now();
    let is_text = is_text(&request.headers);
    let user_agent = request.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let event = Event {
        version: "2.0",
        route_key: &route,
        raw_path: path,
        raw_query_string: request.uri.query().unwrap_or_default(),
        headers: headers(&request.headers),
        request_context: Context {
            account_id: "111122223333",
            api_id: "bench",
            domain_name: DOMAIN,
            domain_prefix: "bench",
            http: Http {
                method: request.method.as_str(),
                path,
                protocol: "HTTP/1.1",
                source_ip: origin.address.to_string(),
                user_agent: user_agent.unwrap_or_default(),
            },
            request_id: Uuid::now_v7().to_string(),
            route_key: &route,
            stage: "$default",
            time: now.to_zoned(TimeZone::UTC).strftime("%d/%b/%Y:%H:%M:%S %z").to_string(),
            time_epoch: now.as_millisecond(),
        },
        path_parameters: proxy.map(|proxy| BTreeMap::from([("proxy", proxy)])),
        body: match body {
            [] => None,
            body if is_text => Some(String::from_utf8_lossy(body).into_owned()),
            body => Some(BASE64.encode(body)),
        },
        is_base64_encoded: !body.is_empty() && !is_text,
    };
    serde_json::to_vec(&event).ok().map(Bytes::from)
}

/// Names in lower case, as the parser has them; values of one name joined by commas.
fn headers(headers: &HeaderMap) -> BTreeMap<&str, String> {
    let mut joined = BTreeMap::<&str, String>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        joined
            .entry(name.as_str())
            .and_modify(|values| values.extend([",", &value]))
            .or_insert_with(|| value.clone().into_owned());
    }
    joined
}

/// Whether a body of this type goes into the event as it is.
fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&essence)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// The response that a function's answer stands for; none if it stands for none. The short form, a body without a
/// status, isn't known here.
pub(super) fn answer(answer: &[u8]) -> Option<Response<Full<Bytes>>> {
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    let body =
        if answer.is_base64_encoded { BASE64.decode(answer.body).ok()? } else { answer.body.into_bytes() };
    let mut response = Response::builder().status(StatusCode::from_u16(answer.status_code).ok()?);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    for cookie in answer.cookies {
        response = response.header(header::SET_COOKIE, cookie);
    }
    response.body(Full::from(body)).ok()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::Request;
    use serde_json::{Value, json};

    use super::*;

    const ORIGIN: Origin = Origin { resource: "files", address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST) };

    fn event(request: hyper::http::request::Builder, body: &[u8]) -> Option<Value> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Some(serde_json::from_slice(&of(&parts, body, &ORIGIN)?).unwrap())
    }

    #[test]
    fn an_append_becomes_an_event() {
        let request = Request::patch("/files/abc?x=1&y=a%20b")
            .header("Tus-Resumable", "1.0.0")
            .header("Content-Type", "application/offset+octet-stream")
            .header("Upload-Offset", "4194304")
            .header("User-Agent", "node")
            .header("X-Two", "1")
            .header("X-Two", "2");
        let mut event = event(request, &[0xff, 0, 1]).unwrap();
        let context = event["requestContext"].as_object_mut().unwrap();
        let (id, time, epoch) = (
            context.remove("requestId").unwrap(),
            context.remove("time").unwrap(),
            context.remove("timeEpoch").unwrap(),
        );
        assert_eq!(id.as_str().unwrap().len(), 36);
        assert_eq!(time.as_str().unwrap().len(), "31/Jan/2026:08:15:30 +0000".len());
        assert!(time.as_str().unwrap().ends_with(" +0000"), "{time}");
        assert!(epoch.as_i64().unwrap() > 1_700_000_000_000);
        assert_eq!(
            event,
            json!({
                "version": "2.0",
                "routeKey": "ANY /files/{proxy+}",
                "rawPath": "/files/abc",
                "rawQueryString": "x=1&y=a%20b",
                "headers": {
                    "content-type": "application/offset+octet-stream",
                    "tus-resumable": "1.0.0",
                    "upload-offset": "4194304",
                    "user-agent": "node",
                    "x-two": "1,2",
                },
                "requestContext": {
                    "accountId": "111122223333",
                    "apiId": "bench",
                    "domainName": DOMAIN,
                    "domainPrefix": "bench",
                    "http": {
                        "method": "PATCH",
                        "path": "/files/abc",
                        "protocol": "HTTP/1.1",
                        "sourceIp": "127.0.0.1",
                        "userAgent": "node",
                    },
                    "routeKey": "ANY /files/{proxy+}",
                    "stage": "$default",
                },
                "pathParameters": {"proxy": "abc"},
                "body": "/wAB",
                "isBase64Encoded": true,
            })
        );
    }

    #[test]
    fn bodies_are_text_base64_or_missing() {
        let with = |content_type: &str, body: &[u8]| {
            let event = event(Request::post("/files").header("Content-Type", content_type), body).unwrap();
            (event.get("body").cloned(), event["isBase64Encoded"].clone())
        };
        assert_eq!(with("application/json; charset=utf-8", b"{}"), (Some(json!("{}")), json!(false)));
        assert_eq!(with("text/plain", "ü".as_bytes()), (Some(json!("ü")), json!(false)));
        assert_eq!(with("application/partial-upload", b"{}"), (Some(json!("e30=")), json!(true)));
        assert_eq!(with("application/offset+octet-stream", b""), (None, json!(false)));
    }

    #[test]
    fn routes_are_the_collection_and_what_is_below() {
        let route = |path| event(Request::get(path), b"").map(|event| event["routeKey"].clone());
        assert_eq!(route("/files"), Some(json!("ANY /files")));
        assert_eq!(route("/files/"), Some(json!("ANY /files")));
        assert_eq!(route("/files/a/b"), Some(json!("ANY /files/{proxy+}")));
        assert_eq!(route("/"), None);
        assert_eq!(route("/filesystem"), None);
        assert_eq!(route("/other/files"), None);
    }

    /// What a function reads of it.
    #[test]
    fn a_function_understands_the_event() {
        let (parts, ()) = Request::post("/files/?a=b").header("X-A", "b").body(()).unwrap().into_parts();
        let event = of(&parts, b"", &ORIGIN).unwrap();
        let request: sluice_lambda::http::Request = serde_json::from_slice(&event).unwrap();
        assert_eq!((request.method(), request.route()), (&hyper::Method::POST, "ANY /files"));
        assert_eq!(
            (request.segments(), request.query("a"), request.header("x-a")),
            (vec!["files"], Some("b"), Some("b"))
        );
    }

    #[tokio::test]
    async fn an_answer_becomes_a_response() {
        let text = json!({"statusCode": 201, "headers": {"location": "files/abc", "upload-offset": "5"},
            "cookies": ["a=b", "c=d"], "body": "done", "isBase64Encoded": false});
        let response = answer(text.to_string().as_bytes()).unwrap();
        assert_eq!(response.status(), 201);
        let headers = response.headers();
        assert_eq!(["location", "upload-offset"].map(|name| &headers[name]), ["files/abc", "5"]);
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "done");

        let binary = answer(br#"{"statusCode":200,"body":"/wAB","isBase64Encoded":true}"#).unwrap();
        assert_eq!(binary.into_body().collect().await.unwrap().to_bytes(), &[0xff, 0, 1][..]);
        assert_eq!(answer(br#"{"statusCode":204}"#).unwrap().status(), 204);
        for wrong in
            [&b"null"[..], b"{}", br#"{"statusCode":20}"#, br#"{"statusCode":200,"headers":{"a":"\n"}}"#]
        {
            assert!(answer(wrong).is_none());
        }
    }
}
