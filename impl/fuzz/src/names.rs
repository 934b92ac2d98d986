//! Names of parsers, as directories and variables have them.

use rafttree::campaigns::Target;

/// Its words, with dashes between them.
pub(crate) fn name_of(target: &Target) -> String {
    let words: Vec<&str> = target.name().split(|letter: char| !letter.is_alphanumeric()).collect();
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}
