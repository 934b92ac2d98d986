//! Histories that trouble at random hardly ever makes.

use std::time::Duration;

use rafttree_model::{Message, RoleName, ServerId};

use super::{Happening, Input, T, World, seed_to_repeat};

/// Longer than any history of this kind.
const FOR_EVER: u64 = 3_600_000_000_000;

/// The servers of one history by what happens to them.
struct Cast {
    leader: ServerId,
    /// Its disk stalls.
    stalled: ServerId,
    /// It hears the leader, and not that others vote.
    near: ServerId,
    /// They hear the leader no more.
    far: Vec<ServerId>,
}

impl World {
    fn cast(&self) -> Option<Cast> {
        let leader = self.ids().into_iter().find(|id| self.servers[id].lease.is_some())?;
        let [stalled, near, far @ ..] = &self.peers(leader)[..] else { return None };
        Some(Cast { leader, stalled: *stalled, near: *near, far: far.to_vec() })
    }

    /// Messages from these to that one are lost from now on.
    fn cut(&mut self, from: &[ServerId], to: ServerId) {
        self.lost.extend(from.iter().map(|&from| ((from, to), FOR_EVER)));
    }

    fn run_for(&mut self, time: Duration) {
        self.run_until(Duration::from_nanos(self.now) + time);
    }

    /// Runs until one of these asks for votes; `None` if it takes too long, or another one does.
    fn run_until_candidate(&mut self, among: &[ServerId]) -> Option<()> {
        let end = self.now + (3 * T).as_nanos() as u64;
        while self.now < end {
            let statuses = self.servers.values().filter_map(|server| Some(server.driver.as_ref()?.node().status()));
            let candidate = statuses.into_iter().find(|status| status.role == RoleName::Candidate);
            match candidate {
                Some(candidate) => return among.contains(&candidate.id).then_some(()),
                None => self.advance(),
            }
        }
        None
    }

    /// The leader stands still with its last words on their way to a disk that stalls; others elect
    /// the next one with the vote of that server; then both wake, and the answer to the last words
    /// leaves at last. What the follower refused meanwhile must lend its time to no such answer.
    ///
    /// `None` if the history took another course.
    fn eclipse(&mut self) -> Option<()> {
        self.run_for(5 * T);
        let Cast { leader, stalled, near, far } = self.cast()?;
        self.servers.get_mut(&stalled)?.stalled = FOR_EVER;
        self.propose(leader);
        self.run_for(Duration::from_millis(2));
        self.servers.get_mut(&leader)?.still = FOR_EVER;
        self.cut(&far, leader);
        self.run_until_candidate(&far)?;
        self.cut(&far, near);
        self.run_for(Duration::from_millis(2));
        self.servers.get_mut(&leader)?.still = self.now;
        self.run_for(Duration::from_millis(1));
        let server = self.servers.get_mut(&stalled)?;
        server.stalled = self.now;
        let life = server.life;
        self.flushed(stalled, life);
        self.cut(&[stalled], leader);
        let before = self.history.leaderships;
        self.run_for(T / 2);
        (before < self.history.leaderships).then_some(())
    }

    fn answers_are_on_their_way_to(&self, leader: ServerId) -> bool {
        let is_answer = |happening: &Happening| match happening {
            Happening::Input { to, input: Input::Frame(frame), .. } => {
                *to == leader && matches!(frame.message, Message::AppendReply { .. })
            }
            _ => false,
        };
        self.happenings.values().filter(|happening| is_answer(happening)).count() == 2
    }

    /// Something rejects whatever the leader and the others say to each other, so that each side takes
    /// the other for dead, while the answers to a heartbeat are on their way. They must not renew the
    /// lease, though the leader looks at its timers a little later.
    fn rejection(&mut self) -> Option<()> {
        self.run_for(5 * T);
        let leader = self.ids().into_iter().find(|id| self.servers[id].lease.is_some())?;
        while !self.answers_are_on_their_way_to(leader) {
            self.advance();
        }
        self.servers.get_mut(&leader)?.late = self.now + Duration::from_millis(20).as_nanos() as u64;
        self.reject(vec![leader]);
        let before = self.history.leaderships;
        self.run_for(T / 2);
        (before < self.history.leaderships).then_some(())
    }
}

/// Many histories of one kind, most of which must take their course.
fn stage(servers: u32, seeds: u64, course: impl Fn(&mut World) -> Option<()>) {
    let take = |seed| course(&mut World::at_peace(seed, servers)).is_some();
    if let Some(seed) = seed_to_repeat() {
        take(seed);
        return;
    }
    let took = (0..seeds).filter(|&seed| take(seed)).count() as u64;
    assert!(seeds < 10 * took, "only {took} histories of {seeds} took this course");
}

#[test]
fn a_late_answer_gives_no_lease_by_a_server_that_voted_for_another() {
    stage(5, 400, World::eclipse);
}

#[test]
fn a_late_answer_gives_no_lease_by_a_server_that_was_cut_off() {
    stage(3, 400, World::rejection);
}
