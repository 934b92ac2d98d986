//! Letters between workers, carried by timely dataflow.
//!
//! Time goes in epochs. A worker sends as many letters in an epoch as it likes, and then closes it; timely knows
//! when all letters of an epoch that all have closed have arrived. Letters of a later epoch may be here before
//! that: they wait, and nobody sees them early.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use timely::bytes::arc::Bytes;
use timely::communication::Push;
use timely::communication::allocator::Allocator;
use timely::container::{Accountable, NoopBuilder};
use timely::dataflow::channels::pact::DistributorPact;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message, Stamp};
use timely::dataflow::operators::Input;
use timely::dataflow::operators::core::input;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::probe::{Handle as Probe, Probe as _};
use timely::worker::{Config, Worker};

use crate::search::hosts::alive::Alive;

/// Nobody sleeps longer without looking whether all are alive.
const NAP: Duration = Duration::from_millis(20);

/// The search cannot go on: somebody is lost.
#[derive(Debug)]
pub(super) struct Lost;

/// Bytes for one worker. The one container of the dataflow, so what is in it is nobody's but ours.
#[derive(Clone, Default)]
struct Letter {
    /// Of no use once it has arrived.
    to: usize,
    bytes: Vec<u8>,
}

/// What has arrived, by epoch.
type Inbox = Rc<RefCell<BTreeMap<u64, Vec<Vec<u8>>>>>;

/// One worker's post.
pub(super) struct Post {
    worker: Worker,
    input: Option<input::Handle<u64, NoopBuilder<Letter>>>,
    probe: Probe<u64>,
    inbox: Inbox,
    epoch: u64,
    alive: Arc<Alive>,
}

impl Post {
    pub(super) fn new(allocator: Allocator, alive: Arc<Alive>) -> Post {
        let mut worker = Worker::new(Config::default(), allocator, Some(Instant::now()));
        let inbox = Inbox::default();
        let arrived = Rc::clone(&inbox);
        let (input, probe) = worker.dataflow::<u64, _, _>(|scope| {
            let (input, stream) = scope.new_input_with_builder::<NoopBuilder<Letter>>();
            let by_address = DistributorPact(|_| ByAddress);
            let none = stream.unary::<NoopBuilder<Letter>, _, _, _>(by_address, "inbox", |_, _| {
                move |letters, _| {
                    letters.for_each(|time, letter| {
                        let epoch = *time.least().expect("each letter has its epoch");
                        arrived.borrow_mut().entry(epoch).or_default().push(std::mem::take(letter).bytes);
                    });
                }
            });
            (input, none.probe().0)
        });
        Post { worker, input: Some(input), probe, inbox, epoch: 0, alive }
    }

    pub(super) fn me(&self) -> usize {
        self.worker.index()
    }

    pub(super) fn workers(&self) -> usize {
        self.worker.peers()
    }

    /// Sends some bytes, at least one, in this epoch.
    pub(super) fn send(&mut self, to: usize, bytes: Vec<u8>) {
        assert!(!bytes.is_empty(), "a letter without bytes would not be counted");
        let input = self.input.as_mut().expect("it is open until the end");
        input.send_batch(&mut Letter { to, bytes });
    }

    /// What has arrived of this epoch.
    pub(super) fn take(&mut self) -> Result<Vec<Vec<u8>>, Lost> {
        self.work(Duration::ZERO)?;
        Ok(self.arrived())
    }

    /// The same, when something arrives or a moment has passed.
    pub(super) fn nap(&mut self) -> Result<Vec<Vec<u8>>, Lost> {
        self.work(NAP)?;
        Ok(self.arrived())
    }

    /// Sends nothing more in this epoch.
    pub(super) fn close(&mut self) {
        let input = self.input.as_mut().expect("it is open until the end");
        input.advance_to(self.epoch + 1);
    }

    /// What has arrived of an epoch that is closed here, until all of it has: nothing then, and the next begins.
    pub(super) fn wait(&mut self) -> Result<Option<Vec<Vec<u8>>>, Lost> {
        loop {
            let is_whole = !self.probe.less_than(&(self.epoch + 1));
            let arrived = self.arrived();
            if !arrived.is_empty() {
                return Ok(Some(arrived));
            }
            if is_whole {
                self.epoch += 1;
                return Ok(None);
            }
            self.work(NAP)?;
        }
    }

    /// What each worker says in an epoch of its own, in their order.
    pub(super) fn exchange(&mut self, ours: &[u8]) -> Result<Vec<Vec<u8>>, Lost> {
        let signed = [&(self.me() as u64).to_le_bytes(), ours].concat();
        (0..self.workers()).for_each(|to| self.send(to, signed.clone()));
        self.close();
        let mut said = BTreeMap::new();
        while let Some(letters) = self.wait()? {
            said.extend(letters.into_iter().map(|letter| {
                let (from, words) = letter.split_first_chunk().expect("it is signed");
                (u64::from_le_bytes(*from), words.to_vec())
            }));
        }
        assert_eq!(said.len(), self.workers(), "each worker says something");
        Ok(said.into_values().collect())
    }

    fn work(&mut self, nap: Duration) -> Result<(), Lost> {
        self.worker.step_or_park(Some(nap));
        if self.alive.is_lost() { Err(Lost) } else { Ok(()) }
    }

    fn arrived(&mut self) -> Vec<Vec<u8>> {
        self.inbox.borrow_mut().remove(&self.epoch).unwrap_or_default()
    }
}

/// Hands each letter to whom it is for.
struct ByAddress;

impl Distributor<Letter> for ByAddress {
    fn partition<T: Clone, P: Push<Message<T, Letter>>>(
        &mut self,
        letter: &mut Letter,
        stamp: &Stamp<T>,
        pushers: &mut [P],
    ) {
        let to = letter.to;
        Message::push_at(letter, stamp.clone(), &mut pushers[to]);
    }

    fn flush<T: Clone, P: Push<Message<T, Letter>>>(&mut self, _: &Stamp<T>, _: &mut [P]) {}
}

impl Accountable for Letter {
    fn record_count(&self) -> i64 {
        i64::from(!self.bytes.is_empty())
    }
}

/// Padded, since timely has everything in words: the length stands before.
impl ContainerBytes for Letter {
    fn from_bytes(bytes: Bytes) -> Letter {
        let (length, rest) = bytes.split_first_chunk().expect("a letter has its length");
        Letter { to: 0, bytes: rest[..u64::from_le_bytes(*length) as usize].to_vec() }
    }

    fn length_in_bytes(&self) -> usize {
        size_of::<u64>() + self.bytes.len().next_multiple_of(size_of::<u64>())
    }

    fn into_bytes<W: std::io::Write>(&self, writer: &mut W) {
        let padding = self.bytes.len().next_multiple_of(size_of::<u64>()) - self.bytes.len();
        let parts = [&(self.bytes.len() as u64).to_le_bytes()[..], &self.bytes, &[0; size_of::<u64>()][..padding]];
        parts.iter().try_for_each(|part| writer.write_all(part)).expect("there is room for it");
    }
}
