//! One run of a campaign: a history, everything that may go wrong in it, and what came of that.

use super::bits::Bits;
use super::bytes::{self, Bytes};
use super::crashes::Crashes;
use super::errors::Errors;
use super::history::History;
use super::report::{Counts, Violation};
use super::scale::Scale;
use super::server::Runner;
use crate::simulate::{Digest, Random};

/// What goes wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Campaign {
    /// The process or the machine ends.
    Crashes,
    /// A call of the disk fails.
    Errors,
    /// A bit flips.
    Bits,
    /// Bytes from outside are others than any server writes or sends.
    Bytes,
}

/// What came of one run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// How often what was done.
    pub counts: Counts,
    /// What must never be, if it was.
    pub violation: Option<Violation>,
    /// Equal for equal runs.
    pub digest: u64,
}

impl Campaign {
    /// All campaigns.
    pub const ALL: [Campaign; 4] = [Campaign::Crashes, Campaign::Errors, Campaign::Bits, Campaign::Bytes];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Campaign::Crashes => "crashes",
            Campaign::Errors => "errors",
            Campaign::Bits => "bits",
            Campaign::Bytes => "bytes",
        }
    }

    /// What its counts say how many there were of.
    pub fn unit(self) -> &'static str {
        if self == Campaign::Bytes { "inputs" } else { "histories" }
    }

    /// What all runs together have left untested, by these counts: parsers that have refused nothing, or have accepted
    /// nothing that was changed.
    pub fn untested(self, counts: &Counts) -> Vec<&'static str> {
        if self == Campaign::Bytes { bytes::untested(counts) } else { Vec::new() }
    }

    /// Runs what this seed stands for as often as there are things that may go wrong. Equal seeds are equal runs.
    pub fn run(self, seed: u64, scale: Scale) -> Run {
        let (mut counts, mut digest) = (Counts::default(), Digest::new());
        let outcome = match self {
            Campaign::Bytes => Bytes { seed, scale, counts: &mut counts, digest: &mut digest }.run(),
            _ => self.run_history(seed, scale, &mut counts),
        };
        digest.add(counts.digest());
        Run { counts, violation: outcome.err(), digest: digest.value() }
    }

    fn run_history(self, seed: u64, scale: Scale, counts: &mut Counts) -> Result<(), Violation> {
        let history = History::draw(seed);
        let outcome = self.attack(&history, Random::stream(seed, 2), scale, counts);
        counts.add("histories");
        outcome.map_err(|violation| Violation { history: history.words(), ..violation })
    }

    fn attack(self, history: &History, random: Random, scale: Scale, counts: &mut Counts) -> Result<(), Violation> {
        let runner = Runner::new(history)?;
        match self {
            Campaign::Crashes => Crashes { runner: &runner, scale, random, counts }.run(),
            Campaign::Errors => Errors { runner: &runner, scale, random, counts }.run(),
            Campaign::Bits => Bits { runner: &runner, scale, random, counts }.run(),
            Campaign::Bytes => Ok(()),
        }
    }
}
