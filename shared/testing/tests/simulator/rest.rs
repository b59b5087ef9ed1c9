//! The invariants that are checked when faults have passed and nothing happens any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::FutureExt;

use sluice_core::{
    asset::{Asset, Failure, Stage},
    ids::AssetId,
    ports::AssetRepository,
    time::Timestamp,
    usage::Usage,
};

use crate::{
    clients::Scene,
    ledger::{Granted, How, short},
    watch::{Steps, Watch, broken, bytes_of, check_done, check_shown, line, version},
};

/// How long a copy waits for the one that keeps its bytes: what the product states.
const PATIENCE: Duration = Duration::from_secs(30);
/// How far two clocks may be apart.
const SKEW: Duration = Duration::from_secs(5);
/// Within what time an upload that nobody began leaves the quota: its first look and the sweeper's rounds.
const GHOST: Duration = Duration::from_mins(40);
/// How long a conversion takes of which one worker died: the visibility timeout of its message, and a moment.
const CONVERTED_AGAIN: Duration = Duration::from_secs(60 + 30);
/// The same where the reader died before it had ordered the conversion.
const READ_AGAIN: Duration = Duration::from_secs(300 + 60);
/// How far the clock may be off, and a worker under way.
const LEEWAY: Duration = Duration::from_secs(60);

/// Checks everything.
pub fn check(scene: &Scene, watch: &Watch) {
    let assets = scene.engine.world.table.assets();
    for asset in &assets {
        check_ended(scene, watch, asset);
        check_shown(scene, watch, asset);
        if asset.stage() == Stage::Done {
            check_done(scene, asset);
        }
    }
    check_acknowledged(scene, watch, &assets);
    check_strays(scene, watch, &assets);
    check_copies(scene, watch, &assets);
    check_usage(scene, &assets);
    check_tokens(scene, &assets);
}

/// Invariant 9: what is kept of an owner's usage is the exact sum of the assets.
fn check_usage(scene: &Scene, assets: &[Asset]) {
    let owners: BTreeSet<_> = assets.iter().map(Asset::owner).collect();
    for owner in owners {
        let sum = assets.iter().filter(|asset| asset.owner() == owner).map(Asset::usage).fold(
            Usage::default(),
            |sum, usage| Usage {
                open_uploads: sum.open_uploads + usage.open_uploads,
                stored_bytes: sum.stored_bytes + usage.stored_bytes,
            },
        );
        let kept = (*scene.engine.world.table).usage(owner).now_or_never().unwrap().unwrap();
        if kept != sum {
            broken(scene, 9, "usage isn't the sum of the assets", format!("{owner}: {kept:?}, not {sum:?}"));
        }
    }
}

/// Invariant 12: one upload job's token, one asset.
fn check_tokens(scene: &Scene, assets: &[Asset]) {
    let mut seen = BTreeSet::new();
    for asset in assets {
        let Some(job) = asset.upload_job() else { continue };
        if !seen.insert((asset.owner(), job)) {
            broken(scene, 12, "one token, two assets", line(asset));
        }
    }
}

/// Invariant 1: every asset becomes terminal by being driven again if its bytes are there; never failed for a fault that
/// passed, nor for a preview that can't be made.
fn check_ended(scene: &Scene, watch: &Watch, asset: &Asset) {
    if !asset.stage().is_terminal() {
        return broken(scene, 1, "not at its end", line(asset));
    }
    if asset.is_cancelled() && !scene.ledger.borrow().cancelled.contains(&asset.id()) {
        broken(scene, 1, "cancelled by nobody", line(asset));
    }
    let Some(code) = asset.failure_code().filter(|_| asset.stage() == Stage::Failed) else { return };
    let shown =
        Granted { asset: asset.id(), version: version(asset), filename: asset.filename().to_string() };
    let ledger = scene.ledger.borrow();
    let meant = ledger.meant(&shown.filename);
    let deserved = match code {
        Failure::EXPIRED => !ledger.stored.contains(&shown) || watch.is_superseded(&shown),
        "checksum_mismatch" => meant.is_some_and(|meant| meant.lies),
        // whether it was to be refused was looked at when it was
        _ if watch.refused.contains(&(shown.asset, shown.version)) => true,
        // a picture that can't be converted is shown by its original, for no derivative is required here
        _ => false,
    };
    drop(ledger);
    if !deserved {
        broken(scene, 1, &format!("failed for a fault that passed: {code}"), line(asset));
    }
}

/// Invariant 4: an acknowledged version is the one shown, or a later one, or its owner cancelled it.
fn check_acknowledged(scene: &Scene, watch: &Watch, assets: &[Asset]) {
    let acknowledged = scene.ledger.borrow().acknowledged.clone();
    for (granted, how) in acknowledged {
        let Some(asset) = assets.iter().find(|asset| asset.id() == granted.asset) else {
            broken(scene, 4, "an acknowledged asset is gone", short(granted.asset));
            continue;
        };
        let meant = scene.ledger.borrow().meant(&granted.filename).cloned();
        let Some(meant) = meant.filter(|meant| !meant.lies) else { continue };
        // S3 answers for the bytes; whether they count is said by the grant, and a later one takes its place
        let replaced = how == How::Put && watch.is_superseded(&granted);
        let cancelled = scene.ledger.borrow().cancelled.contains(&granted.asset);
        let refused = watch.refused.contains(&(granted.asset, granted.version));
        if replaced || cancelled || refused || version(asset) > granted.version {
            continue;
        }
        let kept = bytes_of(&scene.engine.world, asset).is_some_and(|bytes| bytes == meant.content.bytes);
        if version(asset) < granted.version {
            let kind = format!("acknowledged by {how:?}, then an older version");
            broken(scene, 4, &kind, format!("v{} {}: {}", granted.version, granted.filename, line(asset)));
        } else if !kept {
            let kind = format!("acknowledged by {how:?}, then other bytes or none");
            broken(scene, 4, &kind, format!("v{} {}: {}", granted.version, granted.filename, line(asset)));
        }
    }
}

/// Invariant 8: no S3 version, multipart upload or derivative that no record names. A version that was shown may
/// stay behind the one that took its place; uploads that no record ever named are the bucket's lifecycle's.
fn check_strays(scene: &Scene, watch: &Watch, assets: &[Asset]) {
    let world = &scene.engine.world;
    for created in world.originals.created_since(0) {
        let place = (created.key.clone(), created.version_id.clone());
        let named = assets
            .iter()
            .filter_map(Asset::object)
            .any(|object| object.key.as_str() == created.key && object.version_id == created.version_id);
        let there = world.originals.read(&created.key, created.version_id.as_ref());
        // one that S3 never told of is found when its key is looked at, where no other lies over it
        let newest = created.key.parse().ok().and_then(|key| world.originals.versions(&key).pop());
        let covered = newest.is_some_and(|newest| newest.version_id != created.version_id);
        let unseen =
            covered && scene.functions.bucket_events.is_lost(&created.key, created.version_id.as_ref());
        let stray = !named && !unseen && !watch.objects.contains(&place);
        if there.as_ref().is_some_and(|there| !unseen && !scene.rules.takes(&there.bytes)) {
            broken(scene, 10, "what the gate doesn't take is kept", format!("{place:?}"));
        }
        if let Some(there) = there.filter(|_| stray) {
            let holds = String::from_utf8_lossy(&there.bytes).trim().to_owned();
            broken(scene, 8, "an S3 version that no record names", format!("{place:?} holds {holds:?}"));
        }
    }
    for upload in world.originals.open_uploads() {
        let named = assets.iter().filter_map(Asset::grant).any(|grant| grant.upload_id() == Some(&upload));
        if !named && watch.uploads.contains(&upload) {
            broken(scene, 8, "a multipart upload that no record names any more", upload.to_string());
        }
    }
    for key in world.derived.keys() {
        let named = assets.iter().flat_map(Asset::derivatives).any(|made| made.key == key);
        if !named && !watch.derivatives.contains(&key) {
            broken(scene, 8, "a derivative that no record names", key.to_string());
        }
    }
}

/// Invariant 9, in part: an upload that nobody began leaves its owner's quota within minutes. `since` is when faults passed.
pub fn check_ghosts(scene: &Scene, since: Timestamp) {
    let world = &scene.engine.world;
    let now = scene.engine.time.now();
    for asset in world.table.assets() {
        let Some(grant) = asset.open_grant().filter(|grant| !grant.idle) else { continue };
        let progress = asset.update().map_or(asset.progress(), |update| update.progress);
        let begun = progress > 0 || grant.upload_id().is_some_and(|id| world.originals.has_parts(id));
        if !begun && grant.granted_at.max(since).plus(GHOST) < now {
            broken(scene, 9, "an upload that nobody began counts for the quota", line(&asset));
        }
    }
}

/// Invariant 8 the other way round: no record grants a multipart upload that S3 doesn't know, unless it was stitched.
pub fn check_uploads(scene: &Scene) {
    let originals = &scene.engine.world.originals;
    let open = originals.open_uploads();
    for asset in scene.engine.world.table.assets() {
        let Some(grant) = asset.open_grant() else { continue };
        let Some(upload_id) = grant.upload_id() else { continue };
        if !open.contains(upload_id) && !originals.is_stitched(upload_id) {
            broken(scene, 8, "a record grants an upload that was aborted", line(&asset));
        }
    }
}

/// Where nothing went wrong but that one function died: what it had begun is taken up again when its message comes back,
/// not only when a lease or a deadline ends.
pub fn check_pace(scene: &Scene, watch: &Watch) {
    let within = if scene.engine.crashed() == Some("convert") { CONVERTED_AGAIN } else { READ_AGAIN };
    for ((asset, version), steps) in &watch.steps {
        if let (Some(ingested), Some(done)) = (steps.ingested, steps.done)
            && ingested.plus(within) < done
        {
            let seen = format!("{} v{version}: read {ingested}, done {done}", short(*asset));
            broken(scene, 1, "a killed worker's job waits longer than its message", seen);
        }
    }
}

/// Invariant 11: same owner and same bytes, one copy, unless the stated patience ran out.
fn check_copies(scene: &Scene, watch: &Watch, assets: &[Asset]) {
    let mut kept: BTreeMap<(String, String), Vec<&Asset>> = BTreeMap::new();
    for asset in assets {
        let own = asset.duplicate_of().is_none() && asset.stage() == Stage::Done;
        if let Some(sha256) = asset.sha256().filter(|_| own) {
            kept.entry((asset.owner().to_string(), sha256.to_string())).or_default().push(asset);
        }
    }
    let steps = |asset: &Asset| watch.steps.get(&(asset.id(), version(asset))).copied().unwrap_or_default();
    for mut copies in kept.into_values().filter(|copies| copies.len() > 1) {
        copies.sort_by_key(|asset| steps(asset).ingested);
        let (first, later) = (copies[0], &copies[1..]);
        for copy in later {
            let (first_done, its) = (steps(first).done, steps(copy));
            let (Some(arrived), Some(ingested), Some(first_done)) = (its.arrived, its.ingested, first_done)
            else {
                continue;
            };
            let seen = || format!("{}, and {}", line(first), line(copy));
            let waited = |steps: Steps| {
                steps
                    .arrived
                    .zip(steps.ingested)
                    .is_some_and(|(at, read)| at.plus(PATIENCE) <= read.plus(SKEW))
            };
            if waited(steps(first)) {
                // it gave up waiting for another, and isn't the one that keeps the content for copies
                continue;
            }
            if first_done.plus(LEEWAY) < ingested {
                broken(scene, 11, "two copies, though the first was done", seen());
            } else if ingested.plus(SKEW) < arrived.plus(PATIENCE) {
                broken(scene, 11, "two copies before patience ran out", seen());
            }
        }
    }
}

/// What must not change when everything is delivered again.
#[derive(Debug, PartialEq)]
pub struct Snapshot {
    assets: Vec<Asset>,
    objects: Vec<(String, String)>,
    derived: Vec<String>,
    uploads: Vec<String>,
}

impl Snapshot {
    /// As it is now.
    pub fn take(scene: &Scene) -> Self {
        let world = &scene.engine.world;
        let objects = world.originals.created_since(0).into_iter().filter_map(|created| {
            world.originals.read(&created.key, created.version_id.as_ref())?;
            Some((created.key, created.version_id.map(|id| id.to_string()).unwrap_or_default()))
        });
        Self {
            assets: world.table.assets(),
            objects: objects.collect(),
            derived: world.derived.keys().iter().map(ToString::to_string).collect(),
            uploads: world.originals.open_uploads().iter().map(ToString::to_string).collect(),
        }
    }

    /// Invariant 16: everything delivered again after rest changes nothing.
    pub fn check(&self, scene: &Scene) {
        let now = Self::take(scene);
        for (before, after) in self.assets.iter().zip(&now.assets).filter(|(before, after)| before != after) {
            let kind = format!("a record changes from {:?} to {:?}", before.stage(), after.stage());
            broken(scene, 16, &kind, format!("{}, then {}", line(before), line(after)));
        }
        for (what, same) in [
            ("S3 versions", self.objects == now.objects),
            ("derivatives", self.derived == now.derived),
            ("multipart uploads", self.uploads == now.uploads),
        ] {
            if !same {
                broken(scene, 16, &format!("{what} change"), difference(self, &now));
            }
        }
    }
}

/// What is only in one of two.
fn difference(before: &Snapshot, after: &Snapshot) -> String {
    let all = |snapshot: &Snapshot| -> Vec<String> {
        let objects = snapshot.objects.iter().map(|(key, version)| format!("{version} of {key}"));
        objects.chain(snapshot.derived.clone()).chain(snapshot.uploads.clone()).collect()
    };
    let (before, after) = (all(before), all(after));
    let gone = before.iter().filter(|thing| !after.contains(thing)).map(|thing| format!("- {thing}"));
    let new = after.iter().filter(|thing| !before.contains(thing)).map(|thing| format!("+ {thing}"));
    gone.chain(new).collect::<Vec<_>>().join(", ")
}

/// The assets whose next version can be sent: those that hold something.
pub fn updatable(scene: &Scene) -> Vec<AssetId> {
    let holds = |asset: &&Asset| asset.stage().is_terminal() && asset.object().is_some();
    scene.engine.world.table.assets().iter().filter(holds).map(Asset::id).collect()
}
