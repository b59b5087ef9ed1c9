//! What every door does with a file that a client wants to send, where the request comes again.
#![expect(clippy::unwrap_used, reason = "in tests a panic is how a fault is told")]

use std::time::Duration;

use sluice_core::{
    Result,
    asset::{Asset, Event, JobName, Overdue},
    gate::{Gate, GatePolicy, Principal, Roots, Wish},
    idempotency::Made,
    ids::AssetId,
    intake::{Intake, Known, Opened, Opening, Wanted},
};
use sluice_testing::{
    CountingIds, FixedClock, MemoryGate, MemoryOriginals, MemoryTable, Probe, World, build,
};

type Memory = Intake<Probe<MemoryTable>, Probe<MemoryOriginals>, FixedClock, CountingIds>;

fn intake(world: &World) -> Memory {
    Intake {
        table: world.table.clone(),
        originals: world.originals.clone(),
        clock: world.clock.clone(),
        ids: world.ids.clone(),
    }
}

/// A request of alice's to send a file, which comes as one of `grant`'s name each time.
async fn take(
    world: &World,
    grant: &str,
    updated: Option<AssetId>,
    is_repeat: bool,
    opening: Opening,
) -> Result<Opened> {
    let gate: Gate<MemoryGate> = Gate { policy: GatePolicy::default(), function: None };
    let principal = Principal { owner: build::owner("alice"), roots: Roots::default() };
    let made = Made { asset_id: CountingIds::nth(900), grant: grant.to_owned(), is_repeat };
    let wish =
        Wish { filename: Some("a.txt".to_owned()), size: Some(5), made: Some(made), ..Wish::default() };
    let wanted = Wanted { wish, asset_id: updated };
    intake(world).take(&gate, &principal, wanted, Known::SentAgain, |_| Ok(opening)).await
}

/// What is told: the grant's name, or that nothing is to be sent, or why not.
fn told(opened: Result<Opened>) -> String {
    match opened {
        Ok(Opened::Granted(asset)) => asset.open_grant().unwrap().id.clone(),
        Ok(Opened::Existing(asset)) => {
            format!("existing, else {}", Opened::Existing(asset).granted().unwrap_err().code())
        }
        Err(error) => error.code().to_owned(),
    }
}

const OPENINGS: [Opening; 3] = [
    Opening::Direct(Duration::from_mins(15)),
    Opening::Form(Duration::from_mins(15)),
    Opening::OpenMultipart,
];

/// The granted bytes, there.
fn arrive(world: &World, asset: &Asset) {
    let head = world.upload(asset, vec![0; 5]);
    world.apply(asset.id(), &Event::UploadArrived(Box::new(build::stored(asset, &head))));
}

/// The version whose bytes are there, read and done.
fn finish(world: &World, id: AssetId) {
    let version = world.table.asset(id).granted();
    world.apply(id, &Event::Ingested(Box::new(build::ingest(version, build::digest(b"x")))));
    let job = JobName::Image;
    world.apply(
        id,
        &Event::JobSucceeded { job, version, derivatives: vec![], warnings: vec![], placeholder: None },
    );
}

#[tokio::test]
async fn a_request_that_comes_again_is_given_its_own_new_asset_or_told_how_that_ended() {
    type Then = fn(&World, &Asset);
    let cases: [(&str, Then); 4] = [
        ("mine", |_, _| ()),
        ("existing, else already_uploaded", arrive),
        ("existing, else upload_cancelled", |world, asset| {
            world.apply(asset.id(), &Event::UploadCancelled);
        }),
        ("existing, else upload_expired", |world, asset| {
            world.clock.advance(Duration::from_hours(24 * 8));
            world.apply(asset.id(), &Event::DeadlinePassed(Overdue::default()));
        }),
    ];
    for opening in OPENINGS {
        for (expected, then) in cases {
            let world = World::new();
            let first = take(&world, "mine", None, false, opening).await.unwrap().granted().unwrap();
            then(&world, &first);
            for is_repeat in [false, true] {
                let again = take(&world, "mine", None, is_repeat, opening).await;
                assert_eq!(told(again), expected, "{opening:?}");
            }
            assert_eq!(world.table.assets().len(), 1);
        }
    }
}

#[tokio::test]
async fn an_update_that_comes_again_is_never_given_the_grant_of_another() {
    type Then = fn(&World, AssetId);
    let cancelled: Then = |world, id| drop(world.apply(id, &Event::UploadCancelled));
    let arrived: Then = |world, id| {
        let asset = world.table.asset(id);
        arrive(world, &asset);
        finish(world, id);
    };
    let nothing: Then = |_, _| ();
    // what became of it; whether another update was opened then; what is told
    let cases = [
        (nothing, false, "mine"),
        (nothing, true, "version_superseded"),
        (cancelled, false, "existing, else upload_cancelled"),
        (cancelled, true, "version_superseded"),
        (arrived, false, "existing, else already_uploaded"),
        (arrived, true, "version_superseded"),
    ];
    for opening in OPENINGS {
        for (nth, (then, is_replaced, expected)) in cases.into_iter().enumerate() {
            let world = World::new();
            let asset = world.uploaded("alice", vec![0; 5]);
            finish(&world, asset.id());
            let id = Some(asset.id());
            take(&world, "mine", id, false, opening).await.unwrap().granted().unwrap();
            then(&world, asset.id());
            if is_replaced {
                take(&world, "another's", id, false, opening).await.unwrap().granted().unwrap();
            }
            assert_eq!(told(take(&world, "mine", id, true, opening).await), expected, "{opening:?}, {nth}");
        }
    }
}

#[tokio::test]
async fn another_owners_asset_is_none() {
    let world = World::new();
    let bobs = world.uploaded("bob", vec![0; 5]);
    finish(&world, bobs.id());
    for opening in OPENINGS {
        let refused = take(&world, "mine", Some(bobs.id()), false, opening).await;
        assert_eq!(told(refused), "asset_not_found");
        assert_eq!(
            told(take(&world, "mine", Some(CountingIds::nth(99)), false, opening).await),
            "asset_not_found"
        );
    }
    assert!(world.table.asset(bobs.id()).update().is_none());
}
