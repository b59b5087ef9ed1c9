//! The life of a connection in every order in which it can be told: `connect` and `notify` at one table. A connection that
//! is open is told what changes, and of one that has ended nothing stays on record.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use sluice_connect::event::SocketEvent;
use sluice_core::{Error, ErrorKind, Result, asset::Asset, ids::ConnectionId};
use sluice_notify::poison::PoisonQueue;
use sluice_testing::{
    FixedClock, MemoryJobs, MemoryLinkSigner, MemoryNotifier, MemoryTable, MemoryTasks, Probe, When, World,
};

const CONNECT: &str = include_str!("../../../events/connect/connect.json");
const DISCONNECT: &str = include_str!("../../../events/connect/disconnect.json");
const PING: &str = include_str!("../../../events/connect/ping.json");

/// Nothing here is unreadable.
struct NoPoison;

impl PoisonQueue for NoPoison {
    async fn put(&self, text: String) -> Result<()> {
        Err(Error::internal(text))
    }
}

type Connect = sluice_connect::handler::Ports<
    Probe<MemoryTable>,
    Probe<MemoryLinkSigner>,
    Probe<MemoryNotifier>,
    FixedClock,
>;
type Notify = sluice_notify::handler::Ports<
    Probe<MemoryTable>,
    Probe<MemoryTable>,
    Probe<MemoryTasks>,
    Probe<MemoryJobs>,
    Probe<MemoryLinkSigner>,
    Probe<MemoryNotifier>,
    NoPoison,
    FixedClock,
>;

/// What happens to one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// `$connect` is handled.
    Connect,
    /// Its answer ends the handshake.
    Open,
    /// A message that the client sent while it was open is handled.
    Message,
    /// The line ends.
    Close,
    /// `$disconnect` is handled.
    Disconnect,
    /// An asset of the owner changes, and the change is told.
    Change,
    /// More than the grace passes.
    Wait,
}

use Step::{Change, Close, Connect as Connected, Disconnect, Message, Open, Wait};

/// Whether the step can follow those before it. A `$disconnect` may come at any time, and a message may be handled late.
/// A handshake that takes longer than the grace doesn't come to its end: API Gateway has given it up by then.
fn may_follow(before: &[Step], step: Step) -> bool {
    let handshake = before.iter().rev().take_while(|step| **step != Connected);
    match step {
        Open => before.contains(&Connected) && handshake.into_iter().all(|step| *step != Wait),
        Message | Close => before.contains(&Open),
        Connected | Disconnect | Change | Wait => true,
    }
}

struct Story {
    world: World,
    connect: Connect,
    notify: Notify,
    connection: ConnectionId,
    refused: bool,
}

impl Story {
    fn new() -> Self {
        let world = World::new();
        let connect = Connect {
            table: world.table.clone(),
            links: world.links.clone(),
            notifier: world.notifier.clone(),
            clock: world.clock.clone(),
        };
        let notify = Notify {
            connections: world.table.clone(),
            assets: world.table.clone(),
            tasks: world.tasks.clone(),
            jobs: world.jobs.clone(),
            links: world.links.clone(),
            notifier: world.notifier.clone(),
            poison: NoPoison,
            clock: world.clock.clone(),
        };
        // the connection of the recorded events
        Self { world, connect, notify, connection: "JKJahcGOFiACFTA=".parse().unwrap(), refused: false }
    }

    async fn handle(&self, event: &str) -> Result<()> {
        let event: SocketEvent = serde_json::from_str(event).unwrap();
        self.connect.handle(event).await.map(drop)
    }

    async fn take(&mut self, step: Step) {
        match step {
            // API Gateway opens no connection whose `$connect` failed
            Step::Connect => self.refused = self.handle(CONNECT).await.is_err(),
            Open | Message if self.refused => {}
            Open => self.world.notifier.open(&self.connection),
            // what fails is told to nobody but the log, and comes no second time
            Message => drop(self.handle(PING).await),
            Close => self.world.notifier.close(&self.connection),
            Disconnect => drop(self.handle(DISCONNECT).await),
            Change => drop(self.change().await),
            Wait => self.world.clock.advance(Duration::from_secs(31)),
        }
    }

    /// A change; whether it was told to the connection.
    async fn change(&self) -> bool {
        let asset = self.world.granted("alice");
        let record = json!({ "eventName": "INSERT", "dynamodb": { "SequenceNumber": "1", "NewImage": image(&asset) } });
        self.notify.handle(serde_json::from_value(json!({ "Records": [record] })).unwrap()).await;
        let messages = self.world.notifier.messages(&self.connection);
        messages.iter().any(|message| message["asset"]["asset_id"] == asset.id().to_string())
    }

    /// Checks what must hold once nothing more goes wrong.
    async fn check(&mut self, steps: &[Step]) {
        self.world.calls.heal();
        let place = |step| steps.iter().position(|taken| *taken == step);
        let open = place(Open).is_some() && place(Close).is_none() && !self.refused;
        if open {
            if !steps.contains(&Disconnect) {
                assert!(self.change().await, "deaf after {steps:?}");
            }
            self.take(Message).await;
            assert!(self.change().await, "deaf in spite of a message after {steps:?}");
        } else {
            self.take(Wait).await;
            assert!(!self.change().await);
            assert_eq!(self.world.table.connection_count(), 0, "a ghost after {steps:?}");
        }
    }
}

fn image(asset: &Asset) -> serde_json::Value {
    let item: serde_dynamo::Item = serde_dynamo::to_item(asset).unwrap();
    let mut image = serde_json::to_value(item).unwrap();
    image["pk"] = json!({"S": format!("A#{}", asset.id())});
    image["sk"] = json!({"S": "A"});
    image
}

/// Every order of these steps that can be, each once.
fn orders(left: &mut Vec<Step>, taken: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    if left.is_empty() {
        found.push(taken.clone());
    }
    for at in 0..left.len() {
        let step = left[at];
        if left[..at].contains(&step) || !may_follow(taken, step) {
            continue;
        }
        left.remove(at);
        taken.push(step);
        orders(left, taken, found);
        taken.pop();
        left.insert(at, step);
    }
}

#[tokio::test]
async fn no_order_leaves_an_open_connection_deaf_or_one_that_ended_on_record() {
    let lives = [
        vec![Connected, Open, Change, Change, Change, Wait, Wait],
        vec![Connected, Open, Message, Change, Change, Wait],
        vec![Connected, Open, Message, Close, Disconnect, Change, Wait],
        vec![Connected, Open, Message, Message, Disconnect, Disconnect, Change, Wait],
        vec![Connected, Open, Close, Disconnect, Disconnect, Change, Wait, Wait],
        // API Gateway gives up while `$connect` is handled: its end overtakes its begin
        vec![Connected, Disconnect, Disconnect, Change, Change, Wait],
    ];
    let mut count = 0;
    for mut life in lives {
        let mut found = Vec::new();
        orders(&mut life, &mut Vec::new(), &mut found);
        for steps in found {
            let mut story = Story::new();
            for step in &steps {
                story.take(*step).await;
            }
            story.check(&steps).await;
            count += 1;
        }
    }
    assert!(count > 2_000, "{count} orders");
}

/// What the functions do with connections.
const CALLS: [&str; 6] = [
    "ConnectionRepository::add",
    "ConnectionRepository::remove",
    "ConnectionRepository::remove_unless_newer",
    "ConnectionRepository::owner_of",
    "ConnectionRepository::of_owner",
    "Notifier::push",
];

fn life() -> impl Strategy<Value = Vec<Step>> {
    let step = prop::sample::select(vec![Message, Disconnect, Change, Change, Wait, Close, Open, Connected]);
    let once = |taken: &[Step], step| matches!(step, Connected | Open | Close) && taken.contains(&step);
    prop::collection::vec(step, 0..14).prop_map(move |steps| {
        steps.into_iter().fold(Vec::new(), |mut taken, step| {
            if may_follow(&taken, step) && !once(&taken, step) {
                taken.push(step);
            }
            taken
        })
    })
}

proptest! {
    #[test]
    fn faults_leave_neither_deaf_connections_nor_ghosts(
        steps in life(),
        faults in prop::collection::vec(
            (prop::sample::select(&CALLS[..]), 1_usize..4, prop::bool::ANY),
            0..3,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut story = Story::new();
            for (method, nth, done) in faults {
                let when = if done { When::After } else { When::Before };
                story.world.calls.fail(method, nth, when, ErrorKind::Unavailable);
            }
            for step in &steps {
                story.take(*step).await;
            }
            story.check(&steps).await;
        });
    }
}
