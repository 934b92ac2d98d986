//! Each rule against an independent statement of it, on every small case there is.

use std::collections::BTreeSet;

use rafttree_model::{
    Durable, Envelope, Faulty, Index, Log, Members, Message, Paper, Position, Range, Record, Rules, ServerId,
    ServerSet, Term,
};

use crate::support::{
    FIRST, all_terms, append, at, follower, group, id, log, on, position_in, receive, slice, terms_of,
};

/// Every log of at most three entries with terms up to 3: its shape and its terms.
fn all_logs() -> Vec<(Log, Vec<u64>)> {
    all_terms(3, 3).into_iter().map(|terms| (log(&terms), terms)).collect()
}

/// Every slice of at most three entries behind an entry that a log of these terms holds.
fn all_slices(terms: &[u64]) -> Vec<(Position, Vec<u64>)> {
    let previous = (0..=terms.len() as u64).filter_map(|index| position_in(terms, index));
    let behind = |previous: Position| {
        let fits = move |new: &Vec<u64>| new.first().is_none_or(|&first| previous.term.number() <= first);
        all_terms(3, 3).into_iter().filter(fits).map(move |new| (previous, new))
    };
    previous.flat_map(behind).collect()
}

/// Every subset of the servers 1 to `size`.
fn all_subsets(size: u32) -> impl Iterator<Item = ServerSet> {
    (0..1u32 << size)
        .map(move |bits| (1..=size).filter(|server| bits >> (server - 1) & 1 == 1).map(ServerId::new).collect())
}

/// The plainest count: are these more than half of the group?
fn are_more_than_half(size: u32, supporters: &ServerSet) -> bool {
    let supporting = (1..=size).filter(|&server| supporters.contains(id(server))).count() as u32;
    size - supporting < supporting
}

#[test]
fn every_rule_has_a_test_here_that_is_named_after_it() {
    let rules = include_str!("../src/rules.rs");
    let (_, rules) = rules.split_once("pub trait Rules {").expect("rules.rs states the rules in one trait");
    let (rules, _) = rules.split_once("\n}\n").expect("the trait ends");
    let names: Vec<&str> =
        rules.split("\n    fn ").skip(1).map(|rule| rule.split('(').next().expect("split gives one part")).collect();
    assert!(15 < names.len(), "found only {names:?}");
    for name in names {
        let named = format!("#[test]\nfn {name}_");
        assert!(include_str!("rules.rs").contains(&named), "the rule `{name}` has no test: add `fn {name}_..`");
    }
}

#[test]
fn paper_changes_no_rule() {
    assert!(include_str!("../src/rules.rs").contains("\nimpl Rules for Paper {}\n"));
}

#[test]
fn is_newer_says_yes_to_later_terms_only() {
    for ours in 0..4 {
        let newer: Vec<u64> = (0..6).filter(|&theirs| Paper::is_newer(Term::new(theirs), Term::new(ours))).collect();
        assert_eq!(newer, (ours + 1..6).collect::<Vec<u64>>());
    }
}

#[test]
fn is_stale_says_yes_to_earlier_terms_only() {
    for ours in 0..4 {
        let stale: Vec<u64> = (0..6).filter(|&theirs| Paper::is_stale(Term::new(theirs), Term::new(ours))).collect();
        assert_eq!(stale, (0..ours).collect::<Vec<u64>>());
    }
}

#[test]
fn must_yield_to_newer_term_always() {
    assert!(Paper::must_yield_to_newer_term());
}

#[test]
fn must_ask_first_after_an_election_timeout() {
    assert!(Paper::must_ask_first());
}

#[test]
fn is_disturbance_is_what_a_sticky_server_hears_from_neither_its_leader_nor_on_its_behalf() {
    for transfer in [false, true] {
        for leader in [None, Some(id(1)), Some(id(2))] {
            for candidate in [id(1), id(2), id(3)] {
                let welcome = transfer || leader == Some(candidate);
                assert_eq!(Paper::is_disturbance(true, leader, candidate, transfer), !welcome);
                assert!(!Paper::is_disturbance(false, leader, candidate, transfer), "sticks to nobody");
            }
        }
    }
}

#[test]
fn may_vote_gives_the_vote_to_the_first_who_asks_and_to_nobody_else() {
    for requests in (0..81).map(|code| [code % 3, code / 3 % 3, code / 9 % 3, code / 27].map(id)) {
        let mut vote = None;
        for candidate in requests {
            let granted = Paper::may_vote(vote, candidate);
            assert_eq!(granted, candidate == requests[0], "{candidate} of {requests:?}");
            vote = if granted { Some(candidate) } else { vote };
        }
    }
}

#[test]
fn is_up_to_date_asks_for_the_later_term_and_among_equals_for_the_longer_log() {
    for (candidate, theirs) in all_logs() {
        for (ours, own) in all_logs() {
            let (their_term, our_term) = (theirs.last().unwrap_or(&0), own.last().unwrap_or(&0));
            let expected = if their_term == our_term { own.len() <= theirs.len() } else { our_term < their_term };
            assert_eq!(Paper::is_up_to_date(candidate.last(), ours.last()), expected, "{theirs:?} asks {own:?}");
        }
    }
}

#[test]
fn is_majority_means_more_than_half_of_the_members() {
    for size in 1..=9 {
        for supporters in all_subsets(size) {
            let expected = are_more_than_half(size, &supporters);
            assert_eq!(Paper::is_majority(&group(size), &supporters), expected, "{supporters:?} of {size}");
        }
        assert!(Paper::is_majority(&group(size), &group(size).ids().collect()), "all {size} are a majority");
    }
}

#[test]
fn is_majority_counts_no_strangers() {
    for size in 1..=8 {
        let strangers: ServerSet = (size + 1..=9).map(ServerId::new).collect();
        assert!(!Paper::is_majority(&group(size), &strangers));
    }
    for supporters in all_subsets(9) {
        assert_eq!(Paper::is_majority(&group(5), &supporters), are_more_than_half(5, &supporters));
    }
}

#[test]
fn has_own_vote_whoever_else_has_voted() {
    for votes in all_subsets(4) {
        for candidate in (1..=4).map(id) {
            assert_eq!(
                Paper::has_own_vote(&votes, candidate),
                votes.ids().any(|voter| voter == candidate),
                "{votes:?}"
            );
        }
    }
}

#[test]
fn is_majority_lets_any_two_majorities_share_a_server() {
    for size in 1..=9 {
        let members = group(size);
        let majorities: Vec<ServerSet> = all_subsets(size).filter(|set| Paper::is_majority(&members, set)).collect();
        for one in &majorities {
            assert!(majorities.iter().all(|other| one.ids().any(|server| other.contains(server))), "of {size}");
        }
    }
}

#[test]
fn is_majority_survives_the_loss_of_any_minority() {
    for size in 1..=9 {
        for down in all_subsets(size).filter(|down| down.len() as u32 <= (size - 1) / 2) {
            let up = (1..=size).map(ServerId::new).filter(|&server| !down.contains(server)).collect();
            assert!(Paper::is_majority(&group(size), &up), "{down:?} of {size} are down");
        }
    }
}

#[test]
fn must_step_down_when_those_who_answered_are_not_more_than_half() {
    for size in 1..=9 {
        for heard in all_subsets(size) {
            assert_eq!(Paper::must_step_down(&group(size), &heard), !are_more_than_half(size, &heard));
        }
    }
}

#[test]
fn matches_means_that_the_log_holds_the_entry_before() {
    for (log, terms) in all_logs() {
        for previous in (0..5).flat_map(|index| (0..5).map(move |term| at(index, term))) {
            let held = position_in(&terms, previous.index.number()) == Some(previous);
            assert_eq!(Paper::matches(&log, previous), held, "{previous} in {terms:?}");
        }
    }
}

#[test]
fn matches_does_not_doubt_what_was_compacted() {
    let log = with_two_compacted();
    let held: Vec<Position> = (0..5)
        .flat_map(|index| (0..5).map(move |term| at(index, term)))
        .filter(|&previous| 1 < previous.index.number() && Paper::matches(&log, previous))
        .collect();
    assert_eq!(held, [at(2, 2), at(3, 3)], "the base and what follows are compared");
    assert!(Paper::matches(&log, at(1, 1)), "what lies before the base is not");
}

#[test]
fn previous_is_the_entry_before_if_the_log_still_knows_it() {
    for (log, terms) in all_logs() {
        for next in 1..=terms.len() as u64 + 2 {
            assert_eq!(Paper::previous(&log, Index::new(next)), position_in(&terms, next - 1), "{next} in {terms:?}");
        }
    }
    let log = with_two_compacted();
    let known: Vec<_> = (1..6).map(|next| Paper::previous(&log, Index::new(next))).collect();
    assert_eq!(known, [None, None, Some(at(2, 2)), Some(at(3, 3)), None], "what was compacted needs a snapshot");
}

#[test]
fn may_compact_what_is_committed_and_no_more() {
    for commit in 0..4 {
        let may: Vec<u64> =
            (0..6).filter(|&through| Paper::may_compact(Index::new(through), Index::new(commit))).collect();
        assert_eq!(may, (0..=commit).collect::<Vec<u64>>());
    }
}

#[test]
fn must_restore_what_does_not_lead_to_the_last_entry_of_the_snapshot() {
    for (log, terms) in all_logs() {
        for last in (1..5).flat_map(|index| (1..5).map(move |term| at(index, term))) {
            let held = position_in(&terms, last.index.number()) == Some(last);
            assert_eq!(Paper::must_restore(&log, last), !held, "{last} in {terms:?}");
        }
    }
    let older = at(1, 1);
    assert!(!Paper::must_restore(&with_two_compacted(), older), "a later snapshot stands for it");
}

/// The terms 1, 2, 3, of which the first two entries are compacted.
fn with_two_compacted() -> Log {
    let mut durable = Durable::default();
    for entry in slice(at(0, 0), &[1, 2, 3]).into_entries() {
        durable.apply(&Record::Append(entry));
    }
    durable.apply(&Record::<()>::Compact { through: Index::new(2) });
    durable.log().clone()
}

/// How many entries two lists have in common at their start.
fn longest_common_prefix(one: &[u64], other: &[u64]) -> usize {
    (0..=one.len().min(other.len())).rfind(|&length| one[..length] == other[..length]).expect("0 is common to all")
}

#[test]
fn must_truncate_exactly_when_both_lists_go_on_differently() {
    for (log, ours) in all_logs() {
        for (previous, new) in all_slices(&ours) {
            let theirs = [&ours[..previous.index.number() as usize], &new[..]].concat();
            let agreed = longest_common_prefix(&ours, &theirs);
            let first_new = position_in(&theirs, agreed as u64 + 1);
            let conflict = agreed < ours.len() && agreed < theirs.len();
            let found = Paper::must_truncate(&log, Index::new(agreed as u64), first_new);
            assert_eq!(found, conflict, "{theirs:?} for {ours:?}");
        }
    }
}

/// The same rule at work: the agreed prefix stays, the conflict goes, later entries are kept.
#[test]
fn must_truncate_leaves_a_follower_with_what_the_lists_say() {
    for (_, ours) in all_logs() {
        for (previous, new) in all_slices(&ours) {
            let theirs = [&ours[..previous.index.number() as usize], &new[..]].concat();
            let agreed = longest_common_prefix(&ours, &theirs);
            let expected = if agreed == theirs.len() { &ours } else { &theirs };
            let mut node = follower(3, 3, &ours);
            let done = on(&mut node, receive(2, 3, append(previous, &new, 0)));
            assert_eq!(terms_of(node.log()), *expected, "{new:?} behind {previous} for {ours:?}");
            let cuts = done.records.iter().any(|record| matches!(record, Record::Truncate { .. }));
            assert_eq!(cuts, agreed < ours.len() && agreed < theirs.len());
        }
    }
}

#[test]
fn acknowledged_is_what_was_compared_and_never_the_rest_of_the_log() {
    for (_, ours) in all_logs() {
        for (previous, new) in all_slices(&ours) {
            let compared = Index::new(previous.index.number() + new.len() as u64);
            let last = Index::new(compared.number().max(ours.len() as u64));
            assert_eq!(Paper::acknowledged(compared, last), compared, "{new:?} behind {previous} for {ours:?}");
        }
    }
}

#[test]
fn follower_commit_is_the_last_entry_that_is_both_committed_and_compared() {
    for leader_commit in 0..6 {
        for verified in 0..6 {
            let both = (0..6).rfind(|index| (0..=leader_commit).contains(index) && (0..=verified).contains(index));
            assert_eq!(Some(Paper::follower_commit(Index::new(leader_commit), Index::new(verified)).number()), both);
        }
    }
}

#[test]
fn matched_at_start_is_nothing_whatever_the_leader_holds() {
    for (log, _) in all_logs() {
        assert_eq!(Paper::matched_at_start(log.last()), Index::ZERO);
    }
}

/// Every way in which `size` servers can hold up to `highest` entries.
fn all_matched(size: u32, highest: u64) -> impl Iterator<Item = Vec<u64>> {
    let base = highest + 1;
    (0..base.pow(size)).map(move |code| (0..size).map(|digit| code / base.pow(digit) % base).collect())
}

#[test]
fn replicated_is_the_last_entry_that_a_count_finds_on_more_than_half() {
    for (size, highest) in [(1, 3), (2, 3), (3, 3), (4, 3), (5, 3), (6, 2), (7, 2), (8, 1), (9, 1)] {
        let members = group(size);
        for matched in all_matched(size, highest) {
            let holders = |index| matched.iter().filter(|&&held| index <= held).count() as u32;
            let expected = (0..=highest).rfind(|&index| size < 2 * holders(index));
            let found = Paper::replicated(&members, |server| Index::new(matched[server.number() as usize - 1]));
            assert_eq!(Some(found.number()), expected, "{matched:?}");
        }
    }
}

#[test]
fn replicated_entries_are_held_by_a_majority_and_the_next_by_none() {
    let members = group(5);
    for matched in all_matched(5, 3) {
        let holders = |index: u64| -> ServerSet {
            (1..=5).filter(|&server| index <= matched[server as usize - 1]).map(ServerId::new).collect()
        };
        let found = Paper::replicated(&members, |server| Index::new(matched[server.number() as usize - 1])).number();
        assert!(Paper::is_majority(&members, &holders(found)), "{matched:?}");
        assert!(!Paper::is_majority(&members, &holders(found + 1)), "{matched:?}");
    }
}

#[test]
fn replicated_asks_each_member_and_nobody_else() {
    let members = Members::new([4, 7, 9].map(ServerId::new)).expect("three servers make a group");
    let asked = std::cell::RefCell::new(BTreeSet::new());
    let _ = Paper::replicated(&members, |server| {
        asked.borrow_mut().insert(server);
        Index::ZERO
    });
    assert_eq!(asked.into_inner(), BTreeSet::from([4, 7, 9].map(ServerId::new)));
}

#[test]
fn may_commit_only_an_entry_of_the_current_term() {
    for (log, terms) in all_logs() {
        for (index, current) in (0..6).flat_map(|index| (1..5).map(move |current| (index, current))) {
            let own = position_in(&terms, index).is_some_and(|entry| entry.term == Term::new(current));
            assert_eq!(
                Paper::may_commit(&log, Index::new(index), Term::new(current)),
                own,
                "{index} of {terms:?} in {current}"
            );
        }
    }
}

#[test]
fn read_index_is_the_commit_index_of_a_leader_that_has_committed_in_its_term() {
    for commit in (0..4).map(Index::new) {
        assert_eq!(Paper::read_index(commit, true), Some(commit));
        assert_eq!(Paper::read_index(commit, false), None);
    }
}

#[test]
fn is_confirmed_by_more_than_half() {
    for size in 1..=9u32 {
        let enough: Vec<usize> = (0..=9).filter(|&answered| Paper::is_confirmed(&group(size), answered)).collect();
        let more_than_half: Vec<usize> =
            (0..=9).filter(|&answered| size as usize - answered.min(size as usize) < answered).collect();
        assert_eq!(enough, more_than_half, "{size}");
    }
}

#[test]
fn may_leave_early_whatever_promises_nothing() {
    let entries = Range { previous: at(1, 1), last: at(2, 2) };
    let messages = [
        (Message::AppendRequest { entries, commit: Index::new(1), round: FIRST }, true),
        (Message::PreVoteRequest { last: at(1, 1) }, false),
        (Message::PreVoteReply { granted: true }, false),
        (Message::VoteRequest { last: at(1, 1), transfer: false }, true),
        (Message::VoteRequest { last: at(1, 1), transfer: true }, true),
        (Message::VoteReply { granted: true }, false),
        (Message::VoteReply { granted: false }, false),
        (Message::AppendReply { matched: Index::new(1), round: FIRST }, false),
        (Message::AppendRefusal { missing: Index::new(2), hint: at(1, 1), round: FIRST }, false),
        (Message::InstallSnapshot { last: at(1, 1), round: FIRST }, true),
        (Message::TimeoutNow, false),
        (Message::Stale, false),
    ];
    for (message, early) in messages {
        for to in [id(1), id(2)] {
            let envelope = Envelope { from: id(1), to, term: Term::new(2), message };
            assert_eq!(Paper::may_leave_early(&envelope, false), early, "{message:?} to {to}");
            let names_its_log = matches!(message, Message::VoteRequest { .. });
            assert_eq!(Paper::may_leave_early(&envelope, true), early && !names_its_log, "{message:?} to {to}");
        }
    }
}

#[test]
fn may_transfer_only_to_a_server_that_holds_the_whole_log() {
    for last in 0..5 {
        let ready: Vec<u64> =
            (0..=last).filter(|&matched| Paper::may_transfer(Index::new(matched), Index::new(last))).collect();
        assert_eq!(ready, [last]);
    }
}

/// The whole log can be read, or all parts of the entries 1 to 4 cannot.
fn all_faults() -> impl Iterator<Item = Faulty> {
    let parts =
        (1..=4).flat_map(|first| (first..=4).map(move |last| Faulty::between(Index::new(first), Index::new(last))));
    [Faulty::NONE].into_iter().chain(parts)
}

#[test]
fn last_for_votes_is_the_last_entry_whether_it_can_be_read_or_not() {
    for (log, terms) in all_logs() {
        for faulty in all_faults() {
            let last = position_in(&terms, terms.len() as u64).expect("a log has a last entry or begins");
            assert_eq!(Paper::last_for_votes(&log, faulty), last);
        }
    }
}

#[test]
fn may_campaign_says_yes_to_who_can_read_its_whole_log() {
    for faulty in all_faults() {
        assert_eq!(Paper::may_campaign(faulty), (1..5).all(|index| !faulty.contains(Index::new(index))));
    }
}

#[test]
fn is_held_is_the_very_entry_whether_it_can_be_read_or_not() {
    for (log, terms) in all_logs() {
        for entry in (1..5).flat_map(|index| (1..5).map(move |term| at(index, term))) {
            let held = position_in(&terms, entry.index.number()) == Some(entry);
            assert!(all_faults().all(|faulty| Paper::is_held(&log, faulty, entry) == held), "{entry} in {terms:?}");
        }
    }
}

#[test]
fn must_take_over_what_includes_something_that_cannot_be_read() {
    for faulty in all_faults() {
        for last in 0..6 {
            let includes = (1..=last).any(|index| faulty.contains(Index::new(index)));
            assert_eq!(Paper::must_take_over(faulty, Index::new(last)), includes, "{faulty:?} {last}");
        }
    }
}

/// As far as everything can be read.
fn legible(faulty: Faulty, index: u64) -> u64 {
    (0..=index).take_while(|&index| !faulty.contains(Index::new(index))).last().unwrap_or_default()
}

#[test]
fn promised_is_what_is_acknowledged_as_far_as_it_can_be_read() {
    for faulty in all_faults() {
        for index in 0..6 {
            assert_eq!(Paper::promised(faulty, Index::new(index)).number(), legible(faulty, index), "{faulty:?}");
        }
    }
}

#[test]
fn applicable_is_what_is_committed_as_far_as_it_can_be_read() {
    for faulty in all_faults() {
        for index in 0..6 {
            assert_eq!(Paper::applicable(faulty, Index::new(index)).number(), legible(faulty, index), "{faulty:?}");
        }
    }
}
