//! Disks in memory, what earlier versions wrote, and what the files of a log show: for simulations, campaigns and tests.

#![cfg_attr(not(test), allow(dead_code, reason = "each user of it, of which there may be none, needs other faults"))]

mod content;

mod sectors;

mod disk;

pub(crate) mod former;

pub(crate) mod audit;

pub(crate) mod whole;

pub(crate) use disk::{Fault, SimulatedDisk};

#[cfg(test)]
mod tests;
