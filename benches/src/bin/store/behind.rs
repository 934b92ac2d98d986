//! A server that comes back far behind: how long it takes to catch up, and what that costs the others.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rafttree_benches::load::{Clients, Failed, Target as _};
use tokio::time::sleep;

use super::client::Asks;
use super::group::{Callers, Group, SERVERS};

const CLIENTS: usize = 16;

const VALUE_BYTES: usize = 16 << 10;

/// Of each client: the state is 64 MiB at most.
const KEYS: u32 = 256;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Who lacks no more than this has caught up, under load.
const NEAR: u64 = 1000;

/// How long the load goes on after that.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// A phase, and how many puts were answered in it.
struct Phase {
    name: &'static str,
    time: Duration,
    puts: u64,
}

/// Kills a server, puts so many bytes, and starts it again.
pub(super) async fn measure(bytes: u64) -> Result<(), Failed> {
    let mut group = Group::start()?;
    let leader = group.leader().await?;
    let behind = leader % SERVERS + 1;
    group.kill(behind)?;
    let callers = Callers { group: &group, at: leader, asks: Asks::Put };
    let clients = Clients::start(callers.connect(CLIENTS).await?, VALUE_BYTES, KEYS);
    let answered = || clients.answered.load(Ordering::Relaxed);
    let puts = bytes.div_ceil(VALUE_BYTES as u64);
    let mut phases = Vec::new();
    let began = Instant::now();
    let mut said = Instant::now();
    while answered() < puts {
        sleep(PAUSE).await;
        if said.elapsed() > Duration::from_secs(30) {
            said = Instant::now();
            eprintln!("{} of {puts} puts", answered());
        }
    }
    phases.push(Phase { name: "one server is down", time: began.elapsed(), puts: answered() });
    let (began, so_far) = (Instant::now(), answered());
    group.start_server(behind)?;
    let lacked = group.status(leader).await?.commit - group.status(behind).await?.applied;
    loop {
        let (ahead, here) = (group.status(leader).await?.commit, group.status(behind).await?.applied);
        if ahead <= here + NEAR {
            break;
        }
        sleep(PAUSE).await;
    }
    phases.push(Phase { name: "it catches up", time: began.elapsed(), puts: answered() - so_far });
    let (began, so_far) = (Instant::now(), answered());
    sleep(AFTERWARDS).await;
    phases.push(Phase { name: "all are there", time: began.elapsed(), puts: answered() - so_far });
    clients.stop().await?;
    println!("A server that was {lacked} puts of {VALUE_BYTES} bytes behind, under the load of {CLIENTS} clients.");
    for Phase { name, time, puts } in phases {
        println!("{name:<22} {:>7.1} s {:>8.0} puts/s", time.as_secs_f64(), puts as f64 / time.as_secs_f64());
    }
    for id in 1..=SERVERS {
        let role = if id == leader {
            "leader"
        } else if id == behind {
            "was behind"
        } else {
            "follower"
        };
        println!(
            "server {id}, {role:<10} at most {:>5} MiB, {:>5} MiB on its disk",
            group.most_memory(id)?,
            group.disk(id)?
        );
    }
    Ok(())
}
