//! The adapters keep the contracts of their ports, on an emulator. Each test has buckets, a table or a queue of its
//! own, so that all run at once.
#![expect(
    clippy::unwrap_used,
    clippy::large_futures,
    reason = "tests: a panic tells, and nothing is moved often"
)]

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use bytes::Bytes;
use sluice_aws::{
    Clients, DynamoTable, ManagedSecret, S3Derived, S3LinkSigner, S3Originals, S3Staging, S3UploadSigner,
    SqsJobQueue, SystemClock, WebSocketNotifier, schema,
};
use sluice_core::{
    ErrorKind,
    ports::{Delivery, Notifier, SecretSource},
};
use sluice_testing::{Answer, Browser, contracts};

const REGION: &str = "us-east-1";
/// The emulator's own administrator.
const ROOT: (&str, &str) = ("test", "test");

fn endpoint() -> String {
    std::env::var("SLUICE_TEST_ENDPOINT").expect(
        "SLUICE_TEST_ENDPOINT isn't set: run `make test`, which starts the emulator that these tests need",
    )
}

async fn clients() -> Clients {
    Clients::for_endpoint(&endpoint(), REGION, ROOT.0, ROOT.1).await
}

/// The SDK's configuration, for what only tests do: making and looking into what the adapters work on.
async fn sdk() -> aws_config::SdkConfig {
    aws_config::defaults(aws_config::BehaviorVersion::v2026_01_12())
        .endpoint_url(endpoint())
        .region(aws_config::Region::new(REGION))
        .credentials_provider(aws_credential_types::Credentials::new(ROOT.0, ROOT.1, None, None, "root"))
        .load()
        .await
}

/// A name that no other test or run has.
fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let nanos = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("{what}-{nanos}-{}", COUNT.fetch_add(1, Ordering::SeqCst))
}

async fn bucket(versioned: bool) -> String {
    let (s3, name) = (aws_sdk_s3::Client::new(&sdk().await), unique("contract"));
    s3.create_bucket().bucket(&name).send().await.unwrap();
    if versioned {
        let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        s3.put_bucket_versioning().bucket(&name).versioning_configuration(enabled).send().await.unwrap();
    }
    name
}

async fn table() -> DynamoTable {
    let key =
        |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let keys = |hash: &str, range: &str| vec![key(hash, KeyType::Hash), key(range, KeyType::Range)];
    let index = |name: &str, keys: Vec<KeySchemaElement>, projection: ProjectionType| {
        GlobalSecondaryIndex::builder()
            .index_name(name)
            .set_key_schema(Some(keys))
            .projection(Projection::builder().projection_type(projection).build())
            .build()
            .unwrap()
    };
    let whole = |name: &str, hash: &str, range: &str| index(name, keys(hash, range), ProjectionType::All);
    let uploads = vec![key("upload_id", KeyType::Hash)];
    let attributes =
        ["pk", "sk", "owner_pk", "created_sk", "updated_sk", "deadline_shard", "deadline_at", "upload_id"];
    let attribute = |name: &str| {
        let attribute = AttributeDefinition::builder().attribute_name(name);
        attribute.attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let name = unique("contract");
    aws_sdk_dynamodb::Client::new(&sdk().await)
        .create_table()
        .table_name(&name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(attributes.map(attribute).to_vec()))
        .set_key_schema(Some(keys("pk", "sk")))
        .global_secondary_indexes(whole(schema::OWNER_CREATED, "owner_pk", "created_sk"))
        .global_secondary_indexes(whole(schema::OWNER_UPDATED, "owner_pk", "updated_sk"))
        .global_secondary_indexes(whole(schema::DEADLINES, "deadline_shard", "deadline_at"))
        .global_secondary_indexes(index(schema::UPLOADS, uploads, ProjectionType::KeysOnly))
        .send()
        .await
        .unwrap();
    DynamoTable::new(&clients().await, name)
}

/// A client that knows nothing but URLs.
struct HttpBrowser(reqwest::Client);

impl HttpBrowser {
    fn new() -> Self {
        Self(reqwest::Client::new())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let headers: BTreeMap<String, String> = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        Answer { status: answer.status().as_u16(), headers, body: answer.bytes().await.unwrap() }
    }
}

impl Browser for HttpBrowser {
    async fn put(&self, url: &str, headers: &[(String, String)], body: Bytes) -> Answer {
        let request = self.0.put(url).header("content-length", body.len()).body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        self.send(request).await
    }

    async fn get(&self, url: &str) -> Answer {
        self.send(self.0.get(url)).await
    }

    async fn post_form(&self, url: &str, fields: &[(String, String)], file: Bytes) -> Answer {
        const BOUNDARY: &str = "----contract";
        let mut body = Vec::new();
        for (name, value) in fields {
            let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            body.extend_from_slice(format!("{head}{value}\r\n").as_bytes());
        }
        let head =
            "Content-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\nContent-Type: text/plain";
        body.extend_from_slice(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(&file);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        self.send(self.0.post(url).header("content-type", content_type).body(body)).await
    }

    async fn step(&self, method: &str, url: &str, headers: &[(String, String)], body: String) -> Answer {
        let request = self.0.request(method.parse().unwrap(), url).body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        self.send(request).await
    }
}

#[tokio::test]
async fn assets() {
    contracts::asset_repository_contract(&table().await).await;
}

#[tokio::test]
async fn contents() {
    contracts::content_index_contract(&table().await).await;
}

#[tokio::test]
async fn tickets() {
    contracts::ticket_repository_contract(&table().await).await;
}

#[tokio::test]
async fn connections() {
    contracts::connection_repository_contract(&table().await).await;
}

#[tokio::test]
async fn upload_jobs() {
    contracts::upload_job_repository_contract(&table().await).await;
}

#[tokio::test]
async fn tasks() {
    contracts::task_repository_contract(&table().await).await;
}

#[tokio::test]
async fn requests_with_a_key() {
    contracts::idempotency_repository_contract(&table().await, "a name").await;
}

#[tokio::test]
async fn originals() {
    let (clients, bucket) = (clients().await, bucket(true).await);
    let signer = S3UploadSigner::new(&clients, bucket.as_str());
    let store = S3Originals::new(&clients, bucket);
    contracts::original_store_contract(&store, &signer, &HttpBrowser::new(), &SystemClock).await;
}

#[tokio::test]
async fn uploads() {
    let (clients, bucket) = (clients().await, bucket(true).await);
    let signer = S3UploadSigner::new(&clients, bucket.as_str());
    let store = S3Originals::new(&clients, bucket);
    contracts::upload_signer_contract(&store, &signer, &HttpBrowser::new(), &SystemClock).await;
}

#[tokio::test]
async fn multipart_uploads() {
    let (clients, bucket) = (clients().await, bucket(true).await);
    let signer = S3UploadSigner::new(&clients, bucket.as_str());
    let store = S3Originals::new(&clients, bucket);
    contracts::multipart_store_contract(&store, &signer, &HttpBrowser::new(), &SystemClock).await;
}

#[tokio::test]
async fn forms() {
    let (clients, bucket) = (clients().await, bucket(true).await);
    let signer = S3UploadSigner::new(&clients, bucket.as_str());
    let store = S3Originals::new(&clients, bucket);
    contracts::upload_form_contract(&store, &signer, &HttpBrowser::new(), &SystemClock).await;
}

#[tokio::test]
async fn clients_own_multipart_uploads() {
    let (clients, bucket) = (clients().await, bucket(true).await);
    let signer = S3UploadSigner::new(&clients, bucket.as_str());
    let store = S3Originals::new(&clients, bucket);
    contracts::client_multipart_contract(&store, &signer, &HttpBrowser::new(), &SystemClock).await;
}

#[tokio::test]
async fn endpoints() {
    contracts::endpoint_repository_contract(&table().await).await;
}

#[tokio::test]
async fn staging() {
    let (clients, staging, originals) = (clients().await, bucket(false).await, bucket(true).await);
    let partials = S3Originals::new(&clients, staging.as_str());
    let store = S3Staging::new(&clients, staging, originals.as_str());
    let originals = S3Originals::new(&clients, originals);
    contracts::staging_store_contract(&store, &partials, &originals).await;
}

#[tokio::test]
async fn tus_uploads() {
    contracts::tus_upload_repository_contract(&table().await).await;
}

#[tokio::test]
async fn derivatives() {
    let (clients, bucket) = (clients().await, bucket(false).await);
    let links = S3LinkSigner::new(&clients, "none", bucket.as_str(), Duration::from_mins(1));
    let store = S3Derived::new(&clients, bucket);
    contracts::derived_store_contract(&store, &links, &HttpBrowser::new()).await;
}

#[tokio::test]
async fn links() {
    let (clients, bucket) = (clients().await, bucket(true).await);
    let links = S3LinkSigner::new(&clients, bucket.as_str(), "none", Duration::from_mins(1));
    let signer = S3UploadSigner::new(&clients, bucket.as_str());
    let store = S3Originals::new(&clients, bucket);
    contracts::link_signer_contract(&links, &store, &signer, &HttpBrowser::new(), &SystemClock).await;
}

#[tokio::test]
async fn jobs() {
    let (sqs, url) = queue().await;
    let queue = SqsJobQueue::new(&clients().await, &url);
    contracts::job_queue_contract(&queue, async || received(&sqs, &url, 0).await).await;
}

#[tokio::test]
async fn delayed_jobs() {
    let (sqs, url) = queue().await;
    let queue = SqsJobQueue::new(&clients().await, &url).with_delay(Duration::from_secs(2));
    let receive = async || received(&sqs, &url, 0).await;
    contracts::delayed_job_queue_contract(&queue, receive, async || received(&sqs, &url, 5).await).await;
}

/// A queue of its own.
async fn queue() -> (aws_sdk_sqs::Client, String) {
    let sqs = aws_sdk_sqs::Client::new(&sdk().await);
    let created = sqs.create_queue().queue_name(unique("contract")).send().await.unwrap();
    (sqs, created.queue_url.unwrap())
}

/// The bodies of what comes within so many seconds.
async fn received(sqs: &aws_sdk_sqs::Client, url: &str, seconds: i32) -> Vec<String> {
    let batch = sqs.receive_message().queue_url(url).max_number_of_messages(10).wait_time_seconds(seconds);
    let batch = batch.send().await.unwrap();
    batch.messages.unwrap_or_default().into_iter().filter_map(|message| message.body).collect()
}

/// What an open connection receives is seen end to end, on the deployed stack.
#[tokio::test]
async fn pushes_to_nobody() {
    let endpoint = format!("{}/_aws/execute-api/0123abcd/live", endpoint());
    let notifier = WebSocketNotifier::new(&clients().await, &endpoint);
    let connection = "Lx8cWeSsoAMCJdA=".parse().unwrap();
    assert_eq!(notifier.push(&connection, "{}").await.unwrap(), Delivery::Gone);
}

#[tokio::test]
async fn secrets() {
    let manager = aws_sdk_secretsmanager::Client::new(&sdk().await);
    let (name, text) = (unique("contract"), "a secret of 32 characters or more");
    let arn = manager.create_secret().name(&name).secret_string(text).send().await.unwrap().arn.unwrap();
    let clients = clients().await;
    assert_eq!(ManagedSecret::new(&clients, arn).fetch().await.unwrap(), text);
    let missing = ManagedSecret::new(&clients, unique("no-such"));
    assert_eq!(missing.fetch().await.unwrap_err().kind(), ErrorKind::Internal);
}
