//! Who is asking: the authorizer of both APIs, and the tickets by which a browser opens a WebSocket.
//!
//! A browser can't send headers with a WebSocket, and a bearer token in a URL ends up in logs. A ticket may stand
//! there: it opens one connection within a minute, and only its digest is kept. Tokens and tickets are never logged; a
//! refusal is logged with its reason's code alone.
//!
//! # Routes
//!
//! | invoked as | answers |
//! |---|---|
//! | REQUEST authorizer of the HTTP API (payload 2.0) | `isAuthorized`, and `owner` and `expires_at` for the routes |
//! | REQUEST authorizer of the WebSocket API's `$connect` | a policy for the ticket's owner; the ticket is used up |
//! | `POST /tickets` (bearer token) | 201 `{"ticket","expires_at"}` |
//!
//! # Environment
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `STATE_TABLE` | the state table | required |
//! | `JWT_SECRET_ARN` | the secret that signs tokens (HS256), at least 32 bytes; this or `JWT_JWKS_URL` | none |
//! | `JWT_JWKS_URL` | where an identity provider publishes its keys (RS256, ES256) | none |
//! | `JWT_ISSUER` | what `iss` must be; required with `JWT_JWKS_URL` | none |
//! | `JWT_AUDIENCE` | what `aud` must be; required with `JWT_JWKS_URL` | none |
//! | `TICKET_TTL_SECONDS` | seconds that a ticket may wait to be used, 1 to 600 | 60 |
//!
//! # IAM
//!
//! | on | actions |
//! |---|---|
//! | the secret that signs tokens, if there is one | `secretsmanager:GetSecretValue` |
//! | the state table, items `T#*` | `dynamodb:PutItem`, `dynamodb:DeleteItem` |

pub mod config;
pub mod handler;
pub mod invocation;
pub mod ticket;
