//! The class: every server and every event that the invariant allows beside a history, whether a run
//! leads there or not.

use rafttree_model::{
    Durable, Envelope, Event, Index, Members, Message, Node, Progress, Record, Role, Round, ServerId, ServerMap,
    ServerSet, Slice, Term,
};

use crate::inductive::conjuncts::{
    Cause, Conjunct, Conjuncts, compacts_committed, is_of_its_time, keeps, leader_has_history, progress_is_sound,
    votes_for_itself,
};
use crate::inductive::history::{History, Terms};
use crate::world::{Place, Tag};

/// The server that takes the steps.
pub(crate) const ITSELF: ServerId = ServerId::new(1);
/// Another one: who it hears, follows, votes for.
pub(crate) const OTHER: ServerId = ServerId::new(2);
/// A third one.
pub(crate) const THIRD: ServerId = ServerId::new(3);

/// A part of the invariant that is not assumed, to see what would come of that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Assumption {
    /// OV.
    OwnVote,
    /// S1.
    LogsOfLeaders,
    /// S2.
    LeaderHasHistory,
    /// S3.
    OlderThanItsTerm,
    /// CM.
    CommitIsCommitted,
    /// LC: what a majority acknowledged is in the logs of all later leaders.
    LeaderCompleteness,
    /// A1.
    PartOfLeadersLog,
    /// AR.
    AcknowledgedIsHeld,
    /// E6.
    OneLeader,
    /// M0.
    TermOnDisk,
    /// VR.
    AsksWithItsLog,
    /// CC.
    CompactedIsCommitted,
    /// IS.
    SnapshotIsCommitted,
}

impl Assumption {
    pub(crate) const ALL: [Assumption; 13] = [
        Assumption::OwnVote,
        Assumption::LogsOfLeaders,
        Assumption::LeaderHasHistory,
        Assumption::OlderThanItsTerm,
        Assumption::CommitIsCommitted,
        Assumption::LeaderCompleteness,
        Assumption::PartOfLeadersLog,
        Assumption::AcknowledgedIsHeld,
        Assumption::OneLeader,
        Assumption::TermOnDisk,
        Assumption::AsksWithItsLog,
        Assumption::CompactedIsCommitted,
        Assumption::SnapshotIsCommitted,
    ];

    /// Whether only the argument needs it, which speaks of several servers, and no step of one.
    pub(crate) fn is_for_argument(self) -> bool {
        matches!(self, Assumption::AcknowledgedIsHeld | Assumption::TermOnDisk | Assumption::AsksWithItsLog)
    }

    pub(crate) fn id(self) -> &'static str {
        match self {
            Assumption::OwnVote => "OV",
            Assumption::LogsOfLeaders => "S1",
            Assumption::LeaderHasHistory => "S2",
            Assumption::OlderThanItsTerm => "S3",
            Assumption::CommitIsCommitted => "CM",
            Assumption::LeaderCompleteness => "LC",
            Assumption::PartOfLeadersLog => "A1",
            Assumption::AcknowledgedIsHeld => "AR",
            Assumption::OneLeader => "E6",
            Assumption::TermOnDisk => "M0",
            Assumption::AsksWithItsLog => "VR",
            Assumption::CompactedIsCommitted => "CC",
            Assumption::SnapshotIsCommitted => "IS",
        }
    }
}

/// What is in the class beside one history.
pub(crate) struct Class<'a> {
    pub(crate) history: &'a History,
    pub(crate) committable: Vec<Place>,
    pub(crate) terms: u8,
    pub(crate) entries: u8,
    dropped: Option<Assumption>,
}

impl<'a> Class<'a> {
    pub(crate) fn new(history: &'a History, terms: u8, entries: u8) -> Class<'a> {
        Class { history, committable: history.committable(), terms, entries, dropped: None }
    }

    /// The wider class that the invariant without this assumption would allow.
    pub(crate) fn without(self, dropped: Assumption) -> Class<'a> {
        let committable = if dropped == Assumption::LeaderCompleteness {
            self.history.leaders().flat_map(|(term, log)| log.own(term)).collect()
        } else {
            self.committable
        };
        Class { committable, dropped: Some(dropped), ..self }
    }

    pub(crate) fn assumes(&self, assumption: Assumption) -> bool {
        self.dropped != Some(assumption)
    }

    /// What of the invariant this server breaks, its terms and logs being any.
    pub(crate) fn broken_by(&self, node: &Node, log: &Terms) -> Conjuncts {
        let term = node.term().number() as u8;
        let commit = node.commit().number() as u8;
        let is_committed = commit <= log.len() && self.history.is_committed(&self.committable, log, commit, term);
        [
            (votes_for_itself(node), Conjunct::VotesForItself),
            (self.history.allows(log), Conjunct::PartOfLeaders),
            (leader_has_history(self.history, node, log), Conjunct::LeaderHasHistory),
            (is_of_its_time(node, log), Conjunct::TermsOfEntries),
            (progress_is_sound(node), Conjunct::MatchedWasTold),
            (is_committed, Conjunct::CommitIsCommitted),
            (compacts_committed(node) && keeps(node.durable(), log), Conjunct::CompactedIsCommitted),
        ]
        .into_iter()
        .filter_map(|(holds, conjunct)| (!holds).then_some(conjunct))
        .collect()
    }

    /// Every server: of three, each with the terms, votes, logs, commit indices and roles that may be.
    pub(crate) fn servers(&self, members: Members) -> Vec<(Node, Terms)> {
        let mut all = Vec::new();
        for term in 0..=self.terms {
            let newest = if self.assumes(Assumption::LogsOfLeaders) { term } else { self.terms };
            for log in self.history.logs(newest) {
                for vote in [None, Some(ITSELF), Some(OTHER)] {
                    for commit in (0..=log.len()).filter(|&commit| self.may_be_committed(&log, commit, term)) {
                        let durable = Durable::assume(Term::new(term.into()), vote, log.log());
                        let commit = Index::new(commit.into());
                        let node = |role| Node::assume(ITSELF, members, durable.clone(), commit, role);
                        all.extend(self.roles(term, vote, &log).into_iter().map(|role| (node(role), log)));
                    }
                }
            }
        }
        all
    }

    /// The same server with every part of its log compacted that may be (CC).
    pub(crate) fn compacted(&self, node: &Node, log: &Terms) -> impl Iterator<Item = Node> + use<> {
        let committed = node.commit().number();
        let most = if self.assumes(Assumption::CompactedIsCommitted) { committed } else { log.len().into() };
        let node = node.clone();
        (1..=most).map(move |through| {
            let mut durable = node.durable().clone();
            durable.apply(&Record::<Tag>::Compact { through: Index::new(through) });
            Node::assume(node.id(), *node.members(), durable, node.commit(), node.role().clone())
        })
    }

    pub(crate) fn may_be_committed(&self, log: &Terms, index: u8, term: u8) -> bool {
        !self.assumes(Assumption::CommitIsCommitted) || self.history.is_committed(&self.committable, log, index, term)
    }

    fn roles(&self, term: u8, vote: Option<ServerId>, log: &Terms) -> Vec<Role> {
        let mut roles = Vec::new();
        for leader in [None, Some(OTHER), Some(THIRD)] {
            roles.extend([false, true].map(|sticky| Role::Follower { leader, sticky }));
        }
        let few = [&[][..], &[ITSELF], &[OTHER], &[THIRD]].map(|ids| ids.iter().copied().collect::<ServerSet>());
        roles.extend(few.map(|votes| Role::PreCandidate { votes }));
        if vote != Some(ITSELF) && self.assumes(Assumption::OwnVote) {
            return roles;
        }
        if log.last().term < term || !self.assumes(Assumption::OlderThanItsTerm) {
            for votes in few {
                roles.extend([false, true].map(|transfer| Role::Candidate { votes, transfer }));
            }
        }
        let has_history = self.history.leader(term) == Some(*log);
        if has_history || !self.assumes(Assumption::LeaderHasHistory) && log.last().term == term {
            roles.extend(leaders(log.len()));
        }
        roles
    }

    /// Every event that the invariant allows, from every sender, in every term.
    pub(crate) fn events(&self, members: Members) -> Vec<Cause> {
        let stranger = ServerId::new(members.ids().len() as u32 + 1);
        let mut all: Vec<Event<Tag>> = vec![
            Event::ElectionTimeout,
            Event::HeartbeatTimeout,
            Event::MinimumTimeout,
            Event::Propose(Tag(ServerId::new(0))),
            Event::StepDown,
        ];
        all.extend(members.ids().map(Event::Transfer));
        for term in 0..=self.terms + 1 {
            let receive =
                |from, to| move |message| Event::Receive(Envelope { from, to, term: Term::new(term.into()), message });
            for from in members.ids().chain([stranger]) {
                all.extend(self.messages(from, term).into_iter().map(receive(from, ITSELF)));
            }
            // What is meant for another server may arrive as well.
            all.extend(self.messages(THIRD, term).into_iter().map(receive(OTHER, THIRD)));
        }
        let all = all.into_iter().map(Cause::Event);
        [Cause::Restart].into_iter().chain(all).collect()
    }

    /// Every event that has to do with snapshots of up to so many entries: one is durable, or arrives.
    pub(crate) fn events_of_snapshots(&self, members: Members, most: u8) -> Vec<Cause> {
        let stranger = ServerId::new(members.ids().len() as u32 + 1);
        let mut all: Vec<Event<Tag>> =
            (0..=most + 1).map(|through| Event::Snapshotted(Index::new(through.into()))).collect();
        for term in 0..=self.terms + 1 {
            for (from, to) in [(OTHER, ITSELF), (stranger, ITSELF), (OTHER, THIRD)] {
                let receive = |message| Event::Receive(Envelope { from, to, term: Term::new(term.into()), message });
                all.extend(self.snapshots(term).map(receive));
            }
        }
        all.into_iter().map(Cause::Event).collect()
    }

    /// IS: a snapshot of everything that the leader of this term may know to be committed.
    pub(crate) fn snapshots(&self, term: u8) -> impl Iterator<Item = Message<Slice<Tag>>> {
        let log = self.history.leader(term).unwrap_or_default();
        let is_any = !self.assumes(Assumption::SnapshotIsCommitted);
        let ends = log.places().filter(move |last| is_any || self.may_be_committed(&log, last.index, term));
        let ends: Vec<Place> = ends.collect();
        ends.into_iter().map(|last| Message::InstallSnapshot { last: last.position(), round: Round::ZERO })
    }

    pub(crate) fn messages(&self, from: ServerId, term: u8) -> Vec<Message<Slice<Tag>>> {
        let mut all = vec![Message::Stale];
        for granted in [false, true] {
            all.extend([Message::PreVoteReply { granted }, Message::VoteReply { granted }]);
        }
        let leader = self.history.leader(term);
        let held =
            if self.assumes(Assumption::AcknowledgedIsHeld) { leader.map_or(0, |log| log.len()) } else { self.entries };
        all.extend(
            (0..=held).map(|matched| Message::AppendReply { matched: Index::new(matched.into()), round: Round::ZERO }),
        );
        if from == ITSELF {
            return all;
        }
        all.push(Message::TimeoutNow);
        all.extend(self.places().map(|last| Message::PreVoteRequest { last: last.position() }));
        let newest = if self.assumes(Assumption::AsksWithItsLog) { term.saturating_sub(1) } else { self.terms };
        let mut lasts: Vec<Place> = self.history.logs(newest).iter().map(Terms::last).collect();
        lasts.sort_unstable();
        lasts.dedup();
        for last in lasts.into_iter().map(Place::position) {
            all.extend([false, true].map(|transfer| Message::VoteRequest { last, transfer }));
        }
        if from != OTHER {
            return all;
        }
        for missing in (0..=self.entries + 1).map(|missing| Index::new(missing.into())) {
            all.extend(self.places().map(|hint| Message::AppendRefusal {
                missing,
                hint: hint.position(),
                round: Round::ZERO,
            }));
        }
        if let Some(log) = leader {
            all.extend(self.requests(term, log));
        }
        all
    }

    /// A1: every part of the leader's log, with every commit index.
    pub(crate) fn requests(&self, term: u8, log: Terms) -> Vec<Message<Slice<Tag>>> {
        let is_true = self.assumes(Assumption::PartOfLeadersLog) || self.entries <= log.len();
        let log = if is_true { log } else { log.and(term) };
        let commits = (0..=log.len()).filter(|&commit| self.may_be_committed(&log, commit, term));
        let commits: Vec<Index> = commits.map(|commit| Index::new(commit.into())).collect();
        let mut all = Vec::new();
        for previous in 0..=log.len() {
            for last in previous..=log.len() {
                let entries = log.slice(previous, last);
                let request =
                    |&commit: &Index| Message::AppendRequest { entries: entries.clone(), commit, round: Round::ZERO };
                all.extend(commits.iter().map(request));
            }
        }
        all
    }

    /// Every place that a log could end at.
    fn places(&self) -> impl Iterator<Item = Place> {
        let entries = self.entries;
        let behind = (1..=self.terms).flat_map(move |term| (1..=entries).map(move |index| Place { term, index }));
        [Place::START].into_iter().chain(behind)
    }

    /// Whether this event may happen to this server: what a server says to itself is so, and who leads
    /// is the only leader of its term (E6).
    pub(crate) fn allows(&self, node: &Node, log: &Terms, cause: &Cause) -> bool {
        let Cause::Event(Event::Receive(letter)) = cause else { return true };
        let same_term = letter.term == node.term();
        if letter.from == node.id() {
            if node.term() < letter.term {
                return !self.assumes(Assumption::TermOnDisk);
            }
            return !same_term
                || match letter.message {
                    Message::VoteReply { granted: true } => node.vote() == Some(node.id()),
                    Message::AppendReply { matched, .. } => {
                        matched.number() <= u64::from(log.len()) || !self.assumes(Assumption::AcknowledgedIsHeld)
                    }
                    _ => true,
                };
        }
        let is_second = same_term
            && matches!(node.role(), Role::Leader { .. })
            && matches!(letter.message, Message::AppendRequest { .. } | Message::InstallSnapshot { .. });
        !is_second || !self.assumes(Assumption::OneLeader)
    }
}

/// Leaders of three: what one follower holds and is sent next is any, the other's is next to that.
fn leaders(last: u8) -> Vec<Role> {
    let progress = |matched: u8, next: u8| Progress {
        matched: Index::new(matched.into()),
        next: Index::new(next.into()),
        answered: Round::ZERO,
    };
    let mut all = Vec::new();
    for own in 0..=last {
        for matched in 0..=last {
            for next in matched + 1..=last + 1 {
                for third in 0..=last {
                    for third_next in if third == last { third + 1..=third + 1 } else { third + 1..=last + 1 } {
                        if third_next != third + 1 && third_next != last + 1 {
                            continue;
                        }
                        let progress: ServerMap<Progress> = [
                            (ITSELF, progress(own, last + 1)),
                            (OTHER, progress(matched, next)),
                            (THIRD, progress(third, third_next)),
                        ]
                        .into_iter()
                        .collect();
                        let heard = ServerSet::from_iter([ITSELF]);
                        let lead = |transfer| Role::Leader {
                            progress,
                            heard,
                            transfer,
                            confirmed: Round::ZERO,
                            round: Round::ZERO,
                        };
                        all.extend([lead(None), lead(Some(OTHER))]);
                    }
                }
            }
        }
    }
    all
}
