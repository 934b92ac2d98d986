//! One TCP connection as a stream of frames: a protobuf message behind its length.
//!
//! Greetings have a length and nothing more, in all versions. After the handshake a length is
//! followed by a checksum of the message and one of the length: TCP's own does not notice every
//! change, and not what happens in memory or in a middlebox. What was changed on purpose it cannot
//! tell.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::wire::Malformed;

/// The longest frame that the other side of a finished handshake may send.
pub(super) const MAX_FRAME_BYTES: usize = 2 << 20;

/// The longest frame that anybody may send.
const MAX_GREETING_BYTES: usize = 4 << 10;

/// Bytes handed to the system at a time.
const CHUNK_BYTES: usize = 16 << 10;

/// Memory that frames are read into, and the least of it for which the system is asked.
const READ_BYTES: usize = 64 << 10;
const MIN_READ_BYTES: usize = 4 << 10;

/// The reason why a frame may differ from its checksum.
const DAMAGED: Malformed = Malformed(
    "other bytes than were sent: memory, a network card or a device between the servers is faulty, or somebody has \
     changed them",
);

/// The header of each message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// Its length.
    Greeting,
    /// Its length, its checksum, and a checksum of these two: who waited for as many bytes as a wrong
    /// length says could wait for long.
    Checked,
}

/// A connection that carries frames.
pub(super) struct Connection {
    pub(super) reader: FrameReader,
    pub(super) writer: FrameWriter,
}

/// The side of a connection on which frames arrive.
pub(super) struct FrameReader {
    stream: OwnedReadHalf,
    framing: Framing,
    received: BytesMut,
}

/// The side of a connection on which frames leave.
pub(super) struct FrameWriter {
    stream: OwnedWriteHalf,
    framing: Framing,
    /// Bytes that the system has not taken yet.
    to_send: BytesMut,
    /// Time that the other side may take nothing before it counts as lost.
    silence: Duration,
}

/// Why a connection came to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionEnd {
    /// The other side, or the network, ended it.
    #[error(transparent)]
    Lost(#[from] io::Error),
    /// The other side sent what nobody should.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Framing {
    /// Bytes before the message.
    pub(super) fn header(self) -> usize {
        match self {
            Framing::Greeting => 4,
            Framing::Checked => 12,
        }
    }

    fn longest(self) -> usize {
        match self {
            Framing::Greeting => MAX_GREETING_BYTES,
            Framing::Checked => MAX_FRAME_BYTES,
        }
    }

    /// Adds a frame, whose message `write` adds.
    pub(super) fn put(self, out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
        let start = out.len();
        out.put_bytes(0, self.header());
        write(out);
        let (header, message) = out[start..].split_at_mut(self.header());
        let length = u32::try_from(message.len()).expect("the limit is far below 4 GiB");
        header[..4].copy_from_slice(&length.to_be_bytes());
        if self == Framing::Checked {
            header[4..8].copy_from_slice(&crc32fast::hash(message).to_be_bytes());
            let checksum = crc32fast::hash(&header[..8]);
            header[8..].copy_from_slice(&checksum.to_be_bytes());
        }
    }

    /// Takes the first message off, once all of it is there. A length is believed only if it may be.
    pub(super) fn take(self, received: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
        let Some(header) = received.get(..self.header()) else { return Ok(None) };
        let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let (length, is_checked) = (number(0) as usize, self == Framing::Checked);
        if is_checked && crc32fast::hash(&header[..8]) != number(8) {
            return Err(DAMAGED);
        }
        if self.longest() < length {
            return Err(Malformed("more bytes than allowed"));
        }
        let Some(message) = received.get(header.len()..header.len() + length) else { return Ok(None) };
        if is_checked && crc32fast::hash(message) != number(4) {
            return Err(DAMAGED);
        }
        received.advance(self.header());
        Ok(Some(received.split_to(length).freeze()))
    }
}

impl Connection {
    /// A connection whose other side is not known yet: it may send only short frames. It ends when
    /// what was sent stays unacknowledged for `silence`.
    pub(super) fn new(stream: TcpStream, silence: Duration) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        expect_acknowledgements(&stream, silence)?;
        let framing = Framing::Greeting;
        let (read, write) = stream.into_split();
        let reader = FrameReader { stream: read, framing, received: BytesMut::new() };
        Ok(Connection { reader, writer: FrameWriter { stream: write, framing, to_send: BytesMut::new(), silence } })
    }

    /// The handshake is done: from now on frames may be long, and have checksums.
    pub(super) fn begin_frames(&mut self) {
        self.reader.framing = Framing::Checked;
        self.writer.framing = Framing::Checked;
    }

    /// The next frame. Nothing is lost if the future is dropped.
    pub(super) async fn read<M: prost::Message + Default>(&mut self) -> Result<M, ConnectionEnd> {
        self.reader.read().await
    }

    /// The connection for a thread that waits, and what has arrived on it already.
    pub(super) fn into_blocking(self) -> io::Result<(std::net::TcpStream, BytesMut)> {
        let Connection { reader, writer } = self;
        let stream = reader.stream.reunite(writer.stream).map_err(io::Error::other)?.into_std()?;
        stream.set_nonblocking(false)?;
        Ok((stream, reader.received))
    }

    /// Sends frames, as few writes as they fit in.
    pub(super) async fn write<M: prost::Message>(&mut self, frames: impl IntoIterator<Item = M>) -> io::Result<()> {
        self.writer.write(frames).await
    }

    /// Sends bytes that need not be a frame.
    #[cfg(test)]
    pub(super) async fn write_raw(&mut self, bytes: &[u8]) {
        self.writer.to_send.put_slice(bytes);
        self.writer.flush().await.unwrap();
    }
}

impl FrameReader {
    /// The next frame. Nothing is lost if the future is dropped.
    pub(super) async fn read<M: prost::Message + Default>(&mut self) -> Result<M, ConnectionEnd> {
        loop {
            if let Some(frame) = self.framing.take(&mut self.received)? {
                if frame.is_empty() {
                    continue;
                }
                return M::decode(frame).map_err(|_| Malformed("no protobuf message").into());
            }
            self.make_room();
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// Commands stay in the memory that they were read into, all of which stays with the last of them. So it is read into to
    /// its end, whatever the size of a frame.
    fn make_room(&mut self) {
        if self.received.capacity() - self.received.len() < MIN_READ_BYTES {
            self.received.reserve(READ_BYTES);
        }
    }
}

#[cfg(test)]
impl FrameReader {
    /// Waits for an empty frame, with nothing before it.
    pub(super) async fn await_keep_alive(&mut self) {
        let header = self.framing.header();
        while self.received.len() < header {
            assert_ne!(self.stream.read_buf(&mut self.received).await.unwrap(), 0);
        }
        assert_eq!(self.framing.take(&mut self.received.split_to(header)).unwrap(), Some(Bytes::new()));
    }
}

impl FrameWriter {
    /// Sends frames, as few writes as they fit in, after what was not taken yet.
    pub(super) async fn write<M: prost::Message>(&mut self, frames: impl IntoIterator<Item = M>) -> io::Result<()> {
        for frame in frames {
            self.encode(&frame);
            if CHUNK_BYTES <= self.to_send.len() {
                self.flush().await?;
            }
        }
        self.flush().await
    }

    /// Sends a frame as far as the system takes it without waiting, and says whether that was all.
    /// An error of the connection is met again by whoever sends the rest.
    pub(super) fn write_now(&mut self, frame: &impl prost::Message) -> bool {
        self.encode(frame);
        self.advance().is_ok() && self.to_send.is_empty()
    }

    /// Sends an empty frame, which says nothing, as far as the system takes it without waiting.
    pub(super) fn keep_alive(&mut self) -> bool {
        self.framing.put(&mut self.to_send, |_| {});
        self.advance().is_ok() && self.to_send.is_empty()
    }

    fn encode<M: prost::Message>(&mut self, frame: &M) {
        let length = frame.encoded_len();
        if MAX_FRAME_BYTES < length {
            // The other side would close the connection, and again after every reconnect.
            return tracing::error!(length, limit = MAX_FRAME_BYTES, "a frame is too long to be sent");
        }
        self.framing.put(&mut self.to_send, |bytes| frame.encode(bytes).expect("the buffer grows as needed"));
    }

    async fn flush(&mut self) -> io::Result<()> {
        while !self.to_send.is_empty() {
            match self.advance() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    timeout(self.silence, self.stream.writable()).await??;
                }
                advanced => advanced?,
            }
        }
        Ok(())
    }

    /// Hands the system what it takes at once.
    fn advance(&mut self) -> io::Result<()> {
        while !self.to_send.is_empty() {
            let written = self.stream.try_write(&self.to_send)?;
            self.to_send.advance(written);
        }
        Ok(())
    }
}

/// Ends the connection when what was sent stays unacknowledged. Left to itself, TCP tries again
/// ever more rarely, and would notice the end of a long partition only minutes later.
#[cfg(target_os = "linux")]
pub(super) fn expect_acknowledgements(stream: impl AsFd, silence: Duration) -> io::Result<()> {
    let milliseconds = silence.as_millis().try_into().expect("election timeouts are limited to an hour");
    Ok(rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn expect_acknowledgements(_: impl AsFd, _: Duration) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(framing: Framing, message: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        framing.put(&mut out, |bytes| bytes.put_slice(message));
        out
    }

    #[test]
    fn every_flipped_bit_of_a_frame_is_noticed_before_more_is_waited_for() {
        for message in [&[][..], &[0], b"a message", &[0xff; 300]] {
            let whole = framed(Framing::Checked, message);
            assert_eq!(Framing::Checked.take(&mut whole.clone()), Ok(Some(Bytes::copy_from_slice(message))));
            for bit in 0..8 * whole.len() {
                let mut flipped = whole.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Framing::Checked.take(&mut flipped), Err(DAMAGED), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_frame_is_taken_when_all_of_it_is_there() {
        for framing in [Framing::Greeting, Framing::Checked] {
            let whole = framed(framing, b"a message");
            for length in 0..whole.len() {
                let mut part = BytesMut::from(&whole[..length]);
                assert_eq!(framing.take(&mut part), Ok(None));
                assert_eq!(part.len(), length);
            }
            let mut two = BytesMut::from(&[&whole[..], &framed(framing, b"more")].concat()[..]);
            assert_eq!(framing.take(&mut two), Ok(Some(Bytes::from_static(b"a message"))));
            assert_eq!(framing.take(&mut two), Ok(Some(Bytes::from_static(b"more"))));
            assert_eq!((framing.take(&mut two), two.len()), (Ok(None), 0));
        }
    }

    #[tokio::test]
    async fn commands_that_arrive_one_by_one_share_the_memory_that_they_are_read_into() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let silence = Duration::from_secs(2);
        let mut sender = Connection::new(near, silence).unwrap();
        let mut receiver = Connection::new(listener.accept().await.unwrap().0, silence).unwrap();
        let mut places = Vec::new();
        let mut held = Vec::new();
        for _ in 0..100 {
            let command = Bytes::from_static(&[7; 300]);
            sender.writer.write([command.clone()]).await.unwrap();
            let arrived: Bytes = receiver.reader.read().await.unwrap();
            assert_eq!(arrived, command);
            places.push(arrived.as_ptr() as usize);
            held.push(arrived);
        }
        let apart = places.iter().max().unwrap() - places.iter().min().unwrap();
        assert!(apart < READ_BYTES, "they hold {apart} bytes");
    }

    /// Servers of all versions read greetings so; what comes after them belongs to version 3.
    #[test]
    fn the_frames_stay_as_they_are() {
        assert_eq!(framed(Framing::Greeting, b"hi")[..], *b"\0\0\0\x02hi");
        assert_eq!(framed(Framing::Checked, b"hi")[..], *b"\x00\x00\x00\x02\xd8\x93\x2a\xac\xb3\x5c\x38\x3dhi");
    }
}
