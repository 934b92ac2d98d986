//! raft-rs 0.7 over its own store in memory, driven as its documentation says.

use std::hint::black_box;
use std::mem;

use raft::prelude::{ConfState, Config, Entry, EntryType, Message, RawNode};
use raft::storage::MemStorage;
use raft::{INVALID_ID, StateRole};

use crate::{Group, MOST_APPLIED};

/// How raft-rs is set up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Settings {
    /// PreVote, CheckQuorum, and commits that are told with the next message: as ours does it.
    Equal,
    /// As it comes.
    Default,
}

/// A group of raft-rs's servers.
pub struct RaftRs {
    settings: Settings,
    servers: Vec<Server>,
    /// The wave that is being delivered.
    arriving: Vec<Message>,
    /// The wave after it.
    leaving: Vec<Message>,
}

struct Server {
    raw: RawNode<MemStorage>,
    /// Whether it has been given a message of this wave.
    touched: bool,
    /// How many entries were cut off at the front.
    removed: u64,
    applied: u64,
    commands: u64,
}

impl RaftRs {
    /// A group of so many servers that have just started for the first time.
    pub fn new(servers: usize, settings: Settings) -> Self {
        let ids: Vec<u64> = (1..=servers as u64).collect();
        let servers = ids.iter().map(|&id| Server::new(id, &ids, settings)).collect();
        RaftRs { settings, servers, arriving: Vec::new(), leaving: Vec::new() }
    }

    /// One server of a group of so many as it starts, with its store and without a world.
    pub fn replica(servers: usize, settings: Settings) -> RawNode<MemStorage> {
        let ids: Vec<u64> = (1..=servers as u64).collect();
        Server::new(1, &ids, settings).raw
    }

    /// What of [`RaftRs::replica`] is no protocol: a store in memory, that knows the members.
    pub fn store(servers: usize) -> MemStorage {
        let members: Vec<u64> = (1..=servers as u64).collect();
        MemStorage::new_with_conf_state(ConfState::from((members, Vec::new())))
    }
}

impl Group for RaftRs {
    fn servers(&self) -> usize {
        self.servers.len()
    }

    fn give_up(&mut self) {
        for each in &mut self.servers {
            let raft = &mut each.raw.raft;
            if raft.state == StateRole::Leader {
                raft.become_follower(raft.term, INVALID_ID);
            } else {
                raft.election_elapsed = raft.election_timeout();
            }
        }
    }

    fn time_out(&mut self, server: usize) {
        let server = &mut self.servers[server];
        server.raw.campaign().expect("a member may campaign");
        server.handle_ready(&mut self.leaving);
    }

    fn heartbeat(&mut self, leader: usize) {
        let leader = &mut self.servers[leader];
        leader.raw.ping();
        leader.handle_ready(&mut self.leaving);
    }

    fn propose(&mut self, leader: usize, command: &[u8]) {
        let leader = &mut self.servers[leader];
        leader.raw.propose(Vec::new(), command.to_vec()).expect("commands are proposed to leaders only");
        // What comes of it is taken with the next wave, so that commands that are proposed at once share it.
        leader.touched = true;
    }

    fn announce_commit(&mut self, leader: usize) {
        match self.settings {
            Settings::Equal => self.heartbeat(leader),
            Settings::Default => {}
        }
    }

    fn deliver(&mut self) -> bool {
        mem::swap(&mut self.arriving, &mut self.leaving);
        let mut any = false;
        for message in self.arriving.drain(..) {
            let server = &mut self.servers[message.to as usize - 1];
            server.raw.step(message).expect("a group that is not disturbed takes its own messages");
            server.touched = true;
        }
        for server in &mut self.servers {
            if mem::take(&mut server.touched) {
                server.handle_ready(&mut self.leaving);
                any = true;
            }
        }
        any
    }

    fn lose(&mut self) {
        self.servers.iter_mut().for_each(|server| server.handle_ready(&mut self.leaving));
        self.leaving.clear();
    }

    fn is_known_to_all(&self, leader: usize) -> bool {
        self.servers.iter().all(|server| server.raw.raft.leader_id == leader as u64 + 1)
    }

    fn applied(&self, server: usize) -> u64 {
        self.servers[server].commands
    }
}

impl Server {
    fn new(id: u64, members: &[u64], settings: Settings) -> Server {
        let store = RaftRs::store(members.len());
        let equal = settings == Settings::Equal;
        let config = Config {
            id,
            election_tick: 10,
            heartbeat_tick: 1,
            max_size_per_msg: 1 << 20,
            max_inflight_msgs: 1024,
            pre_vote: equal,
            check_quorum: equal,
            skip_bcast_commit: equal,
            batch_append: true,
            ..Config::default()
        };
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let raw = RawNode::new(&config, store, &logger).expect("the settings are valid");
        Server { raw, touched: false, removed: 0, applied: 0, commands: 0 }
    }

    fn handle_ready(&mut self, leaving: &mut Vec<Message>) {
        while self.raw.has_ready() {
            let mut ready = self.raw.ready();
            leaving.append(&mut ready.take_messages());
            self.apply(ready.take_committed_entries());
            self.store(&ready);
            leaving.append(&mut ready.take_persisted_messages());
            let mut light = self.raw.advance(ready);
            if let Some(commit) = light.commit_index() {
                self.raw.mut_store().wl().mut_hard_state().set_commit(commit);
            }
            leaving.append(&mut light.take_messages());
            self.apply(light.take_committed_entries());
            self.raw.advance_apply();
        }
        self.remove_applied();
    }

    fn store(&mut self, ready: &raft::Ready) {
        let mut store = self.raw.mut_store().wl();
        store.append(ready.entries()).expect("entries follow those that are stored");
        if let Some(state) = ready.hs() {
            store.set_hardstate(state.clone());
        }
    }

    fn apply(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.applied = entry.index;
            if entry.get_entry_type() == EntryType::EntryNormal && !entry.data.is_empty() {
                self.commands += 1;
                black_box(&entry.data);
            }
        }
    }

    /// Keeps the memory small. A few entries stay, for followers that do not have them yet.
    fn remove_applied(&mut self) {
        if self.removed + (MOST_APPLIED as u64) < self.applied {
            self.removed = self.applied - 1024;
            self.raw.mut_store().wl().compact(self.removed).expect("applied entries are stored");
        }
    }
}
