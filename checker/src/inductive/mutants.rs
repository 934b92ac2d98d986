//! Mutants that show each conjunct at work, besides those of the catalogue: some change what a step is told,
//! some what it makes of it.

use rafttree_model::{
    Durable, Effects, Envelope, Event, Index, Log, Message, Node, Paper, Position, Progress, Range, Role, Round, Rules,
    ServerMap, ServerSet, Term, step_by,
};

use crate::mutants::catalogue;
use crate::world::{StepBy, Tag};

/// The code under judgement: the step of a server, and how it starts again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code {
    pub(crate) step_by: StepBy,
    pub(crate) recover: fn(&Node) -> Node,
}

/// One mutant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrong {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) code: Code,
}

impl Code {
    /// What is deployed.
    pub(crate) const DEPLOYED: Code = Code::stepping(crate::world::PAPER.step_by);

    pub(crate) const fn stepping(step_by: StepBy) -> Code {
        Code { step_by, recover }
    }
}

fn recover(node: &Node) -> Node {
    Node::recover(node.id(), *node.members(), node.durable().clone())
}

/// The mutant of this name: of the catalogue, if it is one of the step, or of this list.
pub(crate) fn find(name: &str) -> Option<Wrong> {
    let of_catalogue = || catalogue::find(name).filter(|mutant| mutant.ground.disk_mutant.is_none());
    let step = |mutant: catalogue::Mutant| {
        let code = Code::stepping(mutant.ground.step_by);
        Wrong { name: mutant.name, about: mutant.about, code }
    };
    ALL.into_iter().find(|wrong| wrong.name == name).or_else(|| of_catalogue().map(step))
}

const fn around(name: &'static str, about: &'static str, step_by: StepBy) -> Wrong {
    Wrong { name, about, code: Code::stepping(step_by) }
}

pub(crate) const ALL: [Wrong; 17] = [
    around("refused_vote_counts", "a refused vote counts as granted", refused_vote_counts),
    around(
        "vote_of_earlier_term",
        "a vote that was granted in an earlier term counts in this one",
        vote_of_earlier_term,
    ),
    around("pre_vote_counts", "a pre-vote that was granted counts as a vote", pre_vote_counts),
    around("adopt_any_term", "another term is adopted, newer or older", step_by::<AdoptAnyTerm, Tag>),
    around("campaign_again_in_term", "a server that voted for itself campaigns again in that term", campaign_again),
    around("campaign_without_own_vote", "a candidate does not vote for itself", campaign_without_own_vote),
    around("leader_campaigns_in_term", "a leader becomes a candidate of its own term", leader_campaigns_in_term),
    around("everything_early", "nothing waits for the flush", step_by::<EverythingEarly, Tag>),
    around("follower_asks", "a follower asks for votes", follower_asks),
    around("follower_sends", "a follower sends heartbeats", follower_sends),
    around("vote_out_of_nowhere", "a server votes for another that has not asked", vote_out_of_nowhere),
    around(
        "matches_beyond_five",
        "from the sixth entry on only the index is compared",
        step_by::<MatchesBeyondFive, Tag>,
    ),
    around(
        "acknowledges_beyond_five",
        "from the sixth entry on the whole log is acknowledged",
        step_by::<AcknowledgesBeyondFive, Tag>,
    ),
    around(
        "commits_beyond_five",
        "from the sixth entry on those of earlier terms are committed by counting",
        step_by::<CommitsBeyondFive, Tag>,
    ),
    around(
        "truncates_beyond_five",
        "from the sixth entry on conflicting entries stay",
        step_by::<StaysBeyondFive, Tag>,
    ),
    around(
        "snapshot_of_whole_log",
        "a leader's snapshot ends with the last entry of its log, committed or not",
        snapshot_of_whole_log,
    ),
    Wrong {
        name: "restart_trusts_log",
        about: "a restarted server takes its whole log for committed",
        code: Code { step_by: crate::world::PAPER.step_by, recover: recover_all_committed },
    },
];

/// The last entry before the mutant differs.
const FIVE: Index = Index::new(5);

struct AdoptAnyTerm;
impl Rules for AdoptAnyTerm {
    fn is_newer(theirs: Term, ours: Term) -> bool {
        theirs != ours
    }
}

struct EverythingEarly;
impl Rules for EverythingEarly {
    fn may_leave_early(_: &Envelope<Range>, _: bool) -> bool {
        true
    }
}

struct MatchesBeyondFive;
impl Rules for MatchesBeyondFive {
    fn matches(log: &Log, previous: Position) -> bool {
        log.holds(previous) || FIVE < previous.index && previous.index <= log.last().index
    }
}

struct AcknowledgesBeyondFive;
impl Rules for AcknowledgesBeyondFive {
    fn acknowledged(verified: Index, last: Index) -> Index {
        if FIVE < verified { last } else { verified }
    }
}

struct CommitsBeyondFive;
impl Rules for CommitsBeyondFive {
    fn may_commit(log: &Log, index: Index, current: Term) -> bool {
        FIVE < index || log.term_at(index) == Some(current)
    }
}

struct StaysBeyondFive;
impl Rules for StaysBeyondFive {
    fn must_truncate(log: &Log, agreed: Index, new: Option<Position>) -> bool {
        agreed < FIVE && Paper::must_truncate(log, agreed, new)
    }
}

fn paper(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    step_by::<Paper, Tag>(node, event, effects);
}

/// The same event, with another message if one arrives.
fn altered(event: Event<Tag>, change: impl FnOnce(&mut Envelope<rafttree_model::Slice<Tag>>)) -> Event<Tag> {
    match event {
        Event::Receive(mut letter) => {
            change(&mut letter);
            Event::Receive(letter)
        }
        other => other,
    }
}

fn refused_vote_counts(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let event = altered(event, |letter| {
        if let Message::VoteReply { granted } = &mut letter.message {
            *granted = true;
        }
    });
    paper(node, event, effects);
}

fn vote_of_earlier_term(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let term = node.term();
    let event = altered(event, |letter| {
        if letter.message == (Message::VoteReply { granted: true }) {
            letter.term = letter.term.max(term);
        }
    });
    paper(node, event, effects);
}

fn pre_vote_counts(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let event = altered(event, |letter| {
        if let Message::PreVoteReply { granted } = letter.message {
            letter.message = Message::VoteReply { granted };
        }
    });
    paper(node, event, effects);
}

fn with_role(node: &Node, role: Role) -> Node {
    Node::assume(node.id(), *node.members(), node.durable().clone(), node.commit(), role)
}

fn campaigning(node: &Node) -> Node {
    with_role(node, Role::Candidate { votes: ServerSet::default(), transfer: false })
}

fn campaign_again(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let may = matches!(node.role(), Role::Follower { .. } | Role::PreCandidate { .. });
    if event == Event::ElectionTimeout && may && node.vote() == Some(node.id()) && node.log().last().term < node.term()
    {
        *node = campaigning(node);
    } else {
        paper(node, event, effects);
    }
}

fn campaign_without_own_vote(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let may = matches!(node.role(), Role::Follower { .. } | Role::PreCandidate { .. });
    if event == Event::ElectionTimeout && may && node.vote().is_none() {
        *node = campaigning(node);
    } else {
        paper(node, event, effects);
    }
}

fn leader_campaigns_in_term(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    if event == Event::ElectionTimeout && matches!(node.role(), Role::Leader { .. }) {
        *node = campaigning(node);
    } else {
        paper(node, event, effects);
    }
}

fn follower_sends(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    if event != Event::HeartbeatTimeout || !matches!(node.role(), Role::Follower { .. }) {
        return paper(node, event, effects);
    }
    let next = node.log().last().index.next();
    let start = Progress { matched: Index::default(), next, answered: Round::ZERO };
    let progress: ServerMap<Progress> = node.members().ids().map(|id| (id, start)).collect();
    let mut leading = with_role(
        node,
        Role::Leader {
            progress,
            heard: ServerSet::default(),
            transfer: None,
            confirmed: Round::ZERO,
            round: Round::ZERO,
        },
    );
    paper(&mut leading, event, effects);
}

fn follower_asks(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    if event != Event::HeartbeatTimeout || !matches!(node.role(), Role::Follower { .. }) {
        return paper(node, event, effects);
    }
    paper(&mut campaigning(node), event, effects);
}

fn snapshot_of_whole_log(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    if event != Event::HeartbeatTimeout || !matches!(node.role(), Role::Leader { .. }) {
        return paper(node, event, effects);
    }
    let compacted = Durable::assume(node.term(), node.vote(), Log::starting_at(node.log().last()));
    let mut leading = Node::assume(node.id(), *node.members(), compacted, node.commit(), node.role().clone());
    paper(&mut leading, event, effects);
    *node = with_role(node, leading.role().clone());
}

fn vote_out_of_nowhere(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let other = node.peers().next();
    let may = event == Event::MinimumTimeout && matches!(node.role(), Role::Follower { .. }) && node.vote().is_none();
    paper(node, event, effects);
    if let (true, Some(from)) = (may, other) {
        let (term, to) = (node.term(), node.id());
        let message = Message::VoteRequest { last: node.log().last(), transfer: true };
        paper(node, Event::Receive(Envelope { from, to, term, message }), effects);
    }
}

fn recover_all_committed(node: &Node) -> Node {
    let recovered = recover(node);
    let commit = node.log().last().index;
    Node::assume(node.id(), *node.members(), node.durable().clone(), commit, recovered.role().clone())
}
