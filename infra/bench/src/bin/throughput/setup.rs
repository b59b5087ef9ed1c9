//! What a measurement is given: settings of the emulator, scripts and programs.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs::{self, File},
    io::Read,
    path::PathBuf,
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// What `resources.py` made and printed.
#[derive(Deserialize)]
pub(crate) struct Settings {
    /// The emulator's URL.
    pub(crate) endpoint: String,
    /// Environment variables; of the region too.
    pub(crate) credentials: BTreeMap<String, String>,
    /// Environment variables of the function, as the template has them.
    pub(crate) function: BTreeMap<String, String>,
    pub(crate) originals_bucket: String,
    pub(crate) staging_bucket: String,
    pub(crate) peer_bucket: String,
    /// A bearer token.
    pub(crate) token: String,
}

impl Settings {
    pub(crate) fn credential(&self, name: &str) -> String {
        self.credentials.get(name).cloned().unwrap_or_default()
    }
}

pub(crate) struct Setup {
    pub(crate) settings: Settings,
    /// Of the emulator: what a run leaves goes there too.
    pub(crate) state: PathBuf,
    /// Of the scripts.
    pub(crate) folder: PathBuf,
    pub(crate) node: PathBuf,
    /// Ours.
    pub(crate) function: Option<PathBuf>,
    pub(crate) rounds: usize,
}

impl Setup {
    /// `SETTINGS FOLDER NODE [FUNCTION [ROUNDS]]`
    pub(crate) fn from_arguments(rounds: usize) -> Result<Self, Box<dyn Error>> {
        let mut arguments = env::args_os().skip(1).map(PathBuf::from);
        let (Some(settings), Some(folder), Some(node)) =
            (arguments.next(), arguments.next(), arguments.next())
        else {
            return Err("name the settings, the folder of the scripts and node".into());
        };
        let function = arguments.next();
        let rounds = arguments.next().and_then(|text| text.to_str()?.parse().ok()).unwrap_or(rounds);
        let state = settings.parent().ok_or("the settings are in no folder")?.to_owned();
        Ok(Self {
            settings: serde_json::from_slice(&fs::read(settings)?)?,
            state,
            folder,
            node,
            function,
            rounds,
        })
    }

    /// The file that is uploaded.
    pub(crate) fn content(&self) -> PathBuf {
        self.state.join("content")
    }

    /// Writes that file and returns its SHA-256. It is noise, which nothing on the way can make smaller.
    pub(crate) fn write_content(&self, bytes: u32) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut content = Vec::new();
        File::open("/dev/urandom")?.take(bytes.into()).read_to_end(&mut content)?;
        fs::write(self.content(), &content)?;
        Ok(Sha256::digest(&content).to_vec())
    }
}
