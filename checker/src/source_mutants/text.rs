//! Mutants of the text: the changes that the tool cargo-mutants knows, each in an arm of a switch.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::source_mutants::build::{Copied, cargo, workspace};
use crate::source_mutants::catalogue::{Expected, Mutant, text};

/// Sees more than the checks before it, and takes longer.
pub(super) const LAST: (&str, Duration) = ("log-3-narrow", Duration::from_secs(300));

/// What the checks do not judge: one is for comparing states, some are for traces, the others are around the steps.
const LEFT_OUT: [&str; 11] = [
    "model/src/chain.rs",
    "model/src/digest.rs",
    "model/src/entries.rs",
    "model/src/proposals.rs",
    "model/src/reads.rs",
    "model/src/relabelling.rs",
    "model/src/replayed.rs",
    "model/src/replica.rs",
    "model/src/trace.rs",
    "model/src/traced.rs",
    "model/src/words.rs",
];

/// One mutant, and where in its file it changes something.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) mutant: Mutant,
    /// The text between the braces of the function.
    pub(super) body: Range<usize>,
    /// The part of the body in whose stead `mutant.replace` stands.
    pub(super) place: Range<usize>,
    /// Whether the function says of its type only that it is an iterator, so that two of them differ.
    pub(super) opaque: bool,
}

/// A file with its mutants, and where each of them stands.
#[derive(Debug, Default)]
pub(super) struct Switched {
    pub(super) text: String,
    pub(super) arms: Vec<(Range<usize>, u32)>,
}

/// What cargo-mutants says of a mutant.
#[derive(Deserialize)]
pub(super) struct Listed {
    name: String,
    file: String,
    function: Option<Function>,
    span: Span,
    replacement: String,
}

#[derive(Deserialize)]
struct Function {
    span: Span,
    return_type: String,
}

#[derive(Deserialize)]
struct Span {
    start: Place,
    end: Place,
}

/// Both are counted from 1 on, columns in characters.
#[derive(Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

/// Every mutant of the text, in the order of the files and of their text.
pub(super) fn changes() -> Result<Vec<Change>, String> {
    let root = workspace()?;
    let mut names = BTreeMap::new();
    let mut changes = Vec::new();
    for listed in listed(&root)? {
        let path = root.join(&listed.file);
        let text = std::fs::read_to_string(&path).map_err(|why| format!("cannot read {}: {why}", path.display()))?;
        changes.push(change(&text, &listed, &mut names)?);
    }
    match text::EQUIVALENT.iter().flat_map(|(_, names)| *names).find(|name| !names.contains_key(**name)) {
        Some(gone) => Err(format!("'{gone}' is listed as equivalent, but cargo-mutants knows no such mutant")),
        None => Ok(changes),
    }
}

/// Builds the checker with those that compile, and says where it is and who does not.
pub(super) fn build(changes: &[Change]) -> Result<(PathBuf, BTreeSet<u32>), String> {
    let mut unbuilt = BTreeSet::new();
    loop {
        let (copied, arms) = copied(changes, &unbuilt)?;
        let refusals = copied.refusals()?;
        let Some(first) = refusals.first() else { return Ok((copied.build()?, unbuilt)) };
        let known = unbuilt.len();
        for refusal in &refusals {
            let arms = arms.iter().filter(|(file, _)| refusal.file == Path::new(file)).flat_map(|(_, arms)| arms);
            unbuilt.extend(arms.filter(|(arm, _)| arm.contains(&refusal.at)).map(|(_, number)| number));
        }
        if unbuilt.len() == known {
            return Err(format!("the mutated model does not build, for whichever mutant:\n{}", first.why));
        }
    }
}

type Arms = Vec<(String, Vec<(Range<usize>, u32)>)>;

fn copied(changes: &[Change], unbuilt: &BTreeSet<u32>) -> Result<(Copied, Arms), String> {
    let mut copied = Copied::new("text")?;
    let mut arms = Arms::new();
    for file in changes.iter().map(|change| change.mutant.file).collect::<BTreeSet<_>>() {
        let numbered =
            (1..).zip(changes).filter(|(number, change)| change.mutant.file == file && !unbuilt.contains(number));
        let path = format!("model/src/{file}");
        copied.change(&path, |text| {
            let switched = switched(text, numbered);
            arms.push((path.clone(), switched.arms));
            Ok(switched.text)
        })?;
    }
    Ok((copied, arms))
}

fn listed(root: &Path) -> Result<Vec<Listed>, String> {
    let mut command = cargo();
    command.args(["mutants", "--list", "--json", "--package", "rafttree-model"]).current_dir(root);
    let told = command.output().map_err(|why| format!("cannot start cargo: {why}"))?;
    if !told.status.success() {
        let said = String::from_utf8_lossy(&told.stderr);
        return Err(format!(
            "cargo-mutants does not list its mutants; if it is missing: cargo install cargo-mutants --locked\n{said}"
        ));
    }
    let listed: Vec<Listed> = serde_json::from_slice(&told.stdout)
        .map_err(|why| format!("cargo-mutants does not list its mutants in the way of version 27: {why}"))?;
    Ok(listed.into_iter().filter(|listed| !LEFT_OUT.contains(&listed.file.as_str())).collect())
}

/// The name is that of cargo-mutants without line and column, which change with every line above;
/// who has the same name in the same file is numbered.
pub(super) fn change(text: &str, listed: &Listed, names: &mut BTreeMap<String, usize>) -> Result<Change, String> {
    let unusable = || format!("cargo-mutants changes something outside of functions: {}", listed.name);
    let function = listed.function.as_ref().ok_or_else(unusable)?;
    let file = listed.file.strip_prefix("model/src/").ok_or_else(unusable)?;
    let (at, what) = listed.name.split_once(": ").ok_or_else(unusable)?;
    let mut name = format!("{file}: {what}");
    let count = names.entry(name.clone()).or_default();
    *count += 1;
    if 1 < *count {
        let _ = write!(name, " ({count})");
        names.insert(name.clone(), 1);
    }
    let range = |span: &Span| Some(offset(text, &span.start)?..offset(text, &span.end)?);
    let body = range(&function.span).and_then(|function| body(text, function)).ok_or_else(unusable)?;
    let place = range(&listed.span).filter(|place| body.start <= place.start && place.end <= body.end);
    let place = place.ok_or_else(unusable)?;
    let expected = text::reason(&name).map_or(Expected::Harmful, Expected::Equivalent);
    let mutant = Mutant {
        name: kept(&name),
        about: kept(at),
        file: kept(file),
        find: kept(&text[place.clone()]),
        replace: kept(&listed.replacement),
        expected,
    };
    Ok(Change { mutant, body, place, opaque: function.return_type.starts_with("-> impl ") })
}

/// Mutants live as long as the program.
fn kept(text: &str) -> &'static str {
    text.to_owned().leak()
}

fn offset(text: &str, place: &Place) -> Option<usize> {
    let line = text.split_inclusive('\n').nth(place.line - 1)?;
    let before: usize = line.chars().take(place.column - 1).map(char::len_utf8).sum();
    Some(line.as_ptr() as usize - text.as_ptr() as usize + before)
}

/// What stands between the braces of a function: comments and attributes before it may have others.
fn body(text: &str, function: Range<usize>) -> Option<Range<usize>> {
    let mut begin = function.start;
    for line in text[function.clone()].split_inclusive('\n') {
        let is_code = !["//", "#["].iter().any(|other| line.trim_start().starts_with(other));
        if let Some(brace) = line.find('{').filter(|_| is_code) {
            return Some(begin + brace + 1..function.end - 1);
        }
        begin += line.len();
    }
    None
}

/// The text of a file in which each mutated function is a switch between its bodies.
pub(super) fn switched<'a>(text: &str, changes: impl Iterator<Item = (u32, &'a Change)>) -> Switched {
    let mut functions: BTreeMap<usize, Vec<(u32, &Change)>> = BTreeMap::new();
    for (number, change) in changes {
        functions.entry(change.body.start).or_default().push((number, change));
    }
    let mut switched = Switched::default();
    let mut copied = 0;
    for (start, changes) in functions {
        switched.text += &text[copied..start];
        switched.text += "match crate::mutant() {\n";
        let Change { body, opaque, .. } = changes[0].1;
        for (before, (number, Change { place, mutant, .. })) in changes.iter().enumerate() {
            let mutated = [&text[start..place.start], mutant.replace, &text[place.end..body.end]].concat();
            let (open, close) = if *opaque { either(before, true) } else { Default::default() };
            let _ = write!(switched.text, "{number} => {open}{{");
            let arm = switched.text.len()..switched.text.len() + mutated.len();
            let _ = writeln!(switched.text, "{mutated}\n}}{close}");
            switched.arms.push((arm, *number));
        }
        let (open, close) = if *opaque { either(changes.len(), false) } else { Default::default() };
        let _ = write!(switched.text, "_ => {open}{{{}\n}}{close}\n}}\n", &text[body.clone()]);
        copied = body.end;
    }
    switched.text += &text[copied..];
    switched
}

/// What makes one type of many: an iterator is on the left, or to the right of so many others.
fn either(others: usize, left: bool) -> (String, String) {
    let close = ")".repeat(others + usize::from(left));
    let left = if left { "crate::Either::Left(" } else { "" };
    ("crate::Either::Right(".repeat(others) + left, close + ",")
}
