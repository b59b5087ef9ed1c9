//! What API Gateway invokes the function with, and what it reads as an answer.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_core::ids::{OwnerId, escape};
use sluice_lambda::{
    bearer,
    http::{Caller, Payload, Request},
};

/// An invocation. The three are told apart by a field that only one of them has: an HTTP API's authorizer is asked
/// about a `routeArn`, a WebSocket API's about a `methodArn`, and a route is given neither.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Invocation {
    /// Is this bearer token good?
    Bearer(BearerRequest),
    /// Is this ticket good?
    Ticket(TicketRequest),
    /// A route of the HTTP API.
    Route(Box<Request>),
}

/// A REQUEST authorizer's event, payload 2.0
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html>).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BearerRequest {
    #[expect(dead_code, reason = "its presence tells the event's kind")]
    route_arn: String,
    #[serde(default)]
    headers: Option<HashMap<String, String>>,
}

impl BearerRequest {
    /// The bearer token.
    pub fn token(&self) -> Option<&str> {
        let headers = self.headers.as_ref()?;
        let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?;
        bearer::token_of(value)
    }
}

/// A WebSocket API's REQUEST authorizer event
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html>).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketRequest {
    /// What a policy has to allow.
    pub method_arn: String,
    #[serde(default)]
    query_string_parameters: Option<HashMap<String, String>>,
}

impl TicketRequest {
    /// The ticket of `?ticket=…`.
    pub fn ticket(&self) -> Option<&str> {
        self.query_string_parameters.as_ref()?.get("ticket").map(String::as_str)
    }
}

/// Never the headers or the query: they hold the token and the ticket.
macro_rules! opaque_debug {
    ($($name:ident),*) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })*
    };
}
opaque_debug!(BearerRequest, TicketRequest);

/// An answer to an invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// To an HTTP API's authorizer or a WebSocket API's.
    Authorizer(Value),
    /// To a route.
    Route(Payload),
}

/// What roots hold beside letters and digits that needs no escape.
const ROOTS: &str = "._@:|+=-/*,";

impl Answer {
    /// The token is the caller's (simple response). A context's values are text, of plain ASCII: what API Gateway makes of
    /// other letters isn't said.
    pub fn authorized(caller: &Caller) -> Self {
        let Caller { owner, roots, expires_at } = caller;
        let (owner, expires_at) = (owner.escaped(), expires_at.as_seconds().to_string());
        let roots = escape(&roots.to_string(), ROOTS);
        Self::Authorizer(json!({
            "isAuthorized": true,
            "context": { "owner": owner, "roots": roots, "expires_at": expires_at },
        }))
    }

    /// The token isn't good. The client learns no reason.
    pub fn unauthorized() -> Self {
        Self::Authorizer(json!({"isAuthorized": false}))
    }

    /// The ticket is `owner`'s: a policy that allows to connect.
    pub fn allow(owner: &OwnerId, method_arn: &str) -> Self {
        let owner = owner.escaped();
        let mut policy = policy(&owner, "Allow", method_arn);
        policy["context"] = json!({ "owner": owner });
        Self::Authorizer(policy)
    }

    /// The ticket isn't good.
    pub fn deny(method_arn: &str) -> Self {
        Self::Authorizer(policy("nobody", "Deny", method_arn))
    }
}

fn policy(principal: &str, effect: &str, method_arn: &str) -> Value {
    json!({
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": method_arn}],
        },
    })
}
