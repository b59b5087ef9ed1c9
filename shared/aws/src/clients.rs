//! The SDK's clients: configured once, with one pool of connections for all services.
//!
//! What init costs is decided here. The configuration comes from the environment (on Lambda everything stands there),
//! credentials are resolved by the first request, and so is TLS: the SDK would parse the machine's root certificates
//! once for every client that is made, [`LateConnections`] puts that off to the first connection. The timeouts of
//! connections are the same for all services, because the SDK keeps one pool for each pair of them.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::{
    Builder as HttpClientBuilder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    runtime_components::RuntimeComponents,
};

use crate::credentials::CredentialCache;

/// To open a connection within a region takes milliseconds; a lost SYN is sent again after one second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// From the end of a request to the first byte of its answer; S3 may take its time to stitch.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// One try of a small request: those to every service but S3.
const SMALL_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// All tries of a small request: below the 29 s that API Gateway waits.
const SMALL_OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
/// One push to a WebSocket: one whose line hangs must not use up the time of the others. Who pushes tries again itself.
const PUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// Tries of one request, the first included. More is the queue's or the client's to do.
const ATTEMPTS: u32 = 3;

/// Configuration, credentials and connections that all adapters share.
pub struct Clients {
    config: SdkConfig,
    s3: OnceLock<aws_sdk_s3::Client>,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    credentials: OnceLock<Arc<CredentialCache>>,
}

impl Clients {
    /// From the environment, as every AWS SDK reads it. Nothing is called where `AWS_REGION` is set, as it is on
    /// Lambda.
    pub async fn load() -> Self {
        Self::of(loader().load().await)
    }

    /// For an endpoint that speaks AWS's protocols, with fixed credentials: an emulator, a test.
    pub async fn for_endpoint(endpoint: &str, region: &str, access_key: &str, secret_key: &str) -> Self {
        let credentials = aws_credential_types::Credentials::new(access_key, secret_key, None, None, "fixed");
        let config = loader()
            .endpoint_url(endpoint)
            .region(aws_config::Region::new(region.to_owned()))
            .credentials_provider(credentials)
            .load()
            .await;
        Self::of(config)
    }

    pub(crate) fn of(config: SdkConfig) -> Self {
        Self { config, s3: OnceLock::new(), dynamodb: OnceLock::new(), credentials: OnceLock::new() }
    }

    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        let make = || {
            let config = aws_sdk_s3::config::Builder::from(&self.config)
                .force_path_style(self.s3_is_on_localhost())
                .build();
            aws_sdk_s3::Client::from_conf(config)
        };
        self.s3.get_or_init(make).clone()
    }

    /// Whether S3 is an emulator under the name `localhost`, where `{bucket}.localhost` need not resolve. For an IP
    /// address the SDK itself puts the bucket into the path.
    fn s3_is_on_localhost(&self) -> bool {
        let of_s3 = std::env::var("AWS_ENDPOINT_URL_S3").ok();
        let endpoint = of_s3.as_deref().or_else(|| self.config.endpoint_url()).unwrap_or_default();
        let authority = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
        authority.split(['/', ':']).next() == Some("localhost")
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let make = || {
            let config = aws_sdk_dynamodb::config::Builder::from(&self.config)
                .timeout_config(small_requests())
                .build();
            aws_sdk_dynamodb::Client::from_conf(config)
        };
        self.dynamodb.get_or_init(make).clone()
    }

    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        let config = aws_sdk_sqs::config::Builder::from(&self.config).timeout_config(small_requests());
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    pub(crate) fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        let config =
            aws_sdk_secretsmanager::config::Builder::from(&self.config).timeout_config(small_requests());
        aws_sdk_secretsmanager::Client::from_conf(config.build())
    }

    /// A client whose requests are tried once and end within `limit`, whatever they wait for.
    pub(crate) fn lambda_once(&self, limit: Duration) -> aws_sdk_lambda::Client {
        let config = aws_sdk_lambda::config::Builder::from(&self.config)
            .timeout_config(connections().operation_timeout(limit).build())
            .retry_config(RetryConfig::disabled());
        aws_sdk_lambda::Client::from_conf(config.build())
    }

    /// The management client of one WebSocket API's stage, whose requests are tried once: its address is the API's own, never a general one.
    pub(crate) fn api_gateway_management(&self, endpoint: &str) -> aws_sdk_apigatewaymanagement::Client {
        let config = aws_sdk_apigatewaymanagement::config::Builder::from(&self.config)
            .timeout_config(connections().operation_timeout(PUSH_TIMEOUT).build())
            .retry_config(RetryConfig::disabled())
            .endpoint_url(endpoint);
        aws_sdk_apigatewaymanagement::Client::from_conf(config.build())
    }

    /// The credentials that the clients sign with, kept for the signers of URLs.
    pub(crate) fn credentials(&self) -> Arc<CredentialCache> {
        let make = || Arc::new(CredentialCache::new(self.config.credentials_provider()));
        Arc::clone(self.credentials.get_or_init(make))
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("region", &self.config.region()).finish_non_exhaustive()
    }
}

/// What all clients have in common. Checksums are sent and checked only where a request can't do without: TLS guards
/// the way, and S3 keeps its own checksum of every object.
pub(crate) fn loader() -> aws_config::ConfigLoader {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(LateConnections::new())
        .timeout_config(connections().build())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
}

fn connections() -> aws_config::timeout::TimeoutConfigBuilder {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT)
}

fn small_requests() -> TimeoutConfig {
    connections()
        .operation_attempt_timeout(SMALL_ATTEMPT_TIMEOUT)
        .operation_timeout(SMALL_OPERATION_TIMEOUT)
        .build()
}

/// The SDK's HTTP client without its early warm-up.
#[derive(Debug)]
struct LateConnections(SharedHttpClient);

impl LateConnections {
    fn new() -> Self {
        let tls = Provider::Rustls(CryptoMode::AwsLc);
        Self(HttpClientBuilder::new().tls_provider(tls).build_https())
    }
}

impl HttpClient for LateConnections {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }
}
