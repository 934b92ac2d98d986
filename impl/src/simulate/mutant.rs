//! Mutants: servers that are wrong on purpose, to see that the judge notices.
//!
//! Each is planted around the code of the server, by whoever stands between it and the simulated world: it
//! says that something is durable that is not, or asks for a read too early. No server knows of them.

/// One thing that is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Mutant {
    /// What waits for a flush is sent before it.
    SendsBeforeFlush,
    /// A vote is not written down.
    ForgetsVotes,
    /// A term is not written down.
    ForgetsTerms,
    /// The last entry of a batch is not written.
    WritesAllButTheLast,
    /// That a conflict was cut is not written down.
    ForgetsTruncation,
    /// After an error of the disk the server goes on as if the batch were durable.
    IgnoresDiskErrors,
    /// A flush does nothing, and says that it has.
    FlushesNothing,
    /// The log is cut at the first entry that cannot be read.
    CutsAtDamage,
    /// The last entry of the log is not read back.
    ReadsAllButTheLast,
    /// A wiped disk is formatted, and the server starts under its old name.
    FormatsWipedDisks,
    /// A server starts on the directory of another one.
    TakesAnyDirectory,
    /// A peer is believed whose disk is another one.
    BelievesAnyDisk,
    /// The log is compacted when a snapshot is begun.
    CompactsBeforeTheSnapshot,
    /// Older snapshots are removed before it is durable that the log begins behind a later one.
    RemovesBeforeCompacting,
    /// A snapshot that is sent counts when its first byte has arrived.
    CountsSnapshotsEarly,
    /// A snapshot that was restored does not replace the state machine.
    KeepsTheMachine,
    /// What is accepted is applied, committed or not.
    AppliesWhatIsAccepted,
    /// An entry is applied twice where the server was restarted.
    AppliesTwice,
    /// A command is proposed again without its session.
    RetriesWithoutSession,
    /// A request to the leader arrives twice.
    ForwardsTwice,
    /// A leader serves reads without a round of heartbeats.
    ReadsWithoutARound,
    /// A round counts as confirmed when it begins.
    ConfirmsAtOnce,
    /// A read does not wait until enough is applied.
    ReadsBeforeApplying,
    /// A lease lasts half a timeout longer than it should.
    LeaseTooLong,
    /// A follower votes for whoever asks, though it has just heard its leader.
    ForgetsItsLeader,
    /// A connection that has ended counts as the end of a process.
    BelievesDisconnects,
    /// Clocks differ in speed by more than leases allow for.
    ClocksDrift,
}

const ALL: [(Mutant, &str, &str); 27] = {
    use Mutant::*;
    [
        (SendsBeforeFlush, "sends-before-flush", "what waits for a flush is sent before it"),
        (ForgetsVotes, "forgets-votes", "a vote is not written down"),
        (ForgetsTerms, "forgets-terms", "a term is not written down"),
        (WritesAllButTheLast, "writes-all-but-the-last", "the last entry of a batch is not written"),
        (ForgetsTruncation, "forgets-truncation", "that a conflict was cut is not written down"),
        (IgnoresDiskErrors, "ignores-disk-errors", "a batch whose write failed counts as durable"),
        (FlushesNothing, "flushes-nothing", "a flush does nothing, and says that it has"),
        (CutsAtDamage, "cuts-at-damage", "the log is cut at the first entry that cannot be read"),
        (ReadsAllButTheLast, "reads-all-but-the-last", "the last entry of the log is not read back"),
        (FormatsWipedDisks, "formats-wiped-disks", "a wiped disk is formatted silently"),
        (TakesAnyDirectory, "takes-any-directory", "a server starts on the directory of another one"),
        (BelievesAnyDisk, "believes-any-disk", "a peer is believed whose disk is another one"),
        (CompactsBeforeTheSnapshot, "compacts-before-the-snapshot", "the log goes before the snapshot is durable"),
        (RemovesBeforeCompacting, "removes-before-compacting", "snapshots go before the log has"),
        (CountsSnapshotsEarly, "counts-snapshots-early", "a snapshot counts before it has arrived"),
        (KeepsTheMachine, "keeps-the-machine", "a restored snapshot does not replace the state machine"),
        (AppliesWhatIsAccepted, "applies-what-is-accepted", "entries are applied before they are committed"),
        (AppliesTwice, "applies-twice", "an entry is applied twice"),
        (RetriesWithoutSession, "retries-without-session", "a command is proposed again without its session"),
        (ForwardsTwice, "forwards-twice", "a request to the leader arrives twice"),
        (ReadsWithoutARound, "reads-without-a-round", "a leader serves reads without a round of heartbeats"),
        (ConfirmsAtOnce, "confirms-at-once", "a round counts as confirmed when it begins"),
        (ReadsBeforeApplying, "reads-before-applying", "a read does not wait until enough is applied"),
        (LeaseTooLong, "lease-too-long", "a lease lasts half a timeout longer than it should"),
        (ForgetsItsLeader, "forgets-its-leader", "a follower votes though it has just heard a leader"),
        (BelievesDisconnects, "believes-disconnects", "the end of a connection counts as that of a process"),
        (ClocksDrift, "clocks-drift", "clocks differ by more than leases allow for"),
    ]
};

impl Mutant {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Mutant> {
        ALL.into_iter().map(|(mutant, _, _)| mutant)
    }

    /// The name by which it is asked for.
    pub fn name(self) -> &'static str {
        ALL[self as usize].1
    }

    /// What is wrong.
    pub fn words(self) -> &'static str {
        ALL[self as usize].2
    }

    /// The mutant of this name.
    pub fn named(name: &str) -> Option<Mutant> {
        Mutant::all().find(|mutant| mutant.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mutant_has_its_own_line() {
        for (place, (mutant, name, _)) in ALL.into_iter().enumerate() {
            assert_eq!((mutant as usize, Mutant::named(name)), (place, Some(mutant)));
        }
    }
}
