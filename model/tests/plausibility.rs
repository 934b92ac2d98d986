//! What a correct server could have said, and what none could.

use rafttree_model::{Envelope, Event, Index, Message, Node, Position, Round, Slice, Term};

use crate::support::{
    Command, FIRST, append, at, follower, heartbeat, id, leader, matched, on, slice, vote, vote_request,
};

const YEARS: u64 = 1 << 32;

fn said(term: u64, message: Message<Slice<Command>>) -> Envelope<Slice<Command>> {
    Envelope { from: id(2), to: id(1), term: Term::new(term), message }
}

fn refusal(missing: u64, index: u64, term: u64) -> Message<Slice<Command>> {
    Message::AppendRefusal { missing: Index::new(missing), hint: at(index, term), round: FIRST }
}

fn snapshot_to(last: Position) -> Message<Slice<Command>> {
    Message::InstallSnapshot { last, round: FIRST }
}

#[test]
fn a_term_that_is_years_ahead_is_not_plausible_in_any_message() {
    for ours in [0, 1, 7, YEARS] {
        let node = follower(3, ours, &[]);
        for message in [vote(true), Message::Stale, heartbeat(at(0, 0), 0), vote_request(at(0, 0))] {
            assert!(said(ours + YEARS, message.clone()).is_plausible(&node));
            for term in [ours + YEARS + 1, u64::MAX / 2, u64::MAX] {
                assert!(!said(term, message.clone()).is_plausible(&node), "{term} from {ours}: {message:?}");
            }
        }
    }
}

#[test]
fn what_is_old_is_plausible_however_old() {
    assert!(said(1, heartbeat(at(0, 0), 0)).is_plausible(&follower(3, 3 * YEARS, &[])));
}

#[test]
fn before_the_first_term_servers_only_ask_whether_they_could_win() {
    let asks = [Message::PreVoteRequest { last: at(0, 0) }, Message::PreVoteReply { granted: true }];
    assert!(asks.into_iter().all(|message| said(0, message).is_coherent()));
    let needs_a_term = [
        vote_request(at(0, 0)),
        vote(false),
        heartbeat(at(0, 0), 0),
        matched(0),
        refusal(1, 0, 0),
        snapshot_to(at(1, 1)),
        Message::TimeoutNow,
        Message::Stale,
    ];
    for message in needs_a_term {
        assert!(said(1, message.clone()).is_coherent(), "{message:?}");
        assert!(!said(0, message.clone()).is_coherent(), "{message:?}");
    }
}

#[test]
fn an_entry_has_a_term_and_an_index_and_no_later_term_than_its_sender() {
    for (last, is_coherent) in
        [(at(0, 0), true), (at(0, 1), false), (at(1, 0), false), (at(9, 3), true), (at(9, 4), false)]
    {
        let named = [
            Message::PreVoteRequest { last },
            vote_request(last),
            heartbeat(last, 0),
            Message::AppendRefusal { missing: Index::new(9), hint: last, round: FIRST },
        ];
        let snapshot = said(3, snapshot_to(last));
        assert_eq!(snapshot.is_coherent(), is_coherent && last.index != Index::ZERO, "{snapshot:?}");
        for message in named {
            assert_eq!(said(3, message.clone()).is_coherent(), is_coherent, "{message:?}");
        }
    }
}

#[test]
fn entries_are_of_terms_that_have_begun_and_are_not_after_the_leaders() {
    assert!(said(3, append(at(0, 0), &[1, 3], 0)).is_coherent());
    assert!(!said(3, append(at(0, 0), &[1, 4], 0)).is_coherent());
    let without_term = Message::AppendRequest { entries: slice(at(0, 0), &[0, 1]), commit: Index::ZERO, round: FIRST };
    assert!(!said(3, without_term).is_coherent());
}

#[test]
fn a_refusal_names_what_is_missing_and_a_place_that_is_not_after_it() {
    for (message, is_coherent) in
        [(refusal(0, 0, 0), false), (refusal(5, 5, 1), true), (refusal(5, 6, 1), false), (refusal(5, 0, 0), true)]
    {
        assert_eq!(said(3, message.clone()).is_coherent(), is_coherent, "{message:?}");
    }
}

#[test]
fn nobody_has_answered_a_round_that_its_leader_has_not_begun() {
    let mut node = leader(3, 2, &[1]);
    let answers = |round: u64| {
        let (round, missing, hint) = (Round::new(round), Index::new(1), at(0, 0));
        let all = [
            Message::AppendReply { matched: Index::ZERO, round },
            Message::RepairRequest { matched: Index::ZERO, round },
            Message::AppendRefusal { missing, hint, round },
        ];
        all.map(|message| said(2, message))
    };
    let are_plausible = |node: &Node, round| answers(round).map(|answer| answer.is_plausible(node));
    assert_eq!(are_plausible(&node, 1), [true; 3]);
    assert_eq!(are_plausible(&node, 2), [false; 3]);
    let _ = on(&mut node, Event::HeartbeatTimeout);
    assert_eq!(are_plausible(&node, 2), [true; 3]);
    let _ = on(&mut node, Event::StepDown);
    assert_eq!(are_plausible(&node, 9), [true; 3], "a server that restarted may have led in this term");
}

#[test]
fn nobody_has_stored_what_its_leader_has_not_sent() {
    let node = leader(3, 2, &[1]);
    let is_plausible = |node: &Node, term, index| {
        let asked = Message::RepairRequest { matched: Index::new(index), round: FIRST };
        let answers = [matched(index), asked].map(|message| said(term, message).is_plausible(node));
        assert_eq!(answers[0], answers[1]);
        answers[0]
    };
    assert!(is_plausible(&node, 2, 2) && !is_plausible(&node, 2, 3));
    assert!(is_plausible(&node, 1, 3), "an answer to an earlier leader");
    let mut deposed = node;
    let _ = on(&mut deposed, Event::StepDown);
    assert!(is_plausible(&deposed, 2, 3), "a server that restarted may have lost what it sent");
}
