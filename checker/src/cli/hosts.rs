//! A check by several processes: how they are named, and what those say that do not tell the verdict.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::console::{Usage, grouped, parse_time};
use crate::progress::Ticker;
use crate::scope::Part;
use crate::search::Progress;
use crate::search::hosts::Hosts;
use crate::verdict::{Limits, Outcome, Verdict};

/// Where a secret may be, so that no list of processes shows it.
const SECRET: &str = "RAFTTREE_SECRET";

/// The other processes.
#[derive(Args)]
#[command(next_help_heading = "Several processes")]
pub(crate) struct HostArgs {
    /// Search with several processes, which may be on several hosts: host and port of each, the same list at all
    /// of them.
    #[arg(long, value_delimiter = ',', value_name = "HOST:PORT")]
    hosts: Vec<String>,
    /// Which of them this is, from 0; process 0 tells the verdict.
    #[arg(long, requires = "hosts")]
    process: Option<usize>,
    /// Listen here, if that is not this process's entry of the list.
    #[arg(long, requires = "hosts", value_name = "HOST:PORT")]
    listen: Option<String>,
    /// The file with what only those who may join know; or else the environment variable RAFTTREE_SECRET has it.
    /// Without one all processes must be on this machine.
    #[arg(long, requires = "hosts", value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// How long to wait until all have joined.
    #[arg(long, requires = "hosts", value_parser = parse_time, default_value = "10m", value_name = "TIME")]
    join_time: Duration,
    /// After how long without a word from another it is taken for dead; the verdict is INCOMPLETE then.
    #[arg(long, requires = "hosts", value_parser = parse_time, default_value = "10s", value_name = "TIME")]
    silence: Duration,
}

impl HostArgs {
    pub(crate) fn put_into(&self, limits: Limits, parts: &[Part]) -> Result<Limits, Usage> {
        if self.hosts.is_empty() {
            return Ok(limits);
        }
        if !matches!(parts, [Part::Quotient(_) | Part::Lease(_)]) {
            return Err(Usage("--hosts is for presets of one system of runs of any length, such as log-3".into()));
        }
        let last = self.hosts.len() - 1;
        let process = self.process.filter(|process| *process <= last);
        let process = process.ok_or_else(|| Usage(format!("--hosts: which of them is this? --process 0 to {last}")))?;
        if self.silence < Duration::from_secs(2) {
            return Err(Usage("--silence: a sign of life comes twice a second; at least 2s".into()));
        }
        let hosts = Hosts {
            addresses: self.hosts.clone(),
            process,
            listen: self.listen.clone(),
            secret: self.secret()?,
            resume: limits.resume.clone(),
            join: self.join_time,
            silence: self.silence,
        };
        Ok(Limits { hosts: Some(hosts), ..limits })
    }

    fn secret(&self) -> Result<Option<Vec<u8>>, Usage> {
        let secret = match &self.secret_file {
            Some(path) => {
                let read = std::fs::read(path);
                Some(read.map_err(|error| Usage(format!("--secret-file {}: {error}", path.display())))?)
            }
            None => std::env::var_os(SECRET).map(|secret| secret.into_encoded_bytes()),
        };
        let secret = secret.map(|secret| secret.trim_ascii().to_vec());
        match secret {
            Some(secret) if secret.len() < SHORTEST => {
                Err(Usage(format!("a secret has at least {SHORTEST} bytes; 'openssl rand -hex 32' makes one")))
            }
            secret => Ok(secret),
        }
    }
}

/// Who hears a handshake can try secrets by himself, so short ones are none.
const SHORTEST: usize = 16;

/// Says how far the processes are, and once that all states were visited, after which each process tries on by itself.
pub(super) fn telling(ticker: &Ticker) -> impl FnMut(&Progress) {
    let mut is_told = false;
    move |progress| {
        if progress.simulated.is_some() && !std::mem::replace(&mut is_told, true) {
            ticker.aside(|| eprintln!("every state was visited; the processes share the local simulation"));
        }
        ticker.tick(progress);
    }
}

/// What a process says that does not tell the verdict, to its exit code.
pub(super) fn ended(hosts: &Hosts, outcome: &Outcome) -> u8 {
    let (process, own) = (hosts.process, outcome.held.get(hosts.process).map_or(0, |held| held.states));
    let told = match &outcome.verdict {
        Verdict::Incomplete(why) => format!("ended early: {why}"),
        Verdict::Violated => "a property does not hold".to_owned(),
        Verdict::Complete | Verdict::Vacuous(_) => "every state was visited".to_owned(),
    };
    eprintln!(
        "process {process}: {told}; {} of {} states are its own. Process 0 tells the verdict.",
        grouped(own),
        grouped(outcome.states)
    );
    outcome.verdict.exit_code()
}
