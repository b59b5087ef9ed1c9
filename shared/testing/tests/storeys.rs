//! The directions of imports within the image crates, held by what their files say: no circle, no arrow from a lower storey
//! up, no format that knows another one.
//!
//! A module is a file. An arrow goes from it to each module that it names in a `use`, by a path in its code, or in a `mod`; tests
//! don't count. Neither does an arrow to the module that it lies in: a folder is one thing with the file that heads it.
#![expect(clippy::unwrap_used, reason = "in tests a panic is how a fault is told")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// From the lowest up. Within a storey arrows are free, as long as they make no circle.
const JPEG: &[&[&str]] = &[&["segments", "simd", "zigzag"], &["decode", "encode"]];
const PIXELS: &[&[&str]] =
    &[&["error", "simd"], &["raster"], &["planar"], &["planes", "resample"], &["colour"]];
const MEDIA: &[&[&str]] = &[
    &["bytes", "error", "ifd", "input", "limits", "sniff", "xml"],
    &["blocks", "exif", "facts"],
    &["decode", "native"],
    &["formats"],
    &["colour", "profile"],
    &["derive", "metadata", "placeholder"],
];

type Module = Vec<String>;

/// Module → the modules that it names.
struct Imports(BTreeMap<Module, BTreeSet<Module>>);

impl Imports {
    fn of(folder: &str) -> Self {
        let src = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder).join("src");
        let mut files = BTreeMap::new();
        collect(&src, &src, &mut files);
        let known: BTreeSet<Module> = files.keys().cloned().collect();
        let arrows = files.iter().map(|(module, text)| (module.clone(), arrows(module, text, &known)));
        Self(arrows.collect())
    }

    /// All but those to a module's own ancestors.
    fn arrows(&self) -> impl Iterator<Item = (&Module, &Module)> {
        self.all().filter(|(from, to)| !from.starts_with(to))
    }

    fn all(&self) -> impl Iterator<Item = (&Module, &Module)> {
        self.0.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to)))
    }

    /// The modules that lie on circles, or between them.
    fn in_circles(&self) -> Vec<String> {
        let mut left: BTreeMap<Module, BTreeSet<Module>> =
            self.0.keys().map(|module| (module.clone(), BTreeSet::new())).collect();
        for (from, to) in self.arrows() {
            left.get_mut(from).unwrap().insert(to.clone());
        }
        loop {
            let ends: Vec<Module> = left
                .iter()
                .filter(|(module, to)| {
                    !to.iter().any(|to| left.contains_key(to))
                        || !left.values().any(|to| to.contains(*module))
                })
                .map(|(module, _)| module.clone())
                .collect();
            if ends.is_empty() {
                return left.keys().map(|module| module.join("::")).collect();
            }
            left.retain(|module, _| !ends.contains(module));
        }
    }

    fn against(&self, storeys: &[&[&str]]) -> Vec<String> {
        let storey = |module: &Module| {
            let top = module.first().map_or("", String::as_str);
            // The root of the crate stands above all.
            if top.is_empty() {
                return storeys.len();
            }
            let found = storeys.iter().position(|storey| storey.contains(&top));
            found.unwrap_or_else(|| panic!("{top} has no storey yet: give it one in {}", file!()))
        };
        self.arrows().filter(|(from, to)| storey(from) < storey(to)).map(shown).collect()
    }
}

fn shown((from, to): (&Module, &Module)) -> String {
    format!("{} → {}", from.join("::"), to.join("::"))
}

/// The files of a crate by their modules, without their tests.
fn collect(src: &Path, folder: &Path, files: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name == "tests" {
            continue;
        }
        if path.is_dir() {
            collect(src, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut module: Module = path
                .with_extension("")
                .strip_prefix(src)
                .unwrap()
                .iter()
                .map(|part| part.to_str().unwrap().to_owned())
                .collect();
            module.pop_if(|last| last == "mod" || last == "lib");
            let text = fs::read_to_string(&path).unwrap();
            let code = text.lines().take_while(|line| !line.trim_start().ends_with("mod tests {"));
            let code = code.map(|line| line.split("//").next().unwrap_or_default());
            files.insert(module, code.collect::<Vec<_>>().join("\n"));
        }
    }
}

fn arrows(module: &Module, text: &str, known: &BTreeSet<Module>) -> BTreeSet<Module> {
    let mut found = BTreeSet::new();
    let mut add = |path: &[String]| {
        let whole = absolute(module, path);
        // The longest beginning that is a module; what is left is an item of it.
        let to = (0..=whole.len()).rev().map(|end| whole[..end].to_vec()).find(|to| known.contains(to));
        found.extend(to.filter(|to| to != module));
    };
    for line in text.lines() {
        let line = line.trim().trim_end_matches(';');
        if let Some((_, name)) =
            line.split_once("mod ").filter(|(before, _)| before.is_empty() || before.starts_with("pub"))
        {
            add(&["self".to_owned(), name.to_owned()]);
        }
    }
    let whole_word = |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || "_$:".contains(c));
    for start in ["crate::", "self::", "super::"] {
        for (at, _) in text.match_indices(start).filter(|(at, _)| whole_word(*at)) {
            tree(&text[at..], &[], &mut add);
        }
    }
    found
}

/// Gives the paths of a tree such as `crate::{error, decode::{still, frames::Animation}}`, and what of the text is left.
fn tree<'t>(text: &'t str, before: &[String], add: &mut impl FnMut(&[String])) -> &'t str {
    let mut path = before.to_vec();
    let mut rest = text.trim_start();
    loop {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        path.push(rest[..end].to_owned());
        rest = &rest[end..];
        let Some(behind) = rest.strip_prefix("::") else { break };
        rest = behind;
        if let Some(mut branches) = rest.strip_prefix('{') {
            while !branches.trim_start().starts_with('}') {
                branches = tree(branches, &path, add).trim_start();
                // A renamed one.
                if let Some(renamed) = branches.strip_prefix("as ") {
                    branches = &renamed[renamed.find([',', '}']).unwrap_or(renamed.len())..];
                }
                branches = branches.strip_prefix(',').unwrap_or(branches);
                assert!(!branches.is_empty(), "a tree of imports that doesn't end");
            }
            return branches.trim_start().strip_prefix('}').unwrap_or_default();
        }
    }
    add(&path);
    rest
}

/// A path from the crate's root.
fn absolute(module: &Module, path: &[String]) -> Module {
    let mut whole = module.clone();
    for (index, part) in path.iter().enumerate() {
        match part.as_str() {
            "crate" if index == 0 => whole.clear(),
            "self" => {}
            "super" => drop(whole.pop()),
            part => whole.push(part.to_owned()),
        }
    }
    whole
}

#[test]
fn no_circle_and_no_arrow_up() {
    for (folder, storeys) in [("shared/jpeg", JPEG), ("shared/pixels", PIXELS), ("shared/media", MEDIA)] {
        let imports = Imports::of(folder);
        assert!(imports.arrows().count() > 10, "{folder} is read");
        let circles = imports.in_circles();
        assert!(circles.is_empty(), "{folder}: these import each other: {circles:?}");
        let up = imports.against(storeys);
        assert!(up.is_empty(), "{folder}: from a lower storey up: {up:?}");
    }
}

#[test]
fn no_format_knows_another_one() {
    let imports = Imports::of("shared/media");
    let format = |module: &Module| module.first().filter(|top| *top == "formats").and(module.get(1)).cloned();
    assert!(imports.0.keys().filter_map(format).collect::<BTreeSet<_>>().len() >= 9);
    // Nor the list of them.
    let knows = |from: &Module, to: &Module| {
        format(from).is_some_and(|own| to.first() == from.first() && format(to).as_ref() != Some(&own))
    };
    let strangers: Vec<_> = imports.all().filter(|(from, to)| knows(from, to)).map(shown).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}

#[test]
fn trees_of_imports_are_read() {
    let known: BTreeSet<Module> = ["", "a", "b", "b::c", "b::d", "b::c::e"]
        .map(|path| path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect())
        .into();
    let module: Module = vec!["b".to_owned(), "c".to_owned()];
    let text = "use crate::{\n    a::{self, Item as Other},\n    b::d::{one, two::Three},\n};\nfn x() { super::d::y(crate::a::z) }\nmod e;";
    let to = arrows(&module, text, &known);
    assert_eq!(to.iter().map(|to| to.join("::")).collect::<Vec<_>>(), ["a", "b::c::e", "b::d"]);
}
