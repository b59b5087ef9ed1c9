//! One seed from its start to its verdict.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

use serde_json::json;
use sluice_core::{asset::Asset, usage::Quota};
use sluice_testing::{
    World, build,
    simulator::{Chance, Engine, Fault, Faults, Role, Story, Tally},
};

use crate::{
    clients::{Client, Gone, Scene, jobs::note_called_off},
    functions,
    ledger::{Ledger, Violation, short},
    rest::{self, Snapshot},
    rules::{Rules, STORE},
    scenes, staged, strangers, told,
    watch::{Watch, broken},
};

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The seed: what the clients want.
    pub seed: u64,
    /// The seed of orders and faults; the same, unless a plan was shrunk.
    pub order: u64,
    /// The scenes that are played.
    pub scenes: Vec<usize>,
    /// The faults that don't strike.
    pub off: BTreeSet<Fault>,
    /// The port call over which its caller dies; 0 for none.
    pub crash_at: u64,
    /// The write of an asset whose answer is lost; 0 for none.
    pub lost_at: usize,
}

impl Plan {
    /// All of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let (scenes, off) = (scenes::of_seed(seed), BTreeSet::new());
        Self { seed, order: seed, scenes, off, crash_at: 0, lost_at: 0 }
    }

    /// The scenes of a seed in which nothing goes wrong but that one caller dies.
    pub fn of_crash(seed: u64, call: u64) -> Self {
        Self { off: Fault::ALL.into_iter().collect(), crash_at: call, ..Self::of_seed(seed) }
    }

    /// The scenes of a seed in which nothing goes wrong but that the answer to one write is lost.
    pub fn of_loss(seed: u64, write: usize) -> Self {
        Self { lost_at: write, ..Self::of_crash(seed, 0) }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Verdict {
    /// What was broken.
    pub violations: Vec<Violation>,
    /// How many port calls were made.
    pub calls: usize,
    /// Who died over the port call that was chosen for it.
    pub crashed: Option<&'static str>,
    /// Whether the answer was lost that was chosen for it.
    pub lost: bool,
    /// What happened, if it was kept.
    pub story: Vec<String>,
}

/// More steps than any run needs that gets anywhere.
const MOST_STEPS: u64 = 100_000;
/// More rounds of the sweeper than all assets of a run need to come to their ends: one that waits for a week is looked at each
/// day of it, and there may be a dozen of them.
const MOST_ROUNDS: usize = 240;

/// Strangers come in one of so many seeds.
const STRANGERS: u64 = 8;

/// Runs a plan. A panic is a violation like any other.
pub fn run(plan: &Plan, story: &Story, tally: &Tally) -> Verdict {
    let world = World::new();
    let ledger = catch_unwind(AssertUnwindSafe(|| play(plan, &world, story, tally)));
    let (violations, crashed, lost) = ledger.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let seen = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let seen = seen.unwrap_or_default();
        (vec![Violation { invariant: 0, kind: "a panic".to_owned(), seen }], None, false)
    });
    Verdict { violations, crashed, lost, calls: world.calls.counts().values().sum(), story: story.lines() }
}

/// What was broken, who died over the chosen port call, and whether the chosen answer was lost.
type Played = (Vec<Violation>, Option<&'static str>, bool);

fn play(plan: &Plan, world: &World, story: &Story, tally: &Tally) -> Played {
    world.originals.set_min_part_size(1);
    let chance = Chance::of_seed(plan.order);
    let faults = Faults::new(&chance, tally, story, &plan.off).with_crash_at(plan.crash_at);
    world.table.lose_answer(plan.lost_at);
    let engine = Engine::new(world.clone(), chance, faults, story.clone(), tally.clone());
    world.partials.set_min_part_size(1);
    let rules = Rules::of_seed(plan.seed);
    let scene = Rc::new(Scene {
        functions: functions::deploy(&engine, &rules, plan.scenes.contains(&scenes::LISTENERS)),
        engine,
        rules,
        ledger: RefCell::new(Ledger::default()),
        told: RefCell::default(),
        doors: RefCell::default(),
    });
    let mut run = Run { scene, watch: Watch::default() };
    run.storm(plan);
    if run.rest() {
        note_called_off(&run.scene);
        rest::check(&run.scene, &run.watch);
        staged::check(&run.scene);
        if plan.crash_at == 0 {
            run.let_strangers_try();
        } else {
            rest::check_pace(&run.scene, &run.watch);
        }
        let before = Snapshot::take(&run.scene);
        run.scene.engine.story.tell(|| "=== everything is delivered again");
        run.scene.engine.deliver_again();
        if run.rest() {
            before.check(&run.scene);
            run.probe_conditions();
        }
    }
    let violations = run.scene.ledger.borrow().violations().to_vec();
    run.scene.engine.end();
    (violations, run.scene.engine.crashed(), world.table.written_since_loss().is_some())
}

struct Run {
    scene: Rc<Scene>,
    watch: Watch,
}

impl Run {
    fn step(&mut self) -> bool {
        let goes_on = self.scene.engine.step();
        self.watch.look(&self.scene);
        told::look(&self.scene);
        goes_on
    }

    /// Clients come, and everything goes wrong that can, until they are gone and for a while after.
    fn storm(&mut self, plan: &Plan) {
        let engine = self.scene.engine.clone();
        let mut waiting = plan.scenes.clone();
        waiting.reverse();
        loop {
            if !waiting.is_empty() && (engine.clients() == 0 || engine.chance.one_in(120)) {
                let number = waiting.pop().unwrap();
                scenes::start(&self.scene, plan.seed, number);
            }
            let ended = waiting.is_empty() && engine.clients() == 0;
            if (ended && engine.chance.one_in(150)) || engine.steps() > MOST_STEPS {
                break;
            }
            if !self.step() && ended {
                break;
            }
        }
    }

    /// Faults pass, and time is driven on until nothing happens any more. False if that never comes.
    fn rest(&mut self) -> bool {
        let engine = self.scene.engine.clone();
        engine.story.tell(|| "=== faults have passed");
        engine.faults.pass();
        engine.time.set_behind(Duration::ZERO);
        engine.world.table.set_index_lag(0);
        let (steps, since) = (engine.steps(), engine.time.now());
        for round in 0..MOST_ROUNDS {
            while self.step() {
                if engine.steps() - steps > MOST_STEPS {
                    broken(&self.scene, 1, "never comes to rest", "steps without end".to_owned());
                    return false;
                }
            }
            told::check(&self.scene);
            if round == 0 {
                rest::check_uploads(&self.scene);
            }
            let assets = engine.world.table.assets();
            let Some(deadline) = assets.iter().filter_map(Asset::deadline).min() else { return true };
            // what is past and wasn't ended is looked after again in the next round
            engine.time.advance(Duration::from_secs(300));
            engine.time.advance_to(deadline);
            rest::check_ghosts(&self.scene, since);
            self.scene.functions.schedule.invoke(&engine);
        }
        broken(&self.scene, 1, "never comes to rest", "deadlines that nobody ends".to_owned());
        false
    }

    /// Invariant 15: in some seeds, somebody else tries the ids of one asset and of all places.
    fn let_strangers_try(&mut self) {
        let engine = self.scene.engine.clone();
        let assets = engine.world.table.assets();
        if assets.is_empty() || !engine.chance.one_in(STRANGERS) {
            return;
        }
        engine.story.tell(|| "=== strangers");
        let asset = engine.chance.pick(&assets).clone();
        engine.spawn("a stranger", Role::Client, strangers::try_all(self.scene.clone(), asset));
        while engine.clients() > 0 && self.step() {}
    }

    /// Invariant 7: the condition that the next update will sign holds at S3. Each asset's next version is granted and PUT.
    fn probe_conditions(&mut self) {
        let engine = self.scene.engine.clone();
        engine.story.tell(|| "=== the next version of everything");
        for asset in rest::updatable(&self.scene) {
            let record = engine.world.table.asset(asset);
            let client = Client {
                scene: self.scene.clone(),
                name: "the probe".to_owned(),
                owner: record.owner().clone(),
                roots: STORE,
                chance: engine.chance.clone(),
            };
            engine.spawn("the probe", Role::Client, async move {
                let _ = probe(&client, &record).await;
            });
            while engine.clients() > 0 && self.step() {}
        }
    }
}

async fn probe(client: &Client, record: &Asset) -> Result<(), Gone> {
    let bytes = bytes::Bytes::from_static(b"the next version");
    let body = json!({
        "filename": "next.txt", "file_size": bytes.len(), "content_type": "text/plain", "asset_id": record.id(),
        "sha256": build::digest(&bytes),
    });
    let reply = client.ask(&client.scene.functions.presign, "POST", "/prepare", Some(&body)).await?;
    let copy = if record.duplicate_of().is_some() { " of a copy" } else { "" };
    let stage = format!("{:?}", record.stage());
    let is_full = client.scene.rules.quota != Quota::UNLIMITED
        && matches!(reply.code(), Quota::EXCEEDED | Quota::TOO_MANY);
    if is_full {
        return Ok(());
    }
    if reply.status != 201 {
        let kind = format!("the next version{copy} isn't granted: {}", reply.code());
        broken(&client.scene, 7, &kind, format!("{} is {stage}", short(record.id())));
        return Ok(());
    }
    let headers = reply.body["headers"].as_object().into_iter().flatten();
    let headers: Vec<_> =
        headers.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    let (answer, _) = client.put(reply.body["url"].as_str().unwrap_or_default(), &headers, &bytes).await;
    if answer.status != 200 {
        let kind = format!("S3 refuses the next version{copy}: {}", answer.status);
        broken(&client.scene, 7, &kind, format!("{} is {stage}", crate::watch::line(record)));
    }
    Ok(())
}
