//! What every function shares with its runtime. It knows Lambda and API Gateway's event shapes, and no AWS client.
//!
//! | module | what stands there |
//! |---|---|
//! | [`config`] | settings from environment variables, every fault reported at once |
//! | [`http`] | requests of the HTTP API, the caller, JSON bodies, problem+json, the wrapper [`http::run`] |
//! | [`sqs`] | batches of messages with partial failures |
//! | [`s3_event`] | S3's notifications, keys decoded |
//! | [`messages`] | what goes over the WebSocket, in both directions |
//! | [`trigger`] | the wrapper for everything that isn't HTTP |
//! | [`system`] | the clock and the generator of ids |
//!
//! A `main.rs` calls [`init_tracing`], reads its config, builds its ports once and hands its handler to the runtime.

pub mod config;
pub mod http;
pub mod messages;
pub mod s3_event;
pub mod sqs;
pub mod system;
pub mod trigger;

use lambda_runtime::tracing::subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Starts logging to standard output: at the level `AWS_LAMBDA_LOG_LEVEL` (INFO), as JSON where
/// `AWS_LAMBDA_LOG_FORMAT` says so, without the time, which Lambda adds (its advanced logging controls).
///
/// Other people's crates never log below INFO, whatever the level: what the SDK and the runtime write at DEBUG and
/// TRACE holds signed URLs, tokens and bodies.
pub fn init_tracing() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").ok();
    let level = level.and_then(|text| text.parse().ok()).unwrap_or(LevelFilter::INFO);
    let targets = Targets::new().with_default(level.min(LevelFilter::INFO)).with_target("sluice", level);
    let registry = lambda_runtime::tracing::subscriber::registry().with(targets);
    let json = std::env::var("AWS_LAMBDA_LOG_FORMAT").is_ok_and(|text| text.eq_ignore_ascii_case("json"));
    if json {
        registry.with(fmt::layer().json().with_target(false).without_time()).init();
    } else {
        registry.with(fmt::layer().with_target(false).with_ansi(false).without_time()).init();
    }
}
