//! States that wait to be expanded, and how threads share them.

use std::sync::Mutex;

/// States that one thread takes at a time. Layers are lists of blocks, not one long vector, so that
/// a layer grows without being copied and shrinks as it is worked off.
pub(super) const BLOCK: usize = 64;
/// Blocks between two looks at limits, signals and checkpoints.
pub(super) const BATCH: usize = 256;

pub(super) type Block<T> = Vec<T>;

/// The rest of the current layer, and of the next one what was found so far.
pub(super) struct Frontier<T> {
    current: Vec<Block<T>>,
    next: Vec<Block<T>>,
    /// States of the current layer.
    waiting: u64,
}

impl<T> Frontier<T> {
    pub(super) fn new(current: Vec<Block<T>>, next: Vec<Block<T>>) -> Frontier<T> {
        Frontier { waiting: count(&current), current, next }
    }

    pub(super) fn current(&self) -> &[Block<T>] {
        &self.current
    }

    pub(super) fn next(&self) -> &[Block<T>] {
        &self.next
    }

    /// States of the current layer that were not expanded yet.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Whether all of the current layer was expanded.
    pub(super) fn is_layer_done(&self) -> bool {
        self.current.is_empty()
    }

    /// Goes on to the next layer, unless it is empty.
    pub(super) fn advance(&mut self) -> bool {
        std::mem::swap(&mut self.current, &mut self.next);
        self.waiting = count(&self.current);
        !self.current.is_empty()
    }

    /// Adds to the next layer.
    pub(super) fn push(&mut self, blocks: impl IntoIterator<Item = Block<T>>) {
        self.next.extend(blocks.into_iter().filter(|block| !block.is_empty()));
    }

    /// Takes one block of the current layer.
    #[cfg(feature = "hosts")]
    pub(super) fn pop(&mut self) -> Option<Block<T>> {
        let block = self.current.pop()?;
        self.waiting -= block.len() as u64;
        Some(block)
    }

    /// Lets each hand take blocks of the current layer and work on them, until a batch is done or
    /// it is over. What was taken was worked on in full, what was not is still there: so between
    /// two batches the search is at a consistent moment.
    pub(super) fn batch<H: Send>(
        &mut self,
        hands: &mut [H],
        is_over: impl Fn() -> bool + Sync,
        work: impl Fn(&mut H, Block<T>) + Sync,
    ) where
        T: Send,
    {
        let size = BATCH.min(self.current.len());
        let batch = self.current.split_off(self.current.len() - size);
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
        let (first, others) = hands[..busy].split_first_mut().expect("somebody works on something");
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
        self.current.append(&mut rest);
    }
}

fn count<T>(blocks: &[Block<T>]) -> u64 {
    blocks.iter().map(|block| block.len() as u64).sum()
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
