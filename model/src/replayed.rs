//! A recorded replica once more: its calls are made again, of one whose payloads are digests, to compare what
//! comes of them.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::digest::Digest;
use crate::durable::Record;
use crate::effects::Output;
use crate::node::Node;
use crate::replica::{Next, Replica};
use crate::step::Event;
use crate::trace::{Call, Digests, Origin};
use crate::traced::{Traced, is_own};

/// What came of a call that was made again.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Records that the call added.
    pub records: Vec<Record<Digest>>,
    /// Records that are being written from now on.
    pub written: Vec<Record<Digest>>,
    /// Outputs that were to be performed after it.
    pub outputs: Vec<Output>,
}

impl Traced<Digest> {
    /// The server of a trace as it starts, to make its calls again.
    pub fn replaying(origin: Origin) -> Traced<Digest> {
        let Origin { id, members, durable, entries, .. } = origin;
        let replica = Replica::new(Node::recover(id, members, durable), entries);
        Traced { replica, recording: Some(Box::default()) }
    }

    /// Makes a call again: what comes of it, and the digests of that. `None` if it is not a call that can be
    /// made here: the server has nothing to say to itself, or nothing to write, or no write is under way.
    pub fn replay(&mut self, call: Call, outcome: &mut Outcome) -> Option<Digests> {
        outcome.clear();
        let known = self.replica.open().records().len();
        match call {
            Call::Step(event) if is_own(self.node(), &event) => return None,
            Call::Step(event) => self.step(event),
            Call::Own => self.replay_own()?,
            Call::Propose(commands) => self.propose(commands),
            Call::Write => self.replay_write(outcome)?,
            Call::Flushed => self.replay_flushed()?,
        }
        if let Some(new) = self.replica.open().records().get(known..) {
            outcome.records.extend_from_slice(new);
        }
        while let Some(output) = self.next_output() {
            outcome.outputs.push(output);
        }
        Some(self.recording.as_mut()?.forget(self.replica.node()))
    }

    fn replay_own(&mut self) -> Option<()> {
        let Some(Next::Receive(envelope)) = self.proceed() else { return None };
        self.step(Event::Receive(envelope));
        Some(())
    }

    fn replay_write(&mut self, outcome: &mut Outcome) -> Option<()> {
        let Some(Next::Write) = self.proceed() else { return None };
        outcome.written.extend(self.write());
        Some(())
    }

    fn replay_flushed(&mut self) -> Option<()> {
        self.waiting()?;
        self.flushed();
        Some(())
    }
}

impl Outcome {
    fn clear(&mut self) {
        self.records.clear();
        self.written.clear();
        self.outputs.clear();
    }
}
