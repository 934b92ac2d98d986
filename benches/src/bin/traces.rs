//! Traces of one long run, for `rafttree-checker replay`: three deployed replicas under load, in one process, with disks and
//! a network that answer at once.
//!
//! `cargo run --release -p rafttree-benches --bin traces -- 10000000 DIR`
//!
//! So many steps at least, as `DIR/1.trace` to `DIR/3.trace`. Commands are proposed in batches, snapshots compact the logs,
//! and now and then the leader is killed and another one is elected. What `store -- traces` leaves behind is of servers with
//! real disks and connections, and shorter.

use std::collections::VecDeque;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use rafttree_model::chain::{Chain, MAGIC};
use rafttree_model::digest::code;
use rafttree_model::trace::{Ending, Origin};
use rafttree_model::{
    Durable, Entries, Envelope, Event, Members, Next, Node, Output, Replica, ServerId, Slice, Traced,
};

type Command = [u8; 8];

/// Between two steps, in nanoseconds.
const PACE: u64 = 20_000;

/// The most commands that are proposed together.
const MAX_BATCH: u64 = 8;

/// Batches between heartbeats, between snapshots, and between leaders.
const BEAT: u64 = 16;
const COMPACTION: u64 = 1000;
const TENURE: u64 = 20_000;

/// Of all digests of commands.
const KEY: u64 = 5;

struct Server {
    traced: Traced<Command>,
    trace: BufWriter<File>,
    chain: Chain,
    began: u64,
    steps: u64,
}

struct Group {
    servers: Vec<Server>,
    mail: VecDeque<Envelope<Slice<Command>>>,
    now: u64,
    proposed: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [steps, folder] = &arguments[..] else {
        return Err("say how many steps, and the directory to write to".into());
    };
    let (steps, folder) = (steps.parse()?, Path::new(folder));
    fs::create_dir_all(folder)?;
    let mut group = Group { servers: Vec::new(), mail: VecDeque::new(), now: 0, proposed: 0 };
    for id in 1..=3 {
        let trace = BufWriter::new(File::create(folder.join(format!("{id}.trace")))?);
        let server = Server::start(id, trace, (Durable::default(), Entries::default()), group.now)?;
        group.servers.push(server);
    }
    group.run(steps)?;
    println!("{} steps", group.steps());
    Ok(())
}

impl Server {
    fn start(id: u32, trace: BufWriter<File>, disk: (Durable, Entries<Command>), now: u64) -> std::io::Result<Server> {
        let (id, (durable, entries)) = (ServerId::new(id), disk);
        let members = Members::new((1..=3).map(ServerId::new)).expect("three servers are a group");
        let digested = Origin::digested(&entries, KEY);
        let origin =
            Origin { code: code(), group: 1, began: now, id, members, durable: durable.clone(), entries: digested };
        let mut traced = Traced::new(Replica::new(Node::recover(id, members, durable), entries));
        traced.record(KEY);
        let mut server = Server { traced, trace, chain: Chain::default(), began: now, steps: 0 };
        server.trace.write_all(&MAGIC)?;
        server.seal(&origin.body())?;
        Ok(server)
    }

    fn seal(&mut self, body: &[u8]) -> std::io::Result<()> {
        let mut frame = Vec::new();
        self.chain.seal(body, &mut frame);
        self.trace.write_all(&frame)
    }

    /// Writes down what was recorded.
    fn keep(&mut self) -> std::io::Result<()> {
        let recorded = self.traced.take_recorded();
        let mut rest = &recorded[..];
        while let Some((length, after)) = rest.split_first_chunk() {
            let (body, after) = after.split_at(u32::from_le_bytes(*length) as usize);
            self.seal(body)?;
            self.steps += 1;
            rest = after;
        }
        Ok(())
    }
}

impl Group {
    fn run(&mut self, steps: u64) -> std::io::Result<()> {
        let (mut leader, mut batches) = (0, 0);
        self.elect(leader)?;
        while self.steps() < steps {
            batches += 1;
            let first = self.proposed;
            self.proposed += 1 + batches % MAX_BATCH;
            let commands = (first..self.proposed).map(u64::to_le_bytes).collect();
            self.happens(leader, |traced| traced.propose(commands))?;
            if batches % BEAT == 0 {
                self.event(leader, Event::HeartbeatTimeout)?;
            }
            self.deliver()?;
            if batches % COMPACTION == 0 {
                self.compact()?;
            }
            if batches % TENURE == 0 {
                self.restart(leader)?;
                leader = (leader + 1) % self.servers.len();
                self.elect(leader)?;
            }
        }
        for server in &mut self.servers {
            server.keep()?;
            server.seal(&Ending::Stopped.body())?;
            server.trace.flush()?;
        }
        Ok(())
    }

    fn steps(&self) -> u64 {
        self.servers.iter().map(|server| server.steps).sum()
    }

    fn happens(&mut self, place: usize, what: impl FnOnce(&mut Traced<Command>)) -> std::io::Result<()> {
        self.now += PACE;
        let server = &mut self.servers[place];
        server.traced.set_now(self.now - server.began);
        what(&mut server.traced);
        while let Some(next) = server.traced.proceed() {
            match next {
                Next::Perform(Output::Send(envelope)) => {
                    self.mail.extend(envelope.with_entries(|range| server.traced.entries().fill(range)));
                }
                Next::Perform(_) => {}
                Next::Receive(envelope) => server.traced.step(Event::Receive(envelope)),
                Next::Write => {
                    server.traced.write().for_each(drop);
                    server.traced.flushed();
                }
            }
        }
        if 1 << 16 < server.traced.recorded() { server.keep() } else { Ok(()) }
    }

    fn event(&mut self, place: usize, event: Event<Command>) -> std::io::Result<()> {
        self.happens(place, |traced| traced.step(event))
    }

    fn deliver(&mut self) -> std::io::Result<()> {
        while let Some(envelope) = self.mail.pop_front() {
            self.event(envelope.to.number() as usize - 1, Event::Receive(envelope))?;
        }
        Ok(())
    }

    fn elect(&mut self, candidate: usize) -> std::io::Result<()> {
        for place in 0..self.servers.len() {
            self.event(place, Event::MinimumTimeout)?;
        }
        self.event(candidate, Event::ElectionTimeout)?;
        self.deliver()
    }

    fn compact(&mut self) -> std::io::Result<()> {
        for place in 0..self.servers.len() {
            let commit = self.servers[place].traced.node().commit();
            self.event(place, Event::Snapshotted(commit))?;
        }
        self.deliver()
    }

    /// Kills a server, which has nothing that is not on its disk.
    fn restart(&mut self, place: usize) -> std::io::Result<()> {
        let mut former = self.servers.remove(place);
        former.keep()?;
        let Server { traced, trace, steps, .. } = former;
        let disk = (traced.node().durable().clone(), traced.entries().clone());
        let server = Server { steps, ..Server::start(place as u32 + 1, trace, disk, self.now)? };
        self.servers.insert(place, server);
        Ok(())
    }
}
