//! The answers in words, as tables for people, and for programs.

pub(crate) mod figures;

mod closed_form_words;

pub(crate) mod text;

pub(crate) mod json;
