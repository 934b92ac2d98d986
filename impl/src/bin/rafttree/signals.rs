//! Signals to a command that goes on until it is told to end.

use std::future::pending;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Signals that end a command in order: SIGTERM, SIGINT, SIGHUP and SIGQUIT. As long as this lives,
/// SIGUSR1 and SIGUSR2 end nothing.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
    quit: Option<Signal>,
    _harmless: [Signal; 2],
}

/// SIGUSR1: somebody wants to know how things stand.
pub(crate) struct Asked(Signal);

impl Signals {
    pub(crate) fn new() -> Result<Signals, Failure> {
        Ok(Signals {
            terminate: open(SignalKind::terminate())?,
            interrupt: open(SignalKind::interrupt())?,
            hangup: unless_ignored(SignalKind::hangup())?,
            quit: unless_ignored(SignalKind::quit())?,
            _harmless: [open(SignalKind::user_defined1())?, open(SignalKind::user_defined2())?],
        })
    }

    /// The next of them.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            () = next_of(&mut self.hangup) => {}
            () = next_of(&mut self.quit) => {}
        }
    }
}

impl Asked {
    pub(crate) fn new() -> Result<Asked, Failure> {
        open(SignalKind::user_defined1()).map(Asked)
    }

    /// The next time that somebody asks.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}

async fn next_of(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => pending().await,
    }
}

fn open(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::Internal(format!("cannot receive signals: {error}")))
}

/// A signal that was ignored when this process was started stays ignored, as with `nohup`.
fn unless_ignored(kind: SignalKind) -> Result<Option<Signal>, Failure> {
    if is_ignored(kind) { Ok(None) } else { open(kind).map(Some) }
}

/// Where the system does not tell, the signal keeps its meaning.
fn is_ignored(kind: SignalKind) -> bool {
    std::fs::read_to_string("/proc/self/status").map_or(true, |status| ignores(&status, kind.as_raw_value()))
}

/// Whether the mask of ignored signals that Linux shows for a process holds this one.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_of_ignored_signals_is_read() {
        let status = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000004002\n";
        assert!(ignores(status, 1) && ignores(status, 13));
        assert!(!ignores(status, 2) && !ignores(status, 3));
    }
}
