//! How often each kind of thing came: small seeds must not pass for many.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::faults::Fault;

/// What comes without being a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// A client's request of the HTTP API.
    Request,
    /// A client's request to S3.
    Upload,
    /// A client's request by tus.
    TusRequest,
    /// A WebSocket opens.
    LineOpens,
    /// What a WebSocket brings to a client.
    Frame,
    /// An event of S3.
    BucketEvent,
    /// A message of a queue, each time that it is received.
    Message,
    /// A message that was received too often.
    DeadLetter,
    /// A batch of a table's stream.
    StreamBatch,
    /// A batch of a table's stream, once more because some of it failed.
    StreamRetry,
    /// A round of a schedule.
    Round,
    /// Content came that the gate doesn't take.
    ContentRefused,
    /// Bytes came for which their owner has no room.
    QuotaExceeded,
    /// Other bytes came than were granted.
    SizeRefused,
    /// A request was refused for the quota.
    QuotaFull,
    /// A request was refused for a folder in which the token may not write.
    FolderForbidden,
    /// One upload job's token is used by two at once.
    TokenShared,
}

impl Happening {
    /// All of them, with their names.
    pub const ALL: [(Self, &str); 17] = [
        (Self::Request, "request to the API"),
        (Self::Upload, "request to S3"),
        (Self::TusRequest, "request by tus"),
        (Self::LineOpens, "WebSocket opens"),
        (Self::Frame, "frame of a WebSocket"),
        (Self::BucketEvent, "event of S3"),
        (Self::Message, "message received"),
        (Self::DeadLetter, "dead letter"),
        (Self::StreamBatch, "batch of the stream"),
        (Self::StreamRetry, "batch of the stream again"),
        (Self::Round, "round of the schedule"),
        (Self::ContentRefused, "content refused by the gate"),
        (Self::QuotaExceeded, "content refused for the quota"),
        (Self::SizeRefused, "content of another size refused"),
        (Self::QuotaFull, "request refused for the quota"),
        (Self::FolderForbidden, "request refused for its folder"),
        (Self::TokenShared, "token used by two at once"),
    ];
}

/// Counts. Clones count on together.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    happenings: [AtomicU64; Happening::ALL.len()],
    faults: [AtomicU64; Fault::ALL.len()],
}

impl Tally {
    /// It came once more.
    pub fn came(&self, happening: Happening) {
        self.0.happenings[happening as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// It struck once more.
    pub fn struck(&self, fault: Fault) {
        self.0.faults[fault as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often each came, by name: what happened, then what went wrong.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let happenings =
            Happening::ALL.iter().zip(&self.0.happenings).map(|((_, name), count)| (*name, count));
        let faults = Fault::ALL.iter().zip(&self.0.faults).map(|(fault, count)| (fault.name(), count));
        happenings.chain(faults).map(|(name, count)| (name, count.load(Ordering::Relaxed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_under_its_own_name() {
        for (at, (happening, _)) in Happening::ALL.iter().enumerate() {
            assert_eq!(*happening as usize, at);
        }
        for (at, fault) in Fault::ALL.iter().enumerate() {
            assert_eq!(*fault as usize, at);
        }
    }
}
