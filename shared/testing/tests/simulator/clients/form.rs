//! Files that come by forms: whole through the API, or straight to S3.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sluice_core::ids::AssetId;
use sluice_testing::{
    Browser, build,
    simulator::{Fault, Happening},
};

use super::{Client, File, Gone, Hint};
use crate::ledger::{Granted, How, Meant};

impl Client {
    /// Sends files by one form through the API.
    pub async fn send_form(&self, files: &[File]) -> Result<(), Gone> {
        let mut body = Vec::new();
        for file in files {
            let meant = Meant { content: file.content.clone(), lies: false };
            self.scene.ledger.borrow_mut().means(&file.name, meant);
            self.scene.doors.borrow_mut().files.insert(file.name.clone());
            let head = format!(
                "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
                file.name, file.media_type
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(&file.content.bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--XX--\r\n");
        let mut event = self.request("POST", "/api/v1/assets", "", None);
        event["headers"] = json!({ "content-type": "multipart/form-data; boundary=XX" });
        event["body"] = STANDARD.encode(&body).into();
        event["isBase64Encoded"] = true.into();
        for _ in 0..4 {
            self.engine().tally.came(Happening::Request);
            let reply = self.call(&self.scene.functions.form, event.clone()).await;
            self.check_told(&reply, &"POST a form");
            let heard = !self.engine().faults.strikes(Fault::ApiAnswerLost);
            self.tell(|| format!("POST a form of {}: {} {}", files.len(), reply.status, reply.code()));
            if heard && reply.status == 200 {
                self.note_taken(&reply.body);
                if let Some(task) = reply.body["task_id"].as_str() {
                    let target = format!("/api/v1/tasks/{task}");
                    self.is_at(target.clone());
                    self.ask(&self.scene.functions.form, "GET", &target, None).await?;
                }
                if !self.replays() {
                    break;
                }
            }
            self.step().await?;
        }
        Ok(())
    }

    /// What the API says that it has taken.
    fn note_taken(&self, body: &Value) {
        for asset in body["assets"].as_array().into_iter().flatten() {
            let text = |name: &str| asset[name].as_str().unwrap_or_default();
            let asset = text("asset_id").parse().unwrap();
            let granted = Granted { asset, version: 1, filename: text("filename").to_owned() };
            let mut ledger = self.scene.ledger.borrow_mut();
            ledger.stored.push(granted.clone());
            ledger.acknowledged.push((granted, How::Complete));
        }
    }

    /// Sends a file to S3 by a signed form, perhaps twice, as a new asset or as a further version of one.
    pub async fn post_to_s3(&self, file: &File, of: Option<AssetId>) -> Result<(), Gone> {
        let meant = Meant { content: file.content.clone(), lies: file.hint == Hint::False };
        self.scene.ledger.borrow_mut().means(&file.name, meant);
        let digest = (file.hint == Hint::True).then(|| build::digest(&file.content.bytes));
        let body = json!({
            "filename": file.name, "content_type": file.media_type, "sha256": digest,
            "file_size": file.size, "asset_id": of, "folder": file.folder,
        });
        let reply = self.ask(&self.scene.functions.presign, "POST", "/s3_signature", Some(&body)).await?;
        if reply.status != 201 || reply.body["mode"] != "form" {
            return Ok(());
        }
        self.check_root(reply.body["object_key"].as_str().unwrap());
        let granted = Granted {
            asset: reply.body["asset_id"].as_str().unwrap().parse().unwrap(),
            version: reply.body["version"].to_string().trim_matches('"').parse().unwrap(),
            filename: file.name.clone(),
        };
        self.step().await?;
        let times = if self.replays() { 2 } else { 1 };
        for _ in 0..times {
            let (url, fields) = (reply.body["url"].as_str().unwrap(), &reply.body["fields"]);
            self.post_fields(&granted, url, fields, file).await;
            self.step().await?;
        }
        if self.chance.one_in(2) {
            // who says no version speaks of whatever was granted last
            let version = of.map(|_| granted.version);
            let body = json!({ "object_key": reply.body["object_key"], "version": version });
            self.ask(&self.scene.functions.complete, "POST", "/complete", Some(&body)).await?;
        }
        Ok(())
    }

    /// Posts a signed form to S3.
    pub async fn post_fields(&self, granted: &Granted, url: &str, fields: &Value, file: &File) {
        let engine = self.engine();
        let pair =
            |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap_or_default().to_owned());
        let fields: Vec<_> = fields.as_object().into_iter().flatten().map(pair).collect();
        engine.tally.came(Happening::Upload);
        engine.pause().await;
        let answer = engine.world.browser.post_form(url, &fields, file.content.bytes.clone()).await;
        engine.pause().await;
        self.tell(|| format!("POST to S3: {}", answer.status));
        if answer.status == 201 {
            let mut ledger = self.scene.ledger.borrow_mut();
            ledger.stored.push(granted.clone());
            if !engine.faults.strikes(Fault::UploadAnswerLost) {
                ledger.acknowledged.push((granted.clone(), How::Put));
            }
        }
    }
}
