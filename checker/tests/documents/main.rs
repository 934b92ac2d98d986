//! What the documents say, as far as it can be tried: links, names, commands, examples and tables.
//!
//! It reads the workspace, so it is no part of the packed crate.

mod text;

use std::process::{Command, Output};

use text::{Document, documents, root};

/// The first page is read in a few minutes, or not at all.
const FIRST_PAGE_BYTES: usize = 8 * 1024;

/// The rooms, of which documents name files.
const ROOMS: [&str; 4] = ["model/", "impl/", "checker/", "benches/"];

fn checker(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rafttree-checker")).args(arguments).output().expect("the checker starts")
}

fn said(arguments: &[&str]) -> String {
    String::from_utf8(checker(arguments).stdout).expect("it speaks UTF-8")
}

/// One document by its path.
fn document(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_first_page_is_short() {
    let bytes = document("README.md").len();
    assert!(
        bytes <= FIRST_PAGE_BYTES,
        "README.md has {bytes} bytes, {FIRST_PAGE_BYTES} are allowed: move text to a room"
    );
}

/// The targets of the links in a document.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// How a heading is named in a link.
fn anchor(heading: &str) -> String {
    let letters = heading.trim_start_matches('#').trim().chars();
    let kept = letters.filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter.to_ascii_lowercase() }).collect()
}

/// What is wrong with a link, if anything is.
fn broken(document: &Document, link: &str) -> Option<&'static str> {
    let (path, heading) = link.split_once('#').map_or((link, None), |(path, heading)| (path, Some(heading)));
    let folder = document.path.parent().expect("a document lies in a folder");
    let target = if path.is_empty() { root().join(&document.path) } else { root().join(folder).join(path) };
    if !target.exists() {
        return Some("leads nowhere");
    }
    let text = heading.map(|heading| (heading, std::fs::read_to_string(target).expect("a document has headings")))?;
    let is_there = text.1.lines().any(|line| line.starts_with('#') && anchor(line) == text.0);
    if is_there { None } else { Some("names no heading there") }
}

#[test]
fn every_link_leads_somewhere() {
    for document in documents() {
        for link in links(&document.text).filter(|link| !link.starts_with("https://")) {
            if let Some(problem) = broken(&document, link) {
                panic!("{}: the link {link} {problem}", document.path.display());
            }
        }
    }
}

#[test]
fn a_broken_link_is_noticed() {
    let document = Document { path: "checker/README.md".into(), text: String::new() };
    for link in ["docs/proof.md", "../README.md#licence", "#presets-and-verdicts", "../model/src/lib.rs"] {
        assert_eq!(broken(&document, link), None, "{link}");
    }
    for link in ["proof.md", "../README.md#license", "#nothing", "/README.md"] {
        assert!(broken(&document, link).is_some(), "{link}");
    }
}

#[test]
fn every_file_that_is_named_exists() {
    for document in documents() {
        for name in document.code() {
            let is_path = ROOMS.iter().any(|room| name.starts_with(room)) && !name.contains(' ');
            assert!(!is_path || root().join(&name).exists(), "{}: there is no {name}", document.path.display());
        }
    }
}

/// Whether the checker takes these arguments: it reads all that precede the request for help.
fn is_understood(arguments: &[String]) -> bool {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).chain(["--help"]).collect();
    checker(&arguments).status.success()
}

#[test]
fn every_command_of_the_checker_is_understood() {
    let presets = said(&["list", "presets"]);
    let is_preset = |name: &str| presets.lines().any(|line| line.split_whitespace().next() == Some(name));
    let mut tried = 0;
    for document in documents() {
        for call in document.calls("cargo checker") {
            assert!(is_understood(&call), "{}: cargo checker {}", document.path.display(), call.join(" "));
            if let [command, preset, ..] = &call[..] {
                let names_one = command == "check" && preset.starts_with(|letter: char| letter.is_ascii_lowercase());
                assert!(!names_one || is_preset(preset), "{}: no preset {preset}", document.path.display());
            }
            tried += 1;
        }
    }
    assert!(30 < tried, "found only {tried} commands");
}

#[test]
fn a_command_that_is_not_there_is_noticed() {
    for call in ["chek", "check --windows 3", "check --window 9", "report everything", "odds --latency soon"] {
        assert!(!is_understood(&call.split(' ').map(str::to_owned).collect::<Vec<_>>()), "{call}");
    }
}

#[test]
fn packages_and_programs_that_are_named_exist() {
    let mut tried = 0;
    for document in documents() {
        let calls = ["cargo run", "cargo bench"].into_iter().flat_map(|program| document.calls(program));
        for call in calls {
            let after = |flag: &str| call.iter().position(|word| word == flag).map(|at| call[at + 1].as_str());
            let room = match after("-p") {
                Some("rafttree") => root().join("impl"),
                Some("rafttree-benches") => root().join("benches"),
                Some("rafttree-checker") => root().join("checker"),
                // A newcomer's own program, which `.ci/newcomer` makes and runs.
                None if document.path.ends_with("impl/README.md") => continue,
                other => panic!("{}: no package {other:?}", document.path.display()),
            };
            let program = after("--bin").map(|name| room.join("src/bin").join(name));
            let program = program.or(after("--example").map(|name| room.join("examples").join(name)));
            let is_there = |path: std::path::PathBuf| path.is_dir() || path.with_extension("rs").exists();
            assert!(program.is_none_or(is_there), "{}: {call:?}", document.path.display());
            tried += 1;
        }
    }
    assert!(5 < tried, "found only {tried} commands");
}

/// The block of code that begins so.
fn block<'a>(text: &'a str, beginning: &str) -> &'a str {
    let (_, rest) = text.split_once(beginning).unwrap_or_else(|| panic!("no block begins with {beginning:?}"));
    rest.split("```").next().expect("a block ends")
}

/// The library's README is compiled with its documentation.
#[test]
fn the_example_of_the_first_page_is_one_that_is_compiled() {
    let [ours, compiled] = ["README.md", "impl/README.md"].map(document);
    let example = block(&ours, "```rust,no_run\n");
    assert!(compiled.contains(&format!("```rust,no_run\n{example}```")), "{example}");
}

/// The cells of a table's rows of which the first cell is this preset.
fn rows(text: &str, preset: &str) -> Vec<Vec<String>> {
    let beginning = format!("| `{preset}` |");
    let rows = text.lines().filter(|line| line.starts_with(&beginning));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn number(cell: &str) -> u64 {
    cell.replace(',', "").parse().unwrap_or_else(|_| panic!("{cell} is no number"))
}

/// What a cell of the first page's table is in the words of the whole one.
fn in_words(column: usize, count: &str) -> String {
    match (column, count) {
        (1, servers) => format!("{servers} servers; "),
        (2, spread) => format!("terms at most {spread} apart; "),
        (_, "0") => "logs do not count".to_owned(),
        (_, window) => format!("logs at most {window} entries "),
    }
}

#[test]
fn the_first_page_shows_rows_of_the_whole_table() {
    let [first, whole] = ["README.md", "checker/docs/proof.md"].map(document);
    for preset in ["quick", "log-3", "log-5", "recovery-5"] {
        let parts = rows(&whole, preset);
        let sum = |column: usize| parts.iter().map(|row| number(&row[column])).sum::<u64>();
        let shown = &rows(&first, preset)[0];
        assert_eq!([number(&shown[5]), number(&shown[6])], [sum(2), sum(3)], "{preset}");
        assert!(parts.iter().all(|row| row[1] == shown[7]), "{preset}");
        let bounds = parts.iter().map(|row| row[6].as_str()).collect::<Vec<_>>().join("\n");
        for (column, cell) in shown.iter().enumerate().take(4).skip(1) {
            let mut counts = cell.split(" to ");
            assert!(counts.all(|count| bounds.contains(&in_words(column, count))), "{preset}: {cell}");
        }
        assert_eq!(shown[4] == "yes", bounds.contains("; commands; "), "{preset}");
    }
}

#[test]
fn the_table_shows_what_the_default_preset_comes_to() {
    let value: serde_json::Value = serde_json::from_str(&said(&["check", "--format", "json"])).expect("it prints JSON");
    let parts = value["parts"].as_array().expect("a list").iter();
    let found: Vec<_> = parts.map(|part| ["states", "transitions"].map(|count| part[count].as_u64())).collect();
    let rows = rows(&document("checker/docs/proof.md"), "quick");
    let shown: Vec<_> = rows.iter().map(|row| [2, 3].map(|column| Some(number(&row[column])))).collect();
    assert_eq!(shown, found, "run `cargo checker report proof` again");
}

#[test]
fn every_preset_has_its_place_in_the_checkers_readme() {
    let readme = document("checker/README.md");
    for line in
        said(&["list", "presets"]).lines().filter(|line| line.starts_with(|letter: char| letter.is_alphabetic()))
    {
        let name = line.split_whitespace().next().expect("a line has a word");
        assert!(readme.contains(&format!("`{name}`")), "checker/README.md does not say what {name} is");
    }
}

#[test]
fn the_counterexample_that_is_explained_is_the_one_that_is_printed() {
    let readme = document("checker/README.md");
    let shown = block(&readme, "<!-- counterexample: cargo checker check --mutant vote_again -->\n\n```text\n");
    let printed = said(&["check", "--mutant", "vote_again"]);
    assert!(printed.contains(shown), "the counterexample is another one now:\n{printed}");
}
