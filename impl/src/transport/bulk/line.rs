//! A connection whose thread waits for it: for what arrives, for what the other side takes, and for
//! the disk.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use prost::Message as _;

use super::failure::SnapshotFailure;
use super::words::{WireWord, Word};
use crate::transport::connection::{Connection, Framing, expect_acknowledgements};
use crate::transport::times::Times;
use crate::transport::wire::Malformed;

/// Bytes asked of the system at a time.
const READ_BYTES: usize = 64 << 10;

/// One side of a connection on which a snapshot is sent.
pub(in crate::transport) struct Line {
    stream: Arc<TcpStream>,
    received: BytesMut,
    buffer: Box<[u8]>,
    to_send: BytesMut,
    idle: Duration,
    last_sent: Instant,
    patience: Duration,
}

/// Ends a connection, whoever waits for it.
#[derive(Clone)]
pub(in crate::transport) struct Closer(Arc<TcpStream>);

/// Why two servers stop talking about a snapshot.
#[derive(Debug)]
pub(in crate::transport) enum SessionEnd {
    /// The connection broke, or was ended by this side.
    Lost(io::Error),
    /// The other side has said why.
    Told(SnapshotFailure),
    /// This side has to say why.
    Tell(SnapshotFailure),
}

impl Line {
    /// The connection after its handshake.
    pub(in crate::transport) fn new(connection: Connection, times: &Times) -> io::Result<Line> {
        let (stream, received) = connection.into_blocking()?;
        stream.set_read_timeout(Some(times.disk))?;
        stream.set_write_timeout(Some(times.disk))?;
        // A disk that is slow lets no more through, and to TCP that is the same as a side that is dead.
        expect_acknowledgements(&stream, times.disk)?;
        let (idle, patience, last_sent) = (times.idle, times.disk, Instant::now());
        let buffer = vec![0; READ_BYTES].into_boxed_slice();
        Ok(Line { stream: Arc::new(stream), received, buffer, to_send: BytesMut::new(), idle, last_sent, patience })
    }

    /// Ends this connection from another thread.
    pub(in crate::transport) fn closer(&self) -> Closer {
        Closer(self.stream.clone())
    }

    /// The next word; waits for it, but not for ever.
    pub(super) fn hear(&mut self) -> Result<Word, SessionEnd> {
        loop {
            if let Some(word) = self.take()? {
                return Ok(word);
            }
            self.fill()?;
        }
    }

    /// The next word if it is there already.
    pub(super) fn overhear(&mut self) -> Result<Option<Word>, SessionEnd> {
        self.stream.set_nonblocking(true)?;
        let filled = self.fill();
        self.stream.set_nonblocking(false)?;
        match filled {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error.into()),
            _ => self.take(),
        }
    }

    pub(super) fn say(&mut self, word: Word) -> io::Result<()> {
        let word = WireWord::from(word);
        self.put(|bytes| word.encode(bytes).expect("the buffer grows as needed"))
    }

    /// Says nothing, if nothing was said for a while: this side is at work.
    pub(super) fn show_life(&mut self) {
        if self.idle <= self.last_sent.elapsed() {
            // If the connection is broken, that shows at the next word.
            let _ = self.put(|_| {});
        }
    }

    /// Says why this side does not go on. What the other side is still sending is let in, for a while:
    /// if it were not, its system would throw away the reason together with the connection.
    pub(super) fn tell(&mut self, failure: SnapshotFailure) {
        let until = Instant::now() + self.patience;
        if self.say(Word::Failed(failure)).is_err() || self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        while Instant::now() < until && (&*self.stream).read(&mut self.buffer).is_ok_and(|count| count != 0) {}
    }

    fn put(&mut self, write: impl FnOnce(&mut BytesMut)) -> io::Result<()> {
        self.to_send.clear();
        Framing::Checked.put(&mut self.to_send, write);
        (&*self.stream).write_all(&self.to_send)?;
        self.last_sent = Instant::now();
        Ok(())
    }

    fn take(&mut self) -> Result<Option<Word>, SessionEnd> {
        while let Some(frame) = Framing::Checked.take(&mut self.received)? {
            if !frame.is_empty() {
                let word = WireWord::decode(frame).map_err(|_| Malformed("no protobuf message"))?;
                return Ok(Some(word.try_into()?));
            }
        }
        Ok(None)
    }

    fn fill(&mut self) -> io::Result<()> {
        match (&*self.stream).read(&mut self.buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.received.extend_from_slice(&self.buffer[..count]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Closer {
    pub(in crate::transport) fn close(&self) {
        // One that has ended needs no end.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl SessionEnd {
    /// The end that a word brings which does not belong where it is said.
    pub(super) fn unexpected(word: Word) -> SessionEnd {
        match word {
            Word::Failed(failure) => SessionEnd::Told(failure),
            _ => SessionEnd::Tell(SnapshotFailure::Nonsense),
        }
    }
}

impl From<io::Error> for SessionEnd {
    fn from(error: io::Error) -> SessionEnd {
        SessionEnd::Lost(error)
    }
}

impl From<Malformed> for SessionEnd {
    fn from(malformed: Malformed) -> SessionEnd {
        tracing::debug!(%malformed, "on the connection of a snapshot");
        SessionEnd::Tell(SnapshotFailure::Nonsense)
    }
}
