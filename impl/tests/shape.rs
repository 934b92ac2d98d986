//! The architecture, as far as the text of `src` shows it: servers perform, they do not judge.
//!
//! Whether a term is newer, an index higher or a role the right one is asked in the model alone,
//! where the checker explores the answers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod reader;

use std::path::Path;

use reader::{Backward, Source, backward, modules, source};

/// No function is longer than a screen.
const MAX_FUNCTION_LINES: usize = 60;

/// Nouns of values that only the model compares.
const NOUNS: [&str; 10] =
    ["term", "terms", "index", "indices", "position", "role", "roles", "vote", "commit", "committed"];

const OPERATORS: [&str; 6] = [" < ", " <= ", " > ", " >= ", " == ", " != "];

const METHODS: [&str; 8] = [".cmp(", ".partial_cmp(", ".eq(", ".ne(", ".lt(", ".gt(", ".max(", ".min("];

fn sources() -> Vec<Source> {
    reader::sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), is_test)
}

fn is_test(path: &Path) -> bool {
    ["tests", "tests.rs"].iter().any(|name| path.ends_with(name))
}

/// The judges of simulations and campaigns, and those of parsers, compare what servers must not.
fn is_of_a_server(source: &Source) -> bool {
    let is_of_a_judge = |room: &str| source.name.starts_with(room);
    !["simulate/", "campaigns/"].into_iter().any(is_of_a_judge) && !source.name.contains("/parsers")
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
    for Source { name, lines } in sources.into_iter().filter(is_of_a_server) {
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

/// What a feature may add to the library, and nothing else in it knows of.
const FEATURES: [(&str, &str); 5] = [
    ("#[cfg(any(test, feature = \"simulate\"))]", "mod fuzz;"),
    ("#[cfg(any(test, feature = \"simulate\"))]", "mod parsers;"),
    ("#[cfg(any(test, feature = \"simulate\"))]", "mod simulate;"),
    ("#[cfg(any(test, feature = \"simulate\"))]", "mod campaigns;"),
    ("#[cfg(any(test, feature = \"simulate\"))]", "mod testing;"),
];

/// The deployed code is the tested code: features add the command line and the simulation, whole modules that
/// no server uses.
#[test]
fn no_feature_changes_what_a_server_does() {
    for Source { name, lines } in sources() {
        let next = |at: usize| lines.get(at + 1).map_or("", |(_, line)| line.trim_start_matches("pub(crate) "));
        for (at, (number, line)) in lines.iter().enumerate() {
            let is_module = FEATURES.contains(&(line.trim(), next(at).trim_start_matches("pub ")));
            let unwanted = line.contains("feature =") && !is_module || line.contains("debug_assert");
            assert!(!unwanted, "src/{name}:{number}: {}", line.trim());
        }
    }
}

/// The sources of the library, or of the command line.
fn sources_of(command_line: bool) -> Vec<Source> {
    sources().into_iter().filter(|source| source.name.starts_with("bin/") == command_line).collect()
}

#[test]
fn a_module_uses_only_those_listed_before_it() {
    for (command_line, root) in [(false, "lib.rs"), (true, "bin/rafttree/main.rs")] {
        let count = sources_of(command_line).len();
        let modules = modules(sources_of(command_line), root);
        assert_eq!(modules.len(), count, "each source of {root} is a module that is listed");
        let backward = backward(&modules);
        let told: Vec<String> = backward.iter().map(|Backward { user, used }| format!("{user} uses {used}")).collect();
        assert!(told.is_empty(), "in {root} these are listed later than what uses them:\n{}", told.join("\n"));
    }
}

/// The backward uses in a library of these files.
fn found(files: &[(&str, &str)]) -> Vec<(String, String)> {
    let sources = files.iter().map(|(name, text)| source(*name, text)).collect();
    backward(&modules(sources, "lib.rs")).into_iter().map(|Backward { user, used }| (user, used)).collect()
}

#[test]
fn a_circle_is_noticed_however_it_is_written() {
    let lib = ("lib.rs", "mod one;\n\npub(crate) mod room;\n\nmod two;\n");
    let room = ("room/mod.rs", "mod first;\n\nmod second;\n\npub use second::Second;\n");
    let good = [
        lib,
        ("one.rs", "pub struct One;\n"),
        room,
        ("room/first.rs", "use crate::one::One;\n"),
        (
            "room/second.rs",
            "use super::first::First;\n// crate::two\n#[cfg(test)]\nmod tests {\nuse crate::two::Two;\n}\n",
        ),
        ("two.rs", "use crate::room::Second;\nuse crate::{\n    one::One,\n};\nimpl One {\n    fn more(&self) {}\n}\n"),
    ];
    assert_eq!(found(&good), []);
    for (file, text, user, used) in [
        ("one.rs", "use crate::two::Two;\n", "one", "two"),
        ("one.rs", "fn one() {\n    crate::room::second::two();\n}\n", "one", "room::second"),
        ("one.rs", "use crate::{\n    one::{self, One},\n    two::Two,\n};\n", "one", "two"),
        ("room/first.rs", "use super::second::Second;\n", "room::first", "room::second"),
        ("room/first.rs", "use super::Second;\n", "room::first", "room"),
        ("room/first.rs", "use crate::room::Second;\n", "room::first", "room"),
        ("room/second.rs", "use super::super::two;\n", "room::second", "two"),
        ("one.rs", "impl One {\n    fn go(&self) {\n        self.more();\n    }\n}\n", "one", "two::more"),
    ] {
        let files: Vec<_> = good.map(|(name, kept)| (name, if name == file { text } else { kept })).into();
        assert_eq!(found(&files), [(user.to_owned(), used.to_owned())], "{file}: {text}");
    }
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let mut count = 0;
    for source in sources() {
        for (name, lines) in source.functions() {
            assert!(lines <= MAX_FUNCTION_LINES, "src/{}: `{name}` has {lines} lines", source.name);
            count += 1;
        }
    }
    assert!(500 < count, "found only {count} functions");
}

#[test]
fn the_lines_of_a_function_are_counted() {
    let text =
        "impl One {\n    pub(crate) async fn two(\n    ) {\n        if true {\n        }\n    }\n}\n\nfn one() {}\n";
    let counted = source("one.rs", text).functions();
    assert_eq!(counted, [("two".to_owned(), 5), ("one".to_owned(), 1)]);
}
