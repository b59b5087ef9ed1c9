//! A client that listens: a ticket, a connection, a `sync`, and whatever comes; it is cut, and comes back.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_core::ids::{ConnectionId, OwnerId};
use sluice_testing::simulator::{Fault, Happening, Outcome, Role};

use super::{Client, Gone};
use crate::{told, watch::broken};

/// What `$connect` is asked for.
const CONNECT: &str = "arn:aws:execute-api:eu-central-1:123456789012:socket/live/$connect";
/// When API Gateway gives a handshake up.
const HANDSHAKE: Duration = Duration::from_secs(29);
/// How much before its own time a `sync` tells its client to begin the next one: what an index may lag.
const OVERLAP: Duration = Duration::from_secs(10);
/// How often a `sync` is asked for until it is answered.
const SYNCS: u32 = 4;

impl Client {
    /// Listens over so many connections, one after the other. The last may stay open.
    pub async fn listen(self, connections: u64) -> Result<(), Gone> {
        let device = self.scene.told.borrow_mut().add(&self.owner);
        for left in (0..connections).rev() {
            self.connect(device).await?;
            for _ in 0..self.chance.below(3) {
                self.engine().sleep(self.chance.span(Duration::ZERO, Duration::from_secs(40))).await;
                self.act(device);
            }
            told::read(&self.scene, device);
            if left > 0 || self.engine().faults.strikes(Fault::LineCut) {
                told::cut(&self.scene, device);
            }
        }
        Ok(())
    }

    /// Opens a connection and syncs over it.
    pub async fn connect(&self, device: usize) -> Result<(), Gone> {
        for _ in 0..3 {
            if self.open(device).await? {
                break;
            }
        }
        self.sync(device).await;
        // A change whose push met the handshake may be too young for the index that the first sync read. The second one
        // begins as much earlier as an index lags.
        self.engine().sleep(OVERLAP).await;
        self.sync(device).await;
        Ok(())
    }

    /// Syncs over the open connection, again and again until it is answered.
    async fn sync(&self, device: usize) {
        let before = self.scene.told.borrow().syncs(device);
        for _ in 0..SYNCS {
            let since = self.scene.told.borrow().since(device);
            self.say(device, &json!({ "action": "sync", "since": since }));
            self.engine().sleep(self.chance.span(Duration::from_secs(1), Duration::from_secs(12))).await;
            told::read(&self.scene, device);
            let told = self.scene.told.borrow();
            if told.syncs(device) > before || told.open(device).is_none() {
                break;
            }
        }
    }

    fn act(&self, device: usize) {
        told::read(&self.scene, device);
        let known = self.scene.told.borrow().some_known(device);
        let since = self.scene.told.borrow().since(device);
        let message = match (self.chance.below(4), known) {
            (0, Some(asset)) => json!({ "action": "subscribe", "asset_id": asset }),
            (1, _) => json!({ "action": "sync", "since": since }),
            (2, _) => return,
            _ => json!({ "action": "ping" }),
        };
        self.say(device, &message);
    }

    /// Sends a message over an open connection.
    fn say(&self, device: usize, message: &Value) {
        let Some(id) = self.scene.told.borrow().open(device) else { return };
        self.tell(|| format!("says {message} over {id}"));
        let event = socket_event(&id, "MESSAGE", &self.owner, Some(message));
        let (engine, connect) = (self.engine().clone(), self.scene.functions.connect.clone());
        self.engine().spawn("API Gateway", Role::Service, async move {
            engine.invoke(&connect, event).await;
        });
    }

    /// Opens a connection; whether it is open.
    async fn open(&self, device: usize) -> Result<bool, Gone> {
        let (engine, functions) = (self.engine(), &self.scene.functions);
        let reply = self.ask(&functions.authorize, "POST", "/tickets", Some(&json!({}))).await?;
        let Some(ticket) = reply.body["ticket"].as_str() else { return Ok(false) };
        self.step().await?;
        let owner = self.redeem(ticket).await;
        if self.replays() && self.redeem(ticket).await.is_some() && owner.is_some() {
            broken(&self.scene, 13, "a ticket lets two in", self.name.clone());
        }
        let Some(owner) = owner else { return Ok(false) };
        if owner != self.owner {
            broken(&self.scene, 13, "a ticket lets in somebody else", self.name.clone());
        }
        let id = self.scene.told.borrow_mut().new_id();
        let begun_at = engine.time.now();
        let event = socket_event(&id, "CONNECT", &owner, None);
        let outcome = engine.invoke(&functions.connect, event).await;
        if !matches!(&outcome, Outcome::Answered(answer) if answer["statusCode"] == 200) {
            self.tell(|| format!("{id} is refused"));
            told::tell_end(engine, &functions.connect, &id);
            return Ok(false);
        }
        let longest = if engine.faults.strikes(Fault::LineOpensLate) { 20 } else { 1 };
        engine.sleep(engine.chance.span(Duration::ZERO, Duration::from_secs(longest))).await;
        if begun_at.until(engine.time.now()) > HANDSHAKE {
            told::tell_end(engine, &functions.connect, &id);
            return Ok(false);
        }
        engine.world.notifier.open(&id);
        engine.tally.came(Happening::LineOpens);
        self.scene.told.borrow_mut().opened(device, &id, begun_at);
        self.tell(|| format!("{id} is open"));
        Ok(true)
    }

    async fn redeem(&self, ticket: &str) -> Option<OwnerId> {
        let event = json!({ "methodArn": CONNECT, "queryStringParameters": { "ticket": ticket } });
        let outcome = self.engine().invoke(&self.scene.functions.authorize, event).await;
        let Outcome::Answered(answer) = outcome else { return None };
        let allowed = answer["policyDocument"]["Statement"][0]["Effect"] == "Allow";
        answer["context"]["owner"].as_str().filter(|_| allowed)?.parse().ok()
    }
}

/// What API Gateway invokes the WebSocket's function with.
fn socket_event(id: &ConnectionId, kind: &str, owner: &OwnerId, message: Option<&Value>) -> Value {
    json!({
        "requestContext": {
            "connectionId": id.to_string(), "eventType": kind, "authorizer": { "owner": owner.as_str() },
        },
        "body": message.map(Value::to_string),
    })
}
