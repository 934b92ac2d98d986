//! What a server remembers is what has really reached it: votes, answers, the leader's word, a
//! transfer. Nothing here looks at a field of the server to learn what happened to it.

use rafttree_model::{Event, Message, Role, ServerId, ServerSet};

use crate::checks::seen::Seen;
use crate::properties::{Property, PropertySet};
use crate::world::{Contact, Letter, Server, Servers, Tag};

/// The properties that a server breaks by remembering something else than what reached it.
pub(crate) fn broken_memory(server: &Server) -> PropertySet {
    let mut broken = PropertySet::default();
    let observed = &server.observed;
    match server.node.role() {
        &Role::Follower { leader, sticky } => {
            let heard = leader_of(observed.contact);
            let remembers = (observed.contact == Contact::None || sticky) && (heard.is_none() || leader == heard);
            broken.insert_unless(remembers, Property::Stickiness);
            let has_cause = (observed.contact != Contact::None || !sticky) && (leader.is_none() || leader == heard);
            broken.insert_unless(has_cause, Property::StickinessEnds);
        }
        Role::PreCandidate { votes } => broken.insert_unless(servers(votes) == observed.granted, Property::AskFirst),
        Role::Candidate { votes, transfer } => {
            broken.insert_unless(servers(votes) == observed.granted, Property::OwnVotes);
            broken.insert_unless(*transfer == observed.told, Property::TransferSent);
        }
        Role::Leader { heard, transfer, .. } => {
            broken.insert_unless(servers(heard) == observed.answered, Property::QuorumHeard);
            broken.insert_unless(*transfer == observed.target, Property::TransferSent);
        }
    }
    broken
}

/// The leader that was heard in the current term within the minimum timeout.
pub(super) fn leader_of(contact: Contact) -> Option<ServerId> {
    if let Contact::Leader(leader) = contact { Some(leader) } else { None }
}

/// Leader stickiness: whether a server leads, or may have heard a leader within the minimum timeout.
pub(super) fn is_sticky(server: &Server) -> bool {
    server.leads() || server.observed.contact != Contact::None
}

/// The leader that a server knows: itself, or the one that it heard.
pub(super) fn leader(server: &Server) -> Option<ServerId> {
    if server.leads() { Some(server.node.id()) } else { leader_of(server.observed.contact) }
}

/// Who leads now, and did not before, was voted for by a majority in this term; its own vote is one of them
/// once it is on its disk.
pub(super) fn is_elected_by_votes(step: &Seen) -> bool {
    let Seen { old, event, new, .. } = *step;
    let is_new = new.leads() && (!old.leads() || old.node.term() != new.node.term());
    let granted = old.observed.granted_with(&old.node, event);
    let is_elected = || granted.contains(old.node.id()) && granted.is_majority_of(&old.node);
    !is_new || old.node.term() == new.node.term() && is_elected()
}

/// Who raises its term to campaign was promised votes by a majority, or told to by the leader it
/// has just heard.
pub(super) fn asks_first(step: &Seen) -> bool {
    let Seen { old, event, new, .. } = *step;
    let Role::Candidate { .. } = new.node.role() else { return true };
    if old.node.term() == new.node.term() {
        return true;
    }
    match old.node.role() {
        Role::PreCandidate { .. } => old.observed.granted_with(&old.node, event).is_majority_of(&old.node),
        Role::Follower { .. } => is_told_by_leader(old, event),
        Role::Candidate { .. } | Role::Leader { .. } => false,
    }
}

fn is_told_by_leader(server: &Server, event: &Event<Tag>) -> bool {
    let Event::Receive(letter) = event else { return false };
    letter.message == Message::TimeoutNow
        && letter.term == server.node.term()
        && leader_of(server.observed.contact) == Some(letter.from)
}

/// A leader that is not transferring leadership leads on after a minimum timeout if a majority has
/// answered it in that time, and only then.
pub(super) fn leads_on_by_majority(step: &Seen) -> bool {
    let Seen { old, event, new, .. } = *step;
    if !old.leads() || *event != Event::MinimumTimeout {
        return true;
    }
    new.leads() == (old.observed.answered.is_majority_of(&old.node) && old.observed.target.is_none())
}

/// Who may have heard a leader within the minimum timeout does nothing for the campaign of another.
pub(super) fn helps_nobody_else(step: &Seen) -> bool {
    let Some(letter) = step.letter() else { return true };
    !is_disturbance(step.old, letter) || step.old.node == step.new.node && step.sent().next().is_none()
}

/// Dissertation 4.2.3: whether it is a campaign that this server must not listen to.
pub(crate) fn is_disturbance(server: &Server, letter: &Letter) -> bool {
    campaigns(letter) && is_sticky(server) && leader(server) != Some(letter.from)
}

/// Whether this message is part of a campaign that no leader asked for.
pub(super) fn campaigns(letter: &Letter) -> bool {
    match letter.message {
        Message::PreVoteRequest { .. } => true,
        Message::VoteRequest { transfer, .. } => !transfer,
        _ => false,
    }
}

fn servers(set: &ServerSet) -> Servers {
    set.ids().collect()
}
