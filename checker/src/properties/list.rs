//! What has to hold, by name: Figure 3 and what it rests on. The checks themselves are in `checks`.

/// What is said of one property.
struct Row {
    id: &'static str,
    name: &'static str,
    source: &'static str,
    statement: &'static str,
}

/// Defines the properties, one in a row: its short name and its name, where it comes from, and what it says.
macro_rules! properties {
    ($($id:ident $name:ident, $source:literal: $statement:literal;)*) => {
        /// A property that every run must have.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub(crate) enum Property {
            $($name),*
        }

        /// In the order of the variants, so that each finds its own by its number.
        const ROWS: &[Row] = &[$(Row {
            id: stringify!($id),
            name: concat!(stringify!($id), " ", stringify!($name)),
            source: $source,
            statement: $statement,
        }),*];

        impl Property {
            pub(crate) const ALL: [Property; ROWS.len()] = [$(Property::$name),*];
        }
    };
}

properties! {
    C1 ElectionSafety, "§5.2, Figure 3":
        "at most one leader in a term, ever, whether or not it still leads";
    C2 VoteOnce, "§5.2":
        "a server votes for one candidate in a term, and says so only when the vote is on its disk";
    C3 TermMonotonic, "§5.1":
        "terms never fall, except to what the disk holds when a server restarts; no message but a request for a vote names a term that is not on its sender's disk";
    C4 LeaderAppendOnly, "§5.3, Figure 3":
        "a leader never removes or changes an entry of its log";
    C5 LogMatching, "§5.3, Figure 3":
        "two logs that hold an entry of the same index and term agree up to it";
    C6 LeaderCompleteness, "§5.4, Figure 3":
        "a leader's log holds every entry that was committed in an earlier term";
    C7 StateMachineSafety, "§5.4.3, Figure 3":
        "no two servers ever commit different entries at one index";
    C8 CommitImmutable, "§5.3":
        "what a server knows to be committed stays in its log, and its commit index falls only at a restart";
    C9 CommitOnlyOwnTerm, "§5.4.2":
        "a leader's commit index moves only to an entry of its own term";
    C10 CommitDurable, "§5.3":
        "every committed entry is on the disks of a majority";
    C11 PersistBeforeSend, "Figure 2":
        "an acknowledgement leaves only when the acknowledged entries, as the leader has them, are on the disk, and a request for a vote only when the log that it names is";
    C12 ElectionRestriction, "§5.4.1":
        "a vote is granted only to a candidate whose log is at least as up-to-date";
    C13 MatchSafety, "§5.3":
        "what a leader believes a server holds is on that server's disk; the belief never shrinks, and the next entry to send lies beyond it";
    C14 Bounds, "Figure 2":
        "a commit index lies within the log, terms never fall along a log, none is above the server's own; and no message is one that its receiver must not take in";
    C15 RoleTransitions, "§5.1, 9.6":
        "roles change only along the arrows of Figure 4, with the pre-candidate of PreVote before the candidate";
    C16 OwnVotes, "§5.2":
        "a leader voted for itself, and every vote that a candidate counts was really given";
    C17 Totality, "§5.5":
        "nothing makes a server panic, delivering a message again at once changes nothing on disk, and effects are empty when nothing is left to do";
    V5 NonDisruption, "4.2.3":
        "a vote request changes neither term, vote nor role of a server that hears a leader, unless that leader transfers leadership";
    E1 AskFirst, "9.6":
        "a server raises its term to campaign only after a majority would vote for it, or when the leader transfers leadership";
    E2 QuorumHeard, "6.2":
        "a leader that no majority answered for a minimum timeout leads no longer, and one that a majority answered leads on";
    E3 TransferComplete, "3.10":
        "a server is told to take over only when its disk holds the leader's whole log";
    E4 PreVoteBindsNobody, "9.6":
        "a request for a pre-vote in the server's own term changes nothing of it";
    E5 OutsidersIgnored, "§5.1":
        "what comes from outside the group, is for another server or names entries of a term after its own is neither heeded nor answered";
    E6 StaleAnswered, "§5.1":
        "what was said in an older term changes nothing; who asked is told the current one";
    E7 Answered, "Figure 2":
        "who asks in the current term is answered once and truly: whether it gets the vote, what agrees with its log, or where the logs may still agree; entries are stored as they were sent";
    E8 Asked, "Figure 2":
        "who campaigns asks all whose vote it lacks; who leads sends each follower what that lacks, at heartbeats, commands and answers, from where the logs may agree; both tell themselves what counts once it is durable";
    E9 CountedAtOnce, "§5.3, §5.4.2":
        "an acknowledgement counts for what it says, and what may be committed is committed in the same step";
    E10 TimersOfRole, "§5.2":
        "the timers that run are those of the role; they are restarted by campaigns, votes given, leaders heard and transfers, and by nothing else";
    E11 ClientsTold, "section 8":
        "clients are told of each command taken, refused and committed, and of a leadership from its first commit to its end; watchers see what is so";
    E12 GatheredSame, "diss. 10.2.1":
        "steps that share a flush ask for the same as one by one: entries travel together, the last own acknowledgement counts";
    E13 InTime, "diss. 10.2.1":
        "what promises something, or tells clients of what is not on the disk yet, waits for the flush; a leader's entries, requests for votes with a log that is on the disk, and the beginning and end of leaderships, do not";
    E14 ProposalEnds, "section 8":
        "who proposed a command that was accepted is told once what became of it: that it is committed, or never will be; and as soon as the server that accepted it can know";
    E15 ReadsInTime, "section 8, diss. 6.4":
        "who waits for a linearizable read waits for a round of a leader, which begins at once if that is of use, or for the state machine; who asked a server that leads no more has to ask elsewhere";
    R1 LinearizableRead, "section 8, diss. 6.4":
        "who is served a linearizable read sees all that was committed, and known to be by any server, when it asked";
    R2 ReadIndex, "section 8, diss. 6.4":
        "the read index of a round that is confirmed covers all that was committed, and known to be by any server, when the round began";
    R3 RoundsCounted, "diss. 6.4":
        "a round of heartbeats is confirmed when a majority has answered it in its term, and never before; a read index comes with it once the leader has committed in its term";
    N1 SnapshotPrefix, "§7":
        "a log begins behind an entry that its server knows to be committed: what it has compacted, or a snapshot has brought, is what was committed";
    N2 InstallMonotone, "§7":
        "a snapshot replaces the log if that does not hold the last entry it includes, and nothing else is lost by it: neither what follows that entry, nor what is committed";
    N3 CompactCommitted, "§7":
        "a log is compacted up to where a snapshot of what is committed is durable, no further, and not otherwise";
    F1 LeadsLegible, "FAST'18":
        "who leads or campaigns can read all of its log";
    F2 PromisesLegible, "FAST'18":
        "an acknowledgement leaves only when its sender's disk can read back all that it acknowledges";
    F3 CommitsLegible, "FAST'18":
        "what a server knows to be committed it can read, so it can apply it";
    F4 RepairedSame, "FAST'18":
        "a faulty entry keeps its place and name until the very entry arrives, a snapshot that includes it, or an entry that conflicts; then it is faulty no more";
    F5 CommittedLegible, "FAST'18":
        "what was ever committed can be read on some disk, as long as disks are damaged one at a time";
    R4 LeaseExclusive, "4.2.3, diss. 6.4.1":
        "while a leader holds a lease, which its service has from a round that a majority answered, nobody leads in a later term; a lease ends before its leadership does";
    L1 Stickiness, "4.2.3":
        "a server that a leader has sent entries to, or a heartbeat, whether it took them in or not, helps nobody else to replace it before the minimum timeout has passed, across newer terms and after a restart";
    L2 TransferSent, "3.10":
        "the target of a transfer is told to campaign as soon as it has acknowledged the whole log, and nobody else is; its requests for votes say so";
    L3 StickinessEnds, "4.2.3":
        "a server sticks to a leader because of its word or of a restart, and for no longer than the minimum timeout";
    S1 LocalSimulation, "-":
        "whatever a server may have in memory, and whatever arrives: what it does then is among what the search has tried for its state, or it changes nothing that matters";
    I1 InClass, "-":
        "every server, in memory and on disk, and every message that is reached is in the class of the inductive invariant, beside a history that explains the whole state";
    V1 Recovery, "5.6, 9.6, 6.2":
        "from every reachable state, when faults stop, a leader is elected within a few rounds, commits an entry of its term and then a command, and leads on, alone";
    V2 Progress, "§5.3, §7, section 8":
        "then whoever asks it for a linearizable read is served, and every server that it reaches is brought up to date, by entries or by a snapshot, and knows what is committed";
}

impl Property {
    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    pub(crate) fn id(self) -> &'static str {
        self.row().id
    }

    pub(crate) fn name(self) -> &'static str {
        self.row().name
    }

    pub(crate) fn source(self) -> &'static str {
        self.row().source
    }

    pub(crate) fn statement(self) -> &'static str {
        self.row().statement
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
pub(crate) struct PropertySet(u64);

impl PropertySet {
    pub(crate) fn all() -> PropertySet {
        Property::ALL.into_iter().collect()
    }

    /// Those that a state or a step shows by itself. Recovery is shown by runs from a state, the class of the
    /// invariant is looked into where runs have any length, leases are where they are told apart, and proposals
    /// and reads are followed where that is asked for.
    pub(crate) fn of_states() -> PropertySet {
        let followed = [Property::ProposalEnds, Property::ReadsInTime, Property::LinearizableRead];
        let others = [&followed[..], &[Property::InClass, Property::LeaseExclusive]].concat();
        let elsewhere = [PropertySet::of_damage(), PropertySet::of_liveness()];
        let is_of_all = |property: &Property| {
            !others.contains(property) && !elsewhere.iter().any(|properties| properties.contains(*property))
        };
        Property::ALL.into_iter().filter(is_of_all).collect()
    }

    /// Those that say something only where disks are damaged.
    pub(crate) fn of_damage() -> PropertySet {
        use Property::{CommitsLegible, CommittedLegible, LeadsLegible, PromisesLegible, RepairedSame};
        PropertySet::from_iter([LeadsLegible, PromisesLegible, CommitsLegible, RepairedSame, CommittedLegible])
    }

    /// Those that are shown by runs from a state, once faults have stopped.
    pub(crate) fn of_liveness() -> PropertySet {
        PropertySet::from_iter([Property::Recovery, Property::Progress])
    }

    /// Those of systems in which a read is followed.
    pub(crate) fn of_reads() -> PropertySet {
        PropertySet::from_iter([Property::ReadsInTime, Property::LinearizableRead])
    }

    /// Those of systems with logs where runs have any length.
    pub(crate) fn of_logs() -> PropertySet {
        PropertySet::of_snapshots().without(PropertySet::of_compaction())
    }

    /// Those of systems in which logs are compacted as well.
    pub(crate) fn of_snapshots() -> PropertySet {
        PropertySet::of_states().and(PropertySet::from_iter([Property::InClass]))
    }

    /// Those of systems in which disks are damaged. The invariant knows of no damage.
    pub(crate) fn of_damaged_logs() -> PropertySet {
        PropertySet::of_damaged_snapshots().without(PropertySet::of_compaction())
    }

    /// Those of systems in which logs are compacted as well.
    pub(crate) fn of_damaged_snapshots() -> PropertySet {
        PropertySet::of_states().and(PropertySet::of_damage())
    }

    /// Those that say something only where logs are compacted.
    pub(crate) fn of_compaction() -> PropertySet {
        PropertySet::from_iter([Property::SnapshotPrefix, Property::InstallMonotone, Property::CompactCommitted])
    }

    /// One bit for each property, in the order in which they are listed.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    pub(crate) fn of_bits(bits: u64) -> PropertySet {
        PropertySet(bits)
    }

    pub(crate) fn contains(self, property: Property) -> bool {
        self.0 & (1 << property as u64) != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether any of the others is among them.
    pub(crate) fn meets(self, others: PropertySet) -> bool {
        self.0 & others.0 != 0
    }

    pub(crate) fn insert(&mut self, property: Property) {
        self.0 |= 1 << property as u64;
    }

    pub(crate) fn extend(&mut self, others: PropertySet) {
        self.0 |= others.0;
    }

    #[must_use]
    pub(crate) fn and(self, others: PropertySet) -> PropertySet {
        PropertySet(self.0 | others.0)
    }

    #[must_use]
    pub(crate) fn without(self, others: PropertySet) -> PropertySet {
        PropertySet(self.0 & !others.0)
    }

    pub(crate) fn keep(&mut self, only: PropertySet) {
        self.0 &= only.0;
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Property> {
        Property::ALL.into_iter().filter(move |&property| self.contains(property))
    }

    pub(crate) fn insert_unless(&mut self, holds: bool, property: Property) {
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
