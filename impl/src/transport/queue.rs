//! Frames on their way to a peer: those that cannot leave at once wait, bounded, and never for room.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rafttree_model::{Message, Payload};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::connection::FrameWriter;
use super::wire::WireFrame;
use crate::core::frame::{Frame, Packet};
use crate::core::request::{Outcome, ServiceMessage};

/// Heartbeats and answers are small, so the number of frames bounds what a slow peer is owed.
const MAX_QUEUED_FRAMES: usize = 256;

/// Entries are not, so their bytes are bounded too. One frame may be waiting whatever its size.
const MAX_QUEUED_BYTES: usize = 8 << 20;

/// Requests and what became of them wait behind the protocol, and who waits for an answer bounds how many
/// there are. This is more than that: it bounds what a peer that cannot be reached makes wait.
const MAX_QUEUED_SERVICE_BYTES: usize = 128 << 20;

/// Packets for one peer. When it is full the oldest of their kind goes: Raft tolerates loss, and what is
/// new is worth more than what is old.
///
/// While nothing waits it holds the connection's writer, so that a frame leaves from where it was
/// pushed: a heartbeat is hardly more work than waking a task would be.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    writer: Option<FrameWriter>,
    /// Whether the writer holds a frame that the system has not taken as a whole.
    is_blocked: bool,
    /// Whether something was sent since this was last asked.
    is_busy: bool,
    frames: VecDeque<Frame>,
    bytes: usize,
    services: VecDeque<Packet>,
    service_bytes: usize,
}

impl Queue {
    /// Sends a packet, or adds it to those that wait; drops the oldest ones if there is no room.
    pub(super) fn push(&self, packet: impl Into<Packet>) {
        if self.waiting().push(packet.into()) {
            self.filled.notify_one();
        }
    }

    /// Leaves the writer here until it has to wait: then it is given back, with what it is to send
    /// after the rest of what it has begun. If the future is dropped the writer stays.
    pub(super) async fn take(&self, writer: FrameWriter) -> (FrameWriter, VecDeque<Packet>) {
        self.waiting().writer = Some(writer);
        loop {
            if let Some(taken) = self.waiting().take() {
                return taken;
            }
            self.filled.notified().await;
        }
    }

    /// Sends something whenever nothing was sent for so long: what is between the two servers must
    /// not forget an idle connection, and if it has, that must be noticed.
    pub(super) async fn keep_alive(&self, idle: Duration) -> Infallible {
        loop {
            sleep(idle).await;
            if self.waiting().keep_alive() {
                self.filled.notify_one();
            }
        }
    }

    /// Forgets what is waiting, and closes what it would have left on.
    pub(super) fn clear(&self) {
        *self.waiting() = Waiting::default();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whether something waits now for which the writer must be taken.
    fn push(&mut self, packet: Packet) -> bool {
        self.is_busy = true;
        match (&mut self.writer, packet) {
            (Some(writer), packet) if !self.is_blocked => {
                self.is_blocked = !writer.write_now(&WireFrame::from(packet));
                return self.is_blocked;
            }
            (_, Packet::Protocol(frame)) => self.add(frame),
            (_, packet) => self.add_service(packet),
        }
        true
    }

    /// The same for an empty frame, if nothing else is on its way.
    fn keep_alive(&mut self) -> bool {
        let is_idle = !mem::take(&mut self.is_busy) && !self.is_blocked && !self.has_some();
        let Some(writer) = self.writer.as_mut().filter(|_| is_idle) else { return false };
        self.is_blocked = !writer.keep_alive();
        self.is_blocked
    }

    fn take(&mut self) -> Option<(FrameWriter, VecDeque<Packet>)> {
        if !self.has_some() && !self.is_blocked {
            return None;
        }
        let Waiting { writer, frames, services, .. } = mem::take(self);
        writer.map(|writer| (writer, frames.into_iter().map(Packet::Protocol).chain(services).collect()))
    }

    fn has_some(&self) -> bool {
        !self.frames.is_empty() || !self.services.is_empty()
    }

    fn add(&mut self, frame: Frame) {
        self.bytes += payload_bytes(&frame);
        self.frames.push_back(frame);
        while 1 < self.frames.len() && (MAX_QUEUED_FRAMES < self.frames.len() || MAX_QUEUED_BYTES < self.bytes) {
            let oldest = self.frames.pop_front().expect("there is more than one");
            self.bytes -= payload_bytes(&oldest);
        }
    }

    fn add_service(&mut self, packet: Packet) {
        self.service_bytes += service_bytes(&packet);
        self.services.push_back(packet);
        while 1 < self.services.len() && MAX_QUEUED_SERVICE_BYTES < self.service_bytes {
            let oldest = self.services.pop_front().expect("there is more than one");
            self.service_bytes -= service_bytes(&oldest);
        }
    }
}

/// Bytes that a packet about requests holds in memory, about.
fn service_bytes(packet: &Packet) -> usize {
    const USUAL: usize = 64;
    let Packet::Service(frame) = packet else { return USUAL };
    USUAL
        + match &frame.message {
            ServiceMessage::Propose { command, .. } => command.len(),
            ServiceMessage::Proposed { outcome: Outcome::Answer(answer), .. } => answer.len(),
            _ => 0,
        }
}

/// Bytes that the frame's commands hold in memory.
fn payload_bytes(frame: &Frame) -> usize {
    let Message::AppendRequest { entries, .. } = &frame.message else { return 0 };
    let command_bytes = |payload: &Payload<bytes::Bytes>| match payload {
        Payload::Blank => 0,
        Payload::Command(command) => command.len(),
    };
    entries.entries().iter().map(|entry| command_bytes(&entry.payload)).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rafttree_model::{Entry, Envelope, Index, Position, ServerId, Slice, Term};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::core::frame::ServiceFrame;
    use crate::transport::connection::Connection;

    fn frame(number: u64, message: Message<Slice<bytes::Bytes>>) -> Frame {
        Envelope { from: ServerId::new(1), to: ServerId::new(2), term: Term::new(number), message }
    }

    fn large(number: u64, bytes: usize) -> Frame {
        let position = Position { term: Term::new(1), index: Index::new(1) };
        let entry = Entry { position, payload: Payload::Command(vec![0; bytes].into()) };
        let entries = Slice::new(Position::default(), vec![entry]).unwrap();
        frame(number, Message::AppendRequest { entries, commit: Index::ZERO, round: rafttree_model::Round::ZERO })
    }

    /// The terms of messages of the protocol, and 0 for others.
    fn numbers(packets: &VecDeque<Packet>) -> Vec<u64> {
        let number = |packet: &Packet| if let Packet::Protocol(frame) = packet { frame.term.number() } else { 0 };
        packets.iter().map(number).collect()
    }

    /// A connection's writer, and the other side.
    async fn writer() -> (FrameWriter, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        stream.writable().await.unwrap();
        let mut connection = Connection::new(stream, Duration::from_secs(2)).unwrap();
        connection.begin_frames();
        (connection.writer, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn a_full_queue_drops_its_oldest() {
        let queue = Queue::default();
        let pushed = MAX_QUEUED_FRAMES as u64 + 10;
        (0..pushed).for_each(|number| queue.push(frame(number, Message::Stale)));
        let (_, frames) = queue.take(writer().await.0).await;
        assert_eq!(numbers(&frames), (10..pushed).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn large_frames_fill_a_queue_by_their_bytes() {
        let queue = Queue::default();
        (0..5).for_each(|number| queue.push(large(number, MAX_QUEUED_BYTES / 2)));
        let (writer, frames) = queue.take(writer().await.0).await;
        assert_eq!(numbers(&frames), [3, 4]);
        queue.push(large(5, MAX_QUEUED_BYTES + 1));
        assert_eq!(numbers(&queue.take(writer).await.1), [5]);
    }

    #[tokio::test]
    async fn requests_wait_behind_the_protocol_and_are_not_dropped_for_it() {
        let queue = Queue::default();
        for request in 0..2 * MAX_QUEUED_FRAMES as u64 {
            let message = ServiceMessage::AskReadIndex { request };
            queue.push(ServiceFrame { from: ServerId::new(1), to: ServerId::new(2), message });
            queue.push(frame(1 + request, Message::Stale));
        }
        let (_, packets) = queue.take(writer().await.0).await;
        let numbers = numbers(&packets);
        assert_eq!(numbers.iter().filter(|&&number| number == 0).count(), 2 * MAX_QUEUED_FRAMES);
        assert!(numbers[..MAX_QUEUED_FRAMES].iter().all(|&number| 0 < number), "{numbers:?}");
    }

    #[tokio::test]
    async fn what_fits_leaves_at_once_and_what_does_not_waits_in_order() {
        let queue = Arc::new(Queue::default());
        let (writer, other_side) = writer().await;
        let taker = tokio::spawn({
            let queue = queue.clone();
            async move { queue.take(writer).await }
        });
        tokio::task::yield_now().await;
        // The other side takes nothing, so at some time the system takes no more.
        let mut pushed = 0;
        while !taker.is_finished() {
            queue.push(large(pushed, 100_000));
            pushed += 1;
            assert!(pushed < 1_000, "nobody sends what waits");
            tokio::task::yield_now().await;
        }
        queue.push(frame(pushed, Message::TimeoutNow));
        let (mut writer, begun) = taker.await.unwrap();
        tokio::spawn(async move {
            writer.write(begun.into_iter().map(WireFrame::from)).await.unwrap();
            let (mut writer, rest) = queue.take(writer).await;
            writer.write(rest.into_iter().map(WireFrame::from)).await.unwrap();
        });
        let mut connection = Connection::new(other_side, Duration::from_secs(2)).unwrap();
        connection.begin_frames();
        for number in 0..=pushed {
            let frame = Frame::try_from(connection.read::<WireFrame>().await.unwrap()).unwrap();
            assert_eq!(frame.term.number(), number);
            if number == pushed {
                assert_eq!(frame.message, Message::TimeoutNow);
            }
        }
    }
}
