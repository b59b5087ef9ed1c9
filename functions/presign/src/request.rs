//! The bodies: a file that somebody wants to send, or a further window of an open upload.

use serde::Deserialize;
use sluice_core::{
    Error, Result,
    gate::{Wish, said},
    idempotency::Made,
    intake::Wanted,
    upload::PartChoice,
};

/// A file that somebody wants to send: what `POST /prepare` and `POST /s3_signature` take.
#[derive(Debug, Deserialize)]
pub struct FileBody {
    filename: Option<String>,
    #[serde(alias = "file_size", alias = "filesize")]
    size: Option<u64>,
    #[serde(alias = "type", alias = "filetype")]
    content_type: Option<String>,
    sha256: Option<String>,
    folder: Option<String>,
    #[serde(alias = "relativePath")]
    relative_path: Option<String>,
    message_id: Option<String>,
    /// Set to replace an existing asset's content.
    asset_id: Option<String>,
}

impl FileBody {
    /// The same where its size must be known beforehand.
    ///
    /// # Errors
    /// `invalid_field` without one.
    pub fn sized(self) -> Result<Self> {
        if self.size.is_none() {
            return Err(Error::invalid_field("size", "is missing (`file_size` is taken as well)"));
        }
        Ok(self)
    }

    /// The same where it must have a name.
    ///
    /// # Errors
    /// `invalid_field` without one.
    pub fn named(self) -> Result<Self> {
        if self.filename.is_none() { Err(missing("filename")) } else { Ok(self) }
    }

    /// What the intake is asked; `made` says how what it makes is named, where the request may come again.
    ///
    /// # Errors
    /// `asset_not_found` for an id that can be none.
    pub fn wanted(self, made: Option<Made>) -> Result<Wanted> {
        let asset_id = said(self.asset_id.as_ref()).map(str::parse).transpose()?;
        let wish = Wish {
            filename: self.filename,
            size: self.size,
            content_type: self.content_type,
            sha256: self.sha256,
            folder: self.folder,
            relative_path: self.relative_path,
            message_id: self.message_id,
            made,
            ..Wish::default()
        };
        Ok(Wanted { wish, asset_id })
    }
}

/// What else `POST /prepare` takes: how a new upload shall be cut, or which further parts of an open one are wanted.
#[derive(Debug, Deserialize)]
pub struct PartsBody {
    client_part_size: Option<u64>,
    client_num_parts: Option<u64>,
    upload_id: Option<String>,
    object_key: Option<String>,
    start_part: Option<u64>,
    batch_count: Option<u64>,
}

/// A window of parts to sign.
#[derive(Debug)]
#[expect(missing_docs, reason = "the wire's fields")]
pub struct Window {
    pub upload_id: String,
    pub object_key: String,
    pub start_part: u64,
    /// A whole batch if the client doesn't say.
    pub batch_count: u64,
}

/// What is wanted of parts.
#[derive(Debug)]
pub enum Wants {
    /// A new upload, cut like this.
    Upload(PartChoice),
    /// Further parts of an open one, signed.
    Window(Window),
}

impl PartsBody {
    /// Which of the two it is: `upload_id` tells.
    ///
    /// # Errors
    /// `invalid_field` naming what is missing.
    pub fn read(self) -> Result<Wants> {
        let Some(upload_id) = self.upload_id else {
            let (part_size, num_parts) = (self.client_part_size, self.client_num_parts);
            return Ok(Wants::Upload(PartChoice { part_size, num_parts }));
        };
        Ok(Wants::Window(Window {
            upload_id,
            object_key: self.object_key.ok_or_else(|| missing("object_key"))?,
            start_part: self.start_part.ok_or_else(|| missing("start_part"))?,
            batch_count: self.batch_count.unwrap_or(u64::MAX),
        }))
    }
}

fn missing(field: &str) -> Error {
    Error::invalid_field(field, "is missing")
}
