//! The catalogue beside the model of today, the switch, and what is said of mutants.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::source_mutants::catalogue::{self, Expected, Mutant};
use crate::source_mutants::judge::Verdict;
use crate::source_mutants::judging::line;
use crate::source_mutants::switch::switched;
use crate::source_mutants::{build, chosen, text};

fn mutant(name: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    Mutant { name, about: "", file: "step.rs", find, replace, expected: Expected::Harmful }
}

#[test]
fn every_snippet_stands_once_in_the_model_of_today() {
    if build::workspace().is_err() {
        return; // A packed crate is tested beside the model that it was packed with, and without its sources.
    }
    let all: Vec<_> = (1..).zip(catalogue::all()).collect();
    for file in all.iter().map(|(_, mutant)| mutant.file).collect::<BTreeSet<_>>() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/src").join(file);
        let text = std::fs::read_to_string(&path).expect("a mutated file exists");
        let here: Vec<_> = all.iter().copied().filter(|(_, mutant)| mutant.file == file).collect();
        if let Err(why) = switched(&text, &here) {
            panic!("{why}");
        }
    }
}

#[test]
fn each_mutant_has_a_name_of_its_own_and_changes_something() {
    let all = catalogue::all();
    let names: BTreeSet<_> = all.iter().map(|mutant| mutant.name).collect();
    assert_eq!(names.len(), all.len());
    let changes: BTreeSet<_> = all.iter().map(|mutant| (mutant.file, mutant.find, mutant.replace)).collect();
    assert_eq!(changes.len(), all.len());
    for Mutant { name, about, find, replace, .. } in all {
        assert!(name.chars().all(|letter| letter == '_' || letter.is_ascii_lowercase()), "{name}");
        assert!(!about.is_empty() && find != replace, "{name}");
        assert!(!replace.contains("//"), "{name}: a comment would swallow what follows");
    }
}

#[test]
fn a_snippet_is_found_whatever_its_spaces() {
    let text = "if a\n        && b\n    {\n        return;\n    }\n";
    let switched =
        switched(text, &[(7, mutant("never", "if a && b { return; }", "{}"))]).expect("it stands there once");
    assert!(switched.starts_with("match crate::mutant() {\n7 /* never */ => { {} }\n_ => { if a\n"), "{switched}");
}

#[test]
fn mutants_of_one_snippet_share_a_switch() {
    let mutants = [(1, mutant("less", "a < b", "a <= b")), (2, mutant("more", "a < b", "b < a"))];
    let switched = switched("let x = a < b;", &mutants).expect("it stands there once");
    assert_eq!(
        switched,
        "let x = (match crate::mutant() {\n1 /* less */ => { a <= b }\n2 /* more */ => { b < a }\n_ => { a < b }\n});"
    );
}

#[test]
fn a_snippet_within_another_is_switched_wherever_that_one_stands() {
    let mutants = [(1, mutant("inner", "f(a)", "g(a)")), (2, mutant("outer", "f(a); h();", "h(); f(a);"))];
    let switched = switched("f(a); h();", &mutants).expect("both stand there once");
    assert_eq!(switched.matches("1 /* inner */").count(), 2, "{switched}");
    assert_eq!(switched.matches("2 /* outer */").count(), 1, "{switched}");
}

#[test]
fn what_cannot_be_switched_is_refused() {
    let half = [(1, mutant("one", "a b", "x")), (2, mutant("other", "b c", "y"))];
    let refused = switched("a b c", &half).expect_err("neither is a part of the other");
    assert!(refused.contains("'one' and 'other' overlap"), "{refused}");
    for text in ["b", "a a"] {
        let refused = switched(text, &[(1, mutant("one", "a", "x"))]).expect_err("it does not stand there once");
        assert!(refused.contains("mutant 'one'") && refused.contains("step.rs"), "{refused}");
    }
}

#[test]
fn mutants_are_chosen_by_name_or_module() {
    let all = catalogue::all();
    let count = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        chosen(&all, &names).map(|chosen| chosen.len()).ok()
    };
    assert_eq!(count(&[]), Some(all.len()));
    assert_eq!(count(&["refused_votes_count"]), Some(1));
    assert!(count(&["election", "refused_votes_count"]) == count(&["election.rs"]));
    assert_eq!(count(&["nonsense"]), None);
}

#[test]
fn each_way_to_come_out_has_its_words() {
    let harmful = mutant("one", "a", "b");
    let equivalent = Mutant { expected: Expected::Equivalent("it is the same"), ..harmful };
    let check = || "quick".to_owned();
    let killed =
        Verdict::Killed { by: "C2 VoteOnce".into(), check: check(), steps: 3, time: Duration::from_millis(200) };
    assert_eq!(line(&harmful, &killed), "killed by C2 VoteOnce in quick (3 steps, 0.2 s)");
    assert_eq!(
        line(&equivalent, &killed),
        "BROKEN: listed as equivalent but killed by C2 VoteOnce in quick (3 steps, 0.2 s)"
    );
    assert_eq!(line(&harmful, &Verdict::Survived), "SURVIVED");
    assert_eq!(line(&equivalent, &Verdict::Survived), "equivalent: it is the same");
    let cut = Verdict::Cut { check: check(), why: "it does not end".into() };
    assert_eq!(line(&equivalent, &cut), "TIMEOUT in quick: it does not end");
    let failed = Verdict::Failed { check: check(), why: "why".into() };
    assert_eq!(line(&harmful, &failed), "INTERNAL ERROR in quick: why");
}

/// What cargo-mutants says of one change; lines and columns are counted from 1 on.
fn listed(name: &str, function: [usize; 4], return_type: &str, span: [usize; 4], replacement: &str) -> text::Listed {
    let span_of = |[line, column, end_line, end_column]: [usize; 4]| json!({"start": {"line": line, "column": column}, "end": {"line": end_line, "column": end_column}});
    let listed = json!({
        "name": name,
        "file": "model/src/log.rs",
        "function": {"span": span_of(function), "return_type": return_type},
        "span": span_of(span),
        "replacement": replacement,
    });
    serde_json::from_value(listed).expect("it is what cargo-mutants writes")
}

#[test]
fn the_body_of_a_function_becomes_a_switch_between_its_texts() {
    let text = "/// § `{}`\nfn less(a: u8, b: u8) -> bool {\n    a < b\n}\nfn other() {}\n";
    let less = |name: &str, span, replacement| listed(name, [1, 1, 4, 2], "-> bool", span, replacement);
    let mut names = BTreeMap::new();
    let changes = [
        less("model/src/log.rs:3:5: replace less -> bool with true", [3, 5, 3, 10], "true"),
        less("model/src/log.rs:3:7: replace < with > in less", [3, 7, 3, 8], ">"),
        less("model/src/log.rs:3:9: replace < with > in less", [3, 7, 3, 8], ">"),
    ];
    let changes = changes.map(|listed| text::change(text, &listed, &mut names).expect("it lies in a function"));
    let called: Vec<_> = changes.iter().map(|change| change.mutant.name).collect();
    assert_eq!(
        called,
        [
            "log.rs: replace less -> bool with true",
            "log.rs: replace < with > in less",
            "log.rs: replace < with > in less (2)"
        ]
    );
    let switched = text::switched(text, [(5, &changes[0]), (9, &changes[1])].into_iter());
    assert_eq!(
        switched.text,
        "/// § `{}`\nfn less(a: u8, b: u8) -> bool {match crate::mutant() {\n5 => {\n    true\n\n}\n9 => {\n    a > b\n\n}\n\
         _ => {\n    a < b\n\n}\n}\n}\nfn other() {}\n"
    );
    let arms: Vec<_> = switched.arms.iter().map(|(arm, number)| (&switched.text[arm.clone()], *number)).collect();
    assert_eq!(arms, [("\n    true\n", 5), ("\n    a > b\n", 9)]);
}

#[test]
fn iterators_of_several_types_become_one() {
    let text = "fn ids() -> impl Iterator<Item = u8> { 1..3 }\n";
    let change = |name, replacement| {
        let listed = listed(name, [1, 1, 1, 46], "-> impl Iterator<Item = u8>", [1, 40, 1, 44], replacement);
        text::change(text, &listed, &mut BTreeMap::new()).expect("it lies in a function")
    };
    let changes = [change("model/src/log.rs:1:40: one", "empty()"), change("model/src/log.rs:1:40: two", "once(1)")];
    let switched = text::switched(text, (1..).zip(&changes));
    assert_eq!(
        switched.text,
        "fn ids() -> impl Iterator<Item = u8> {match crate::mutant() {\n\
         1 => crate::Either::Left({ empty() \n}),\n\
         2 => crate::Either::Right(crate::Either::Left({ once(1) \n})),\n\
         _ => crate::Either::Right(crate::Either::Right({ 1..3 \n})),\n}\n}\n"
    );
}
