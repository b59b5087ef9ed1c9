//! The invariants that are checked as states are written: each state that is ever written is looked at, together with what
//! lies in the buckets at that moment.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sluice_core::{
    asset::{Asset, Grant, Stage},
    ids::{AssetId, ObjectVersionId, OwnerId, UploadId},
    names::DerivedKey,
    ports::Clock,
    time::Timestamp,
    usage::{Quota, Usage},
};
use sluice_testing::{World, build, simulator::Happening};

use crate::{
    clients::Scene,
    contents::type_of,
    functions::derived_from,
    ledger::{Granted, Violation, short},
};

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Watch {
    known: usize,
    /// Every grant that a record held, in order.
    pub grants: Vec<Seen>,
    /// The state in which each asset was last done.
    done: BTreeMap<AssetId, Asset>,
    /// S3 versions that a state named which was at its end.
    pub objects: BTreeSet<(String, Option<ObjectVersionId>)>,
    /// Derivatives that a state named which was done.
    pub derivatives: BTreeSet<DerivedKey>,
    /// Multipart uploads that a record named.
    pub uploads: BTreeSet<UploadId>,
    /// When each version went its steps.
    pub steps: BTreeMap<(AssetId, u64), Steps>,
    /// Versions that came and were not let in.
    pub refused: BTreeSet<(AssetId, u64)>,
    /// What each asset counts for.
    counted: BTreeMap<AssetId, Usage>,
    /// What each owner has.
    used: BTreeMap<OwnerId, Usage>,
}

/// A grant that a record held.
#[derive(Debug)]
pub struct Seen {
    /// As its client knows it.
    pub granted: Granted,
    grant: Grant,
}

/// When a version went its steps, by the functions' clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Steps {
    /// Its bytes were recorded.
    pub arrived: Option<Timestamp>,
    /// Its content was recorded.
    pub ingested: Option<Timestamp>,
    /// It was done.
    pub done: Option<Timestamp>,
}

/// Why content isn't let in that came.
const REFUSALS: [&str; 4] = ["type_not_allowed", "file_too_large", Quota::EXCEEDED, SIZE_MISMATCH];
const SIZE_MISMATCH: &str = "size_mismatch";

/// A version as a number.
pub fn version(asset: &Asset) -> u64 {
    asset.version().to_string().parse().unwrap()
}

/// The bytes that a record names, if they are there.
pub fn bytes_of(world: &World, asset: &Asset) -> Option<Bytes> {
    let object = asset.object()?;
    Some(world.originals.read(object.key.as_str(), object.version_id.as_ref())?.bytes)
}

/// A record in a line.
pub fn line(asset: &Asset) -> String {
    let grant = asset.grant().map(|grant| format!(", open v{} {}", grant.version, grant.filename));
    let object = asset.object().and_then(|object| object.version_id.as_ref());
    format!(
        "{} revision {}: v{} {} {:?}{}{}{}{}",
        short(asset.id()),
        asset.revision(),
        asset.version(),
        asset.filename(),
        asset.stage(),
        asset.failure_code().map(|code| format!(" {code}")).unwrap_or_default(),
        object.map(|id| format!(" of {id}")).unwrap_or_default(),
        asset.duplicate_of().map(|other| format!(", a copy of {}", short(other))).unwrap_or_default(),
        grant.unwrap_or_default(),
    )
}

impl Watch {
    /// Looks at what was written since.
    pub fn look(&mut self, scene: &Scene) {
        let world = &scene.engine.world;
        let written = world.table.written_since(self.known);
        for state in written {
            self.known += 1;
            scene.engine.story.tell(|| format!("        {}", line(&state)));
            self.note(world, &state);
            self.check_usage(scene, &state);
            self.check_refused(scene, &state);
            check_shown(scene, self, &state);
            self.check_readable(scene, &state);
            if state.stage() == Stage::Done {
                check_done(scene, &state);
                self.check_let_in(scene, &state);
                self.done.insert(state.id(), state);
            }
        }
    }

    fn note(&mut self, world: &World, state: &Asset) {
        let now = world.clock.now();
        if let Some(grant) = state.grant() {
            self.uploads.extend(grant.upload_id().cloned());
            let last = self.grants.iter().rfind(|seen| seen.granted.asset == state.id());
            if last.is_none_or(|last| last.grant != *grant) {
                let granted = Granted {
                    asset: state.id(),
                    version: grant.version.to_string().parse().unwrap(),
                    filename: grant.filename.to_string(),
                };
                self.grants.push(Seen { granted, grant: grant.clone() });
            }
        }
        if let Some(update) = state.update().filter(|update| update.object.is_some()) {
            let number = update.version().to_string().parse().unwrap();
            self.steps.entry((state.id(), number)).or_default().arrived.get_or_insert(now);
        }
        let steps = self.steps.entry((state.id(), version(state))).or_default();
        if state.object().is_some() {
            steps.arrived.get_or_insert(now);
        }
        if state.is_ingested() {
            steps.ingested.get_or_insert(now);
        }
        if state.stage().is_terminal() {
            self.objects
                .extend(state.object().map(|object| (object.key.to_string(), object.version_id.clone())));
        }
        if state.stage() == Stage::Done {
            steps.done.get_or_insert(now);
            self.derivatives.extend(state.derivatives().iter().map(|made| made.key.clone()));
        }
    }

    /// Invariant 9: what is kept of an owner's usage is the exact sum of the assets, and within the quota.
    fn check_usage(&mut self, scene: &Scene, state: &Asset) {
        let quota = scene.rules.quota;
        let before = self.counted.insert(state.id(), state.usage()).unwrap_or_default();
        let used = self.used.entry(state.owner().clone()).or_default();
        *used = Usage {
            open_uploads: used.open_uploads + state.usage().open_uploads - before.open_uploads,
            stored_bytes: used.stored_bytes + state.usage().stored_bytes - before.stored_bytes,
        };
        if quota.stored_bytes.is_some_and(|most| used.stored_bytes > most) {
            broken(scene, 9, "more bytes than the quota", format!("{used:?}: {}", line(state)));
        }
        if quota.open_uploads.is_some_and(|most| used.open_uploads > most) {
            broken(scene, 9, "more open uploads than the quota", format!("{used:?}: {}", line(state)));
        }
        let open = state.open_grant().filter(|grant| grant.size.exact().is_none());
        if open.is_some_and(|grant| quota.stored_bytes.is_some_and(|most| grant.size.max() > most)) {
            broken(scene, 9, "leave for more than all of the quota", line(state));
        }
    }

    /// Only what may not be let in is refused (invariant 1), and then there is nothing to read of it (invariant 10).
    fn check_refused(&mut self, scene: &Scene, state: &Asset) {
        let first = state.failure().filter(|_| state.stage() == Stage::Failed);
        let first = first.map(|failure| (failure, version(state), state.filename(), state.object()));
        let update = state.update().and_then(|update| {
            let number = update.version().to_string().parse().unwrap();
            let object = update.object.as_ref();
            update.failure.as_ref().map(|failure| (failure, number, &update.grant.filename, object))
        });
        for (failure, number, filename, object) in first.into_iter().chain(update) {
            let code = failure.code.as_str();
            if !REFUSALS.contains(&code) || !self.refused.insert((state.id(), number)) {
                continue;
            }
            if object.is_some() {
                broken(scene, 10, "what was refused is readable", line(state));
            }
            let ledger = scene.ledger.borrow();
            let bytes = ledger.meant(filename.as_str()).map(|meant| &meant.content.bytes);
            let granted = Granted { asset: state.id(), version: number, filename: filename.to_string() };
            let grant = self.grants.iter().rfind(|seen| seen.granted == granted).map(|seen| &seen.grant);
            scene.engine.tally.came(match code {
                Quota::EXCEEDED => Happening::QuotaExceeded,
                SIZE_MISMATCH => Happening::SizeRefused,
                _ => Happening::ContentRefused,
            });
            let deserved = match code {
                Quota::EXCEEDED => scene.rules.quota != Quota::UNLIMITED,
                SIZE_MISMATCH => {
                    bytes.zip(grant).is_some_and(|(bytes, grant)| !grant.size.holds(bytes.len() as u64))
                }
                _ => bytes.is_some_and(|bytes| !scene.rules.takes(bytes)),
            };
            drop(ledger);
            if !deserved {
                broken(scene, 1, &format!("refused though it may be let in: {code}"), line(state));
            }
        }
    }

    /// Invariant 6: a version that is done stays readable until a later one is done.
    fn check_readable(&self, scene: &Scene, state: &Asset) {
        let Some(done) = self.done.get(&state.id()) else { return };
        let shows =
            |state: &Asset| state.object().map(|object| (object.key.clone(), object.version_id.clone()));
        let later = state.stage() == Stage::Done && state.version() > done.version();
        // a later version that was taken is shown by its original while its previews are made
        let turned = state.version() > done.version() && state.is_ingested();
        if shows(state) != shows(done) && !later && !turned {
            let kind = match state.stage() {
                Stage::Done => "another object of a version that was done",
                Stage::Failed => "a version that was done, then one that failed",
                _ => "a version that was done, then one under way",
            };
            broken(scene, 6, kind, format!("{}, then {}", line(done), line(state)));
        } else if bytes_of(&scene.engine.world, state).is_none() {
            broken(scene, 6, "nothing to read, though a version was done", line(state));
        } else if bytes_of(&scene.engine.world, done).is_none() && !later {
            broken(scene, 6, "bytes of a version that was done are gone", line(done));
        }
    }

    /// Invariant 10: the gate holds for the real type and size of everything that is done.
    fn check_let_in(&self, scene: &Scene, state: &Asset) {
        let Some(bytes) = bytes_of(&scene.engine.world, state) else { return };
        if !scene.rules.takes(&bytes) {
            broken(scene, 10, "done, though the gate doesn't take it", line(state));
        }
        let shown = state.content_type().map(ToString::to_string);
        if shown.as_deref() != Some(type_of(&bytes)) {
            broken(scene, 10, "done with another type than its bytes are of", line(state));
        }
        let granted =
            Granted { asset: state.id(), version: version(state), filename: state.filename().to_string() };
        let grant = self.grants.iter().rfind(|seen| seen.granted == granted).map(|seen| &seen.grant);
        if grant.is_some_and(|grant| !grant.size.holds(bytes.len() as u64)) {
            broken(scene, 10, "done with another size than was granted", line(state));
        }
    }

    /// Whether a later grant took the place of one.
    pub fn is_superseded(&self, granted: &Granted) -> bool {
        let last = self.grants.iter().rfind(|seen| seen.granted.asset == granted.asset);
        last.is_none_or(|last| last.granted != *granted)
    }
}

/// A promise is broken.
pub fn broken(scene: &Scene, invariant: u8, kind: &str, seen: String) {
    let violation = Violation { invariant, kind: kind.to_owned(), seen };
    if scene.ledger.borrow_mut().broken(violation.clone()) {
        scene.engine.story.tell(|| format!("!!! {invariant}: {kind}: {}", violation.seen));
    }
}

/// Invariant 3: the bytes shown are those of the grant whose name, type, hash and size the record shows.
pub fn check_shown(scene: &Scene, watch: &Watch, state: &Asset) {
    let Some(bytes) = bytes_of(&scene.engine.world, state) else { return };
    let shown =
        Granted { asset: state.id(), version: version(state), filename: state.filename().to_string() };
    let seen = watch.grants.iter().rfind(|seen| seen.granted == shown);
    if seen.is_none() && state.duplicate_of().is_none() {
        return broken(scene, 3, "a name and version that were never granted together", line(state));
    }
    let meant = scene.ledger.borrow().meant(&shown.filename).cloned();
    let Some(meant) = meant else { return };
    if meant.content.bytes != bytes {
        let holds = String::from_utf8_lossy(&bytes).trim().to_owned();
        return broken(scene, 3, "another grant's bytes", format!("{} holds {holds:?}", line(state)));
    }
    let declared = seen.is_none_or(|seen| *state.declared_type() == seen.grant.content_type);
    if state.size() != bytes.len() as u64 || !declared {
        broken(scene, 3, "another grant's size or type", line(state));
    }
}

/// Invariant 2: `done` means that the pinned bytes, the hash shown and every derivative named exist and belong together.
pub fn check_done(scene: &Scene, state: &Asset) {
    let world = &scene.engine.world;
    let Some(bytes) = bytes_of(world, state) else {
        return broken(scene, 2, "done without bytes", line(state));
    };
    if state.sha256().is_some_and(|shown| shown != build::digest(&bytes)) {
        broken(scene, 2, "done with another file's hash", line(state));
    }
    for made in state.derivatives() {
        match world.derived.read(&made.key) {
            None => broken(scene, 2, "done without a derivative that it names", line(state)),
            Some(read) if read.bytes != derived_from(&made.name, &bytes) => {
                broken(scene, 2, "done with another file's derivative", line(state));
            }
            Some(_) => {}
        }
    }
}
