//! Upload jobs: announced with a bearer token, started by whoever has the job's own.

use std::collections::BTreeSet;

use serde_json::json;
use sluice_core::{
    asset::Asset,
    ids::{OwnerId, Sha256},
};
use sluice_testing::simulator::Happening;

use super::{Client, File, Gone, Scene, tus::Course};

/// What starts a job's upload.
#[derive(Debug, Clone)]
pub struct Token {
    /// The job's id.
    pub request_id: String,
    /// The token.
    pub secret: String,
}

/// What doors do by themselves.
#[derive(Debug, Default)]
pub struct Doors {
    /// Files that came by doors which call an upload off where opening it failed: its client never learned of it.
    pub files: BTreeSet<String>,
    /// Uploads by tus that were asked to end.
    pub ended: BTreeSet<Sha256>,
    /// Where uploads by tus, upload jobs and tasks are, with their owners.
    pub places: Vec<(OwnerId, String)>,
    /// Upload jobs that were asked to be cancelled.
    cancelled: BTreeSet<String>,
}

impl Doors {
    /// Whether any job was asked to be cancelled.
    pub fn any_cancelled(&self) -> bool {
        !self.cancelled.is_empty()
    }
}

impl Client {
    /// Announces a file, and sends it by the token; at times twice, or not at all, and at times it is called off.
    pub async fn send_by_job(&self, file: &File, request_id: &str, course: Course) -> Result<(), Gone> {
        let body = json!({
            "id": request_id, "filename": file.name, "filesize": file.size,
            "filetype": file.media_type, "album": 7,
        });
        let reply = self.ask(&self.scene.functions.presign, "POST", "/uploadjobs", Some(&body)).await?;
        let Some(secret) = reply.body["upload_token"].as_str().filter(|_| reply.status == 201) else {
            return Ok(());
        };
        self.is_at(format!("/uploadjobs/{request_id}"));
        let token = Token { request_id: request_id.to_owned(), secret: secret.to_owned() };
        self.step().await?;
        if self.chance.one_in(4) {
            let (other, request_id) = (self.clone(), request_id.to_owned());
            let after = self.chance.span(std::time::Duration::ZERO, std::time::Duration::from_secs(20));
            other.go(async move |client: Self| {
                client.engine().sleep(after).await;
                client.cancel_job(&request_id).await
            });
        }
        let course = Course { token: Some(token), ..course };
        if self.chance.one_in(3) {
            self.engine().tally.came(Happening::TokenShared);
            // somebody else has the token as well, and sends the same at the same time
            let (mut other, file, course) = (self.clone(), file.clone(), course.clone());
            other.name = format!("{}/too", self.name);
            other.go(async move |client: Self| client.send_by_tus(&file, course).await);
        }
        self.send_by_tus(file, course.clone()).await?;
        if self.replays() {
            self.step().await?;
            self.send_by_tus(file, course).await?;
        }
        self.ask(&self.scene.functions.presign, "GET", "/uploadjobs", None).await.map(drop)
    }

    /// Something of this client's is there.
    pub fn is_at(&self, path: String) {
        self.scene.doors.borrow_mut().places.push((self.owner.clone(), path));
    }

    async fn cancel_job(&self, request_id: &str) -> Result<(), Gone> {
        self.scene.doors.borrow_mut().cancelled.insert(request_id.to_owned());
        let target = format!("/uploadjobs/{request_id}");
        self.ask(&self.scene.functions.presign, "DELETE", &target, None).await.map(drop)
    }
}

/// Notes which uploads were called off with their job, or by the door that couldn't open them.
pub fn note_called_off(scene: &Scene) {
    let (doors, mut ledger) = (scene.doors.borrow(), scene.ledger.borrow_mut());
    let called_off = |asset: &&Asset| {
        asset.is_cancelled()
            && (doors.files.contains(asset.filename().as_str())
                || asset.upload_job().is_some_and(|job| doors.cancelled.contains(job.as_str())))
    };
    for asset in scene.engine.world.table.assets().iter().filter(called_off) {
        let by_job = asset.upload_job().is_some_and(|job| doors.cancelled.contains(job.as_str()));
        // an upload that was acknowledged isn't called off by its door
        if by_job || !ledger.acknowledged.iter().any(|(granted, _)| granted.asset == asset.id()) {
            ledger.cancelled.insert(asset.id());
        }
    }
}
