//! Makes the derivatives of a file: `derive FILE DIRECTORY`. Prints what was found and how long it took.

use std::{env, fs, io, path::PathBuf, time::Instant};

use sluice_media::{
    derive::{Profile, derive},
    limits::Limits,
    metadata,
    placeholder::thumbhash,
    sniff,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args_os().skip(1);
    let (Some(file), Some(directory)) = (arguments.next(), arguments.next().map(PathBuf::from)) else {
        return Err(io::Error::other("usage: derive FILE DIRECTORY").into());
    };
    let bytes = fs::read(file)?;
    let limits = Limits::for_memory(1024 << 20);

    println!("{:?}", sniff::sniff(&bytes));
    let started = Instant::now();
    let found = metadata::read(&bytes);
    println!("metadata {:?} {}", started.elapsed(), serde_json::to_string(&found)?);
    let started = Instant::now();
    let placeholder = thumbhash(&bytes, &limits)?;
    println!("placeholder {:?} {placeholder:?}", started.elapsed());
    let started = Instant::now();
    let derived = derive(&bytes, &Profile::default(), &limits)?;
    println!("derive {:?} {:?}", started.elapsed(), derived.warnings);

    fs::create_dir_all(&directory)?;
    for derivative in derived.derivatives {
        let path = directory.join(format!("{}.{}", derivative.name, derivative.extension));
        println!(
            "{} × {}, {} bytes: {}",
            derivative.width,
            derivative.height,
            derivative.bytes.len(),
            path.display()
        );
        fs::write(path, derivative.bytes)?;
    }
    Ok(())
}
