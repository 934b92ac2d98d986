//! What a thread is told, in order, while it is woken no more often than somebody waits.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::core::stamp::Stamp;

/// How long something is kept that nobody waits for.
const MAX_DELAY: Duration = Duration::from_millis(5);

/// The way to a thread. To wake one costs more than most of what it is told: so what nobody waits for is kept until
/// something follows for which somebody does, but not for long.
#[derive(Debug)]
pub(super) struct Gathering<T> {
    sender: UnboundedSender<T>,
    kept: Vec<T>,
    /// When that which is kept is due.
    due: Option<Stamp>,
}

impl<T> Gathering<T> {
    /// The way to whoever receives.
    pub(super) fn new(sender: UnboundedSender<T>) -> Gathering<T> {
        Gathering { sender, kept: Vec::new(), due: None }
    }

    /// Tells this, after what is kept.
    pub(super) fn tell(&mut self, news: T) {
        self.kept.push(news);
        self.tell_kept();
    }

    /// Keeps this for now.
    pub(super) fn keep(&mut self, news: T, now: Stamp) {
        self.kept.push(news);
        self.due.get_or_insert(now.after(MAX_DELAY));
    }

    /// When [`tell_due`](Gathering::tell_due) has something to tell.
    pub(super) fn next_deadline(&self) -> Option<Stamp> {
        self.due
    }

    /// Tells what is kept, if it is due.
    pub(super) fn tell_due(&mut self, now: Stamp) {
        if self.due.is_some_and(|due| due <= now) {
            self.tell_kept();
        }
    }

    /// Tells what is kept.
    pub(super) fn tell_kept(&mut self) {
        self.due = None;
        for news in self.kept.drain(..) {
            // If the thread ended, it has reported why, and its report stops the server.
            let _ = self.sender.send(news);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    const START: Stamp = Stamp(1_000_000_000);

    fn heard(receiver: &mut UnboundedReceiver<u32>) -> Vec<u32> {
        std::iter::from_fn(|| receiver.try_recv().ok()).collect()
    }

    #[test]
    fn what_is_kept_goes_in_order_before_what_somebody_waits_for() {
        let (sender, mut receiver) = unbounded_channel();
        let mut gathering = Gathering::new(sender);
        gathering.keep(1, START);
        gathering.keep(2, START);
        assert!(heard(&mut receiver).is_empty());
        gathering.tell(3);
        assert_eq!(heard(&mut receiver), [1, 2, 3]);
        assert_eq!(gathering.next_deadline(), None, "nothing is left that could be due");
        gathering.tell(4);
        assert_eq!(heard(&mut receiver), [4]);
    }

    #[test]
    fn nothing_is_kept_longer_than_the_first_of_it_may_be() {
        let (sender, mut receiver) = unbounded_channel();
        let mut gathering = Gathering::new(sender);
        for start in [START, START.after(7 * MAX_DELAY)] {
            gathering.keep(1, start);
            gathering.keep(2, start.after(MAX_DELAY / 2));
            let due = start.after(MAX_DELAY);
            assert_eq!(gathering.next_deadline(), Some(due));
            gathering.tell_due(Stamp(due.0 - 1));
            assert!(heard(&mut receiver).is_empty());
            gathering.tell_due(due);
            assert_eq!((heard(&mut receiver), gathering.next_deadline()), (vec![1, 2], None));
        }
    }
}
