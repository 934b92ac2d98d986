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

#[test]
fn a_command_that_is_not_there_is_noticed() {
    for call in ["sevre", "serve --nothing", "local --servers 10", "init data --cluster 12"] {
        assert!(!is_understood(&call.split(' ').map(str::to_owned).collect::<Vec<_>>()), "{call}");
    }
}
