//! The network of a group in one process: what is sent has arrived, unless the way is cut.
//!
//! Each server that runs is plugged in. From each to each there is one way, as there is one connection from a server
//! to its peer, and both ends hear when it begins and when it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rafttree_model::ServerId;
use tokio::sync::mpsc;

use crate::core::links::Place;
use crate::storage::simulate::SimulatedDisk;
use crate::storage::snapshot::Snapshots;
use crate::transport::{Incoming, Refusal};

/// The network of one group; clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Switchboard(Arc<Mutex<Board>>);

/// One life of a server: of what former ones still say nothing arrives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Life {
    pub(super) id: ServerId,
    number: u64,
}

/// A server's end of the network.
#[derive(Clone)]
pub(super) struct Plug {
    pub(super) minimum_timeout: Duration,
    pub(super) inbox: mpsc::UnboundedSender<Incoming>,
    pub(super) snapshots: Arc<Snapshots<SimulatedDisk>>,
}

/// A way from one server to another.
type Way = (ServerId, ServerId);

#[derive(Default)]
struct Board {
    plugs: BTreeMap<ServerId, (Life, Plug)>,
    lives: u64,
    /// The servers that reach nobody, and that nobody reaches.
    cut: BTreeSet<ServerId>,
    /// The ways that those do not want at whom they end.
    unwanted: BTreeSet<Way>,
    /// The ways that stand, as those know who are at their ends.
    ways: BTreeSet<Way>,
}

impl Switchboard {
    /// A server begins.
    pub(super) fn plug_in(&self, id: ServerId, plug: Plug) -> Life {
        let mut board = self.board();
        board.lives += 1;
        let life = Life { id, number: board.lives };
        board.unwanted.retain(|&(_, to)| to != id);
        board.plugs.insert(id, (life, plug));
        board.settle();
        life
    }

    /// A server ends, and those that had called it are refused by its machine from then on.
    pub(super) fn unplug(&self, life: Life) {
        let mut board = self.board();
        if board.life(life.id) == Some(life) {
            let callers: Vec<_> = board.ways.iter().filter(|(_, to)| *to == life.id).map(|&(from, _)| from).collect();
            board.plugs.remove(&life.id);
            board.settle();
            for caller in callers {
                board.tell(caller, Incoming::NobodyListens { at: life.id, place: Place::Here });
            }
        }
    }

    /// Ends the present life of a server, if it has one.
    pub(super) fn unplug_any(&self, id: ServerId) {
        let life = self.board().life(id);
        if let Some(life) = life {
            self.unplug(life);
        }
    }

    /// Nobody reaches this server from now on, nor does it reach anybody.
    pub(super) fn cut_off(&self, id: ServerId) {
        let mut board = self.board();
        board.cut.insert(id);
        board.settle();
    }

    /// All servers reach each other again.
    pub(super) fn heal(&self) {
        let mut board = self.board();
        board.cut.clear();
        board.settle();
    }

    /// Whether the server is cut off.
    pub(super) fn is_cut_off(&self, id: ServerId) -> bool {
        self.board().cut.contains(&id)
    }

    /// The server wants to hear the peer, or not.
    pub(super) fn want(&self, life: Life, peer: ServerId, wants: bool) {
        let mut board = self.board();
        let way = (peer, life.id);
        let is_news = if wants { board.unwanted.remove(&way) } else { board.unwanted.insert(way) };
        if is_news && wants {
            board.tell(peer, Incoming::AtPeace { with: life.id });
        }
        board.settle();
    }

    /// The way from the peer ends, for this reason; another one begins at once, if it is wanted.
    pub(super) fn refuse(&self, life: Life, peer: ServerId, reason: &Refusal) {
        let mut board = self.board();
        if board.ways.remove(&(peer, life.id)) {
            board.tell(life.id, Incoming::Refused { peer, reason: reason.clone() });
            board.tell(peer, Incoming::Refused { peer: life.id, reason: reason.clone() });
            board.end((peer, life.id));
            board.settle();
        }
    }

    /// The present life at the other end of a way that stands from this one, and its snapshots.
    pub(super) fn reached(&self, from: Life, to: ServerId) -> Option<(Life, Arc<Snapshots<SimulatedDisk>>)> {
        let board = self.board();
        let (life, plug) = board.plugs.get(&to)?;
        board.stands(from, to).then(|| (*life, plug.snapshots.clone()))
    }

    /// Gives this to the other end, if the way stands.
    pub(super) fn deliver(&self, from: Life, to: ServerId, incoming: Incoming) {
        let board = self.board();
        if board.stands(from, to) {
            board.tell(to, incoming);
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    fn life(&self, id: ServerId) -> Option<Life> {
        self.plugs.get(&id).map(|&(life, _)| life)
    }

    fn stands(&self, from: Life, to: ServerId) -> bool {
        self.life(from.id) == Some(from) && self.ways.contains(&(from.id, to))
    }

    /// Begins the ways that can stand, and ends those that no longer can.
    fn settle(&mut self) {
        let able: Vec<ServerId> = self.plugs.keys().copied().filter(|id| !self.cut.contains(id)).collect();
        let pairs = able.iter().flat_map(|&from| able.iter().map(move |&to| (from, to)));
        let ways: BTreeSet<Way> = pairs.filter(|way| way.0 != way.1 && !self.unwanted.contains(way)).collect();
        let former = std::mem::replace(&mut self.ways, ways.clone());
        former.difference(&ways).for_each(|&way| self.end(way));
        ways.difference(&former).for_each(|&way| self.begin(way));
    }

    fn begin(&self, (from, to): Way) {
        let timeout = |id| self.plugs.get(&id).map_or(Duration::ZERO, |(_, plug)| plug.minimum_timeout);
        self.tell(from, Incoming::Connected { to, minimum_timeout: timeout(to) });
        self.tell(to, Incoming::Accepted { from, minimum_timeout: timeout(from) });
    }

    fn end(&self, (from, to): Way) {
        self.tell(from, Incoming::Disconnected { to });
        self.tell(to, Incoming::Closed { from });
    }

    /// Tells a server, unless it has ended.
    fn tell(&self, id: ServerId, incoming: Incoming) {
        if let Some((_, plug)) = self.plugs.get(&id) {
            let _ = plug.inbox.send(incoming);
        }
    }
}
