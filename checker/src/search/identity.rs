//! What a search rests on, part by part: what one has found says nothing about another.

use std::fmt::Display;

/// Parts by name, in the order in which they are told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Identity(Vec<(String, String)>);

impl Identity {
    /// The same with one more part.
    pub fn with(mut self, name: impl Display, value: impl Display) -> Identity {
        self.0.push((name.to_string(), value.to_string()));
        self
    }

    pub(super) fn parts(&self) -> &[(String, String)] {
        &self.0
    }

    fn value(&self, name: &str) -> &str {
        let part = self.0.iter().find(|(known, _)| known == name);
        part.map_or("nothing", |(_, value)| value)
    }

    /// In which parts another search is not this one, in words.
    pub(super) fn differences(&self, there: &Identity) -> Vec<String> {
        let names = self.0.iter().chain(&there.0).map(|(name, _)| name.as_str());
        let mut told: Vec<String> = Vec::new();
        for name in names.filter(|name| self.value(name) != there.value(name)) {
            let words = format!("{name}: {} there, {} here", there.value(name), self.value(name));
            if !told.contains(&words) {
                told.push(words);
            }
        }
        told
    }
}
