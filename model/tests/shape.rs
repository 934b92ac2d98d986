//! The architecture, as far as the text of `src` shows it.

use std::fs;
use std::path::Path;

/// No function is longer than a screen.
const LONGEST_FUNCTION: usize = 40;

struct Source {
    name: String,
    text: String,
}

impl Source {
    /// The lines that are code, without what is said about them.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = (1..).zip(self.text.lines());
        lines
            .map(|(number, line)| (number, line.split("//").next().unwrap_or(line)))
            .filter(|(_, line)| !line.is_empty())
    }

    /// Fails where a line of code contains one of these.
    fn assert_without(&self, unwanted: &[&str], why: &str) {
        for (number, line) in self.code() {
            for word in unwanted {
                assert!(!line.contains(word), "src/{}.rs:{number}: `{word}`: {why}", self.name);
            }
        }
    }
}

fn sources() -> Vec<Source> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = fs::read_dir(&folder).expect("the model has sources").map(|file| file.expect("a file of src").path());
    let mut sources: Vec<Source> = files
        .map(|path| Source {
            name: path.file_stem().expect("a source has a name").to_string_lossy().into_owned(),
            text: fs::read_to_string(&path).expect("sources are text; src has no folders"),
        })
        .collect();
    sources.sort_by(|one, other| one.name.cmp(&other.name));
    sources
}

fn source(name: &str) -> Source {
    sources().into_iter().find(|source| source.name == name).expect("the module exists")
}

/// The modules in the order in which `lib.rs` lists them.
fn modules() -> Vec<String> {
    let lib = source("lib");
    let listed = lib.text.lines().filter_map(|line| line.strip_prefix("pub mod ").or(line.strip_prefix("mod ")));
    listed.map(|module| module.trim_end_matches(';').to_string()).collect()
}

#[test]
fn every_source_is_listed_once_in_the_order_of_the_modules() {
    let mut listed = modules();
    listed.sort();
    let names: Vec<String> = sources().into_iter().map(|source| source.name).filter(|name| name != "lib").collect();
    assert_eq!(listed, names);
}

#[test]
fn a_module_uses_only_those_listed_before_it() {
    let modules = modules();
    for (place, module) in modules.iter().enumerate() {
        for (number, line) in source(module).code() {
            for used in line.split("crate::").skip(1) {
                let used: String =
                    used.chars().take_while(|&letter| letter.is_alphanumeric() || letter == '_').collect();
                let before = modules[..place].contains(&used);
                assert!(before, "src/{module}.rs:{number}: uses `{used}`, which is not listed before it");
            }
            assert!(!line.contains("super::"), "src/{module}.rs:{number}: modules are named from the crate's root");
        }
    }
}

#[test]
fn the_model_needs_no_operating_system() {
    assert!(source("lib").text.contains("\n#![no_std]\n"));
    for source in sources() {
        source.assert_without(&["std::", "extern crate std"], "the model is no_std");
    }
}

#[test]
fn the_model_has_no_clock_no_chance_and_no_world() {
    let unwanted =
        ["Instant", "SystemTime", "Duration", "time::", "rand", "thread", "net::", "fs::", "io::", "async ", "await"];
    for source in sources() {
        source.assert_without(&unwanted, "time, chance and the world are events and outputs");
    }
}

#[test]
fn nothing_depends_on_the_order_of_a_hash_map_or_on_hidden_state() {
    let unwanted = ["HashMap", "HashSet", "static ", "Cell<", "RefCell", "Mutex", "Atomic", "thread_local"];
    for source in sources() {
        source.assert_without(&unwanted, "the same event on the same state has the same effects");
    }
}

#[test]
fn nothing_is_unsafe_or_unfinished() {
    assert!(source("lib").text.contains("\n#![forbid(unsafe_code)]\n"));
    for source in sources() {
        source.assert_without(&["unsafe {", "unsafe fn", "unsafe impl"], "the model forbids it");
        source.assert_without(&[".unwrap()", "todo!", "unimplemented!", "dbg!", "println!"], "say why it holds");
        source.assert_without(&["cfg(feature", "cfg!(", "debug_assert"], "what is checked is what is deployed");
    }
}

#[test]
fn comparisons_read_from_the_smaller_to_the_greater() {
    for source in sources() {
        source.assert_without(&[" > ", " >= "], "write `<` and `<=`");
    }
}

/// Terms, indices and ids, of which only the order and the neighbours count.
const NUMBERED: [&str; 4] = ["ServerId", "Term", "Index", "Round"];

/// What reads a number and is neither asked from outside nor shows nor counts by one; why it may.
const READERS: [(&str, &str); 5] = [
    ("Index::after", "indices that begin elsewhere are as far apart"),
    ("Index::since", "indices that begin elsewhere are as far apart"),
    ("Index::until", "between indices that begin elsewhere there are as many"),
    ("Term::is_within", "terms that begin elsewhere are as far apart, and no transition asks"),
    ("ServerId::distance", "where a server stands is guessed so, and looked at before it is believed"),
];

/// The modules that come after all transitions, which no transition can use: they write numbers down.
const RECORDS: [&str; 6] = ["digest", "chain", "words", "trace", "traced", "replayed"];

#[test]
fn what_writes_numbers_down_comes_after_all_that_decides() {
    let modules = modules();
    assert_eq!(modules[modules.len() - RECORDS.len()..], RECORDS);
}

/// A trace of other code is refused: so all that a replica is made of must be in the digest of the code.
#[test]
fn the_digest_of_the_code_is_of_every_module_up_to_the_replica() {
    let modules = modules();
    let replica = modules.iter().position(|module| module == "replica").expect("there is a replica");
    let digested: Vec<String> = source("digest")
        .code()
        .filter_map(|(_, line)| Some(line.split_once("include_str!(\"")?.1.split_once(".rs\")")?.0.to_owned()))
        .collect();
    assert_eq!(digested, modules[..=replica]);
}

#[test]
fn no_transition_reads_a_number_or_makes_one() {
    let decides = |source: &&Source| source.name != "types" && !RECORDS.contains(&&*source.name);
    for source in sources().iter().filter(decides) {
        source.assert_without(
            &[".number()", "::number", "to_string", "format!", "Hasher"],
            "nothing depends on the absolute value of a term, an index or an id: compare them, or count with `next` \
             and `previous`; what needs more is an operation of types.rs and one of READERS in this test",
        );
        for noun in NUMBERED {
            let made = [format!("{noun}::new"), format!("{noun}::from"), format!("{noun}::try_from")];
            source.assert_without(
                &made.each_ref().map(String::as_str),
                "a number comes from events, or follows from one that did: begin with the default or `Index::ZERO`",
            );
        }
    }
}

#[test]
fn what_reads_a_number_is_named_with_its_reason() {
    let types = source("types");
    for noun in NUMBERED {
        let private = ["u32", "u64"].map(|number| format!("\npub struct {noun}({number});\n"));
        assert!(
            private.iter().any(|line| types.text.contains(line)),
            "the number in `{noun}` is private, so that the compiler finds whoever else reads it: take the `pub` away"
        );
    }
    types.assert_without(&["let ", "match ", "matches!", "|"], "a number is read as `.0`, which this test counts");
    let expected: Vec<&str> = READERS.iter().map(|(operation, _)| *operation).collect();
    assert_eq!(
        readers(&types),
        expected,
        "what reads a number is listed in READERS with the reason why nothing depends on its absolute value: add what \
         is new if it has such a reason, say it in its doc as well, and otherwise do without"
    );
    let (_, section) =
        types.text.split_once("\n// Whatever else reads a number").expect("types.rs has a place for them");
    let together = section.split("impl fmt::Display").next().unwrap_or(section);
    for (operation, reason) in READERS {
        let name = operation.rsplit("::").next().unwrap_or(operation);
        assert!(together.contains(&format!("fn {name}(")), "`{operation}` ({reason}) stands with the others");
    }
}

/// The operations in whose text a number is read, but for those that show it or count by one.
fn readers(types: &Source) -> Vec<String> {
    let ends = |letter: char| !letter.is_alphanumeric() && letter != '_';
    let word = |text: &str| text.split(ends).next().unwrap_or_default().to_string();
    let (mut owner, mut operation, mut readers) = (String::new(), String::new(), vec![]);
    for (_, line) in types.code() {
        if let Some(rest) = line.strip_prefix("impl") {
            owner = word(rest.rsplit(' ').nth(1).unwrap_or_default());
        } else if let Some((_, rest)) = line.split_once("fn ") {
            operation = word(rest);
        }
        let reader = format!("{owner}::{operation}");
        let harmless = ["number", "fmt", "next", "previous"].contains(&operation.as_str());
        if line.contains(".0") && !harmless && readers.last() != Some(&reader) {
            readers.push(reader);
        }
    }
    readers
}

/// Indices and rounds begin somewhere; a term and a server have no number that is special.
#[test]
fn no_number_is_special_but_those_before_the_first_index_and_the_first_round() {
    let types = source("types");
    for (number, line) in types.code() {
        let is_digit = |letter: char| letter.is_ascii_digit();
        let numbered = |noun: &str| line.split(&format!("{noun}(")).skip(1).any(|rest| rest.starts_with(is_digit));
        let zero = ["Index", "Round"].map(|noun| format!("const ZERO: {noun} = {noun}(0);"));
        let special = NUMBERED.into_iter().any(numbered) && !zero.iter().any(|zero| line.contains(zero));
        assert!(!special, "src/types.rs:{number}: nothing depends on the absolute value of a term, an index or an id");
    }
}

/// From the line that opens a function to the one that closes it, by their indentation.
fn functions(source: &Source) -> Vec<(String, usize)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let opens = |line: &str| {
        let words = line.trim_start().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        words.starts_with("fn ").then(|| words.trim_start_matches("fn ").to_string())
    };
    let length = |start: usize| {
        let indent = lines[start].len() - lines[start].trim_start().len();
        let closes = |line: &&str| line.trim_end() == format!("{}}}", " ".repeat(indent));
        if lines[start].ends_with('}') { 1 } else { 1 + lines[start..].iter().take_while(|line| !closes(line)).count() }
    };
    let starts = (0..lines.len()).filter_map(|start| opens(lines[start]).map(|name| (name, start)));
    starts.map(|(name, start)| (name, length(start))).collect()
}

#[test]
fn no_function_is_longer_than_a_screen_and_most_are_a_few_lines() {
    let mut lengths = vec![];
    for source in sources() {
        for (name, length) in functions(&source) {
            assert!(length <= LONGEST_FUNCTION, "src/{}.rs: `{name}` has {length} lines", source.name);
            lengths.push(length);
        }
    }
    lengths.sort();
    assert!(100 < lengths.len(), "found only {} functions", lengths.len());
    assert!(lengths[lengths.len() / 2] <= 8, "half of the functions are longer than {}", lengths[lengths.len() / 2]);
}

#[test]
fn no_source_is_longer_than_a_few_screens() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= 300, "src/{}.rs has {lines} lines", source.name);
    }
}

#[test]
fn what_ships_depends_on_nothing_but_small_vectors() {
    // A packed crate keeps the manifest that was written beside the one that is made of it.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kept = fs::read_to_string(folder.join("Cargo.toml.orig"));
    let manifest = kept.or_else(|_| fs::read_to_string(folder.join("Cargo.toml"))).expect("a crate has a manifest");
    let (_, dependencies) = manifest.split_once("\n[dependencies]\n").expect("the manifest lists dependencies");
    let (dependencies, _) = dependencies.split_once("\n\n").expect("the list ends");
    let names: Vec<&str> = dependencies.lines().filter(|line| !line.contains("optional = true")).collect();
    assert_eq!(names, ["tinyvec.workspace = true"]);
}
