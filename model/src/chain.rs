//! Frames of bytes that hang together: what was changed, moved or taken out is found where that was.
//!
//! Numbers are little-endian. Each check depends on all that comes before it in the part.

use alloc::vec::Vec;
use core::hash::Hasher;

use crate::digest::{Digester, of_bytes};

/// The first bytes of each part of a trace: no text begins so. The last of them is the version of the format.
pub const MAGIC: [u8; 16] = *b"\0rafttree-trace\x01";

/// Bytes of a frame beside its body.
const HEAD: usize = 8;
const TAIL: usize = 4;

/// What the frames of a part add up to so far, which the checks of the next one depend on.
#[derive(Clone, Copy, Debug)]
pub struct Chain(u64);

impl Default for Chain {
    fn default() -> Chain {
        Chain(of_bytes(0, &MAGIC))
    }
}

/// The beginning of some bytes.
#[derive(Debug, Eq, PartialEq)]
pub enum Opened<'a> {
    /// A frame with this body; so many bytes are after it.
    Body(&'a [u8]),
    /// They end within a frame; it takes so many bytes, as far as that can be told.
    Short(usize),
    /// They are no frame that belongs here: the length is wrong, or all but that.
    Wrong {
        /// How many bytes the frame claims, if that much is right.
        claimed: Option<usize>,
    },
}

impl Chain {
    /// Adds a frame to the bytes.
    pub fn seal(&mut self, body: &[u8], out: &mut Vec<u8>) {
        let length = (body.len() as u32).to_le_bytes();
        out.extend(length);
        out.extend(self.head(length));
        out.extend_from_slice(body);
        out.extend(self.tail(body));
    }

    /// Takes the frame at the beginning of the bytes, of which the body has `size` bytes and the frame
    /// [`Chain::size`].
    pub fn open<'a>(&mut self, bytes: &'a [u8]) -> Opened<'a> {
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else { return Opened::Short(HEAD) };
        let [a, b, c, d, check @ ..] = *head;
        let length = [a, b, c, d];
        if self.head(length) != check {
            return Opened::Wrong { claimed: None };
        }
        let length = u32::from_le_bytes(length) as usize;
        let Some((body, rest)) = rest.split_at_checked(length).filter(|(_, rest)| TAIL <= rest.len()) else {
            return Opened::Short(Chain::size(length));
        };
        let mut after = *self;
        if after.tail(body) != rest[..TAIL] {
            return Opened::Wrong { claimed: Some(Chain::size(length)) };
        }
        *self = after;
        Opened::Body(body)
    }

    /// The size of a frame with a body of so many bytes.
    pub fn size(body: usize) -> usize {
        HEAD + body + TAIL
    }

    fn head(&self, length: [u8; 4]) -> [u8; 4] {
        (of_bytes(self.0, &length) as u32).to_le_bytes()
    }

    fn tail(&mut self, body: &[u8]) -> [u8; 4] {
        let mut digester = Digester::of_key(self.0);
        digester.write(body);
        self.0 = digester.finish();
        (self.0 as u32).to_le_bytes()
    }
}
