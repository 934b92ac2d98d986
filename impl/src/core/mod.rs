//! One server's protocol with its timers and its lease: synchronous, without a clock of its own.

pub(crate) mod stamp;

pub(crate) mod request;

pub(crate) mod frame;

pub(crate) mod links;

pub(crate) mod timers;

pub(crate) mod lease;

pub(crate) mod driver;

pub(crate) mod service;
