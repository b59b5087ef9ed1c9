//! The two bodies that `POST /prepare` takes (a new upload, or a further window of an open one), and that of
//! `POST /s3_signature`.

use serde::Deserialize;
use sluice_core::{
    Error, Result,
    gate::{Wish, said},
    idempotency::Made,
    intake::Wanted,
};

/// The body as it comes. Which of the two it is, `upload_id` tells.
#[derive(Debug, Deserialize)]
pub struct PrepareBody {
    filename: Option<String>,
    file_size: Option<u64>,
    content_type: Option<String>,
    sha256: Option<String>,
    folder: Option<String>,
    #[serde(alias = "relativePath")]
    relative_path: Option<String>,
    message_id: Option<String>,
    asset_id: Option<String>,
    client_part_size: Option<u64>,
    client_num_parts: Option<u64>,
    upload_id: Option<String>,
    object_key: Option<String>,
    start_part: Option<u64>,
    batch_count: Option<u64>,
}

/// A file that somebody wants to send.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the wire's fields; `contracts` of the README says each")]
pub struct NewUpload {
    pub filename: Option<String>,
    pub file_size: u64,
    pub content_type: Option<String>,
    pub sha256: Option<String>,
    pub folder: Option<String>,
    pub relative_path: Option<String>,
    pub message_id: Option<String>,
    /// Set to replace an existing asset's content.
    pub asset_id: Option<String>,
    pub client_part_size: Option<u64>,
    pub client_num_parts: Option<u64>,
    /// How what it makes is named, where the request may come again.
    pub made: Option<Made>,
}

impl TryFrom<NewUpload> for Wanted {
    type Error = Error;

    fn try_from(body: NewUpload) -> Result<Self> {
        let asset_id = said(body.asset_id.as_ref()).map(str::parse).transpose()?;
        let wish = Wish {
            filename: body.filename,
            size: Some(body.file_size),
            content_type: body.content_type,
            sha256: body.sha256,
            folder: body.folder,
            relative_path: body.relative_path,
            message_id: body.message_id,
            made: body.made,
            ..Wish::default()
        };
        Ok(Self { wish, asset_id })
    }
}

/// The body of `POST /s3_signature`: a file that comes by a form. Its size may be left out; then the gate's limit holds.
#[derive(Debug, Deserialize)]
pub struct FormBody {
    filename: String,
    file_size: Option<u64>,
    content_type: Option<String>,
    sha256: Option<String>,
    folder: Option<String>,
    #[serde(alias = "relativePath")]
    relative_path: Option<String>,
    message_id: Option<String>,
    /// Set to replace an existing asset's content.
    pub asset_id: Option<String>,
    /// How what it makes is named, where the request may come again.
    #[serde(skip)]
    pub made: Option<Made>,
}

impl TryFrom<FormBody> for Wanted {
    type Error = Error;

    fn try_from(body: FormBody) -> Result<Self> {
        let asset_id = said(body.asset_id.as_ref()).map(str::parse).transpose()?;
        let wish = Wish {
            filename: Some(body.filename),
            size: body.file_size,
            content_type: body.content_type,
            sha256: body.sha256,
            folder: body.folder,
            relative_path: body.relative_path,
            message_id: body.message_id,
            made: body.made,
            ..Wish::default()
        };
        Ok(Self { wish, asset_id })
    }
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

/// What the client wants.
#[derive(Debug)]
pub enum Prepare {
    /// To send a file.
    New(NewUpload),
    /// Further parts signed.
    Window(Window),
}

impl PrepareBody {
    /// Which of the two it is, with what it needs.
    ///
    /// # Errors
    /// `invalid_field` naming what is missing.
    pub fn read(self) -> Result<Prepare> {
        if let Some(upload_id) = self.upload_id {
            return Ok(Prepare::Window(Window {
                upload_id,
                object_key: self.object_key.ok_or_else(|| missing("object_key"))?,
                start_part: self.start_part.ok_or_else(|| missing("start_part"))?,
                batch_count: self.batch_count.unwrap_or(u64::MAX),
            }));
        }
        Ok(Prepare::New(NewUpload {
            filename: self.filename,
            file_size: self.file_size.ok_or_else(|| missing("file_size"))?,
            content_type: self.content_type,
            sha256: self.sha256,
            folder: self.folder,
            relative_path: self.relative_path,
            message_id: self.message_id,
            asset_id: self.asset_id,
            client_part_size: self.client_part_size,
            client_num_parts: self.client_num_parts,
            made: None,
        }))
    }
}

fn missing(field: &str) -> Error {
    Error::invalid_field(field, "is missing")
}
