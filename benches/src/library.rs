//! Which libraries are measured.

use crate::{Deployed, Group, Rafttree};
#[cfg(feature = "peers")]
use crate::{RaftRs, Settings};

/// A library, and how it is set up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Library {
    /// Ours.
    Rafttree,
    /// raft-rs 0.7 with the protections that ours always has.
    #[cfg(feature = "peers")]
    RaftRs,
    /// raft-rs 0.7 as it comes.
    #[cfg(feature = "peers")]
    RaftRsDefault,
}

impl Library {
    /// All that were built in, ours first.
    pub const ALL: &[Library] = &[
        Library::Rafttree,
        #[cfg(feature = "peers")]
        Library::RaftRs,
        #[cfg(feature = "peers")]
        Library::RaftRsDefault,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Library::Rafttree => "rafttree",
            #[cfg(feature = "peers")]
            Library::RaftRs => "raft-rs",
            #[cfg(feature = "peers")]
            Library::RaftRsDefault => "raft-rs default",
        }
    }

    /// A group of so many servers.
    pub fn group(self, servers: usize) -> Box<dyn Group> {
        match self {
            Library::Rafttree => Box::new(Rafttree::<Deployed>::new(servers)),
            #[cfg(feature = "peers")]
            Library::RaftRs => Box::new(RaftRs::new(servers, Settings::Equal)),
            #[cfg(feature = "peers")]
            Library::RaftRsDefault => Box::new(RaftRs::new(servers, Settings::Default)),
        }
    }
}
