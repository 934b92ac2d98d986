//! Output of a local cluster.

use std::fmt;

use rafttree::ServerId;
use serde::Serialize;

use crate::report::{Report, Row};

/// One line of output.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Line {
    /// A server says it.
    Server(Report),
    /// It is about the cluster.
    Cluster(ClusterNews),
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum ClusterNews {
    /// A server leads, so long after there was no leader, if that was noticed.
    Elected { leader: ServerId, term: u64, milliseconds: Option<f64>, timeouts: Option<f64> },
    /// A command was obeyed.
    Obeyed { command: String },
    /// A command could not be obeyed.
    Failed { reason: String },
    /// A server has complained.
    Complained { id: ServerId, line: String },
    /// A server has ended by itself.
    Ended { id: ServerId, how: String },
    /// Lines that had no room before this one, because nobody read them.
    Unread { lines: u64 },
    /// The status of all servers.
    Servers { servers: Vec<Row> },
}

impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Server(report) => write!(out, "{report}"),
            Line::Cluster(news) => write!(out, "{news}"),
        }
    }
}

impl fmt::Display for ClusterNews {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClusterNews::Elected { leader, term, milliseconds, timeouts } => {
                write!(out, "leader {leader} in term {term}")?;
                let time = milliseconds.zip(*timeouts);
                time.map_or(Ok(()), |(time, timeouts)| write!(out, " after {time:.0} ms ({timeouts:.1} T)"))
            }
            ClusterNews::Obeyed { command } => write!(out, "> {command}"),
            ClusterNews::Failed { reason } => write!(out, "error: {reason}"),
            ClusterNews::Complained { id, line } => write!(out, "server {id}: {line}"),
            ClusterNews::Ended { id, how } => write!(out, "server {id}: its process has ended ({how})"),
            ClusterNews::Unread { lines } => write!(out, "{lines} lines were lost here: nobody read them"),
            ClusterNews::Servers { servers } => {
                write!(out, "{}", Row::HEADER)?;
                servers.iter().try_for_each(|row| write!(out, "\n{row}"))
            }
        }
    }
}
