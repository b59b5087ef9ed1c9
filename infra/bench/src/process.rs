//! What the kernel says of a process (`man 5 proc`).

use std::{fs, io, time::Duration};

/// The most memory that a process ever had resident, in KiB; `id` is a number or `self`.
///
/// # Errors
/// The process is gone.
pub fn peak_memory(id: &str) -> io::Result<u32> {
    status_field(id, "VmHWM:")
}

/// The memory that a process has resident now, in KiB.
///
/// # Errors
/// The process is gone.
pub fn memory(id: &str) -> io::Result<u32> {
    status_field(id, "VmRSS:")
}

fn status_field(id: &str, name: &str) -> io::Result<u32> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let field = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = field.and_then(|field| field.trim().strip_suffix(" kB")?.parse().ok());
    kibibytes.ok_or_else(|| io::Error::other(format!("no {name} in the process's status")))
}

/// The kernel's error where a process or thread is gone (`errno(3)`).
const ESRCH: i32 = 3;

/// The CPU time of the threads that a process has now.
///
/// # Errors
/// The process is gone.
pub fn cpu_time(id: &str) -> io::Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{id}/task"))? {
        // its first number is nanoseconds on a CPU; `stat` counts in hundredths of a second
        let statistics = match fs::read_to_string(thread?.path().join("schedstat")) {
            // a thread that ended since it was listed; the kernel gives either error
            Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH) => {
                continue;
            }
            read => read?,
        };
        let nanoseconds = statistics.split(' ').next().and_then(|number| number.parse().ok());
        total += Duration::from_nanos(nanoseconds.unwrap_or_default());
    }
    Ok(total)
}

/// The CPU time of all threads that a process ever had, in steps of ten milliseconds.
///
/// # Errors
/// The process is gone.
pub fn total_cpu_time(id: &str) -> io::Result<Duration> {
    /// `USER_HZ`, which is a constant for programs.
    const TICK: Duration = Duration::from_millis(10);
    let statistics = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // the second field, the program's name in brackets, may hold anything; the 14th and 15th are wanted
    let fields = statistics.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u32 = fields.skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    Ok(TICK * ticks)
}

/// KiB as MiB, for a table.
pub fn mebibytes(kibibytes: u32) -> String {
    format!("{:.1}", f64::from(kibibytes) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_time() -> io::Result<()> {
        // the kernel sums both up lazily, so neither bounds the other exactly
        assert!(peak_memory("self")? > 0 && memory("self")? > 0);
        assert!(cpu_time("self")? > Duration::ZERO);
        assert!(total_cpu_time("self")? < Duration::from_secs(3600));
        assert_eq!(mebibytes(1536), "1.5");
        Ok(())
    }
}
