//! Writes of several items, all of them or none.
//!
//! A transaction that is refused says why item by item, in the transaction's order
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>). Here alone these
//! reasons are read:
//!
//! | reasons | meaning |
//! |---|---|
//! | `ConditionalCheckFailed` | [`Transacted::Refused`] |
//! | `ThrottlingError`, `ProvisionedThroughputExceeded` | an error, `Throttled` |
//! | `TransactionConflict` | [`Transacted::Contended`] |
//! | `ItemCollectionSizeLimitExceeded`, `ValidationError`, any other | an error, `Internal` |
//!
//! Where several items have reasons, a condition that doesn't hold decides, for no later try would change it by itself;
//! then a fault of ours, then load, then contention.

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{CancellationReason, TransactWriteItem},
};
use sluice_core::Result;

use super::{DynamoTable, SERVICE, schema::Item};
use crate::error::{classify, throttled};

/// What became of a transaction.
pub(super) enum Transacted {
    /// All of it was written.
    Written,
    /// The condition of an item doesn't hold, and nothing was written.
    Refused {
        /// Which item of the transaction, the first of several; from 0.
        at: usize,
        /// What is there instead, if it was asked for.
        present: Option<Item>,
    },
    /// Other writers of the same items were in the way, and nothing was written.
    Contended,
}

/// What a reason means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// Nothing is wrong with this item.
    None,
    Condition,
    Throttled,
    Contention,
    Fault,
}

impl Reason {
    fn of(reason: &CancellationReason) -> Self {
        match reason.code().unwrap_or("None") {
            "None" => Self::None,
            "ConditionalCheckFailed" => Self::Condition,
            "ThrottlingError" | "ProvisionedThroughputExceeded" => Self::Throttled,
            "TransactionConflict" => Self::Contention,
            _ => Self::Fault,
        }
    }
}

impl DynamoTable {
    /// Writes all of these items or none. One try: what to do about contention is the caller's to decide.
    pub(super) async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<Transacted> {
        let written = self.client.transact_write_items().set_transact_items(Some(writes)).send().await;
        let Err(error) = written else { return Ok(Transacted::Written) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
        else {
            return Err(classify(SERVICE, &error));
        };
        let reasons = cancelled.cancellation_reasons();
        let met = |wanted| reasons.iter().position(|reason| Reason::of(reason) == wanted);
        if let Some(at) = met(Reason::Condition) {
            let present = reasons.get(at).and_then(CancellationReason::item).cloned();
            Ok(Transacted::Refused { at, present })
        } else if met(Reason::Fault).is_some() {
            Err(classify(SERVICE, &error))
        } else if met(Reason::Throttled).is_some() {
            Err(throttled(SERVICE, &error))
        } else if met(Reason::Contention).is_some() {
            Ok(Transacted::Contended)
        } else {
            Err(classify(SERVICE, &error))
        }
    }
}
