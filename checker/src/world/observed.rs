//! What has reached a server, told from the messages and timers themselves.
//!
//! A server decides by what it remembers: who voted for it, who has answered it, whether it has
//! heard a leader. The checks must not take its word for that. So this is written down beside it,
//! from what arrived and what fired, and everything that it remembers is compared with it.

use rafttree_model::{Event, Index, Labels, Message, Node, Relabelled, Role, RoleName, Round, ServerId};

use crate::world::message::{Letter, Tag};

/// What a server has heard that matters to the role that it plays.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Observed {
    /// Who has granted what the campaign under way asks for.
    pub(crate) granted: Servers,
    /// Whether a leader asked for that campaign (dissertation 3.10).
    pub(crate) told: bool,
    /// Who has answered this leader since its minimum timeout last fired, and the leader itself.
    pub(crate) answered: Servers,
    /// To whom this leader was told to transfer leadership.
    pub(crate) target: Option<ServerId>,
    pub(crate) contact: Contact,
}

/// A set of servers, by the checker's own reckoning: the one of the model is among what is checked.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Servers(u16);

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
                Observed { answered: Servers::from_iter([new.id()]), ..nothing }
            }
            RoleName::Leader => {
                Observed { answered: self.answered_after(old, event), target: self.target_after(old, event), ..nothing }
            }
        }
    }

    /// Who has granted it, with the vote that this event brings.
    pub(crate) fn granted_with(&self, old: &Node, event: &Event<Tag>) -> Servers {
        let mut granted = self.granted;
        if let Some(letter) = received(old, event).filter(|letter| letter.term == old.term()) {
            match (old.role(), &letter.message) {
                (Role::PreCandidate { .. }, Message::PreVoteReply { granted: true })
                | (Role::Candidate { .. }, Message::VoteReply { granted: true }) => granted.insert(letter.from),
                _ => {}
            }
        }
        granted
    }

    /// A refusal is an answer as well; what claims more than the leader has is none.
    fn answered_after(&self, old: &Node, event: &Event<Tag>) -> Servers {
        if *event == Event::MinimumTimeout {
            return Servers::from_iter([old.id()]);
        }
        let mut answered = self.answered;
        if let Some((from, _)) = answer_to(old, event) {
            answered.insert(from);
        }
        answered
    }

    fn target_after(&self, old: &Node, event: &Event<Tag>) -> Option<ServerId> {
        match event {
            Event::Transfer(to) if old.peers().any(|peer| peer == *to) => Some(*to),
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

/// Who answers this leader by this event, and in which round: what claims more than the leader has said
/// is no answer.
pub(crate) fn answer_to(old: &Node, event: &Event<Tag>) -> Option<(ServerId, Round)> {
    let Role::Leader { round: begun, .. } = *old.role() else { return None };
    let letter = received(old, event).filter(|letter| letter.term == old.term())?;
    let (matched, round) = match letter.message {
        Message::AppendReply { matched, round } | Message::RepairRequest { matched, round } => (matched, round),
        Message::AppendRefusal { round, .. } => (Index::ZERO, round),
        _ => return None,
    };
    (matched <= old.log().last().index && round <= begun).then_some((letter.from, round))
}

/// The leader that speaks by this event.
fn leader_heard(old: &Node, event: &Event<Tag>) -> Option<ServerId> {
    let letter = received(old, event)?;
    let last = match &letter.message {
        Message::AppendRequest { entries, .. } => entries.last(),
        Message::InstallSnapshot { last, .. } => *last,
        _ => return None,
    };
    let leads = matches!(old.role(), Role::Leader { .. }) && letter.term == old.term();
    let counts = old.term() <= letter.term && last.term <= letter.term && !leads;
    counts.then_some(letter.from)
}

/// The message that arrives, if it is for this server and of its group.
fn received<'a>(old: &Node, event: &'a Event<Tag>) -> Option<&'a Letter> {
    let Event::Receive(letter) = event else { return None };
    (letter.to == old.id() && old.members().ids().any(|id| id == letter.from)).then_some(letter)
}

fn is_timeout_now(event: &Event<Tag>) -> bool {
    matches!(event, Event::Receive(letter) if letter.message == Message::TimeoutNow)
}

impl Servers {
    pub(crate) fn insert(&mut self, id: ServerId) {
        assert!(id.number() < u16::BITS, "the checker numbers servers from 1");
        self.0 |= 1 << id.number();
    }

    pub(crate) fn contains(self, id: ServerId) -> bool {
        self.0 >> id.number() & 1 != 0
    }

    pub(crate) fn ids(self) -> impl Iterator<Item = ServerId> {
        (0..u16::BITS).map(ServerId::new).filter(move |&id| self.contains(id))
    }

    /// More than half of the group.
    pub(crate) fn is_majority_of(self, node: &Node) -> bool {
        let members: Servers = node.members().ids().collect();
        members.0.count_ones() < 2 * (members.0 & self.0).count_ones()
    }
}

impl FromIterator<ServerId> for Servers {
    fn from_iter<I: IntoIterator<Item = ServerId>>(ids: I) -> Servers {
        let mut servers = Servers::default();
        ids.into_iter().for_each(|id| servers.insert(id));
        servers
    }
}

impl Relabelled for Servers {
    fn relabelled(&self, labels: &impl Labels) -> Servers {
        self.ids().map(|id| labels.id(id)).collect()
    }
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
