//! Frames that wait for their peer: bounded, and never waiting for room.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rafttree_model::{Message, Payload};
use tokio::sync::Notify;

use super::Frame;

/// Heartbeats and answers are small, so the number of frames bounds what a slow peer is owed.
const MOST_FRAMES: usize = 256;

/// Entries are not, so their bytes are bounded too. One frame may be waiting whatever its size.
const MOST_BYTES: usize = 8 << 20;

/// Frames for one peer. When it is full the oldest goes: Raft tolerates loss, and what is new is
/// worth more than what is old.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    bytes: usize,
}

impl Queue {
    /// Adds a frame; drops the oldest ones if there is no room.
    pub(super) fn push(&self, frame: Frame) {
        self.waiting().push(frame);
        self.filled.notify_one();
    }

    /// All that is waiting, once something is. Nothing is lost if the future is dropped.
    pub(super) async fn take(&self) -> VecDeque<Frame> {
        loop {
            let Waiting { frames, .. } = std::mem::take(&mut *self.waiting());
            if !frames.is_empty() {
                return frames;
            }
            self.filled.notified().await;
        }
    }

    /// Forgets what is waiting.
    pub(super) fn clear(&self) {
        *self.waiting() = Waiting::default();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn push(&mut self, frame: Frame) {
        self.bytes += payload_bytes(&frame);
        self.frames.push_back(frame);
        while 1 < self.frames.len() && (MOST_FRAMES < self.frames.len() || MOST_BYTES < self.bytes) {
            let oldest = self.frames.pop_front().expect("there is more than one");
            self.bytes -= payload_bytes(&oldest);
        }
    }
}

/// What the frame's commands hold in memory.
fn payload_bytes(frame: &Frame) -> usize {
    let Message::AppendRequest { entries, .. } = &frame.envelope.message else { return 0 };
    let command_bytes = |payload: &Payload<bytes::Bytes>| match payload {
        Payload::Blank => 0,
        Payload::Command(command) => command.len(),
    };
    entries.entries().iter().map(|entry| command_bytes(&entry.payload)).sum()
}

#[cfg(test)]
mod tests {
    use rafttree_model::{Entry, Envelope, Index, Position, ServerId, Slice, Term};

    use super::*;
    use crate::transport::Stamp;

    fn frame(number: u64, message: Message<Slice<bytes::Bytes>>) -> Frame {
        let envelope = Envelope { from: ServerId(1), to: ServerId(2), term: Term(1), message };
        Frame { envelope, sent: Stamp(number), echo: None }
    }

    fn large(number: u64, bytes: usize) -> Frame {
        let position = Position { term: Term(1), index: Index(1) };
        let entry = Entry { position, payload: Payload::Command(vec![0; bytes].into()) };
        let entries = Slice::new(Position::default(), vec![entry]).unwrap();
        frame(number, Message::AppendRequest { entries, commit: Index(0) })
    }

    fn numbers(frames: &VecDeque<Frame>) -> Vec<u64> {
        frames.iter().map(|frame| frame.sent.0).collect()
    }

    #[tokio::test]
    async fn a_full_queue_drops_its_oldest() {
        let queue = Queue::default();
        let pushed = MOST_FRAMES as u64 + 10;
        (0..pushed).for_each(|number| queue.push(frame(number, Message::Stale)));
        assert_eq!(numbers(&queue.take().await), (10..pushed).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn large_frames_fill_a_queue_by_their_bytes() {
        let queue = Queue::default();
        (0..5).for_each(|number| queue.push(large(number, MOST_BYTES / 2)));
        assert_eq!(numbers(&queue.take().await), [3, 4]);
        queue.push(large(5, MOST_BYTES + 1));
        assert_eq!(numbers(&queue.take().await), [5]);
    }

    #[tokio::test]
    async fn whoever_takes_waits_for_a_frame() {
        let queue = std::sync::Arc::new(Queue::default());
        let taker = tokio::spawn({
            let queue = queue.clone();
            async move { queue.take().await }
        });
        tokio::task::yield_now().await;
        queue.push(frame(1, Message::TimeoutNow));
        assert_eq!(numbers(&taker.await.unwrap()), [1]);
    }
}
