//! Clocks and summaries.
//!
//! CPU time is that of the whole process, so whatever else runs on the machine, and however often the process is put
//! aside, disturbs it little. Wall time is what a user waits.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// What one piece of work took.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// By the clock on the wall.
    pub wall: Duration,
    /// Of all threads of the process.
    pub cpu: Duration,
}

/// Runs from its making on.
#[derive(Debug)]
pub struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

impl Stopwatch {
    /// Starts.
    #[expect(clippy::new_without_default, reason = "when it is made is what it is about")]
    pub fn new() -> Self {
        Self { cpu: cpu_time(), wall: Instant::now() }
    }

    /// What has gone by since the start.
    pub fn read(&self) -> Sample {
        Sample { wall: self.wall.elapsed(), cpu: cpu_time().saturating_sub(self.cpu) }
    }
}

/// The CPU time that this process has used.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Many samples of one thing; of times in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Summary {
    /// The middle one; of an even number the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Summary {
    /// Of at least one sample.
    ///
    /// # Panics
    /// Without any.
    pub fn of(samples: impl IntoIterator<Item = Duration>) -> Self {
        Self::of_values(samples.into_iter().map(|sample| sample.as_secs_f64() * 1000.0))
    }

    /// Of at least one sample that isn't a time.
    ///
    /// # Panics
    /// Without any.
    pub fn of_values(samples: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (lower, upper) = ((sorted.len() - 1) / 2, sorted.len() / 2);
        Self {
            median: f64::midpoint(sorted[lower], sorted[upper]),
            min: sorted[0],
            max: sorted[sorted.len() - 1],
        }
    }

    /// As it stands in a table: `1.23 (1.10–1.61)`.
    pub fn cell(&self) -> String {
        format!("{:.2} ({:.2}–{:.2})", self.median, self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_does_not_depend_on_the_order() {
        let summary =
            |samples: &[u64]| Summary::of(samples.iter().copied().map(Duration::from_millis)).cell();
        assert_eq!(summary(&[5]), "5.00 (5.00–5.00)");
        assert_eq!(summary(&[9, 1, 2]), "2.00 (1.00–9.00)");
        assert_eq!(summary(&[4, 1, 3, 2]), "2.50 (1.00–4.00)");
    }
}
