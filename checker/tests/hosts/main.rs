//! One search by several processes: what it finds is what one process finds, and whatever goes wrong has a clear end.
#![cfg(feature = "hosts")]

mod process;

mod counts;

mod ends;

mod joining;

mod checkpoints;

mod namespaces;

/// Thousands of states, in a second.
const SMALL: [&str; 5] = ["log-3", "--spread", "1", "--window", "1"];
/// Few states, and a local simulation that takes much longer than their search.
const FEW: [&str; 5] = ["log-3", "--servers", "2", "--spread=1", "--window=3"];
/// More than anybody waits for here.
const ENDLESS: [&str; 1] = ["log-3-wide"];
