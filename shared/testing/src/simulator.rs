//! The engine of the simulator: everything around the functions, on one thread, decided by one seed.
//!
//! A seed stands for one run of the whole system. The engine polls one task at a time, and which one is chosen by the
//! seed; time passes only when the engine says so. Ports in memory are watched by [`Probe`](crate::Probe), so every port
//! call is a point where another task may run, and where a fault may strike. The same seed gives the same run.
//!
//! | module | what stands there |
//! |---|---|
//! | [`chance`] | [`Chance`]: the seed's random numbers |
//! | [`faults`] | [`Fault`] and [`Faults`]: what can go wrong and how often; the ports' [`Director`](crate::probe::Director) |
//! | [`tally`] | [`Tally`]: how often each kind of event and fault came |
//! | [`story`] | [`Story`]: what happened, told line by line where somebody reads it |
//! | [`timeline`] | [`Timeline`]: the time that passes, and the clock that shows it, not always well |
//! | [`engine`] | [`Engine`]: tasks, what wakes them, and what feeds them |
//! | [`function`] | [`Function`]: one that is invoked with an event, answers, fails or dies |
//! | [`bucket`] | [`BucketEvents`]: S3's notifications |
//! | [`queue`] | [`Queue`]: SQS with redrive, and the poller that feeds a function |
//! | [`stream`] | [`Stream`]: a table's stream, in order per key |
//! | [`schedule`] | [`Schedule`]: a function that is invoked at intervals |
//!
//! It knows no function: those are given to it as [`Function`]s. The scenario, with its clients and invariants, is the
//! integration test `simulator` of this crate.

pub mod bucket;
pub mod chance;
pub mod engine;
pub mod faults;
pub mod function;
pub mod queue;
pub mod schedule;
pub mod story;
pub mod stream;
pub mod tally;
pub mod timeline;

pub use bucket::BucketEvents;
pub use chance::Chance;
pub use engine::{Engine, Role, Source};
pub use faults::{Fault, Faults};
pub use function::{Function, Outcome};
pub use queue::{Queue, QueueRules};
pub use schedule::Schedule;
pub use story::Story;
pub use stream::Stream;
pub use tally::{Happening, Tally};
pub use timeline::Timeline;
