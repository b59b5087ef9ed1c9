//! What can go wrong, how often, and whether it does at the moment.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use sluice_core::ErrorKind;

use super::{chance::Chance, story::Story, tally::Tally};
use crate::probe::{Director, Fate, When};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A port call fails before its work.
    CallFails,
    /// A port call does its work and its answer is lost.
    CallAnswerLost,
    /// A port call is refused for load.
    CallThrottled,
    /// A port call is sent twice by the SDK.
    CallSentTwice,
    /// Other writers are at the same records.
    WritesContend,
    /// What is read of an object breaks off.
    BodyBreaksOff,
    /// A function dies at a port call.
    FunctionCrashes,
    /// A function runs into its time limit.
    FunctionTimesOut,
    /// A client is never heard of again.
    ClientVanishes,
    /// A client waits long before its next step.
    ClientIsLate,
    /// A client sends what it sent before.
    ClientReplays,
    /// The API's answer to a client is lost.
    ApiAnswerLost,
    /// S3's answer to a client is lost.
    UploadAnswerLost,
    /// An event of S3 comes twice.
    EventTwice,
    /// An event of S3 comes late.
    EventLate,
    /// An event of S3 never comes.
    EventLost,
    /// A message comes twice.
    MessageTwice,
    /// A message comes late.
    MessageLate,
    /// A message is received for nothing until it is a dead letter: its function was never free.
    MessageStarves,
    /// A WebSocket is cut.
    LineCut,
    /// Nobody is told that a WebSocket has ended.
    EndUntold,
    /// A WebSocket takes long to open after its `$connect`.
    LineOpensLate,
    /// The table deletes what has expired.
    ItemsExpire,
    /// The indexes of the table lag.
    IndexLags,
    /// Hours pass at once.
    ClockJumps,
    /// The clock goes back a little.
    ClockGoesBack,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::CallFails,
        Self::CallAnswerLost,
        Self::CallThrottled,
        Self::CallSentTwice,
        Self::WritesContend,
        Self::BodyBreaksOff,
        Self::FunctionCrashes,
        Self::FunctionTimesOut,
        Self::ClientVanishes,
        Self::ClientIsLate,
        Self::ClientReplays,
        Self::ApiAnswerLost,
        Self::UploadAnswerLost,
        Self::EventTwice,
        Self::EventLate,
        Self::EventLost,
        Self::MessageTwice,
        Self::MessageLate,
        Self::MessageStarves,
        Self::LineCut,
        Self::EndUntold,
        Self::LineOpensLate,
        Self::ItemsExpire,
        Self::IndexLags,
        Self::ClockJumps,
        Self::ClockGoesBack,
    ];

    /// What it is called in tables and stories.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallFails => "call fails",
            Self::CallAnswerLost => "call's answer lost",
            Self::CallThrottled => "call throttled",
            Self::CallSentTwice => "call sent twice",
            Self::WritesContend => "writes contend",
            Self::BodyBreaksOff => "body breaks off",
            Self::FunctionCrashes => "function crashes",
            Self::FunctionTimesOut => "function times out",
            Self::ClientVanishes => "client vanishes",
            Self::ClientIsLate => "client is late",
            Self::ClientReplays => "client replays",
            Self::ApiAnswerLost => "API's answer lost",
            Self::UploadAnswerLost => "S3's answer to a client lost",
            Self::EventTwice => "event comes twice",
            Self::EventLate => "event comes late",
            Self::EventLost => "event never comes",
            Self::MessageTwice => "message comes twice",
            Self::MessageLate => "message comes late",
            Self::MessageStarves => "message starves",
            Self::LineCut => "WebSocket cut",
            Self::EndUntold => "WebSocket's end untold",
            Self::LineOpensLate => "WebSocket opens late",
            Self::ItemsExpire => "items expire",
            Self::IndexLags => "index lags",
            Self::ClockJumps => "clock jumps",
            Self::ClockGoesBack => "clock goes back",
        }
    }

    /// How often of a thousand chances it strikes.
    const fn permille(self) -> u32 {
        match self {
            Self::ClockJumps | Self::ClockGoesBack | Self::WritesContend | Self::BodyBreaksOff => 1,
            Self::FunctionCrashes | Self::CallThrottled | Self::ItemsExpire | Self::MessageStarves => 4,
            Self::CallFails | Self::CallAnswerLost | Self::CallSentTwice => 10,
            Self::EventLost | Self::IndexLags => 20,
            Self::ClientVanishes | Self::ApiAnswerLost | Self::UploadAnswerLost => 30,
            Self::EventLate | Self::MessageLate | Self::ClientIsLate => 60,
            Self::MessageTwice => 80,
            Self::EventTwice | Self::ClientReplays => 120,
            Self::LineOpensLate => 200,
            Self::LineCut | Self::EndUntold => 300,
            // follows from a clock that jumps
            Self::FunctionTimesOut => 0,
        }
    }
}

/// The faults of one run. Clones are the same.
#[derive(Clone)]
pub struct Faults {
    chance: Chance,
    tally: Tally,
    story: Story,
    off: Arc<BTreeSet<Fault>>,
    passed: Arc<AtomicBool>,
    death: Arc<Death>,
}

/// The one crash of a run in which nothing else goes wrong.
#[derive(Debug, Default)]
struct Death {
    /// At which port call of the run, from 1; 0 is never.
    at: u64,
    calls: AtomicU64,
    is_due: AtomicBool,
}

impl Faults {
    /// All kinds but those that are off.
    pub fn new(chance: &Chance, tally: &Tally, story: &Story, off: &BTreeSet<Fault>) -> Self {
        Self {
            chance: chance.clone(),
            tally: tally.clone(),
            story: story.clone(),
            off: Arc::new(off.clone()),
            passed: Arc::default(),
            death: Arc::default(),
        }
    }

    /// The same, and whoever makes this port call (the first is 1) dies over it, before it does anything.
    #[must_use]
    pub fn with_crash_at(mut self, call: u64) -> Self {
        self.death = Arc::new(Death { at: call, ..Death::default() });
        self
    }

    /// Whether who was just polled dies now.
    pub fn is_deadly(&self) -> bool {
        self.death.is_due.swap(false, Ordering::Relaxed)
    }

    /// Whether this one strikes now. It is counted then; the story is told by whom it strikes.
    pub fn strikes(&self, fault: Fault) -> bool {
        let strikes = self.may_strike(fault) && self.chance.permille(fault.permille());
        if strikes {
            self.tally.struck(fault);
        }
        strikes
    }

    /// Whether this kind is on at all.
    pub fn may_strike(&self, fault: Fault) -> bool {
        !self.have_passed() && !self.off.contains(&fault)
    }

    /// From now on nothing goes wrong any more.
    pub fn pass(&self) {
        self.passed.store(true, Ordering::Relaxed);
    }

    /// Whether that is so.
    pub fn have_passed(&self) -> bool {
        self.passed.load(Ordering::Relaxed)
    }
}

impl Director for Faults {
    fn fate(&self, method: &'static str) -> Fate {
        if self.death.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.death.at {
            self.death.is_due.store(true, Ordering::Relaxed);
        }
        // signing calls nothing
        if method.starts_with("UploadSigner") || method.starts_with("LinkSigner") {
            return Fate::Proceed;
        }
        let fates = [
            (Fault::CallFails, Fate::Fail(When::Before, ErrorKind::Unavailable)),
            (Fault::CallAnswerLost, Fate::Fail(When::After, ErrorKind::Unavailable)),
            (Fault::CallThrottled, Fate::Fail(When::Before, ErrorKind::Throttled)),
            (Fault::CallSentTwice, Fate::Resend),
        ];
        for (fault, fate) in fates {
            if self.strikes(fault) {
                self.story.tell(|| format!("        {method}: {}", fault.name()));
                return fate;
            }
        }
        Fate::Proceed
    }
}
