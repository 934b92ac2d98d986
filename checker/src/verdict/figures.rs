//! How much was tried besides what the search itself counts.

use crate::console::grouped;

/// How much was tried.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Tally {
    pub(crate) compact: u64,
    pub(crate) concrete: u64,
    /// Steps of one server: something happens to it.
    pub(crate) steps: u64,
    /// Of these, messages and timers that changed nothing and said nothing.
    pub(crate) ignored: u64,
    /// Messages that contradict what is committed, so that they cannot arrive: each stopped the server with the first
    /// memory that it was tried with, and was not run with the others.
    pub(crate) refused: u64,
    /// Of the concrete servers those that were looked up in the class of the invariant.
    pub(crate) in_class: u64,
}

/// How much was looked up in the class of the invariant.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Linked {
    pub(crate) states: u64,
    pub(crate) servers: u64,
    pub(crate) disks: u64,
    /// Requests for votes, requests to append, acknowledgements.
    pub(crate) messages: u64,
    /// What else may happen to a server: the class allows it, whatever it says.
    pub(crate) free: u64,
    /// Different histories.
    pub(crate) histories: u64,
    /// States of which a part is explained by a leader that nothing is left of, or by more than is left of
    /// one: an old candidate asks with a log that nobody holds any more.
    pub(crate) lost: u64,
    /// States whose terms are more than there is room for.
    pub(crate) left_out: u64,
}

impl Tally {
    /// For a report.
    pub(crate) fn words(&self) -> String {
        let Tally { compact, concrete, steps, ignored, refused, in_class } = self;
        let in_class = match in_class {
            0 => String::new(),
            _ => format!("; {} were looked up in the class of the invariant", grouped(*in_class)),
        };
        let [compact, concrete, steps, ignored, refused] =
            [compact, concrete, steps, ignored, refused].map(|&it| grouped(it));
        format!(
            "{compact} servers of these states, with all that they may have in memory {concrete}, in {steps} steps: \
             every timer, every message that is well-formed; {ignored} changed nothing, {refused} contradict what is \
             committed and stop the server, as was tried with one memory of each{in_class}"
        )
    }

    pub(crate) fn numbers(&self) -> [u64; 6] {
        let Tally { compact, concrete, steps, ignored, refused, in_class } = *self;
        [compact, concrete, steps, ignored, refused, in_class]
    }

    pub(crate) fn of_numbers([compact, concrete, steps, ignored, refused, in_class]: [u64; 6]) -> Tally {
        Tally { compact, concrete, steps, ignored, refused, in_class }
    }
}

impl Linked {
    pub(crate) fn numbers(&self) -> [u64; 7] {
        let Linked { states, servers, disks, messages, free, histories: _, lost, left_out } = *self;
        [states, servers, disks, messages, free, lost, left_out]
    }

    pub(crate) fn of_numbers([states, servers, disks, messages, free, lost, left_out]: [u64; 7]) -> Linked {
        Linked { states, servers, disks, messages, free, histories: 0, lost, left_out }
    }

    /// For a report.
    pub(crate) fn words(&self, is_missed: bool) -> String {
        let Linked { servers, messages, free, histories, .. } = *self;
        let [servers, messages, free, histories] = [servers, messages, free, histories].map(grouped);
        let missing = if is_missed { "one is missing, and told below" } else { "none is missing" };
        format!(
            "{servers} servers and as many disks, {messages} messages looked up in the class of the invariant, beside \
             {histories} histories: {missing}; {free} other messages, timers and requests, which it allows whatever \
             they say"
        )
    }
}
