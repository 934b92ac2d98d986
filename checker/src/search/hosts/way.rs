//! The way to a violation, looked for by all that have searched.
//!
//! As on one machine the layers are explored once more, with parents this time, and each worker keeps those of the
//! states that belong to it. Then they go back together: of each state the one that has it says its parent.

use std::time::Instant;

use crate::search::fingerprint::Print;
use crate::search::found::Progress;
use crate::search::frontier::{BATCH, Frontier, Pile};
use crate::search::hosts::ground::{Ground, ROUND};
use crate::search::hosts::post::{Lost, Post};
use crate::search::hosts::shares::{Outbox, owner, records, take_print};
use crate::search::hosts::summary::Summary;
use crate::search::space::{Bits, Space, attempt};
use crate::search::trail::{AMBIGUOUS, Known, Violation};

/// The states from a start to the last before the violation, or why they are not known.
pub(super) type Way<P> = Result<Vec<P>, String>;

/// One worker's part of the layers, with parents.
pub(super) struct Trail<'a, S: Space, P> {
    ground: &'a Ground<S>,
    post: &'a mut Post,
    /// What the violation breaks.
    broken: Bits,
    worker: S::Worker,
    known: Known<P>,
    frontier: Frontier<S::State>,
    pile: Pile<S::State>,
    outbox: Outbox<P>,
    /// Per layer but the first: each state with its parent.
    parents: Vec<Vec<(P, P)>>,
    /// Of this worker, in this round.
    round: Summary,
    /// Of all.
    states: u64,
    transitions: u64,
    layers: Vec<u64>,
}

/// What is done with a state of the layer.
enum Work<P> {
    FindChildren,
    /// Whether it leads there.
    TrySource {
        target: P,
        least: Option<P>,
    },
}

impl<'a, S: Space, P: Print> Trail<'a, S, P> {
    pub(super) fn new(ground: &'a Ground<S>, post: &'a mut Post, broken: Bits) -> Trail<'a, S, P> {
        let (space, seed) = (&ground.space, ground.search.seed);
        let (known, mut pile, mut frontier) = (Known::new(), Pile::new(), Frontier::new(ground.room()));
        for start in space.starts() {
            let print = P::of(space.fingerprint(&start, seed));
            if owner(print, post.workers()) == post.me() && known.table.insert(print) {
                pile.push(start);
            }
        }
        frontier.push(pile.take_all());
        frontier.advance();
        Trail {
            ground,
            broken,
            worker: space.worker(),
            known,
            frontier,
            pile,
            outbox: Outbox::new(post.me(), post.workers()),
            post,
            parents: Vec::new(),
            round: Summary::default(),
            states: 0,
            transitions: 0,
            layers: vec![0],
        }
    }

    /// To a violation at so many steps.
    pub(super) fn find(
        mut self,
        violation: &Violation<S::Action, P>,
        depth: u64,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<Way<P>, Lost> {
        if depth == 0 {
            return Ok(Ok(Vec::new()));
        }
        for _ in 1..depth {
            if let Err(why) = self.climb(progress)? {
                return Ok(Err(why));
            }
        }
        let (target, source) = violation.order();
        let source = match source {
            Some(source) => source,
            None => match self.source_of(target, progress)? {
                Ok(source) => source,
                Err(why) => return Ok(Err(why)),
            },
        };
        self.back_from(source)
    }

    /// Expands the current layer, and goes on to the next.
    fn climb(&mut self, progress: &mut dyn FnMut(&Progress)) -> Result<Result<(), String>, Lost> {
        let done = self.work_off(&mut Work::FindChildren, progress)?;
        self.frontier.push(self.pile.take_all());
        self.parents.push(self.known.finish_layer());
        self.frontier.advance();
        self.layers.push(0);
        Ok(done)
    }

    /// The least state of the current layer that has a step to this one.
    fn source_of(&mut self, target: P, progress: &mut dyn FnMut(&Progress)) -> Result<Result<P, String>, Lost> {
        let mut work = Work::TrySource { target, least: None };
        if let Err(why) = self.work_off(&mut work, progress)? {
            return Ok(Err(why));
        }
        let Work::TrySource { least, .. } = work else { unreachable!("it is what it was") };
        let told = self.tell(least)?;
        Ok(told.into_iter().flatten().min().ok_or_else(|| AMBIGUOUS.to_owned()))
    }

    /// The states on the way to this one, from a start, itself included.
    fn back_from(&mut self, source: P) -> Result<Way<P>, Lost> {
        let mut prints = vec![source];
        for layer in std::mem::take(&mut self.parents).iter().rev() {
            let child = prints[prints.len() - 1];
            let parent = layer.iter().find(|(state, _)| *state == child).map(|(_, parent)| *parent);
            let Some(parent) = self.tell(parent)?.into_iter().flatten().next() else {
                return Ok(Err(AMBIGUOUS.to_owned()));
            };
            prints.push(parent);
        }
        prints.reverse();
        Ok(Ok(prints))
    }

    /// What each worker knows.
    fn tell(&mut self, ours: Option<P>) -> Result<Vec<Option<P>>, Lost> {
        let mut words = Vec::new();
        ours.inspect(|print| print.write(&mut words));
        Ok(self.post.exchange(&words)?.iter().map(|words| P::read(words)).collect())
    }

    fn work_off(
        &mut self,
        work: &mut Work<P>,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<Result<(), String>, Lost> {
        loop {
            self.work_some(work)?;
            let all = self.agree(progress)?;
            match all.stop {
                _ if all.waiting == 0 => return Ok(Ok(())),
                Some(why) => return Ok(Err(why)),
                None => {}
            }
        }
    }

    fn work_some(&mut self, work: &mut Work<P>) -> Result<(), Lost> {
        let (ground, began) = (self.ground, Instant::now());
        let alarm = ground.watch.alarm(0);
        for _ in 0..BATCH {
            if alarm() || ROUND <= began.elapsed() {
                break;
            }
            let Some(block) = self.frontier.pop(&ground.space) else { break };
            block.iter().for_each(|state| self.expand(work, state));
            self.keep();
            for (to, letter) in self.outbox.take_full() {
                self.post.send(to, letter);
            }
            for letter in self.post.take()? {
                self.receive(&letter);
            }
        }
        for (to, letter) in self.outbox.take_all() {
            self.post.send(to, letter);
        }
        self.post.close();
        while let Some(letters) = self.post.wait()? {
            letters.iter().for_each(|letter| self.receive(letter));
            self.keep();
        }
        Ok(())
    }

    /// Leaves blocks that are full to the frontier.
    fn keep(&mut self) {
        self.frontier.push(self.pile.take_full());
        self.frontier.spill(&self.ground.space);
    }

    fn expand(&mut self, work: &mut Work<P>, state: &S::State) {
        let (space, seed) = (&self.ground.space, self.ground.search.seed);
        let source = P::of(space.fingerprint(state, seed));
        let Trail { worker, known, pile, outbox, round, .. } = self;
        match work {
            Work::FindChildren => space.expand(worker, state, &mut |_, child, _| {
                round.transitions += 1;
                let print = P::of(space.fingerprint(&child, seed));
                let ours = outbox.keep_or_put_child(space, [print, source], child);
                if let Some(child) = ours.filter(|_| known.insert(print, source)) {
                    round.states += 1;
                    pile.push(child);
                }
            }),
            Work::TrySource { target, least } => {
                let mut leads_there = false;
                // Another state of the layer may be the one that panics.
                let _ = attempt(space, || {
                    space.expand(worker, state, &mut |_, child, _| {
                        round.transitions += 1;
                        leads_there |= P::of(space.fingerprint(&child, seed)) == *target;
                    });
                });
                if leads_there {
                    *least = Some(least.map_or(source, |kept| kept.min(source)));
                }
            }
        }
    }

    fn receive(&mut self, letter: &[u8]) {
        for mut record in records(letter) {
            self.round.received += 1;
            let [print, parent] = [take_print(&mut record), take_print(&mut record)];
            if self.known.insert(print, parent) {
                self.round.states += 1;
                self.pile.push(self.ground.space.decode(&mut record).expect("a state comes as it was sent"));
            }
        }
    }

    fn agree(&mut self, progress: &mut dyn FnMut(&Progress)) -> Result<Summary, Lost> {
        let Ground { watch, hosts, search, .. } = self.ground;
        let mut ours = std::mem::take(&mut self.round);
        ours.waiting = self.frontier.waiting();
        ours.sent = std::mem::take(&mut self.outbox.count);
        ours.table_bytes = self.known.table.bytes();
        ours.on_disk = self.frontier.on_disk();
        let why = watch.struck_here(0).or_else(|| self.frontier.trouble());
        ours.stop = why.map(|why| format!("{}: {why}", hosts.name(hosts.process)));
        if self.post.me() == hosts.process * search.threads.max(1) {
            ours.resident = watch.resident();
        }
        let all = Summary::of_all(0, &self.post.exchange(&ours.words())?);
        self.states += all.states;
        self.transitions += all.transitions;
        *self.layers.last_mut().expect("there is one") += all.states;
        progress(&Progress {
            states: self.states,
            transitions: self.transitions,
            depth: self.parents.len() as u64,
            waiting: all.waiting,
            layers: [3, 2].map(|back| self.layers.iter().nth_back(back - 1).copied().unwrap_or_default()),
            resident: all.resident,
            table_bytes: all.table_bytes,
            on_disk: all.on_disk,
            elapsed: watch.elapsed(),
            retracing: Some(self.broken),
            simulated: None,
        });
        Ok(all)
    }
}
