//! A request, read from API Gateway's event. Only what functions need is read, and what a client can influence is
//! never a reason not to read it: a strange header or path gives a clear answer, not a failed invocation.

use std::{collections::HashMap, fmt, ops::RangeInclusive, str::FromStr};

use ::http::Method;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use sluice_core::{
    Error, ErrorKind, Result,
    gate::{Principal, Roots},
    ids::{OwnerId, Sha256, unescape},
    time::Timestamp,
};

use super::{body, decode_form, decode_percent};

/// Who is asking, as the authorizer found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The subject of the token.
    pub owner: OwnerId,
    /// The roots that the token names beside the owner's own.
    pub roots: Roots,
    /// When the token ends.
    pub expires_at: Timestamp,
}

impl Caller {
    /// As the gate knows it.
    pub fn principal(self) -> Principal {
        Principal { owner: self.owner, roots: self.roots }
    }
}

/// A request of the HTTP API.
#[derive(Clone, Deserialize)]
#[serde(from = "Event")]
pub struct Request {
    id: String,
    route: String,
    method: Method,
    segments: Vec<String>,
    ends_with_slash: bool,
    query: Vec<(String, String)>,
    headers: HashMap<String, String>,
    body: Option<String>,
    is_base64: bool,
    authorizer: HashMap<String, Value>,
}

/// Never the query, headers or body: they hold tokens and signed URLs.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("id", &self.id).field("route", &self.route).finish_non_exhaustive()
    }
}

impl Request {
    /// A request without an event behind it; `target` is the path and, after a `?`, the query.
    pub fn new(method: Method, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            id: "test".to_owned(),
            route: format!("{method} {path}"),
            method,
            segments: segments(path),
            ends_with_slash: path.ends_with('/'),
            query: pairs(query),
            headers: HashMap::new(),
            body: None,
            is_base64: false,
            authorizer: HashMap::new(),
        }
    }

    /// The same with a body.
    #[must_use]
    pub fn with_body(mut self, text: impl Into<String>) -> Self {
        self.body = Some(text.into());
        self
    }

    /// The same with a header, its name in lower case.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }

    /// The same with a body that isn't text, as API Gateway hands it on.
    #[must_use]
    pub fn with_bytes(mut self, bytes: &[u8]) -> Self {
        self.body = Some(STANDARD.encode(bytes));
        self.is_base64 = true;
        self
    }

    /// The same as the authorizer hands it on for `owner`, whose token ends at `expires_at`.
    #[must_use]
    pub fn with_caller(mut self, owner: &OwnerId, expires_at: Timestamp) -> Self {
        self.authorizer = HashMap::from([
            ("owner".to_owned(), owner.escaped().into()),
            ("expires_at".to_owned(), expires_at.as_seconds().to_string().into()),
        ]);
        self
    }

    /// The same with further roots that the caller may write to, separated by commas.
    #[must_use]
    pub fn with_roots(mut self, roots: &str) -> Self {
        self.authorizer.insert("roots".to_owned(), roots.into());
        self
    }

    /// API Gateway's id of it, which clients see as the `apigw-requestid` header.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The route that API Gateway matched, such as `GET /assets/{asset_id}`: safe to log, unlike the path.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// The method.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The path's segments, decoded, without the stage and without the empty one after a trailing slash.
    pub fn segments(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// Whether the path ends in a slash: relative references in the answer resolve otherwise then.
    pub const fn ends_with_slash(&self) -> bool {
        self.ends_with_slash
    }

    /// All query parameters in their order, decoded.
    pub fn queries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Refuses parameters that a listing doesn't know: whoever asks for a part of it must not be shown all of it.
    ///
    /// # Errors
    /// `invalid_field`
    pub fn only_queries(&self, known: &[&str]) -> Result<()> {
        match self.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => Err(Error::invalid_field(
                name,
                format_args!("is no parameter here; known are {}", known.join(", ")),
            )),
        }
    }

    /// A query parameter that must be there.
    ///
    /// # Errors
    /// `invalid_field`
    pub fn required_query(&self, name: &str) -> Result<&str> {
        self.query(name).ok_or_else(|| Error::invalid_field(name, "is missing from the query"))
    }

    /// A query parameter that is a whole number within `range`; none if it is missing.
    ///
    /// # Errors
    /// `invalid_field`
    pub fn query_number<N>(&self, name: &str, range: RangeInclusive<N>) -> Result<Option<N>>
    where
        N: FromStr + PartialOrd + fmt::Display,
    {
        let Some(text) = self.query(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(Error::invalid_field(
                name,
                format_args!("a whole number from {} to {} is expected", range.start(), range.end()),
            )),
        }
    }

    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Whether the client names JSON among what it accepts, which no browser does that goes to an address.
    pub fn accepts_json(&self) -> bool {
        self.header("accept").unwrap_or_default().split(',').any(|range| {
            let (kind, parameters) = range.split_once(';').unwrap_or((range, ""));
            let is_refused = parameters.split(';').any(|parameter| {
                let weight =
                    parameter.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
                weight.is_some_and(|weight| weight <= 0.0)
            });
            kind.trim().eq_ignore_ascii_case("application/json") && !is_refused
        })
    }

    /// The body as JSON. Types of the wire hold plain strings and numbers; the domain's newtypes are parsed from them
    /// by the handler, so that their own error codes reach the client.
    ///
    /// # Errors
    /// `body_too_large` over [`MAX_BODY_BYTES`](super::MAX_BODY_BYTES); `invalid_json` for what isn't JSON;
    /// `invalid_field`, naming the field, for what isn't a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        body::json(self.body.as_deref().unwrap_or_default(), self.is_base64)
    }

    /// The digest of all that it asks for: where, and with what body.
    pub fn digest(&self) -> Sha256 {
        let asked = (self.method.as_str(), &self.segments, &self.query, &self.body);
        Sha256::of(serde_json::to_string(&asked).unwrap_or_default().as_bytes())
    }

    /// The body's bytes; none if there are more than `limit`.
    ///
    /// # Errors
    /// `invalid_body` for one that API Gateway says is base64 and isn't.
    pub fn bytes(&self, limit: usize) -> Result<Option<Vec<u8>>> {
        body::bytes(self.body.as_deref().unwrap_or_default(), self.is_base64, limit)
    }

    /// Who is asking.
    ///
    /// # Errors
    /// `unauthorized` if the authorizer told nobody; `token_expired` if the token has ended since: API Gateway keeps
    /// the authorizer's answer for a while, also past the token's end.
    pub fn caller(&self, now: Timestamp) -> Result<Caller> {
        let caller = self.told_caller().ok_or_else(|| {
            Error::new(ErrorKind::Unauthorized, "unauthorized", "a valid bearer token is needed")
        })?;
        if caller.expires_at <= now {
            return Err(Error::new(ErrorKind::Unauthorized, "token_expired", "the bearer token has expired"));
        }
        Ok(caller)
    }

    fn told_caller(&self) -> Option<Caller> {
        let owner = OwnerId::from_escaped(self.authorizer.get("owner")?.as_str()?)?;
        let seconds = match self.authorizer.get("expires_at")? {
            Value::String(text) => text.parse().ok()?,
            other => other.as_i64()?,
        };
        let roots = self.authorizer.get("roots").and_then(Value::as_str).unwrap_or_default();
        let roots = unescape(roots).unwrap_or_default();
        let roots = Roots::new(roots.split(',').map(str::trim));
        Some(Caller { owner, roots, expires_at: Timestamp::from_seconds(seconds) })
    }
}

fn segments(path: &str) -> Vec<String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    // what isn't UTF-8 names nothing of ours; kept as it is, it matches no route and no id
    path.split('/').map(|segment| decode_percent(segment).unwrap_or_else(|| segment.to_owned())).collect()
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| decode_form(text).unwrap_or_else(|| text.to_owned());
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// The event, <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: String,
    #[serde(default)]
    raw_query_string: Option<String>,
    #[serde(default)]
    headers: Option<HashMap<String, String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: RequestContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    #[serde(default)]
    request_id: String,
    #[serde(default)]
    route_key: String,
    #[serde(default)]
    stage: Option<String>,
    http: HttpDescription,
    #[serde(default)]
    authorizer: Option<Authorizer>,
}

#[derive(Deserialize)]
struct HttpDescription {
    method: String,
}

#[derive(Deserialize)]
struct Authorizer {
    #[serde(default)]
    lambda: Option<HashMap<String, Value>>,
}

impl From<Event> for Request {
    fn from(event: Event) -> Self {
        let Event { raw_path, raw_query_string, headers, body, is_base64_encoded, request_context } = event;
        let RequestContext { request_id, route_key, stage, http, authorizer } = request_context;
        // every stage but `$default` stands in front of the path
        let path = match stage.as_deref() {
            Some(stage) if stage != "$default" => raw_path
                .strip_prefix('/')
                .and_then(|rest| rest.strip_prefix(stage))
                .filter(|rest| rest.starts_with('/'))
                .unwrap_or(&raw_path),
            _ => &raw_path,
        };
        Self {
            id: request_id,
            route: route_key,
            // an unknown method is a method that no route has
            method: http.method.parse().unwrap_or(Method::TRACE),
            segments: segments(path),
            ends_with_slash: path.ends_with('/'),
            query: pairs(&raw_query_string.unwrap_or_default()),
            headers: headers
                .unwrap_or_default()
                .into_iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .collect(),
            body,
            is_base64: is_base64_encoded,
            authorizer: authorizer.and_then(|authorizer| authorizer.lambda).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(change: impl FnOnce(&mut Value)) -> Request {
        let mut event = json!({
            "version": "2.0", "routeKey": "GET /assets/{asset_id}", "rawPath": "/assets/a%20b/",
            "rawQueryString": "object_key=users%2Falice%2Fx+y%2B.jpg&limit=20&limit=30&flag",
            "headers": {"Content-Type": "application/json"},
            "requestContext": {
                "accountId": "123456789012", "stage": "$default", "requestId": "JKJaXmPLvHcESHA=",
                "routeKey": "GET /assets/{asset_id}",
                "authorizer": {"lambda": {"owner": "alice", "expires_at": "1700000060"}},
                "http": {"method": "GET", "path": "/assets/a%20b/", "protocol": "HTTP/1.1",
                         "sourceIp": "192.0.2.1", "userAgent": "x"}
            },
            "isBase64Encoded": false
        });
        change(&mut event);
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn an_event_is_read() {
        let request = read(|_| ());
        assert_eq!((request.method(), &request.segments()[..]), (&Method::GET, &["assets", "a b"][..]));
        assert_eq!(request.query("object_key"), Some("users/alice/x y+.jpg"));
        assert_eq!(request.query_number("limit", 1..=100_u16).unwrap(), Some(20));
        assert_eq!(request.query_number("none", 1..=100_u16).unwrap(), None);
        assert_eq!(request.query_number("limit", 1..=19_u16).unwrap_err().code(), "invalid_field");
        assert_eq!(request.query_number("flag", 1..=19_u16).unwrap_err().code(), "invalid_field");
        assert_eq!(request.required_query("cursor").unwrap_err().code(), "invalid_field");
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!((request.id(), request.route()), ("JKJaXmPLvHcESHA=", "GET /assets/{asset_id}"));
    }

    #[test]
    fn the_stage_is_no_part_of_the_path() {
        let path = |stage: &str, raw: &str| {
            let request = read(|event| {
                event["rawPath"] = raw.into();
                event["requestContext"]["stage"] = stage.into();
            });
            request.segments().join("|")
        };
        assert_eq!(path("live", "/live/prepare"), "prepare");
        assert_eq!(path("live", "/liver/prepare"), "liver|prepare");
        assert_eq!(path("$default", "/live/prepare"), "live|prepare");
        assert_eq!(path("$default", "/prepare/"), "prepare");
        assert_eq!(path("$default", "//prepare//"), "|prepare|");
        assert_eq!(path("$default", "/"), "");
        assert_eq!(path("$default", "/%FF"), "%FF");
    }

    #[test]
    fn the_caller_is_whom_the_authorizer_told_until_the_token_ends() {
        let at = Timestamp::from_seconds;
        let request = read(|_| ());
        assert_eq!(request.caller(at(1_700_000_059)).unwrap().owner.as_str(), "alice");
        assert_eq!(request.caller(at(1_700_000_060)).unwrap_err().code(), "token_expired");
        let number = read(|event| event["requestContext"]["authorizer"]["lambda"]["expires_at"] = json!(7));
        assert_eq!(number.caller(at(6)).unwrap().expires_at, at(7));
        for nobody in [
            json!(null),
            json!({}),
            json!({"lambda": null}),
            json!({"lambda": {"owner": "alice"}}),
            json!({"lambda": {"owner": "a/b", "expires_at": "9"}}),
            json!({"lambda": {"owner": 7, "expires_at": "9"}}),
            json!({"lambda": {"owner": "alice", "expires_at": "soon"}}),
        ] {
            let request = read(|event| event["requestContext"]["authorizer"] = nobody.clone());
            assert_eq!(request.caller(at(0)).unwrap_err().code(), "unauthorized", "{nobody}");
        }
    }

    #[test]
    fn what_is_logged_of_a_request_holds_nothing_of_the_clients() {
        let request = Request::new(Method::GET, "/x?token=secret").with_body("secret");
        assert_eq!(format!("{request:?}"), r#"Request { id: "test", route: "GET /x", .. }"#);
    }
}
