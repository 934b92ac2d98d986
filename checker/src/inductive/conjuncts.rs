//! The invariant: each conjunct speaks of one server, of what it writes and says, and of history;
//! none speaks of two servers. `docs/inductive.md` tells why they imply Figure 3.

use rafttree_model::{
    Durable, Envelope, Event, Index, Message, Node, Output, Payload, Position, Range, Record, Role, ServerId, Slice,
    Term,
};
use tinyvec::ArrayVec;

use crate::inductive::history::{History, Terms};
use crate::world::{Place, Tag};

/// A part of the invariant.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Conjunct {
    Totality,
    TermsRise,
    OneVote,
    VotesForWhoAsks,
    VotesSynced,
    VotesWereGiven,
    LedByMajority,
    CampaignsOnce,
    VotesForItself,
    TermOnDisk,
    Rooted,
    PartOfLeaders,
    LeaderHasHistory,
    TermsOfEntries,
    EntriesStay,
    VoteForNewest,
    SendsItsLog,
    AsksWithItsLog,
    AcknowledgesDisk,
    MatchedWasTold,
    CommitIsCommitted,
    CommitsByCounting,
    CompactedIsCommitted,
    SnapshotIsCommitted,
    Restarts,
}

/// Some of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Conjuncts(u32);

/// Something that happens to a server.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Cause {
    Event(Event<Tag>),
    /// It crashes and starts again from what its records add up to.
    Restart,
}

/// One step of one server, with history before and after.
pub(crate) struct Taken<'a> {
    pub(crate) before: &'a History,
    pub(crate) after: &'a History,
    /// What may be committed, before and after.
    pub(crate) committable: &'a [Place],
    pub(crate) node: &'a Node,
    pub(crate) log: Terms,
    pub(crate) cause: &'a Cause,
    pub(crate) became: &'a Node,
    pub(crate) records: &'a [Record<Tag>],
    /// The persistent state before the records and after each.
    pub(crate) disks: &'a [Disk],
    pub(crate) early: &'a [Output],
    pub(crate) late: &'a [Output],
    /// Whether it asks for votes at once also where something of an earlier step is not on the disk yet.
    pub(crate) asks_while_writing: bool,
}

/// The persistent state as judges read it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Disk {
    pub(crate) term: u8,
    pub(crate) vote: Option<ServerId>,
    /// The whole log, what was compacted included.
    pub(crate) log: Terms,
    /// How many entries of it were compacted.
    pub(crate) base: u8,
}

impl Conjunct {
    pub(crate) const ALL: [Conjunct; 25] = [
        Conjunct::Totality,
        Conjunct::TermsRise,
        Conjunct::OneVote,
        Conjunct::VotesForWhoAsks,
        Conjunct::VotesSynced,
        Conjunct::VotesWereGiven,
        Conjunct::LedByMajority,
        Conjunct::CampaignsOnce,
        Conjunct::VotesForItself,
        Conjunct::TermOnDisk,
        Conjunct::Rooted,
        Conjunct::PartOfLeaders,
        Conjunct::LeaderHasHistory,
        Conjunct::TermsOfEntries,
        Conjunct::EntriesStay,
        Conjunct::VoteForNewest,
        Conjunct::SendsItsLog,
        Conjunct::AsksWithItsLog,
        Conjunct::AcknowledgesDisk,
        Conjunct::MatchedWasTold,
        Conjunct::CommitIsCommitted,
        Conjunct::CommitsByCounting,
        Conjunct::CompactedIsCommitted,
        Conjunct::SnapshotIsCommitted,
        Conjunct::Restarts,
    ];

    /// Its short name, as in `docs/inductive.md`.
    pub(crate) fn id(self) -> &'static str {
        self.row().0
    }

    pub(crate) fn says(self) -> &'static str {
        self.row().1
    }

    /// A mutant, by its name in the catalogue, that breaks it.
    pub(crate) fn broken_by(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Conjunct::Totality => ("T", "no step panics", "never_truncate"),
            Conjunct::TermsRise => ("E2", "the term on disk only rises, record by record", "adopt_any_term"),
            Conjunct::OneVote => ("E1", "one vote a term, record by record", "vote_again"),
            Conjunct::VotesForWhoAsks => {
                ("E7", "a vote goes to the server itself, or to one that asks in this very term", "vote_out_of_nowhere")
            }
            Conjunct::VotesSynced => {
                ("E3", "a granted vote is told after the flush, and is the vote on disk", "vote_before_flush")
            }
            Conjunct::VotesWereGiven => (
                "E4",
                "a candidate counts votes of members that were granted to it in this term",
                "refused_vote_counts",
            ),
            Conjunct::LedByMajority => {
                ("E5", "who becomes leader has counted a majority, its own vote among it", "half_is_enough")
            }
            Conjunct::CampaignsOnce => {
                ("C1", "a server becomes a candidate only with a new term", "campaign_again_in_term")
            }
            Conjunct::VotesForItself => ("OV", "a candidate or leader voted for itself", "campaign_without_own_vote"),
            Conjunct::TermOnDisk => (
                "M0",
                "messages come from the server itself and name a term that is on its disk; a request for a vote may name the next one, of its own campaign",
                "everything_early",
            ),
            Conjunct::Rooted => (
                "G2",
                "a leader's log is an earlier one's, up to one of its own entries, then entries of its term",
                "lead_on_in_newer_term",
            ),
            Conjunct::PartOfLeaders => (
                "S1",
                "a log begins the log of the leader of its last term; its entries are that leader's",
                "match_index_only",
            ),
            Conjunct::LeaderHasHistory => {
                ("S2", "a leader's log is what history says; it only appends", "lead_on_in_newer_term")
            }
            Conjunct::TermsOfEntries => (
                "S3",
                "no entry has a later term than its server; a candidate's log is older than its term",
                "leader_campaigns_in_term",
            ),
            Conjunct::EntriesStay => (
                "P1",
                "an entry that was held in its own term, or is in the log, stays, unless a later leader lacks it",
                "truncate_always",
            ),
            Conjunct::VoteForNewest => (
                "P2",
                "a vote goes to a log that ends no earlier than any entry that was held in its own term, or a leader in between lacks that, while the term has no leader",
                "vote_for_any_log",
            ),
            Conjunct::SendsItsLog => {
                ("A1", "only a leader sends entries, and they are part of its log", "follower_sends")
            }
            Conjunct::AsksWithItsLog => (
                "VR",
                "only a candidate asks for votes, and names the end of its log, which is on its disk",
                "follower_asks",
            ),
            Conjunct::AcknowledgesDisk => {
                ("AR", "what is acknowledged is the leader's, and told after the flush", "acknowledge_whole_log")
            }
            Conjunct::MatchedWasTold => {
                ("MS", "a leader believes of a follower what was acknowledged in its term", "stale_acknowledgement")
            }
            Conjunct::CommitIsCommitted => (
                "CM",
                "a commit index never goes back, nor beyond what is committed; committed entries stay",
                "commit_unverified",
            ),
            Conjunct::CommitsByCounting => (
                "CM2",
                "a leader commits only an entry of its term that a majority has acknowledged",
                "commit_any_term",
            ),
            Conjunct::CompactedIsCommitted => {
                ("CC", "what is compacted is committed, on disk as in memory, record by record", "compact_uncommitted")
            }
            Conjunct::SnapshotIsCommitted => (
                "IS",
                "only a leader sends a snapshot, and it ends with an entry of its log that it knows to be committed",
                "snapshot_of_whole_log",
            ),
            Conjunct::Restarts => {
                ("R", "a restarted server is a follower that knows what is on its disk", "restart_trusts_log")
            }
        }
    }

    /// Whether it holds of this step.
    pub(crate) fn holds(self, it: &Taken) -> bool {
        match self {
            // A panic leaves no step to judge.
            Conjunct::Totality => it.disk_is_kept(),
            Conjunct::TermsRise => it.terms_rise(),
            Conjunct::OneVote => it.votes_once(),
            Conjunct::VotesForWhoAsks => it.votes_for_who_asks(),
            Conjunct::VotesSynced => it.votes_are_synced(),
            Conjunct::VotesWereGiven => it.counts_given_votes(),
            Conjunct::LedByMajority => it.is_led_by_majority(),
            Conjunct::CampaignsOnce => it.campaigns_once(),
            Conjunct::VotesForItself => votes_for_itself(it.became),
            Conjunct::TermOnDisk => it.terms_are_on_disk(),
            Conjunct::Rooted => it.after.is_rooted(it.term()),
            Conjunct::PartOfLeaders => it.disks_begin_leaders_logs() && it.stores_what_was_sent(),
            Conjunct::LeaderHasHistory => {
                leader_has_history(it.after, it.became, &it.became_log()) && it.only_appends()
            }
            Conjunct::TermsOfEntries => it.entries_are_of_their_time(),
            Conjunct::EntriesStay => it.entries_stay(),
            Conjunct::VoteForNewest => it.votes_for_newest(),
            Conjunct::SendsItsLog => it.sends_its_log(),
            Conjunct::AsksWithItsLog => it.asks_with_its_log(),
            Conjunct::AcknowledgesDisk => it.acknowledges_its_disk(),
            Conjunct::MatchedWasTold => progress_is_sound(it.became) && it.believes_what_was_told(),
            Conjunct::CommitIsCommitted => it.commit_is_committed(),
            Conjunct::CommitsByCounting => it.commits_by_counting(),
            Conjunct::CompactedIsCommitted => compacts_committed(it.became) && it.disks_compact_committed(),
            Conjunct::SnapshotIsCommitted => it.sends_committed_snapshots(),
            Conjunct::Restarts => it.restarts_from_disk(),
        }
    }
}

// What holds of a server at any time.

/// OV.
pub(crate) fn votes_for_itself(node: &Node) -> bool {
    !matches!(node.role(), Role::Candidate { .. } | Role::Leader { .. }) || node.vote() == Some(node.id())
}

/// S2.
pub(crate) fn leader_has_history(history: &History, node: &Node, log: &Terms) -> bool {
    !leads(node) || history.leader(term_of(node)) == Some(*log)
}

/// S3.
pub(crate) fn is_of_its_time(node: &Node, log: &Terms) -> bool {
    let last = log.last().term;
    if let Role::Candidate { .. } = node.role() { last < term_of(node) } else { last <= term_of(node) }
}

/// MS: a leader keeps the progress of every member, within its log.
pub(crate) fn progress_is_sound(node: &Node) -> bool {
    let Role::Leader { progress, .. } = node.role() else { return true };
    let last = node.log().last().index;
    // Nothing is ever sent to itself, so its own next entry does not count.
    let is_sound = |id| {
        progress
            .get(id)
            .is_some_and(|it| it.matched <= last && (id == node.id() || it.matched < it.next && it.next <= last.next()))
    };
    node.members().ids().all(is_sound)
}

/// CC: a server knows what its log no longer holds to be committed.
pub(crate) fn compacts_committed(node: &Node) -> bool {
    node.log().base().index <= node.commit()
}

/// Whether this is the server's log, of which it holds what it has not compacted.
pub(crate) fn keeps(durable: &Durable, log: &Terms) -> bool {
    let kept = durable.log();
    let base = kept.base().index.number();
    let held = || log.places().skip(base as usize).map(Place::position);
    log.has(Place::of(kept.base())) && kept.positions().eq(held())
}

fn leads(node: &Node) -> bool {
    matches!(node.role(), Role::Leader { .. })
}

fn term_of(node: &Node) -> u8 {
    node.term().number() as u8
}

impl Taken<'_> {
    /// The server's term after the step.
    fn term(&self) -> u8 {
        term_of(self.became)
    }

    fn became_log(&self) -> Terms {
        self.disks.last().map_or(self.log, |disk| disk.log)
    }

    fn is_same_term(&self) -> bool {
        self.node.term() == self.became.term()
    }

    fn has_led(&self) -> bool {
        self.is_same_term() && leads(self.node)
    }

    fn me(&self) -> ServerId {
        self.node.id()
    }

    /// The message that arrived, if it was meant for this server and came from a member.
    fn letter(&self) -> Option<&Envelope<Slice<Tag>>> {
        let Cause::Event(Event::Receive(letter)) = self.cause else { return None };
        (letter.to == self.me() && self.node.members().contains(letter.from)).then_some(letter)
    }

    /// The same, if it is of the term in which the step ends.
    fn letter_of_term(&self) -> Option<&Envelope<Slice<Tag>>> {
        self.letter().filter(|letter| letter.term == self.became.term())
    }

    fn told_matched(&self) -> Option<(ServerId, Index)> {
        let letter = self.letter_of_term()?;
        if let Message::AppendReply { matched, .. } = letter.message { Some((letter.from, matched)) } else { None }
    }

    /// Each record with the state before and after it.
    fn written(&self) -> impl Iterator<Item = (&Disk, &Record<Tag>, &Disk)> {
        let states = self.disks.iter().zip(self.disks.iter().skip(1));
        self.records.iter().zip(states).map(|(record, (before, after))| (before, record, after))
    }

    fn sent(&self) -> impl Iterator<Item = (bool, &Envelope<Range>)> {
        let early = self.early.iter().map(|output| (true, output));
        let all = early.chain(self.late.iter().map(|output| (false, output)));
        all.filter_map(|(early, output)| if let Output::Send(sent) = output { Some((early, sent)) } else { None })
    }

    /// How many snapshots it has sent.
    pub(crate) fn snapshots(&self) -> u64 {
        self.sent().filter(|(_, sent)| matches!(sent.message, Message::InstallSnapshot { .. })).count() as u64
    }

    fn disk_is_kept(&self) -> bool {
        match self.disks.last() {
            Some(disk) => disk.is_kept(self.became.durable()),
            None => self.became.durable() == self.node.durable(),
        }
    }

    fn terms_rise(&self) -> bool {
        self.written().all(|(before, record, _)| match record {
            Record::Term(term) => before.term < term.number() as u8,
            _ => true,
        })
    }

    fn votes(&self) -> impl Iterator<Item = (&Disk, ServerId)> {
        self.written().filter_map(|(before, record, _)| match record {
            Record::Vote(candidate) => Some((before, *candidate)),
            _ => None,
        })
    }

    fn votes_once(&self) -> bool {
        self.votes().all(|(before, candidate)| before.vote.is_none_or(|vote| vote == candidate))
    }

    /// The end of the candidate's log, as it is asked with in this term.
    fn asked(&self, candidate: ServerId, on: &Disk) -> Option<Place> {
        if candidate == self.me() {
            return Some(on.log.last());
        }
        let letter = self.letter().filter(|it| it.from == candidate && it.term == Term::new(on.term.into()))?;
        if let Message::VoteRequest { last, .. } = letter.message { Some(Place::of(last)) } else { None }
    }

    fn votes_for_who_asks(&self) -> bool {
        self.votes().all(|(before, candidate)| self.asked(candidate, before).is_some())
    }

    fn votes_are_synced(&self) -> bool {
        self.sent().all(|(early, sent)| match sent.message {
            Message::VoteReply { granted: true } => {
                !early && sent.term == self.became.term() && self.became.vote() == Some(sent.to)
            }
            _ => true,
        })
    }

    /// Whether the member's vote of this term was counted before, or arrives now.
    fn was_given(&self, voter: ServerId) -> bool {
        let Role::Candidate { votes, .. } = self.node.role() else { return false };
        let arrives = self.letter_of_term().filter(|it| it.message == Message::VoteReply { granted: true });
        self.is_same_term() && (votes.contains(voter) || arrives.is_some_and(|it| it.from == voter))
    }

    fn counts_given_votes(&self) -> bool {
        let Role::Candidate { votes, .. } = self.became.role() else { return true };
        votes.ids().all(|voter| self.was_given(voter))
    }

    fn is_led_by_majority(&self) -> bool {
        !leads(self.became) || self.has_led() || self.has_majority() && self.was_given(self.me())
    }

    pub(crate) fn has_majority(&self) -> bool {
        let given = self.node.members().ids().filter(|&id| self.was_given(id)).count();
        self.node.members().ids().len() < 2 * given
    }

    fn campaigns_once(&self) -> bool {
        let campaigns = |node: &Node| matches!(node.role(), Role::Candidate { .. });
        !campaigns(self.became) || !self.is_same_term() || campaigns(self.node)
    }

    fn terms_are_on_disk(&self) -> bool {
        self.sent().all(|(early, sent)| {
            let asks = matches!(sent.message, Message::VoteRequest { .. });
            let newest = if early && !asks { self.node.term() } else { self.became.term() };
            sent.from == self.me() && sent.term <= newest && (!early || asks || is_of_log(&sent.message))
        })
    }

    fn disks_begin_leaders_logs(&self) -> bool {
        self.disks.iter().all(|disk| self.after.allows(&disk.log))
    }

    /// Entries that a server stores are those that were sent, and a leader's own are as it was told.
    fn stores_what_was_sent(&self) -> bool {
        let sent = self.letter().map(|letter| &letter.message);
        self.records.iter().all(|record| match (record, self.cause) {
            (Record::Append(entry), Cause::Event(Event::Propose(command))) => {
                leads(self.became) && entry.payload == Payload::Command(*command)
            }
            (Record::Append(entry), _) => match sent {
                Some(Message::AppendRequest { entries, .. }) => entries.entries().contains(entry),
                _ => leads(self.became) && entry.payload == Payload::Blank,
            },
            _ => true,
        })
    }

    fn only_appends(&self) -> bool {
        let log = self.became_log();
        if self.has_led() && leads(self.became) {
            log.starts_with(&self.log)
        } else {
            let is_first = || self.before.leader(self.term()).is_none();
            !leads(self.became) || log == self.log.and(self.term()) && is_first()
        }
    }

    fn entries_are_of_their_time(&self) -> bool {
        let campaigns = matches!(self.became.role(), Role::Candidate { .. });
        is_of_its_time(self.became, &self.became_log())
            && self.disks.iter().all(|disk| disk.log.last().term <= disk.term)
            && (!campaigns || self.became_log() == self.log)
    }

    /// The entries that may have been held in their own term (P1), at each record.
    fn held(&self) -> Held {
        let term = term_of(self.node);
        let leaders = self.before.leaders().filter(|(of, _)| *of <= term);
        let own = leaders.flat_map(|(of, log)| log.own(of));
        own.filter(|&entry| self.log.has(entry) || self.before.lacks(entry.term, term, entry)).collect()
    }

    fn entries_stay(&self) -> bool {
        if self.records.is_empty() {
            return true;
        }
        let mut held = self.held();
        let mut last = self.log;
        self.disks.iter().all(|disk| {
            let stays = |it: Place| disk.log.has(it) || self.after.lacks(it.term, disk.term, it);
            let stay = held.iter().copied().chain(last.places()).all(stays);
            hold_new(&mut held, disk);
            last = disk.log;
            stay
        })
    }

    fn votes_for_newest(&self) -> bool {
        if !self.records.iter().any(|record| matches!(record, Record::Vote(_))) {
            return true;
        }
        let mut held = self.held();
        self.written().all(|(before, record, _)| {
            hold_new(&mut held, before);
            let Record::Vote(candidate) = record else { return true };
            let Some(last) = self.asked(*candidate, before).filter(|_| self.before.leader(before.term).is_none())
            else {
                return true;
            };
            let may =
                |&it: &Place| before.term <= it.term || it <= last || self.before.lacks(it.term, before.term - 1, it);
            held.iter().all(may)
        })
    }

    fn sends_its_log(&self) -> bool {
        let log = self.became_log();
        self.sent().all(|(_, sent)| match sent.message {
            Message::AppendRequest { entries: Range { previous, last }, .. } => {
                let is_part = log.has(Place::of(previous)) && log.has(Place::of(last)) && previous.index <= last.index;
                is_part && leads(self.became) && sent.term == self.became.term() && sent.to != self.me()
            }
            _ => true,
        })
    }

    fn asks_with_its_log(&self) -> bool {
        let campaigns = matches!(self.became.role(), Role::Candidate { .. });
        !self.asks_while_writing
            && self.sent().all(|(early, sent)| match sent.message {
                Message::VoteRequest { last, .. } => {
                    let is_its_own = Place::of(last) == self.became_log().last();
                    // What is said at once must be true of the disk as it is.
                    let is_on_disk = !early || self.became_log() == self.log;
                    campaigns && is_on_disk && sent.term == self.became.term() && is_its_own
                }
                _ => true,
            })
    }

    fn acknowledges_its_disk(&self) -> bool {
        let leader = self.after.leader(self.term());
        let log = self.became_log();
        self.sent().all(|(early, sent)| match sent.message {
            Message::AppendReply { matched, .. } => {
                let matched = matched.number() as u8;
                let agrees = matched == 0 || leader.is_some_and(|leader| log.agrees(&leader, matched));
                !early && sent.term == self.became.term() && agrees
            }
            _ => true,
        })
    }

    fn matched_before(&self, id: ServerId) -> Index {
        let Role::Leader { progress, .. } = self.node.role() else { return Index::default() };
        progress.get(id).filter(|_| self.is_same_term()).map_or(Index::default(), |it| it.matched)
    }

    /// What was acknowledged to this leader in its term, this message included.
    fn acknowledged(&self, id: ServerId) -> Index {
        let told = self.told_matched().filter(|(from, _)| *from == id).map_or(Index::default(), |(_, matched)| matched);
        self.matched_before(id).max(told)
    }

    fn believes_what_was_told(&self) -> bool {
        let Role::Leader { progress, .. } = self.became.role() else { return true };
        progress.iter().all(|(id, it)| it.matched <= self.acknowledged(id))
    }

    fn commit_is_committed(&self) -> bool {
        let (before, after) = (self.node.commit().number() as u8, self.became.commit().number() as u8);
        let log = self.became_log();
        let known = self.log.first(before);
        let stay = self.disks.iter().all(|disk| disk.log.starts_with(&known));
        let forward = before <= after || *self.cause == Cause::Restart;
        let is_so = self.after.is_committed(self.committable, &log, after, self.term());
        stay && forward
            && after <= log.len()
            && (leads(self.became) || is_so && self.was_told_commit(after))
            && self.tells_commit()
    }

    /// A follower commits what its leader has committed, as far as their logs were compared.
    fn was_told_commit(&self, after: u8) -> bool {
        if self.became.commit() <= self.node.commit() {
            return true;
        }
        let told = match self.letter_of_term().map(|letter| &letter.message) {
            Some(Message::AppendRequest { commit, .. }) => *commit,
            Some(Message::InstallSnapshot { last, .. }) => last.index,
            _ => return false,
        };
        let leader = self.after.leader(self.term());
        self.became.commit() <= told && leader.is_some_and(|it| self.became_log().agrees(&it, after))
    }

    /// What others and the service are told is committed.
    fn tells_commit(&self) -> bool {
        let tells = |output: &Output| match output {
            Output::Committed(index) => *index == self.became.commit(),
            Output::Restored(last) => last.index == self.became.commit() && *last == self.became.log().base(),
            Output::Send(Envelope { message: Message::AppendRequest { commit, .. }, .. }) => {
                *commit <= self.became.commit()
            }
            _ => true,
        };
        self.early.iter().chain(self.late).all(tells)
    }

    fn commits_by_counting(&self) -> bool {
        let commit = self.became.commit();
        if !leads(self.became) || commit <= self.node.commit() {
            return true;
        }
        let holds = self.node.members().ids().filter(|&id| commit <= self.acknowledged(id)).count();
        let of_term = self.became_log().at(commit.number() as u8) == self.term();
        self.has_led() && of_term && self.node.members().ids().len() < 2 * holds
    }

    fn disks_compact_committed(&self) -> bool {
        self.disks.iter().all(|disk| {
            disk.base <= disk.log.len() && self.after.is_committed(self.committable, &disk.log, disk.base, disk.term)
        })
    }

    fn sends_committed_snapshots(&self) -> bool {
        let log = self.became_log();
        self.sent().all(|(_, sent)| match sent.message {
            Message::InstallSnapshot { last, .. } => {
                let is_committed = Index::ZERO < last.index && last.index <= self.became.commit();
                let is_leaders = leads(self.became) && sent.term == self.became.term() && sent.to != self.me();
                is_leaders && is_committed && log.has(Place::of(last))
            }
            _ => true,
        })
    }

    fn restarts_from_disk(&self) -> bool {
        if *self.cause != Cause::Restart {
            return true;
        }
        let is_follower = matches!(self.became.role(), Role::Follower { leader: None, .. });
        // A snapshot is of what is committed.
        let snapshot = self.node.log().base().index;
        let knows = self.became.commit() == snapshot && self.became.durable() == self.node.durable();
        is_follower && knows
    }
}

/// Entries that were held in their own term.
type Held = ArrayVec<[Place; 64]>;

/// The entries of the disk's own term are held from now on.
fn hold_new(held: &mut Held, disk: &Disk) {
    disk.log.own(disk.term).for_each(|entry| {
        if !held.contains(&entry) {
            held.push(entry);
        }
    });
}

/// Entries and snapshots promise nothing.
fn is_of_log<E>(message: &Message<E>) -> bool {
    matches!(message, Message::AppendRequest { .. } | Message::InstallSnapshot { .. })
}

impl Disk {
    /// The server's, whose whole log is this one.
    pub(crate) fn of(durable: &Durable, log: Terms) -> Disk {
        let base = durable.log().base().index.number() as u8;
        Disk { term: durable.term().number() as u8, vote: durable.vote(), log, base }
    }

    /// Whether this is what the server remembers.
    fn is_kept(&self, durable: &Durable) -> bool {
        *self == Disk::of(durable, self.log) && keeps(durable, &self.log)
    }

    /// What a record makes of it; the judge's own reading, not the model's. A snapshot stands for the
    /// beginning of the log of the leader who sent it. None, if the record has no place there.
    pub(crate) fn with(mut self, record: &Record<Tag>, leaders: Option<&Terms>) -> Option<Disk> {
        match record {
            Record::Term(term) => {
                (self.term, self.vote) = (term.number() as u8, None);
            }
            Record::Vote(candidate) => self.vote = Some(*candidate),
            Record::Truncate { keep } => self.log = self.log.first(keep.number() as u8),
            Record::Append(entry) => {
                let Position { term, index } = entry.position;
                if index.number() != u64::from(self.log.len()) + 1 {
                    return None;
                }
                self.log = self.log.and(term.number() as u8);
            }
            Record::Compact { through } => {
                self.base = (through.number() as u8).max(self.base);
            }
            Record::Restore { last } => {
                let last = Place::of(*last);
                self.log = leaders.filter(|log| log.has(last))?.first(last.index);
                self.base = last.index;
            }
            Record::Repair(_) => return None,
        }
        Some(self)
    }
}

impl Conjuncts {
    pub(crate) fn insert(&mut self, conjunct: Conjunct) {
        self.0 |= 1 << conjunct as u32;
    }

    pub(crate) fn contains(self, conjunct: Conjunct) -> bool {
        self.0 >> conjunct as u32 & 1 != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const ALL: Conjuncts = Conjuncts(u32::MAX);

    /// Whether they have one in common.
    pub(crate) fn meets(self, other: Conjuncts) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Conjunct> {
        Conjunct::ALL.into_iter().filter(move |conjunct| self.contains(*conjunct))
    }
}

impl FromIterator<Conjunct> for Conjuncts {
    fn from_iter<I: IntoIterator<Item = Conjunct>>(all: I) -> Conjuncts {
        let mut set = Conjuncts::default();
        all.into_iter().for_each(|conjunct| set.insert(conjunct));
        set
    }
}
