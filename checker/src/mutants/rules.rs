//! Mutants of rules and steps: bugs that others have shipped, each put back into one rule, outside of what is deployed.

use rafttree_model::{
    Effects, Envelope, Event, Faulty, Index, Log, Members, Message, Node, Paper, Position, Progress, Range, Role,
    Round, Rules, ServerId, ServerSet, Term, step_by,
};

use crate::world::Tag;

/// Defines rules that break one rule of the paper.
macro_rules! mutant {
    ($(#[$about:meta])* $name:ident { $($rule:item)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name;
        impl Rules for $name { $($rule)* }
    };
}

mutant! {
    /// Newer terms are seen, and not adopted.
    IgnoreNewerTerm { fn is_newer(_: Term, _: Term) -> bool { false } }
}
mutant! {
    /// What was said in an older term counts as if it were said now.
    AcceptStale { fn is_stale(_: Term, _: Term) -> bool { false } }
}
mutant! {
    /// A deposed leader goes on in the term that it just learned.
    LeadOnInNewerTerm { fn must_yield_to_newer_term() -> bool { false } }
}
mutant! {
    /// The term rises with every timeout.
    CampaignAtOnce { fn must_ask_first() -> bool { false } }
}
mutant! {
    /// A server that hears its leader helps to replace it all the same.
    HelpDisturbers {
        fn is_disturbance(_: bool, _: Option<ServerId>, _: ServerId, _: bool) -> bool { false }
    }
}
mutant! {
    /// The vote of the term may be given again.
    VoteAgain { fn may_vote(_: Option<ServerId>, _: ServerId) -> bool { true } }
}
mutant! {
    /// Votes go to candidates whose logs lack entries.
    VoteForAnyLog { fn is_up_to_date(_: Position, _: Position) -> bool { true } }
}
mutant! {
    /// The index is compared before the term.
    CompareIndexFirst {
        fn is_up_to_date(candidate: Position, ours: Position) -> bool {
            (ours.index, ours.term) <= (candidate.index, candidate.term)
        }
    }
}
mutant! {
    /// Half of the members, rounded down, make a leader.
    HalfIsEnough {
        fn is_majority(members: &Members, supporters: &ServerSet) -> bool {
            members.ids().len() / 2 <= supporters.len()
        }
    }
}
mutant! {
    /// A leader that nobody answers leads on.
    LeadUnheard { fn must_step_down(_: &Members, _: &ServerSet) -> bool { false } }
}
mutant! {
    /// Entries are taken behind an entry of the right index, whatever its term.
    MatchIndexOnly {
        fn matches(log: &Log, previous: Position) -> bool { previous.index <= log.last().index }
    }
}
mutant! {
    /// Whatever follows the request's entries is removed.
    TruncateAlways {
        fn must_truncate(log: &Log, agreed: Index, _: Option<Position>) -> bool { agreed < log.last().index }
    }
}
mutant! {
    /// A follower acknowledges its whole log.
    AcknowledgeWholeLog { fn acknowledged(_: Index, last: Index) -> Index { last } }
}
mutant! {
    /// A follower commits what the leader has committed, compared or not.
    CommitUnverified { fn follower_commit(leader_commit: Index, _: Index) -> Index { leader_commit } }
}
mutant! {
    /// A new leader believes that everyone holds what it holds.
    AssumeMatched { fn matched_at_start(last: Position) -> Index { last.index } }
}
mutant! {
    /// One copy is enough.
    CountAnyCopy {
        fn replicated(members: &Members, matched: impl Fn(ServerId) -> Index) -> Index {
            members.ids().map(matched).max().unwrap_or_default()
        }
    }
}
mutant! {
    /// Figure 8 without its remedy: entries of earlier terms are committed by counting.
    CommitAnyTerm { fn may_commit(_: &Log, _: Index, _: Term) -> bool { true } }
}
mutant! {
    /// A leader answers reads before it has committed an entry of its term.
    ReadBeforeCommit {
        fn read_index(commit: Index, _: bool) -> Option<Index> { Some(commit) }
    }
}
mutant! {
    /// A leader confirms its rounds by itself.
    ReadUnconfirmed { fn is_confirmed(_: &Members, _: usize) -> bool { true } }
}
mutant! {
    /// Half of the members, rounded down, confirm a round.
    ReadByHalf {
        fn is_confirmed(members: &Members, answered: usize) -> bool { members.ids().len() / 2 <= answered }
    }
}
mutant! {
    /// A log is compacted up to wherever a snapshot is said to be, committed or not.
    CompactUncommitted { fn may_compact(_: Index, _: Index) -> bool { true } }
}
mutant! {
    /// A snapshot replaces the log whatever that holds.
    AlwaysRestore { fn must_restore(_: &Log, _: Position) -> bool { true } }
}
mutant! {
    /// A snapshot counts as held, whatever the log holds.
    NeverRestore { fn must_restore(_: &Log, _: Position) -> bool { false } }
}
mutant! {
    /// The term of an entry that was compacted, or is missing, reads as 0.
    UnknownTermIsZero {
        fn previous(log: &Log, next: Index) -> Option<Position> {
            let index = next.previous();
            Some(Position { index, term: log.term_at(index).unwrap_or_default() })
        }
        fn matches(log: &Log, previous: Position) -> bool {
            log.holds(previous) || log.term_at(previous.index).unwrap_or_default() == previous.term
        }
    }
}
mutant! {
    /// A leader sends what its log still holds, whether the follower can take it or not.
    NeverSendSnapshot {
        fn previous(log: &Log, next: Index) -> Option<Position> {
            Some(log.position_at(next.previous()).unwrap_or(log.base()))
        }
    }
}
mutant! {
    /// Who cannot read all of its log campaigns all the same.
    LeadUnread { fn may_campaign(_: Faulty) -> bool { true } }
}
mutant! {
    /// Votes are judged by what can be read of the log.
    VoteByWhatIsRead {
        fn last_for_votes(log: &Log, faulty: Faulty) -> Position {
            log.position_at(faulty.legible(log.last().index)).unwrap_or(log.base())
        }
    }
}
mutant! {
    /// Any entry of the same index takes the place of a faulty one.
    AnyEntryRepairs {
        fn is_held(log: &Log, faulty: Faulty, entry: Position) -> bool {
            log.holds(entry) || faulty.contains(entry.index)
        }
    }
}
mutant! {
    /// A follower acknowledges what it holds by name.
    AcknowledgeUnread { fn promised(_: Faulty, acknowledged: Index) -> Index { acknowledged } }
}
mutant! {
    /// A follower commits what it holds by name.
    ApplyUnread { fn applicable(_: Faulty, commit: Index) -> Index { commit } }
}
mutant! {
    /// A snapshot that the log holds the last entry of repairs nothing.
    NeverTakeOver { fn must_take_over(_: Faulty, _: Index) -> bool { false } }
}
mutant! {
    /// A request for a vote leaves before the log that it names is durable.
    AskWithUnsyncedLog {
        fn may_leave_early(envelope: &Envelope<Range>, _: bool) -> bool { Paper::may_leave_early(envelope, false) }
    }
}
mutant! {
    /// Who leads by the votes of others need not have its own on its disk.
    LeadWithoutOwnVote { fn has_own_vote(_: &ServerSet, _: ServerId) -> bool { true } }
}
mutant! {
    /// Votes leave before they are durable.
    VoteBeforeFlush {
        fn may_leave_early(envelope: &Envelope<Range>, _: bool) -> bool {
            let message = &envelope.message;
            matches!(message, Message::AppendRequest { .. } | Message::VoteRequest { .. } | Message::VoteReply { .. })
        }
    }
}
mutant! {
    /// A follower acknowledges entries before they are durable.
    AcknowledgeBeforeFlush {
        fn may_leave_early(envelope: &Envelope<Range>, _: bool) -> bool {
            let other = envelope.from != envelope.to;
            let message = &envelope.message;
            matches!(message, Message::AppendRequest { .. }) || other && matches!(message, Message::AppendReply { .. })
        }
    }
}
mutant! {
    /// A leader counts its own copy before it is durable.
    CountUnsyncedOwn {
        fn may_leave_early(envelope: &Envelope<Range>, _: bool) -> bool {
            let own = envelope.from == envelope.to;
            let message = &envelope.message;
            matches!(message, Message::AppendRequest { .. }) || own && matches!(message, Message::AppendReply { .. })
        }
    }
}
mutant! {
    /// Leadership is handed to a server that lacks entries.
    TransferEarly { fn may_transfer(_: Index, _: Index) -> bool { true } }
}
mutant! {
    /// Conflicting entries stay, and new ones are written behind them.
    NeverTruncate { fn must_truncate(_: &Log, _: Index, _: Option<Position>) -> bool { false } }
}
mutant! {
    /// The median is taken of values of which only neighbours were put in order.
    HalfSorted {
        fn replicated(members: &Members, matched: impl Fn(ServerId) -> Index) -> Index {
            let mut values: Vec<Index> = members.ids().map(matched).collect();
            for pair in values.chunks_mut(2) {
                pair.sort_unstable();
            }
            values[(values.len() - 1) / 2]
        }
    }
}

mutant! {
    /// A log counts as up-to-date only if neither its last term nor its last index is lower.
    CompareBoth {
        fn is_up_to_date(candidate: Position, ours: Position) -> bool {
            ours.term <= candidate.term && ours.index <= candidate.index
        }
    }
}
mutant! {
    /// A follower that has stored entries acknowledges having heard its leader, and nothing else.
    AcknowledgeNothing { fn acknowledged(_: Index, _: Index) -> Index { Index::ZERO } }
}
mutant! {
    /// Nothing is ever committed by counting.
    NeverCommit { fn may_commit(_: &Log, _: Index, _: Term) -> bool { false } }
}
#[cfg(test)]
mutant! {
    /// Who may have heard a leader refuses everyone, that leader included.
    RefuseOwnLeader {
        fn is_disturbance(sticky: bool, _: Option<ServerId>, _: ServerId, transfer: bool) -> bool { sticky && !transfer }
    }
}

// Bugs that no single rule holds, put around the deployed step.

/// Granting a pre-vote uses up the vote.
pub(crate) fn pre_vote_binds(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let asked = match &event {
        Event::Receive(letter) => match letter.message {
            Message::PreVoteRequest { last } => Some((letter.from, last)),
            _ => None,
        },
        _ => None,
    };
    step_by::<Paper, Tag>(node, event, effects);
    if let Some((from, last)) = asked {
        let message = Message::VoteRequest { last, transfer: false };
        let request = Envelope { from, to: node.id(), term: node.term(), message };
        step_by::<Paper, Tag>(node, Event::Receive(request), effects);
    }
}

/// A pre-vote is answered in the answering server's own term, older or not, and what the answer to one
/// says of newer terms is ignored.
pub(crate) fn pre_votes_teach_no_term(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let event = match event {
        Event::Receive(letter) if node.term() < letter.term => match letter.message {
            Message::PreVoteRequest { .. } => Event::Receive(Envelope { term: node.term(), ..letter }),
            Message::PreVoteReply { .. } | Message::Stale => return,
            _ => Event::Receive(letter),
        },
        other => other,
    };
    step_by::<Paper, Tag>(node, event, effects);
}

/// A pre-candidate still counts as having a leader: it looks at no pre-vote of others.
pub(crate) fn sticky_pre_candidate(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    if !(matches!(node.role(), Role::PreCandidate { .. }) && asks_for_pre_vote(&event)) {
        step_by::<Paper, Tag>(node, event, effects);
    }
}

/// A candidate looks at no pre-vote of its own term.
#[cfg(test)]
pub(crate) fn deaf_candidate(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let same_term = matches!(&event, Event::Receive(letter) if letter.term == node.term());
    if !(same_term && matches!(node.role(), Role::Candidate { .. }) && asks_for_pre_vote(&event)) {
        step_by::<Paper, Tag>(node, event, effects);
    }
}

fn asks_for_pre_vote(event: &Event<Tag>) -> bool {
    matches!(event, Event::Receive(letter) if matches!(letter.message, Message::PreVoteRequest { .. }))
}

/// A leader takes one more command in a term that it just learned of, and only then steps down.
pub(crate) fn append_in_learned_term(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let newer = |event: &Event<Tag>| matches!(event, Event::Receive(letter) if node.term() < letter.term);
    let deposed = matches!(node.role(), Role::Leader { .. }) && newer(&event);
    if !deposed {
        return step_by::<Paper, Tag>(node, event, effects);
    }
    step_by::<LeadOnInNewerTerm, Tag>(node, event, effects);
    step_by::<LeadOnInNewerTerm, Tag>(node, Event::Propose(Tag(ServerId::new(0))), effects);
    step_by::<LeadOnInNewerTerm, Tag>(node, Event::StepDown, effects);
}

/// A sitting leader campaigns when an election is triggered.
pub(crate) fn leader_campaigns(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    if event == Event::ElectionTimeout && matches!(node.role(), Role::Leader { .. }) {
        *node = with_role(node, Role::Follower { leader: None, sticky: false });
    }
    step_by::<Paper, Tag>(node, event, effects);
}

/// A refusal counts as an acknowledgement.
pub(crate) fn refusal_acknowledges(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let event = match event {
        Event::Receive(Envelope { from, to, term, message: Message::AppendRefusal { missing, .. } }) => {
            Event::Receive(Envelope {
                from,
                to,
                term,
                message: Message::AppendReply { matched: missing, round: Round::ZERO },
            })
        }
        other => other,
    };
    step_by::<Paper, Tag>(node, event, effects);
}

/// An acknowledgement of an earlier term counts as if it were given in this one.
pub(crate) fn stale_acknowledgement(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let event = match event {
        Event::Receive(letter)
            if matches!(letter.message, Message::AppendReply { .. }) && letter.term < node.term() =>
        {
            Event::Receive(Envelope { term: node.term(), ..letter })
        }
        other => other,
    };
    step_by::<Paper, Tag>(node, event, effects);
}

/// A follower takes over its leader's commit index, also when it is lower than its own.
pub(crate) fn commit_goes_back(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let told = match &event {
        Event::Receive(letter) => match letter.message {
            Message::AppendRequest { commit, .. } if node.term() <= letter.term => Some(commit),
            _ => None,
        },
        _ => None,
    };
    step_by::<Paper, Tag>(node, event, effects);
    if let Some(commit) = told
        && commit < node.commit()
    {
        *node = Node::assume(node.id(), *node.members(), node.durable().clone(), commit, node.role().clone());
    }
}

/// A late refusal takes back what was acknowledged.
pub(crate) fn refusal_takes_back(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let refused = match &event {
        Event::Receive(letter) => match letter.message {
            Message::AppendRefusal { missing, .. } => Some((letter.from, missing)),
            _ => None,
        },
        _ => None,
    };
    step_by::<Paper, Tag>(node, event, effects);
    let (Some((from, missing)), Role::Leader { progress, heard, transfer, .. }) = (refused, node.role().clone()) else {
        return;
    };
    let mut progress = progress;
    if let Some(follower) = progress.get_mut(from) {
        *follower = Progress { matched: follower.matched.min(missing.previous()), ..*follower };
    }
    *node = with_role(node, Role::Leader { progress, heard, transfer, confirmed: Round::ZERO, round: Round::ZERO });
}

/// A leader keeps its lease while it transfers its leadership: its service is not told that it is over.
pub(crate) fn lease_in_transfer(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let is_target = |target: ServerId| node.peers().any(|peer| peer == target);
    if let (&Event::Transfer(target), Role::Leader { progress, heard, round, confirmed, .. }) = (&event, node.role())
        && is_target(target)
    {
        let (progress, heard, round, confirmed) = (*progress, *heard, *round, *confirmed);
        let role = Role::Leader { progress, heard, transfer: Some(target), round, confirmed };
        *node = with_role(node, role);
    }
    step_by::<Paper, Tag>(node, event, effects);
}

/// A follower that rejects a heartbeat, since it is in a newer term, counts as having answered it.
pub(crate) fn rejection_is_contact(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let event = match (event, node.round()) {
        (Event::Receive(letter), Some(round)) if letter.message == Message::Stale && node.term() < letter.term => {
            let message = Message::AppendReply { matched: Index::ZERO, round };
            Event::Receive(Envelope { term: node.term(), message, ..letter })
        }
        (other, _) => other,
    };
    step_by::<Paper, Tag>(node, event, effects);
}

/// A follower that learns of a newer term no longer sticks to its leader, be it by a request for its vote.
pub(crate) fn newer_term_ends_stickiness(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let is_newer = matches!(&event, Event::Receive(letter) if node.term() < letter.term);
    if is_newer && matches!(node.role(), Role::Follower { .. }) {
        *node = with_role(node, Role::Follower { leader: None, sticky: false });
    }
    step_by::<Paper, Tag>(node, event, effects);
}

/// An answer to what a leader sent before counts for what it has sent since.
pub(crate) fn earlier_round_counts(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let event = match (event, node.round()) {
        (Event::Receive(letter), Some(round)) if letter.term == node.term() => match letter.message {
            Message::AppendReply { matched, .. } => {
                Event::Receive(Envelope { message: Message::AppendReply { matched, round }, ..letter })
            }
            _ => Event::Receive(letter),
        },
        (other, _) => other,
    };
    step_by::<Paper, Tag>(node, event, effects);
}

/// What is for another server is taken for its own.
pub(crate) fn take_letters_of_others(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let event = match event {
        Event::Receive(letter) => Event::Receive(Envelope { to: node.id(), ..letter }),
        other => other,
    };
    step_by::<Paper, Tag>(node, event, effects);
}

/// A leader sends entries when it has some, and otherwise nothing.
pub(crate) fn silent_leader(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    if !(event == Event::HeartbeatTimeout && matches!(node.role(), Role::Leader { .. })) {
        step_by::<Paper, Tag>(node, event, effects);
    }
}

/// A leader that has something to write sends no heartbeats meanwhile.
pub(crate) fn silent_while_writing(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    if event != Event::HeartbeatTimeout || effects.records().is_empty() {
        step_by::<Paper, Tag>(node, event, effects);
    }
}

/// Whatever a follower hears of a newer term puts its own election off, as if a leader were there.
pub(crate) fn wait_for_every_term(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let is_newer = matches!(&event, Event::Receive(letter) if node.term() < letter.term);
    if is_newer && matches!(node.role(), Role::Follower { .. }) {
        *node = with_role(node, Role::PreCandidate { votes: ServerSet::default() });
    }
    step_by::<Paper, Tag>(node, event, effects);
}

/// The snapshot that arrives, if the server has to take notice of it.
fn arriving(node: &Node, event: &Event<Tag>) -> Option<Position> {
    let Event::Receive(Envelope { term, message: Message::InstallSnapshot { last, .. }, .. }) = event else {
        return None;
    };
    (node.term() <= *term).then_some(*last)
}

/// A snapshot takes with it what follows its last entry in the log, which it has acknowledged.
pub(crate) fn snapshot_forgets_suffix(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    match arriving(node, &event).filter(|last| node.commit() < last.index) {
        Some(_) => step_by::<AlwaysRestore, Tag>(node, event, effects),
        None => step_by::<Paper, Tag>(node, event, effects),
    }
}

/// A snapshot replaces the log, and the commit index stays where it was.
pub(crate) fn snapshot_commits_nothing(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let before = arriving(node, &event).map(|_| node.commit());
    step_by::<Paper, Tag>(node, event, effects);
    if let Some(commit) = before {
        *node = with_commit(node, commit);
    }
}

/// An older snapshot than what is committed replaces the log.
pub(crate) fn older_snapshot_replaces(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    match arriving(node, &event).filter(|last| node.log().base().index < last.index && last.index <= node.commit()) {
        Some(last) => {
            *node = with_commit(node, last.index.previous());
            step_by::<AlwaysRestore, Tag>(node, event, effects);
        }
        None => step_by::<Paper, Tag>(node, event, effects),
    }
}

/// Who sends a snapshot in an older term is not told of the newer one.
pub(crate) fn stale_snapshot_unanswered(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let is_stale = matches!(&event, Event::Receive(letter)
        if letter.term < node.term() && matches!(letter.message, Message::InstallSnapshot { .. }));
    if !is_stale {
        step_by::<Paper, Tag>(node, event, effects);
    }
}

/// A leader does not compact its log while it leads.
pub(crate) fn leader_keeps_all(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    if !(matches!(event, Event::Snapshotted(_)) && matches!(node.role(), Role::Leader { .. })) {
        step_by::<Paper, Tag>(node, event, effects);
    }
}

fn with_commit(node: &Node, commit: Index) -> Node {
    Node::assume(node.id(), *node.members(), node.durable().clone(), commit, node.role().clone())
}

fn with_role(node: &Node, role: Role) -> Node {
    Node::assume(node.id(), *node.members(), node.durable().clone(), node.commit(), role)
}
