//! Clients: each asks for one thing at a time, and remembers what it was told.

use std::collections::BTreeSet;

use tokio::sync::oneshot;

use super::subject::Call;
use crate::core::request::Outcome;

/// What a client waits for.
#[derive(Debug)]
pub(super) enum Waiting {
    Command(oneshot::Receiver<Outcome>),
    /// The last entry that had been applied where it was read, and what was seen.
    Read(oneshot::Receiver<(u64, Vec<u8>)>),
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    /// To open a session.
    Open,
    Command {
        tag: u64,
        command: Vec<u8>,
        padding: usize,
        /// Its number, in a session.
        number: Option<u64>,
    },
    Read,
}

/// A wish that is not fulfilled yet.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) wish: Wish,
    pub(super) called: u64,
    /// The last entry whose effect somebody had seen when this was called first.
    pub(super) floor: u64,
}

/// One client.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// Whether it asks for sessions.
    pub(super) has_sessions: bool,
    /// Its session, if it is open.
    pub(super) session: Option<u64>,
    /// The number of its last command.
    pub(super) number: u64,
    pub(super) operation: Option<Operation>,
    pub(super) waiting: Option<Waiting>,
    /// When it gives up waiting.
    pub(super) until: u64,
}

/// All clients, and what they have seen.
#[derive(Debug, Default)]
pub(super) struct Clients {
    pub(super) all: Vec<Client>,
    pub(super) tags: u64,
    /// The last entry whose effect some client has seen.
    pub(super) floor: u64,
    /// Commands of which a client was told that they are not committed.
    pub(super) denied: BTreeSet<u64>,
    pub(super) calls: Vec<Call>,
}

/// How long a client waits for an answer.
pub(super) const PATIENCE: u64 = 400_000_000;

impl Clients {
    pub(super) fn new(count: usize) -> Clients {
        let client = |number: usize| Client { has_sessions: number % 2 == 1, ..Client::default() };
        Clients { all: (0..count).map(client).collect(), ..Clients::default() }
    }
}
