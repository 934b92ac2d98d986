//! The architecture, as far as the text of `src` shows it: servers perform, they do not judge.
//!
//! Whether a term is newer, an index higher or a role the right one is asked in the model alone,
//! where the checker explores the answers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

/// What only the model compares.
const NOUNS: [&str; 10] =
    ["term", "terms", "index", "indices", "position", "role", "roles", "vote", "commit", "committed"];

const OPERATORS: [&str; 6] = [" < ", " <= ", " > ", " >= ", " == ", " != "];

const METHODS: [&str; 8] = [".cmp(", ".partial_cmp(", ".eq(", ".ne(", ".lt(", ".gt(", ".max(", ".min("];

/// What the code of a source is without its comments and its tests, by line.
struct Source {
    name: String,
    lines: Vec<(usize, String)>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    paths.iter().map(|path| source(&root, path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if is_test(&path) {
            continue;
        }
        if path.is_dir() {
            collect(&path, paths);
        } else {
            paths.push(path);
        }
    }
}

fn is_test(path: &Path) -> bool {
    ["tests", "tests.rs", "simulate"].iter().any(|name| path.ends_with(name))
}

fn source(root: &Path, path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let (code, _tests) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((&text, ""));
    let lines = (1..).zip(code.lines()).map(|(number, line)| (number, line.split("//").next().unwrap().to_owned()));
    Source { name: path.strip_prefix(root).unwrap().display().to_string(), lines: lines.collect() }
}

/// Whether the line compares something of the protocol, as far as words show it.
fn judges(line: &str) -> bool {
    let compared = OPERATORS.iter().flat_map(|operator| line.match_indices(operator)).any(|(at, operator)| {
        is_of_the_protocol(left_of(&line[..at])) || is_of_the_protocol(right_of(&line[at + operator.len()..]))
    });
    let asked = METHODS.iter().flat_map(|method| line.match_indices(method)).any(|(at, method)| {
        is_of_the_protocol(left_of(&line[..at])) || is_of_the_protocol(right_of(&line[at + method.len()..]))
    });
    compared || asked || line.contains("Role::")
}

fn left_of(text: &str) -> &str {
    let start = text.rfind(|letter: char| !is_of_an_operand(letter)).map_or(0, |at| at + 1);
    &text[start..]
}

fn right_of(text: &str) -> &str {
    text.split(|letter: char| !is_of_an_operand(letter)).next().unwrap()
}

fn is_of_an_operand(letter: char) -> bool {
    letter.is_alphanumeric() || "_.():&*".contains(letter)
}

fn is_of_the_protocol(operand: &str) -> bool {
    let mut words = operand.split(|letter: char| !letter.is_alphanumeric());
    words.any(|word| NOUNS.contains(&word.to_lowercase().as_str()))
}

#[test]
fn a_comparison_of_the_protocol_is_noticed() {
    for line in [
        "if envelope.term < self.node.term() {",
        "let newer = theirs.last < Term(3);",
        "let last = one.index.max(other);",
        "if status.role == RoleName::Leader {",
        "matches!(node.role(), Role::Leader { .. })",
        "while 7 != self.commit {",
        "let same = at.eq(&position);",
    ] {
        assert!(judges(line), "{line}");
    }
    for line in ["fn term(self) -> Term {", "if now < deadline {", "let Record::Term(term) = record else {"] {
        assert!(!judges(line), "{line}");
    }
}

#[test]
fn servers_compare_no_terms_indices_or_roles() {
    let sources = sources();
    assert!(30 < sources.len(), "found only {} sources", sources.len());
    for Source { name, lines } in sources {
        for (number, line) in lines {
            assert!(!judges(&line), "src/{name}:{number}: the model decides, not the server: {}", line.trim());
        }
    }
}

/// The command line may put roles into words; the library has no use for them.
#[test]
fn the_library_names_no_role() {
    for Source { name, lines } in sources() {
        let may_name = name.starts_with("bin/") || name == "lib.rs";
        for (number, line) in lines {
            assert!(may_name || !line.contains("Role"), "src/{name}:{number}: {}", line.trim());
        }
    }
}

#[test]
fn one_place_steps_and_no_other() {
    // Iterators have a `step_by` of their own.
    let is_step = |line: &str| {
        let line = line.replace(".step_by(", "");
        ["rafttree_model::step", "step_by(", "replica.step("].iter().any(|it| line.contains(it))
    };
    let steps = |source: &Source| source.lines.iter().filter(|(_, line)| is_step(line)).count();
    let callers: Vec<(String, usize)> = sources()
        .into_iter()
        .map(|source| (source.name.clone(), steps(&source)))
        .filter(|&(_, count)| count != 0)
        .collect();
    assert_eq!(callers, [("core/driver.rs".to_owned(), 1)]);
}

/// What is tested is what is deployed: a feature only adds the command line.
#[test]
fn no_feature_changes_what_a_server_does() {
    for Source { name, lines } in sources() {
        for (number, line) in lines {
            let unwanted = line.contains("feature =") || line.contains("debug_assert");
            assert!(!unwanted, "src/{name}:{number}: {}", line.trim());
        }
    }
}
