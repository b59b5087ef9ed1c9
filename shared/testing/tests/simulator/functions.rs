//! The functions as they are deployed: handlers over the ports in memory, their time limits, queues and schedules as in
//! `template.yaml`. The one place that makes a handler.

pub mod tokens;
mod tus;
mod uppy;

use std::{fmt::Display, rc::Rc, time::Duration};

use serde_json::{Value, json};
use sluice_core::{
    Result, asset::Asset, effects::EVENT_GOES_FIRST, finish::Finisher, gate::Gate, intake::Intake,
    job::UploadJob, ports::ObjectBody, task::Task, upload::UploadPolicy,
};
use sluice_lambda::http::{self, Request, Response};
use sluice_media::{
    MediaError,
    derive::{Derivative, Derived},
    limits::Limits,
};
use sluice_testing::{
    CountingIds, FixedClock, MemoryGate, MemoryJobs, MemoryOriginals, MemoryQueue, MemoryTable, MemoryTasks,
    Probe, build,
    probe::Pause,
    simulator::{
        BucketEvents, Engine, Function, Queue, QueueRules, Schedule, Stream,
        stream::{Change, Written},
    },
};

use crate::{
    contents::{self, DIRECT_LIMIT, PART_SIZE},
    rules::Rules,
};

/// What clients call, and what a run drives on by hand.
pub struct Functions {
    /// `POST /prepare`
    pub presign: Function,
    /// `POST /complete`, `/uploads`
    pub complete: Function,
    /// `/assets`
    pub assets: Function,
    /// What S3 tells of, and what it doesn't.
    pub bucket_events: Rc<BucketEvents>,
    /// `POST /tickets`, and the authorizer of the WebSocket
    pub authorize: Function,
    /// The WebSocket's routes
    pub connect: Function,
    /// `/files`
    pub tus: Function,
    /// `/s3`, `/u/…`, `POST /uppy/endpoints`
    pub uppy: Function,
    /// `/api/v1`
    pub form: Function,
    /// The sweeper's schedule.
    pub schedule: Rc<Schedule>,
}

/// The rules of the queues.
const INGEST: QueueRules = QueueRules {
    delay: Duration::ZERO,
    visibility: Duration::from_secs(300),
    max_receives: Some(5),
    batch: 1,
};
const CONVERT: QueueRules = QueueRules {
    delay: Duration::ZERO,
    visibility: Duration::from_secs(60),
    max_receives: Some(5),
    batch: 1,
};
const DEAD_LETTERS: QueueRules =
    QueueRules { delay: Duration::ZERO, visibility: Duration::from_secs(360), max_receives: None, batch: 10 };
/// How long a copy waits before it looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Deploys the functions on an engine: everything that feeds them is added to it. The stream is left out where nobody
/// listens: the most of a run's time goes into its JSON.
pub fn deploy(engine: &Rc<Engine>, rules: &Rules, streamed: bool) -> Functions {
    let world = &engine.world;
    let queue = || Probe::new(MemoryQueue::default(), &world.calls);
    let (ingest, later, convert) = (queue(), queue(), queue());
    let letters = |name| Queue::new(name, DEAD_LETTERS);
    let (dead_ingests, dead_jobs) = (letters("dead ingests"), letters("dead jobs"));

    let process = process(engine, rules, &later, &convert);
    let sweep = sweep(engine, &ingest, &convert);
    let inputs = [(&*ingest, EVENT_GOES_FIRST), (&*later, LOOK_AGAIN)];
    let ingests = Queue::of_orders("the ingest queue", INGEST, &inputs, &dead_ingests);
    let jobs = Queue::of_orders("the convert queue", CONVERT, &[(&*convert, CONVERT.delay)], &dead_jobs);
    let schedule = Schedule::new(&sweep, Duration::from_mins(5));
    let bucket_events = BucketEvents::new(&world.originals, &ingests);
    engine.add_source(bucket_events.clone());
    engine.add_source(ingests.feed(&process));
    engine.add_source(jobs.feed(&convert_function(engine)));
    for dead in [dead_ingests, dead_jobs] {
        engine.add_source(dead.feed(&sweep));
    }
    if streamed {
        let notify = notify(engine);
        engine.add_source(Stream::new(assets_written(&world.table), &notify));
        engine.add_source(Stream::new(jobs_written(&world.jobs), &notify));
        engine.add_source(Stream::new(tasks_written(&world.tasks), &notify));
    }
    engine.add_source(schedule.clone());
    Functions {
        presign: presign(engine, rules),
        complete: complete(engine, &ingest),
        assets: assets(engine),
        bucket_events,
        authorize: authorize(engine),
        connect: connect(engine),
        tus: tus::deploy(engine, rules, &ingest),
        uppy: uppy::deploy(engine, rules, &ingest),
        form: form(engine, rules, &ingest),
        schedule,
    }
}

fn presign(engine: &Engine, rules: &Rules) -> Function {
    let world = &engine.world;
    let granter = Rc::new(sluice_presign::grant::Granter {
        intake: intake(engine),
        gate: Gate { policy: rules.policy(), function: None::<MemoryGate> },
        signer: world.uploads.clone(),
        links: world.links.clone(),
        policy: UploadPolicy {
            direct_limit: DIRECT_LIMIT,
            part_size: PART_SIZE,
            min_part_size: 1,
            batch: 2,
            grant_ttl: build::GRANT_TTL,
        },
    });
    let (jobs, keys) = (world.jobs.clone(), world.keys.clone());
    Function::new("presign", Duration::from_secs(29), move |event| {
        let (granter, jobs, keys) = (granter.clone(), jobs.clone(), keys.clone());
        serve(event, async move |request| {
            Box::pin(sluice_presign::handler::handle(&granter, &jobs, &keys, request)).await
        })
    })
}

fn complete(engine: &Engine, ingest: &Probe<MemoryQueue>) -> Function {
    let world = &engine.world;
    let finisher = Rc::new(finisher(engine, ingest));
    let (links, keys, ids) = (world.links.clone(), world.keys.clone(), world.ids.clone());
    Function::new("complete", Duration::from_secs(29), move |event| {
        let (finisher, links, keys, ids) = (finisher.clone(), links.clone(), keys.clone(), ids.clone());
        serve(event, async move |request| {
            sluice_complete::handler::handle(&finisher, &links, &keys, &ids, request).await
        })
    })
}

fn assets(engine: &Engine) -> Function {
    let world = &engine.world;
    let reader = Rc::new(sluice_assets::read::Reader {
        table: world.table.clone(),
        originals: world.originals.clone(),
        links: world.links.clone(),
        clock: world.clock.clone(),
    });
    Function::new("assets", Duration::from_secs(20), move |event| {
        let reader = reader.clone();
        serve(event, async move |request| sluice_assets::handler::handle(&reader, request).await)
    })
}

fn authorize(engine: &Engine) -> Function {
    let world = &engine.world;
    let ports = Rc::new(sluice_authorize::handler::Ports {
        bearer: tokens::bearer(),
        tickets: world.table.clone(),
        clock: world.clock.clone(),
        ids: world.ids.clone(),
        ticket_ttl: Duration::from_mins(1),
    });
    Function::new("authorize", Duration::from_secs(10), move |event| {
        let ports = ports.clone();
        invoke(event, async move |invocation| ports.handle(invocation).await)
    })
}

fn connect(engine: &Engine) -> Function {
    let world = &engine.world;
    let ports = Rc::new(sluice_connect::handler::Ports {
        table: world.table.clone(),
        links: world.links.clone(),
        notifier: world.notifier.clone(),
        clock: world.clock.clone(),
    });
    Function::new("connect", Duration::from_secs(29), move |event| {
        let ports = ports.clone();
        invoke(event, async move |event| ports.handle(event).await)
    })
}

fn form(engine: &Engine, rules: &Rules, ingest: &Probe<MemoryQueue>) -> Function {
    let world = &engine.world;
    let taker = Rc::new(sluice_form::take::Taker {
        intake: intake(engine),
        gate: Gate { policy: rules.policy(), function: None::<MemoryGate> },
        ingest: ingest.clone(),
        tasks: world.tasks.clone(),
    });
    let (links, keys) = (world.links.clone(), world.keys.clone());
    Function::new("form", Duration::from_secs(29), move |event| {
        let (taker, links, keys) = (taker.clone(), links.clone(), keys.clone());
        serve(event, async move |request| sluice_form::handler::handle(&taker, &links, &keys, request).await)
    })
}

/// What opens uploads.
fn intake(engine: &Engine) -> Intake<Probe<MemoryTable>, Probe<MemoryOriginals>, FixedClock, CountingIds> {
    let world = &engine.world;
    Intake {
        table: world.table.clone(),
        originals: world.originals.clone(),
        clock: world.clock.clone(),
        ids: world.ids.clone(),
    }
}

/// What finishes them.
fn finisher(
    engine: &Engine,
    ingest: &Probe<MemoryQueue>,
) -> Finisher<Probe<MemoryTable>, Probe<MemoryOriginals>, Probe<MemoryQueue>, FixedClock> {
    let world = &engine.world;
    Finisher {
        table: world.table.clone(),
        originals: world.originals.clone(),
        ingest: ingest.clone(),
        clock: world.clock.clone(),
    }
}

fn process(
    engine: &Engine,
    rules: &Rules,
    later: &Probe<MemoryQueue>,
    convert: &Probe<MemoryQueue>,
) -> Function {
    let world = &engine.world;
    let ingester = Rc::new(sluice_process::ingest::Ingester {
        table: world.table.clone(),
        originals: world.originals.clone(),
        convert: convert.clone(),
        later: later.clone(),
        clock: world.clock.clone(),
        limits: sluice_process::ingest::ReadLimits {
            hash_bytes: 1 << 20,
            image_bytes: 1 << 20,
            decode: Limits::for_memory(1 << 30),
        },
        gate: Gate { policy: rules.policy(), function: None::<MemoryGate> },
        required: false,
    });
    Function::new("process", Duration::from_secs(300), move |event| {
        let ingester = ingester.clone();
        invoke(event, async move |trigger| {
            Box::pin(sluice_process::handler::handle(&ingester, trigger)).await
        })
    })
}

fn convert_function(engine: &Engine) -> Function {
    let world = &engine.world;
    let worker = Rc::new(sluice_convert::work::Worker {
        table: world.table.clone(),
        originals: world.originals.clone(),
        derived: world.derived.clone(),
        clock: world.clock.clone(),
        maker: Copyist,
        lease: Duration::from_secs(90),
    });
    Function::new("convert", Duration::from_secs(60), move |event| {
        let worker = worker.clone();
        invoke(event, async move |event| Ok(sluice_convert::handler::handle(&worker, event).await))
    })
}

fn sweep(engine: &Engine, ingest: &Probe<MemoryQueue>, convert: &Probe<MemoryQueue>) -> Function {
    let world = &engine.world;
    let sweeper = Rc::new(sluice_sweep::sweeper::Sweeper {
        table: world.table.clone(),
        originals: world.originals.clone(),
        ingest: ingest.clone(),
        convert: convert.clone(),
        clock: world.clock.clone(),
    });
    Function::new("sweep", Duration::from_secs(60), move |event| {
        let sweeper = sweeper.clone();
        invoke(event, async move |trigger| Box::pin(sluice_sweep::handler::handle(&sweeper, trigger)).await)
    })
}

fn notify(engine: &Engine) -> Function {
    let world = &engine.world;
    let ports = Rc::new(sluice_notify::handler::Ports {
        connections: world.table.clone(),
        assets: world.table.clone(),
        tasks: world.tasks.clone(),
        jobs: world.jobs.clone(),
        links: world.links.clone(),
        notifier: world.notifier.clone(),
        poison: NoPoison,
        clock: world.clock.clone(),
    });
    Function::new("notify", Duration::from_secs(30), move |event| {
        let ports = ports.clone();
        invoke(event, async move |batch| Ok(ports.handle(batch).await))
    })
}

/// Runs a handler on an event of API Gateway.
async fn serve(event: Value, handler: impl AsyncFn(Request) -> Result<Response>) -> Result<Value, String> {
    let request: Request = serde_json::from_value(event).map_err(text)?;
    serde_json::to_value(http::answer(handler, request).await).map_err(text)
}

/// Runs a handler on an event.
async fn invoke<E, A>(event: Value, handler: impl AsyncFn(E) -> Result<A>) -> Result<Value, String>
where
    E: serde::de::DeserializeOwned,
    A: serde::Serialize,
{
    let event: E = serde_json::from_value(event).map_err(text)?;
    let answer = handler(event).await.map_err(|error| error.code().to_owned())?;
    serde_json::to_value(answer).map_err(text)
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// What the stream shows of the assets in a table.
fn assets_written(table: &MemoryTable) -> Written {
    let table = table.clone();
    Box::new(move |known| table.written_since(known).into_iter().map(change).collect())
}

fn change(asset: Asset) -> Change {
    change_of(format!("A#{}", asset.id()), "A".to_owned(), asset)
}

/// A new state of what lies in the table under this key.
fn change_of(pk: String, sk: String, thing: impl serde::Serialize + 'static) -> Change {
    let key = format!("{pk} {sk}");
    let image = move || {
        let item: serde_dynamo::Item = serde_dynamo::to_item(&thing).unwrap();
        let mut image = serde_json::to_value(item).unwrap();
        image["pk"] = json!({ "S": pk });
        image["sk"] = json!({ "S": sk });
        image
    };
    Change { key, image: Rc::new(image) }
}

/// What the stream shows of upload jobs.
fn jobs_written(jobs: &MemoryJobs) -> Written {
    let jobs = jobs.clone();
    Box::new(move |known| jobs.written_since(known).into_iter().map(job_change).collect())
}

fn job_change(job: UploadJob) -> Change {
    change_of(format!("O#{}", job.owner()), format!("J#{}", job.request_id()), job)
}

/// What the stream shows of tasks.
fn tasks_written(tasks: &MemoryTasks) -> Written {
    let tasks = tasks.clone();
    let change = |task: Task| change_of(format!("K#{}", task.id), "K".to_owned(), task);
    Box::new(move |known| tasks.written_since(known).into_iter().map(change).collect())
}

/// Makes derivatives that name the bytes they were made from.
struct Copyist;

impl sluice_convert::engine::Maker for Copyist {
    async fn make(&self, _: u64, mut body: impl ObjectBody) -> Result<Result<Derived, MediaError>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await? {
            Pause::default().await;
            bytes.extend_from_slice(&chunk);
        }
        if contents::is_broken(&bytes) {
            return Ok(Err(MediaError::Unsupported { found: "a broken picture".to_owned() }));
        }
        let mut derivatives = Vec::new();
        for name in OUTPUTS {
            Pause::default().await;
            derivatives.push(Derivative {
                name: name.to_owned(),
                content_type: "image/webp",
                extension: "webp",
                width: 1,
                height: 1,
                bytes: derived_from(name, &bytes),
            });
        }
        Ok(Ok(Derived { derivatives, warnings: Vec::new(), placeholder: None }))
    }

    fn outputs(&self) -> impl Iterator<Item = (&str, &str)> {
        OUTPUTS.into_iter().map(|name| (name, "webp"))
    }
}

/// What [`Copyist`] makes.
const OUTPUTS: [&str; 2] = ["thumb", "preview"];

/// The bytes of a derivative.
pub fn derived_from(name: &str, original: &[u8]) -> Vec<u8> {
    format!("{name} of {}", build::digest(original)).into_bytes()
}

/// Nothing here is poison.
struct NoPoison;

impl sluice_notify::poison::PoisonQueue for NoPoison {
    async fn put(&self, text: String) -> Result<()> {
        panic!("set aside: {text}")
    }
}
