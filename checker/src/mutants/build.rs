//! The checker of the mutated model: one copy, built once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::mutants::catalogue::Mutant;
use crate::mutants::switch::{SWITCH, switched};

/// The directory of the workspace, as it was when this checker was built.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What a search needs little of: there is one build, and each search is short.
const QUICK: [(&str, &str); 5] =
    [("LTO", "off"), ("CODEGEN_UNITS", "16"), ("OPT_LEVEL", "2"), ("DEBUG", "0"), ("INCREMENTAL", "true")];

/// Builds the checker with these mutants in its model, and says where it is. What is built lies in
/// `target/mutants` of the workspace; a second build is quick.
pub(super) fn build(mutants: &[Mutant]) -> Result<PathBuf, String> {
    let root = &fs::canonicalize(ROOT).unwrap_or_else(|_| ROOT.into());
    if !root.join("model/src/lib.rs").is_file() {
        return Err(format!(
            "the model's sources are not at {ROOT}: mutants are built from them; use 'cargo checker mutants' there"
        ));
    }
    let work = root.join("target/mutants");
    let tree = work.join("tree");
    lay_out(&tree, &sources(root, mutants)?).map_err(|why| format!("cannot write to {}: {why}", tree.display()))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command.args(["build", "--quiet", "--release", "--package", "rafttree-checker"]);
    command.current_dir(&tree).env("CARGO_TARGET_DIR", work.join("target"));
    command.envs(QUICK.map(|(setting, value)| (format!("CARGO_PROFILE_RELEASE_{setting}"), value)));
    let built = command.output().map_err(|why| format!("cannot start {}: {why}", cargo.display()))?;
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr);
        return Err(format!("the mutated model does not build:\n{said}"));
    }
    let name = format!("rafttree-checker{}", std::env::consts::EXE_SUFFIX);
    Ok(work.join("target/release").join(name))
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What the checker is built from, with the mutants in the model.
fn sources(root: &Path, mutants: &[Mutant]) -> Result<Files, String> {
    let mut files = Files::new();
    for part in ["Cargo.toml", "Cargo.lock", "model", "checker"] {
        read(root, Path::new(part), &mut files)
            .map_err(|why| format!("cannot read {part} in {}: {why}", root.display()))?;
    }
    change(&mut files, "Cargo.toml", |workspace| Ok(reduced(workspace)))?;
    change(&mut files, "model/src/lib.rs", |text| Ok(format!("#![allow(warnings)]\n{text}{SWITCH}")))?;
    for file in mutants.iter().map(|mutant| mutant.file).collect::<BTreeSet<_>>() {
        let numbered = (1..).zip(mutants.iter().copied()).filter(|(_, mutant)| mutant.file == file);
        let numbered: Vec<_> = numbered.collect();
        change(&mut files, &format!("model/src/{file}"), |text| switched(text, &numbered))?;
    }
    Ok(files)
}

/// The workspace with these two members.
fn reduced(workspace: &str) -> String {
    let lines = workspace.lines().map(|line| {
        let is_members = line.starts_with("members = ");
        if is_members { "members = [\"model\", \"checker\"]\n".to_owned() } else { format!("{line}\n") }
    });
    lines.collect()
}

fn change(files: &mut Files, name: &str, change: impl FnOnce(&str) -> Result<String, String>) -> Result<(), String> {
    let bytes = files.get_mut(Path::new(name)).ok_or_else(|| format!("there is no {name}"))?;
    *bytes = change(&String::from_utf8_lossy(bytes))?.into_bytes();
    Ok(())
}

/// Reads a file, or all files of a directory.
fn read(root: &Path, part: &Path, files: &mut Files) -> io::Result<()> {
    let path = root.join(part);
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            read(root, &part.join(entry?.file_name()), files)?;
        }
    } else {
        files.insert(part.to_owned(), fs::read(path)?);
    }
    Ok(())
}

/// Makes the tree hold these files and no others. What is as it should be is not touched, so that
/// cargo does not build it again.
fn lay_out(tree: &Path, files: &Files) -> io::Result<()> {
    let mut old = Files::new();
    fs::create_dir_all(tree)?;
    read(tree, Path::new(""), &mut old)?;
    for gone in old.keys().filter(|name| !files.contains_key(*name)) {
        fs::remove_file(tree.join(gone))?;
    }
    for (name, bytes) in files.iter().filter(|(name, bytes)| old.get(*name) != Some(*bytes)) {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap_or(tree))?;
        fs::write(path, bytes)?;
    }
    Ok(())
}
