//! Load: clients that ask for one thing after the other, and how long each takes. It is the same whoever is loaded.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io};

use tokio::task::JoinSet;
use tokio::time::sleep;

/// Why something was not measured.
pub type Failed = Box<dyn Error + Send + Sync>;

/// Of etcd's benchmarks.
pub const VALUE_BYTES: usize = 256;

/// Each client has so many keys of its own.
pub const KEYS: u32 = 1000;

/// Before time is taken.
const WARM_UP: Duration = Duration::from_secs(1);

const MEASURED: Duration = Duration::from_secs(6);

/// A client, with one request in flight.
pub trait Client: Send + 'static {
    /// Asks to put a value, or for what else this client is there, and waits until that is answered.
    ///
    /// # Errors
    ///
    /// If it was not answered.
    fn request(&mut self, key: u32, value: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
}

/// Servers that are loaded.
pub trait Target {
    /// One of its clients.
    type Client: Client;

    /// So many clients, all at the leader.
    ///
    /// # Errors
    ///
    /// If there is no leader, or it is not reached.
    fn connect(&self, count: usize) -> impl Future<Output = Result<Vec<Self::Client>, Failed>>;

    /// The processes of the servers that run.
    fn processes(&self) -> Vec<u32>;
}

/// Clients that are at work until they are told to stop.
pub struct Clients {
    stop: Arc<AtomicBool>,
    /// Requests that were answered.
    pub answered: Arc<AtomicU64>,
    tasks: JoinSet<Result<Vec<Duration>, String>>,
}

impl Clients {
    /// Lets each ask, with values of so many bytes, for so many keys of its own.
    pub fn start<C: Client>(clients: Vec<C>, bytes: usize, keys: u32) -> Clients {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for (mut client, number) in clients.into_iter().zip(0..) {
            let (stop, answered) = (stop.clone(), answered.clone());
            tasks.spawn(async move {
                let (value, mut times) = (vec![0x5a; bytes], Vec::new());
                for key in (0..keys).cycle() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let began = Instant::now();
                    client.request(number * keys + key, &value).await.map_err(|error| error.to_string())?;
                    times.push(began.elapsed());
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(times)
            });
        }
        Clients { stop, answered, tasks }
    }

    /// How long each request took, from the shortest on.
    ///
    /// # Errors
    ///
    /// If a request was not answered.
    pub async fn stop(mut self) -> Result<Vec<Duration>, Failed> {
        self.stop.store(true, Ordering::Relaxed);
        let mut times = Vec::new();
        while let Some(ended) = self.tasks.join_next().await {
            times.extend(ended??);
        }
        times.sort_unstable();
        Ok(times)
    }

    async fn stop_after(self, time: Duration) -> Result<Vec<Duration>, Failed> {
        sleep(time).await;
        self.stop().await
    }
}

/// Lets so many clients put a value to each of their keys.
///
/// # Errors
///
/// If a put was not answered.
pub async fn fill(target: &impl Target, clients: usize) -> Result<(), Failed> {
    let mut tasks = JoinSet::new();
    for (mut client, number) in target.connect(clients).await?.into_iter().zip(0..) {
        tasks.spawn(async move {
            for key in 0..KEYS {
                client.request(number * KEYS + key, &[0x5a; VALUE_BYTES]).await?;
            }
            io::Result::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

/// What so many clients were answered.
pub struct Answered {
    /// How long each request took, from the shortest on.
    times: Vec<Duration>,
    /// Requests that were answered in a second.
    pub per_second: f64,
    /// Microseconds of the servers' processor time for each of them.
    pub processor: f64,
}

/// Prints a table with a row for each number of clients.
///
/// # Errors
///
/// If a request was not answered, or a server has ended.
pub async fn measure(target: &impl Target, clients: &[usize]) -> Result<(), Failed> {
    println!("clients  answers/s   p50 ms   p99 ms  p99.9 ms   CPU an answer, us");
    for &count in clients {
        let Answered { times, per_second, processor } = bear(target, count).await?;
        let at = |part: f64| percentile(&times, part).as_secs_f64() * 1e3;
        println!(
            "{count:>7} {per_second:>10.0} {:>8.2} {:>8.2} {:>9.2} {processor:>19.1}",
            at(0.5),
            at(0.99),
            at(0.999),
        );
    }
    Ok(())
}

/// Lets so many clients ask for some seconds, after some that do not count.
///
/// # Errors
///
/// If a request was not answered, or a server has ended.
pub async fn bear(target: &impl Target, clients: usize) -> Result<Answered, Failed> {
    Clients::start(target.connect(clients).await?, VALUE_BYTES, KEYS).stop_after(WARM_UP).await?;
    let clients = target.connect(clients).await?;
    let (began, before) = (Instant::now(), processor(&target.processes())?);
    let times = Clients::start(clients, VALUE_BYTES, KEYS).stop_after(MEASURED).await?;
    let (seconds, used) = (began.elapsed().as_secs_f64(), processor(&target.processes())? - before);
    let count = times.len() as f64;
    Ok(Answered { times, per_second: count / seconds, processor: used * 1e6 / count })
}

/// The time that so large a part of these, which are sorted, does not exceed.
fn percentile(times: &[Duration], part: f64) -> Duration {
    times[((times.len() - 1) as f64 * part) as usize]
}

/// Seconds of processor time that these processes have used.
fn processor(processes: &[u32]) -> Result<f64, Failed> {
    let mut ticks = 0;
    for process in processes {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // Behind the name, which may hold anything, times are the 12th and 13th.
        let (_, fields) = stat.rsplit_once(')').ok_or("/proc has another format")?;
        for field in fields.split_whitespace().skip(11).take(2) {
            ticks += field.parse::<u64>()?;
        }
    }
    Ok(ticks as f64 / 100.0)
}
