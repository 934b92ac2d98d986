//! The leader's lease: until when nobody else can lead.
//!
//! A follower that took an AppendEntries at some time does not help to replace its sender until
//! its own minimum timeout T has passed since (dissertation 4.2.3, 6.4.1). Each AppendEntries
//! carries a reading of the leader's clock, and the answer brings it back. So once a majority has
//! answered, the leader knows a moment, by its own clock, before which nobody else can have been
//! elected.
//!
//! A follower whose timeout is the longer one keeps the leader's, since it knows both: so a group
//! of unequal timeouts is not held up by its slowest member.
//!
//! The lease rests on assumptions that the protocol's safety does not need: no clock runs faster
//! than another by more than [`CLOCK_DRIFT_DIVISOR`], a machine's clock goes on while the machine sleeps, a
//! server is not restarted with a shorter timeout within the longer one, and whoever refuses new
//! connections at a leader's address is the leader's own machine, after the leader's end
//! ([`ElectOnDisconnect`](crate::ElectOnDisconnect) says how much of that is needed). Connections
//! may end as they like. Where a violation of these must do no harm, the protected resource checks
//! the fence.

use std::time::Duration;

use rafttree_model::{Members, ServerId, ServerMap};

use super::stamp::Stamp;

/// Clocks may differ in speed by one part in so many.
pub(crate) const CLOCK_DRIFT_DIVISOR: u32 = 10;

/// The least time that clocks tell apart.
const CLOCK_RESOLUTION: Duration = Duration::from_nanos(1);

/// The times at which the others have heard a leader, as far as it knows.
#[derive(Debug)]
pub(crate) struct Contacts {
    id: ServerId,
    /// Each server's minimum timeout, as it told when we connected.
    timeouts: ServerMap<Duration>,
    /// When the latest message was sent that a server is known to have answered.
    heard: ServerMap<Stamp>,
    /// Messages that were sent before this count no more, however late they are answered.
    since: ServerMap<Stamp>,
}

impl Contacts {
    /// No contacts yet.
    pub(crate) fn new(id: ServerId, minimum_timeout: Duration) -> Contacts {
        let timeouts = ServerMap::from_iter([(id, minimum_timeout)]);
        Contacts { id, timeouts, heard: ServerMap::default(), since: ServerMap::default() }
    }

    /// The peer's minimum timeout, as the peer has told it.
    pub(crate) fn told(&mut self, peer: ServerId, minimum_timeout: Duration) {
        self.timeouts.insert(peer, minimum_timeout);
    }

    /// The server's minimum timeout, if it has told.
    pub(crate) fn timeout(&self, id: ServerId) -> Option<Duration> {
        self.timeouts.get(id).copied()
    }

    /// The peer's process seems to have ended. If it lives, and what seems so is a network that
    /// refuses on behalf of both of us, then the peer takes us for dead, and is no longer loyal,
    /// whatever it has answered before and is yet to arrive.
    pub(crate) fn forget(&mut self, peer: ServerId, now: Stamp) {
        self.heard.insert(peer, Stamp(0));
        self.since.insert(peer, now.after(CLOCK_RESOLUTION));
    }

    /// A new leadership begins: what was heard during an earlier one no longer counts.
    pub(crate) fn forget_all(&mut self) {
        self.heard = ServerMap::default();
    }

    /// The peer has answered a message that was sent at `echo`.
    pub(crate) fn heard(&mut self, peer: ServerId, echo: Stamp, now: Stamp) {
        let since = self.since.get(peer).copied().unwrap_or_default();
        // A reading of the future was taken before this machine started anew.
        if since <= echo && echo <= now {
            self.heard.insert(peer, self.contact(peer, now).max(echo));
        }
    }

    /// Until when nobody else can be elected.
    pub(crate) fn lease(&self, members: &Members, now: Stamp) -> Stamp {
        let own = self.timeout(self.id).unwrap_or_default();
        members.reached_by_majority(|id| match self.timeout(id).map(|timeout| timeout.min(own)) {
            Some(timeout) if self.contact(id, now) != Stamp(0) => {
                self.contact(id, now).after(timeout - timeout / CLOCK_DRIFT_DIVISOR)
            }
            _ => Stamp(0),
        })
    }

    /// The latest time such that a majority has answered a message that was sent then or later.
    pub(crate) fn confirmed(&self, members: &Members, now: Stamp) -> Stamp {
        members.reached_by_majority(|id| self.contact(id, now))
    }

    /// The peer that was heard last.
    pub(crate) fn freshest(&self) -> Option<ServerId> {
        let peers = self.heard.iter().filter(|&(id, contact)| id != self.id && contact != Stamp(0));
        peers.max_by_key(|&(_, contact)| contact).map(|(id, _)| id)
    }

    /// When the server was in contact; this server always is.
    pub(crate) fn contact(&self, id: ServerId, now: Stamp) -> Stamp {
        if id == self.id { now } else { self.heard.get(id).copied().unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_millis(100);
    const LEASE: Duration = Duration::from_millis(90);
    const NEVER: Stamp = Stamp(0);

    fn at(millisecond: u64) -> Stamp {
        Stamp(0).after(Duration::from_millis(millisecond))
    }

    fn group(count: u32) -> (Members, Contacts) {
        let mut contacts = Contacts::new(ServerId::new(1), T);
        (2..=count).for_each(|id| contacts.told(ServerId::new(id), T));
        (Members::new((1..=count).map(ServerId::new)).unwrap(), contacts)
    }

    #[test]
    fn a_lease_runs_from_when_a_majority_was_sent_to() {
        let (members, mut contacts) = group(5);
        contacts.heard(ServerId::new(2), at(1000), at(1010));
        assert_eq!(contacts.lease(&members, at(1010)), NEVER);
        contacts.heard(ServerId::new(3), at(1005), at(1012));
        assert_eq!(contacts.lease(&members, at(1012)), at(1000).after(LEASE));
        contacts.heard(ServerId::new(4), at(1011), at(1013));
        assert_eq!(contacts.lease(&members, at(1013)), at(1005).after(LEASE));
        contacts.forget(ServerId::new(4), at(1013));
        assert_eq!(contacts.lease(&members, at(1013)), at(1000).after(LEASE));
        contacts.forget_all();
        assert_eq!(contacts.lease(&members, at(1013)), NEVER);
    }

    #[test]
    fn what_was_sent_before_a_peer_seemed_dead_counts_no_more() {
        let (members, mut contacts) = group(2);
        contacts.heard(ServerId::new(2), at(1000), at(1001));
        contacts.forget(ServerId::new(2), at(1002));
        for sent in [1000, 1001, 1002] {
            contacts.heard(ServerId::new(2), at(sent), at(1003));
            assert_eq!(contacts.lease(&members, at(1003)), NEVER, "{sent}");
        }
        contacts.told(ServerId::new(2), T);
        contacts.heard(ServerId::new(2), at(1002), at(1005));
        assert_eq!(contacts.lease(&members, at(1005)), NEVER);
        contacts.heard(ServerId::new(2), at(1004), at(1005));
        assert_eq!(contacts.lease(&members, at(1005)), at(1004).after(LEASE));
    }

    #[test]
    fn the_shorter_timeout_of_leader_and_follower_counts() {
        for (told, lease) in [(T / 2, at(1045)), (T, at(1090)), (10 * T, at(1090))] {
            let (members, mut contacts) = group(3);
            contacts.told(ServerId::new(2), told);
            contacts.heard(ServerId::new(2), at(1000), at(1000));
            assert_eq!(contacts.lease(&members, at(1000)), lease);
        }
    }

    #[test]
    fn a_lease_outlives_the_connections() {
        let (members, mut contacts) = group(3);
        contacts.heard(ServerId::new(2), at(1000), at(1000));
        contacts.told(ServerId::new(2), T);
        assert_eq!(contacts.lease(&members, at(1050)), at(1090));
    }

    #[test]
    fn a_peer_whose_timeout_is_unknown_does_not_count() {
        let mut contacts = Contacts::new(ServerId::new(1), T);
        let members = Members::new([ServerId::new(1), ServerId::new(2)]).unwrap();
        contacts.heard(ServerId::new(2), at(1000), at(1000));
        assert_eq!(contacts.lease(&members, at(1000)), NEVER);
    }

    #[test]
    fn an_older_answer_or_one_from_the_future_changes_nothing() {
        let (members, mut contacts) = group(2);
        contacts.heard(ServerId::new(2), at(1000), at(1001));
        contacts.heard(ServerId::new(2), at(900), at(1002));
        contacts.heard(ServerId::new(2), at(5000), at(1003));
        assert_eq!(contacts.lease(&members, at(1003)), at(1000).after(LEASE));
    }

    #[test]
    fn a_group_of_one_is_always_in_contact() {
        let (members, contacts) = group(1);
        assert_eq!(contacts.lease(&members, at(1000)), at(1000).after(LEASE));
        assert_eq!(contacts.confirmed(&members, at(1000)), at(1000));
    }

    #[test]
    fn a_round_is_confirmed_by_answers_to_itself_or_later_ones() {
        let (members, mut contacts) = group(3);
        contacts.heard(ServerId::new(2), at(999), at(1001));
        assert_eq!(contacts.confirmed(&members, at(1001)), at(999));
        contacts.heard(ServerId::new(3), at(1000), at(1001));
        assert_eq!(contacts.confirmed(&members, at(1001)), at(1000));
        assert_eq!(contacts.freshest(), Some(ServerId::new(3)));
    }
}
