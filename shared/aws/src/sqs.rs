//! The queue of conversion jobs on SQS.

use aws_sdk_sqs::Client;
use sluice_core::{
    Error, Result,
    ports::{JobOrder, JobQueue},
};

use crate::{clients::Clients, error::classify};

/// A standard queue; an order is its JSON. IAM: `sqs:SendMessage`.
#[derive(Debug, Clone)]
pub struct SqsJobQueue {
    client: Client,
    url: String,
}

impl SqsJobQueue {
    /// The queue at `url`.
    pub fn new(clients: &Clients, url: impl Into<String>) -> Self {
        Self { client: clients.sqs(), url: url.into() }
    }
}

impl JobQueue for SqsJobQueue {
    async fn enqueue(&self, order: &JobOrder) -> Result<()> {
        let body = serde_json::to_string(order).map_err(Error::internal)?;
        let sent = self.client.send_message().queue_url(&self.url).message_body(body).send().await;
        sent.map(drop).map_err(|error| classify("SQS", &error))
    }
}
