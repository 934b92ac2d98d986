//! A crash at every call that changes what the disk has, and more crashes during the starts that follow.

use super::promise::Promise;
use super::report::{Counts, Violation};
use super::scale::Scale;
use super::server::{End, Runner, recover};
use crate::simulate::Random;
use crate::storage::simulate::{Fault, SimulatedDisk};

/// A second and a third crash.
const DEPTH: u32 = 3;

/// In how many cases of a hundred a server that has started goes on to write, and what it writes is judged.
const GOING_ON_PERCENT: u64 = 25;

/// One campaign over one history.
pub(super) struct Crashes<'a> {
    pub(super) runner: &'a Runner<'a>,
    pub(super) scale: Scale,
    pub(super) random: Random,
    pub(super) counts: &'a mut Counts,
}

impl Crashes<'_> {
    pub(super) fn run(&mut self) -> Result<(), Violation> {
        let (disk, mut promise) = self.runner.begin();
        if let End::Stopped = self.runner.run(&disk, &mut promise)? {
            return Err(Violation::new("it stops though nothing went wrong"));
        }
        for call in disk.changing_calls() {
            let (disk, mut promise) = self.runner.begin();
            disk.plan(call, Fault::Crash);
            self.runner.run(&disk, &mut promise)?;
            self.counts.add("crashes");
            self.judge(&disk, &promise, 1).map_err(|it| it.after(format!("a crash at call {call}")))?;
        }
        Ok(())
    }

    /// Judges every start that may follow.
    fn judge(&mut self, disk: &SimulatedDisk, promise: &Promise, depth: u32) -> Result<(), Violation> {
        // The process alone has ended: what it has not flushed is in the memory of the operating system.
        let running = disk.restarted();
        running.keep_cached();
        for (image, words) in [(disk.restarted(), "the process"), (running, "the process, whose writes stay cached")] {
            let is_tried_again = self.random.chance(5 * self.scale.again);
            self.recover(&image, promise, depth, is_tried_again)
                .map_err(|it| it.after(format!("the end of {words}")))?;
        }
        let undecided = disk.undecided();
        let most = if depth == 1 { self.scale.undecided } else { self.scale.undecided.min(4) };
        let samples = if depth == 1 { self.scale.samples } else { 4 };
        let is_every = undecided <= most;
        self.counts.add(if is_every { "crashes of which every subset was tried" } else { "crashes that were sampled" });
        let count = if is_every { 1 << undecided } else { samples };
        for number in 0..count {
            let kept = match (is_every, number) {
                (true, number) => number,
                (false, 0) => 0,
                (false, 1) => u64::MAX,
                (false, _) => self.random.number(),
            };
            let image = keeping(disk, kept);
            let is_tried_again = self.random.chance(self.scale.again);
            self.recover(&image, promise, depth, is_tried_again)
                .map_err(|it| it.after(format!("a loss of power that keeps {kept:#b} of {undecided} changes")))?;
        }
        Ok(())
    }

    fn recover(
        &mut self,
        image: &SimulatedDisk,
        promise: &Promise,
        depth: u32,
        is_tried_again: bool,
    ) -> Result<(), Violation> {
        let disk = image.restarted();
        self.counts.add("recoveries");
        let goes_on = is_tried_again || self.random.chance(GOING_ON_PERCENT);
        let mut found = promise.clone();
        let end = if goes_on {
            self.runner.go_on(&disk, &mut found)?
        } else {
            recover(&disk, self.runner.layout(), &mut found)?
        };
        if let End::Stopped = end {
            return Err(Violation::new("it stops though nothing went wrong"));
        }
        if !is_tried_again || depth == DEPTH {
            return Ok(());
        }
        for call in disk.changing_calls() {
            let (again, mut promise) = (image.restarted(), promise.clone());
            again.plan(call, Fault::Crash);
            self.runner.go_on(&again, &mut promise)?;
            self.counts.add("crashes while a crash is dealt with");
            self.judge(&again, &promise, depth + 1)
                .map_err(|it| it.after(format!("a crash at call {call} of the start")))?;
        }
        Ok(())
    }
}

/// The disk after a loss of power that kept what these bits say, over and over.
pub(super) fn keeping(disk: &SimulatedDisk, mut bits: u64) -> SimulatedDisk {
    disk.crashed(|| {
        let keeps = bits & 1 == 1;
        bits = bits.rotate_right(1);
        keeps
    })
}
