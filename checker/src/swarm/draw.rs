//! What may happen next, drawn: one action of a kind, of all those that the concrete system offers.
//!
//! To list them all would take most of the time, as a leader may send any part of its log at any time. So
//! one is made up, and what is likely to matter is likely to be drawn: the entries that a follower lacks,
//! the next snapshot of what is committed.

use std::sync::Arc;

use rafttree_model::{Faulty, Index, Log, Node, Role, ServerId};

use crate::swarm::dice::Dice;
use crate::swarm::habits::{Habits, Kind, Reader};
use crate::swarm::post::Post;
use crate::swarm::rules::{MESSAGES, kind};
use crate::system::{Action, System, network};
use crate::world::{DiskMutant, Leadership, Letter, Server, World};

/// One state, and the dice.
pub(super) struct Draw<'a> {
    pub(super) system: &'a System,
    pub(super) world: &'a World,
    pub(super) dice: &'a mut Dice,
    pub(super) post: &'a mut Post,
    pub(super) habits: &'a Habits,
}

/// What is unlikely to matter happens once in so many times.
const SELDOM: u64 = 8;

impl Draw<'_> {
    /// An action of this kind; none, if none is possible or the dice meant one that is not.
    pub(super) fn action(&mut self, kind: Kind) -> Option<Action> {
        let bounds = self.system.bounds;
        match kind {
            Kind::ElectionTimeout => self.election_timeout(),
            Kind::HeartbeatTimeout => self.server(|server| !is_follower(server)).map(Action::HeartbeatTimeout),
            Kind::MinimumTimeout => self.minimum_timeout(),
            Kind::Deliver => self.post.next(self.dice, self.world).map(Action::Deliver),
            Kind::DeliverAgain => self.sent().map(Action::Deliver),
            Kind::Append => self.append().map(|letter| Action::Deliver(Arc::new(letter))),
            Kind::Propose if bounds.proposals => self.server(Server::leads).map(Action::Propose),
            Kind::Transfer if bounds.transfers => self.transfer(),
            Kind::StepDown if bounds.transfers => self.server(Server::leads).map(Action::StepDown),
            Kind::Flush => self.server(|server| !server.unsynced.is_empty()).map(Action::Flush),
            Kind::Crash => self.crash(),
            Kind::Damage if bounds.damages => self.damage(),
            Kind::Snapshot if bounds.snapshots => self.snapshot(),
            Kind::Read => self.read(),
            Kind::Apply => self.system.is_only_applying(self.world),
            Kind::Propose | Kind::Transfer | Kind::StepDown | Kind::Damage | Kind::Snapshot => None,
        }
    }

    /// A server of which this holds.
    fn server(&mut self, is_one: impl Fn(&Server) -> bool) -> Option<ServerId> {
        let fitting: Vec<_> = self.world.ids().filter(|&id| is_one(self.world.server(id))).collect();
        self.dice.one_of(&fitting)
    }

    /// The group is divided, some leader with few others where that is a habit; or it is whole again.
    pub(super) fn divide(&mut self) {
        let servers = self.world.servers.len();
        let leader = self.server(Server::leads).filter(|_| self.habits.isolates && self.post.is_whole());
        match leader {
            Some(leader) => self.post.isolate(self.dice, servers, leader),
            None => self.post.divide(self.dice, servers),
        }
    }

    fn election_timeout(&mut self) -> Option<Action> {
        let seldom = self.dice.once_in(SELDOM);
        self.server(|server| seldom || !server.leads()).map(Action::ElectionTimeout)
    }

    /// Whoever follows is free to help another; a leader has to have been answered.
    fn minimum_timeout(&mut self) -> Option<Action> {
        let seldom = self.dice.once_in(SELDOM);
        self.server(|server| seldom || is_follower(server)).map(Action::MinimumTimeout)
    }

    /// A message by its kind, so that the seldom ones arrive late as often as those of which there are many. Where a
    /// reader waits, what is said there is more likely to matter.
    fn sent(&mut self) -> Option<Arc<Letter>> {
        let all = &self.world.network;
        let at = self.dice.below(MESSAGES.len() as u64) as usize;
        let reader = self.world.reads.waiting.map(|reader| reader.server).filter(|_| self.dice.once_in(2));
        let fits = |letter: &&Arc<Letter>| match reader {
            Some(server) => letter.to == server,
            None => kind(&letter.message) == at,
        };
        let fitting: Vec<_> = all.iter().filter(fits).collect();
        let letter = self.dice.one_of(&fitting)?;
        self.post.are_together(letter.from, letter.to).then(|| Arc::clone(letter))
    }

    /// Some part of some leader's log, mostly what a follower lacks of the latest leader's.
    fn append(&mut self) -> Option<Letter> {
        let all = &self.world.leaderships;
        let latest = all.len().checked_sub(1)?;
        let at = if self.dice.once_in(SELDOM) { self.dice.below(all.len() as u64) as usize } else { latest };
        let leadership = Arc::clone(&all[at]);
        let leader = leadership.leader;
        let others = self.world.ids().filter(|&id| id != leader && self.post.are_together(id, leader));
        let to = self.dice.one_of(&others.collect::<Vec<_>>())?;
        let length = leadership.entries.len() as u64;
        let lacked = self.lacked(&leadership, to).filter(|first| *first <= length);
        if lacked.is_none() && !self.dice.once_in(SELDOM) {
            return None;
        }
        let (first, last) = match lacked {
            Some(first) if !self.dice.once_in(SELDOM) => (first, length),
            _ => {
                let first = self.dice.between(0, length);
                (first, self.dice.between(first, length))
            }
        };
        let known = leadership.commit.number();
        let commit = if self.dice.once_in(SELDOM) { self.dice.below(last.min(known) + 1) } else { known };
        Some(network::part(&leadership, to, first as usize..last as usize, Index::new(commit)))
    }

    /// How many entries come before the next one for this follower, if that leader leads.
    fn lacked(&self, leadership: &Leadership, to: ServerId) -> Option<u64> {
        let node = &self.world.server(leadership.leader).node;
        let Role::Leader { progress, .. } = node.role() else { return None };
        let is_it = node.term() == leadership.term;
        progress.get(to).filter(|_| is_it).map(|progress| progress.next.previous().number())
    }

    fn transfer(&mut self) -> Option<Action> {
        let from = self.server(Server::leads)?;
        let others: Vec<_> = self.world.ids().filter(|&id| id != from).collect();
        self.dice.one_of(&others).map(|to| Action::Transfer { from, to })
    }

    fn crash(&mut self) -> Option<Action> {
        let waits = |server: &Server| !server.unsynced.is_empty();
        let any = self.dice.once_in(2);
        let server = self.server(|server| any || waits(server))?;
        let has_waiting = waits(self.world.server(server));
        if self.system.ground.disk_mutant == Some(DiskMutant::TornVote) && has_waiting && self.dice.once_in(2) {
            return Some(Action::CrashTorn(server));
        }
        let most = self.world.server(server).unsynced_records() as u64;
        Some(Action::Crash { server, keep: self.dice.between(0, most) as usize })
    }

    /// Disks are damaged one at a time.
    fn damage(&mut self) -> Option<Action> {
        if !self.world.servers.iter().all(|server| server.disk.durable.faulty().is_none()) {
            return None;
        }
        let holds_entries = |log: &Log| log.base().index < log.last().index;
        let server = self.server(|server| holds_entries(server.disk.durable.log()))?;
        let log = self.world.server(server).disk.durable.log();
        let first = self.dice.between(log.base().index.number() + 1, log.last().index.number());
        let last = self.dice.between(first, log.last().index.number());
        Some(Action::Damage { server, faulty: Faulty::between(Index::new(first), Index::new(last)) })
    }

    fn snapshot(&mut self) -> Option<Action> {
        let seldom = self.dice.once_in(SELDOM);
        let end = |server: &Server| if seldom { server.node.log().last().index } else { server.node.commit() };
        let server = self.server(|server| server.node.log().base().index < end(server))?;
        let it = self.world.server(server);
        let through = self.dice.between(it.node.log().base().index.number() + 1, end(it).number());
        Some(Action::Snapshot { server, through: Index::new(through) })
    }

    /// One reader is followed in a run; mostly it asks as the run is in the habit of.
    fn read(&mut self) -> Option<Action> {
        let may_ask = self.system.follows_reads() && self.system.bounds.reads;
        let reads = &self.world.reads;
        if !may_ask || reads.waiting.is_some() || reads.ended.is_some() {
            return None;
        }
        // Whoever is asked, there is no second reader.
        let seldom = self.dice.once_in(SELDOM * SELDOM);
        let knows_all = |node: &Node| node.log().term_at(node.commit()) == Some(node.term());
        let latest = self.world.servers.iter().filter(|it| it.leads()).map(|it| it.node.term()).max();
        let reader = self.habits.reader;
        let is_asked = |node: &Node| match reader {
            Reader::Knowing => knows_all(node),
            Reader::New => !knows_all(node),
            Reader::Deposed => Some(node.term()) < latest,
        };
        self.server(|server| seldom || server.leads() && is_asked(&server.node)).map(Action::Read)
    }
}

fn is_follower(server: &Server) -> bool {
    matches!(server.node.role(), Role::Follower { .. })
}
