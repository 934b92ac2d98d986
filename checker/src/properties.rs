//! What has to hold: Figure 3 and what it rests on, each stated apart from the transitions.
//!
//! Properties of a state are asked in every state, those of a step after every step, those of a
//! message at the moment it leaves, when it is known what the sender's disk holds.

use rafttree_model::{Effects, Entry, Event, Message, Record, Role, RoleName, ServerId, ServerSet, Term};

use crate::world::{Action, Disk, Letter, Server, StepBy, Tag, World};

/// A property that every run must have.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Property {
    ElectionSafety,
    VoteOnce,
    TermMonotonic,
    LeaderAppendOnly,
    LogMatching,
    LeaderCompleteness,
    StateMachineSafety,
    CommitImmutable,
    CommitOnlyOwnTerm,
    CommitDurable,
    PersistBeforeSend,
    ElectionRestriction,
    MatchSafety,
    Bounds,
    RoleTransitions,
    OwnVotes,
    Totality,
    NonDisruption,
    AskFirst,
    QuorumHeard,
    HandOverComplete,
}

impl Property {
    pub(crate) const ALL: [Property; 21] = [
        Property::ElectionSafety,
        Property::VoteOnce,
        Property::TermMonotonic,
        Property::LeaderAppendOnly,
        Property::LogMatching,
        Property::LeaderCompleteness,
        Property::StateMachineSafety,
        Property::CommitImmutable,
        Property::CommitOnlyOwnTerm,
        Property::CommitDurable,
        Property::PersistBeforeSend,
        Property::ElectionRestriction,
        Property::MatchSafety,
        Property::Bounds,
        Property::RoleTransitions,
        Property::OwnVotes,
        Property::Totality,
        Property::NonDisruption,
        Property::AskFirst,
        Property::QuorumHeard,
        Property::HandOverComplete,
    ];

    /// Its short name, its name, where it comes from, and what it says.
    fn text(self) -> [&'static str; 4] {
        match self {
            Property::ElectionSafety => [
                "C1",
                "C1 ElectionSafety",
                "§5.2, Figure 3",
                "at most one leader in a term, ever, whether or not it still leads",
            ],
            Property::VoteOnce => [
                "C2",
                "C2 VoteOnce",
                "§5.2",
                "a server votes for one candidate in a term, and says so only when the vote is on its disk",
            ],
            Property::TermMonotonic => [
                "C3",
                "C3 TermMonotonic",
                "§5.1",
                "terms never fall, except to what the disk holds when a server restarts; no message names a term that is not on its sender's disk",
            ],
            Property::LeaderAppendOnly => {
                ["C4", "C4 LeaderAppendOnly", "§5.3, Figure 3", "a leader never removes or changes an entry of its log"]
            }
            Property::LogMatching => [
                "C5",
                "C5 LogMatching",
                "§5.3, Figure 3",
                "two logs that hold an entry of the same index and term agree up to it",
            ],
            Property::LeaderCompleteness => [
                "C6",
                "C6 LeaderCompleteness",
                "§5.4, Figure 3",
                "a leader's log holds every entry that was committed in an earlier term",
            ],
            Property::StateMachineSafety => [
                "C7",
                "C7 StateMachineSafety",
                "§5.4.3, Figure 3",
                "no two servers ever commit different entries at one index",
            ],
            Property::CommitImmutable => [
                "C8",
                "C8 CommitImmutable",
                "§5.3",
                "what a server knows to be committed stays in its log, and its commit index falls only at a restart",
            ],
            Property::CommitOnlyOwnTerm => [
                "C9",
                "C9 CommitOnlyOwnTerm",
                "§5.4.2",
                "a leader's commit index moves only to an entry of its own term",
            ],
            Property::CommitDurable => {
                ["C10", "C10 CommitDurable", "§5.3", "every committed entry is on the disks of a majority"]
            }
            Property::PersistBeforeSend => [
                "C11",
                "C11 PersistBeforeSend",
                "Figure 2",
                "an acknowledgement leaves only when the acknowledged entries, as the leader has them, are on the disk",
            ],
            Property::ElectionRestriction => [
                "C12",
                "C12 ElectionRestriction",
                "§5.4.1",
                "a vote is granted only to a candidate whose log is at least as up-to-date",
            ],
            Property::MatchSafety => [
                "C13",
                "C13 MatchSafety",
                "§5.3",
                "what a leader believes a server holds is on that server's disk; the belief never shrinks, and the next entry to send lies beyond it",
            ],
            Property::Bounds => [
                "C14",
                "C14 Bounds",
                "Figure 2",
                "a commit index lies within the log, terms never fall along a log, and none is above the server's own",
            ],
            Property::RoleTransitions => [
                "C15",
                "C15 RoleTransitions",
                "§5.1, 9.6",
                "roles change only along the arrows of Figure 4, with the pre-candidate of PreVote before the candidate",
            ],
            Property::OwnVotes => [
                "C16",
                "C16 OwnVotes",
                "§5.2",
                "a leader voted for itself, and every vote that a candidate counts was really given",
            ],
            Property::Totality => [
                "C17",
                "C17 Totality",
                "§5.5",
                "no message makes a server panic, and delivering one again at once changes nothing on disk",
            ],
            Property::NonDisruption => [
                "V5",
                "V5 NonDisruption",
                "4.2.3",
                "a vote request changes neither term, vote nor role of a server that hears a leader, unless that leader hands over",
            ],
            Property::AskFirst => [
                "E1",
                "E1 AskFirst",
                "9.6",
                "a server raises its term to campaign only after a majority would vote for it, or when the leader hands over",
            ],
            Property::QuorumHeard => [
                "E2",
                "E2 QuorumHeard",
                "6.2",
                "a leader that no majority answered for a minimum timeout leads no longer",
            ],
            Property::HandOverComplete => [
                "E3",
                "E3 HandOverComplete",
                "3.10",
                "a server is told to take over only when its disk holds the leader's whole log",
            ],
        }
    }

    pub(crate) fn id(self) -> &'static str {
        self.text()[0]
    }

    pub(crate) fn name(self) -> &'static str {
        self.text()[1]
    }

    pub(crate) fn source(self) -> &'static str {
        self.text()[2]
    }

    pub(crate) fn statement(self) -> &'static str {
        self.text()[3]
    }

    /// The property with this id or name, in any case.
    pub(crate) fn named(text: &str) -> Option<Property> {
        Property::ALL.into_iter().find(|property| {
            let full = property.name();
            let bare = full.split(' ').next_back().unwrap_or(full);
            [property.id(), full, bare].iter().any(|name| name.eq_ignore_ascii_case(text))
        })
    }
}

/// A set of properties.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct PropertySet(u32);

impl PropertySet {
    pub(crate) fn all() -> PropertySet {
        Property::ALL.into_iter().collect()
    }

    pub(crate) fn contains(self, property: Property) -> bool {
        self.0 & (1 << property as u32) != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn insert(&mut self, property: Property) {
        self.0 |= 1 << property as u32;
    }

    pub(crate) fn extend(&mut self, others: PropertySet) {
        self.0 |= others.0;
    }

    pub(crate) fn keep(&mut self, only: PropertySet) {
        self.0 &= only.0;
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Property> {
        Property::ALL.into_iter().filter(move |&property| self.contains(property))
    }

    fn insert_unless(&mut self, holds: bool, property: Property) {
        if !holds {
            self.insert(property);
        }
    }
}

impl FromIterator<Property> for PropertySet {
    fn from_iter<I: IntoIterator<Item = Property>>(properties: I) -> Self {
        let mut set = PropertySet::default();
        properties.into_iter().for_each(|property| set.insert(property));
        set
    }
}

// Of a state.

/// The properties that do not hold in this state.
pub(crate) fn broken_in(world: &World) -> PropertySet {
    let mut broken = PropertySet::default();
    let servers = || world.servers.iter().map(AsRef::as_ref);
    broken.insert_unless(has_one_leader_a_term(world), Property::ElectionSafety);
    broken.insert_unless(servers().all(|s| servers().all(|r| logs_match(s, r))), Property::LogMatching);
    broken.insert_unless(servers().all(|s| leads_completely(world, s)), Property::LeaderCompleteness);
    broken.insert_unless(servers().all(|s| holds_committed(world, s)), Property::CommitImmutable);
    broken.insert_unless(is_committed_durably(world), Property::CommitDurable);
    broken.insert_unless(servers().all(|s| beliefs_are_sound(world, s)), Property::MatchSafety);
    broken.insert_unless(servers().all(is_in_bounds), Property::Bounds);
    broken.insert_unless(servers().all(|s| counts_given_votes(world, s)), Property::OwnVotes);
    broken
}

fn has_one_leader_a_term(world: &World) -> bool {
    world.history.elected.windows(2).all(|pair| pair[0].0 != pair[1].0)
}

/// From the last index at which both logs have the same term, everything before is the same.
fn logs_match(one: &Server, other: &Server) -> bool {
    let pairs = || one.entries.iter().zip(&other.entries);
    let agree = pairs().rposition(|(a, b)| a.position == b.position);
    agree.is_none_or(|last| pairs().take(last).all(|(a, b)| a == b) && one.entries[last] == other.entries[last])
}

fn leads_completely(world: &World, server: &Server) -> bool {
    let Role::Leader { .. } = server.node.role() else { return true };
    let earlier = |term: Term| term < server.node.term();
    let mut committed = world.history.committed.iter().enumerate();
    committed.all(|(at, (entry, term))| !earlier(*term) || server.entries.get(at) == Some(entry))
}

fn holds_committed(world: &World, server: &Server) -> bool {
    let commit = server.node.commit().0 as usize;
    let known = world.history.committed.iter().take(commit).map(|(entry, _)| entry);
    commit <= server.entries.len() && known.eq(server.entries.iter().take(commit))
}

fn is_committed_durably(world: &World) -> bool {
    world.history.committed.iter().enumerate().all(|(at, (entry, _))| {
        let holders = world.servers.iter().filter(|server| server.disk.entries.get(at) == Some(entry));
        world.servers.len() < 2 * holders.count()
    })
}

fn beliefs_are_sound(world: &World, leader: &Server) -> bool {
    let Role::Leader { progress, .. } = leader.node.role() else { return true };
    progress.iter().all(|(id, progress)| {
        let disk = &world.server(id).disk;
        let matched = progress.matched.0 as usize;
        // A server that has moved on to a later leader may have cut what it acknowledged.
        let moved_on = leader.node.term() < disk.durable.term();
        let in_order = progress.matched < progress.next && matched <= leader.entries.len();
        in_order && (moved_on || holds_prefix(disk, &leader.entries, matched))
    })
}

fn holds_prefix(disk: &Disk, entries: &[Entry<Tag>], length: usize) -> bool {
    length <= entries.len() && disk.entries.get(..length) == Some(&entries[..length])
}

fn is_in_bounds(server: &Server) -> bool {
    let terms = server.entries.iter().map(|entry| entry.position.term);
    let in_place = server.entries.iter().enumerate().all(|(at, entry)| entry.position.index.0 == at as u64 + 1);
    let log = server.node.log();
    server.node.commit() <= log.last().index
        && log.last().index.0 == server.entries.len() as u64
        && terms.clone().is_sorted()
        && terms.max().is_none_or(|term| term <= server.node.term())
        && in_place
}

fn counts_given_votes(world: &World, server: &Server) -> bool {
    let node = &server.node;
    match node.role() {
        Role::Leader { .. } => node.vote() == Some(node.id()),
        Role::Candidate { votes, .. } => votes.ids().all(|voter| gave_vote(world, voter, server)),
        _ => true,
    }
}

fn gave_vote(world: &World, voter: ServerId, candidate: &Server) -> bool {
    let (id, term) = (candidate.node.id(), candidate.node.term());
    if voter == id {
        let disk = &candidate.disk.durable;
        return disk.term() == term && disk.vote() == Some(id);
    }
    // Votes of a term that the voter has left behind are no longer written down.
    let left_behind = term < world.server(voter).disk.durable.term();
    left_behind || world.history.votes.contains(&(term, voter, id))
}

// Of a message, as it leaves.

/// The properties that this message breaks by leaving now.
pub(crate) fn broken_by_send(world: &World, letter: &Letter) -> PropertySet {
    let mut broken = PropertySet::default();
    let disk = &world.server(letter.from).disk;
    broken.insert_unless(letter.term <= disk.durable.term(), Property::TermMonotonic);
    match &letter.message {
        Message::VoteReply { granted: true } => {
            broken.insert_unless(is_only_vote(world, letter), Property::VoteOnce);
            broken.insert_unless(is_vote_durable(disk, letter), Property::VoteOnce);
            broken.insert_unless(is_vote_deserved(world, letter), Property::ElectionRestriction);
        }
        Message::AppendReply { matched } => {
            let kept = acknowledges_what_it_holds(world, letter, matched.0 as usize);
            broken.insert_unless(kept, Property::PersistBeforeSend);
        }
        Message::TimeoutNow => {
            let (leader, target) = (world.server(letter.from), world.server(letter.to));
            let whole = holds_prefix(&target.disk, &leader.entries, leader.entries.len());
            broken.insert_unless(whole, Property::HandOverComplete);
        }
        _ => {}
    }
    broken
}

fn is_only_vote(world: &World, vote: &Letter) -> bool {
    let (term, voter, candidate) = (vote.term, vote.from, vote.to);
    world.history.votes.iter().all(|other| (other.0, other.1) != (term, voter) || other.2 == candidate)
}

fn is_vote_durable(disk: &Disk, vote: &Letter) -> bool {
    let (term, granted) = (disk.durable.term(), disk.durable.vote());
    vote.term < term || (vote.term == term && granted == Some(vote.to))
}

/// A vote for oneself needs no comparison; another's log is in its request.
fn is_vote_deserved(world: &World, vote: &Letter) -> bool {
    let ours = world.server(vote.from).disk.entries.last().map(|entry| entry.position);
    let asked_with = |letter: &Letter| match letter.message {
        Message::VoteRequest { last, .. } if (letter.from, letter.term) == (vote.to, vote.term) => Some(last),
        _ => None,
    };
    let mut requests = world.network.iter().filter_map(|letter| asked_with(letter));
    vote.from == vote.to
        || requests.all(|theirs| {
            ours.is_none_or(|ours| ours.term < theirs.term || (ours.term == theirs.term && ours.index <= theirs.index))
        })
}

/// While the leader of that term leads, its log tells what was acknowledged; afterwards at least
/// so many entries must be there.
fn acknowledges_what_it_holds(world: &World, reply: &Letter, matched: usize) -> bool {
    let (disk, leader) = (&world.server(reply.from).disk, world.server(reply.to));
    if reply.term < disk.durable.term() {
        return true; // A later leader may have cut it; the leader of that term will not be asked.
    }
    match leader.node.role() {
        Role::Leader { .. } if leader.node.term() == reply.term => holds_prefix(disk, &leader.entries, matched),
        _ => matched <= disk.entries.len(),
    }
}

// Of a step.

/// The properties that this step broke.
pub(crate) fn broken_by_step(step_by: StepBy, before: &World, action: &Action, after: &World) -> PropertySet {
    let mut broken = PropertySet::default();
    for id in after.ids() {
        let (old, new) = (before.server(id), after.server(id));
        broken.insert_unless(keeps_vote(old, new), Property::VoteOnce);
        if !action.is_crash() {
            broken.extend(broken_between(action, old, new));
        } else if old != new {
            broken.insert_unless(restarts_from_disk(old, new), Property::TermMonotonic);
        }
    }
    if let Action::Deliver(letter) = action {
        broken.insert_unless(leads_by_given_votes(before, letter, after), Property::OwnVotes);
        broken.insert_unless(is_idempotent(step_by, letter, after.server(letter.to)), Property::Totality);
        let (old, new) = (before.server(letter.to), after.server(letter.to));
        broken.insert_unless(disturbs_nobody(letter, old, new), Property::NonDisruption);
    }
    broken
}

/// Within a term, the vote on a disk never changes.
fn keeps_vote(old: &Server, new: &Server) -> bool {
    let (was, is) = (&old.disk.durable, &new.disk.durable);
    was.term() != is.term() || was.vote().is_none() || was.vote() == is.vote()
}

/// The vote that completed a majority was given in the term that the server now leads.
fn leads_by_given_votes(before: &World, letter: &Letter, after: &World) -> bool {
    let (old, new) = (before.server(letter.to), after.server(letter.to));
    let (Role::Candidate { .. }, Role::Leader { .. }) = (old.node.role(), new.node.role()) else { return true };
    gave_vote(before, letter.from, old)
}

fn restarts_from_disk(old: &Server, new: &Server) -> bool {
    new.node.durable() == &new.disk.durable && old.disk.durable.term() <= new.disk.durable.term()
}

fn broken_between(action: &Action, old: &Server, new: &Server) -> PropertySet {
    let mut broken = PropertySet::default();
    let (was, is) = (&old.node, &new.node);
    let terms_rise = was.term() <= is.term() && old.disk.durable.term() <= new.disk.durable.term();
    broken.insert_unless(terms_rise, Property::TermMonotonic);
    broken.insert_unless(was.commit() <= is.commit(), Property::CommitImmutable);
    broken.insert_unless(follows_figure_4(old, new), Property::RoleTransitions);
    if let (Role::Leader { progress: then, .. }, Role::Leader { progress: now, .. }) = (was.role(), is.role())
        && was.term() == is.term()
    {
        broken.insert_unless(new.entries.starts_with(&old.entries), Property::LeaderAppendOnly);
        let kept = then.iter().all(|(id, old)| now.get(id).is_some_and(|new| old.matched <= new.matched));
        broken.insert_unless(kept, Property::MatchSafety);
    }
    if let Role::Leader { .. } = is.role()
        && was.commit() < is.commit()
    {
        let own = new.entries.get(is.commit().0 as usize - 1).is_some_and(|entry| entry.position.term == is.term());
        broken.insert_unless(own, Property::CommitOnlyOwnTerm);
    }
    broken.insert_unless(asks_first(action, old, new), Property::AskFirst);
    broken.insert_unless(leaves_quiet_majority(action, old, new), Property::QuorumHeard);
    broken
}

/// Figure 4, with the pre-candidate. In one step a server may pass through several roles if it is
/// its own majority or its flush completes one, so the arrows are those of the paths.
fn follows_figure_4(old: &Server, new: &Server) -> bool {
    use RoleName::{Candidate, Follower, Leader, PreCandidate};
    let same_term = old.node.term() == new.node.term();
    match (old.node.role().name(), new.node.role().name()) {
        (Follower | PreCandidate, Leader) => false,
        (PreCandidate | Candidate | Leader, Candidate) => !same_term || old.node.role().name() == Candidate,
        (Leader, PreCandidate) => false,
        (Follower, Candidate) => !same_term,
        (Candidate, Leader) => same_term,
        (Leader, Leader) => same_term,
        (_, Follower | PreCandidate) => true,
    }
}

/// Who becomes a candidate was asked to by the leader, or had a majority of pre-votes.
fn asks_first(action: &Action, old: &Server, new: &Server) -> bool {
    let Role::Candidate { transfer, .. } = new.node.role() else { return true };
    if old.node.term() == new.node.term() {
        return true;
    }
    if let Role::PreCandidate { votes } = old.node.role() {
        let last = if let Action::Deliver(letter) = action { letter.from } else { old.node.id() };
        let granted: ServerSet = votes.ids().chain([last]).collect();
        return !transfer && old.node.members().ids().len() < 2 * granted.len();
    }
    let told = matches!(action, Action::Deliver(letter) if letter.message == Message::TimeoutNow);
    *transfer && told || old.node.members().ids().len() == 1
}

fn leaves_quiet_majority(action: &Action, old: &Server, new: &Server) -> bool {
    let Role::Leader { heard, .. } = old.node.role() else { return true };
    let Role::Leader { .. } = new.node.role() else { return true };
    *action != Action::MinimumTimeout(old.node.id()) || old.node.members().ids().len() < 2 * heard.len()
}

/// Who hears a leader is not moved by another server's campaign.
fn disturbs_nobody(letter: &Letter, old: &Server, new: &Server) -> bool {
    let asks = match letter.message {
        Message::PreVoteRequest { .. } => true,
        Message::VoteRequest { transfer, .. } => !transfer,
        _ => false,
    };
    let leader = old.node.leader();
    let hears_another = leader.is_some() && leader != Some(letter.from);
    let unmoved = old.node.durable() == new.node.durable() && old.node.role() == new.node.role();
    !asks || !hears_another || unmoved
}

/// §5.5: a message that arrives twice in a row does no more than one that arrives once.
fn is_idempotent(step_by: StepBy, letter: &Letter, receiver: &Server) -> bool {
    let mut node = receiver.node.clone();
    let mut effects = Effects::<Tag>::new();
    let again = std::panic::AssertUnwindSafe(|| {
        step_by(&mut node, Event::Receive(letter.clone()), &mut effects);
    });
    std::panic::catch_unwind(again).is_ok() && effects.records().iter().all(|record| changes_nothing(record, receiver))
}

fn changes_nothing(record: &Record<Tag>, receiver: &Server) -> bool {
    let mut durable = receiver.node.durable().clone();
    durable.apply(record);
    durable == *receiver.node.durable()
}
