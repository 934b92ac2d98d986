//! One TCP connection as a stream of frames: four bytes of length, then a protobuf message.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, BytesMut};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;
use tokio_util::codec::{Decoder as _, LengthDelimitedCodec, LengthDelimitedCodecError};

use super::wire::Malformed;

/// The longest frame that the other side of a finished handshake may send.
pub(super) const LONGEST_FRAME: usize = 2 << 20;

/// The longest frame that anybody may send.
const LONGEST_GREETING: usize = 4 << 10;

/// Bytes asked of, or handed to, the system at a time.
const CHUNK: usize = 16 << 10;

/// A connection that carries frames.
pub(super) struct Connection {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
}

/// The side of a connection on which frames arrive.
pub(super) struct Reader {
    stream: OwnedReadHalf,
    codec: LengthDelimitedCodec,
    received: BytesMut,
}

/// The side of a connection on which frames leave.
pub(super) struct Writer {
    stream: OwnedWriteHalf,
    /// What the system has not taken yet.
    to_send: BytesMut,
    /// For so long the other side may take nothing before it counts as lost.
    silence: Duration,
}

/// Why a connection came to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    /// The other side, or the network, ended it.
    #[error(transparent)]
    Lost(#[from] io::Error),
    /// The other side sent what nobody should.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Connection {
    /// A connection whose other side is not known yet: it may send only short frames. It ends when
    /// what was sent stays unacknowledged for `silence`.
    pub(super) fn new(stream: TcpStream, silence: Duration) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        expect_acknowledgements(&stream, silence)?;
        let codec = LengthDelimitedCodec::builder().max_frame_length(LONGEST_GREETING).new_codec();
        let (read, write) = stream.into_split();
        let reader = Reader { stream: read, codec, received: BytesMut::new() };
        Ok(Connection { reader, writer: Writer { stream: write, to_send: BytesMut::new(), silence } })
    }

    /// The handshake is done, so frames may be long from now on.
    pub(super) fn allow_long_frames(&mut self) {
        self.reader.codec.set_max_frame_length(LONGEST_FRAME);
    }

    /// The next frame. Nothing is lost if the future is dropped.
    pub(super) async fn read<M: prost::Message + Default>(&mut self) -> Result<M, End> {
        self.reader.read().await
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

impl Reader {
    /// The next frame. Nothing is lost if the future is dropped.
    pub(super) async fn read<M: prost::Message + Default>(&mut self) -> Result<M, End> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.received).map_err(too_long)? {
                if frame.is_empty() {
                    continue;
                }
                return M::decode(frame.freeze()).map_err(|_| Malformed("no protobuf message").into());
            }
            self.received.reserve(CHUNK);
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}

#[cfg(test)]
impl Reader {
    /// Waits for an empty frame, with nothing before it.
    pub(super) async fn await_keep_alive(&mut self) {
        while self.received.len() < 4 {
            assert_ne!(self.stream.read_buf(&mut self.received).await.unwrap(), 0);
        }
        assert_eq!(self.received[..4], [0; 4]);
    }
}

impl Writer {
    /// Sends frames, as few writes as they fit in, after what was not taken yet.
    pub(super) async fn write<M: prost::Message>(&mut self, frames: impl IntoIterator<Item = M>) -> io::Result<()> {
        for frame in frames {
            self.encode(&frame);
            if CHUNK <= self.to_send.len() {
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
        self.to_send.put_u32(0);
        self.advance().is_ok() && self.to_send.is_empty()
    }

    fn encode<M: prost::Message>(&mut self, frame: &M) {
        let length = frame.encoded_len();
        if LONGEST_FRAME < length {
            // The other side would close the connection, and again after every reconnect.
            return tracing::error!(length, limit = LONGEST_FRAME, "a frame is too long to be sent");
        }
        self.to_send.put_u32(length.try_into().expect("the limit is far below 4 GiB"));
        frame.encode(&mut self.to_send).expect("the buffer grows as needed");
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
fn expect_acknowledgements(stream: &TcpStream, silence: Duration) -> io::Result<()> {
    let milliseconds = silence.as_millis().try_into().expect("election timeouts are limited to an hour");
    Ok(rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds)?)
}

#[cfg(not(target_os = "linux"))]
fn expect_acknowledgements(_: &TcpStream, _: Duration) -> io::Result<()> {
    Ok(())
}

/// The one error of the decoder itself: a length beyond the limit.
fn too_long(error: io::Error) -> End {
    match error.get_ref().is_some_and(|source| source.is::<LengthDelimitedCodecError>()) {
        true => Malformed("more bytes than allowed").into(),
        false => error.into(),
    }
}
