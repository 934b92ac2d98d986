//! The servers' reports, as values and as lines.

use std::fmt;
use std::io::{self, Write as _};

use rafttree::admin::{PeerStatus, ServerStatus};
use rafttree::{RoleName, ServerId};
use rafttree_model::Status;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The machine's monotonic clock, in nanoseconds: the same for all its processes.
pub(crate) fn monotonic() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Writes what a command has to say.
pub(crate) fn say(text: impl fmt::Display) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}").map_err(Failure::unread)
}

/// One line of a server's output.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    /// The server that says it.
    pub(crate) id: ServerId,
    #[serde(flatten)]
    pub(crate) news: News,
}

/// An event of a server.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum News {
    /// It runs. The cluster's id is a secret, so lines that may be kept anywhere hold its beginning.
    Started { pid: u32, address: String, cluster: String },
    /// Its role, its term or the leader it knows is another one.
    Changed { status: Status },
    /// It leads, and knows everything that was ever committed; work may begin.
    Leading { fence: u64 },
    /// A majority has confirmed the leadership. Both readings are of the machine's monotonic
    /// clock, in nanoseconds: when work could begin, and when the majority had answered.
    Confirmed { fence: u64, leading: u64, confirmed: u64 },
    /// The end of a leadership: work that was begun under this fence must end.
    Lost { fence: u64 },
    /// It and another server refuse to talk to each other.
    Refused { peer: ServerId, reason: String },
    /// Another server is not reached.
    Unreachable { peer: ServerId, reason: String },
    /// Somebody has to see to something.
    Warned { warning: String },
    /// It was asked for its status by a signal.
    Status(Box<ServerStatus>),
    /// Lines that had no room before this one, because nobody read them.
    Unread { lines: u64 },
    /// It was asked to end, and has transferred its leadership if it could.
    Stopped,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "server {}: {}", self.id, self.news)
    }
}

impl fmt::Display for News {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            News::Started { pid, address, cluster } => {
                write!(out, "listens on {address} for cluster {cluster}, process {pid}")
            }
            News::Changed { status } => write!(out, "{}", in_words(status)),
            News::Leading { fence } => write!(out, "leads, fence {fence}"),
            News::Confirmed { fence, leading, confirmed } => {
                let microseconds = confirmed.saturating_sub(*leading) / 1000;
                write!(out, "confirmed by a majority after {microseconds} us, fence {fence}")
            }
            News::Lost { fence } => write!(out, "no longer leads, fence {fence} is over"),
            News::Refused { peer, reason } | News::Unreachable { peer, reason } => {
                write!(out, "no connection with server {peer}: {reason}")
            }
            News::Warned { warning } => write!(out, "warning: {warning}"),
            News::Status(status) => write!(out, "{}", Shown(status).to_string().trim_end()),
            News::Unread { lines } => write!(out, "{lines} lines were lost here: nobody read them"),
            News::Stopped => write!(out, "stopped"),
        }
    }
}

/// `follower of 2 in term 3`, and the like.
pub(crate) fn in_words(status: &Status) -> String {
    let Status { role, term, .. } = status;
    match (role, status.leader, status.transfer) {
        (RoleName::Follower, Some(leader), _) => format!("follower of {leader} in term {term}"),
        (RoleName::Leader, _, Some(target)) => format!("leader in term {term}, transferring to {target}"),
        _ => format!("{role} in term {term}"),
    }
}

/// The status of a server, in words.
pub(crate) struct Shown<'a>(pub(crate) &'a ServerStatus);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown(status) = self;
        let Status { id, vote, last, commit, .. } = status.server;
        writeln!(out, "server {id} is {}", in_words(&status.server))?;
        writeln!(out, "  cluster   {}", status.cluster)?;
        writeln!(out, "  listens   {}, process {}", status.address, status.pid)?;
        writeln!(out, "  log       last {last}, committed {commit}, applied {}", status.applied)?;
        if let Some(snapshot) = status.snapshot {
            writeln!(out, "  snapshot  up to {snapshot}; the log begins behind {}", status.compacted)?;
        }
        if let Some(why) = &status.failed_snapshot {
            writeln!(out, "  snapshot  FAILED, so the log goes on growing: {why}")?;
        }
        match vote {
            Some(vote) => writeln!(out, "  vote      for {vote} in this term")?,
            None => writeln!(out, "  vote      none in this term")?,
        }
        if let Some(lease) = status.lease_milliseconds {
            writeln!(out, "  lease     {lease:.1} ms")?;
        }
        let idle = if status.campaigns { "" } else { "; this server does not campaign" };
        writeln!(out, "  work      {}{idle}", status.work)?;
        if let Some(flush) = status.flush_milliseconds {
            writeln!(out, "  disk      {flush:.1} ms a flush")?;
        }
        for (number, peer) in status.peers.iter().enumerate() {
            writeln!(out, "  {:<9} {}", if number == 0 { "peers" } else { "" }, peer_in_words(peer, status))?;
        }
        status.warnings.iter().try_for_each(|warning| writeln!(out, "  warning   {warning}"))
    }
}

fn peer_in_words(peer: &PeerStatus, status: &ServerStatus) -> String {
    let PeerStatus { id, address, connected, refused, unreachable, .. } = peer;
    let state = if *connected { "connected" } else { "not connected" };
    let lag = match peer.matched {
        Some(_) if peer.needs_snapshot => ", is sent a snapshot".to_owned(),
        Some(matched) => {
            let behind = status.server.last.index.number().saturating_sub(matched.number());
            if behind == 0 { String::new() } else { format!(", {behind} entries behind") }
        }
        _ => String::new(),
    };
    let lately = if *connected { ", refused lately" } else { "" };
    let reason = refused.as_ref().or(unreachable.as_ref()).map(|reason| format!("{lately}: {reason}"));
    format!("{id} at {address}, {state}{lag}{}", reason.unwrap_or_default())
}

/// One server in a table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) id: ServerId,
    /// Whether its process runs: up, paused or down.
    pub(crate) state: &'static str,
    pub(crate) pid: Option<u32>,
    pub(crate) status: Option<Status>,
}

impl Row {
    /// Names of the columns.
    pub(crate) const HEADER: &'static str = "server  state   role           term  leader  commit  last     process";
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let status = self.status;
        write!(
            out,
            "{:<6}  {:<6}  {:<13}  {:>4}  {:<6}  {:>6}  {:<7}  {}",
            self.id.number(),
            self.state,
            or_dash(status.map(|status| status.role.to_string())),
            or_dash(status.map(|status| status.term.to_string())),
            or_dash(status.and_then(|status| status.leader).map(|leader| leader.to_string())),
            or_dash(status.map(|status| status.commit.to_string())),
            or_dash(status.map(|status| status.last.to_string())),
            or_dash(self.pid.map(|pid| pid.to_string())),
        )
    }
}

#[cfg(test)]
mod tests {
    use rafttree::{Index, Position, Term};

    use super::*;

    /// Also that of a version which does not know of it.
    #[test]
    fn a_snapshot_that_failed_is_shown() {
        let server = r#"{"id":1,"role":"leader","term":1,"vote":1,"leader":1,"last":{"term":1,"index":1},"commit":1,
            "transfer":null}"#;
        let rest = r#""cluster":"c","address":"a","pid":1,"lease_milliseconds":null,"work":"runs","peers":[]"#;
        let read = |more: &str| -> ServerStatus {
            serde_json::from_str(&format!(r#"{{"server":{server},{rest},"answered_milliseconds":null{more}}}"#))
                .unwrap()
        };
        assert!(!Shown(&read("")).to_string().contains("snapshot"));
        let shown = Shown(&read(r#","failed_snapshot":"the disk is full""#)).to_string();
        assert!(shown.contains("snapshot  FAILED, so the log goes on growing: the disk is full"), "{shown}");
    }

    #[test]
    fn a_report_reads_as_it_was_written() {
        let status = Status {
            id: ServerId::new(2),
            role: RoleName::PreCandidate,
            term: Term::new(3),
            vote: Some(ServerId::new(1)),
            leader: None,
            last: Position { term: Term::new(2), index: Index::new(9) },
            commit: Index::new(8),
            transfer: None,
        };
        let report = Report { id: ServerId::new(2), news: News::Changed { status } };
        let line = serde_json::to_string(&report).unwrap();
        assert!(
            line.starts_with(r#"{"id":2,"event":"changed","status":{"id":2,"role":"pre_candidate","term":3"#),
            "{line}"
        );
        let read: Report = serde_json::from_str(&line).unwrap();
        assert_eq!(read.to_string(), "server 2: pre-candidate in term 3");
    }
}
