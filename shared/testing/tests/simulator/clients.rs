//! What people do. A client sends real requests to the functions, and bytes to S3; answers are lost, steps are repeated,
//! it may be late or never be heard of again.

pub mod form;
pub mod jobs;
pub mod send;
pub mod socket;
pub mod tus;
pub mod update;
pub mod uppy;

use std::{cell::RefCell, fmt::Display, rc::Rc, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};
use sluice_core::{
    ids::{AssetId, OwnerId},
    ports::IdGenerator,
    usage::Quota,
};
use sluice_testing::{
    Answer, Browser,
    simulator::{Chance, Engine, Fault, Function, Happening, Outcome},
};

use crate::{
    contents::Content,
    functions::Functions,
    ledger::{Granted, Ledger, short},
    rules::Rules,
    told::Told,
    watch::broken,
};

use self::jobs::Doors;

/// What all clients share.
pub struct Scene {
    /// The run.
    pub engine: Rc<Engine>,
    /// What they call.
    pub functions: Functions,
    /// What is let in.
    pub rules: Rules,
    /// What they know.
    pub ledger: RefCell<Ledger>,
    /// What they were told over their open connections.
    pub told: RefCell<Told>,
    /// Files that came by doors which call their own uploads off where they fail.
    pub doors: RefCell<Doors>,
}

/// A client is not heard of again.
#[derive(Debug)]
pub struct Gone;

/// An answer of the API.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: Value,
    /// The body; null where there is none.
    pub body: Value,
}

impl Reply {
    /// The asset that a new upload becomes, or that exists.
    fn asset_id(&self) -> Option<String> {
        let id = self.body["asset_id"].as_str().or_else(|| self.body["asset"]["asset_id"].as_str());
        id.filter(|_| self.status < 300).map(str::to_owned)
    }

    /// The code of a refusal.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// How long a try keeps out others with its key.
const IN_FLIGHT: Duration = Duration::from_secs(31);
/// How often a request is sent before its client gives up.
const TRIES: u32 = 5;

/// One client.
#[derive(Clone)]
pub struct Client {
    /// What it shares with the others.
    pub scene: Rc<Scene>,
    /// How stories name it.
    pub name: String,
    /// Whose files it sends.
    pub owner: OwnerId,
    /// Below which roots beside its owner's own its token lets it write.
    pub roots: &'static str,
    /// Its own random numbers: what it wants doesn't depend on what the others do.
    pub chance: Chance,
}

impl Client {
    /// The run's engine.
    pub fn engine(&self) -> &Rc<Engine> {
        &self.scene.engine
    }

    /// Tells a line of the story.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        self.engine().story.tell(|| format!("{} {}", self.name, line()));
    }

    /// Between two steps: others run, and this client may be late, or gone.
    pub async fn step(&self) -> Result<(), Gone> {
        for _ in 0..self.chance.below(4) {
            self.engine().pause().await;
        }
        if self.engine().faults.strikes(Fault::ClientVanishes) {
            self.tell(|| "vanishes".to_owned());
            return Err(Gone);
        }
        if self.engine().faults.strikes(Fault::ClientIsLate) {
            let late = self.chance.span(Duration::from_secs(10), Duration::from_mins(80));
            self.tell(|| format!("waits for {late:?}"));
            self.engine().sleep(late).await;
        }
        Ok(())
    }

    /// Whether a step is taken once more though it succeeded.
    pub fn replays(&self) -> bool {
        self.engine().faults.strikes(Fault::ClientReplays)
    }

    /// Sends a request until it is answered, otherwise than by a passing fault. Half of the POSTs have a key, the same each
    /// time (invariant 12): what they make, they make once.
    pub async fn ask(
        &self,
        function: &Function,
        method: &str,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Gone> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut event = self.request(method, path, query, body);
        let keyed = method == "POST" && self.chance.one_in(2);
        if keyed {
            event["headers"]["idempotency-key"] = self.engine().world.ids.name().into();
        }
        let mut made = None;
        for _ in 0..TRIES {
            self.engine().tally.came(Happening::Request);
            let reply = self.call(function, event.clone()).await;
            self.check_told(&reply, &format_args!("{method} {target}"));
            let asset = reply.asset_id();
            if let (Some(before), Some(now)) = (&made, &asset)
                && keyed
                && before != now
            {
                broken(
                    &self.scene,
                    12,
                    "one key, two assets",
                    format!("{method} {target}: {before}, then {now}"),
                );
            }
            made = made.or(asset);
            let lost = self.engine().faults.strikes(Fault::ApiAnswerLost);
            self.tell(|| {
                let heard = if lost { " (lost)" } else { "" };
                format!("{method} {target}: {} {}{heard}", reply.status, reply.code())
            });
            if reply.code() == "busy" {
                let seen = format!("{method} {target} of {}", self.name);
                broken(&self.scene, 9, "refused for load though no quota is set", seen);
            }
            match reply.code() {
                Quota::EXCEEDED | Quota::TOO_MANY => self.engine().tally.came(Happening::QuotaFull),
                "folder_forbidden" => self.engine().tally.came(Happening::FolderForbidden),
                _ => {}
            }
            if reply.code() == "request_in_flight" {
                // the earlier try may have died: until it can't be under way any more
                self.engine().sleep(IN_FLIGHT).await;
                continue;
            }
            if !lost && reply.status < 500 && reply.status != 429 {
                return Ok(reply);
            }
            self.engine().sleep(self.chance.span(Duration::from_millis(200), Duration::from_secs(4))).await;
        }
        self.tell(|| "gives up".to_owned());
        Err(Gone)
    }

    /// A request as API Gateway hands it on.
    pub fn request(&self, method: &str, path: &str, query: &str, body: Option<&Value>) -> Value {
        let expires_at = self.engine().time.now().plus(Duration::from_hours(1)).as_seconds();
        json!({
            "version": "2.0", "rawPath": path, "rawQueryString": query,
            "headers": { "content-type": "application/json" },
            "body": body.map(Value::to_string),
            "requestContext": {
                "requestId": "simulated", "routeKey": format!("{method} {path}"), "http": { "method": method },
                "authorizer": { "lambda": { "owner": self.owner.escaped(), "roots": self.roots, "expires_at": expires_at.to_string() } },
            },
        })
    }

    /// Hands a request to a function.
    pub async fn call(&self, function: &Function, event: Value) -> Reply {
        let Outcome::Answered(mut answer) = self.engine().invoke(function, event).await else {
            // what API Gateway says of a function that died
            return Reply { status: 502, headers: Value::Null, body: Value::Null };
        };
        let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
        let body = answer["body"].as_str().and_then(|text| serde_json::from_str(text).ok());
        let headers = answer["headers"].take();
        Reply { status: status.unwrap_or(502), headers, body: body.unwrap_or_default() }
    }

    /// Invariant 1, where all that goes wrong is that one answer to a function is lost: what was done isn't told as failed.
    /// Where others have written since, nobody may be able to tell. An upload that is still awaited isn't complete, whatever
    /// was written: bytes of an earlier grant may have been in its way, and the client is told to come back.
    pub fn check_told(&self, reply: &Reply, asked: &dyn Display) {
        let table = &self.engine().world.table;
        if reply.status >= 500 && table.written_since_loss() == Some(0) {
            let is_awaited =
                || table.written_since(0).last().is_some_and(|asset| asset.open_grant().is_some());
            if asked.to_string().ends_with("complete") && is_awaited() {
                return;
            }
            let seen = format!("{asked} of {}: {} {}", self.name, reply.status, reply.code());
            broken(&self.scene, 1, "told as failed, though it was done", seen);
        }
    }

    /// PUTs bytes to S3. None if the answer was lost: S3 may have taken them.
    pub async fn put(&self, url: &str, headers: &[(String, String)], bytes: &Bytes) -> (Answer, bool) {
        let engine = self.engine();
        engine.tally.came(Happening::Upload);
        engine.pause().await;
        let answer = engine.world.browser.put(url, headers, bytes.clone()).await;
        engine.pause().await;
        let heard = !engine.faults.strikes(Fault::UploadAnswerLost);
        self.tell(|| format!("PUT: {}{}", answer.status, if heard { "" } else { " (lost)" }));
        (answer, heard)
    }

    /// Asks until an asset is at its end; none if it takes too long.
    pub async fn await_end(&self, asset: AssetId) -> Result<Option<Value>, Gone> {
        for _ in 0..12 {
            let target = format!("/assets/{asset}");
            let reply = self.ask(&self.scene.functions.assets, "GET", &target, None).await?;
            if reply.status == 200 && matches!(reply.body["stage"].as_str(), Some("done" | "failed")) {
                return Ok(Some(reply.body));
            }
            self.engine().sleep(self.chance.span(Duration::from_secs(2), Duration::from_secs(40))).await;
        }
        Ok(None)
    }

    /// Says that the upload of an asset isn't wanted any more.
    pub async fn cancel(&self, granted: &Granted, by_upload: Option<(&str, &str)>) -> Result<(), Gone> {
        self.scene.ledger.borrow_mut().cancelled.insert(granted.asset);
        self.tell(|| format!("cancels {}", short(granted.asset)));
        let functions = &self.scene.functions;
        let (function, target) = match by_upload {
            Some((upload_id, key)) => {
                (&functions.complete, format!("/uploads/{upload_id}?object_key={}", key.replace('/', "%2F")))
            }
            None => (&functions.assets, format!("/assets/{}", granted.asset)),
        };
        self.ask(function, "DELETE", &target, None).await.map(drop)
    }
}

/// A file with the name that it is sent under.
#[derive(Debug, Clone)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub content: Content,
    /// The type that is announced.
    pub media_type: &'static str,
    /// How many bytes are announced, where the client says.
    pub size: Option<usize>,
    /// The folder that it shall lie in; its owner's own where none is named.
    pub folder: Option<&'static str>,
    /// What is announced of its digest.
    pub hint: Hint,
}

/// What a client announces of a file's digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// Nothing.
    None,
    /// The file's own.
    True,
    /// Another file's.
    False,
}
