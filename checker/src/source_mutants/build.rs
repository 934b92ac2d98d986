//! The checker of the mutated model: one copy, built once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{fs, io};

use serde_json::Value;

use crate::source_mutants::catalogue::Mutant;
use crate::source_mutants::switch::{SWITCH, switched};

/// The directory of the workspace, as it was when this checker was built.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What a search needs little of: there is one build, and each search is short.
const QUICK: [(&str, &str); 5] =
    [("LTO", "off"), ("CODEGEN_UNITS", "16"), ("OPT_LEVEL", "2"), ("DEBUG", "0"), ("INCREMENTAL", "true")];

/// A copy of what the checker is built from, whose model has a switch. It lies in `target/mutants`
/// of the workspace with what is built from it; a second build is quick.
pub(super) struct Copied {
    work: PathBuf,
    files: Files,
}

/// What the compiler does not take: in which file of the copy, at which byte.
pub(super) struct Refusal {
    pub(super) file: PathBuf,
    pub(super) at: usize,
    pub(super) why: String,
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// The workspace from which this checker was built.
pub(super) fn workspace() -> Result<PathBuf, String> {
    let root = fs::canonicalize(ROOT).unwrap_or_else(|_| ROOT.into());
    if root.join("model/src/lib.rs").is_file() {
        return Ok(root);
    }
    Err(format!(
        "the model's sources are not at {ROOT}: mutants are built from them; use 'cargo checker mutants' there"
    ))
}

/// Builds the checker with these mutants in its model, and says where it is.
pub(super) fn build(mutants: &[Mutant]) -> Result<PathBuf, String> {
    let mut copied = Copied::new("")?;
    for file in mutants.iter().map(|mutant| mutant.file).collect::<BTreeSet<_>>() {
        let numbered = (1..).zip(mutants.iter().copied()).filter(|(_, mutant)| mutant.file == file);
        let numbered: Vec<_> = numbered.collect();
        copied.change(&format!("model/src/{file}"), |text| switched(text, &numbered))?;
    }
    copied.build()
}

pub(super) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

impl Copied {
    /// The sources with nothing but the switch, to be laid out in this place of `target/mutants`.
    pub(super) fn new(place: &str) -> Result<Copied, String> {
        let root = &workspace()?;
        let mut copied = Copied { work: root.join("target/mutants").join(place), files: Files::new() };
        for part in ["Cargo.toml", "Cargo.lock", "model", "checker"] {
            read(root, Path::new(part), &mut copied.files)
                .map_err(|why| format!("cannot read {part} in {}: {why}", root.display()))?;
        }
        copied.change("Cargo.toml", |workspace| Ok(reduced(workspace)))?;
        copied.change("model/src/lib.rs", |text| Ok(format!("#![allow(warnings)]\n{text}{SWITCH}")))?;
        Ok(copied)
    }

    pub(super) fn change(
        &mut self,
        name: &str,
        change: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<(), String> {
        let bytes = self.files.get_mut(Path::new(name)).ok_or_else(|| format!("there is no {name}"))?;
        *bytes = change(&String::from_utf8_lossy(bytes))?.into_bytes();
        Ok(())
    }

    /// Builds the checker, and says where it is.
    pub(super) fn build(&self) -> Result<PathBuf, String> {
        let built = self.cargo(&["build", "--quiet"])?;
        if !built.status.success() {
            let said = String::from_utf8_lossy(&built.stderr);
            return Err(format!("the mutated model does not build:\n{said}"));
        }
        let name = format!("rafttree-checker{}", std::env::consts::EXE_SUFFIX);
        Ok(self.work.join("target/release").join(name))
    }

    /// What keeps the checker from being built.
    pub(super) fn refusals(&self) -> Result<Vec<Refusal>, String> {
        let checked = self.cargo(&["check", "--quiet", "--message-format", "json"])?;
        let messages = String::from_utf8_lossy(&checked.stdout);
        let refusals: Vec<_> = messages.lines().flat_map(refusals_in).collect();
        if !checked.status.success() && refusals.is_empty() {
            let said = String::from_utf8_lossy(&checked.stderr);
            return Err(format!("the mutated model cannot be checked:\n{said}"));
        }
        Ok(refusals)
    }

    fn cargo(&self, task: &[&str]) -> Result<Output, String> {
        let tree = self.work.join("tree");
        lay_out(&tree, &self.files).map_err(|why| format!("cannot write to {}: {why}", tree.display()))?;
        let mut command = cargo();
        command.args(task).args(["--release", "--package", "rafttree-checker"]);
        command.current_dir(&tree).env("CARGO_TARGET_DIR", self.work.join("target"));
        command.envs(QUICK.map(|(setting, value)| (format!("CARGO_PROFILE_RELEASE_{setting}"), value)));
        command.output().map_err(|why| format!("cannot start cargo: {why}"))
    }
}

/// What a line of the compiler's messages refuses, if it does.
fn refusals_in(line: &str) -> Vec<Refusal> {
    let line: Value = serde_json::from_str(line).unwrap_or_default();
    let message = &line["message"];
    if message["level"] != "error" {
        return Vec::new();
    }
    let why = message["rendered"].as_str().unwrap_or_default();
    let spans = message["spans"].as_array().into_iter().flatten().filter(|span| span["is_primary"] == true);
    let refusal = |span: &Value| {
        let at = usize::try_from(span["byte_start"].as_u64()?).ok()?;
        Some(Refusal { file: span["file_name"].as_str()?.into(), at, why: why.to_owned() })
    };
    spans.filter_map(refusal).collect()
}

/// The workspace with these two members.
fn reduced(workspace: &str) -> String {
    let lines = workspace.lines().map(|line| {
        let is_members = line.starts_with("members = ");
        if is_members { "members = [\"model\", \"checker\"]\n".to_owned() } else { format!("{line}\n") }
    });
    lines.collect()
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
