//! Habits: what a run does often, seldom, or not at all.

use crate::swarm::dice::Dice;

/// What may be drawn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    ElectionTimeout,
    HeartbeatTimeout,
    MinimumTimeout,
    /// A message that has not arrived yet.
    Deliver,
    /// Any message that was ever sent, whether it has arrived or not.
    DeliverAgain,
    /// A part of what a leader has sent of its log.
    Append,
    Propose,
    Transfer,
    StepDown,
    Flush,
    Crash,
    Damage,
    Snapshot,
    Read,
    Apply,
}

impl Kind {
    pub(super) const COUNT: usize = 15;

    pub(super) const ALL: [Kind; Kind::COUNT] = [
        Kind::ElectionTimeout,
        Kind::HeartbeatTimeout,
        Kind::MinimumTimeout,
        Kind::Deliver,
        Kind::DeliverAgain,
        Kind::Append,
        Kind::Propose,
        Kind::Transfer,
        Kind::StepDown,
        Kind::Flush,
        Kind::Crash,
        Kind::Damage,
        Kind::Snapshot,
        Kind::Read,
        Kind::Apply,
    ];

    pub(super) fn words(self) -> &'static str {
        match self {
            Kind::ElectionTimeout => "election timeout",
            Kind::HeartbeatTimeout => "heartbeat timeout",
            Kind::MinimumTimeout => "minimum timeout",
            Kind::Deliver => "deliver",
            Kind::DeliverAgain => "deliver again, or late",
            Kind::Append => "deliver of a leader's log",
            Kind::Propose => "propose",
            Kind::Transfer => "transfer",
            Kind::StepDown => "step down",
            Kind::Flush => "flush",
            Kind::Crash => "crash",
            Kind::Damage => "crash with damage",
            Kind::Snapshot => "snapshot",
            Kind::Read => "read",
            Kind::Apply => "apply",
        }
    }

    /// How often it is drawn where nothing favours it. Without weights faults come so often that nobody
    /// leads for long.
    fn usual_weight(self) -> u64 {
        match self {
            Kind::Deliver | Kind::Flush => 240,
            Kind::Append => 160,
            Kind::Propose | Kind::Apply | Kind::Read => 40,
            Kind::MinimumTimeout | Kind::DeliverAgain | Kind::HeartbeatTimeout | Kind::Snapshot => 16,
            Kind::ElectionTimeout | Kind::Crash => 6,
            Kind::Transfer | Kind::StepDown | Kind::Damage => 3,
        }
    }

    /// Whether leaders change by it.
    fn unsettles(self) -> bool {
        matches!(self, Kind::ElectionTimeout | Kind::MinimumTimeout)
    }

    /// Whether nothing goes on for long without it.
    fn is_needed(self) -> bool {
        matches!(
            self,
            Kind::ElectionTimeout | Kind::MinimumTimeout | Kind::Deliver | Kind::Append | Kind::Flush | Kind::Apply
        )
    }
}

/// What a run is given to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Habits {
    /// By kind.
    pub(super) weights: [u64; Kind::COUNT],
    /// The group is divided anew, or whole again, once in so many steps; never, if 0.
    pub(super) division: u64,
    /// Whether a division leaves some leader with few others, who elect another.
    pub(super) isolates: bool,
    pub(super) reader: Reader,
    /// Of the run's actions nobody reads before so many hundredths.
    pub(super) reads_after: u64,
}

/// Whom the reader of a run asks, most of the time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reader {
    /// A leader that knows all that is committed.
    Knowing,
    /// A leader that has not committed anything yet.
    New,
    /// A leader while another leads in a later term.
    Deposed,
}

const READERS: [Reader; 3] = [Reader::Knowing, Reader::New, Reader::Deposed];

/// A kind that is not needed is left out once in so many runs.
const LEFT_OUT_ONCE_IN: u64 = 4;

/// A quarter, a half, as usual, twice, four times as often: in quarters.
const FAVOURS: [u64; 5] = [1, 2, 4, 8, 16];

const DIVISIONS: [u64; 4] = [0, 50, 150, 400];

/// How many times as often somebody wants to lead, and others are free to help it.
const UNREST: [u64; 4] = [1, 1, 1, 8];

impl Habits {
    pub(super) fn drawn(dice: &mut Dice) -> Habits {
        let unrest = dice.one_of(&UNREST).unwrap_or_default();
        let weights = Kind::ALL.map(|kind| {
            let is_left_out = dice.once_in(LEFT_OUT_ONCE_IN) && !kind.is_needed();
            let favour = dice.one_of(&FAVOURS).unwrap_or_default();
            let unrest = if kind.unsettles() { unrest } else { 1 };
            if is_left_out { 0 } else { kind.usual_weight() * favour * unrest / 4 }
        });
        Habits {
            weights,
            division: dice.one_of(&DIVISIONS).unwrap_or_default(),
            isolates: dice.once_in(2),
            reader: dice.one_of(&READERS).unwrap_or(Reader::Knowing),
            reads_after: dice.below(100),
        }
    }

    /// What a run does next, if it does anything.
    pub(super) fn next(&self, dice: &mut Dice) -> Option<Kind> {
        dice.weighed(&self.weights).map(|at| Kind::ALL[at])
    }
}
