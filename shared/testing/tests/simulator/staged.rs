//! What waits in the staging bucket: bytes that were acknowledged are there as long as their upload is open.

use sluice_core::tus::{Form, State};

use crate::{clients::Scene, watch::broken};

/// Invariant 14, and its side of 8: what a record names is there.
pub fn check(scene: &Scene) {
    let (world, now) = (&scene.engine.world, scene.engine.time.now());
    let length = |key: &str| world.partials.read(key, None).map(|read| read.bytes.len() as u64);
    for (id, upload) in world.tus.records() {
        if upload.has_expired(now) || scene.doors.borrow().ended.contains(&id) {
            continue;
        }
        for segment in upload.tail().iter().filter(|_| upload.state() == State::Open) {
            let key = segment.key(id);
            if length(key.as_str()) != Some(segment.len()) {
                broken(scene, 14, "a piece that a record names is gone", key.to_string());
            }
        }
        if let Form::Partial { key, .. } = upload.form()
            && upload.state() == State::Complete
            && length(key.as_str()) != Some(upload.offset())
        {
            broken(scene, 14, "a partial upload is gone", key.to_string());
        }
    }
}
