//! The thread, and when it is told what.

use std::io::{self, Read};
use std::sync::Mutex;

use rafttree_model::{Index, ServerId, Term};

use super::*;
use crate::machine::sessions::Sent;
use crate::machine::{Serialized, StateMachine, Typed};
use crate::storage::Incarnation;
use crate::storage::simulate::SimulatedDisk;

const START: Stamp = Stamp(1_000_000_000);

/// Far more than anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Commands in the order in which they were applied, for whoever looks from outside.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<u64>>>);

impl Journal {
    fn read(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }
}

impl StateMachine for Journal {
    type Command = u64;
    type Answer = ();

    fn apply(&mut self, command: u64) {
        self.0.lock().unwrap().push(command);
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(Serialized(()))
    }

    fn restore(from: &mut dyn Read) -> io::Result<Journal> {
        Serialized::read(from).map(|()| Journal::default())
    }
}

fn start(journal: &Journal) -> (Apply, mpsc::UnboundedReceiver<Report>) {
    let owner = Incarnation::from_bytes([7; 16]);
    let snapshots = Arc::new(Snapshots::within(SimulatedDisk::default(), owner, None).unwrap());
    let sessions = Sessions::new(Box::new(Typed(journal.clone())));
    Apply::start(sessions, snapshots, Position::default(), u64::MAX).unwrap()
}

/// The entry of this index, which holds that as its command.
fn entry(index: u64, proposer: Option<Proposer>) -> Task {
    let position = Position { term: Term::new(1), index: Index::new(index) };
    let command = Sent::Plain(encode(&index).unwrap().into()).encode();
    Task::Apply(vec![Committed { position, payload: Payload::Command(command), proposer }])
}

/// A look at what was applied, and where that is told.
fn look(journal: &Journal) -> (Task, oneshot::Receiver<Vec<u64>>) {
    let (seen, journal) = (oneshot::channel(), journal.clone());
    (Task::Read(Job(Box::new(move |_| drop(seen.0.send(journal.read()))))), seen.1)
}

#[tokio::test]
async fn what_nobody_waits_for_is_applied_before_whatever_comes_next() {
    let journal = Journal::default();
    let (mut apply, mut reports) = start(&journal);
    apply.tell(entry(1, None), START);
    apply.tell(entry(2, None), START);
    assert!(START < apply.next_deadline().unwrap());
    let (task, seen) = look(&journal);
    apply.tell(task, START);
    let seen = timeout(PATIENCE, seen).await.unwrap();
    assert_eq!((seen.unwrap(), apply.next_deadline()), (vec![1, 2], None));
    apply.tell(entry(3, None), START);
    apply.tell(entry(4, Some(Proposer::Peer(ServerId::new(2), 7))), START);
    assert!(matches!(reports.recv().await, Some(Report::Answered(Proposer::Peer(_, 7), Outcome::Answer(_)))));
    assert_eq!((journal.read(), apply.next_deadline()), (vec![1, 2, 3, 4], None));
}

#[tokio::test]
async fn what_nobody_waits_for_is_applied_when_it_is_due() {
    let journal = Journal::default();
    let (mut apply, _reports) = start(&journal);
    apply.tell(entry(1, None), START);
    let due = apply.next_deadline().unwrap();
    apply.tell_due(Stamp(due.0 - 1));
    assert_eq!(apply.next_deadline(), Some(due));
    apply.tell_due(due);
    assert_eq!(apply.next_deadline(), None);
    while apply.applied() < 1 {
        thread::yield_now();
    }
    assert_eq!(journal.read(), [1]);
}

#[tokio::test]
async fn the_thread_ends_with_everything_that_it_was_told() {
    let journal = Journal::default();
    let (mut apply, reports) = start(&journal);
    apply.tell(entry(1, None), START);
    assert!(apply.close(reports, PATIENCE).await);
    assert_eq!(journal.read(), [1]);
}
