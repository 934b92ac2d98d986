//! The trace of a server that runs: what its protocol core records, in a file.
//!
//! The format is `rafttree_model::trace`; the driver hands out what was recorded, and a thread writes it. The
//! server never waits for that: a trace that cannot be written, or not fast enough, ends.

mod writer;

#[cfg(any(test, feature = "simulate"))]
pub(crate) mod parsers;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rafttree_model::Members;
use rafttree_model::chain::{Chain, MAGIC};
use rafttree_model::digest::code;
use rafttree_model::trace::Origin;
use sha2::{Digest, Sha256};

use crate::core::driver::Driver;
use crate::core::stamp::Stamp;
use crate::storage::{ClusterId, Identity, Recovered};
pub(crate) use writer::Trouble;
use writer::{Refused, Writer};

/// So much is handed to the thread at a time,
const CHUNK_BYTES: usize = 64 << 10;

/// and less where that was recorded so long ago: it is what the trace of a killed server lacks.
const CHUNK_AGE: Duration = Duration::from_millis(20);

/// Keeps the trace of a server, if one is asked for.
#[derive(Default)]
pub(crate) struct Recorder {
    writer: Option<Writer>,
    /// When the thread was given something last.
    handed: Stamp,
    trouble: Option<Trouble>,
}

impl Recorder {
    /// Keeps no trace.
    pub(crate) fn off() -> Recorder {
        Recorder::default()
    }

    /// Begins a part of the trace in this file, after those that it holds.
    pub(crate) fn start(file: &Path, owner: Identity, members: Members, found: &Recovered) -> io::Result<Recorder> {
        let mut trace = OpenOptions::new().append(true).create(true).open(file)?;
        lock(&trace)?;
        let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let origin = Origin {
            code: code(),
            group: derived(owner.cluster, b"group"),
            began: u64::try_from(began.as_nanos()).unwrap_or(u64::MAX),
            id: owner.id,
            members,
            durable: found.durable.clone(),
            entries: Origin::digested(&found.entries, key(owner.cluster)),
        };
        let (mut chain, mut beginning) = (Chain::default(), MAGIC.to_vec());
        chain.seal(&origin.body(), &mut beginning);
        trace.write_all(&beginning)?;
        Ok(Recorder { writer: Some(Writer::start(trace, chain)?), ..Recorder::default() })
    }

    /// Lets the driver record, if a trace is kept.
    pub(crate) fn attach(&mut self, driver: &mut Driver, cluster: ClusterId, now: Stamp) {
        self.handed = now;
        if self.writer.is_some() {
            driver.record(key(cluster), now);
        }
    }

    /// Takes what the driver has recorded, once it is worth it. Whether the trace has ended by that.
    #[inline]
    pub(crate) fn take_from(&mut self, driver: &mut Driver, now: Stamp) -> bool {
        if self.writer.is_none() || driver.recorded() < CHUNK_BYTES && now.since(self.handed) < CHUNK_AGE {
            return false;
        }
        self.handed = now;
        self.hand_over(driver)
    }

    fn hand_over(&mut self, driver: &mut Driver) -> bool {
        let recorded = driver.take_recorded();
        let Some(writer) = &self.writer else { return false };
        let Err(Refused(trouble)) = writer.write(recorded) else { return false };
        tracing::warn!(?trouble, "the trace has ended");
        self.trouble = Some(trouble);
        self.writer = None;
        driver.stop_recording();
        true
    }

    /// Why the trace has ended though the server goes on, if it has.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Ends the trace in order, and waits for that, but not for ever.
    pub(crate) async fn close(&mut self, driver: &mut Driver, patience: Duration) {
        self.hand_over(driver);
        if let Some(writer) = self.writer.take() {
            writer.close(patience).await;
        }
    }
}

/// One file is for one server at a time.
fn lock(file: &File) -> io::Result<()> {
    use rustix::fs::{FlockOperation, flock};
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        rustix::io::Errno::WOULDBLOCK => {
            io::Error::other("another server keeps its trace there; give each its own file")
        }
        error => error.into(),
    })
}

/// The key of digests: whoever does not know the cluster's id cannot try out what was digested.
fn key(cluster: ClusterId) -> u64 {
    derived(cluster, b"payloads")
}

/// A number that belongs to a cluster, and tells nothing of its id, which is a secret.
fn derived(cluster: ClusterId, what: &[u8]) -> u64 {
    let digest = Sha256::new().chain_update(b"rafttree trace ").chain_update(what).chain_update(cluster.to_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.finalize()[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests;
