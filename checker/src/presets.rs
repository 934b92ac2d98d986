//! Named systems, how far each is explored, and what must be met on the way.

use crate::properties::witness::Witness;
use crate::scope::{DAMAGED_SNAPSHOTS, Part, damages, elections, leases, logs, recovery, snapshots};
use crate::system::{Bounds, COMMAND_HELD, COMMAND_HELD_BY_ANOTHER, COMMAND_LACKED, PAIR, SMALL};
use crate::verdict::Expected;

/// A named set of systems to check.
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) parts: &'static [(Part, Expected)],
}

/// What `report proof` leaves out, since each may take an hour or more.
pub(crate) const LONGEST: [&str; 2] = ["log-3-wide", "log-4"];

/// What `check` runs when nothing else is named.
pub(crate) const DEFAULT: &str = "quick";

/// What runs with logs meet.
const OF_LOGS: [Witness; 5] =
    [Witness::Leader, Witness::SplitVote, Witness::LaterCommit, Witness::ConflictCut, Witness::UnsyncedLost];

/// What only logs have, then what snapshots add to them, then damaged disks, then what leases have: a system rules
/// out its part.
const OF_SOME: [&str; 11] = [
    "acknowledge",
    "refuse entries",
    "propose",
    "flush",
    "confirm a round",
    "make a snapshot",
    "install a snapshot",
    "damage a disk",
    "begin a lease",
    "answer for a lease",
    "confirm a lease",
];

const LOGS: Expected = Expected { ruled_out: OF_SOME.split_at(5).1, ..SNAPSHOTS };

const SNAPSHOTS: Expected = Expected {
    witnesses: &OF_LOGS,
    ruled_out: OF_SOME.split_at(7).1,
    idle: &["ask for a pre-vote", "refuse entries", "heartbeat timeout", "confirm a round"],
    kinds: true,
};

const ELECTIONS: Expected =
    Expected { witnesses: &[Witness::Leader, Witness::SplitVote, Witness::UnsyncedLost], ruled_out: &OF_SOME, ..LOGS };

/// Elections with leases: that one is confirmed changes no state.
const LEASES: Expected = Expected {
    witnesses: &[Witness::Leader, Witness::SplitVote, Witness::UnsyncedLost, Witness::Lease, Witness::LeaseInNewerTerm],
    ruled_out: OF_SOME.split_at(8).0,
    idle: &["ask for a pre-vote", "refuse entries", "heartbeat timeout", "confirm a lease"],
    kinds: true,
};

/// Where the quotient is compared with the concrete system: the largest bounds at which that can be
/// explored to the end in minutes.
pub(crate) const COMPARED: [Bounds; 4] = [
    Bounds { terms: 2, entries: 2, unsynced: 2, interleaved: true, ..PAIR },
    Bounds { unsynced: 3, ..PAIR },
    Bounds { terms: 1, entries: 1, unsynced: 2, interleaved: true, ..SMALL },
    Bounds { entries: 1, ..SMALL },
];

/// Commands and a read, followed to their ends: a part of `quick`, and a preset of their own.
const ENDS: [(Part, Expected); 6] = [
    (COMMANDS_OF_TWO, OF_COMMANDS_OF_TWO),
    (A_COMMAND_IS_HELD, OF_A_COMMAND_HELD),
    (COMMANDS_ARE_LACKED, OF_COMMANDS_LACKED),
    (A_SNAPSHOT_COMES, OF_A_SNAPSHOT_THAT_COMES),
    (A_READ_OF_TWO, OF_A_READ_OF_TWO),
    (A_READ_OF_THE_REPLACED, OF_A_READ_OF_THE_REPLACED),
];

pub(crate) const PRESETS: [Preset; 21] = [
    Preset {
        name: "quick",
        about: "three servers: elections, logs on top of them, snapshots, and damaged disks; two and four servers, since \
                half is no majority; elections of five; leases of three; commands and a read, followed to their ends in \
                the concrete system",
        parts: &[
            (elections(3, 2), ELECTIONS),
            (logs(3, 1, 1), LOGS_OF_ONE),
            (snapshots(2, 1, 2), SNAPSHOTS_OF_PAIRS),
            ENDS[0],
            ENDS[1],
            ENDS[2],
            ENDS[3],
            ENDS[4],
            ENDS[5],
            (DAMAGED_SNAPSHOTS, DAMAGED_SNAPSHOTS_OF_ONE),
            (logs(2, 1, 2), PAIRS),
            (elections(5, 1), ELECTIONS),
            (snapshots(3, 1, 1), SNAPSHOTS_OF_ONE),
            (leases(3, 2), LEASES),
            (logs(4, 1, 1), LOGS_OF_ONE),
        ],
    },
    Preset { name: "elections-3", about: "elections of three servers", parts: &[(elections(3, 3), ELECTIONS)] },
    Preset { name: "elections-5", about: "elections of five servers", parts: &[(elections(5, 1), ELECTIONS)] },
    Preset {
        name: "elections-5-wide",
        about: "elections of five servers, terms further apart",
        parts: &[(elections(5, 2), ELECTIONS)],
    },
    Preset {
        name: "log-3-narrow",
        about: "logs of three servers, terms not so far apart; seconds",
        parts: &[(logs(3, 1, 2), LOGS)],
    },
    Preset { name: "log-3", about: "logs of three servers", parts: &[(logs(3, 2, 2), LOGS)] },
    Preset {
        name: "log-3-wide",
        about: "logs of three servers, further apart; minutes to an hour",
        parts: &[(logs(3, 2, 3), LOGS)],
    },
    Preset {
        name: "snapshot-3",
        about: "logs of three servers that make snapshots, and install those of others; minutes",
        parts: &[(snapshots(3, 2, 2), SNAPSHOTS)],
    },
    Preset {
        name: "faulty-3",
        about: "logs of three servers whose disks damage entries, one disk at a time; snapshots with it; minutes",
        parts: &[(damages(3, 1, 2), DAMAGES), (DAMAGED_SNAPSHOTS, DAMAGED_SNAPSHOTS_OF_ONE)],
    },
    Preset {
        name: "log-4",
        about: "logs of four servers, of whom two are no majority; an hour or more",
        parts: &[(logs(4, 2, 2), LOGS)],
    },
    Preset { name: "log-5", about: "logs of five servers; minutes", parts: &[(logs(5, 1, 1), LOGS_OF_ONE)] },
    Preset {
        name: "lease-3",
        about: "leases of three servers: while one lasts nobody leads in a later term; a minute",
        parts: &[(leases(3, 5), LEASES)],
    },
    Preset { name: "lease-5", about: "leases of five servers; minutes", parts: &[(leases(5, 2), LEASES)] },
    Preset {
        name: "recovery-3",
        about: "liveness: the states of 'quick', when faults stop",
        parts: &[
            (recovery(elections(3, 2)), ELECTIONS),
            (recovery(logs(3, 1, 1)), LOGS_OF_ONE),
            (recovery(snapshots(3, 1, 1)), SNAPSHOTS_OF_ONE),
        ],
    },
    Preset {
        name: "recovery-5",
        about: "liveness: the states of 'elections-5', when faults stop",
        parts: &[(recovery(elections(5, 1)), ELECTIONS)],
    },
    Preset {
        name: "plain-pair",
        about: "the cross-check: two servers, terms, logs, disks and messages in full",
        parts: &[(
            Part::Concrete(PAIR),
            Expected {
                witnesses: &[Witness::Leader, Witness::SplitVote, Witness::LaterCommit, Witness::UnsyncedLost],
                ruled_out: &["snapshot", "read", "apply"],
                idle: &["heartbeat timeout"],
                kinds: true,
            },
        )],
    },
    Preset {
        name: "plain-flush",
        about: "the same with three servers in one term, several steps of each waiting for the disk",
        parts: &[(
            Part::Concrete(Bounds { terms: 1, entries: 1, unsynced: 2, interleaved: true, ..SMALL }),
            Expected {
                witnesses: &[Witness::Leader, Witness::SplitVote, Witness::UnsyncedLost],
                ruled_out: &["propose", "transfer", "step down", "snapshot", "read", "apply"],
                idle: &["heartbeat timeout"],
                kinds: true,
            },
        )],
    },
    Preset {
        name: "proposals-3",
        about: "what becomes of commands, and what whoever proposed them is told: two of them in one term, and a crash; \
                one under the next leaders, who hold it or lack it",
        parts: &[
            (A_COMMAND_IS_HELD_LONGER, OF_A_COMMAND_HELD_LONGER),
            (A_COMMAND_IS_LACKED_LONGER, OF_A_COMMAND_LACKED_LONGER),
            (A_COMMAND_IS_HELD_BY_ANOTHER, OF_A_COMMAND_HELD_BY_ANOTHER),
            (TWO_COMMANDS, OF_TWO_COMMANDS),
        ],
    },
    Preset {
        name: "ends",
        about: "what 'quick' has of commands and of a read, followed to their ends: mutants of those are caught in a second",
        parts: &ENDS,
    },
    Preset {
        name: "reads-3",
        about: "a linearizable read, asked for at any time and followed to its end: over two leaderships, and with a crash",
        parts: &[(A_READ, OF_A_READ), (A_READ_AND_A_CRASH, OF_A_READ_AND_A_CRASH)],
    },
    Preset {
        name: "concrete-3",
        about: "three servers where nothing is forgotten and nothing arrives that was not sent: elections over two \
                terms with refused votes and pre-votes, and a crash; a transfer; commands that followers lack; a \
                snapshot that comes late",
        parts: &[
            (REFUSED_VOTES, OF_REFUSED_VOTES),
            (ONE_TRANSFER, OF_ONE_TRANSFER),
            (ONE_COMMAND, OF_ONE_COMMAND),
            (ONE_SNAPSHOT, OF_ONE_SNAPSHOT),
        ],
    },
];

/// Nothing is forgotten, and nothing arrives that was not sent. What is bounded makes it finite.
const CONCRETE: Bounds = Bounds {
    timeouts: Some(1),
    minimums: Some(2),
    requests: Some(1),
    crashes: Some(0),
    entries: 2,
    forgets: false,
    rumours: false,
    ..SMALL
};

const REFUSED_VOTES: Part =
    Part::Concrete(Bounds { timeouts: Some(2), requests: Some(0), crashes: Some(1), entries: 1, ..CONCRETE });

const ONE_TRANSFER: Part = Part::Concrete(Bounds { transfers: true, ..CONCRETE });

const ONE_COMMAND: Part = Part::Concrete(Bounds { terms: 1, proposals: true, ..CONCRETE });

const ONE_SNAPSHOT: Part = Part::Concrete(Bounds { terms: 1, entries: 1, snapshots: true, ..CONCRETE });

/// Each command is followed to its end. What becomes of one under the next leaders takes terms and logs that
/// are not searched to the end so: that is searched from where it was proposed.
const TWO_COMMANDS: Part = Part::Concrete(Bounds {
    terms: 1,
    entries: 3,
    timeouts: Some(1),
    requests: Some(2),
    crashes: Some(1),
    proposals: true,
    follows_proposals: true,
    ..SMALL
});

const OF_TWO_COMMANDS: Expected = Expected {
    witnesses: &[Witness::Leader, Witness::UnsyncedLost],
    ruled_out: &["transfer", "step down", "snapshot", "read", "apply"],
    idle: &["heartbeat timeout"],
    kinds: true,
};

/// Commands, followed to their ends, in a group that is small enough for elections, crashes and snapshots.
const COMMANDS_OF_TWO: Part = Part::Concrete(Bounds {
    timeouts: Some(1),
    minimums: Some(1),
    requests: Some(2),
    crashes: Some(1),
    terms: 2,
    entries: 3,
    follows_proposals: true,
    snapshots: true,
    ..PAIR
});

const OF_COMMANDS_OF_TWO: Expected = Expected {
    witnesses: &[Witness::Leader, Witness::UnsyncedLost],
    ruled_out: &["read", "apply"],
    idle: &["heartbeat timeout"],
    kinds: true,
};

/// A command that was proposed in an earlier term, with the end that each leader gives it.
const A_COMMAND_IS_HELD: Part = Part::Concrete(COMMAND_HELD);

/// Nobody is elected any more, and nothing else is asked for.
const OF_A_COMMAND_HELD: Expected = Expected {
    witnesses: &[Witness::Leader, Witness::LaterCommit],
    ruled_out: &["transfer", "step down", "snapshot", "read", "apply"],
    idle: &["election timeout", "heartbeat timeout", "minimum timeout", "propose", "crash"],
    kinds: true,
};

/// Of two commands one has an index that the next leader need not have reached when it commits.
const COMMANDS_ARE_LACKED: Part = Part::Concrete(Bounds { start: Some("two_commands_are_lacked"), ..COMMAND_LACKED });

/// The next leader has compacted its log, and sends a snapshot to who was proposed the commands.
const A_SNAPSHOT_COMES: Part = Part::Concrete(Bounds {
    start: Some("a_snapshot_comes_instead"),
    terms: 2,
    entries: 3,
    timeouts: Some(0),
    minimums: Some(0),
    requests: Some(0),
    proposals: true,
    follows_proposals: true,
    snapshots: true,
    ..CONCRETE
});

const OF_COMMANDS_LACKED: Expected = OF_A_COMMAND_HELD;

/// It was made before.
const OF_A_SNAPSHOT_THAT_COMES: Expected = Expected {
    ruled_out: &["transfer", "step down", "read", "apply"],
    idle: &["election timeout", "heartbeat timeout", "minimum timeout", "propose", "crash", "snapshot"],
    ..OF_A_COMMAND_HELD
};

/// The same with an election more.
const A_COMMAND_IS_HELD_LONGER: Part =
    Part::Concrete(Bounds { timeouts: Some(1), minimums: Some(1), terms: 3, ..COMMAND_HELD });

const OF_A_COMMAND_HELD_LONGER: Expected =
    Expected { idle: &["heartbeat timeout", "propose", "crash"], ..OF_A_COMMAND_HELD };

const A_COMMAND_IS_LACKED_LONGER: Part =
    Part::Concrete(Bounds { timeouts: Some(1), minimums: Some(1), terms: 3, ..COMMAND_LACKED });

const OF_A_COMMAND_LACKED_LONGER: Expected = OF_A_COMMAND_HELD_LONGER;

/// Only what was sent arrives: with all that might have been the group is too large to be searched to the end.
const A_COMMAND_IS_HELD_BY_ANOTHER: Part = Part::Concrete(Bounds { rumours: false, ..COMMAND_HELD_BY_ANOTHER });

const OF_A_COMMAND_HELD_BY_ANOTHER: Expected = OF_A_COMMAND_HELD;

/// One read is followed, and any rounds are begun and answered for it.
const A_READ: Part = Part::Concrete(Bounds { entries: 2, timeouts: Some(2), crashes: Some(0), reads: true, ..SMALL });

const OF_A_READ: Expected = Expected {
    witnesses: &[Witness::Leader, Witness::LaterCommit, Witness::ServedRead],
    ruled_out: &["propose", "transfer", "step down", "crash", "snapshot"],
    idle: &["heartbeat timeout"],
    kinds: true,
};

const A_READ_AND_A_CRASH: Part =
    Part::Concrete(Bounds { terms: 1, entries: 1, crashes: Some(1), reads: true, ..SMALL });

const OF_A_READ_AND_A_CRASH: Expected = Expected {
    witnesses: &[Witness::Leader, Witness::UnsyncedLost, Witness::ServedRead],
    ruled_out: &["propose", "transfer", "step down", "snapshot"],
    ..OF_A_READ
};

/// A group that is small enough for two leaderships and a crash.
const A_READ_OF_TWO: Part = Part::Concrete(Bounds {
    terms: 2,
    entries: 2,
    crashes: Some(1),
    proposals: false,
    transfers: false,
    reads: true,
    ..PAIR
});

const OF_A_READ_OF_TWO: Expected = Expected {
    witnesses: &[Witness::Leader, Witness::UnsyncedLost, Witness::ServedRead],
    ruled_out: &["propose", "transfer", "step down", "snapshot"],
    ..OF_A_READ
};

/// Whoever is asked does not know yet that others have elected a leader, who has committed something.
const A_READ_OF_THE_REPLACED: Part = Part::Concrete(Bounds {
    start: Some("a_leader_is_replaced"),
    terms: 2,
    entries: 2,
    timeouts: Some(0),
    minimums: Some(0),
    reads: true,
    ..CONCRETE
});

const OF_A_READ_OF_THE_REPLACED: Expected = Expected {
    ruled_out: OF_A_READ_OF_TWO.ruled_out,
    idle: &["election timeout", "heartbeat timeout", "minimum timeout", "crash"],
    ..OF_A_READ
};

const OF_REFUSED_VOTES: Expected = Expected {
    witnesses: &[
        Witness::Leader,
        Witness::UnsyncedLost,
        Witness::RefusedVote,
        Witness::RefusedPreVote,
        Witness::RefusedEntries,
        Witness::LateVote,
        Witness::KnownTerm,
    ],
    ruled_out: &["propose", "transfer", "step down", "snapshot", "read", "apply"],
    idle: &["heartbeat timeout"],
    kinds: true,
};

const OF_ONE_TRANSFER: Expected = Expected {
    witnesses: &[
        Witness::Leader,
        Witness::LaterCommit,
        Witness::RefusedEntries,
        Witness::TransferVote,
        Witness::LateTransfer,
        Witness::LateVote,
        Witness::KnownTerm,
    ],
    ruled_out: &["propose", "crash", "snapshot", "read", "apply"],
    idle: &["heartbeat timeout"],
    kinds: true,
};

const OF_ONE_COMMAND: Expected = Expected {
    witnesses: &[Witness::Leader, Witness::RefusedEntries, Witness::LateVote],
    ruled_out: &["transfer", "step down", "crash", "snapshot", "read", "apply"],
    idle: &["heartbeat timeout"],
    kinds: true,
};

const OF_ONE_SNAPSHOT: Expected = Expected {
    witnesses: &[Witness::Leader, Witness::RefusedEntries, Witness::LateVote],
    ruled_out: &["propose", "transfer", "step down", "crash", "read", "apply"],
    idle: &["heartbeat timeout"],
    kinds: true,
};

/// Of two servers both have what is committed, so nothing of a follower's log is ever cut.
const PAIRS: Expected =
    Expected { witnesses: &[Witness::Leader, Witness::SplitVote, Witness::LaterCommit, Witness::UnsyncedLost], ..LOGS };

const SNAPSHOTS_OF_PAIRS: Expected = Expected { witnesses: PAIRS.witnesses, ..SNAPSHOTS };

/// The same with snapshots.
const SNAPSHOTS_OF_ONE: Expected = Expected { witnesses: &OF_LOGS, ..SNAPSHOTS };

/// Logs on disks that are damaged.
const DAMAGES: Expected = Expected {
    ruled_out: &["make a snapshot", "install a snapshot", "begin a lease", "answer for a lease", "confirm a lease"],
    ..LOGS
};

/// The one entry stays when every server knows it to be committed, so no other follows it.
const DAMAGES_OF_ONE: Expected = Expected {
    witnesses: &[Witness::Leader, Witness::SplitVote, Witness::ConflictCut, Witness::UnsyncedLost],
    idle: &["ask for a pre-vote", "refuse entries", "heartbeat timeout", "confirm a round", "propose"],
    ..DAMAGES
};

const DAMAGED_SNAPSHOTS_OF_ONE: Expected = Expected { ruled_out: OF_SOME.split_at(8).1, ..DAMAGES_OF_ONE };

/// One entry cannot conflict with what is committed before it.
const LOGS_OF_ONE: Expected = Expected { witnesses: &OF_LOGS, ..LOGS };

/// The preset of this name.
pub(crate) fn named(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}
