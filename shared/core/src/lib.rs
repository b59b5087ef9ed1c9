//! The domain of Sluice: what an asset is, how its state may change, how an upload is planned, and the ports
//! through which the rest of the world is reached.
//!
//! Nothing here knows AWS, a runtime, IO or a clock of its own: every function is either pure or speaks through a
//! trait of [`ports`]. The way in for a reader:
//!
//! | module | what stands there |
//! |---|---|
//! | [`asset`] | the asset and its state machine ([`asset::Asset::apply`]): the only code that writes status fields |
//! | [`upload`] | one PUT or multipart, part sizes, signing windows, checks of a part list |
//! | [`gate`] | the one policy that every grant passes: who, where, which types, how much |
//! | [`intake`] | opening an upload: the record, the multipart upload, content that is there already |
//! | [`right`] | who may use whose record |
//! | [`find`] | the asset that a caller names, if it is the caller's to use |
//! | [`finish`] | completing an upload, listing its parts, calling it off |
//! | [`job`] | upload jobs: announced, started by a token, followed to their end |
//! | [`task`] | what became of the files of one small form |
//! | [`tus`] | uploads by tus: appends of any size made into parts, parts made into one |
//! | [`idempotency`] | requests that come again with their key: what they make is named by it |
//! | [`usage`] | what an owner has, and may have |
//! | [`arrival`] | bytes that came: the asset learns of them, whoever tells |
//! | [`cancel`] | calling an upload off |
//! | [`effects`] | what a transition asks for, done |
//! | [`document`] | the asset document that HTTP, WebSocket and events share |
//! | [`change`] | read, apply, save on condition, again on conflict |
//! | [`ports`] | the traits that adapters implement, with what a missing thing gives and what may be repeated |
//! | [`error`] | kinds, stable codes, public messages |
//! | [`ids`], [`names`], [`time`] | validated newtypes |

pub mod arrival;
pub mod asset;
pub mod cancel;
pub mod change;
pub mod document;
pub mod effects;
pub mod error;
pub mod find;
pub mod finish;
pub mod gate;
pub mod idempotency;
pub mod ids;
pub mod intake;
pub mod job;
pub mod names;
pub mod ports;
pub mod right;
pub mod storable;
pub mod task;
pub mod time;
pub mod tus;
pub mod upload;
pub mod usage;

pub use error::{Error, ErrorKind, Result};
