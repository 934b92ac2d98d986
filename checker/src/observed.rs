//! What has reached a server, told from the messages and timers themselves.
//!
//! A server decides by what it remembers: who voted for it, who has answered it, whether it has
//! heard a leader. The checks must not take its word for that. So this is written down beside it,
//! from what arrived and what fired, and everything that it remembers is compared with it.

use rafttree_model::{Event, Labels, Message, Node, Relabelled, Role, RoleName, ServerId, ServerSet};

use crate::server::Tag;
use crate::world::Letter;

/// What a server has heard that matters to the role that it plays.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Observed {
    /// Who has granted what the campaign under way asks for.
    pub(crate) granted: ServerSet,
    /// Whether a leader asked for that campaign (dissertation 3.10).
    pub(crate) told: bool,
    /// Who has answered this leader since its minimum timeout last fired, and the leader itself.
    pub(crate) answered: ServerSet,
    /// To whom this leader was told to transfer leadership.
    pub(crate) target: Option<ServerId>,
    pub(crate) contact: Contact,
}

/// The last word of a leader to a follower.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) enum Contact {
    /// None within the minimum timeout.
    #[default]
    None,
    /// There may have been one: the server has just restarted, or a newer term has begun since.
    Possible,
    /// The leader of the current term spoke within the minimum timeout.
    Leader(ServerId),
}

impl Observed {
    /// What a server may have heard before it crashed, it has forgotten.
    pub(crate) fn after_restart() -> Observed {
        Observed { contact: Contact::Possible, ..Observed::default() }
    }

    /// The same when one more event has happened, which led from `old` to `new`.
    pub(crate) fn after(&self, old: &Node, event: &Event<Tag>, new: &Node) -> Observed {
        let nothing = Observed::default();
        let same_term = old.term() == new.term();
        match new.role().name() {
            RoleName::Follower => Observed { contact: self.contact_after(old, event, same_term), ..nothing },
            RoleName::PreCandidate if *event == Event::ElectionTimeout => nothing,
            RoleName::Candidate if !same_term => Observed { told: is_timeout_now(event), ..nothing },
            RoleName::PreCandidate | RoleName::Candidate => {
                Observed { granted: self.granted_with(old, event), told: self.told, ..nothing }
            }
            RoleName::Leader if old.role().name() != RoleName::Leader || !same_term => {
                Observed { answered: ServerSet::from_iter([new.id()]), ..nothing }
            }
            RoleName::Leader => {
                Observed { answered: self.answered_after(old, event), target: self.target_after(old, event), ..nothing }
            }
        }
    }

    /// Who has granted it, with the vote that this event brings.
    pub(crate) fn granted_with(&self, old: &Node, event: &Event<Tag>) -> ServerSet {
        let mut granted = self.granted;
        if let Some(letter) = received(old, event).filter(|letter| letter.term == old.term()) {
            match (old.role(), &letter.message) {
                (Role::PreCandidate { .. }, Message::PreVoteReply { granted: true })
                | (Role::Candidate { .. }, Message::VoteReply { granted: true }) => granted.insert(letter.from, ()),
                _ => {}
            }
        }
        granted
    }

    /// A refusal is an answer as well; what claims more than the leader has is none.
    fn answered_after(&self, old: &Node, event: &Event<Tag>) -> ServerSet {
        if *event == Event::MinimumTimeout {
            return ServerSet::from_iter([old.id()]);
        }
        let mut answered = self.answered;
        if let Some(letter) = received(old, event).filter(|letter| letter.term == old.term()) {
            match letter.message {
                Message::AppendReply { matched } if matched <= old.log().last().index => {
                    answered.insert(letter.from, ());
                }
                Message::AppendRefusal { .. } => answered.insert(letter.from, ()),
                _ => {}
            }
        }
        answered
    }

    fn target_after(&self, old: &Node, event: &Event<Tag>) -> Option<ServerId> {
        match event {
            Event::Transfer(to) if *to != old.id() && old.members().contains(*to) => Some(*to),
            _ => self.target,
        }
    }

    /// A leader's word counts whether its entries fitted or not. It is forgotten after a minimum
    /// timeout, and by whoever campaigns or leads; a newer term leaves open who leads.
    fn contact_after(&self, old: &Node, event: &Event<Tag>, same_term: bool) -> Contact {
        if let Some(leader) = leader_heard(old, event) {
            return Contact::Leader(leader);
        }
        match self.contact {
            _ if old.role().name() != RoleName::Follower || *event == Event::MinimumTimeout => Contact::None,
            Contact::Leader(_) if !same_term => Contact::Possible,
            contact => contact,
        }
    }
}

/// The leader that speaks by this event.
fn leader_heard(old: &Node, event: &Event<Tag>) -> Option<ServerId> {
    let letter = received(old, event)?;
    let Message::AppendRequest { entries, .. } = &letter.message else { return None };
    let leads = matches!(old.role(), Role::Leader { .. }) && letter.term == old.term();
    let counts = old.term() <= letter.term && entries.last().term <= letter.term && !leads;
    counts.then_some(letter.from)
}

/// The message that arrives, if it is for this server and of its group.
fn received<'a>(old: &Node, event: &'a Event<Tag>) -> Option<&'a Letter> {
    let Event::Receive(letter) = event else { return None };
    (letter.to == old.id() && old.members().contains(letter.from)).then_some(letter)
}

fn is_timeout_now(event: &Event<Tag>) -> bool {
    matches!(event, Event::Receive(letter) if letter.message == Message::TimeoutNow)
}

impl Relabelled for Observed {
    fn relabelled(&self, labels: &impl Labels) -> Observed {
        let contact = match self.contact {
            Contact::Leader(id) => Contact::Leader(labels.id(id)),
            other => other,
        };
        Observed {
            granted: self.granted.relabelled(labels),
            told: self.told,
            answered: self.answered.relabelled(labels),
            target: self.target.relabelled(labels),
            contact,
        }
    }
}
