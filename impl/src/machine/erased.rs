//! A state machine without its types, as the server's threads know it.

use std::any::Any;
use std::io::{self, Read};

use super::codec::{CodecError, decode, encode};
use super::interface::{Snapshot, StateMachine};

/// A state machine whose commands and answers are bytes.
pub(crate) trait Machine: Send {
    /// Applies a command, and gives the answer.
    fn apply(&mut self, command: &[u8]) -> Result<Vec<u8>, CodecError>;

    /// The state as it is now.
    fn snapshot(&self) -> Box<dyn Snapshot>;

    /// Replaces the state.
    fn restore(&mut self, from: &mut dyn Read) -> io::Result<()>;

    /// The service's own type.
    fn as_any(&self) -> &dyn Any;
}

/// A service's state machine.
pub(crate) struct Typed<M>(pub(crate) M);

impl<M: StateMachine> Machine for Typed<M> {
    fn apply(&mut self, command: &[u8]) -> Result<Vec<u8>, CodecError> {
        encode(&self.0.apply(decode(command)?))
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        self.0.snapshot()
    }

    fn restore(&mut self, from: &mut dyn Read) -> io::Result<()> {
        self.0 = M::restore(from)?;
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        &self.0
    }
}
