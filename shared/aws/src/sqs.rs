//! Queues of jobs on SQS.

use std::time::Duration;

use aws_sdk_sqs::{Client, types::QueueAttributeName};
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
    /// None: the queue's own.
    delay: Option<Duration>,
}

impl SqsJobQueue {
    /// The queue at `url`.
    pub fn new(clients: &Clients, url: impl Into<String>) -> Self {
        Self { client: clients.sqs(), url: url.into(), delay: None }
    }

    /// The same, each order held back for `delay` (in whole seconds, at most 15 minutes) in place of the queue's own
    /// delay.
    #[must_use]
    pub const fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }
}

impl JobQueue for SqsJobQueue {
    async fn enqueue(&self, order: &JobOrder) -> Result<()> {
        let body = serde_json::to_string(order).map_err(Error::internal)?;
        send(&self.client, &self.url, body).await
    }

    async fn backlog(&self) -> Result<u64> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let asked = self.client.get_queue_attributes().queue_url(&self.url);
        let asked = asked.set_attribute_names(Some(names.to_vec())).send().await;
        let told = asked.map_err(|error| classify("SQS", &error))?;
        let count = |name| told.attributes()?.get(name)?.parse::<u64>().ok();
        Ok(names.iter().filter_map(count).sum())
    }
}

/// A standard queue of texts: what a function sets aside for a person. IAM: `sqs:SendMessage`.
#[derive(Debug, Clone)]
pub struct SqsTextQueue {
    client: Client,
    url: String,
}

impl SqsTextQueue {
    /// The queue at `url`.
    pub fn new(clients: &Clients, url: impl Into<String>) -> Self {
        Self { client: clients.sqs(), url: url.into() }
    }

    /// Puts a text on it. A second call puts it there twice.
    pub async fn put(&self, text: String) -> Result<()> {
        send(&self.client, &self.url, text).await
    }
}

async fn send(client: &Client, url: &str, body: String) -> Result<()> {
    let sent = client.send_message().queue_url(url).message_body(body).send().await;
    sent.map(drop).map_err(|error| classify("SQS", &error))
}
