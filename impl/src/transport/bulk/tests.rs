//! Two sides of a connection, with disks that fail, and others that say what they should not.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rafttree_model::{Index, Position, Term};
use tokio::net::{TcpListener, TcpStream};

use super::words::Word;
use super::*;
use crate::storage::Incarnation;
use crate::storage::disk::{Disk as _, DiskFile as _};
use crate::storage::simulate::{Fault, SimulatedDisk};
use crate::storage::snapshot::{Offer, Outgoing, Snapshots};
use crate::transport::connection::Connection;
use crate::transport::times::Times;

/// Several chunks, the last one short.
const LENGTH: usize = 1_500_000;

fn at(index: u64) -> Position {
    Position { term: Term::new(2), index: Index::new(index) }
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn snapshots(owner: u8) -> (SimulatedDisk, Arc<Snapshots<SimulatedDisk>>) {
    let disk = SimulatedDisk::default();
    let snapshots = Snapshots::within(disk.clone(), Incarnation::from_bytes([owner; 16]), None).unwrap();
    (disk, Arc::new(snapshots))
}

/// A server that has this snapshot.
fn sender(last: Position, bytes: &[u8]) -> (SimulatedDisk, Outgoing<SimulatedDisk>) {
    let (disk, snapshots) = snapshots(1);
    let mut writer = snapshots.write(last).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap();
    (disk, snapshots.send(last).unwrap().unwrap())
}

fn bytes(snapshots: &Snapshots<SimulatedDisk>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    snapshots.read(&snapshots.newest()?).unwrap().read_to_end(&mut bytes).unwrap();
    Some(bytes)
}

/// Both sides of a connection.
async fn lines(patience: Duration) -> (Line, Line) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let called = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let times = Times { disk: patience, ..Times::of(Duration::from_millis(100)) };
    let [one, other] = [called, listener.accept().await.unwrap().0].map(|stream| {
        let mut connection = Connection::new(stream, times.silence).unwrap();
        connection.begin_frames();
        Line::new(connection, &times).unwrap()
    });
    (one, other)
}

type Received = Result<Option<Position>, SessionEnd>;

/// Sends a snapshot from one disk to the other; `chunks` is how many are sent at most.
async fn exchange(
    from: &Outgoing<SimulatedDisk>,
    to: &Arc<Snapshots<SimulatedDisk>>,
    receiving: &Arc<Receiving>,
    chunks: usize,
) -> (Result<(), SessionEnd>, Received, usize) {
    let (mut ours, mut theirs) = lines(Duration::from_secs(10)).await;
    let (to, receiving) = (to.clone(), receiving.clone());
    let receiver = thread::spawn(move || receive(&mut theirs, &to, &receiving, || true));
    let sent = std::cell::Cell::new(0);
    let may_go_on = || {
        sent.set(sent.get() + 1);
        sent.get() <= chunks
    };
    let result = send(&mut ours, from, may_go_on);
    ours.closer().close();
    // It is asked once more than chunks are sent, unless it was not asked at all.
    (result, receiver.join().unwrap(), sent.get().saturating_sub(1))
}

#[tokio::test]
async fn a_snapshot_is_sent_once_however_often_that_is_interrupted() {
    let (_, from) = sender(at(9), &content(LENGTH));
    let ((disk, _), receiving) = (snapshots(2), Arc::default());
    let mut chunks = 0;
    for attempt in 0.. {
        // As after a restart of the receiver.
        let to = Arc::new(Snapshots::within(disk.clone(), Incarnation::from_bytes([2; 16]), None).unwrap());
        let (sent, received, count) = exchange(&from, &to, &receiving, 2).await;
        chunks += count;
        if let Ok(arrived) = received {
            assert_eq!((arrived, sent.is_ok(), bytes(&to)), (Some(at(9)), true, Some(content(LENGTH))));
            assert!(2 < attempt);
            assert_eq!(chunks, LENGTH.div_ceil(4 << 16), "no chunk was sent twice");
            let (sent, received, count) = exchange(&from, &to, &receiving, 2).await;
            assert!(sent.is_ok() && matches!(received, Ok(None)) && count == 0);
            break;
        }
        assert!(matches!(sent, Err(SessionEnd::Lost(_))) && matches!(received, Err(SessionEnd::Lost(_))));
    }
}

#[tokio::test]
async fn both_sides_learn_why_a_disk_does_not_take_it() {
    let (_, from) = sender(at(9), &content(LENGTH));
    for (fault, later, expected) in [
        // While room is reserved, and in the middle.
        (Fault::NoRoom, 4, "no room"),
        (Fault::NoRoom, 8, "no room"),
        (Fault::Error, 8, "cannot write"),
    ] {
        let (disk, to) = snapshots(2);
        disk.plan(disk.calls() + later, fault);
        match exchange(&from, &to, &Arc::default(), 99).await {
            (Err(SessionEnd::Told(told)), Err(SessionEnd::Tell(tell)), _) => {
                assert_eq!(told, tell);
                assert!(tell.to_string().contains(expected), "{tell}");
            }
            other => panic!("{other:?}"),
        }
        assert!(disk.files().is_empty() && to.newest().is_none());
    }
}

#[tokio::test]
async fn a_file_that_its_sender_finds_damaged_is_never_installed() {
    let (disk, from) = sender(at(9), &content(LENGTH));
    let name = disk.names().unwrap().remove(0);
    disk.open(&name).unwrap().write_all_at(&[0xee; 9], 1_000_000).unwrap();
    let (_, to) = snapshots(2);
    let (sent, received, chunks) = exchange(&from, &to, &Arc::default(), 99).await;
    assert!(matches!(sent, Err(SessionEnd::Tell(SnapshotFailure::Rotten))), "{sent:?}");
    assert!(matches!(received, Err(SessionEnd::Told(SnapshotFailure::Rotten))), "{received:?}");
    assert!(chunks <= 4 && to.newest().is_none());
}

/// What a receiver answers at last to somebody who says this.
async fn answer_of_a_receiver(words: Vec<Word>) -> (Received, Word) {
    let (mut ours, mut theirs) = lines(Duration::from_secs(10)).await;
    let (_, to) = snapshots(2);
    let receiver = thread::spawn(move || {
        let received = receive(&mut theirs, &to, &Receiving::default(), || true);
        assert_eq!(to.newest(), None);
        received
    });
    words.into_iter().for_each(|word| ours.say(word).unwrap());
    let answer = loop {
        match ours.hear().unwrap() {
            Word::From(_) => {}
            other => break other,
        }
    };
    drop(ours);
    (receiver.join().unwrap(), answer)
}

#[tokio::test]
async fn a_sender_that_offers_nonsense_or_damages_it_is_refused() {
    let (_, from) = sender(at(9), &content(LENGTH));
    let begin = (56..).find(|&offset| from.may_begin_at(offset)).unwrap();
    let chunk: bytes::Bytes = from.read(begin).unwrap().into();
    let next = begin + chunk.len() as u64;
    let offer = Word::Offer(from.offer);
    let mut flipped = chunk.to_vec();
    flipped[70_000] ^= 4;
    for (words, expected) in [
        (vec![Word::Have], SnapshotFailure::Nonsense),
        (vec![Word::Offer(Offer { bytes: 3, ..from.offer })], SnapshotFailure::Nonsense),
        (vec![Word::Offer(Offer { bytes: u64::MAX, ..from.offer })], SnapshotFailure::Nonsense),
        (vec![offer.clone(), offer.clone()], SnapshotFailure::Nonsense),
        (vec![offer.clone(), Word::End], SnapshotFailure::Nonsense),
        (vec![offer.clone(), Word::Chunk { offset: next, bytes: chunk.clone() }], SnapshotFailure::Nonsense),
        (vec![offer.clone(), Word::Chunk { offset: 0, bytes: chunk.clone() }], SnapshotFailure::Nonsense),
        (vec![offer.clone(), Word::Chunk { offset: u64::MAX, bytes: chunk.clone() }], SnapshotFailure::Nonsense),
        (vec![offer.clone(), Word::Chunk { offset: begin, bytes: bytes::Bytes::new() }], SnapshotFailure::Nonsense),
        (vec![offer, Word::Chunk { offset: begin, bytes: flipped.into() }], SnapshotFailure::Damaged),
    ] {
        let (received, answer) = answer_of_a_receiver(words.clone()).await;
        assert_eq!(answer, Word::Failed(expected.clone()), "{words:.60?}");
        assert!(matches!(received, Err(SessionEnd::Tell(why)) if why == expected));
    }
}

#[tokio::test]
async fn a_receiver_that_answers_nonsense_is_refused() {
    let (_, from) = sender(at(9), &content(LENGTH));
    let chunk = Word::Chunk { offset: 0, bytes: bytes::Bytes::new() };
    let wrong = [0, 57, u64::MAX, from.offer.bytes + 1].map(|offset| vec![Word::From(offset)]);
    let end = from.offer.bytes;
    let odd = [vec![Word::Arrived], vec![chunk], vec![Word::From(end), Word::Have]];
    for words in wrong.into_iter().chain(odd) {
        let (mut ours, mut theirs) = lines(Duration::from_secs(10)).await;
        let (_, from) = sender(at(9), &content(LENGTH));
        let sender = thread::spawn(move || send(&mut theirs, &from, || true));
        words.iter().for_each(|word| ours.say(word.clone()).unwrap());
        let answer = loop {
            match ours.hear().unwrap() {
                Word::Offer(_) | Word::Chunk { .. } | Word::End => {}
                other => break other,
            }
        };
        assert_eq!(answer, Word::Failed(SnapshotFailure::Nonsense), "{words:?}");
        drop(ours);
        assert!(matches!(sender.join().unwrap(), Err(SessionEnd::Tell(SnapshotFailure::Nonsense))));
    }
}

/// A receiver to which somebody has begun to send this.
async fn begun(
    from: &Outgoing<SimulatedDisk>,
    to: &Arc<Snapshots<SimulatedDisk>>,
    receiving: &Arc<Receiving>,
) -> (Line, thread::JoinHandle<Received>) {
    let (mut ours, mut theirs) = lines(Duration::from_secs(10)).await;
    let (to, receiving) = (to.clone(), receiving.clone());
    let receiver = thread::spawn(move || receive(&mut theirs, &to, &receiving, || true));
    ours.say(Word::Offer(from.offer)).unwrap();
    assert!(matches!(ours.hear().unwrap(), Word::From(_)));
    (ours, receiver)
}

#[tokio::test]
async fn of_two_offers_the_newer_is_taken_and_of_one_the_later_call() {
    let [older, newer] = [8, 9].map(|index| sender(at(index), &content(LENGTH)).1);
    let same_place = sender(at(8), &content(LENGTH - 1)).1;
    let ((_, to), receiving) = (snapshots(2), Arc::default());
    let (_line, stuck) = begun(&older, &to, &receiving).await;
    let (sent, ..) = exchange(&same_place, &to, &receiving, 99).await;
    assert!(matches!(sent, Err(SessionEnd::Told(SnapshotFailure::Busy))), "{sent:?}");
    let (_again, stuck_again) = begun(&older, &to, &receiving).await;
    assert!(matches!(stuck.join().unwrap(), Err(SessionEnd::Lost(_))), "its sender has called again");
    let (sent, received, _) = exchange(&newer, &to, &receiving, 99).await;
    assert!(matches!((sent, received), (Ok(()), Ok(Some(last))) if last == at(9)));
    assert!(stuck_again.join().unwrap().is_err(), "a newer one has taken its place");
    let (sent, received, _) = exchange(&older, &to, &receiving, 99).await;
    assert!(matches!((sent, received), (Ok(()), Ok(None))), "a later one is there");
    assert_eq!(bytes(&to), Some(content(LENGTH)));
}

#[tokio::test]
async fn an_older_offer_does_not_throw_away_what_arrives() {
    let [older, newer] = [8, 9].map(|index| sender(at(index), &content(LENGTH)).1);
    let ((_, to), receiving) = (snapshots(2), Arc::default());
    let (line, arriving) = begun(&newer, &to, &receiving).await;
    let (sent, ..) = exchange(&older, &to, &receiving, 99).await;
    assert!(matches!(sent, Err(SessionEnd::Told(SnapshotFailure::Busy))), "{sent:?}");
    line.closer().close();
    arriving.join().unwrap().unwrap_err();
    let (sent, received, _) = exchange(&older, &to, &receiving, 99).await;
    assert!(matches!((sent, received), (Ok(()), Ok(Some(last))) if last == at(8)), "nobody sends the newer one");
}

#[tokio::test]
async fn who_says_or_takes_nothing_is_given_up() {
    let patience = Duration::from_millis(300);
    let (_, from) = sender(at(9), &content(40_000_000));
    let began = Instant::now();
    let (_silent, mut ours) = lines(patience).await;
    let sent = send(&mut ours, &from, || true);
    assert!(matches!(sent, Err(SessionEnd::Lost(_))), "{sent:?}");
    let (mut takes_nothing, mut ours) = lines(patience).await;
    takes_nothing.say(Word::From((56..).find(|&offset| from.may_begin_at(offset)).unwrap())).unwrap();
    let sent = send(&mut ours, &from, || true);
    assert!(matches!(sent, Err(SessionEnd::Lost(_))), "{sent:?}");
    let (_silent, mut ours) = lines(patience).await;
    let received = receive(&mut ours, &snapshots(2).1, &Receiving::default(), || true);
    assert!(matches!(received, Err(SessionEnd::Lost(_))), "{received:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_side_that_is_at_work_shows_that_it_lives() {
    let (mut ours, mut theirs) = lines(Duration::from_secs(1)).await;
    let worker = thread::spawn(move || {
        for _ in 0..30 {
            theirs.show_life();
            thread::sleep(Duration::from_millis(50));
        }
        theirs.say(Word::Arrived).unwrap();
    });
    assert_eq!(ours.hear().unwrap(), Word::Arrived, "after more than its patience");
    worker.join().unwrap();
}
