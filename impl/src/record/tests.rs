//! Traces are kept as long as that holds up nothing, and end with a mark.

use std::io::Read;
use std::os::fd::OwnedFd;

use bytes::Bytes;
use rafttree_model::chain::Opened;
use rafttree_model::replayed::Outcome;
use rafttree_model::trace::{Ending, Frame, Step};
use rafttree_model::{Event, ServerId, Traced};

use super::*;
use crate::core::driver::{Input, Policy};
use crate::core::links::ElectOnDisconnect;

const T: Duration = Duration::from_millis(100);

const POLICY: Policy = Policy {
    minimum_timeout: T,
    heartbeat_interval: Duration::from_millis(10),
    elect_on_disconnect: ElectOnDisconnect::Refused,
    longest_flush: Duration::from_secs(1),
};

const CLUSTER: ClusterId = ClusterId::from_bytes([7; 16]);

fn owner() -> (Identity, Members) {
    let id = ServerId::new(1);
    (Identity { cluster: CLUSTER, id }, Members::new([id]).unwrap())
}

fn driver() -> Driver {
    let (owner, members) = owner();
    Driver::new(owner.id, members, Recovered::default(), POLICY, 7, Stamp(0))
}

/// A recorder that writes to what is no file.
fn recorder(file: impl Into<OwnedFd>) -> Recorder {
    let writer = Writer::start(File::from(file.into()), Chain::default()).unwrap();
    Recorder { writer: Some(writer), ..Recorder::default() }
}

/// The group of one elects itself and takes a command.
fn run(driver: &mut Driver, recorder: &mut Recorder) {
    let mut now = Stamp(0);
    let command = Input::Propose(vec![Bytes::from_static(b"secret")]);
    for input in [Input::Event(Event::ElectionTimeout), Input::Flushed, Input::Flushed, command, Input::Flushed] {
        now = now.after(Duration::from_millis(1));
        driver.handle(input, now);
        recorder.take_from(driver, now);
    }
}

/// Lets things happen, each handed over by itself, until the trace has ended; when that was.
fn until_it_ends(recorder: &mut Recorder, driver: &mut Driver, wait: impl Fn(&Recorder)) -> Stamp {
    let mut now = Stamp(0);
    while recorder.trouble().is_none() {
        now = now.after(CHUNK_AGE);
        driver.handle(Input::Event(Event::HeartbeatTimeout), now);
        recorder.take_from(driver, now);
        wait(recorder);
    }
    now
}

fn frames(mut bytes: &[u8], mut chain: Chain) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Opened::Body(body) = chain.open(bytes) {
        frames.push(Frame::read(body).unwrap());
        bytes = &bytes[Chain::size(body.len())..];
    }
    assert!(bytes.is_empty(), "{} bytes are left", bytes.len());
    frames
}

/// Makes the calls of a part again.
fn replay(frames: &[Frame]) -> Traced<rafttree_model::digest::Digest> {
    let [Frame::Origin(origin), steps @ .., Frame::Ending(Ending::Stopped)] = frames else { panic!("{frames:?}") };
    assert!(origin.is_of_this_code());
    let (mut server, mut outcome) = (Traced::replaying(origin.clone()), Outcome::default());
    for frame in steps {
        let Frame::Step(Step { call, digests, .. }) = frame else { panic!("{frame:?}") };
        assert_eq!(server.replay(call.clone(), &mut outcome), Some(*digests), "{call:?}");
    }
    server
}

#[tokio::test]
async fn each_start_adds_a_part_that_is_replayed_to_what_the_server_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace");
    let (owner, members) = owner();
    let mut lengths = vec![0];
    let mut former = Recovered::default();
    for _ in 0..2 {
        let mut recorder = Recorder::start(&file, owner, members, &former).unwrap();
        let mut driver = Driver::new(owner.id, members, former.clone(), POLICY, 7, Stamp(0));
        recorder.attach(&mut driver, CLUSTER, Stamp(0));
        run(&mut driver, &mut recorder);
        recorder.close(&mut driver, Duration::from_secs(20)).await;
        let bytes = std::fs::read(&file).unwrap();
        let part = bytes[*lengths.last().unwrap()..].strip_prefix(&MAGIC).unwrap();
        let server = replay(&frames(part, Chain::default()));
        assert_eq!(server.node(), driver.node());
        assert!(!bytes.windows(6).any(|window| window == b"secret"), "what a command says is in no trace");
        lengths.push(bytes.len());
        former = Recovered { durable: driver.node().durable().clone(), entries: driver.entries().clone() };
    }
}

#[test]
fn two_servers_cannot_keep_their_traces_in_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace");
    let (owner, members) = owner();
    let first = Recorder::start(&file, owner, members, &Recovered::default()).unwrap();
    let length = std::fs::metadata(&file).unwrap().len();
    let refused = Recorder::start(&file, owner, members, &Recovered::default()).err().unwrap().to_string();
    assert!(refused.contains("another server keeps its trace there"), "{refused}");
    assert_eq!(std::fs::metadata(&file).unwrap().len(), length);
    drop(first);
}

/// What is not taken in time is left out, and said so at the end of what was taken.
#[test]
fn a_trace_that_is_written_too_slowly_ends_with_a_mark_and_holds_up_nothing() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let (mut recorder, mut driver) = (recorder(writer), driver());
    recorder.attach(&mut driver, CLUSTER, Stamp(0));
    let now = until_it_ends(&mut recorder, &mut driver, |_| {});
    assert_eq!(recorder.trouble(), Some(Trouble::Overrun));
    assert_eq!(driver.recorded(), 0);
    driver.handle(Input::Event(Event::HeartbeatTimeout), now);
    assert_eq!(driver.recorded(), 0, "nothing is recorded any more");
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    let frames = frames(&bytes, Chain::default());
    assert!(MAX_FRAMES < frames.len(), "{} frames", frames.len());
    assert_eq!(frames.last(), Some(&Frame::Ending(Ending::Overrun)));
}

/// As many as wait for the thread at least were written.
const MAX_FRAMES: usize = 64;

#[test]
fn a_trace_that_cannot_be_written_ends_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace");
    std::fs::write(&file, "").unwrap();
    let (mut recorder, mut driver) = (recorder(File::open(&file).unwrap()), driver());
    recorder.attach(&mut driver, CLUSTER, Stamp(0));
    until_it_ends(&mut recorder, &mut driver, |recorder| {
        // Whatever is handed over until the thread has failed would fill its queue.
        while recorder.writer.as_ref().is_some_and(|writer| writer.failed().is_none()) {
            std::thread::yield_now();
        }
    });
    assert!(matches!(recorder.trouble(), Some(Trouble::Failed(_))), "{:?}", recorder.trouble());
    assert_eq!(driver.recorded(), 0);
}
