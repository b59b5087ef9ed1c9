//! The `Idempotency-Key` header.

use sluice_core::{
    Error, Result,
    idempotency::{Attempt, Keyed},
    ids::{OwnerId, Sha256},
    ports::{Clock, IdGenerator, IdempotencyRepository},
};

use super::{request::Request, response::Response};

/// The header by which a client says that two requests are one.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What requests that may come again are done with.
#[derive(Debug, Clone, Copy)]
pub struct Once<'a, R, C, I> {
    /// What is known of them.
    pub records: &'a R,
    /// The time.
    pub clock: &'a C,
    /// New seeds.
    pub ids: &'a I,
}

impl<R: IdempotencyRepository, C: Clock, I: IdGenerator> Once<'_, R, C, I> {
    /// Does what a request asks for; where it has an `Idempotency-Key`, as a try of one that may come again. `asked` is the
    /// digest of all that it asks for: [`Request::digest`], unless its body is written otherwise each time.
    ///
    /// # Errors
    /// `invalid_idempotency_key`, `idempotency_mismatch` (422), `request_in_flight` (409); those of `run`.
    pub async fn run<E: From<Error>>(
        &self,
        owner: &OwnerId,
        request: &Request,
        asked: impl FnOnce() -> Sha256,
        run: impl AsyncFnOnce(Option<&Attempt>) -> Result<Response, E>,
    ) -> Result<Response, E> {
        let attempt = match request.header(IDEMPOTENCY_KEY) {
            Some(key) => {
                let keyed = Keyed { owner, route: request.route(), key, request: asked() };
                Some(Attempt::begin(self.records, self.clock, self.ids, keyed).await?)
            }
            None => None,
        };
        // it holds all of a request's work: on the heap, where its callers' futures needn't
        let answer = Box::pin(run(attempt.as_ref())).await;
        let Some(attempt) = attempt else { return answer };
        let is_success = answer.as_ref().is_ok_and(|response| response.status().is_success());
        if let Err(error) = attempt.end(self.records, is_success).await {
            // it ends by itself in some seconds
            tracing::warn!(
                code = error.code(),
                source = error.sources(),
                "the end of a try was not recorded"
            );
        }
        answer
    }
}
