//! States that wait to be expanded, and how threads share them.

use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::search::space::Space;
use crate::search::spill::Spill;

/// States that one thread takes at a time. Layers are lists of blocks, not one long vector, so that
/// a layer grows without being copied and shrinks as it is worked off.
pub(super) const BLOCK: usize = 64;
/// Blocks between two looks at limits, signals and checkpoints.
pub(super) const BATCH: usize = 256;

pub(super) type Block<T> = Vec<T>;

/// How much of a frontier stays in memory, and where the rest goes.
#[derive(Clone, Debug)]
pub(super) struct Room {
    pub(super) blocks: usize,
    pub(super) directory: PathBuf,
}

/// The rest of the current layer, and of the next one what was found so far.
pub(super) struct Frontier<T> {
    current: Layer<T>,
    next: Layer<T>,
    /// States of the current layer.
    waiting: u64,
    /// None, where all stays in memory.
    room: Option<Room>,
    most_on_disk: u64,
    trouble: Option<String>,
}

/// The states of one layer: in memory, and where it has no room for them on disk.
pub(super) struct Layer<T> {
    pub(super) blocks: Vec<Block<T>>,
    pub(super) spill: Spill,
}

impl<T> Frontier<T> {
    pub(super) fn new(room: Option<Room>) -> Frontier<T> {
        let [current, next] = [Layer::new(), Layer::new()];
        Frontier { current, next, waiting: 0, room, most_on_disk: 0, trouble: None }
    }

    /// Of what was gathered of two layers, of each as the next one.
    #[cfg(feature = "hosts")]
    pub(super) fn of_layers(current: Frontier<T>, next: Frontier<T>) -> Frontier<T> {
        let mut all = current;
        all.advance();
        Frontier {
            next: next.next,
            most_on_disk: all.most_on_disk + next.most_on_disk,
            trouble: all.trouble.or(next.trouble),
            ..all
        }
    }

    pub(super) fn current(&self) -> &Layer<T> {
        &self.current
    }

    pub(super) fn next(&self) -> &Layer<T> {
        &self.next
    }

    /// States of the current layer that were not expanded yet.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Bytes on disk.
    pub(super) fn on_disk(&self) -> u64 {
        self.current.spill.bytes() + self.next.spill.bytes()
    }

    /// The same at their highest.
    pub(super) fn most_on_disk(&self) -> u64 {
        self.most_on_disk
    }

    /// Why the search must end, if the disk has failed. Nothing is lost by then: what could not be written
    /// is in memory, and what could not be read counts as waiting.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.clone()
    }

    /// Whether all of the current layer was expanded.
    pub(super) fn is_layer_done(&self) -> bool {
        self.current.is_empty()
    }

    /// Goes on to the next layer, unless it is empty.
    pub(super) fn advance(&mut self) -> bool {
        std::mem::swap(&mut self.current, &mut self.next);
        self.waiting = self.current.states();
        !self.current.is_empty()
    }

    /// Lets all states go.
    #[cfg(feature = "hosts")]
    pub(super) fn forget(&mut self) {
        (self.current, self.next, self.waiting) = (Layer::new(), Layer::new(), 0);
    }

    /// Adds to the next layer.
    pub(super) fn push(&mut self, blocks: impl IntoIterator<Item = Block<T>>) {
        self.next.blocks.extend(blocks.into_iter().filter(|block| !block.is_empty()));
    }

    /// Writes to disk what of the next layer is more than there is room for in memory.
    pub(super) fn spill<S: Space<State = T>>(&mut self, space: &S) {
        let (Some(room), None) = (&self.room, &self.trouble) else { return };
        let mut bytes = Vec::new();
        while room.blocks < self.current.blocks.len() + self.next.blocks.len()
            && let Some(block) = self.next.blocks.last()
        {
            bytes.clear();
            encode(space, block, &mut bytes);
            if let Err(error) = self.next.spill.put(&room.directory, block.len(), &bytes) {
                return self.fail("written to", &error);
            }
            self.next.blocks.pop();
        }
        self.most_on_disk = self.most_on_disk.max(self.on_disk());
    }

    /// Reads one block of the current layer from disk, if any is there.
    fn read<S: Space<State = T>>(&mut self, space: &S) -> Option<Block<T>> {
        let taken = self.current.spill.take();
        let (states, bytes) = taken.unwrap_or_else(|error| {
            self.fail("read from", &error);
            None
        })?;
        Some(decode(space, states, &bytes).expect("states come back as they were written"))
    }

    fn fail(&mut self, what: &str, error: &io::Error) {
        let directory = self.room.as_ref().map(|room| room.directory.display().to_string()).unwrap_or_default();
        self.trouble = Some(format!("states that wait cannot be {what} {directory}: {error}"));
    }

    /// Takes one block of the current layer; none, if there is none or it cannot be read.
    #[cfg(feature = "hosts")]
    pub(super) fn pop<S: Space<State = T>>(&mut self, space: &S) -> Option<Block<T>> {
        let block = self.current.blocks.pop().or_else(|| self.read(space))?;
        self.waiting -= block.len() as u64;
        Some(block)
    }

    #[cfg(test)]
    pub(super) fn flip_on_disk(&mut self) {
        self.current.spill.flip();
    }

    #[cfg(test)]
    pub(super) fn cut_on_disk(&mut self) {
        self.current.spill.cut();
    }

    /// Lets each hand take blocks of the current layer and work on them, until a batch is done or
    /// it is over. What was taken was worked on in full, what was not is still there: so between
    /// two batches the search is at a consistent moment.
    pub(super) fn batch<S: Space<State = T>, H: Send>(
        &mut self,
        space: &S,
        hands: &mut [H],
        is_over: impl Fn() -> bool + Sync,
        work: impl Fn(&mut H, Block<T>) + Sync,
    ) where
        T: Send,
    {
        while self.current.blocks.len() < BATCH
            && let Some(block) = self.read(space)
        {
            self.current.blocks.push(block);
        }
        let size = BATCH.min(self.current.blocks.len());
        let batch = self.current.blocks.split_off(self.current.blocks.len() - size);
        self.waiting -= count(&batch);
        let batch = Mutex::new(batch);
        let take = || batch.lock().expect("nothing panics while it takes a block").pop();
        let toil = |hand: &mut H| {
            while !is_over()
                && let Some(block) = take()
            {
                work(hand, block);
            }
        };
        let busy = hands.len().min(size);
        // Nothing is there to work on if it cannot be read.
        let Some((first, others)) = hands[..busy].split_first_mut() else { return };
        std::thread::scope(|scope| {
            let others: Vec<_> = others.iter_mut().map(|hand| scope.spawn(|| toil(hand))).collect();
            toil(first);
            for other in others {
                // A panic is handed on as it is, message and all: it must not pass for an end.
                other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            }
        });
        let mut rest = batch.into_inner().expect("nothing panics while it takes a block");
        self.waiting += count(&rest);
        self.current.blocks.append(&mut rest);
    }
}

impl<T> Layer<T> {
    fn new() -> Layer<T> {
        Layer { blocks: Vec::new(), spill: Spill::default() }
    }

    fn states(&self) -> u64 {
        count(&self.blocks) + self.spill.states()
    }

    fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.spill.states() == 0
    }
}

fn count<T>(blocks: &[Block<T>]) -> u64 {
    blocks.iter().map(|block| block.len() as u64).sum()
}

/// Appends the states of a block.
pub(super) fn encode<S: Space>(space: &S, block: &[S::State], out: &mut Vec<u8>) {
    block.iter().for_each(|state| space.encode(state, out));
}

/// A block of so many states; none, if these are not its bytes.
pub(super) fn decode<S: Space>(space: &S, states: usize, bytes: &[u8]) -> Option<Block<S::State>> {
    let mut rest = bytes;
    let block: Option<_> = (0..states).map(|_| space.decode(&mut rest)).collect();
    block.filter(|_| rest.is_empty())
}

/// Blocks of the next layer in the making, by one thread.
pub(super) struct Pile<T> {
    filling: Block<T>,
    full: Vec<Block<T>>,
}

impl<T> Pile<T> {
    pub(super) fn new() -> Pile<T> {
        Pile { filling: Vec::with_capacity(BLOCK), full: Vec::new() }
    }

    #[inline]
    pub(super) fn push(&mut self, state: T) {
        self.filling.push(state);
        if self.filling.len() == BLOCK {
            self.close();
        }
    }

    fn close(&mut self) {
        self.full.push(std::mem::replace(&mut self.filling, Vec::with_capacity(BLOCK)));
    }

    /// The full blocks.
    pub(super) fn take_full(&mut self) -> Vec<Block<T>> {
        std::mem::take(&mut self.full)
    }

    /// All of it.
    pub(super) fn take_all(&mut self) -> Vec<Block<T>> {
        if !self.filling.is_empty() {
            self.close();
        }
        self.take_full()
    }
}
