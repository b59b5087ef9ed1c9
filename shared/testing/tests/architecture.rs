//! The directions of dependency, held by what cargo itself says of the workspace.
#![expect(clippy::unwrap_used, reason = "in tests a panic is how a fault is told")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
};

use serde_json::Value;

/// Name of each workspace crate → the crates that it is built with, all the way down. Dev-dependencies don't count:
/// they are in no function.
struct Graph {
    folders: BTreeMap<String, String>,
    direct: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read() -> Self {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked"])
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let root = metadata["workspace_root"].as_str().unwrap();
        let members: BTreeSet<&str> =
            metadata["workspace_members"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let packages = metadata["packages"].as_array().unwrap();
        let name_of: BTreeMap<String, String> =
            packages.iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect();
        let folders = packages
            .iter()
            .filter(|package| members.contains(package["id"].as_str().unwrap()))
            .map(|package| {
                let manifest = text(&package["manifest_path"]);
                let folder = manifest.strip_prefix(root).unwrap().trim_matches('/');
                (text(&package["name"]), folder.trim_end_matches("/Cargo.toml").to_owned())
            });
        let direct = metadata["resolve"]["nodes"].as_array().unwrap().iter().map(|node| {
            let built_with = node["deps"].as_array().unwrap().iter().filter(|dependency| {
                let kinds = dependency["dep_kinds"].as_array().unwrap();
                kinds.iter().any(|kind| kind["kind"] != "dev")
            });
            let names = built_with.map(|dependency| name_of[dependency["pkg"].as_str().unwrap()].clone());
            (name_of[node["id"].as_str().unwrap()].clone(), names.collect())
        });
        let mut merged: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, names) in direct.collect::<Vec<(String, BTreeSet<String>)>>() {
            merged.entry(name).or_default().extend(names);
        }
        Self { folders: folders.collect(), direct: merged }
    }

    fn all_below(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![name.to_owned()];
        while let Some(next) = open.pop() {
            for below in self.direct.get(&next).into_iter().flatten() {
                if found.insert(below.clone()) {
                    open.push(below.clone());
                }
            }
        }
        found
    }

    fn ours(&self, name: &str) -> BTreeSet<String> {
        self.direct[name].iter().filter(|below| self.folders.contains_key(*below)).cloned().collect()
    }

    fn functions(&self) -> impl Iterator<Item = &str> {
        self.folders
            .iter()
            .filter(|(_, folder)| folder.starts_with("functions/"))
            .map(|(name, _)| name.as_str())
    }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn the_domain_and_the_media_know_neither_aws_nor_a_runtime() {
    let graph = Graph::read();
    for name in ["sluice-core", "sluice-jpeg", "sluice-pixels", "sluice-media"] {
        let foreign: Vec<_> = graph
            .all_below(name)
            .into_iter()
            .filter(|below| {
                below.starts_with("aws-")
                    || below.starts_with("aws_")
                    || below.starts_with("lambda_")
                    || below == "tokio"
            })
            .collect();
        assert!(foreign.is_empty(), "{name} is built with {foreign:?}");
    }
}

#[test]
fn the_libraries_know_nothing_of_ours() {
    let graph = Graph::read();
    for name in ["sluice-core", "sluice-jpeg", "sluice-pixels"] {
        assert!(graph.ours(name).is_empty(), "{name} is built with {:?}", graph.ours(name));
    }
    assert_eq!(graph.ours("sluice-media"), set(&["sluice-jpeg", "sluice-pixels"]));
}

#[test]
fn arrows_point_inwards() {
    let graph = Graph::read();
    assert_eq!(graph.ours("sluice-aws"), set(&["sluice-core"]));
    assert_eq!(graph.ours("sluice-lambda"), set(&["sluice-core"]));
    assert_eq!(graph.ours("sluice-testing"), set(&["sluice-core"]));
    assert!(graph.functions().count() >= 9);
    let shared = set(&["sluice-core", "sluice-media", "sluice-aws", "sluice-lambda"]);
    for name in graph.functions() {
        let strangers: Vec<_> = graph.ours(name).difference(&shared).cloned().collect();
        assert!(strangers.is_empty(), "{name} is built with {strangers:?}");
    }
}

#[test]
fn only_the_adapters_see_the_sdk() {
    let graph = Graph::read();
    let sdk = |name: &&String| graph.direct[*name].iter().any(|below| below.starts_with("aws-sdk-"));
    let seeing: Vec<_> = graph.folders.keys().filter(sdk).filter(|name| *name != "sluice-bench").collect();
    assert_eq!(seeing, ["sluice-aws"]);
}

/// The Rust files below these folders of the repository, each with its text.
fn sources(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
    files
}

#[test]
fn who_may_use_a_record_is_decided_in_one_place() {
    let folders: Vec<String> = Graph::read().folders.values().map(|folder| format!("{folder}/src")).collect();
    let production: Vec<&str> = folders
        .iter()
        .map(String::as_str)
        .filter(|folder| folder.starts_with("functions/") || folder.starts_with("shared/"))
        .filter(|folder| !folder.starts_with("shared/testing"))
        .collect();
    let files = sources(&production);
    assert!(files.len() > 100);
    let compares = |line: &str| {
        ["owner", "owner()", "caller"].iter().any(|name| {
            [" == ", " != "].iter().any(|sign| {
                line.contains(&format!("{name}{sign}"))
                    || ["", "&", "*", "self.", "&self."]
                        .iter()
                        .any(|start| line.contains(&format!("{sign}{start}{name}")))
            })
        })
    };
    let strangers: Vec<String> = files
        .iter()
        .filter(|(path, _)| !path.ends_with("core/src/right.rs"))
        // what the doubles and the unit tests compare is no right
        .filter(|(path, _)| !path.to_string_lossy().contains("tests"))
        .flat_map(|(path, text)| {
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            code.lines().filter(|line| compares(line)).map(|line| format!("{}: {line}", path.display()))
        })
        .collect();
    assert!(strangers.is_empty(), "{strangers:#?}");
}
