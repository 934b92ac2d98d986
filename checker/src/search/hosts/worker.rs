//! One worker: expands states, sends what belongs to others, and agrees with them on what is next.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::search::checkpoint::{self, Saved};
use crate::search::explored::Explored;
use crate::search::fingerprint::Print;
use crate::search::found::{Ended, Held, Progress};
use crate::search::frontier::{BATCH, Frontier, Pile};
use crate::search::hand::Hand;
use crate::search::hosts::ground::{Ground, ROUND};
use crate::search::hosts::pieces::{Manifest, Piece};
use crate::search::hosts::post::{Lost, Post};
use crate::search::hosts::shares::{Outbox, owner, records, take_print};
use crate::search::hosts::summary::{Least, Summary};
use crate::search::hosts::tasks::Share;
use crate::search::hosts::way::{Trail, Way};
use crate::search::space::Space;
use crate::search::table::Table;
use crate::search::tasks::Results;

/// What is to be done after a round.
struct Agreed {
    /// Why the search must end, if it must.
    stop: Option<String>,
    save: bool,
}

/// What the search came to.
pub(super) struct End<P> {
    pub(super) ended: Ended,
    /// To the violation.
    pub(super) way: Option<Way<P>>,
    /// Of what was left to do when every state was visited.
    pub(super) results: Option<Results>,
    /// Without what was done after the search.
    pub(super) elapsed: Duration,
}

/// One worker, and what it knows of all.
pub(super) struct Worker<'a, S: Space, P> {
    ground: &'a Ground<S>,
    post: &'a mut Post,
    hand: Hand<S, P>,
    /// The states that belong here, and what all have agreed on.
    pub(super) explored: Explored<S, P>,
    outbox: Outbox<P>,
    received: u64,
    /// States that belong here.
    own: u64,
    /// Of the layer, not expanded yet.
    waiting: u64,
    pub(super) least: Option<Least>,
    pub(super) table_bytes: u64,
    pub(super) held: Vec<Held>,
    /// The latest piece that was written here, if any.
    piece: Option<Piece>,
    latest_save: Instant,
    pub(super) saved: Option<Result<(), String>>,
    /// How long the search took, if every state was visited.
    pub(super) exhausted: Option<Duration>,
}

impl<'a, S: Space, P: Print> Worker<'a, S, P> {
    pub(super) fn new(ground: &'a Ground<S>, post: &'a mut Post) -> Worker<'a, S, P> {
        let outbox = Outbox::new(post.me(), post.workers());
        Worker {
            ground,
            post,
            hand: Hand::new(&ground.space),
            explored: Explored::nothing(ground.space.kinds(), ground.room()),
            outbox,
            received: 0,
            own: 0,
            waiting: 0,
            least: None,
            table_bytes: 0,
            held: Vec::new(),
            piece: None,
            latest_save: Instant::now(),
            saved: None,
            exhausted: None,
        }
    }

    /// Begins where the search begins, or goes on from where it was.
    pub(super) fn start(&mut self) {
        match &self.ground.resumed {
            Some((directory, manifest)) => self.go_on(directory, manifest),
            None => self.begin(),
        }
    }

    /// Takes what belongs here from all pieces.
    fn go_on(&mut self, directory: &Path, manifest: &Manifest) {
        let Ground { space, search, .. } = self.ground;
        let identity = checkpoint::identity::<S, P>(search, space);
        let (workers, me) = (self.post.workers(), self.post.me());
        let mut layers = [(); 2].map(|()| (Pile::new(), Frontier::new(self.ground.room())));
        for saved in manifest.saved::<S, P>(directory, &identity, space, self.ground.room()) {
            let Saved { mut explored, gathered, .. } = saved.unwrap_or_else(|why| panic!("{why}, though it was whole"));
            let prints = explored.table.shards().flat_map(|(_, prints)| prints);
            for print in prints.filter(|print| owner(*print, workers) == me) {
                self.own += u64::from(self.explored.table.insert(print));
            }
            for (pile, frontier) in &mut layers {
                let is_ours = |state: &S::State| owner(P::of(space.fingerprint(state, search.seed)), workers) == me;
                while let Some(block) = explored.frontier.pop(space) {
                    block.into_iter().filter(is_ours).for_each(|state| pile.push(state));
                    frontier.push(pile.take_full());
                    frontier.spill(space);
                }
                assert!(explored.frontier.is_layer_done(), "{:?}", explored.frontier.trouble());
                explored.frontier.advance();
            }
            // Of several workers of a process the first has written it down for all.
            if me == 0 && !gathered.is_empty() {
                space.decode_gathered(&gathered).expect("it was written by this code");
            }
            self.explored.totals = explored.totals;
        }
        let [current, next] = layers.map(|(mut pile, mut frontier)| {
            frontier.push(pile.take_all());
            frontier
        });
        self.explored.frontier = Frontier::of_layers(current, next);
    }

    /// The start states that belong here are found, as any layer is.
    fn begin(&mut self) {
        let Ground { space, search, .. } = self.ground;
        for start in space.starts() {
            let print = P::of(space.fingerprint(&start, search.seed));
            if owner(print, self.post.workers()) == self.post.me() && self.explored.table.insert(print) {
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
            let Agreed { stop, save } = self.agree(progress)?;
            if let Some(ended) = self.next_layer() {
                return Ok(ended);
            }
            if self.least.is_none() && (stop.is_some() || save) {
                self.save()?;
            }
            if let Some(why) = stop {
                return Ok(self.cut(why));
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
            let Some(block) = self.explored.frontier.pop(&self.ground.space) else { break };
            block.iter().for_each(|state| self.expand(state));
            self.keep();
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
        let Worker { hand, explored: Explored { table, .. }, outbox, .. } = self;
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
            self.keep();
        }
        Ok(())
    }

    /// Leaves blocks that are full to the frontier.
    fn keep(&mut self) {
        self.explored.frontier.push(self.hand.pile.take_full());
        self.explored.frontier.spill(&self.ground.space);
    }

    /// States that belong here and that others have found.
    fn receive(&mut self, letter: &[u8]) {
        let Ground { space, search, .. } = self.ground;
        for mut record in records(letter) {
            self.received += 1;
            if self.explored.table.insert(take_print(&mut record)) {
                self.hand.fresh.push(space.decode(&mut record).expect("a state comes as it was sent"));
            }
        }
        self.hand.judge_fresh(space, search.seed, None);
    }

    /// Tells the others what was done in this round, and adds up what all have. Nothing of the next round is
    /// here yet, whoever is ahead, since letters of later epochs wait.
    fn agree(&mut self, progress: &mut dyn FnMut(&Progress)) -> Result<Agreed, Lost> {
        let ours = self.summary();
        let all = Summary::of_all(self.ground.space.kinds(), &self.post.exchange(&ours.words())?);
        self.explored.totals.add_states(all.states);
        self.explored.totals.transitions += all.transitions;
        for (totals, new) in
            [(&mut self.explored.totals.offered, &all.offered), (&mut self.explored.totals.fired, &all.fired)]
        {
            totals.iter_mut().zip(new).for_each(|(total, new)| *total += new);
        }
        self.explored.totals.met |= all.met;
        self.explored.totals.broken |= all.broken;
        self.waiting = all.waiting;
        self.least = all.violation.clone();
        self.table_bytes = all.table_bytes;
        if self.least.is_some() {
            // Of a step into a state that was seen before, only the step is in the next layer.
            self.explored.totals.reach_layer();
        }
        progress(&self.progress(&all));
        let limit = self.ground.search.limits.struck_by_states(self.explored.totals.states);
        Ok(Agreed { stop: all.stop.or(limit), save: all.save })
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
        ours.waiting = self.explored.frontier.waiting();
        ours.sent = std::mem::take(&mut self.outbox.count);
        ours.received = std::mem::take(&mut self.received);
        ours.table_bytes = self.explored.table.bytes();
        ours.on_disk = self.explored.frontier.on_disk();
        let why = watch.struck_here(self.reserve()).or_else(|| self.explored.frontier.trouble());
        ours.stop = why.map(|why| format!("{}: {why}", hosts.name(hosts.process)));
        if self.is_first_here() {
            ours.resident = watch.resident();
        }
        let every = self.ground.search.checkpoint_every.filter(|_| self.post.me() == 0);
        ours.save = every.is_some_and(|every| every <= self.latest_save.elapsed());
        ours
    }

    /// Goes on to the next layer if this one is done; or says how it ends.
    fn next_layer(&mut self) -> Option<Ended> {
        if 0 < self.waiting {
            return None;
        }
        self.explored.frontier.push(self.hand.pile.take_all());
        if self.least.is_some() {
            return Some(Ended::Violated(self.explored.totals.broken));
        }
        self.explored.frontier.advance();
        if self.explored.totals.layers.len() == self.explored.totals.layer {
            return Some(Ended::Exhausted);
        }
        self.explored.totals.layer += 1;
        None
    }

    /// Writes down where the search is, if that is wanted: each worker its piece, and the first then the manifest.
    fn save(&mut self) -> Result<(), Lost> {
        let Ground { space, search, hosts, watch, .. } = self.ground;
        let Some(directory) = &search.checkpoint else { return Ok(()) };
        self.explored.frontier.push(self.hand.pile.take_all());
        let (me, workers, number) = (self.post.me(), self.post.workers(), self.piece.map_or(0, |it| it.number + 1));
        // The first knows what the run is called, for all.
        let drawn: u64 = rand::random();
        let drawn = self.post.exchange(&drawn.to_le_bytes())?;
        let run = u64::from_le_bytes(drawn[0][..].try_into().expect("eight bytes"));
        let piece = Piece { run: self.piece.map_or(run, |it| it.run), number, worker: me, workers };
        let identity = checkpoint::identity::<S, P>(search, space);
        let mut gathered = Vec::new();
        if self.is_first_here() {
            space.encode_gathered(&mut gathered);
        }
        let written = piece.write(directory, &identity, space, &self.explored, watch.elapsed(), &gathered);
        let written = written.map_err(|why| format!("{}: {why}", hosts.name(hosts.process)));
        let manifest = Manifest::new(piece, self.explored.totals.states, watch.elapsed(), &identity);
        let mut saved = self.all_say(written)?;
        if saved.is_ok() {
            saved = self.all_say(if me == 0 { manifest.write(directory) } else { Ok(()) })?;
        }
        match &saved {
            Ok(()) if self.is_first_here() => manifest.tidy(directory),
            Ok(()) => {}
            Err(why) => {
                // At once, not with the verdict hours later.
                if self.is_first_here() {
                    eprintln!("the checkpoint was not written: {why}");
                }
                piece.remove(directory);
            }
        }
        (self.piece, self.saved, self.latest_save) = (Some(piece), Some(saved), Instant::now());
        Ok(())
    }

    /// Whether all could do it, or why the first who could not could not.
    fn all_say(&mut self, ours: Result<(), String>) -> Result<Result<(), String>, Lost> {
        let said = self.post.exchange(ours.err().unwrap_or_default().as_bytes())?;
        let why = said.into_iter().find(|why| !why.is_empty());
        Ok(why.map_or(Ok(()), |why| Err(String::from_utf8_lossy(&why).into_owned())))
    }

    /// What was found in a layer that is not finished was found all the same.
    fn cut(&mut self, why: String) -> Ended {
        if self.least.is_some() { Ended::Violated(self.explored.totals.broken) } else { Ended::Cut(why) }
    }

    /// The end of a search that has lost somebody: what was found by then was found all the same.
    pub(super) fn lost(&mut self, why: String) -> End<P> {
        if let Some(elapsed) = self.exhausted {
            let results = Results { cut: Some(why), ..Results::default() };
            return End { ended: Ended::Exhausted, way: None, results: Some(results), elapsed };
        }
        let (ended, way) = (self.cut(why.clone()), Some(Err(why)));
        End { ended, way, results: None, elapsed: self.ground.watch.elapsed() }
    }

    /// Makes room for the search for the way to a violation.
    fn forget(&mut self) {
        self.explored.table = Table::new();
        self.explored.frontier.forget();
        self.outbox = Outbox::new(self.post.me(), self.post.workers());
    }

    /// The way to the violation that all have agreed on: its states, of those that lie before it.
    pub(super) fn way(&mut self, progress: &mut dyn FnMut(&Progress)) -> Result<Option<Way<P>>, Lost> {
        let Some(least) = self.least.clone() else { return Ok(None) };
        self.forget();
        let violation = least.violation::<S, P>();
        Trail::new(self.ground, self.post, violation.broken)
            .find(&violation, self.explored.totals.depth(), progress)
            .map(Some)
    }

    /// What each process has gathered comes to all.
    pub(super) fn finish(&mut self) -> Result<(), Lost> {
        let Ground { space, hosts, watch, .. } = self.ground;
        let counts = [self.own, watch.peak(), self.explored.frontier.most_on_disk()];
        let mut ours = counts.iter().flat_map(|count| count.to_le_bytes()).collect::<Vec<u8>>();
        if self.is_first_here() {
            space.encode_gathered(&mut ours);
        }
        let said = self.post.exchange(&ours)?;
        let threads = said.len() / hosts.addresses.len();
        for (process, of_process) in said.chunks(threads).enumerate() {
            let mut held = Held { peak_resident: 0, states: 0, most_on_disk: 0 };
            for (worker, said) in of_process.iter().enumerate() {
                let (counts, gathered) = said.split_at(size_of::<[u64; 3]>());
                let [states, peak, on_disk] = [0, 1, 2].map(|at| u64::from_le_bytes(counts.as_chunks().0[at]));
                held.states += states;
                held.peak_resident = held.peak_resident.max(peak);
                held.most_on_disk += on_disk;
                if worker == 0 && process != hosts.process && self.is_first_here() {
                    space.decode_gathered(gathered).expect("it was written by this code");
                }
            }
            self.held.push(held);
        }
        Ok(())
    }

    /// Does its share of what is left to do when every state was visited.
    pub(super) fn tasks(&mut self, progress: &mut dyn FnMut(&Progress)) -> Result<Option<Results>, Lost> {
        // The first of each process has taken in by then what was gathered elsewhere.
        self.post.exchange(&[])?;
        let Ground { space, tasks, hosts, watch, .. } = self.ground;
        let Some(tasks) = tasks(space) else { return Ok(None) };
        self.forget();
        let mut now = self.progress(&Summary::default());
        let mut tick = |done, all| {
            (now.resident, now.simulated) = (watch.resident(), Some((done, all)));
            progress(&now);
        };
        let struck = || Some(format!("{}: {}", hosts.name(hosts.process), watch.struck_here(0)?));
        Share::new(self.post, &*tasks).run(&struck, &mut tick).map(Some)
    }

    /// Whether this is the first worker of its process.
    pub(super) fn is_first_here(&self) -> bool {
        self.post.me() == self.ground.hosts.process * self.ground.search.threads.max(1)
    }

    /// What the search for the path to a violation holds beyond what this one holds, at this process.
    fn reserve(&self) -> u64 {
        let widest = self.explored.totals.layers.iter().max().copied().unwrap_or_default();
        2 * P::BYTES as u64 * (self.explored.totals.states + widest) / self.ground.hosts.addresses.len() as u64
    }

    fn progress(&self, all: &Summary) -> Progress {
        Progress {
            states: self.explored.totals.states,
            transitions: self.explored.totals.transitions,
            depth: self.explored.totals.depth(),
            waiting: all.waiting,
            layers: self.explored.totals.current_layers(),
            resident: all.resident,
            table_bytes: self.table_bytes,
            on_disk: all.on_disk,
            elapsed: self.ground.watch.elapsed(),
            retracing: None,
            simulated: None,
        }
    }
}
