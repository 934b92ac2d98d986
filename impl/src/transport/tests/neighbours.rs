//! A server of the cluster that says what no correct server could: it knows the cluster's id, and is
//! let in.

use std::convert::Infallible;

use super::*;
use crate::{Leadership, Node, Then};

const THREE: ServerId = ServerId::new(3);
const IDS: [ServerId; 3] = [ONE, TWO, THREE];

/// Far more terms than this test may take.
const MANY: u64 = 1000;

struct Group {
    root: TempDir,
    addresses: [SocketAddr; 3],
}

impl Group {
    fn new() -> Group {
        Group { root: tempfile::tempdir().unwrap(), addresses: IDS.map(|_| free_address()) }
    }

    async fn start(&self, id: ServerId) -> Node {
        let directory = self.root.path().join(id.to_string());
        let builder = Node::builder(directory).id(id.number()).init(CLUSTER).listen(self.address(id).to_string());
        let peers = IDS.into_iter().filter(|peer| *peer != id);
        let builder = peers.fold(builder, |builder, peer| builder.peer(peer.number(), self.address(peer).to_string()));
        let node = builder.election_timeout(Duration::from_millis(200)).start().await.unwrap();
        let waiting = node.clone();
        tokio::spawn(async move {
            let work = async |leadership: Leadership| {
                leadership.lost().await;
                Ok::<_, Infallible>(Then::Resign)
            };
            waiting.lead(work).await
        });
        node
    }

    fn address(&self, id: ServerId) -> SocketAddr {
        self.addresses[id.number() as usize - 1]
    }

    /// The refusal that a neighbour hears when it says this.
    async fn answer_to(&self, neighbour: &Local, to: ServerId, term: u64, message: Message<Slice<Bytes>>) -> Refusal {
        let stream = TcpStream::connect(self.address(to)).await.unwrap();
        let mut connection = Connection::new(stream, SILENCE).unwrap();
        handshake::call(&mut connection, neighbour, to, Kind::Control).await.unwrap();
        let envelope = Envelope { from: neighbour.id, to, term: Term::new(term), message };
        connection.write([WireFrame::from(envelope)]).await.unwrap();
        let answer = timeout(DEADLINE, connection.read::<WireGreeting>()).await.expect("what is refused is answered");
        match answer.map(Greeting::from) {
            Ok(Greeting::Refused(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }
}

/// Waits until all of them know one leader, and gives the highest term.
async fn led(nodes: &[&Node]) -> u64 {
    let mut highest = 0;
    for node in nodes {
        let mut view = node.leader();
        let led = timeout(DEADLINE, view.wait_for(|view| view.leader.is_some())).await.expect("somebody leads");
        highest = led.unwrap().term.number().max(highest);
    }
    highest
}

#[tokio::test]
async fn a_neighbour_that_names_a_huge_term_does_not_change_the_groups() {
    let group = Group::new();
    let (one, three) = (group.start(ONE).await, group.start(THREE).await);
    led(&[&one, &three]).await;
    let neighbour = local(TWO, &[ONE, THREE]);
    let entries = Slice::new(Position::default(), Vec::new()).unwrap();
    let append = Message::AppendRequest { entries, commit: Index::ZERO, round: rafttree_model::Round::ZERO };
    let vote = Message::VoteRequest { last: Position::default(), transfer: true };
    for to in [ONE, THREE] {
        for message in [&append, &vote, &Message::Stale, &Message::TimeoutNow] {
            for (term, expected) in
                [(u64::MAX, Refusal::Malformed), (u64::MAX / 2, Refusal::Implausible), (1 << 40, Refusal::Implausible)]
            {
                let answer = group.answer_to(&neighbour, to, term, message.clone()).await;
                assert_eq!(answer, expected, "{message:?} of term {term}");
            }
        }
    }
    assert!(led(&[&one, &three]).await < MANY);
    for node in [one, three] {
        timeout(DEADLINE, node.shutdown()).await.expect("a server ends").unwrap();
    }
    let again = [group.start(ONE).await, group.start(THREE).await];
    assert!(led(&[&again[0], &again[1]]).await < MANY, "nothing of it was kept");
}
