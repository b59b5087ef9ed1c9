//! Tickets: secrets of 256 bits that are good for one connection. What is kept is their SHA-256; for a secret of that
//! size nothing slower is needed.

use std::time::Duration;

use serde::Serialize;
use sluice_core::{
    Result,
    ids::{OwnerId, Sha256},
    ports::{IdGenerator, TicketRepository},
    time::Timestamp,
};
use sluice_lambda::http::Caller;

/// The longest text that is looked at: a ticket has 43 characters.
const MAX_TICKET_CHARS: usize = 128;

/// A fresh ticket, as its owner gets it.
#[derive(Debug, Clone, Serialize)]
pub struct Ticket {
    /// The secret, URL-safe.
    pub ticket: String,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}

/// Makes a ticket for the caller. It never outlives the caller's token.
pub async fn issue(
    tickets: &impl TicketRepository,
    ids: &impl IdGenerator,
    caller: &Caller,
    ttl: Duration,
    now: Timestamp,
) -> Result<Ticket> {
    let ticket = ids.secret();
    let expires_at = now.plus(ttl).min(caller.expires_at);
    tickets.issue(Sha256::of(ticket.as_bytes()), &caller.owner, expires_at).await?;
    Ok(Ticket { ticket, expires_at })
}

/// Uses a ticket up: whose it was, once.
pub async fn redeem(
    tickets: &impl TicketRepository,
    ticket: &str,
    now: Timestamp,
) -> Result<Option<OwnerId>> {
    if ticket.is_empty() || ticket.len() > MAX_TICKET_CHARS {
        return Ok(None);
    }
    tickets.redeem(Sha256::of(ticket.as_bytes()), now).await
}
