//! Queues of jobs on SQS.

use std::time::Duration;

use aws_sdk_sqs::{Client, types::QueueAttributeName};
use sluice_core::{
    Error, Result,
    effects::EVENT_GOES_FIRST,
    ports::{JobOrder, JobQueue},
};

use crate::{clients::Clients, error::classify};

/// The longest that SQS holds a message back
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>).
const LONGEST_DELAY: i32 = 900;

/// A standard queue; an order is its JSON. IAM: `sqs:SendMessage`, and `sqs:GetQueueAttributes` where the backlog is asked
/// for.
#[derive(Debug, Clone)]
pub struct SqsJobQueue {
    client: Client,
    url: String,
    /// In seconds; none: the queue's own.
    delay: Option<i32>,
}

impl SqsJobQueue {
    /// The queue at `url`.
    pub fn new(clients: &Clients, url: impl Into<String>) -> Self {
        Self { client: clients.sqs(), url: url.into(), delay: None }
    }

    /// The ingest queue at `url`, for orders that S3's own event may make needless.
    pub fn of_ingest(clients: &Clients, url: impl Into<String>) -> Self {
        Self::new(clients, url).with_delay(EVENT_GOES_FIRST)
    }

    /// The same, each order held back for `delay` in place of the queue's own delay: in whole seconds, a broken one
    /// counting as whole, and 15 minutes at most.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        let seconds = i32::try_from(delay.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
        self.delay = Some(seconds.min(LONGEST_DELAY));
        self
    }
}

impl JobQueue for SqsJobQueue {
    async fn enqueue(&self, order: &JobOrder) -> Result<()> {
        let body = serde_json::to_string(order).map_err(Error::internal)?;
        send(&self.client, &self.url, body, self.delay).await
    }

    /// SQS counts what is visible, what is held back, and what somebody has received, each apart and approximately
    /// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>).
    async fn backlog(&self) -> Result<u64> {
        const COUNTS: [QueueAttributeName; 3] = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let asked = self.client.get_queue_attributes().queue_url(&self.url);
        let asked = asked.set_attribute_names(Some(COUNTS.to_vec())).send().await;
        let counts = asked.map_err(|error| classify("SQS", &error))?.attributes.unwrap_or_default();
        COUNTS.iter().try_fold(0_u64, |sum, name| {
            let count: Option<u64> = counts.get(name).and_then(|count| count.parse().ok());
            let count = count.ok_or_else(|| Error::internal(format!("SQS gave no {name}")))?;
            Ok(sum.saturating_add(count))
        })
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
        send(&self.client, &self.url, text, None).await
    }
}

async fn send(client: &Client, url: &str, body: String, delay: Option<i32>) -> Result<()> {
    let message = client.send_message().queue_url(url).message_body(body).set_delay_seconds(delay);
    let sent = message.send().await;
    sent.map(drop).map_err(|error| classify("SQS", &error))
}
