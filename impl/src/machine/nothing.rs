//! No state machine: what servers have that elect leaders alone.

use std::any::Any;
use std::io::{self, Read, Write};

use super::codec::CodecError;
use super::erased::Machine;
use super::interface::Snapshot;

/// The state machine of a server without one. It knows no commands, and its snapshots are empty: so the
/// log of a group that only elects leaders is compacted as any other.
pub(crate) struct Nothing;

const MISSING: &str = "this server was started without a state machine";

impl Machine for Nothing {
    fn apply(&mut self, _: &[u8]) -> Result<Vec<u8>, CodecError> {
        Err(CodecError::new(MISSING))
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(|_: &mut dyn Write| Ok(()))
    }

    fn restore(&mut self, from: &mut dyn Read) -> io::Result<()> {
        let mut bytes = [0];
        if from.read(&mut bytes)? == 0 { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidData, MISSING)) }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
