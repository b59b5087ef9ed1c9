//! How partial uploads become one: S3 copies what it can by itself, in ranges; what is less than S3's least part is read
//! and joined with its neighbours' bytes.
//!
//! A plan follows from the sizes alone, so whoever carries it out writes the same bytes under the same number: it may be
//! done twice, by two at once, or gone on with by another.

use std::ops::Range;

use crate::upload::{MAX_PART_SIZE, MAX_PARTS, MIB, MIN_PART_SIZE};

/// Bytes that one order to copy is for, unless there are so many that 10,000 parts don't hold them. S3 copies some 100 MB a
/// second for each order, and several orders at once.
const COPY_BYTES: u64 = 256 * MIB;

/// A range of one of the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Which source, from 0.
    pub source: usize,
    /// Which of its bytes.
    pub range: Range<u64>,
}

impl Piece {
    /// How many bytes.
    pub const fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Whether it is none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a part is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// S3 copies it.
    Copy(Piece),
    /// The pieces are read and written as one; none for an upload of nothing.
    Read(Vec<Piece>),
}

impl Step {
    /// How many bytes the part has.
    pub fn len(&self) -> u64 {
        match self {
            Self::Copy(piece) => piece.len(),
            Self::Read(pieces) => pieces.iter().map(Piece::len).sum(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The parts of a final upload in order; the first is part 1.
pub type Plan = Vec<Step>;

/// Plans a final upload of sources of these sizes. None if 10,000 parts don't hold them.
pub fn plan_join(sizes: &[u64]) -> Option<Plan> {
    let total = sizes.iter().try_fold(0_u64, |sum, size| sum.checked_add(*size))?;
    // each source may add a part that is read and one that is less than full
    let spare = 2 * sizes.len() as u64 + 1;
    let room = MAX_PARTS.checked_sub(spare).filter(|room| *room > 0)?;
    let copy = COPY_BYTES.max(total.div_ceil(room).div_ceil(MIB) * MIB);
    if copy > MAX_PART_SIZE {
        return None;
    }
    let mut plan = Plan::new();
    let mut waiting: Vec<Piece> = Vec::new();
    let mut missing = MIN_PART_SIZE;
    for (source, &size) in sizes.iter().enumerate() {
        let mut at = 0;
        if !waiting.is_empty() {
            at = size.min(missing);
            take(&mut waiting, source, 0..at);
            missing -= at;
            if missing == 0 {
                plan.push(Step::Read(std::mem::take(&mut waiting)));
                missing = MIN_PART_SIZE;
            }
        }
        let rest = size - at;
        if rest < MIN_PART_SIZE {
            take(&mut waiting, source, at..size);
            missing = MIN_PART_SIZE - waiting.iter().map(Piece::len).sum::<u64>();
            continue;
        }
        // equal ranges, so that none is less than a part
        let count = rest.div_ceil(copy);
        let part =
            |n: u64| at + u64::try_from(u128::from(rest) * u128::from(n) / u128::from(count)).unwrap_or(rest);
        for n in 0..count {
            plan.push(Step::Copy(Piece { source, range: part(n)..part(n + 1) }));
        }
    }
    if !waiting.is_empty() || plan.is_empty() {
        plan.push(Step::Read(waiting));
    }
    Some(plan)
}

fn take(pieces: &mut Vec<Piece>, source: usize, range: Range<u64>) {
    let piece = Piece { source, range };
    if !piece.is_empty() {
        pieces.push(piece);
    }
}
