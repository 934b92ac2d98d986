//! One state of everything: servers, disks, messages, and what has really reached a server.
//!
//! Nothing here says what may happen next (`system`), nor what is right (`checks`).

mod message;

mod place;

mod clients;

mod readers;

mod ground;

mod observed;

mod server;

mod state;

pub(crate) use clients::{Clients, Tell, tell};
pub(crate) use ground::{DiskMutant, Ground, LeaseMutant, PAPER, StepBy};
pub(crate) use message::{Letter, Tag};
pub(crate) use observed::{Contact, Observed, Servers, answer_to};
pub(crate) use place::Place;
pub(crate) use readers::{Answer, Attend, Moment, Readers, Reads, Waiting, attend};
pub(crate) use server::{Disk, Ready, Server, Stepped, Unsynced, keep};
pub(crate) use state::{History, Leadership, Lease, Spent, World};
