//! What a simulation is about: a service's state machine, and what clients ask of it.

use std::any::Any;
use std::sync::Arc;

use super::random::Random;
use crate::machine::Machine;

/// Looks at a state machine: bytes that are equal where states are.
pub(super) type View = Arc<dyn Fn(&dyn Any) -> Vec<u8> + Send + Sync>;

/// Says how what must hold of a state machine does not.
pub(super) type Check = Arc<dyn Fn(&dyn Any) -> Result<(), String> + Send + Sync>;

/// A call that a client has made, for whoever judges the answers.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) client: u64,
    /// The command; none for a read.
    pub(super) command: Option<Vec<u8>>,
    pub(super) called: u64,
    pub(super) end: End,
}

impl Call {
    pub(super) fn is_answered(&self) -> bool {
        matches!(self.end, End::Answered { .. })
    }
}

/// What a client knows of its call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// The machine's answer, or what a read saw.
    Answered {
        at: u64,
        answer: Vec<u8>,
    },
    NotCommitted,
    Unknown,
}

/// A service's state machine, its commands, and what is asked of it.
pub(super) trait Subject: Sync {
    /// A machine that has applied nothing.
    fn machine(&self) -> Box<dyn Machine>;

    /// The next command of some client, encoded.
    fn command(&self, random: &mut Random) -> Vec<u8>;

    /// A command for people.
    fn words(&self, command: &[u8]) -> String;

    /// What reads see, and copies of the machine have in common.
    fn view(&self) -> View;

    /// What must hold of the machine whatever was applied.
    fn check(&self) -> Check;

    /// Judges what all clients were answered, beside what holds of any machine.
    fn judge(&self, calls: &[Call]) -> Result<(), String>;
}
