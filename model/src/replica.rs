//! One server as it runs: the node, its entries, and the order in which things are done.
//!
//! [`step`](mod@crate::step) says what an event asks of the world; this says when. What need not wait
//! is performed at once. What a server says to itself is its next event before any other. Records are
//! then made durable, and what waited for them is performed, while the steps that happen in the
//! meantime share the next flush. Whoever runs a replica decides when events happen, how long a flush
//! takes, what a crash keeps, and what it means to perform something:
//!
//! ```
//! # use rafttree_model::{Event, Next, Output, Record, Replica};
//! # fn perform(_: Output) {}
//! # fn write<P>(_: impl Iterator<Item = Record<P>>) {}
//! fn happen<P: Clone>(replica: &mut Replica<P>, event: Event<P>) {
//!     replica.step(event);
//!     while let Some(next) = replica.proceed() {
//!         match next {
//!             Next::Perform(output) => perform(output),
//!             Next::Receive(envelope) => replica.step(Event::Receive(envelope)),
//!             Next::Write => {
//!                 write(replica.write());
//!                 // At once, or when the disk says so: until then `proceed` asks for no other write.
//!                 replica.flushed();
//!             }
//!         }
//!     }
//! }
//! ```

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::durable::Record;
use crate::effects::{Effects, Output};
use crate::entries::Entries;
use crate::message::{Envelope, Slice};
use crate::node::Node;
use crate::step::{Event, step};

/// One server with its entries, and what its steps ask for that is not done yet.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Replica<P> {
    node: Node,
    entries: Entries<P>,
    /// What the steps since the last write ask for, which may still be under way.
    open: Effects<P>,
    /// What waits for the write under way, or is being performed after it.
    waiting: Effects<P>,
    /// How many of the outputs that may be performed now have been.
    performed: usize,
    /// Messages to the server itself.
    own: VecDeque<Envelope<Slice<P>>>,
}

/// What a replica needs next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Next<P> {
    /// Perform this. Messages in it are for others.
    Perform(Output),
    /// Let this message of the server to itself be its next event.
    Receive(Envelope<Slice<P>>),
    /// Make the records of [`Replica::write`] durable.
    Write,
}

impl<P> Replica<P> {
    /// A server as it starts, with what its disk holds.
    pub fn new(node: Node, entries: Entries<P>) -> Replica<P> {
        Replica::assume(node, entries, Vec::new(), Vec::new(), None)
    }

    /// A server in any state, reached or not, that has performed what need not wait. Its steps since
    /// the last write ask for these records and for these outputs after them; others may be `waiting`
    /// for a write under way.
    pub fn assume(
        node: Node,
        entries: Entries<P>,
        records: Vec<Record<P>>,
        outputs: Vec<Output>,
        waiting: Option<Vec<Output>>,
    ) -> Replica<P> {
        let open = Effects { records, outputs, is_writing: waiting.is_some(), ..Effects::new() };
        let waiting = Effects { outputs: waiting.unwrap_or_default(), ..Effects::new() };
        Replica { node, entries, open, waiting, performed: 0, own: VecDeque::new() }
    }

    /// Another server in the place of this one, as if it had just started.
    pub fn restart(&mut self, node: Node, entries: &Entries<P>)
    where
        P: Clone,
    {
        self.node = node;
        self.entries.clone_from(entries);
        self.open.done();
        self.waiting.done();
        self.own.clear();
        (self.open.is_writing, self.performed) = (false, 0);
    }

    /// The server as the protocol sees it.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Its log's entries.
    pub fn entries(&self) -> &Entries<P> {
        &self.entries
    }

    /// What the steps since the last write ask for.
    pub fn open(&self) -> &Effects<P> {
        &self.open
    }

    /// The outputs that wait for the write under way, if there is one.
    pub fn waiting(&self) -> Option<&[Output]> {
        self.open.is_writing.then_some(self.waiting.after_sync())
    }

    /// Takes out the records of all steps since the last write, in order: whoever has made them
    /// durable says [`flushed`](Replica::flushed). Where there are none, that may be said at once.
    pub fn write(&mut self) -> impl ExactSizeIterator<Item = Record<P>> + '_ {
        assert!(!self.open.is_writing, "there is one write at a time");
        assert!(self.has_performed(), "what need not wait for a write comes before it");
        core::mem::swap(&mut self.open, &mut self.waiting);
        self.open.is_writing = true;
        self.waiting.take_records()
    }

    /// The records of the last [`write`](Replica::write) are durable: what waited for them may be
    /// performed.
    pub fn flushed(&mut self) {
        assert!(self.open.is_writing, "a write ends once");
        assert!(self.has_performed(), "what need not wait for a write comes before its end");
        self.open.is_writing = false;
    }

    /// Whether nothing is left that may be performed now.
    fn has_performed(&self) -> bool {
        self.open.early.is_empty() && (self.open.is_writing || self.waiting.outputs.is_empty())
    }

    /// What may be performed now, this server's messages to itself included.
    fn take_output(&mut self) -> Option<Output> {
        let is_early = self.open.is_writing || self.waiting.outputs.is_empty();
        let outputs = if is_early { &mut self.open.early } else { &mut self.waiting.outputs };
        let output = outputs.get(self.performed).copied();
        self.performed += 1;
        if output.is_none() {
            outputs.clear();
            self.performed = 0;
        }
        output
    }
}

impl<P: Clone> Replica<P> {
    /// Takes one event, by the rules of the paper: a message to itself, as long as
    /// [`proceed`](Replica::proceed) has one, and then any other.
    pub fn step(&mut self, event: Event<P>) {
        self.step_by(event, step);
    }

    /// The same with other steps than those that are deployed, or with such as are watched.
    #[inline(always)]
    pub fn step_by(&mut self, event: Event<P>, step: impl FnOnce(&mut Node, Event<P>, &mut Effects<P>)) {
        assert!(self.has_performed(), "what a step asks for at once comes before the next step");
        let known = self.open.records.len();
        step(&mut self.node, event, &mut self.open);
        self.open.records[known..].iter().for_each(|record| self.entries.apply(record));
    }

    /// Takes several proposals, one after the other. What they ask for is collected, as it is where steps
    /// share a flush ([`Effects`]): each follower is sent one message with all of them.
    pub fn propose(&mut self, commands: impl IntoIterator<Item = P>) {
        assert!(self.has_performed(), "what a step asks for at once comes before the next step");
        let known = self.open.records.len();
        commands.into_iter().for_each(|command| step(&mut self.node, Event::Propose(command), &mut self.open));
        self.open.records[known..].iter().for_each(|record| self.entries.apply(record));
    }

    /// The next thing to do, in the order in which things must be done; `None` if everything waits
    /// for an event or for the write under way.
    pub fn proceed(&mut self) -> Option<Next<P>> {
        if let Some(output) = self.next_output() {
            return Some(Next::Perform(output));
        }
        if let Some(envelope) = self.own.pop_front() {
            return Some(Next::Receive(envelope));
        }
        (!self.open.is_writing && !self.open.is_empty()).then_some(Next::Write)
    }

    /// What may be performed now, in order: after a step what of it need not wait, after a flush what
    /// waited for it. Messages of the server to itself are kept for [`proceed`](Replica::proceed).
    #[inline(always)]
    pub fn next_output(&mut self) -> Option<Output> {
        while let Some(output) = self.take_output() {
            match output {
                Output::Send(envelope) if envelope.to == self.node.id => {
                    self.own.extend(envelope.with_entries(|range| self.entries.fill(range)));
                }
                output => return Some(output),
            }
        }
        None
    }
}
