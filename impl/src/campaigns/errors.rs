//! An error at every call, and what the server, its successor and the disk make of it.

use super::crashes::keeping;
use super::promise::Promise;
use super::report::{Counts, Violation};
use super::scale::Scale;
use super::server::{End, Runner};
use crate::simulate::Random;
use crate::storage::simulate::{Fault, SimulatedDisk};

const FAULTS: [(Fault, &str); 3] =
    [(Fault::Error, "an error"), (Fault::Short, "a short write"), (Fault::NoRoom, "a lack of room")];

/// One campaign over one history.
pub(super) struct Errors<'a> {
    pub(super) runner: &'a Runner<'a>,
    pub(super) scale: Scale,
    pub(super) random: Random,
    pub(super) counts: &'a mut Counts,
}

impl Errors<'_> {
    pub(super) fn run(&mut self) -> Result<(), Violation> {
        let (disk, mut promise) = self.runner.begin();
        self.runner.run(&disk, &mut promise)?;
        for call in 0..disk.calls() {
            for (fault, words) in FAULTS {
                self.fail(call, fault, false).map_err(|it| it.after(format!("{words} at call {call}")))?;
            }
            // Nobody comes to tidy up after the error.
            let words = format!("an error at call {call}, and the end of the process with the next one");
            self.fail(call, Fault::Error, true).map_err(|it| it.after(words))?;
        }
        Ok(())
    }

    /// The history with this error.
    fn fail(&mut self, call: u64, fault: Fault, ends: bool) -> Result<(), Violation> {
        let (disk, mut promise) = self.runner.begin();
        if self.random.chance(50) {
            disk.keep_cached();
        }
        disk.plan(call, fault);
        if ends {
            disk.plan(call + 1, Fault::Crash);
        }
        let end = self.runner.run(&disk, &mut promise)?;
        self.counts.add("errors");
        self.counts.add(if let End::Stopped = end { "that stopped the server" } else { "that the server outlived" });
        let cached = disk.restarted();
        cached.keep_cached();
        let images = [
            ("the end of the process", disk.restarted()),
            ("the end of the process, whose writes stay cached", cached),
            ("a loss of power that keeps all", disk.crashed(|| true)),
            ("a loss of power that keeps nothing", disk.crashed(|| false)),
            ("a loss of power", keeping(&disk, self.random.number())),
        ];
        for (words, image) in images {
            self.recover(&image, &promise).map_err(|it| it.after(words))?;
        }
        Ok(())
    }

    fn recover(&mut self, image: &SimulatedDisk, promise: &Promise) -> Result<(), Violation> {
        let disk = image.restarted();
        self.counts.add("recoveries");
        if let End::Stopped = self.runner.go_on(&disk, &mut promise.clone())? {
            return Err(Violation::new("it stops though nothing went wrong any more"));
        }
        if !self.random.chance(self.scale.again) {
            return Ok(());
        }
        for call in 0..disk.calls() {
            let (again, mut promise) = (image.restarted(), promise.clone());
            again.plan(call, Fault::Error);
            let words = format!("an error at call {call} of the start");
            self.runner.go_on(&again, &mut promise).map_err(|it| it.after(words.clone()))?;
            self.counts.add("errors while an error is dealt with");
            for image in [again.restarted(), keeping(&again, self.random.number())] {
                self.counts.add("recoveries");
                self.runner.go_on(&image, &mut promise.clone()).map_err(|it| it.after(words.clone()))?;
            }
        }
        Ok(())
    }
}
