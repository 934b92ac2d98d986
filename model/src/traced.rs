//! A replica of which a trace is kept: the same calls, and each is recorded with what comes of it.
//!
//! Nothing of it reaches the replica.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use crate::digest::{Digest, Digested, Digester, of_value};
use crate::durable::Record;
use crate::effects::{Effects, Output};
use crate::entries::Entries;
use crate::message::Envelope;
use crate::node::Node;
use crate::replica::{Next, Replica};
use crate::rules::{Paper, Rules};
use crate::step::{Event, step_by};
use crate::trace::{Digests, FLUSHED, OWN, PROPOSE, STEP, WRITE, put_commands, put_digests, put_head};
use crate::types::Entry;
use crate::words::put_event;

/// A replica of which a trace may be kept.
#[derive(Clone, Debug)]
pub struct Traced<P> {
    pub(crate) replica: Replica<P>,
    pub(crate) recording: Option<Box<Recording>>,
}

/// What is recorded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording {
    /// The key of all digests of payloads.
    key: u64,
    now: u64,
    /// When the last call was.
    before: u64,
    /// Bodies of frames, each after its length. The last one lacks what came of it while a call is open.
    bodies: Vec<u8>,
    /// Where the body of the call begins of which not all is known that it comes to.
    open: Option<usize>,
    effects: Digester,
}

/// How much was asked for before a step.
struct Known {
    records: usize,
    outputs: usize,
}

impl<P> Traced<P> {
    /// A replica of which no trace is kept.
    pub fn new(replica: Replica<P>) -> Traced<P> {
        Traced { replica, recording: None }
    }

    /// The server as the protocol sees it.
    pub fn node(&self) -> &Node {
        self.replica.node()
    }

    /// Its log's entries.
    pub fn entries(&self) -> &Entries<P> {
        self.replica.entries()
    }

    /// The outputs that wait for the write under way, if there is one.
    pub fn waiting(&self) -> Option<&[Output]> {
        self.replica.waiting()
    }

    /// Keeps a trace from now on, with this key of all digests of payloads.
    pub fn record(&mut self, key: u64) {
        self.recording = Some(Box::new(Recording { key, ..Recording::default() }));
    }

    /// Keeps no trace any more.
    pub fn stop_recording(&mut self) {
        self.recording = None;
    }

    /// Nanoseconds since the beginning of the trace: the calls from here on happen then.
    pub fn set_now(&mut self, now: u64) {
        if let Some(recording) = &mut self.recording {
            recording.now = now;
        }
    }

    /// How many bytes are recorded and were not taken yet.
    pub fn recorded(&self) -> usize {
        self.recording.as_ref().map_or(0, |recording| recording.bodies.len())
    }

    /// The bodies of frames that were recorded since this was asked last, each after its length in four bytes.
    pub fn take_recorded(&mut self) -> Vec<u8> {
        let Some(recording) = &mut self.recording else { return Vec::new() };
        recording.close(self.replica.node());
        core::mem::take(&mut recording.bodies)
    }

    /// As [`Replica::write`].
    pub fn write(&mut self) -> impl ExactSizeIterator<Item = Record<P>> + '_ {
        if let Some(recording) = &mut self.recording {
            recording.open(self.replica.node(), WRITE);
        }
        self.replica.write()
    }

    /// As [`Replica::flushed`].
    pub fn flushed(&mut self) {
        if let Some(recording) = &mut self.recording {
            recording.open(self.replica.node(), FLUSHED);
        }
        self.replica.flushed();
    }
}

impl<P: Clone + Digested> Traced<P> {
    /// As [`Replica::step`].
    pub fn step(&mut self, event: Event<P>) {
        self.step_by::<Paper>(event);
    }

    /// The same by other rules than those of the paper, as a mutant would.
    #[inline(always)]
    pub fn step_by<R: Rules>(&mut self, event: Event<P>) {
        if let Some(recording) = &mut self.recording {
            recording.open_step(self.replica.node(), &event);
        }
        let known = Known::of(&self.replica);
        self.replica.step_by(event, step_by::<R, P>);
        self.note(&known);
    }

    /// As [`Replica::propose`].
    pub fn propose(&mut self, commands: Vec<P>) {
        if let Some(recording) = &mut self.recording {
            recording.open(self.replica.node(), PROPOSE);
            put_commands(&commands, recording.key, &mut recording.bodies);
        }
        let known = Known::of(&self.replica);
        self.replica.propose(commands);
        self.note(&known);
    }

    /// As [`Replica::proceed`].
    pub fn proceed(&mut self) -> Option<Next<P>> {
        let next = self.replica.proceed();
        if let Some(Next::Perform(output)) = &next {
            self.note_output(output);
        }
        next
    }

    /// As [`Replica::next_output`].
    #[inline(always)]
    pub fn next_output(&mut self) -> Option<Output> {
        let output = self.replica.next_output();
        output.iter().for_each(|output| self.note_output(output));
        output
    }

    #[inline(always)]
    fn note_output(&mut self, output: &Output) {
        if let Some(recording) = &mut self.recording {
            output.hash(&mut recording.effects);
        }
    }

    /// What a step has asked for.
    #[inline(always)]
    fn note(&mut self, known: &Known) {
        if let Some(recording) = &mut self.recording {
            recording.note(self.replica.open(), known);
        }
    }
}

impl Known {
    fn of<P>(replica: &Replica<P>) -> Known {
        let open = replica.open();
        Known { records: open.records().len(), outputs: open.after_sync().len() }
    }
}

impl Recording {
    /// Begins the body of a call.
    fn open(&mut self, node: &Node, kind: u8) {
        self.close(node);
        self.open = Some(self.bodies.len());
        self.bodies.extend([0; 4]);
        put_head(kind, self.now.saturating_sub(self.before), &mut self.bodies);
        self.before = self.before.max(self.now);
    }

    /// What a server says to itself follows from what it was told before.
    fn open_step<P: Digested>(&mut self, node: &Node, event: &Event<P>) {
        if is_own(node, event) {
            return self.open(node, OWN);
        }
        self.open(node, STEP);
        put_event(event, self.key, &mut self.bodies);
    }

    fn note<P: Digested>(&mut self, asked: &Effects<P>, known: &Known) {
        for record in &asked.records()[known.records..] {
            record.digested(self.key).hash(&mut self.effects);
        }
        asked.after_sync()[known.outputs..].hash(&mut self.effects);
    }

    /// Ends the body of the call that is open, if one is, with what came of it.
    fn close(&mut self, node: &Node) {
        let Some(start) = self.open.take() else { return };
        put_digests(self.digests(node), &mut self.bodies);
        let length = (self.bodies.len() - start - 4) as u32;
        self.bodies[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// What came of a call, of which all is known by now, and which is not to be written down.
    pub(crate) fn forget(&mut self, node: &Node) -> Digests {
        self.bodies.clear();
        self.open = None;
        self.digests(node)
    }

    /// What came of a call, of which all is known by now.
    fn digests(&mut self, node: &Node) -> Digests {
        let effects = core::mem::take(&mut self.effects).finish();
        Digests { effects, state: of_value(node) }
    }
}

pub(crate) fn is_own<P>(node: &Node, event: &Event<P>) -> bool {
    matches!(event, Event::Receive(Envelope { from, .. }) if *from == node.id())
}

impl<P: Digested> Record<P> {
    /// The record as a trace has it.
    fn digested(&self, key: u64) -> Record<Digest> {
        match self {
            Record::Term(term) => Record::Term(*term),
            Record::Vote(candidate) => Record::Vote(*candidate),
            Record::Truncate { keep } => Record::Truncate { keep: *keep },
            Record::Append(entry) => Record::Append(digested(entry, key)),
            Record::Compact { through } => Record::Compact { through: *through },
            Record::Restore { last } => Record::Restore { last: *last },
            Record::Repair(entry) => Record::Repair(digested(entry, key)),
        }
    }
}

fn digested<P: Digested>(entry: &Entry<P>, key: u64) -> Entry<Digest> {
    Entry { position: entry.position, payload: entry.payload.digested(key) }
}
