//! Sources as the shape tests read them: modules in their order, what they use, how long functions are.
//!
//! It reads text, with the formatting of `cargo fmt`, and no more of Rust than it needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The code of one source file, without its comments and its tests.
pub(crate) struct Source {
    /// Its path below the folder that was read.
    pub(crate) name: String,
    pub(crate) lines: Vec<(usize, String)>,
}

/// One module of a crate.
pub(crate) struct Module {
    /// Its path from the crate's root, without `crate`.
    pub(crate) path: Vec<String>,
    pub(crate) source: Source,
}

/// A module that uses what is listed after it.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Backward {
    pub(crate) user: String,
    pub(crate) used: String,
}

/// Every source of a folder that is not a test.
pub(crate) fn sources(root: &Path, is_test: impl Fn(&Path) -> bool) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(root, &is_test, &mut paths);
    paths.sort();
    let name = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
    paths.iter().map(|path| source(name(path), &fs::read_to_string(path).unwrap())).collect()
}

fn collect(folder: &Path, is_test: &impl Fn(&Path) -> bool, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if is_test(&path) {
            continue;
        }
        if path.is_dir() {
            collect(&path, is_test, paths);
        } else {
            paths.push(path);
        }
    }
}

/// The code of a text.
pub(crate) fn source(name: impl Into<String>, text: &str) -> Source {
    let (code, _tests) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((text, ""));
    let lines = (1..).zip(code.lines()).map(|(number, line)| (number, line.split("//").next().unwrap().to_owned()));
    Source { name: name.into(), lines: lines.collect() }
}

impl Source {
    /// The modules that this one lists, in that order.
    fn listed(&self) -> Vec<String> {
        let names = self.lines.iter().filter_map(|(_, line)| {
            let (visibility, name) = line.strip_suffix(';')?.rsplit_once("mod ")?;
            let is_listed = visibility.is_empty() || visibility.starts_with("pub");
            is_listed.then(|| name.to_owned())
        });
        names.collect()
    }

    /// The names of functions, and from which line to which each goes, by their indentation.
    pub(crate) fn functions(&self) -> Vec<(String, usize)> {
        let code = |at: usize| self.lines[at].1.as_str();
        let length = |start: usize| {
            let indent = code(start).len() - code(start).trim_start().len();
            let end = format!("{}}}", " ".repeat(indent));
            let is_one_line = code(start).trim_end().ends_with(['}', ';']);
            let more = (start..self.lines.len()).take_while(|&at| code(at).trim_end() != end).count();
            if is_one_line { 1 } else { 1 + more }
        };
        let starts = (0..self.lines.len()).filter_map(|at| opened(code(at)).map(|name| (name, at)));
        starts.map(|(name, at)| (name, length(at))).collect()
    }

    /// Methods that are defined here for a type that is defined elsewhere.
    fn added_methods(&self) -> BTreeSet<String> {
        let types: BTreeSet<String> = self.lines.iter().filter_map(|(_, line)| defined_type(line)).collect();
        let (mut is_added, mut methods) = (false, BTreeSet::new());
        for (_, line) in &self.lines {
            if let Some(owner) = line.strip_prefix("impl ") {
                is_added = !owner.contains(" for ") && !types.contains(&first_word(owner));
            } else if is_added && let Some(name) = opened(line) {
                methods.insert(name);
            }
        }
        methods
    }
}

/// The function that begins at this line.
fn opened(line: &str) -> Option<String> {
    let (before, after) = line.split_once("fn ")?;
    let words = ["pub", "pub(crate)", "pub(super)", "async", "const"];
    before.split_whitespace().all(|word| words.contains(&word)).then(|| first_word(after)).filter(|it| !it.is_empty())
}

fn defined_type(line: &str) -> Option<String> {
    let (before, after) = ["struct ", "enum ", "trait "].iter().find_map(|word| line.split_once(word))?;
    (before.is_empty() || before.starts_with("pub")).then(|| first_word(after))
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|&letter| letter.is_alphanumeric() || letter == '_').collect()
}

/// The modules of a crate that begins at `root`: each after what it lists, and that in its order.
/// So whatever a module may use stands before it.
pub(crate) fn modules(mut sources: Vec<Source>, root: &str) -> Vec<Module> {
    let mut modules = Vec::new();
    add_module(&mut sources, root.to_owned(), Vec::new(), &mut modules);
    modules
}

fn add_module(sources: &mut Vec<Source>, file: String, path: Vec<String>, modules: &mut Vec<Module>) {
    // What is listed and is no source here is a test.
    let Some(at) = sources.iter().position(|source| source.name == file) else { return };
    let source = sources.remove(at);
    let folder = match file.rsplit_once('/') {
        Some((folder, "mod.rs" | "main.rs")) => format!("{folder}/"),
        _ if ["lib.rs", "main.rs"].contains(&file.as_str()) => String::new(),
        _ => format!("{}/", file.trim_end_matches(".rs")),
    };
    for name in source.listed() {
        let path: Vec<String> = path.iter().cloned().chain([name.clone()]).collect();
        let files = [format!("{folder}{name}.rs"), format!("{folder}{name}/mod.rs")];
        files.into_iter().for_each(|file| add_module(sources, file, path.clone(), modules));
    }
    modules.push(Module { path, source });
}

/// The uses of something that is listed later, or of the module that lists the user.
pub(crate) fn backward(modules: &[Module]) -> Vec<Backward> {
    let mut found = Vec::new();
    for (place, module) in modules.iter().enumerate() {
        let later = uses(module).into_iter().filter_map(|used| resolve(modules, &used)).filter(|&used| place < used);
        let later = later.map(|used| modules[used].path.join("::"));
        let called = modules[place + 1..].iter().filter_map(|later| called_method(module, later));
        let used: BTreeSet<String> = later.chain(called).collect();
        found.extend(used.into_iter().map(|used| Backward { user: module.path.join("::"), used }));
    }
    found
}

/// A method that the later module adds to a type, and that the earlier one calls on itself.
fn called_method(earlier: &Module, later: &Module) -> Option<String> {
    let is_called = |name: &String| {
        let call = format!("self.{name}(");
        earlier.source.lines.iter().any(|(_, line)| line.contains(&call))
    };
    let own: BTreeSet<String> = earlier.source.functions().into_iter().map(|(name, _)| name).collect();
    let added = later.source.added_methods();
    let called = added.iter().find(|name| !own.contains(*name) && is_called(name))?;
    Some(format!("{}::{called}", later.path.join("::")))
}

/// The longest beginning of the path that is a module.
fn resolve(modules: &[Module], path: &[String]) -> Option<usize> {
    let mut beginnings = (0..=path.len()).rev();
    beginnings.find_map(|length| modules.iter().position(|module| module.path == path[..length]))
}

/// The paths that the module names from the crate's root, or from where it is.
fn uses(module: &Module) -> Vec<Vec<String>> {
    let text: String = module.source.lines.iter().map(|(_, line)| format!("{} ", line.trim())).collect();
    let mut paths = Vec::new();
    for (beginning, base) in beginnings(&module.path) {
        for (at, _) in text.match_indices(&beginning) {
            let is_whole = !text[..at].ends_with(|before: char| before.is_alphanumeric() || "_:$".contains(before));
            if is_whole && !text[..at].ends_with("pub(in ") {
                add_paths(&mut text[at + beginning.len()..].chars().peekable(), base.clone(), &mut paths);
            }
        }
    }
    paths
}

fn beginnings(path: &[String]) -> Vec<(String, Vec<String>)> {
    let above = path[..path.len().saturating_sub(1)].to_vec();
    vec![("crate::".to_owned(), Vec::new()), ("super::".to_owned(), above), ("self::".to_owned(), path.to_vec())]
}

/// Reads a path, or a tree of them in braces.
fn add_paths(text: &mut std::iter::Peekable<std::str::Chars>, base: Vec<String>, paths: &mut Vec<Vec<String>>) {
    while text.next_if(|letter| letter.is_whitespace()).is_some() {}
    if text.next_if_eq(&'{').is_some() {
        loop {
            add_paths(text, base.clone(), paths);
            // Another name may have been given.
            match text.find(|letter| [',', '}'].contains(letter)) {
                Some(',') => {}
                _ => return,
            }
        }
    }
    let mut name = String::new();
    while let Some(letter) = text.next_if(|letter| letter.is_alphanumeric() || *letter == '_') {
        name.push(letter);
    }
    if name.is_empty() && text.peek() == Some(&'}') {
        return;
    }
    let path = match name.as_str() {
        "" | "self" => base,
        "super" => base[..base.len().saturating_sub(1)].to_vec(),
        _ => base.into_iter().chain([name]).collect(),
    };
    let mut ahead = text.clone();
    if ahead.next() == Some(':') && ahead.next() == Some(':') {
        text.nth(1);
        return add_paths(text, path, paths);
    }
    paths.push(path);
}
