//! Who is asking: the authorizer of both APIs, and the tickets by which a browser opens a WebSocket.
//!
//! | invoked as | answers |
//! |---|---|
//! | REQUEST authorizer of the HTTP API (payload 2.0) | `isAuthorized`, and `owner` and `expires_at` for the routes |
//! | REQUEST authorizer of the WebSocket API's `$connect` | a policy for the ticket's owner; the ticket is used up |
//! | `POST /tickets` | 201 `{"ticket","expires_at"}` |
//!
//! A browser can't send headers with a WebSocket, and a bearer token in a URL ends up in logs. A ticket may stand
//! there: it opens one connection within a minute, and only its digest is kept.
//!
//! Environment:
//!
//! | variable | meaning |
//! |---|---|
//! | `STATE_TABLE` | the state table |
//! | `JWT_SECRET_ARN` | the secret that signs tokens (HS256), at least 32 bytes; this or the next |
//! | `JWT_JWKS_URL` | where an identity provider publishes its keys (RS256, ES256) |
//! | `JWT_ISSUER`, `JWT_AUDIENCE` | what `iss` and `aud` must be; with a secret they may be missing |
//! | `TICKET_TTL_SECONDS` | how long a ticket may wait to be used, 60 |
//!
//! IAM: `secretsmanager:GetSecretValue` on the secret; `dynamodb:PutItem`, `dynamodb:DeleteItem` on the state table's
//! tickets.
//!
//! Tokens and tickets are never logged; a refusal is logged with its reason's code alone.

pub mod config;
pub mod handler;
pub mod invocation;
pub mod ticket;
