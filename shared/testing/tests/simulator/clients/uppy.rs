//! Uppy: the Companion's routes, and what it hands to `signRequest`.

use serde_json::{Value, json};
use sluice_testing::Browser;

use super::{Client, File, Gone};
use crate::ledger::{Granted, How, Meant};

impl Client {
    /// Sends a file as Uppy does, in parts or by a form.
    pub async fn send_by_uppy(&self, file: &File) -> Result<(), Gone> {
        let meant = Meant { content: file.content.clone(), lies: false };
        self.scene.ledger.borrow_mut().means(&file.name, meant);
        // Uppy 6 sends no headers: its address carries the authority
        let base = if self.chance.one_in(3) {
            let reply =
                self.ask(&self.scene.functions.uppy, "POST", "/uppy/endpoints", Some(&json!({}))).await?;
            let Some(path) = reply.body["path"].as_str() else { return Ok(()) };
            format!("{path}/s3")
        } else {
            "/s3".to_owned()
        };
        match self.chance.below(5) {
            0 => self.by_params(&base, file).await,
            1..3 => self.by_multipart(&base, file).await,
            _ => self.by_sign(&base, file).await,
        }
    }

    async fn by_params(&self, base: &str, file: &File) -> Result<(), Gone> {
        let target = format!("{base}/params?filename={}&type={}", file.name, file.media_type);
        let reply = self.ask(&self.scene.functions.uppy, "GET", &target, None).await?;
        if reply.status != 200 {
            return Ok(());
        }
        let granted = granted(&reply.body["asset_id"], file);
        self.step().await?;
        self.post_fields(&granted, reply.body["url"].as_str().unwrap(), &reply.body["fields"], file).await;
        Ok(())
    }

    async fn by_multipart(&self, base: &str, file: &File) -> Result<(), Gone> {
        let uppy = &self.scene.functions.uppy;
        let body = json!({ "filename": file.name, "type": file.media_type, "metadata": { "name": "x" } });
        let reply = self.ask(uppy, "POST", &format!("{base}/multipart"), Some(&body)).await?;
        if reply.status != 200 {
            return Ok(());
        }
        let granted = granted(&reply.body["asset_id"], file);
        let (id, key) = (reply.body["uploadId"].as_str().unwrap(), escaped(&reply.body["key"]));
        let (path, bytes) = (format!("{base}/multipart/{id}"), &file.content.bytes);
        let half = bytes.len() / 2;
        let mut parts = Vec::new();
        for (number, part) in [(1, bytes.slice(..half)), (2, bytes.slice(half..))] {
            self.step().await?;
            let mut answer = None;
            for _ in 0..4 {
                let reply = self.ask(uppy, "GET", &format!("{path}/{number}?key={key}"), None).await?;
                let Some(url) = reply.body["url"].as_str() else { return Ok(()) };
                let (given, heard) = self.put(url, &[], &part).await;
                answer = heard.then_some(given);
                if answer.is_some() {
                    break;
                }
            }
            let Some(answer) = answer.filter(|answer| answer.status == 200) else { return Ok(()) };
            parts.push(json!({ "PartNumber": number, "ETag": answer.etag().quoted() }));
        }
        if self.chance.one_in(8) {
            self.scene.ledger.borrow_mut().cancelled.insert(granted.asset);
            return self.ask(uppy, "DELETE", &format!("{path}?key={key}"), None).await.map(drop);
        }
        if self.chance.one_in(3) {
            self.ask(uppy, "GET", &format!("{path}?key={key}"), None).await?;
        }
        let body = json!({ "parts": parts });
        let reply = self.ask(uppy, "POST", &format!("{path}/complete?key={key}"), Some(&body)).await?;
        if reply.status == 200 {
            self.taken(granted, How::Complete);
        }
        Ok(())
    }

    async fn by_sign(&self, base: &str, file: &File) -> Result<(), Gone> {
        let uppy = &self.scene.functions.uppy;
        let target = format!("{base}/sign");
        let bytes = &file.content.bytes;
        let wanted = |method: &str, more: Value| {
            let mut body = json!({ "method": method, "key": file.name, "contentType": file.media_type });
            body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
            body
        };
        if self.chance.one_in(4) {
            let reply = self.ask(uppy, "POST", &target, Some(&wanted("PUT", json!({})))).await?;
            if reply.status == 200 {
                let granted = granted(&reply.body["asset_id"], file);
                self.step().await?;
                self.post_fields(&granted, reply.body["url"].as_str().unwrap(), &reply.body["fields"], file)
                    .await;
            }
            return Ok(());
        }
        let reply = self.ask(uppy, "POST", &target, Some(&wanted("POST", json!({})))).await?;
        if reply.status != 200 {
            return Ok(());
        }
        let granted = granted(&reply.body["asset_id"], file);
        let key = reply.body["key"].clone();
        self.step().await?;
        let created = self.take_step("POST", &reply.body, String::new()).await;
        let Some(id) = created.and_then(|answer| answer.elements("UploadId").first().cloned()) else {
            return Ok(());
        };
        let part = wanted("PUT", json!({ "key": key, "uploadId": id, "partNumber": 1 }));
        let reply = self.ask(uppy, "POST", &target, Some(&part)).await?;
        let Some(url) = reply.body["url"].as_str() else { return Ok(()) };
        self.step().await?;
        let (answer, heard) = self.put(url, &[], bytes).await;
        if !heard || answer.status != 200 {
            return Ok(());
        }
        let done = wanted("POST", json!({ "key": key, "uploadId": id }));
        let reply = self.ask(uppy, "POST", &target, Some(&done)).await?;
        if reply.status != 200 {
            return Ok(());
        }
        self.step().await?;
        let xml = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
            answer.etag().quoted()
        );
        if self.take_step("POST", &reply.body, xml).await.is_some_and(|answer| answer.status == 200) {
            self.taken(granted, How::Put);
        }
        Ok(())
    }

    /// Takes a signed step at S3.
    async fn take_step(&self, method: &str, signed: &Value, body: String) -> Option<sluice_testing::Answer> {
        let pair =
            |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap_or_default().to_owned());
        let headers: Vec<_> = signed["headers"].as_object().into_iter().flatten().map(pair).collect();
        let engine = self.engine();
        engine.pause().await;
        let answer = engine.world.browser.step(method, signed["url"].as_str()?, &headers, body).await;
        engine.pause().await;
        self.tell(|| format!("{method} to S3: {}", answer.status));
        Some(answer)
    }

    fn taken(&self, granted: Granted, how: How) {
        let mut ledger = self.scene.ledger.borrow_mut();
        ledger.stored.push(granted.clone());
        ledger.acknowledged.push((granted, how));
    }
}

/// A new asset's first version.
fn granted(asset: &Value, file: &File) -> Granted {
    Granted { asset: asset.as_str().unwrap().parse().unwrap(), version: 1, filename: file.name.clone() }
}

fn escaped(key: &Value) -> String {
    key.as_str().unwrap().replace('/', "%2F")
}
