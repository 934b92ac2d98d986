//! One run of a campaign: a history, everything that may go wrong in it, and what came of that.

use super::bits::Bits;
use super::crashes::Crashes;
use super::errors::Errors;
use super::history::History;
use super::report::{Counts, Violation};
use super::scale::Scale;
use super::server::Runner;
use crate::simulate::Random;

/// What goes wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Campaign {
    /// The process or the machine ends.
    Crashes,
    /// A call of the disk fails.
    Errors,
    /// A bit flips.
    Bits,
}

/// What came of one run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// How often what was done.
    pub counts: Counts,
    /// What must never be, if it was.
    pub violation: Option<Violation>,
}

impl Campaign {
    /// All campaigns.
    pub const ALL: [Campaign; 3] = [Campaign::Crashes, Campaign::Errors, Campaign::Bits];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Campaign::Crashes => "crashes",
            Campaign::Errors => "errors",
            Campaign::Bits => "bits",
        }
    }

    /// Runs the history of this seed as often as there are things that may go wrong. Equal seeds are equal runs.
    pub fn run(self, seed: u64, scale: Scale) -> Run {
        let history = History::draw(seed);
        let mut counts = Counts::default();
        let outcome = self.attack(&history, Random::stream(seed, 2), scale, &mut counts);
        counts.add("histories");
        let violation = outcome.err().map(|violation| Violation { history: history.words(), ..violation });
        Run { counts, violation }
    }

    fn attack(self, history: &History, random: Random, scale: Scale, counts: &mut Counts) -> Result<(), Violation> {
        let runner = Runner::new(history)?;
        match self {
            Campaign::Crashes => Crashes { runner: &runner, scale, random, counts }.run(),
            Campaign::Errors => Errors { runner: &runner, scale, random, counts }.run(),
            Campaign::Bits => Bits { runner: &runner, scale, random, counts }.run(),
        }
    }
}
