//! Linearizable reads in the concrete system: one reader asks one server, and is followed to its end.
//!
//! Rounds matter to the reader alone, and to it only whether they are the one that it waits for, or later: so
//! two numbers are enough for them, and there are runs of any length within the bounds.

use std::sync::Arc;

use rafttree_model::{Envelope, Event, Message, Output, Round, ServerId, Term};

use crate::checks;
use crate::properties::PropertySet;
use crate::system::actions::Action;
use crate::system::transitions::{OutOfBounds, System};
use crate::world::{Answer, Leadership, Moment, Readers, Server, Tag, World};

impl System {
    pub(crate) fn follows_reads(&self) -> bool {
        let mut followed = PropertySet::of_reads();
        followed.keep(self.watched);
        !followed.is_empty()
    }

    /// Who may be asked for the read, or may apply something while it waits.
    pub(super) fn offer_reads(&self, world: &World, id: ServerId, actions: &mut Vec<Action>) {
        if !self.bounds.reads || !self.follows_reads() || world.reads.ended.is_some() {
            return;
        }
        match world.reads.waiting {
            None => actions.push(Action::Read(id)),
            Some(_) => actions.extend(self.is_only_applying(world).filter(|action| *action == Action::Apply(id))),
        }
    }

    /// The reader waits for a state machine: that alone decides what comes of the read. What has been applied
    /// before might as well be applied then.
    pub(crate) fn is_only_applying(&self, world: &World) -> Option<Action> {
        let waits_for_applied = |readers: &Readers| readers.applied.iter().len() != 0;
        let at = world.reads.kept.iter().find(|(_, readers)| waits_for_applied(readers));
        at.map(|(&id, _)| Action::Apply(id))
    }

    /// Somebody asks, and the server begins a round for it if that is of use, as the deployed one does. Had it
    /// asked sooner it might rely on less.
    pub(super) fn read(&self, world: &mut World, id: ServerId) -> Result<(), OutOfBounds> {
        let broken = checks::judged_question(world, self.ground, id);
        world.broken.extend(broken);
        let wants_round = world.reads.kept.get(&id).is_some_and(|readers| readers.indices.wants_round());
        if wants_round { self.happen(world, id, Event::HeartbeatTimeout) } else { Ok(()) }
    }

    pub(super) fn apply(&self, world: &mut World, id: ServerId) {
        if let Some(waiting) = &mut Arc::make_mut(&mut world.reads).waiting {
            waiting.applied = waiting.applied.next();
        }
        let broken = checks::judged_answers(world, self.ground, id, Moment::Applied);
        world.broken.extend(broken);
    }

    /// What a step of this server means to who waits there.
    pub(super) fn attend_readers(&self, world: &mut World, id: ServerId, event: &Event<Tag>, told: &[Output]) {
        let is_news = world.server(id).node.round().is_some() || world.reads.kept.contains_key(&id);
        if self.follows_reads() && is_news {
            let broken = checks::judged_answers(world, self.ground, id, Moment::Stepped(event, told));
            world.broken.extend(broken);
        }
    }
}

impl World {
    /// Whether the reader was told to ask elsewhere, which is the end of what is followed.
    pub(super) fn has_sent_reader_away(&self) -> bool {
        self.reads.ended.is_some_and(|(answer, _)| answer == Answer::Elsewhere)
    }

    /// Makes rounds one of which the reader cannot tell the difference.
    pub(super) fn renumber_rounds(&mut self) {
        let awaited = Awaited::of(self);
        let names_rounds = |server: &Server| server.node.round().is_some() || !server.unsynced.is_empty();
        for id in self.ids().filter(|&id| names_rounds(self.server(id))).collect::<Vec<_>>() {
            let renumbered = awaited.server(self.server(id));
            if renumbered != *self.server(id) {
                *self.server_mut(id) = renumbered;
            }
        }
        let letters: Vec<_> = self.network.iter().map(|letter| awaited.envelope((**letter).clone())).collect();
        if letters.iter().zip(self.network.iter()).any(|(new, old)| *new != **old) {
            self.network = sorted(letters);
        }
        let number = |it: &Leadership| awaited.number(it.leader, it.term, it.round);
        if self.leaderships.iter().any(|it| number(it) != it.round) {
            let all = self.leaderships.iter().map(|it| Leadership { round: number(it), ..(**it).clone() });
            self.leaderships = sorted(all.collect());
        }
        let servers = &self.servers;
        let reads = Arc::make_mut(&mut self.reads);
        for (&id, readers) in &mut reads.kept {
            let term = servers[id.number() as usize - 1].node.term();
            readers.indices.renumber_rounds(|round| awaited.number(id, term, round));
        }
        reads.kept.retain(|_, readers| *readers != Readers::default());
    }
}

fn sorted<T: Ord>(mut all: Vec<T>) -> Arc<Vec<Arc<T>>> {
    all.sort_unstable();
    all.dedup();
    Arc::new(all.into_iter().map(Arc::new).collect())
}

/// The round that the reader waits for, of this leader in this term.
#[derive(Clone, Copy)]
struct Awaited(Option<(ServerId, Term, Round)>);

impl Awaited {
    fn of(world: &World) -> Awaited {
        Awaited(world.reads.kept.iter().find_map(|(&id, readers)| {
            let node = &world.server(id).node;
            Some((id, node.term(), readers.indices.under_way().filter(|_| node.round().is_some())?))
        }))
    }

    fn number(self, leader: ServerId, term: Term, round: Round) -> Round {
        match self.0 {
            Some((id, its, first)) if (id, its) == (leader, term) && first <= round => Round::ZERO.next(),
            _ => Round::ZERO,
        }
    }

    fn server(self, server: &Server) -> Server {
        let mut server = server.clone();
        let (id, term) = (server.node.id(), server.node.term());
        server.node.renumber_rounds(|round| self.number(id, term, round));
        for step in &mut server.unsynced {
            let held = std::mem::take(&mut step.held);
            step.hold(held.into_iter().map(|envelope| self.envelope(envelope)).collect());
        }
        server
    }

    /// What names a round names one of its sender, and what answers it one of its receiver.
    fn envelope<E>(self, mut envelope: Envelope<E>) -> Envelope<E> {
        let Envelope { from, to, term, .. } = envelope;
        match &mut envelope.message {
            Message::AppendRequest { round, .. } | Message::InstallSnapshot { round, .. } => {
                *round = self.number(from, term, *round);
            }
            Message::AppendReply { round, .. }
            | Message::RepairRequest { round, .. }
            | Message::AppendRefusal { round, .. } => {
                *round = self.number(to, term, *round);
            }
            _ => {}
        }
        envelope
    }
}
