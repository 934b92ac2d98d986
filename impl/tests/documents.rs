//! The commands that the documents of the workspace name, as far as they are those of `rafttree`.
//!
//! It reads the workspace, so it is no part of the packed crate.

#[path = "../../checker/tests/documents/text.rs"]
mod text;

use std::process::Command;

/// Whether the command takes these arguments: it reads all that precede the request for help.
fn is_understood(arguments: &[String]) -> bool {
    let placeholder = |word: &String| if word == "CLUSTER" { "0".repeat(32) } else { word.clone() };
    let arguments = arguments.iter().map(placeholder).chain(["--help".to_owned()]);
    let output = Command::new(env!("CARGO_BIN_EXE_rafttree")).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn every_command_that_is_named_is_understood() {
    let mut tried = 0;
    for document in text::documents() {
        for call in document.calls("cargo rafttree") {
            assert!(is_understood(&call), "{}: cargo rafttree {}", document.path.display(), call.join(" "));
            tried += 1;
        }
    }
    assert!(10 < tried, "found only {tried} commands");
}

/// The first example in Rust.
fn example(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("```rust,no_run\n").or_else(|| text.split_once("```no_run\n"))?;
    Some(rest.split_once("```")?.0)
}

/// The one that a newcomer is taken through (`.ci/newcomer`).
#[test]
fn the_front_page_has_the_example_of_the_readme() {
    let source = include_str!("../src/lib.rs").lines().map_while(|line| line.strip_prefix("//!"));
    let page: String = source.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned() + "\n").collect();
    assert_eq!(example(&page).expect("it has an example"), example(include_str!("../README.md")).expect("so has this"));
}

#[test]
fn a_command_that_is_not_there_is_noticed() {
    for call in ["sevre", "serve --nothing", "local --servers 10", "init data --cluster 12"] {
        assert!(!is_understood(&call.split(' ').map(str::to_owned).collect::<Vec<_>>()), "{call}");
    }
}
