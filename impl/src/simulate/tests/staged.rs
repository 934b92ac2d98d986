//! Histories that trouble at random hardly ever makes.

use rafttree_model::{Message, RoleName, ServerId};
use tokio::sync::oneshot;

use super::subject;
use crate::core::driver::Input;
use crate::core::request::Reply;
use crate::machine::sessions::Sent;
use crate::simulate::faults::{MILLISECOND, T};
use crate::simulate::server::Server;
use crate::simulate::watched::tagged;
use crate::simulate::world::{Happening, World};

/// Longer than any history of this kind.
const FOR_EVER: u64 = 3_600_000 * MILLISECOND;

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

impl World<'_> {
    fn leader(&self) -> Option<ServerId> {
        let leads = |server: &Server| server.running.as_ref().is_some_and(|running| running.lease.is_some());
        self.group.values().find(|server| leads(server)).map(|server| server.id)
    }

    fn cast(&self) -> Option<Cast> {
        let leader = self.leader()?;
        let [stalled, near, far @ ..] = &self.peers(leader)[..] else { return None };
        Some(Cast { leader, stalled: *stalled, near: *near, far: far.to_vec() })
    }

    /// Messages from these to that one are lost from now on.
    fn cut(&mut self, from: &[ServerId], to: ServerId) {
        from.iter().for_each(|&from| self.lose(from, to, FOR_EVER));
    }

    fn run_for(&mut self, time: u64) {
        self.run_until(self.now + time);
    }

    fn propose(&mut self, id: ServerId) {
        let Some(running) = self.group.get_mut(&id).and_then(|server| server.running.as_mut()) else { return };
        let command = self.subject.command(&mut self.random);
        self.clients.tags += 1;
        let sent = Sent::Plain(tagged(self.clients.tags, &command, 0).into());
        let reply = Reply { sender: oneshot::channel().0, permit: None };
        running.service.propose(running.driver.node(), sent.encode(), reply);
        self.serve(id);
    }

    /// Runs until one of these asks for votes; `None` if it takes too long, or another one does.
    fn run_until_candidate(&mut self, among: &[ServerId]) -> Option<()> {
        let end = self.now + 3 * T;
        while self.now < end {
            let candidate =
                self.group.values().filter_map(Server::status).find(|status| status.role == RoleName::Candidate);
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
        self.group.get_mut(&stalled)?.stalled = FOR_EVER;
        self.propose(leader);
        self.run_for(2 * MILLISECOND);
        self.group.get_mut(&leader)?.still = FOR_EVER;
        self.cut(&far, leader);
        self.run_until_candidate(&far)?;
        self.cut(&far, near);
        self.run_for(2 * MILLISECOND);
        self.group.get_mut(&leader)?.still = self.now;
        self.run_for(MILLISECOND);
        self.group.get_mut(&stalled)?.stalled = self.now;
        self.flush(stalled);
        self.cut(&[stalled], leader);
        let before = self.facts.elections;
        self.run_for(T / 2);
        (before < self.facts.elections).then_some(())
    }

    fn answers_are_on_their_way_to(&self, leader: ServerId) -> bool {
        let is_answer = |happening: &&Happening| match happening {
            Happening::Input { to, input: Input::Frame(frame), .. } => {
                *to == leader && matches!(frame.message, Message::AppendReply { .. })
            }
            _ => false,
        };
        self.agenda().filter(is_answer).count() == 2
    }

    /// Something rejects whatever the leader and the others say to each other, so that each side takes
    /// the other for dead, while the answers to a heartbeat are on their way. They must not renew the
    /// lease, though the leader looks at its timers a little later.
    fn rejection(&mut self) -> Option<()> {
        self.run_for(5 * T);
        let leader = self.leader()?;
        while !self.answers_are_on_their_way_to(leader) {
            self.advance();
        }
        self.group.get_mut(&leader)?.late = self.now + 20 * MILLISECOND;
        self.reject(&[leader]);
        let before = self.facts.elections;
        self.run_for(T / 2);
        (before < self.facts.elections).then_some(())
    }
}

/// Many histories of one kind, most of which must take their course.
fn stage(servers: u32, seeds: u64, course: impl Fn(&mut World<'_>) -> Option<()>) {
    let subject = subject();
    let take = |seed: &u64| {
        let mut world = World::peaceful(&subject, *seed, servers, None);
        let is_taken = course(&mut world).is_some();
        assert_eq!(world.violation, None, "seed {seed}");
        is_taken
    };
    let took = (0..seeds).filter(take).count() as u64;
    assert!(seeds < 10 * took, "only {took} histories of {seeds} took this course");
}

#[test]
fn a_late_answer_gives_no_lease_by_a_server_that_voted_for_another() {
    stage(5, 400, |world| world.eclipse());
}

#[test]
fn a_late_answer_gives_no_lease_by_a_server_that_was_cut_off() {
    stage(3, 400, |world| world.rejection());
}
