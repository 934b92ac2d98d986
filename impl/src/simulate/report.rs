//! What is told of runs: figures, and failures.

use std::collections::BTreeMap;
use std::ops::AddAssign;

/// How often what happened, in one run or in many.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Figures {
    /// Runs.
    pub runs: u64,
    /// Things that happened: messages, timers, flushes and all else.
    pub steps: u64,
    /// Leaderships that services could rely on.
    pub elections: u64,
    /// Entries that were committed.
    pub commits: u64,
    /// Commands that were answered.
    pub answered: u64,
    /// Commands of which a client learned that they are not committed.
    pub not_committed: u64,
    /// Commands and reads of which a client learned nothing.
    pub unknown: u64,
    /// Linearizable reads that were served.
    pub reads: u64,
    /// Commands of sessions that were proposed again.
    pub retries: u64,
    /// Snapshots that were made.
    pub snapshots: u64,
    /// Snapshots that were sent to another server, and arrived.
    pub arrivals: u64,
    /// State machines that were replaced by a snapshot.
    pub restores: u64,
    /// Servers that have stopped for a disk that failed, was full, or stalled.
    pub stops: u64,
    /// Starts that were refused, since a directory was another server's, empty or damaged.
    pub refusals: u64,
    /// Starts with entries that could not be read, and were named.
    pub faulty_starts: u64,
    /// Servers that a leader has kept out since they had forgotten what they had acknowledged.
    pub kept_out: u64,
    /// Runs in which a disk has forgotten what it had promised to keep, so that from there on nothing was
    /// promised.
    pub forgetful: u64,
    /// Those of them in which something did go wrong then.
    pub harmed: u64,
    /// The longest time from the end of all faults to the next answer, in nanoseconds.
    pub longest_recovery: u64,
    /// Faults that have struck, by kind.
    pub faults: BTreeMap<&'static str, u64>,
}

impl AddAssign<&Figures> for Figures {
    fn add_assign(&mut self, other: &Figures) {
        let sums = [
            (&mut self.runs, other.runs),
            (&mut self.steps, other.steps),
            (&mut self.elections, other.elections),
            (&mut self.commits, other.commits),
            (&mut self.answered, other.answered),
            (&mut self.not_committed, other.not_committed),
            (&mut self.unknown, other.unknown),
            (&mut self.reads, other.reads),
            (&mut self.retries, other.retries),
            (&mut self.snapshots, other.snapshots),
            (&mut self.arrivals, other.arrivals),
            (&mut self.restores, other.restores),
            (&mut self.stops, other.stops),
            (&mut self.refusals, other.refusals),
            (&mut self.faulty_starts, other.faulty_starts),
            (&mut self.kept_out, other.kept_out),
            (&mut self.forgetful, other.forgetful),
            (&mut self.harmed, other.harmed),
        ];
        for (sum, more) in sums {
            *sum += more;
        }
        self.longest_recovery = self.longest_recovery.max(other.longest_recovery);
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
    }
}
