//! One worker: expands states, sends what belongs to others, and agrees with them on what is next.

use std::time::Instant;

use crate::search::explored::Totals;
use crate::search::fingerprint::Print;
use crate::search::found::{Ended, Held, Progress};
use crate::search::frontier::{BATCH, Frontier};
use crate::search::hand::Hand;
use crate::search::hosts::ground::{Ground, ROUND};
use crate::search::hosts::post::{Lost, Post};
use crate::search::hosts::shares::{Outbox, owner, records, take_print};
use crate::search::hosts::summary::{Least, Summary};
use crate::search::hosts::way::{Trail, Way};
use crate::search::space::Space;
use crate::search::table::Table;

/// One worker, and what it knows of all.
pub(super) struct Worker<'a, S: Space, P> {
    ground: &'a Ground<S>,
    post: &'a mut Post,
    hand: Hand<S, P>,
    /// Of the states that belong here.
    table: Table<P>,
    frontier: Frontier<S::State>,
    outbox: Outbox<P>,
    received: u64,
    /// States that belong here.
    own: u64,
    /// What all have agreed on.
    pub(super) totals: Totals,
    /// Of the layer, not expanded yet.
    waiting: u64,
    pub(super) least: Option<Least>,
    pub(super) table_bytes: u64,
    pub(super) held: Vec<Held>,
}

impl<'a, S: Space, P: Print> Worker<'a, S, P> {
    pub(super) fn new(ground: &'a Ground<S>, post: &'a mut Post) -> Worker<'a, S, P> {
        let (space, kinds) = (&ground.space, ground.space.kinds());
        let outbox = Outbox::new(post.me(), post.workers());
        Worker {
            ground,
            post,
            hand: Hand::new(space),
            table: Table::new(),
            frontier: Frontier::new(Vec::new(), Vec::new()),
            outbox,
            received: 0,
            own: 0,
            totals: Totals { offered: vec![0; kinds], fired: vec![0; kinds], ..Totals::default() },
            waiting: 0,
            least: None,
            table_bytes: 0,
            held: Vec::new(),
        }
    }

    /// The start states that belong here are found, as any layer is.
    pub(super) fn start(&mut self) {
        let Ground { space, search, .. } = self.ground;
        for start in space.starts() {
            let print = P::of(space.fingerprint(&start, search.seed));
            if owner(print, self.post.workers()) == self.post.me() && self.table.insert(print) {
                self.hand.fresh.push(start);
            }
        }
        self.hand.judge_fresh(space, search.seed, None);
    }

    /// To the end, which all workers come to in the same round.
    pub(super) fn run(&mut self, progress: &mut dyn FnMut(&Progress)) -> Result<Ended, Lost> {
        loop {
            self.expand_some()?;
            self.receive_rest()?;
            let stop = self.agree(progress)?;
            if let Some(ended) = self.next_layer().or_else(|| stop.map(|why| self.cut(why))) {
                return Ok(ended);
            }
        }
    }

    /// Expands a part of the layer; what comes from others meanwhile is taken in, or it would pile up.
    fn expand_some(&mut self) -> Result<(), Lost> {
        let (began, alarm) = (Instant::now(), self.ground.watch.alarm(self.reserve()));
        for _ in 0..BATCH {
            if alarm() || ROUND <= began.elapsed() {
                break;
            }
            let Some(block) = self.frontier.pop() else { break };
            block.iter().for_each(|state| self.expand(state));
            self.frontier.push(self.hand.pile.take_full());
            self.send(|outbox| outbox.take_full());
            for letter in self.post.take()? {
                self.receive(&letter);
            }
        }
        self.send(|outbox| outbox.take_all());
        self.post.close();
        Ok(())
    }

    fn expand(&mut self, state: &S::State) {
        let Ground { space, search, .. } = self.ground;
        let Worker { hand, table, outbox, .. } = self;
        hand.expand(space, search.seed, state, |print, target| {
            outbox.keep_or_put(space, print, target).filter(|_| table.insert(print))
        });
    }

    fn send(&mut self, letters: impl Fn(&mut Outbox<P>) -> Vec<(usize, Vec<u8>)>) {
        for (to, letter) in letters(&mut self.outbox) {
            self.post.send(to, letter);
        }
    }

    fn receive_rest(&mut self) -> Result<(), Lost> {
        while let Some(letters) = self.post.wait()? {
            letters.iter().for_each(|letter| self.receive(letter));
        }
        self.frontier.push(self.hand.pile.take_full());
        Ok(())
    }

    /// States that belong here and that others have found.
    fn receive(&mut self, letter: &[u8]) {
        let Ground { space, search, .. } = self.ground;
        for mut record in records(letter) {
            self.received += 1;
            if self.table.insert(take_print(&mut record)) {
                self.hand.fresh.push(space.decode(&mut record).expect("a state comes as it was sent"));
            }
        }
        self.hand.judge_fresh(space, search.seed, None);
    }

    /// Tells the others what was done in this round, and adds up what all have. Nothing of the next round is
    /// here yet, whoever is ahead, since letters of later epochs wait. Says why to stop, if so.
    fn agree(&mut self, progress: &mut dyn FnMut(&Progress)) -> Result<Option<String>, Lost> {
        let ours = self.summary();
        let all = Summary::of_all(self.ground.space.kinds(), &self.post.exchange(&ours.words())?);
        self.totals.add_states(all.states);
        self.totals.transitions += all.transitions;
        for (totals, new) in [(&mut self.totals.offered, &all.offered), (&mut self.totals.fired, &all.fired)] {
            totals.iter_mut().zip(new).for_each(|(total, new)| *total += new);
        }
        self.totals.met |= all.met;
        self.totals.broken |= all.broken;
        self.waiting = all.waiting;
        self.least = all.violation.clone();
        self.table_bytes = all.table_bytes;
        if self.least.is_some() {
            // Of a step into a state that was seen before, only the step is in the next layer.
            self.totals.reach_layer();
        }
        progress(&self.progress(&all));
        let limit = self.ground.search.limits.struck_by_states(self.totals.states);
        Ok(all.stop.or(limit))
    }

    fn summary(&mut self) -> Summary {
        let Ground { space, watch, hosts, .. } = self.ground;
        let hand = &mut self.hand;
        let mut ours = Summary::nothing(space.kinds());
        space.count_offers(&mut hand.worker, &mut ours.offered);
        ours.states = std::mem::take(&mut hand.states);
        self.own += ours.states;
        ours.transitions = std::mem::take(&mut hand.transitions);
        ours.fired = hand.fired.iter_mut().map(std::mem::take).collect();
        (ours.met, ours.broken) = (hand.met, hand.broken);
        ours.violation = hand.violation.as_ref().map(Least::of);
        ours.waiting = self.frontier.waiting();
        ours.sent = std::mem::take(&mut self.outbox.count);
        ours.received = std::mem::take(&mut self.received);
        ours.table_bytes = self.table.bytes();
        let why = watch.struck_here(self.reserve());
        ours.stop = why.map(|why| format!("{}: {why}", hosts.name(hosts.process)));
        if self.is_first_here() {
            ours.resident = watch.resident();
        }
        ours
    }

    /// Goes on to the next layer if this one is done; or says how it ends.
    fn next_layer(&mut self) -> Option<Ended> {
        if 0 < self.waiting {
            return None;
        }
        self.frontier.push(self.hand.pile.take_all());
        if self.least.is_some() {
            return Some(Ended::Violated(self.totals.broken));
        }
        self.frontier.advance();
        if self.totals.layers.len() == self.totals.layer {
            return Some(Ended::Exhausted);
        }
        self.totals.layer += 1;
        None
    }

    /// What was found in a layer that is not finished was found all the same.
    fn cut(&mut self, why: String) -> Ended {
        if self.least.is_some() { Ended::Violated(self.totals.broken) } else { Ended::Cut(why) }
    }

    /// The end of a search that has lost somebody: what was found by then was found all the same.
    pub(super) fn lost(&mut self, why: String) -> (Ended, Option<Way<P>>) {
        (self.cut(why.clone()), Some(Err(why)))
    }

    /// Makes room for the search for the way to a violation.
    fn forget(&mut self) {
        self.table = Table::new();
        self.frontier = Frontier::new(Vec::new(), Vec::new());
        self.outbox = Outbox::new(self.post.me(), self.post.workers());
    }

    /// The way to the violation that all have agreed on: its states, of those that lie before it.
    pub(super) fn way(&mut self, progress: &mut dyn FnMut(&Progress)) -> Result<Option<Way<P>>, Lost> {
        let Some(least) = self.least.clone() else { return Ok(None) };
        self.forget();
        Trail::new(self.ground, self.post).find(&least.violation::<S, P>(), self.totals.depth(), progress).map(Some)
    }

    /// What each process has gathered comes to the first.
    pub(super) fn finish(&mut self) -> Result<(), Lost> {
        let Ground { space, hosts, watch, .. } = self.ground;
        let mut ours = [self.own, watch.peak()].iter().flat_map(|count| count.to_le_bytes()).collect::<Vec<u8>>();
        if self.is_first_here() {
            space.encode_gathered(&mut ours);
        }
        let said = self.post.exchange(&ours)?;
        let threads = said.len() / hosts.addresses.len();
        for (process, of_process) in said.chunks(threads).enumerate() {
            let counts = of_process.iter().map(|said| {
                let (counts, gathered) = said.split_at(16);
                let [states, peak] = [0, 8].map(|at| u64::from_le_bytes(counts[at..at + 8].try_into().expect("eight")));
                (states, peak, gathered)
            });
            let mut held = Held { peak_resident: 0, states: 0 };
            for (worker, (states, peak, gathered)) in counts.enumerate() {
                held = Held { peak_resident: held.peak_resident.max(peak), states: held.states + states };
                if worker == 0 && process != hosts.process && self.post.me() == 0 {
                    space.decode_gathered(gathered).expect("it was written by this code");
                }
            }
            self.held.push(held);
        }
        Ok(())
    }

    /// Whether this is the first worker of its process.
    pub(super) fn is_first_here(&self) -> bool {
        self.post.me() == self.ground.hosts.process * self.ground.search.threads.max(1)
    }

    /// What the search for the path to a violation holds beyond what this one holds, at this process.
    fn reserve(&self) -> u64 {
        let widest = self.totals.layers.iter().max().copied().unwrap_or_default();
        2 * P::BYTES as u64 * (self.totals.states + widest) / self.ground.hosts.addresses.len() as u64
    }

    fn progress(&self, all: &Summary) -> Progress {
        Progress {
            states: self.totals.states,
            transitions: self.totals.transitions,
            depth: self.totals.depth(),
            waiting: all.waiting,
            layers: self.totals.current_layers(),
            resident: all.resident,
            table_bytes: all.table_bytes,
            elapsed: self.ground.watch.elapsed(),
            is_retracing: false,
            simulated: None,
        }
    }
}
