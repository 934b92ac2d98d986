//! Load: clients that put values, one after the other, and how long each put takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Failed;
use super::group::Group;

/// Of etcd's benchmarks.
const VALUE_BYTES: usize = 256;

/// Each client puts to so many keys of its own.
const KEYS: u32 = 1000;

/// Before time is taken.
const WARM_UP: Duration = Duration::from_secs(1);

const MEASURED: Duration = Duration::from_secs(6);

/// Clients that are at work until they are told to stop.
pub(super) struct Clients {
    stop: Arc<AtomicBool>,
    /// Puts that were answered.
    pub(super) answered: Arc<AtomicU64>,
    tasks: JoinSet<Result<Vec<Duration>, String>>,
}

impl Clients {
    /// Starts so many, all at this server.
    pub(super) async fn start(
        group: &Group,
        at: usize,
        count: usize,
        bytes: usize,
        keys: u32,
    ) -> Result<Clients, Failed> {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let mut client = group.client(at).await?;
            let (stop, answered) = (stop.clone(), answered.clone());
            let first = u32::try_from(number)? * keys;
            tasks.spawn(async move {
                let (value, mut times) = (vec![0x5a; bytes], Vec::new());
                for key in (0..keys).cycle() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let began = Instant::now();
                    client.put(first + key, &value).await.map_err(|error| error.to_string())?;
                    times.push(began.elapsed());
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(times)
            });
        }
        Ok(Clients { stop, answered, tasks })
    }

    /// How long each put took.
    pub(super) async fn stop(mut self) -> Result<Vec<Duration>, Failed> {
        self.stop.store(true, Ordering::Relaxed);
        let mut times = Vec::new();
        while let Some(ended) = self.tasks.join_next().await {
            times.extend(ended??);
        }
        times.sort_unstable();
        Ok(times)
    }
}

/// The table, a row for each number of clients.
pub(super) async fn measure(clients: &[usize]) -> Result<(), Failed> {
    let group = Group::start()?;
    println!("Puts of {VALUE_BYTES} bytes to three servers on this machine, durable on a majority.");
    println!("clients    puts/s   p50 ms   p99 ms  p99.9 ms   servers' CPU a put, us");
    for &count in clients {
        let leader = group.leader().await?;
        Clients::start(&group, leader, count, VALUE_BYTES, KEYS).await?.stop_after(WARM_UP).await?;
        let (began, before) = (Instant::now(), group.processor()?);
        let times = Clients::start(&group, leader, count, VALUE_BYTES, KEYS).await?.stop_after(MEASURED).await?;
        let (seconds, used) = (began.elapsed().as_secs_f64(), group.processor()? - before);
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
        println!(
            "{count:>7} {:>9.0} {:>8.2} {:>8.2} {:>9.2} {:>24.0}",
            times.len() as f64 / seconds,
            at(0.5),
            at(0.99),
            at(0.999),
            used * 1e6 / times.len() as f64,
        );
    }
    Ok(())
}

impl Clients {
    async fn stop_after(self, time: Duration) -> Result<Vec<Duration>, Failed> {
        sleep(time).await;
        self.stop().await
    }
}
