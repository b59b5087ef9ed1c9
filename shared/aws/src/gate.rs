//! The operator's own gate, a Lambda function that is invoked while the client waits.
//!
//! It gets the request as its payload (JSON) and answers with JSON; both stand in [`sluice_core::gate`]. Whatever else
//! happens is no answer: an error of the function, a payload that isn't one, an answer that takes longer than
//! [`LIMIT`]. Nothing is tried twice, for the client can ask again and the function may count.
//!
//! IAM: `lambda:InvokeFunction` on the function.

use std::time::Duration;

use aws_sdk_lambda::{Client, primitives::Blob, types::InvocationType};
use sluice_core::{
    Error, Result,
    gate::{GateAnswer, GateRequest},
    ports::GateFunction,
};

use crate::{clients::Clients, error::classify};

/// The service's name in errors.
const SERVICE: &str = "the gate function";

/// How long an answer may take, the opening of a connection included; a cold start of a small function fits.
pub const LIMIT: Duration = Duration::from_secs(2);

/// The operator's function.
#[derive(Debug, Clone)]
pub struct LambdaGate {
    client: Client,
    function: String,
}

impl LambdaGate {
    /// The function of this name or ARN, with its alias or version if it has one.
    pub fn new(clients: &Clients, function: impl Into<String>) -> Self {
        Self::within(clients, function, LIMIT)
    }

    /// The same with another limit.
    pub fn within(clients: &Clients, function: impl Into<String>, limit: Duration) -> Self {
        Self { client: clients.lambda_once(limit), function: function.into() }
    }
}

impl GateFunction for LambdaGate {
    async fn judge(&self, request: &GateRequest<'_>) -> Result<GateAnswer> {
        let payload = serde_json::to_vec(request).map_err(Error::internal)?;
        let invocation = self
            .client
            .invoke()
            .function_name(&self.function)
            .invocation_type(InvocationType::RequestResponse)
            .payload(Blob::new(payload));
        let answer = invocation.send().await.map_err(|error| classify(SERVICE, &error))?;
        // the error's text is the operator's own and stays in the operator's log
        if let Some(kind) = answer.function_error() {
            return Err(Error::unavailable(SERVICE, format!("it failed ({kind})")));
        }
        let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
        serde_json::from_slice(payload).map_err(|error| {
            // what serde says could quote the answer
            let place = format!("line {} column {}", error.line(), error.column());
            Error::unavailable(SERVICE, format!("its answer is none, at {place}"))
        })
    }
}
