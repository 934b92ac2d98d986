//! A group that replicates commands while its timers run.

use std::io;

use bytes::Bytes;
use openraft::{Config, Raft, SnapshotPolicy};

use super::{Types, start};
use crate::load::{self, Failed, Target};

/// Heartbeats and election timeouts, in milliseconds: nobody campaigns although the machine is busy.
const HEARTBEAT: u64 = 50;
const ELECTION: (u64, u64) = (2000, 4000);

/// Once so many entries were applied a snapshot takes the place of those before.
const SNAPSHOT_AFTER: u64 = 20_000;

/// Entries in a message, and at a time out of the log, at most: more than there are clients.
const BATCH: u64 = 1024;

/// Servers of openraft in the runtime that they are started in.
pub struct Replicating(Vec<Raft<Types>>);

/// Who writes to the leader.
pub struct Writer(Raft<Types>);

impl Replicating {
    /// So many servers, of which the first leads.
    ///
    /// # Errors
    ///
    /// If it does not become the leader.
    pub async fn start(servers: usize) -> Result<Replicating, Failed> {
        let config = Config {
            heartbeat_interval: HEARTBEAT,
            election_timeout_min: ELECTION.0,
            election_timeout_max: ELECTION.1,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_AFTER),
            max_in_snapshot_log_to_keep: BATCH,
            purge_batch_size: BATCH,
            max_payload_entries: BATCH,
            ..Config::default()
        };
        let servers = start(servers, config).await;
        for server in &servers {
            server.wait(None).current_leader(0, "the first server leads").await?;
        }
        Ok(Replicating(servers))
    }
}

impl Target for Replicating {
    type Client = Writer;

    async fn connect(&self, count: usize) -> Result<Vec<Writer>, Failed> {
        Ok((0..count).map(|_| Writer(self.0[0].clone())).collect())
    }

    /// All of it is in this one.
    fn processes(&self) -> Vec<u32> {
        vec![std::process::id()]
    }
}

impl load::Client for Writer {
    async fn request(&mut self, _: u32, value: &[u8]) -> io::Result<()> {
        self.0.client_write(Bytes::copy_from_slice(value)).await.map(drop).map_err(io::Error::other)
    }
}
