//! A linearizability checker: whether what clients were answered can be explained by registers that do one
//! thing at a time, each between its call and its answer (Herlihy and Wing).
//!
//! A history is a list of [`Operation`]s on registers that have a value or none: read, write,
//! compare-and-set, delete. Linearizability is local, so each key is judged for itself. An operation whose
//! outcome is unknown may take effect at any time after its call, or never.
//!
//! ```
//! use rafttree::linearizability::{Action, Operation, Outcome, check};
//!
//! let operation = |client, action, call, end, found| {
//!     let found = Some(found);
//!     Operation { client, key: "x".to_owned(), action, call, outcome: Outcome::Ok { end, found } }
//! };
//! let one = Some("one".to_owned());
//! let mut history = vec![
//!     operation(1, Action::Write("one".to_owned()), 0, 10, None),
//!     operation(2, Action::Read, 5, 15, None),
//!     operation(3, Action::Read, 20, 30, one),
//! ];
//! assert_eq!(check(&history), Ok(()), "the first read took place before the write, which it overlaps");
//!
//! history.push(operation(2, Action::Read, 40, 50, None));
//! let violation = check(&history).unwrap_err();
//! assert_eq!(violation.operations, [history[0].clone(), history[3].clone()], "the write is lost");
//! ```
//!
//! The search is the one of Wing and Gong with Lowe's memory of what was tried: sets of operations that took
//! effect, and the value after them. It goes by the order of answers, and what was answered is not kept in
//! the sets, so thousands of operations on a key are quick where few overlap. How many do is what counts: in
//! the worst case the time grows exponentially with it.

mod history;

mod register;

mod search;

mod verdict;

#[cfg(test)]
mod tests;

pub use history::{Action, Operation, Outcome, Value};
pub use verdict::{Violation, check};
