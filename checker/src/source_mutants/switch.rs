//! The text of the model with all its mutants in it, and a switch that says which one runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use crate::source_mutants::catalogue::Mutant;

/// The environment variable that says which mutant runs, by number; none, if it is 0 or not set.
pub(super) const VARIABLE: &str = "RAFTTREE_MUTANT";

/// What the root of the mutated model has besides: the switch, read once.
pub(super) const SWITCH: &str = r#"
extern crate std;

/// The number of the mutant that runs; 0 is the model as it is.
#[inline]
pub(crate) fn mutant() -> u32 {
    static CHOSEN: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| {
        std::env::var("RAFTTREE_MUTANT").map_or(0, |number| number.parse().expect("a mutant has a number"))
    });
    *CHOSEN
}

/// One of two iterators: a function whose type names no iterator has only one.
pub(crate) enum Either<L, R> {
    Left(L),
    Right(R),
}

impl<L: Iterator, R: Iterator<Item = L::Item>> Iterator for Either<L, R> {
    type Item = L::Item;

    fn next(&mut self) -> Option<L::Item> {
        match self {
            Either::Left(left) => left.next(),
            Either::Right(right) => right.next(),
        }
    }
}
"#;

/// The text of one file with these mutants in it, each with its number. A snippet inside of another
/// is switched in every text in which the other one stands.
pub(super) fn switched(text: &str, mutants: &[(u32, Mutant)]) -> Result<String, String> {
    let mut snippets: BTreeMap<&str, Vec<(u32, Mutant)>> = BTreeMap::new();
    for &(number, mutant) in mutants {
        snippets.entry(mutant.find).or_default().push((number, mutant));
    }
    let stands = snippets.iter().map(|(find, found)| Ok((only_place(text, find, &found[0].1)?, found[0].1.name)));
    refuse_overlaps(&stands.collect::<Result<Vec<_>, String>>()?)?;
    let mut longest_first: Vec<_> = snippets.into_iter().collect();
    longest_first.sort_by_key(|(find, _)| std::cmp::Reverse(find.split_whitespace().map(str::len).sum::<usize>()));
    let mut text = text.to_owned();
    for (find, mutants) in longest_first {
        for place in places(&text, find).into_iter().rev() {
            let switch = switch(&text[place.clone()], &mutants);
            text.replace_range(place, &switch);
        }
    }
    Ok(text)
}

/// Where a snippet stands in the text; any space is as good as another.
fn places(text: &str, find: &str) -> Vec<Range<usize>> {
    let mut words = find.split_whitespace();
    let first = words.next().unwrap_or_default();
    let follows = |start: usize| {
        words.clone().try_fold(start + first.len(), |end, word| {
            let rest = &text[end..];
            let next = rest.trim_start();
            let is_next = next.len() < rest.len() && next.starts_with(word);
            is_next.then_some(text.len() - next.len() + word.len())
        })
    };
    text.match_indices(first).filter_map(|(start, _)| follows(start).map(|end| start..end)).collect()
}

fn only_place(text: &str, find: &str, mutant: &Mutant) -> Result<Range<usize>, String> {
    let places = places(text, find);
    let [place] = places.as_slice() else {
        let (name, file, count) = (mutant.name, mutant.file, places.len());
        return Err(format!(
            "mutant '{name}': its snippet stands {count} times in model/src/{file}, not once:\n{find}"
        ));
    };
    Ok(place.clone())
}

/// A snippet may stand within another, but not half.
fn refuse_overlaps(stands: &[(Range<usize>, &str)]) -> Result<(), String> {
    let is_within = |one: &Range<usize>, other: &Range<usize>| other.start <= one.start && one.end <= other.end;
    for (at, (one, name)) in stands.iter().enumerate() {
        for (other, other_name) in &stands[at + 1..] {
            let is_apart = one.end <= other.start || other.end <= one.start;
            if !is_apart && !is_within(one, other) && !is_within(other, one) {
                return Err(format!(
                    "the snippets of '{name}' and '{other_name}' overlap, and neither is a part of the other"
                ));
            }
        }
    }
    Ok(())
}

/// The original with its mutants, as one expression: blocks and statements stay what they are.
fn switch(original: &str, mutants: &[(u32, Mutant)]) -> String {
    let mut arms = String::new();
    for (number, mutant) in mutants {
        let _ = writeln!(arms, "{number} /* {} */ => {{ {} }}", mutant.name, mutant.replace);
    }
    let switch = format!("match crate::mutant() {{\n{arms}_ => {{ {original} }}\n}}");
    if original.ends_with([';', '}']) { switch } else { format!("({switch})") }
}
