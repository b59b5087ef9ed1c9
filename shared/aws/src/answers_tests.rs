//! What the services' answers mean, answer by answer: those that an emulator never gives.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_config::{Region, retry::RetryConfig};
use aws_credential_types::Credentials;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use bytes::Bytes;
use serde_json::{Value, json};
use sluice_core::{
    ErrorKind, Result,
    asset::JobName,
    gate::{GateAnswer, GatePhase, GateRequest, Roots},
    ids::{ConnectionId, ObjectVersionId, Version},
    names::{DerivedKey, Kind, ObjectKey},
    ports::{
        self, AssetRepository, Delivery, DerivedStore, GateFunction, JobOrder, JobQueue, MultipartStore,
        NewObject, Notifier, ObjectHead, OriginalStore, Saved, SecretSource, Stitched,
    },
    time::Timestamp,
    upload::PartTag,
    usage::{Quota, UsageChange},
};
use sluice_testing::{CountingIds, build, contracts};

use crate::{
    Clients, DynamoTable, LambdaGate, ManagedSecret, S3Derived, S3Originals, SqsJobQueue, WebSocketNotifier,
    clients::loader,
};

/// A status, headers, and a body.
#[derive(Debug)]
struct Reply(u16, &'static [(&'static str, &'static str)], &'static str);

const fn body(status: u16, body: &'static str) -> Reply {
    Reply(status, &[], body)
}

/// Answers every request with the next of these, and keeps what was asked.
#[derive(Debug, Clone)]
struct Replies {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Replies {
    fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self { replies: Arc::new(Mutex::new(replies.into_iter().collect())), requests: Arc::default() }
    }

    /// The bodies of the requests so far; null for one that isn't JSON.
    fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }

    /// Clients that get these answers, and never try again by themselves.
    async fn clients(&self) -> Clients {
        Clients::of(once().http_client(self.clone()).load().await)
    }
}

impl HttpConnector for Replies {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let asked = request.body().bytes().and_then(|body| serde_json::from_slice(body).ok());
        self.requests.lock().unwrap().push(asked.unwrap_or_default());
        let Reply(status, headers, body) =
            self.replies.lock().unwrap().pop_front().expect("no more requests");
        let mut response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body));
        for &(name, value) in headers {
            response.headers_mut().insert(name, value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for Replies {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Clients that never try again by themselves.
fn once() -> aws_config::ConfigLoader {
    loader()
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("AKID", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
}

/// Clients that get these answers, in this order.
async fn clients(replies: impl IntoIterator<Item = Reply>) -> Clients {
    Replies::new(replies).clients().await
}

fn key() -> ObjectKey {
    format!("users/alice/{}", CountingIds::nth(1)).parse().unwrap()
}

async fn complete(reply: Reply) -> Result<Stitched> {
    let originals = S3Originals::new(&clients([reply]).await, "originals");
    let part = PartTag { number: 1, etag: "abc".parse().unwrap() };
    originals.complete(&key(), &"upload".parse().unwrap(), &[part], None).await
}

const COMPLETED: &str =
    "<CompleteMultipartUploadResult><ETag>\"abc-1\"</ETag></CompleteMultipartUploadResult>";

#[tokio::test]
async fn an_order_to_stitch_that_failed_within_a_200_has_failed() {
    assert_eq!(complete(body(200, COMPLETED)).await.unwrap(), Stitched::Done);
    let late = "<?xml version=\"1.0\"?>\n   \n<Error><Code>InternalError</Code><Message>x</Message></Error>";
    assert_eq!(complete(body(200, late)).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let refused = "<Error><Code>InvalidPart</Code></Error>";
    assert_eq!(complete(body(200, refused)).await.unwrap(), Stitched::PartsRefused);
}

#[tokio::test]
async fn each_way_in_which_stitching_is_refused_is_told_apart() {
    for (status, xml, expected) in [
        (404, "<Error><Code>NoSuchUpload</Code></Error>", Stitched::NoSuchUpload),
        (412, "<Error><Code>PreconditionFailed</Code></Error>", Stitched::PreconditionFailed),
        (412, "", Stitched::PreconditionFailed),
        (409, "<Error><Code>ConditionalRequestConflict</Code></Error>", Stitched::PreconditionFailed),
        (404, "<Error><Code>NoSuchKey</Code></Error>", Stitched::PreconditionFailed),
        (400, "<Error><Code>InvalidPart</Code></Error>", Stitched::PartsRefused),
        (400, "<Error><Code>InvalidPartOrder</Code></Error>", Stitched::PartsRefused),
        (400, "<Error><Code>EntityTooSmall</Code></Error>", Stitched::PartsRefused),
    ] {
        assert_eq!(complete(body(status, xml)).await.unwrap(), expected, "{status} {xml}");
    }
    for (status, xml, kind) in [
        (503, "<Error><Code>SlowDown</Code></Error>", ErrorKind::Throttled),
        (500, "<Error><Code>InternalError</Code></Error>", ErrorKind::Unavailable),
        (502, "not XML", ErrorKind::Unavailable),
        (409, "<Error><Code>OperationAborted</Code></Error>", ErrorKind::Unavailable),
        (403, "<Error><Code>AccessDenied</Code></Error>", ErrorKind::Internal),
        (404, "<Error><Code>NoSuchBucket</Code></Error>", ErrorKind::Internal),
    ] {
        assert_eq!(complete(body(status, xml)).await.unwrap_err().kind(), kind, "{status} {xml}");
    }
}

async fn head(version_id: Option<&str>, replies: Vec<Reply>) -> Result<Option<ObjectHead>> {
    let originals = S3Originals::new(&clients(replies).await, "originals");
    let version_id: Option<ObjectVersionId> = version_id.map(|id| id.parse().unwrap());
    originals.head(&key(), version_id.as_ref()).await
}

#[tokio::test]
async fn a_digest_of_digests_is_no_digest_of_the_object() {
    const DIGEST: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let sha256 = async |headers| {
        let found = head(None, vec![Reply(200, headers, "")]).await.unwrap().unwrap();
        assert_eq!((found.size, found.version), (5, Some(Version::FIRST)));
        found.sha256.map(|sha256| sha256.to_string())
    };
    macro_rules! head_with {
        ($($extra:expr),*) => {
            &[("content-length", "5"), ("etag", "\"abc\""), ("x-amz-meta-version", "1"), $($extra),*]
        };
    }
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(sha256(head_with![("x-amz-checksum-sha256", DIGEST)]).await.as_deref(), Some(empty));
    let full = head_with![("x-amz-checksum-sha256", DIGEST), ("x-amz-checksum-type", "FULL_OBJECT")];
    assert_eq!(sha256(full).await.as_deref(), Some(empty));
    let composite = head_with![("x-amz-checksum-sha256", DIGEST), ("x-amz-checksum-type", "COMPOSITE")];
    assert_eq!(sha256(composite).await, None);
    let of_two = head_with![("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-2")];
    assert_eq!(sha256(of_two).await, None);
    assert_eq!(sha256(head_with![("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")]).await, None);
}

#[tokio::test]
async fn nothing_is_there_only_if_s3_says_so() {
    const BAD_VERSION: &str = "<Error><Code>InvalidArgument</Code><Message>version id</Message></Error>";
    const EXPIRED: &str = "<Error><Code>ExpiredToken</Code></Error>";
    assert_eq!(head(None, vec![body(404, "")]).await.unwrap(), None);
    assert_eq!(head(Some("v1"), vec![body(404, "")]).await.unwrap(), None);
    assert_eq!(head(Some("v1"), vec![body(405, "")]).await.unwrap(), None, "a delete marker");
    let refused = vec![body(400, ""), body(400, BAD_VERSION)];
    assert_eq!(head(Some("v1"), refused).await.unwrap(), None, "no version has such an id");
    // a HEAD's 400 doesn't say why: an expired session must not look like a file that is gone
    assert!(head(Some("v1"), vec![body(400, ""), body(400, EXPIRED)]).await.is_err());
    assert!(head(None, vec![body(400, "")]).await.is_err());
    assert!(head(None, vec![body(403, "")]).await.is_err());

    let get = async |xml| {
        let originals = S3Originals::new(&clients([body(404, xml)]).await, "originals");
        originals.get(&key(), None).await
    };
    assert!(get("<Error><Code>NoSuchKey</Code></Error>").await.unwrap().is_none());
    assert!(get("<Error><Code>NoSuchVersion</Code></Error>").await.unwrap().is_none());
    assert!(get("<Error><Code>NoSuchBucket</Code></Error>").await.is_err());
}

#[tokio::test]
async fn derivatives_that_stayed_are_an_error_though_the_answer_is_a_200() {
    let keys = [DerivedKey::new(CountingIds::nth(1), Version::FIRST, "thumb", "webp")];
    let delete = async |xml| S3Derived::new(&clients([body(200, xml)]).await, "derived").delete(&keys).await;
    assert!(delete("<DeleteResult></DeleteResult>").await.is_ok());
    let stayed = "<DeleteResult><Error><Key>k</Key><Code>InternalError</Code></Error></DeleteResult>";
    assert_eq!(delete(stayed).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_push_to_a_line_that_hangs_ends_soon() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let clients = Clients::for_endpoint(&endpoint, "us-east-1", "key", "secret").await;
    let notifier = WebSocketNotifier::new(&clients, &endpoint);
    let connection: ConnectionId = "Lx8cWeSsoAMCJdA=".parse().unwrap();
    let push = tokio::time::timeout(std::time::Duration::from_secs(15), notifier.push(&connection, "{}"));
    // the connection's own time limit would be longer
    assert_eq!(push.await.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_push_is_delivered_or_its_connection_gone_or_it_failed() {
    let push = async |status, kind: &'static [(&'static str, &'static str)]| {
        let clients = clients([Reply(status, kind, "{}")]).await;
        let notifier =
            WebSocketNotifier::new(&clients, "https://api.execute-api.us-east-1.amazonaws.com/live");
        let connection: ConnectionId = "Lx8cWeSsoAMCJdA=".parse().unwrap();
        notifier.push(&connection, "{}").await.map_err(|error| error.kind())
    };
    assert_eq!(push(200, &[]).await, Ok(Delivery::Delivered));
    assert_eq!(push(410, &[("x-amzn-errortype", "GoneException")]).await, Ok(Delivery::Gone));
    assert_eq!(push(410, &[]).await, Ok(Delivery::Gone));
    for (status, code, kind) in [
        (413, "PayloadTooLargeException", ErrorKind::TooLarge),
        (429, "LimitExceededException", ErrorKind::Throttled),
        (403, "ForbiddenException", ErrorKind::Internal),
        (500, "InternalServerError", ErrorKind::Unavailable),
    ] {
        let headers: &'static [_] = Box::leak(Box::new([("x-amzn-errortype", code)]));
        assert_eq!(push(status, headers).await, Err(kind), "{code}");
    }
}

#[tokio::test]
async fn the_tables_refusals_are_told_apart_and_nothing_of_them_is_public() {
    for (status, json, kind) in [
        (400, r#"{"__type":"x#ProvisionedThroughputExceededException"}"#, ErrorKind::Throttled),
        (400, r#"{"__type":"x#ThrottlingException","message":"m"}"#, ErrorKind::Throttled),
        (400, r#"{"__type":"x#RequestLimitExceeded"}"#, ErrorKind::Throttled),
        (400, r#"{"__type":"x#TransactionConflictException"}"#, ErrorKind::Throttled),
        (500, r#"{"__type":"x#InternalServerError"}"#, ErrorKind::Unavailable),
        (400, r#"{"__type":"x#ValidationException"}"#, ErrorKind::Internal),
        (400, r#"{"__type":"x#AccessDeniedException","message":"arn:aws:x"}"#, ErrorKind::Internal),
        (200, "not JSON", ErrorKind::Internal),
    ] {
        let table = DynamoTable::new(&clients([body(status, json)]).await, "state");
        let error = table.get(CountingIds::nth(1)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{json}");
        assert!(!error.to_string().contains("arn:aws"), "{error}");
        assert!(error.sources().starts_with("DynamoDB"), "{error:?}");
    }
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_unavailable() {
    // nothing listens on the discard port
    let clients = Clients::of(once().endpoint_url("http://127.0.0.1:9").load().await);
    let error = DynamoTable::new(&clients, "state").get(CountingIds::nth(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let key = DerivedKey::new(CountingIds::nth(1), Version::FIRST, "thumb", "webp");
    let put =
        S3Derived::new(&clients, "derived").put(&key, &"image/webp".parse().unwrap(), Bytes::new()).await;
    assert_eq!(put.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_secret_is_its_text() {
    let read = async |json| ManagedSecret::new(&clients([body(200, json)]).await, "arn").fetch().await;
    assert_eq!(read(r#"{"SecretString":"s3cret"}"#).await.unwrap(), "s3cret");
    assert_eq!(read(r#"{"SecretBinary":"AAAA"}"#).await.unwrap_err().kind(), ErrorKind::Internal);
}

/// The answer to a transaction that is refused for these reasons, one for each of its items.
fn refused(reasons: &[&str]) -> Reply {
    let reasons: Vec<Value> = reasons.iter().map(|code| json!({ "Code": code, "Message": "m" })).collect();
    let answer = json!({ "__type": "x#TransactionCanceledException", "CancellationReasons": reasons });
    body(400, answer.to_string().leak())
}

#[tokio::test]
async fn each_reason_why_a_transaction_is_refused_means_what_it_says() {
    let now = Timestamp::from_seconds(1_769_847_330);
    let asset = build::asset(CountingIds::nth(1), "alice", build::grant(now), now);
    let job = build::job("alice", "7", now);
    for (reasons, expected) in [
        (["None", "TransactionConflict"], Ok(Saved::Contended)),
        (["TransactionConflict", "None"], Ok(Saved::Contended)),
        (["TransactionConflict", "TransactionConflict"], Ok(Saved::Contended)),
        (["ConditionalCheckFailed", "None"], Ok(Saved::Conflict)),
        (["ConditionalCheckFailed", "TransactionConflict"], Ok(Saved::Conflict)),
        (["ConditionalCheckFailed", "ThrottlingError"], Ok(Saved::Conflict)),
        (["None", "ThrottlingError"], Err(ErrorKind::Throttled)),
        (["ProvisionedThroughputExceeded", "None"], Err(ErrorKind::Throttled)),
        (["TransactionConflict", "ThrottlingError"], Err(ErrorKind::Throttled)),
        (["None", "ItemCollectionSizeLimitExceeded"], Err(ErrorKind::Internal)),
        (["ValidationError", "None"], Err(ErrorKind::Internal)),
        (["ValidationError", "TransactionConflict"], Err(ErrorKind::Internal)),
        (["SomethingNew", "None"], Err(ErrorKind::Internal)),
        (["None", "None"], Err(ErrorKind::Internal)),
    ] {
        let replies = Replies::new([refused(&reasons), refused(&reasons)]);
        let table = DynamoTable::new(&replies.clients().await, "state");
        let created = AssetRepository::create(&table, &asset, &Quota::UNLIMITED).await;
        assert_eq!(created.map_err(|error| error.kind()), expected, "an asset, {reasons:?}");
        let created = ports::UploadJobRepository::create(&table, &job, None).await;
        assert_eq!(created.map_err(|error| error.kind()), expected, "an upload job, {reasons:?}");
        assert_eq!(replies.requests().len(), 2, "one try each, {reasons:?}");
    }
}

#[tokio::test]
async fn a_transaction_that_goes_over_the_quota_is_told_as_such() {
    let now = Timestamp::from_seconds(1_769_847_330);
    let asset = build::asset(CountingIds::nth(1), "alice", build::grant(now), now);
    let create = async |open: u32| {
        let present = json!({ "open_uploads": { "N": open.to_string() }, "stored_bytes": { "N": "0" } });
        let reasons = json!([{ "Code": "None" }, { "Code": "ConditionalCheckFailed", "Item": present }]);
        let answer = json!({ "__type": "x#TransactionCanceledException", "CancellationReasons": reasons });
        let table = DynamoTable::new(&clients([body(400, answer.to_string().leak())]).await, "state");
        let quota = Quota { open_uploads: Some(5), ..Quota::UNLIMITED };
        table.create(&asset, &quota).await.map_err(|error| error.code())
    };
    assert_eq!(create(5).await, Err("too_many_uploads"));
    assert_eq!(create(4).await, Ok(Saved::Contended), "somebody made room: it is tried again");
}

#[tokio::test]
async fn a_single_write_that_meets_a_transaction_is_contended() {
    let conflict = || body(400, r#"{"__type":"x#TransactionConflictException"}"#);
    let now = Timestamp::from_seconds(1_769_847_330);
    let table = DynamoTable::new(&clients([conflict(), conflict()]).await, "state");
    let asset = build::asset(CountingIds::nth(1), "alice", build::grant(now), now);
    let saved = AssetRepository::save(&table, &asset, UsageChange::NONE, &Quota::UNLIMITED).await;
    assert_eq!(saved.unwrap(), Saved::Contended);
    let saved = ports::UploadJobRepository::save(&table, &build::job("alice", "7", now)).await;
    assert_eq!(saved.unwrap(), Saved::Contended);
}

/// Asks an operator's gate that answers with these, in this order.
async fn judge(clients: &Clients, limit: Duration) -> Result<GateAnswer> {
    let (owner, folder) = (build::owner("alice"), "users/alice".parse().unwrap());
    let (filename, content_type) = ("a.mp4".parse().unwrap(), "video/mp4".parse().unwrap());
    let request = GateRequest {
        phase: GatePhase::Grant,
        owner: &owner,
        roots: &Roots::default(),
        root: "users/alice",
        folder: &folder,
        filename: &filename,
        content_type: &content_type,
        kind: Kind::Video,
        size: None,
        message_id: None,
        upload_job: None,
        metadata: &serde_json::Map::new(),
        refused_by_policy: None,
    };
    LambdaGate::within(clients, "gate", limit).judge(&request).await
}

#[tokio::test]
async fn only_an_answer_of_the_gate_is_an_answer_and_it_is_asked_once() {
    const FAILED: &[(&str, &str)] = &[("x-amz-function-error", "Unhandled")];
    const LIMIT: Duration = Duration::from_secs(2);
    // clients that would try again
    let clients = async |reply| {
        let replies = Replies::new([reply]);
        Clients::of(once().retry_config(RetryConfig::standard()).http_client(replies).load().await)
    };
    let allowed = GateAnswer { allow: true, max_bytes: Some(5), ..GateAnswer::default() };
    let answer = body(200, r#"{"allow": true, "max_bytes": 5, "more": 1}"#);
    assert_eq!(judge(&clients(answer).await, LIMIT).await.unwrap(), allowed);
    let gate = async |reply| LambdaGate::new(&clients(reply).await, "gate");
    let answer = body(200, r#"{"allow": true, "max_bytes": 5}"#);
    let failure = Reply(200, FAILED, r#"{"errorMessage": "x"}"#);
    contracts::gate_function_contract(&gate(answer).await, &gate(failure).await).await;
    for (reply, kind) in [
        (Reply(200, FAILED, r#"{"allow": true}"#), ErrorKind::Unavailable),
        (body(200, r#"{"errorMessage": "x"}"#), ErrorKind::Unavailable),
        (body(200, "null"), ErrorKind::Unavailable),
        (body(200, ""), ErrorKind::Unavailable),
        (body(200, r#"{"allow": "yes"}"#), ErrorKind::Unavailable),
        (body(429, r#"{"__type": "TooManyRequestsException"}"#), ErrorKind::Throttled),
        (body(500, r#"{"__type": "ServiceException"}"#), ErrorKind::Unavailable),
        (body(404, r#"{"__type": "ResourceNotFoundException"}"#), ErrorKind::Internal),
        (body(403, r#"{"__type": "AccessDeniedException"}"#), ErrorKind::Internal),
    ] {
        let error = judge(&clients(reply).await, LIMIT).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(!error.sources().contains("\"allow\""), "{error:?}");
    }
}

/// A connection that never answers.
#[derive(Debug, Clone)]
struct Silence;

impl HttpConnector for Silence {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(std::future::pending())
    }
}

impl HttpClient for Silence {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

#[tokio::test]
async fn a_gate_that_keeps_silent_is_left_after_the_limit() {
    let clients = Clients::of(once().http_client(Silence).load().await);
    let error = judge(&clients, Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_put_that_finds_another_object_is_no_error() {
    const HEADERS: &[(&str, &str)] = &[("etag", "\"abc\""), ("x-amz-version-id", "v1")];
    let put = async |reply| {
        let object = NewObject {
            content_type: "text/plain".parse().unwrap(),
            version: Version::FIRST,
            sha256: build::digest(b"x"),
            bytes: Bytes::from_static(b"x"),
        };
        S3Originals::new(&clients([reply]).await, "originals").put(&key(), object).await
    };
    let written = put(Reply(200, HEADERS, "")).await.unwrap().unwrap();
    assert_eq!((written.size, written.version), (1, Some(Version::FIRST)));
    assert_eq!(written.version_id, Some("v1".parse().unwrap()));
    assert_eq!(put(body(412, "<Error><Code>PreconditionFailed</Code></Error>")).await.unwrap(), None);
    assert_eq!(put(body(409, "<Error><Code>ConditionalRequestConflict</Code></Error>")).await.unwrap(), None);
    let error = put(body(503, "<Error><Code>SlowDown</Code></Error>")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
}

#[tokio::test]
async fn an_order_is_held_back_as_long_as_the_queue_was_told() {
    const QUEUED: &str = r#"{"MessageId": "1", "MD5OfMessageBody": "x"}"#;
    let order = JobOrder { asset_id: CountingIds::nth(1), version: Version::FIRST, job: JobName::Image };
    let delay_of = async |delay: Option<Duration>| {
        let replies = Replies::new([body(200, QUEUED)]);
        let queue = SqsJobQueue::new(&replies.clients().await, "https://sqs.us-east-1.amazonaws.com/1/jobs");
        let queue = delay.map_or(queue.clone(), |delay| queue.with_delay(delay));
        queue.enqueue(&order).await.unwrap();
        let [asked] = &replies.requests()[..] else { panic!("one request") };
        let body: JobOrder = serde_json::from_str(asked["MessageBody"].as_str().unwrap()).unwrap();
        assert_eq!(body, order);
        asked.get("DelaySeconds").cloned()
    };
    assert_eq!(delay_of(None).await, None, "the queue's own");
    for (millis, seconds) in [(0, 0), (1, 1), (2_000, 2), (2_001, 3), (900_000, 900), (900_001, 900)] {
        assert_eq!(delay_of(Some(Duration::from_millis(millis))).await, Some(json!(seconds)), "{millis} ms");
    }
    assert_eq!(delay_of(Some(Duration::MAX)).await, Some(json!(900)));
}

#[tokio::test]
async fn a_backlog_is_what_waits_what_is_held_back_and_what_is_being_worked_at() {
    let backlog = async |attributes: &str| {
        let answer = format!(r#"{{"Attributes": {{{attributes}}}}}"#);
        let replies = Replies::new([body(200, answer.leak())]);
        let queue = SqsJobQueue::new(&replies.clients().await, "https://sqs.us-east-1.amazonaws.com/1/jobs");
        queue.backlog().await.map_err(|error| error.kind())
    };
    let (waiting, worked_at, held_back) = (
        r#""ApproximateNumberOfMessages": "5""#,
        r#""ApproximateNumberOfMessagesNotVisible": "30""#,
        r#""ApproximateNumberOfMessagesDelayed": "200""#,
    );
    assert_eq!(backlog(&[waiting, worked_at, held_back].join(",")).await, Ok(235));
    assert_eq!(backlog(&[waiting, worked_at].join(",")).await, Err(ErrorKind::Internal), "0 would be a lie");
}
