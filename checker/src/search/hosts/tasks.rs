//! Tasks that all workers share when every state was visited: each does every so manieth of them.
//!
//! All of it is in one epoch of the post, so that nobody waits for whoever has a long task. Meanwhile each tells
//! the others how far it is, and at once that a task of it fails, that all must end, or that it has done its share.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::search::hosts::ground::ROUND;
use crate::search::hosts::post::{Lost, Post};
use crate::search::tasks::{Results, Tasks};

/// How far a worker is.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
struct Note {
    from: usize,
    done: u64,
    /// The first of its tasks that fails.
    failure: Option<usize>,
    /// Why all must end.
    stop: Option<String>,
    /// It has done its share.
    is_done: bool,
}

/// One worker's share.
pub(super) struct Share<'a> {
    post: &'a mut Post,
    tasks: &'a dyn Tasks,
    sizes: Vec<u64>,
    ours: Results,
    /// By worker, what it said last.
    notes: Vec<Note>,
    told: Instant,
}

impl Note {
    /// Whether it says more than that more is done.
    fn is_urgent_after(&self, before: &Note) -> bool {
        Note { done: before.done, ..self.clone() } != *before
    }
}

impl<'a> Share<'a> {
    pub(super) fn new(post: &'a mut Post, tasks: &'a dyn Tasks) -> Share<'a> {
        let notes = (0..post.workers()).map(|from| Note { from, ..Note::default() }).collect();
        Share { post, tasks, sizes: tasks.sizes(), ours: Results::default(), notes, told: Instant::now() }
    }

    /// What comes of the tasks of all workers, which all agree on.
    pub(super) fn run(
        mut self,
        struck: &dyn Fn() -> Option<String>,
        tick: &mut dyn FnMut(u64, u64),
    ) -> Result<Results, Lost> {
        let (mut worker, all) = (self.tasks.worker(), self.sizes.iter().sum());
        let mut share = (self.post.me()..self.sizes.len()).step_by(self.post.workers());
        let mut ours = self.notes[self.post.me()].clone();
        while !self.is_over() {
            ours.stop = struck();
            if ours.stop.is_none() && !ours.is_done {
                match share.next().filter(|task| *task < self.first_failure()) {
                    Some(task) => self.ours.add(worker(task)),
                    None => ours.is_done = true,
                }
            }
            (ours.done, ours.failure) = (self.ours.done, self.ours.failure.as_ref().map(|(task, _)| *task));
            self.tell(&ours);
            self.listen(ours.is_done)?;
            tick(self.notes.iter().map(|note| note.done).sum(), all);
        }
        self.ours.cut = ours.stop;
        self.agree(all)
    }

    /// All have done their shares, or must end.
    fn is_over(&self) -> bool {
        self.notes.iter().all(|note| note.is_done) || self.notes.iter().any(|note| note.stop.is_some())
    }

    /// What comes after a task that fails is of no interest to anybody.
    fn first_failure(&self) -> usize {
        self.notes.iter().filter_map(|note| note.failure).min().unwrap_or(usize::MAX)
    }

    fn tell(&mut self, ours: &Note) {
        let before = &self.notes[ours.from];
        if ours.is_urgent_after(before) || (ours != before && ROUND <= self.told.elapsed()) {
            let words = serde_json::to_vec(ours).expect("numbers and words can be written");
            let others = (0..self.post.workers()).filter(|to| *to != ours.from);
            others.for_each(|to| self.post.send(to, words.clone()));
            self.notes[ours.from] = ours.clone();
            self.told = Instant::now();
        }
    }

    /// What others have told; if nothing is left to do here, it may come in a moment.
    fn listen(&mut self, is_idle: bool) -> Result<(), Lost> {
        for words in if is_idle { self.post.nap()? } else { self.post.take()? } {
            let note: Note = serde_json::from_slice(&words).expect("it was written by this code");
            let from = note.from;
            self.notes[from] = note;
        }
        Ok(())
    }

    /// Adds up what all have done.
    fn agree(self, all: u64) -> Result<Results, Lost> {
        self.post.close();
        // What is told by now stands in the results as well.
        while self.post.wait()?.is_some() {}
        let words = serde_json::to_vec(&self.ours).expect("numbers and words can be written");
        let mut sum = Results::default();
        for words in self.post.exchange(&words)? {
            sum.add(serde_json::from_slice(&words).expect("it was written by this code"));
        }
        Ok(sum.of_all(all))
    }
}
