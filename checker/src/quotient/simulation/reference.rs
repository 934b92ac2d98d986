//! Steps that need not be judged at length: those that do nothing, and those of a leader that are
//! the same whatever it knows of its followers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rafttree_model::{Effects, Event, Message, Node, Role};

use crate::properties::PropertySet;
use crate::quotient::inputs::Happening;
use crate::quotient::local::Local;
use crate::world::{Server, Tag};

/// Of leaders that differ in the progress of their followers alone, the first, and what it did.
#[derive(Default)]
pub(super) struct Reference {
    leader: Option<Node>,
    did: Vec<Option<(Node, Effects<Tag>)>>,
    effects: Effects<Tag>,
}

/// How much there is to judge of a step.
pub(super) enum Happens {
    /// What the reference did, which was judged: here it comes to the same.
    AsBefore {
        nothing: bool,
    },
    /// The step changes nothing and says nothing; it may be that it should.
    Nothing(PropertySet),
    Panic,
    Something,
}

impl Reference {
    /// The steps of this server come next.
    pub(super) fn follow(&mut self, server: &Server) {
        let is_like = |leader: &Node| memory(leader).is_some() && memory(leader) == memory(&server.node);
        if !self.leader.as_ref().is_some_and(is_like) {
            self.did.clear();
            self.leader = Some(server.node.clone());
        }
    }

    /// Runs the deployed step of this server once.
    pub(super) fn happens(&mut self, local: &Local, server: &Server, at: usize, happening: &Happening) -> Happens {
        let event = match happening {
            Happening::Event(event) => event,
            Happening::Install { letter, .. } => &Event::Receive(letter.clone()),
            Happening::Flush | Happening::Crash { .. } | Happening::Damage { .. } => return Happens::Something,
        };
        let mut node = server.node.clone();
        let effects = &mut self.effects;
        effects.done();
        let step_by = local.step_by();
        let stepped = catch_unwind(AssertUnwindSafe(|| step_by(&mut node, event.clone(), effects)));
        if stepped.is_err() {
            *effects = Effects::new();
            return Happens::Panic;
        }
        let unheard = server.observed.after(&server.node, event, &node) == server.observed;
        let nothing = node == server.node && effects.is_empty() && unheard;
        if is_about_progress(server, event) {
            return if nothing { Happens::Nothing(local.broken_by_nothing(server, event)) } else { Happens::Something };
        }
        if let Some(Some((before, said))) = self.did.get(at)
            && said == effects
            && is_same_but_for_progress(before, &node, server)
        {
            return Happens::AsBefore { nothing };
        }
        if memory(&server.node).is_some() {
            self.did.resize(self.did.len().max(at + 1), None);
            self.did[at].get_or_insert_with(|| (node.clone(), effects.clone()));
        }
        if nothing { Happens::Nothing(local.broken_by_nothing(server, event)) } else { Happens::Something }
    }
}

/// What a leader has in memory beside the progress of its followers.
fn memory(node: &Node) -> Option<impl PartialEq + use<>> {
    let &Role::Leader { heard, transfer, round, confirmed, .. } = node.role() else { return None };
    Some((heard, transfer, round, confirmed))
}

/// Answers of followers, and what makes a leader send.
fn is_about_progress(server: &Server, event: &Event<Tag>) -> bool {
    let Event::Receive(letter) = event else { return true };
    let answers = matches!(
        letter.message,
        Message::AppendReply { .. } | Message::RepairRequest { .. } | Message::AppendRefusal { .. }
    );
    !server.leads() || answers && letter.term == server.node.term()
}

/// Whether two leaders became the same, each with the progress that it had.
fn is_same_but_for_progress(one: &Node, other: &Node, was: &Server) -> bool {
    let kept = |node: &Node| match (node.role(), was.node.role()) {
        (Role::Leader { progress, .. }, Role::Leader { progress: before, .. }) => progress == before,
        _ => false,
    };
    let alike = (one.durable(), one.commit()) == (other.durable(), other.commit());
    alike && if memory(one).is_some() { memory(one) == memory(other) && kept(other) } else { one == other }
}
