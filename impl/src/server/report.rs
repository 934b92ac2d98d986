//! The status of a server, and its warnings.

use rafttree_model::Index;

use super::disk::slowness;
use super::state::Server;
use crate::api::status::{Leader, LeadershipStatus, PeerStatus, Status, Warning};
use crate::clock;

impl Server {
    /// The server's status, and its peers' as far as it is known.
    pub(super) fn status(&self) -> Status {
        let (now, node) = (clock::now(), self.driver.node());
        let answered = |id| self.leading.epoch().and(self.driver.contact(id, now)).map(|contact| now.since(contact));
        let peers = self.network.peers.values().cloned();
        let leadership = self.leading.epoch().map(|epoch| LeadershipStatus {
            fence: epoch.fence(),
            lease: epoch.remaining(),
            at_work: epoch.is_at_work(),
        });
        Status {
            cluster: self.owner.0.cluster,
            incarnation: self.owner.1,
            address: self.network.carrier.local_address(),
            election_timeout: self.settings.policy.minimum_timeout,
            protocol: node.status(),
            leadership,
            applied: Index::new(self.requests.apply.applied()),
            snapshot: self.requests.snapshot,
            failed_snapshot: self.requests.failed_snapshot.clone(),
            compacted: node.log().base(),
            work: self.leading.work,
            campaigns: self.driver.campaigns(),
            heard: self.driver.heard().map(|(leader, at)| (leader, now.since(at))),
            peers: peers
                .map(|peer| PeerStatus {
                    answered: answered(peer.id),
                    progress: node.progress(peer.id),
                    needs_snapshot: node.sends_snapshot_to(peer.id),
                    ..peer
                })
                .collect(),
            flush: self.driver.usual_flush(),
            warnings: self.warnings(),
        }
    }

    /// The leader, and this server itself only if it may act as one.
    pub(super) fn view(&self) -> Leader {
        let node = self.driver.node();
        let leader = node.leader().filter(|&leader| leader != node.id() || self.leading.leads());
        Leader { leader, term: node.term() }
    }

    /// Says so when flushes become too slow, and when they are no more.
    pub(super) fn note_slowness(&mut self) {
        let slow = self.slowness();
        if self.disk.note_slowness(slow) {
            self.views.changed();
        }
    }

    /// The warnings that hold now.
    fn warnings(&self) -> Vec<Warning> {
        let unequal = self.network.peers.values().filter_map(|peer| self.unequal_timeouts(peer));
        let faulty = Warning::of_faulty(self.driver.node().faulty());
        let trace = self.recorder.trouble().map(Warning::from);
        let ours = faulty.into_iter().chain(self.disk.fullness()).chain(self.slowness()).chain(trace);
        ours.chain(unequal).collect()
    }

    fn unequal_timeouts(&self, peer: &PeerStatus) -> Option<Warning> {
        let ours = self.settings.policy.minimum_timeout;
        let theirs = peer.election_timeout.filter(|&theirs| theirs != ours)?;
        Some(Warning::UnequalTimeouts { peer: peer.id, theirs, ours })
    }

    fn slowness(&self) -> Option<Warning> {
        slowness(self.driver.usual_flush(), self.settings.policy.minimum_timeout)
    }
}
