//! Three servers on this machine, each a process.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rafttree::{ClusterId, Identity};
use rafttree_benches::load::{Failed, Target};
use tokio::time::sleep;

use super::client::{Asks, Client, Status};

pub(super) const SERVERS: usize = 3;

/// Whatever should happen happens long before this.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(20);

/// The servers; dropping them ends all processes and removes their data.
pub(super) struct Group {
    root: PathBuf,
    ports: Vec<u16>,
    children: Vec<Option<Child>>,
    is_traced: bool,
}

impl Group {
    /// Starts all servers, with data below the directory for temporary files.
    pub(super) fn start() -> Result<Group, Failed> {
        Group::start_with(false)
    }

    /// The same, and the servers keep traces, or not.
    pub(super) fn start_with(is_traced: bool) -> Result<Group, Failed> {
        let root = std::env::temp_dir().join(format!("rafttree-store-{}", std::process::id()));
        let cluster = ClusterId::random();
        for id in 1..=SERVERS {
            rafttree::init(root.join(id.to_string()), Identity { cluster, id: u32::try_from(id)?.into() })?;
        }
        // All at a time, so that no two are the same.
        let held = (0..2 * SERVERS).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
        let ports = held.iter().map(|it| it.local_addr().map(|it| it.port())).collect::<Result<_, _>>()?;
        drop(held);
        let mut group = Group { root, ports, children: (0..SERVERS).map(|_| None).collect(), is_traced };
        for id in 1..=SERVERS {
            group.start_server(id)?;
        }
        Ok(group)
    }

    pub(super) fn start_server(&mut self, id: usize) -> Result<(), Failed> {
        let ports: Vec<_> = self.ports.iter().map(u16::to_string).collect();
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg(id.to_string()).arg(&self.root).arg(ports.join(",")).stdin(Stdio::null());
        if self.is_traced {
            command.arg(self.trace(id));
        }
        self.children[id - 1] = Some(command.spawn()?);
        Ok(())
    }

    /// The file of the server's trace.
    pub(super) fn trace(&self, id: usize) -> PathBuf {
        self.root.join(format!("{id}.trace"))
    }

    pub(super) fn kill(&mut self, id: usize) -> Result<(), Failed> {
        if let Some(mut child) = self.children[id - 1].take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    async fn client(&self, id: usize, asks: Asks) -> Result<Client, Failed> {
        let began = Instant::now();
        loop {
            match Client::connect(self.ports[id - 1], asks).await {
                Ok(client) => return Ok(client),
                Err(error) if PATIENCE < began.elapsed() => return Err(error.into()),
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    pub(super) async fn status(&self, id: usize) -> Result<Status, Failed> {
        Ok(self.client(id, Asks::Put).await?.status().await?)
    }

    /// The leader, once there is one.
    pub(super) async fn leader(&self) -> Result<usize, Failed> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            for id in (1..=SERVERS).filter(|&id| self.children[id - 1].is_some()) {
                if self.status(id).await?.leads {
                    return Ok(id);
                }
            }
            sleep(PAUSE).await;
        }
        Err("no leader is elected".into())
    }

    /// The most memory that the server has had, in MiB.
    pub(super) fn most_memory(&self, id: usize) -> Result<u64, Failed> {
        let child = self.children[id - 1].as_ref().ok_or("it does not run")?;
        let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("/proc has another format")?;
        Ok(line.split_whitespace().next().ok_or("/proc has another format")?.parse::<u64>()? / 1024)
    }

    /// What the server has on its disk, in MiB.
    pub(super) fn disk(&self, id: usize) -> Result<u64, Failed> {
        let mut bytes = 0;
        for file in fs::read_dir(self.root.join(id.to_string()))? {
            // A segment may be removed meanwhile.
            bytes += file?.metadata().map_or(0, |it| it.len());
        }
        Ok(bytes >> 20)
    }
}

/// Clients of one kind, at one server.
pub(super) struct Callers<'a> {
    pub(super) group: &'a Group,
    pub(super) at: usize,
    pub(super) asks: Asks,
}

impl Target for Callers<'_> {
    type Client = Client;

    /// One connection each.
    async fn connect(&self, count: usize) -> Result<Vec<Client>, Failed> {
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(self.group.client(self.at, self.asks).await?);
        }
        Ok(clients)
    }

    fn processes(&self) -> Vec<u32> {
        self.group.children.iter().flatten().map(Child::id).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for id in 1..=SERVERS {
            let _ = self.kill(id);
        }
        let _ = fs::remove_dir_all(&self.root);
    }
}
