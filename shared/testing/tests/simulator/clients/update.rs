//! Replacing what an asset holds, from one device or two.

use std::time::Duration;

use sluice_core::ids::AssetId;

use super::{Client, File, Gone, send::Manner};

impl Client {
    /// Sends a file, waits until it is at its end, and replaces it by another, at times by two at once from two devices.
    pub async fn send_and_replace(
        self,
        first: File,
        others: Vec<(File, Manner)>,
        pause: Duration,
    ) -> Result<(), Gone> {
        let Some(asset) = self.send(&first, None, Manner::default()).await? else { return Ok(()) };
        if self.await_end(asset).await?.is_none() {
            return Ok(());
        }
        for (device, (file, manner)) in others.into_iter().enumerate() {
            let mut other = self.clone();
            other.name = format!("{}/{device}", self.name);
            if self.chance.one_in(2) {
                // a device whose token names no root
                other.roots = "";
            }
            other.go(async move |client: Self| {
                if device > 0 && client.chance.one_in(2) {
                    client.engine().sleep(pause).await;
                }
                client.replace(asset, &file, manner).await
            });
        }
        Ok(())
    }

    /// Replaces what an asset holds.
    pub async fn replace(&self, asset: AssetId, file: &File, manner: Manner) -> Result<(), Gone> {
        if self.chance.one_in(6) {
            self.post_to_s3(file, Some(asset)).await?;
        } else {
            self.send(file, Some(asset), manner).await?;
        }
        if self.chance.one_in(2) {
            self.await_end(asset).await?;
        }
        Ok(())
    }
}
