//! The patches that undo one mend each, by which the simulator is seen to bite (`make simulate-undone`), still fit the
//! product. Whoever changes the code under one brings it up to date.
#![expect(clippy::unwrap_used, reason = "in tests a panic is how a fault is told")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// How many there are: one that vanishes is noticed.
const PATCHES: usize = 23;

#[test]
fn every_mend_can_be_undone() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.join("../..").canonicalize().unwrap();
    let files = fs::read_dir(here.join("tests/simulator/undone")).unwrap();
    let mut patches: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    patches.sort();
    assert_eq!(patches.len(), PATCHES, "{patches:#?}");
    let misfits: Vec<String> = patches.iter().filter_map(|patch| misfit(&root, patch)).collect();
    assert!(misfits.is_empty(), "don't apply any more:\n{}", misfits.join("\n"));
}

/// What git says of a patch that doesn't apply.
fn misfit(root: &Path, patch: &Path) -> Option<String> {
    let output = Command::new("git")
        .args(["apply", "--check"])
        .arg(patch)
        .current_dir(root)
        // within another repository git would pass over every file, and find nothing wrong
        .env("GIT_CEILING_DIRECTORIES", root.parent().unwrap())
        .output()
        .expect("git is needed to see whether the patches apply");
    let said = String::from_utf8_lossy(&output.stderr);
    (!output.status.success()).then(|| format!("{}: {said}", patch.display()))
}
