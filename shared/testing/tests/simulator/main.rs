//! The simulator: all functions and all kinds of clients over the ports in memory, every order and every fault, decided by
//! seeds. The engine is `sluice_testing::simulator`; here is the scenario.
//!
//! | module | what stands there |
//! |---|---|
//! | [`functions`] | the functions as they are deployed: the one place that makes their handlers |
//! | [`contents`] | the bytes of files, each of which says whose they are |
//! | [`clients`] | what people do, one file for each kind |
//! | [`scenes`] | which of them meet in a seed |
//! | [`rules`] | what the operator lets in, and how much |
//! | [`ledger`] | what was granted, sent, acknowledged and cancelled, as the clients know it |
//! | [`watch`] | the invariants that are checked as states are written |
//! | [`told`] | what open connections are told (invariant 13) |
//! | [`staged`] | what waits in the staging bucket (invariant 14) |
//! | [`strangers`] | what somebody else sees of an id (invariant 15) |
//! | [`rest`] | the invariants that are checked when nothing happens any more |
//! | [`run`] | one seed from its start to its verdict |
//! | [`shrink`] | a failing seed made small |
//! | [`crashes`] | every crash there is: one at each port call of some scenes; and every lost answer to a write |
//! | [`report`] | many seeds on all cores, and what is printed of them |
//!
//! # Invariants
//!
//! By the numbers that a failing seed names:
//!
//! | number | what must hold |
//! |---|---|
//! | 1 | every asset comes to an end, by being driven again if its bytes are there; none fails for a fault that passes |
//! | 2 | `done` means that the pinned bytes, the hash shown and every derivative named exist and belong together |
//! | 3 | the bytes shown are those of the grant whose name, type, hash and size the record shows |
//! | 4 | a version that was acknowledged is the one shown, or a later one is, or its owner cancelled it |
//! | 5 | `complete` answers 200 for the version that was granted, or a later one |
//! | 6 | a version that is done stays readable until a later one is done |
//! | 7 | the condition that the next update will sign holds at S3 |
//! | 8 | nothing lies at S3 that no record names, and what a record names is there |
//! | 9 | what is kept of an owner's usage is the exact sum of the assets, and within the quota |
//! | 10 | the gate holds for the real type and size of all that is done; what was refused can't be read |
//! | 11 | the same bytes of the same owner are kept once, unless the stated patience ran out |
//! | 12 | one request with its key, and one upload job's token, make one asset |
//! | 13 | every open connection is told the last revision, and nothing that wasn't written or is somebody else's |
//! | 14 | by tus, an upload stands at or behind all that was acknowledged, and is there until somebody ends it |
//! | 15 | to somebody else an id looks like one that never was, by every route, and nothing changes |
//! | 16 | everything delivered again at the end changes nothing |
//!
//! # Settings
//!
//! `SEEDS=n` says how many seeds run, `SEED=k` runs one and prints its story, `TABLE=1` prints what was found in place of
//! failing, `WHOLE=1` prints a story without shrinking it first, `FIRST=1` stops at the first seed that fails and prints no
//! more than what broke in it, `KNOWN` names what is passed over (lines of an invariant, a tab and a kind).
//!
//! That it bites is shown by `undone/`: each patch undoes one mend of the product, and `make simulate-undone` has every one
//! of them found.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

mod clients;
mod contents;
mod crashes;
mod functions;
mod ledger;
mod report;
mod rest;
mod rules;
mod run;
mod scenes;
mod shrink;
mod staged;
mod strangers;
mod told;
mod watch;

#[test]
fn no_order_and_no_fault_breaks_a_promise() {
    report::main();
}

#[test]
fn whoever_dies_over_whichever_call_no_promise_is_broken() {
    crashes::main();
}

#[test]
fn whichever_answer_to_a_write_is_lost_no_promise_is_broken() {
    crashes::lose_answers();
}
