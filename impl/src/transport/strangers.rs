//! Connections whose other side has not shown yet that it belongs here: so many at a time, and whoever
//! comes is let in.
//!
//! Were the door closed when the room is full, strangers who came first could keep peers out. So
//! somebody has to leave for a newcomer, from where most come. A peer's stay ends when it has shown
//! that it knows the cluster's id, after two round trips.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::seq::IndexedRandom as _;
use tokio::sync::Notify;

/// Strangers at a time.
pub(super) const MAX_STRANGERS: usize = 256;

/// A server opens with its first packets. So long they may take to be read.
const FIRST_GREETING_DEADLINE: Duration = Duration::from_millis(100);

/// Everybody who is here.
#[derive(Default)]
pub(super) struct Strangers(Mutex<Vec<Arc<Stranger>>>);

struct Stranger {
    from: IpAddr,
    since: Instant,
    has_opened: AtomicBool,
    has_to_leave: Notify,
}

/// One stranger's stay, which ends with this value.
pub(super) struct Visit {
    strangers: Arc<Strangers>,
    stranger: Arc<Stranger>,
}

impl Strangers {
    /// Lets somebody in; says whether somebody else has to leave for that.
    pub(super) fn admit(self: &Arc<Strangers>, from: IpAddr, now: Instant) -> (Visit, bool) {
        let (has_opened, has_to_leave) = (AtomicBool::default(), Notify::new());
        let stranger = Arc::new(Stranger { from: network(from), since: now, has_opened, has_to_leave });
        let mut here = self.here();
        let is_full = MAX_STRANGERS <= here.len();
        if is_full && let Some(victim) = victims(&here, stranger.from, now).choose(&mut rand::rng()) {
            here.swap_remove(*victim).has_to_leave.notify_one();
        }
        here.push(stranger.clone());
        (Visit { strangers: self.clone(), stranger }, is_full)
    }

    fn here(&self) -> MutexGuard<'_, Vec<Arc<Stranger>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit {
    /// The stranger has begun as a server does.
    pub(super) fn note_opening(&self) {
        self.stranger.has_opened.store(true, Ordering::Relaxed);
    }

    /// Returns when the stranger has to leave.
    pub(super) async fn is_over(&self) {
        self.stranger.has_to_leave.notified().await;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.strangers.here().retain(|stranger| !Arc::ptr_eq(stranger, &self.stranger));
    }
}

impl Stranger {
    fn is_silent(&self, now: Instant) -> bool {
        !self.has_opened.load(Ordering::Relaxed) && FIRST_GREETING_DEADLINE <= now.saturating_duration_since(self.since)
    }
}

/// Those of whom one has to leave: from where most come, the newcomer included, who stays silent, or
/// else anybody. Of those the oldest would be a bad choice: where strangers come faster than a peer's
/// proof, it would be the peer each time.
fn victims(here: &[Arc<Stranger>], newcomer: IpAddr, now: Instant) -> Vec<usize> {
    let mut crowds = BTreeMap::from([(newcomer, 1)]);
    here.iter().for_each(|stranger| *crowds.entry(stranger.from).or_default() += 1);
    let largest = crowds.values().max();
    let crowd = (0..here.len()).filter(|&at| crowds.get(&here[at].from) == largest);
    let (silent, others): (Vec<_>, Vec<_>) = crowd.partition(|&at| here[at].is_silent(now));
    if silent.is_empty() { others } else { silent }
}

/// The part of an address that belongs to one owner: with IPv6 that is the first half of it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    /// Strangers from these addresses, who came at this time; all but some have opened.
    fn room(from: &[IpAddr], silent: &[usize], since: Instant) -> Vec<Arc<Stranger>> {
        let stranger = |(at, &from)| {
            let has_opened = AtomicBool::new(!silent.contains(&at));
            Arc::new(Stranger { from, since, has_opened, has_to_leave: Notify::new() })
        };
        from.iter().enumerate().map(stranger).collect()
    }

    #[test]
    fn who_stays_silent_leaves_first_and_else_anybody() {
        let now = Instant::now();
        let here = room(&[HERE; 5], &[1, 3], now);
        assert_eq!(victims(&here, HERE, now), [0, 1, 2, 3, 4], "whoever has just come may not be heard yet");
        assert_eq!(victims(&here, HERE, now + FIRST_GREETING_DEADLINE), [1, 3]);
        assert_eq!(victims(&room(&[HERE; 5], &[], now), HERE, now + FIRST_GREETING_DEADLINE), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn who_comes_from_where_most_come_leaves_before_all_others() {
        let now = Instant::now();
        let here = room(&[HERE, THERE, HERE, THERE, THERE], &[0, 3], now);
        for newcomer in [HERE, THERE] {
            assert_eq!(
                victims(&here, newcomer, now + FIRST_GREETING_DEADLINE)[0],
                if newcomer == HERE { 0 } else { 3 }
            );
        }
        assert_eq!(victims(&here, THERE, now), [1, 3, 4]);
        assert_eq!(victims(&here[1..], HERE, now), [0, 2, 3], "a newcomer alone makes no crowd");
        assert_eq!(victims(&here[..4], THERE, now), [1, 3], "a newcomer counts");
    }

    #[test]
    fn an_owner_of_many_addresses_is_one_crowd() {
        let address = |text: &str| network(text.parse().unwrap());
        assert_eq!(address("2001:db8:1:2:3:4:5:6"), address("2001:db8:1:2:ffff::1"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_eq!(address("::ffff:192.0.2.1"), THERE);
        assert_ne!(address("192.0.2.2"), THERE);
    }

    #[tokio::test]
    async fn whoever_comes_is_let_in_and_one_other_leaves() {
        let (strangers, now) = (Arc::<Strangers>::default(), Instant::now());
        let admit = || strangers.admit(HERE, now);
        let mut visits: Vec<_> = (0..MAX_STRANGERS).map(|_| admit()).collect();
        assert!(visits.iter().all(|(_, is_crowded)| !is_crowded));
        let (newcomer, is_crowded) = admit();
        assert!(is_crowded);
        let leaves = |visit: &Visit| !strangers.here().iter().any(|stranger| Arc::ptr_eq(stranger, &visit.stranger));
        let left: Vec<_> = visits.extract_if(.., |(visit, _)| leaves(visit)).collect();
        assert_eq!((left.len(), leaves(&newcomer)), (1, false));
        left[0].0.is_over().await;
        drop((left, newcomer));
        assert!(!admit().1, "who has left makes room");
    }
}
