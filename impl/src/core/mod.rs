//! One server's protocol with its timers and its lease: synchronous, without a clock of its own.

pub(crate) mod driver;
pub(crate) mod lease;
pub(crate) mod links;
pub(crate) mod timers;
