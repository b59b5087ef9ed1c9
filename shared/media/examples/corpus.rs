//! What comes of a file, for a comparison of many: `corpus FILE DIRECTORY` writes its derivatives and prints one JSON
//! object.
//!
//! | field | meaning |
//! |---|---|
//! | `type` | the content type, by the first bytes |
//! | `size` | width and height as displayed, if the header can be read |
//! | `frames` | of an animation, or pages |
//! | `derivatives` | of each: `name`, `file`, `width`, `height`, `bytes` |
//! | `warnings` | their codes |
//! | `error` | why there are no derivatives: code and text |
//! | `milliseconds` | header, placeholder and derivatives together |
//! | `memory` | the process's peak in MiB, the file among it; 0 where the system doesn't tell |

use std::{env, fs, io, path::PathBuf, time::Instant};

use serde_json::json;
use sluice_media::{
    derive::{Profile, derive},
    inspect,
    limits::Limits,
    placeholder::thumbhash,
    sniff,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args_os().skip(1);
    let (Some(file), Some(directory)) = (arguments.next(), arguments.next().map(PathBuf::from)) else {
        return Err(io::Error::other("usage: corpus FILE DIRECTORY").into());
    };
    let bytes = fs::read(file)?;
    let limits = Limits::for_memory(1024 << 20);
    let started = Instant::now();
    let header = inspect(&bytes).ok();
    // A file without one has no derivatives, either, and says why then.
    let _ = thumbhash(&bytes, &limits);
    let derived = derive(&bytes, &Profile::default(), &limits);
    let milliseconds = started.elapsed().as_millis();
    let (mut derivatives, mut warnings, mut error) = (Vec::new(), Vec::new(), None);
    match derived {
        Ok(derived) => {
            fs::create_dir_all(&directory)?;
            for made in derived.derivatives {
                let path = directory.join(format!("{}.{}", made.name, made.extension));
                derivatives.push(json!({
                    "name": made.name,
                    "file": path,
                    "width": made.width,
                    "height": made.height,
                    "bytes": made.bytes.len(),
                }));
                fs::write(path, made.bytes)?;
            }
            warnings.extend(derived.warnings.into_iter().map(|warning| warning.code));
        }
        Err(refused) => error = Some(format!("{}: {refused}", refused.code())),
    }
    let told = json!({
        "type": sniff::sniff(&bytes).content_type,
        "size": header.as_ref().map(|header| (header.width, header.height)),
        "frames": header.as_ref().map(|header| header.frames),
        "derivatives": derivatives,
        "warnings": warnings,
        "error": error,
        "milliseconds": milliseconds,
        "memory": peak_memory(),
    });
    println!("{told}");
    Ok(())
}

/// The most memory that this process had, in MiB (proc(5), `VmHWM`).
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1024
}
