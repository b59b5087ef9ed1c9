//! The seed's random numbers: `xorshift64*` (Vigna, 2016), started by `splitmix64` so that neighbouring seeds have nothing
//! in common.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Random numbers of one seed. Clones draw from the same row.
#[derive(Debug, Clone)]
pub struct Chance(Arc<AtomicU64>);

impl Chance {
    /// The numbers of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let mut state = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // the one state that it never leaves
        Self(Arc::new(AtomicU64::new((state ^ (state >> 31)).max(1))))
    }

    fn draw(&self) -> u64 {
        // one thread draws: the order of loads and stores is the program's
        let mut state = self.0.load(Ordering::Relaxed);
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.0.store(state, Ordering::Relaxed);
        state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `n`; 0 if that is 0.
    pub fn below(&self, n: u64) -> u64 {
        // the high bits are the better ones; the bias of a small `n` is far below what is measured here
        ((u128::from(self.draw()) * u128::from(n)) >> 64) as u64
    }

    /// An index of something of this length.
    pub fn index(&self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    /// Whether it strikes this time, where it does so `permille` times of a thousand.
    pub fn permille(&self, permille: u32) -> bool {
        permille > 0 && self.below(1000) < u64::from(permille)
    }

    /// Whether it is the one time of `n`.
    pub fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of some things.
    pub fn pick<'a, T>(&self, things: &'a [T]) -> &'a T {
        &things[self.index(things.len())]
    }

    /// A span from `shortest` to `longest`, in whole milliseconds.
    pub fn span(&self, shortest: Duration, longest: Duration) -> Duration {
        let (from, to) = (millis(shortest), millis(longest));
        Duration::from_millis(from + self.below(to.saturating_sub(from) + 1))
    }

    /// The same things in another order.
    pub fn shuffle<T>(&self, things: &mut [T]) {
        for at in (1..things.len()).rev() {
            things.swap(at, self.index(at + 1));
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).expect("a test's span fits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_another_seed_others() {
        let row = |seed| {
            let chance = Chance::of_seed(seed);
            (0..20).map(|_| chance.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(row(7), row(7));
        assert_ne!(row(7), row(8));
        assert!(row(7).iter().all(|number| *number < 1000));
    }
}
