//! What is done about an invocation.

use std::time::Duration;

use sluice_core::{
    Result,
    ports::{Clock, IdGenerator, TicketRepository},
};
use sluice_lambda::{
    bearer::{Bearer, KeySource},
    http::{self, Method, Request, Response, StatusCode},
};

use crate::{
    invocation::{Answer, BearerRequest, Invocation, TicketRequest},
    ticket,
};

/// What the function works with.
pub struct Ports<K, T, C, I> {
    /// Checks tokens.
    pub bearer: Bearer<K>,
    /// The tickets.
    pub tickets: T,
    /// The time.
    pub clock: C,
    /// Fresh secrets.
    pub ids: I,
    /// How long a ticket may wait.
    pub ticket_ttl: Duration,
}

impl<K: KeySource, T: TicketRepository, C: Clock, I: IdGenerator> Ports<K, T, C, I> {
    /// Answers an invocation.
    ///
    /// # Errors
    /// Only if an authorizer can't decide at the moment: API Gateway then answers 500 and keeps nothing, so that the
    /// client may try again, where a refusal would make it log its user out.
    pub async fn handle(&self, invocation: Invocation) -> Result<Answer> {
        match invocation {
            Invocation::Bearer(request) => self.check_bearer(&request).await,
            Invocation::Ticket(request) => self.check_ticket(&request).await,
            Invocation::Route(request) => {
                let answer = http::answer(async |request| self.route(&request).await, *request).await;
                Ok(Answer::Route(answer))
            }
        }
    }

    async fn check_bearer(&self, request: &BearerRequest) -> Result<Answer> {
        Ok(match self.bearer.check(request.token(), self.clock.now()).await? {
            Ok(caller) => Answer::authorized(&caller),
            Err(reason) => {
                tracing::info!(%reason, "token refused");
                Answer::unauthorized()
            }
        })
    }

    async fn check_ticket(&self, request: &TicketRequest) -> Result<Answer> {
        let owner =
            ticket::redeem(&self.tickets, request.ticket().unwrap_or_default(), self.clock.now()).await?;
        if let Some(owner) = owner {
            return Ok(Answer::allow(&owner, &request.method_arn));
        }
        tracing::info!(reason = "unknown_ticket", "ticket refused");
        Ok(Answer::deny(&request.method_arn))
    }

    async fn route(&self, request: &Request) -> Result<Response> {
        match (request.method(), &request.segments()[..]) {
            (&Method::POST, ["tickets"]) => {
                let now = self.clock.now();
                let caller = request.caller(now)?;
                let ticket = ticket::issue(&self.tickets, &self.ids, &caller, self.ticket_ttl, now).await?;
                Ok(http::json(StatusCode::CREATED, &ticket))
            }
            (_, ["tickets"]) => Ok(http::method_not_allowed(request, &["POST"])),
            _ => Ok(http::no_such_route(request)),
        }
    }
}
