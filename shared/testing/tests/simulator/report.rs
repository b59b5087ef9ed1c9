//! Many seeds on all cores, and what is printed of them.

use std::{
    collections::BTreeMap,
    env, panic,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Instant,
};

use sluice_testing::simulator::{Story, Tally};

use crate::{
    ledger::Violation,
    run::{Plan, run},
    shrink::shrink,
};

/// How many seeds run unless somebody says: what every run of the tests has time for.
const SEEDS: u64 = 100_000;
/// From how many seeds on every kind of event and fault must have come [`OFTEN`].
const MANY: u64 = 100_000;
/// How often, then.
const OFTEN: u64 = 1_000;
/// How many port calls the median seed makes at least.
const CALLS: usize = 150;
/// Failing seeds of which the story is told.
const STORIES: usize = 1;

/// What was found, by invariant and kind: how often, and in which seed first.
type Found = BTreeMap<(u8, String), (u64, u64, String)>;

/// Runs what the environment asks for.
pub fn main() {
    // panics are told with their seed
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(|| match number("SEED") {
        Some(seed) => one(seed),
        None => many(number("SEEDS").unwrap_or(SEEDS)),
    });
    let _ = panic::take_hook();
    match result {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => panic!("{reason}"),
        Err(panic) => panic::resume_unwind(panic),
    }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.replace('_', "").parse().ok()
}

/// Runs one seed and tells its story: the whole one, or that of the smallest plan that still fails.
fn one(seed: u64) -> Result<(), String> {
    let plan = Plan::of_seed(seed);
    let verdict = run(&plan, &Story::kept(), &Tally::default());
    let wanted = number("INVARIANT");
    let chosen = |other: &&Violation| wanted.is_none_or(|wanted| u64::from(other.invariant) == wanted);
    let Some(first) = verdict.violations.iter().find(chosen) else {
        print(&verdict.story);
        println!("seed {seed}: every promise is kept, {} port calls", verdict.calls);
        return Ok(());
    };
    if env::var("WHOLE").is_ok() {
        print(&verdict.story);
    } else {
        tell(&plan, first);
    }
    Err(format!("seed {seed}: {:#?}", verdict.violations))
}

/// Shrinks a failing plan and tells the story that is left.
fn tell(plan: &Plan, violation: &Violation) {
    let (small, verdict) = shrink(plan, violation);
    print(&verdict.story);
    println!(
        "seed {}, scenes {:?}, order {}, without {:?}",
        small.seed, small.scenes, small.order, small.off
    );
}

fn print(story: &[String]) {
    for line in story {
        println!("{line}");
    }
}

/// Runs the seeds from 1 on.
fn many(seeds: u64) -> Result<(), String> {
    let started = Instant::now();
    let (next, tally) = (AtomicU64::new(1), Tally::default());
    // whoever took a lower seed runs it to its end, so the first that fails is the same on any number of cores
    let (only_first, found_one) = (env::var("FIRST").is_ok(), AtomicBool::new(false));
    let known = env::var("KNOWN").unwrap_or_default();
    let is_known = |Violation { invariant, kind, .. }: &Violation| {
        known.lines().any(|line| *line == format!("{invariant}\t{kind}"))
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let (mut found, mut calls) = (Found::new(), Vec::new());
        loop {
            if only_first && found_one.load(Ordering::Relaxed) {
                return (found, calls);
            }
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > seeds {
                return (found, calls);
            }
            let mut verdict = run(&Plan::of_seed(seed), &Story::untold(), &tally);
            verdict.violations.retain(|violation| !is_known(violation));
            calls.push(verdict.calls);
            if !verdict.violations.is_empty() {
                found_one.store(true, Ordering::Relaxed);
            }
            for Violation { invariant, kind, seen } in verdict.violations {
                let entry = found.entry((invariant, kind)).or_insert((0, seed, seen));
                entry.0 += 1;
            }
        }
    };
    let parts: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (mut found, mut calls) = (Found::new(), Vec::new());
    for (part, its_calls) in parts {
        calls.extend(its_calls);
        for (kind, (count, seed, seen)) in part {
            let entry = found.entry(kind).or_insert((0, seed, seen.clone()));
            entry.0 += count;
            if seed < entry.1 {
                (entry.1, entry.2) = (seed, seen);
            }
        }
    }
    if only_first {
        first(&found, calls.len());
        return Ok(());
    }
    calls.sort_unstable();
    let median = calls.get(calls.len() / 2).copied().unwrap_or_default();
    let took = started.elapsed();
    let each = took * u32::try_from(cores).unwrap() / u32::try_from(seeds.max(1)).unwrap();
    println!(
        "{seeds} seeds in {:.1} s on {cores} cores, {each:.1?} a seed; port calls: {median} in the median, {} in all",
        took.as_secs_f64(),
        calls.iter().sum::<usize>(),
    );
    for (name, count) in tally.counts() {
        println!("{count:>12} × {name}");
    }
    for ((invariant, kind), (count, seed, seen)) in &found {
        println!("{count:>7} × {invariant:>2}: {kind}; first in seed {seed}: {seen}");
    }
    judge(seeds, median, &tally, &found)
}

/// Prints what broke first and in which seed, or how many seeds broke nothing: for `infra/local/undone.sh`.
fn first(found: &Found, seeds: usize) {
    match found.iter().min_by_key(|(_, (_, seed, _))| *seed) {
        Some(((invariant, kind), (_, seed, _))) => println!("found\t{invariant}\t{kind}\t{seed}"),
        None => println!("nothing\t\t\t{seeds}"),
    }
}

fn judge(seeds: u64, median: usize, tally: &Tally, found: &Found) -> Result<(), String> {
    if env::var("TABLE").is_ok() {
        return Ok(());
    }
    if !found.is_empty() {
        let mut first: Vec<_> = found.iter().collect();
        first.sort_by_key(|(_, (_, seed, _))| *seed);
        for ((invariant, kind), (_, seed, seen)) in first.into_iter().take(STORIES) {
            let violation = Violation { invariant: *invariant, kind: kind.clone(), seen: seen.clone() };
            tell(&Plan::of_seed(*seed), &violation);
        }
        return Err(format!("{} kinds of broken promises", found.len()));
    }
    if median < CALLS {
        return Err(format!("{median} port calls in the median seed; {CALLS} are the least"));
    }
    let rare: Vec<_> = tally.counts().into_iter().filter(|(_, count)| *count < OFTEN).collect();
    if seeds >= MANY && !rare.is_empty() {
        return Err(format!("too rare to say anything: {rare:?}"));
    }
    Ok(())
}
