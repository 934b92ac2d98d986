//! `rafttree bench steady`: what servers cost while nothing happens, and whether nothing does.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rafttree::ServerId;
use serde::Serialize;

use super::group::Group;
use super::options::SteadyOptions;
use super::progress::{Progress, machine, milliseconds};
use crate::failure::Failure;
use crate::options::Format;
use crate::report::say;

/// How often it is looked whether anything has happened.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// After the first election, before looking: whatever a start costs is over.
const QUIET_TIME: Duration = Duration::from_secs(1);

/// Resources that a process has used since it began.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    processor: Duration,
    /// How often one of its threads went to sleep to wait for something.
    waits: u64,
    resident_kibibytes: u64,
}

/// Resources that one server has used.
#[derive(Debug, Serialize)]
struct Cost {
    server: ServerId,
    leads: bool,
    /// Of one core.
    processor_percent: f64,
    wakeups_per_second: f64,
    resident_mebibytes: f64,
}

#[derive(Debug, Serialize)]
struct SteadyReport {
    timeout_milliseconds: f64,
    heartbeat_milliseconds: f64,
    seconds: f64,
    machine: String,
    elections: usize,
    servers: Vec<Cost>,
}

pub(super) async fn run(options: SteadyOptions, output: Format) -> Result<(), Failure> {
    let machine = machine();
    let measured =
        Group::measure(options.servers, options.timeouts.timing(), async |group| measure(group, options.time).await);
    let (seconds, elections, servers) = measured.await?;
    let (timeout, heartbeat) = (options.timeouts.timeout.least, options.timeouts.heartbeat());
    let report = SteadyReport {
        timeout_milliseconds: milliseconds(timeout),
        heartbeat_milliseconds: milliseconds(heartbeat),
        seconds,
        machine,
        elections,
        servers,
    };
    match output {
        Format::Text => say(report),
        Format::Json => say(serde_json::to_string(&report).map_err(Failure::operation)?),
    }
}

async fn measure(group: &mut Group, time: Duration) -> Result<(f64, usize, Vec<Cost>), Failure> {
    group.settle().await?;
    tokio::time::sleep(QUIET_TIME).await;
    let leader = group.settle().await?;
    let before = usages(group)?;
    let (began, mut progress, mut elections) = (Instant::now(), Progress::new(), 0);
    while began.elapsed() < time {
        tokio::time::sleep(POLL_INTERVAL.min(time - began.elapsed().min(time))).await;
        while let Some(confirmed) = group.next_confirmed_now().await? {
            elections += usize::from(leader.fence < confirmed.leader.fence);
        }
        let seconds = began.elapsed().as_secs();
        progress.say(format_args!("{seconds} s of {} s, {elections} elections", time.as_secs()));
    }
    let seconds = began.elapsed().as_secs_f64();
    let after = usages(group)?;
    let costs = before.into_iter().zip(after).map(|((server, before), (_, after))| Cost {
        server,
        leads: server == leader.id,
        processor_percent: 100.0 * after.processor.saturating_sub(before.processor).as_secs_f64() / seconds,
        wakeups_per_second: after.waits.saturating_sub(before.waits) as f64 / seconds,
        resident_mebibytes: after.resident_kibibytes as f64 / 1024.0,
    });
    Ok((seconds, elections, costs.collect()))
}

fn usages(group: &Group) -> Result<Vec<(ServerId, Usage)>, Failure> {
    let usage = |server: &crate::cluster::Server| {
        let id = server.id();
        let pid = server.pid().ok_or_else(|| Failure::Operation(format!("server {id} does not run")))?;
        let unknown = |error| {
            Failure::Operation(format!("cannot read in /proc what process {pid} uses: {error}; this needs Linux"))
        };
        usage(pid).map(|usage| (id, usage)).map_err(unknown)
    };
    group.cluster.servers.iter().map(usage).collect()
}

/// The use of a process, all its threads together. `schedstat` counts nanoseconds; what `stat` and
/// getrusage tell are ticks of ten milliseconds.
fn usage(pid: u32) -> io::Result<Usage> {
    let mut usage = Usage::default();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        match usage_of_thread(&thread?.path()) {
            // It has ended meanwhile, as one does that writes a snapshot.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
            used => {
                let (processor, waits) = used?;
                usage.processor += processor;
                usage.waits += waits;
            }
        }
    }
    usage.resident_kibibytes = line(&std::fs::read_to_string(format!("/proc/{pid}/status"))?, "VmRSS:")?;
    Ok(usage)
}

/// How long the thread has run, and how often it has waited.
fn usage_of_thread(thread: &Path) -> io::Result<(Duration, u64)> {
    let schedule = std::fs::read_to_string(thread.join("schedstat"))?;
    let processor = Duration::from_nanos(number(schedule.split(' ').next())?);
    let waits = line(&std::fs::read_to_string(thread.join("status"))?, "voluntary_ctxt_switches:")?;
    Ok((processor, waits))
}

/// The number on the line that begins so.
fn line(text: &str, name: &str) -> io::Result<u64> {
    number(text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()))
}

fn number(text: Option<&str>) -> io::Result<u64> {
    let unexpected = || io::Error::new(io::ErrorKind::InvalidData, "it is not written as expected");
    text.and_then(|text| text.parse().ok()).ok_or_else(unexpected)
}

impl fmt::Display for SteadyReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SteadyReport { timeout_milliseconds: least, heartbeat_milliseconds: heartbeat, seconds, elections, .. } =
            self;
        let (servers, machine) = (self.servers.len(), &self.machine);
        writeln!(
            out,
            "{servers} servers, timeouts {least}-{} ms, heartbeat {heartbeat} ms, {seconds:.0} s; {machine}",
            2.0 * least
        )?;
        writeln!(out, "elections: {elections}")?;
        write!(out, "server            processor  wake-ups/s    memory")?;
        for cost in &self.servers {
            let name = format!("{}{}", cost.server.number(), if cost.leads { " (leader)" } else { "" });
            let Cost { processor_percent, wakeups_per_second, resident_mebibytes, .. } = cost;
            write!(
                out,
                "\n{name:<16} {processor_percent:>8.2} %  {wakeups_per_second:>10.0}  {resident_mebibytes:>4.1} MiB"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn work_is_counted_as_work_and_waiting_as_waiting() {
        // Its own thread alone: others begin and end.
        let usage = || usage_of_thread(Path::new("/proc/thread-self")).unwrap();
        let before = usage();
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
        (0..10).for_each(|_| std::thread::sleep(Duration::from_micros(100)));
        let after = usage();
        assert!(before.0 < after.0 && before.1 + 10 <= after.1, "{before:?}, {after:?}");
        assert!(0 < super::usage(std::process::id()).unwrap().resident_kibibytes);
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        assert_eq!(line("VmRSS:\t 12 kB\n", "VmRSS:").unwrap(), 12);
        assert!(line("VmRSS:\tmuch\n", "VmRSS:").is_err() && line("", "VmRSS:").is_err());
    }
}
