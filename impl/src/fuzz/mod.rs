//! Parsers of bytes that come from outside, in the form in which `campaigns` attacks them.
//!
//! Each room that reads such bytes lists its own parsers in a module `parsers`. The feature `simulate` compiles these
//! modules, and none of them parses anything by itself.

mod draw;

mod format;

pub(crate) use draw::Draw;
pub(crate) use format::{Format, Parser, of};
