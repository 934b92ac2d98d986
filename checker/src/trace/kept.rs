//! The traces that are kept with the checker: the counterexample of each mutant, and scenarios.

include!(concat!(env!("OUT_DIR"), "/kept.rs"));

/// A trace by the name of its file, with or without folder and ending.
pub(crate) fn named(name: &str) -> Option<&'static str> {
    let wanted = name.strip_suffix(".txt").unwrap_or(name);
    let is_it = |(folder, file, _): &&(&str, &str, &str)| {
        wanted == *file || wanted.split_once('/').is_some_and(|path| path == (*folder, *file))
    };
    KEPT.iter().find(is_it).map(|(_, _, text)| *text)
}
