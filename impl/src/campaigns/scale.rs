//! How much of a campaign there is time for.

/// How much of what may go wrong is tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scale {
    /// Of so many changes that were not flushed every subset is tried; of more, samples.
    pub undecided: u32,
    /// How many samples.
    pub samples: u64,
    /// In how many cases of a hundred a start is itself cut short, at each of its calls.
    pub again: u64,
    /// Of so many bits one is flipped.
    pub bits: u64,
    /// How many encodings are made for each parser.
    pub encodings: u64,
    /// How many times each of these is changed.
    pub changes: u64,
}

impl Scale {
    /// All of it.
    pub const FULL: Scale = Scale { undecided: 10, samples: 64, again: 3, bits: 1, encodings: 16, changes: 64 };

    /// What a test has time for.
    pub const SMALL: Scale = Scale { undecided: 6, samples: 6, again: 1, bits: 499, encodings: 4, changes: 16 };
}
