//! The running server: three threads and a timer around the driver.

mod precise_timer;

pub(crate) mod executor;

pub(crate) mod disk;

mod network;

mod views;

mod leading;

mod requests;

mod state;

mod serving;

mod authority;

mod transfer;

mod work;

mod report;

mod run;

pub(crate) mod ground;

mod host;

pub(crate) mod start;
