//! Mutants of `replication`: entries out, entries in, answers, commitment.

use crate::source_mutants::catalogue::mutant::Mutant;

const fn mutant(name: &'static str, about: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    Mutant::new("replication.rs", name, about, find, replace)
}

const MAY_PROPOSE: &str = "let Role::Leader { transfer: None, .. } = self.node.role else { return self.effects.outputs.push(Output::Refused); };";
const ACCEPTED: &str = "self.effects.outputs.push(Output::Accepted(position));";
const OWN_REPLY: &str = "self.send(self.node.id, Message::AppendReply { matched: last.index, round });";
const REPLICATE_NEW: &str = "for peer in self.node.peers() { self.replicate_new(peer, Range { previous, last }); }";
const HEARTBEAT: &str = "let Role::Leader { .. } = self.node.role else { return self.ask_for_votes() }; self.begin_round(); \
    for peer in self.node.peers() { self.replicate(peer); }";
const SENDS_NEW: &str = "progress.next = entry.last.index.next(); self.send_entries(follower, entry);";
const SENDS: &str =
    "let last = log.last(); progress.next = last.index.next(); self.send_entries(follower, Range { previous, last });";
const SEND_ENTRIES: &str = "self.send(follower, Message::AppendRequest { entries, commit, round });";
const LEADS_ALREADY: &str = "if let Role::Leader { .. } = self.node.role { \
    return; // A term has one leader (§5.2): only a broken rule leads here. \
    }";
const HEARD_LEADER: &str =
    "self.node.role = Role::Follower { leader: Some(leader), sticky: true }; self.restart(Timers::Follower);";
const FOLLOWS: &str = "self.follow(leader);";
const REFUSE: &str = "let hint = log.last_within(previous).unwrap_or(log.base()); \
    return self.send(leader, Message::AppendRefusal { missing: previous.index, hint, round });";
const STORE: &str = "self.store(slice); self.commit_to(R::applicable(self.node.faulty(), R::follower_commit(leader_commit, verified)));";
const STORED: &str = "self.acknowledge(leader, verified, round);";
const HELD: &str = "slice.entries().iter().take_while(|entry| R::is_held(log, faulty, entry.position)).count()";
const KEEP: &str = "self.persist(Record::Truncate { keep: agreed });";
const APPEND: &str = "entries.drain(held..).for_each(|entry| self.persist(Record::Append(entry)));";
const REPAIRS: &str = "if !faulty.is_none() { entries.into_iter().for_each(|entry| self.repair(entry)); }";
const IS_FIRST_FAULTY: &str = "self.node.faulty().first() == Some(entry.position.index)";
const IS_LEGIBLE: &str = "matched == agreed";
const ONCE_A_ROUND: &str = "answered < Some(round)";
const REPAIR: &str = "self.send_again(follower, matched.next());";
const TOO_MUCH: &str = "if last < matched || !self.take_answer(follower, round) { return None; }";
const IS_NEWS: &str = "progress.matched.max(commit) < matched";
const MATCHED: &str = "progress.matched = progress.matched.max(matched);";
const NEXT: &str = "progress.next = progress.next.max(matched.next());";
const BEHIND: &str = "progress.next <= last";
const RESUME: &str = "if behind && follower != self.node.id { self.replicate(follower); } self.transfer_if_ready();";
const MATCHED_OF: &str = "progress.get(id).map_or(Index::ZERO, |progress| progress.matched)";
const STAYS: &str = "transfer.is_none()";
const MAY_ADVANCE: &str =
    "self.node.commit < replicated && R::may_commit(self.node.log(), replicated, self.node.term())";
const ADVANCE: &str = "let starts = stays && !self.has_committed_in_term(); self.commit_to(replicated); \
    if starts { self.effects.early.push(Output::Leading(self.node.term())); }";
const RETRY: &str = "log.last_within(hint).map(|position| position.index)";
const IS_LATE: &str = "missing <= progress.matched || progress.next <= missing";
const NEXT_ATTEMPT: &str = "retry.map_or(known.max(base), |agreed| agreed.next().max(known))";
const SEND_AGAIN: &str = "progress.next = next; match R::previous(self.node.log(), next) { \
    Some(previous) => self.send_entries(follower, Range { previous, last: self.node.log().last() }), \
    None => self.send_snapshot(follower), }";

#[rustfmt::skip]
pub(super) const MUTANTS: &[Mutant] = &[
    // Out.
    mutant(
        "commands_are_taken_during_a_transfer",
        "the target never holds the whole log",
        MAY_PROPOSE,
        "let Role::Leader { .. } = self.node.role else { return self.effects.outputs.push(Output::Refused); };",
    ),
    mutant(
        "refusals_are_not_told",
        "a client that proposes to a follower waits for ever",
        MAY_PROPOSE,
        "let Role::Leader { transfer: None, .. } = self.node.role else { return };",
    ),
    mutant(
        "refusals_during_a_transfer_are_not_told",
        "a client that proposes to a leader that transfers its leadership waits for ever",
        MAY_PROPOSE,
        "let Role::Leader { transfer: None, .. } = self.node.role else { \
         if let Role::Leader { .. } = self.node.role { return } return self.effects.outputs.push(Output::Refused); };",
    ),
    mutant(
        "refusals_are_told_twice",
        "one of them is for another command",
        MAY_PROPOSE,
        "let Role::Leader { transfer: None, .. } = self.node.role else { \
         self.effects.outputs.push(Output::Refused); return self.effects.outputs.push(Output::Refused); };",
    ),
    mutant(
        "refusals_overtake",
        "a refusal is told before what was accepted before it",
        MAY_PROPOSE,
        "let Role::Leader { transfer: None, .. } = self.node.role else { return self.effects.early.push(Output::Refused); };",
    ),
    mutant("accepted_is_not_told", "a client that proposes waits for ever", ACCEPTED, "let _ = position;"),
    mutant(
        "accepted_is_told_twice",
        "one of them is for another command",
        ACCEPTED,
        "self.effects.outputs.push(Output::Accepted(position)); self.effects.outputs.push(Output::Accepted(position));",
    ),
    mutant(
        "accepted_is_told_early",
        "before the entry is durable",
        ACCEPTED,
        "self.effects.early.push(Output::Accepted(position));",
    ),
    mutant(
        "accepted_names_another_place",
        "the entry after the command's",
        ACCEPTED,
        "self.effects.outputs.push(Output::Accepted(Position { index: position.index.next(), ..position }));",
    ),
    mutant("the_own_copy_is_not_acknowledged", "a leader's own entries never count", OWN_REPLY, "{}"),
    mutant(
        "the_own_copy_is_acknowledged_twice",
        "a leader tells itself twice",
        OWN_REPLY,
        "self.send(self.node.id, Message::AppendReply { matched: last.index, round }); self.send(self.node.id, Message::AppendReply { matched: last.index, round });",
    )
    .equivalent("of what a server acknowledges to itself before a flush the last is left"),
    mutant(
        "the_own_acknowledgement_is_one_short",
        "a leader tells itself that it holds what it held before",
        OWN_REPLY,
        "self.send(self.node.id, Message::AppendReply { matched: previous.index, round });",
    ),
    mutant(
        "new_entries_wait_for_a_heartbeat",
        "what is appended is not sent at once",
        REPLICATE_NEW,
        "let _ = previous;",
    ),
    mutant(
        "new_entries_are_sent_to_all_but_one",
        "the first of the others waits for a heartbeat",
        REPLICATE_NEW,
        "for peer in self.node.peers().skip(1) { self.replicate_new(peer, Range { previous, last }); }",
    ),
    mutant(
        "new_entries_are_sent_twice",
        "each leaves twice",
        REPLICATE_NEW,
        "for peer in self.node.peers() { self.replicate_new(peer, Range { previous, last }); self.replicate(peer); }",
    ),
    mutant(
        "new_entries_are_sent_empty",
        "only their place is sent",
        REPLICATE_NEW,
        "for peer in self.node.peers() { self.replicate_new(peer, Range { previous: last, last }); let _ = previous; }",
    ),
    mutant(
        "candidates_do_not_ask_again",
        "a lost request is lost",
        HEARTBEAT,
        "let Role::Leader { .. } = self.node.role else { return }; self.begin_round(); for peer in self.node.peers() { self.replicate(peer); }",
    ),
    mutant(
        "candidates_ask_for_pre_votes_again",
        "at a heartbeat timeout the campaign begins anew",
        HEARTBEAT,
        "let Role::Leader { .. } = self.node.role else { return self.on_election_timeout() }; self.begin_round(); for peer in self.node.peers() { self.replicate(peer); }",
    ),
    mutant(
        "the_last_server_gets_no_heartbeat",
        "one follower times out, time and again",
        HEARTBEAT,
        "let Role::Leader { .. } = self.node.role else { return self.ask_for_votes() }; self.begin_round(); \
         let count = self.node.peers().count(); for peer in self.node.peers().take(count - 1) { self.replicate(peer); }",
    ),
    mutant(
        "no_heartbeats_during_a_transfer",
        "a leader that transfers its leadership is silent",
        HEARTBEAT,
        "let Role::Leader { .. } = self.node.role else { return self.ask_for_votes() }; self.begin_round(); \
         if let Role::Leader { transfer: Some(_), .. } = self.node.role { return; } for peer in self.node.peers() { self.replicate(peer); }",
    ),
    mutant(
        "heartbeats_carry_nothing",
        "what was not sent stays unsent",
        HEARTBEAT,
        "let Role::Leader { .. } = self.node.role else { return self.ask_for_votes() }; self.begin_round(); \
         let last = self.node.log().last(); for peer in self.node.peers() { self.send_entries(peer, Range { previous: last, last }); }",
    ),
    mutant(
        "heartbeats_count_as_answers",
        "a server that was sent a heartbeat counts as heard",
        HEARTBEAT,
        "let Role::Leader { heard, .. } = &mut self.node.role else { return self.ask_for_votes() }; *heard = self.node.members.ids().collect(); self.begin_round(); \
         for peer in self.node.peers() { self.replicate(peer); }",
    ),
    mutant(
        "new_entries_overtake",
        "they are sent while earlier ones are being sent again",
        "progress.next == entry.last.index",
        "let _ = &progress; true",
    ),
    mutant(
        "new_entries_are_sent_again",
        "that they were sent is not noted",
        SENDS_NEW,
        "let _ = progress; self.send_entries(follower, entry);",
    ),
    mutant(
        "new_entries_are_noted_and_not_sent",
        "they are sent when the next one is refused",
        SENDS_NEW,
        "let _ = follower; progress.next = entry.last.index.next();",
    ),
    mutant(
        "sent_entries_are_sent_again",
        "that they were sent is not noted",
        SENDS,
        "let _ = &progress; let last = log.last(); self.send_entries(follower, Range { previous, last });",
    ),
    mutant(
        "one_entry_at_a_time_is_noted",
        "all are sent, and one is noted as sent",
        SENDS,
        "let last = log.last(); progress.next = progress.next.next().min(last.index.next()); self.send_entries(follower, Range { previous, last });",
    ),
    mutant(
        "more_is_noted_than_is_sent",
        "an entry that is not there yet counts as sent",
        SENDS,
        "let last = log.last(); progress.next = last.index.next().next(); self.send_entries(follower, Range { previous, last });",
    ),
    mutant(
        "the_last_entry_is_left_out",
        "all but the last entry are sent",
        SENDS,
        "let last = log.last(); progress.next = last.index.next(); \
         let last = log.position_at(last.index.previous().max(previous.index)).unwrap_or(last); self.send_entries(follower, Range { previous, last });",
    ),
    mutant(
        "what_was_sent_is_left_out",
        "one entry of those to be sent is skipped",
        "R::previous(log, progress.next)",
        "R::previous(log, progress.next.min(log.last().index).next())",
    ),
    mutant(
        "requests_leave_twice",
        "each AppendEntries leaves twice",
        SEND_ENTRIES,
        "self.send(follower, Message::AppendRequest { entries, commit, round }); self.send(follower, Message::AppendRequest { entries, commit, round });",
    ),
    mutant(
        "requests_do_not_say_what_is_committed",
        "followers never commit",
        SEND_ENTRIES,
        "{ let _ = commit; self.send(follower, Message::AppendRequest { entries, commit: Index::ZERO, round }); }",
    ),
    mutant(
        "requests_say_that_all_is_committed",
        "what is sent counts as committed",
        SEND_ENTRIES,
        "{ let _ = commit; self.send(follower, Message::AppendRequest { entries, commit: entries.last.index, round }); }",
    ),
    mutant(
        "heartbeats_do_not_say_what_is_committed",
        "followers commit with the next command",
        SEND_ENTRIES,
        "self.send(follower, Message::AppendRequest { entries, commit: if entries.previous == entries.last { Index::ZERO } else { commit }, round });",
    ),
    // In.
    mutant("leaders_heed_leaders", "a leader that is sent entries of its own term follows", LEADS_ALREADY, "{}"),
    mutant(
        "refusing_followers_do_not_become_sticky",
        "only entries that match are word of a leader",
        FOLLOWS,
        "let sticky = R::matches(self.node.log(), slice.previous()) || self.node.is_sticky(); \
         self.node.role = Role::Follower { leader: Some(leader), sticky }; self.restart(Timers::Follower);",
    ),
    mutant(
        "refusing_followers_stop_being_sticky",
        "a server that lacks entries helps to replace its leader",
        FOLLOWS,
        "let sticky = R::matches(self.node.log(), slice.previous()); \
         self.node.role = Role::Follower { leader: Some(leader), sticky }; self.restart(Timers::Follower);",
    ),
    mutant(
        "refusing_servers_do_not_follow",
        "a candidate whose log lacks entries campaigns on",
        FOLLOWS,
        "if R::matches(self.node.log(), slice.previous()) { self.node.role = Role::Follower { leader: Some(leader), sticky: true }; self.restart(Timers::Follower); }",
    ),
    mutant(
        "heartbeats_do_not_make_sticky",
        "only entries do",
        FOLLOWS,
        "let sticky = !slice.entries().is_empty() || self.node.is_sticky(); \
         self.node.role = Role::Follower { leader: Some(leader), sticky }; self.restart(Timers::Follower);",
    ),
    mutant(
        "followers_are_not_sticky",
        "a server that hears a leader helps to replace it",
        HEARD_LEADER,
        "self.node.role = Role::Follower { leader: Some(leader), sticky: false }; self.restart(Timers::Follower);",
    ),
    mutant(
        "followers_do_not_know_their_leader",
        "a server that hears a leader does not say whom",
        HEARD_LEADER,
        "let _ = leader; self.node.role = Role::Follower { leader: None, sticky: true }; self.restart(Timers::Follower);",
    ),
    mutant(
        "followers_stay_what_they_were",
        "word of a leader changes no role",
        HEARD_LEADER,
        "self.restart(Timers::Follower);",
    ),
    mutant(
        "pre_candidates_do_not_follow",
        "a server that asks for pre-votes takes entries and asks on",
        HEARD_LEADER,
        "if !matches!(self.node.role, Role::PreCandidate { .. }) { self.node.role = Role::Follower { leader: Some(leader), sticky: true }; } \
         self.restart(Timers::Follower);",
    ),
    mutant(
        "followers_keep_their_timers",
        "a server that hears a leader times out all the same",
        HEARD_LEADER,
        "self.node.role = Role::Follower { leader: Some(leader), sticky: true };",
    ),
    mutant(
        "heartbeats_restart_no_timers",
        "a server that hears a leader without entries times out all the same",
        FOLLOWS,
        "if slice.entries().is_empty() { self.node.role = Role::Follower { leader: Some(leader), sticky: true }; } else { self.follow(leader); }",
    ),
    mutant("refusals_are_not_sent", "a leader waits for an answer", REFUSE, "return;"),
    mutant(
        "refusals_are_sent_twice",
        "each leaves twice",
        REFUSE,
        "let hint = log.last_within(previous).unwrap_or(log.base()); self.send(leader, Message::AppendRefusal { missing: previous.index, hint, round }); \
         return self.send(leader, Message::AppendRefusal { missing: previous.index, hint, round });",
    ),
    mutant(
        "refusals_name_the_next_entry",
        "what is missing is one further",
        REFUSE,
        "let hint = log.last_within(previous).unwrap_or(log.base()); return self.send(leader, Message::AppendRefusal { missing: previous.index.next(), hint, round });",
    ),
    mutant(
        "refusals_hint_at_their_last_entry",
        "whether it could agree or not",
        REFUSE,
        "let hint = log.last(); return self.send(leader, Message::AppendRefusal { missing: previous.index, hint, round });",
    ),
    mutant(
        "refusals_hint_at_nothing",
        "the leader begins anew",
        REFUSE,
        "let hint = log.base(); return self.send(leader, Message::AppendRefusal { missing: previous.index, hint, round });",
    ),
    mutant(
        "refusals_hint_at_what_is_missing",
        "the leader tries the same again",
        REFUSE,
        "return self.send(leader, Message::AppendRefusal { missing: previous.index, hint: previous, round });",
    ),
    mutant(
        "what_does_not_match_is_acknowledged",
        "a server that lacks the entry before the sent ones says that it has them",
        REFUSE,
        "return self.send(leader, Message::AppendReply { matched: verified, round });",
    ),
    mutant(
        "entries_are_acknowledged_and_not_stored",
        "nothing is appended",
        STORE,
        "self.commit_to(R::applicable(self.node.faulty(), R::follower_commit(leader_commit, verified)));",
    ),
    mutant(
        "followers_do_not_commit",
        "entries are stored and never applied",
        STORE,
        "let _ = leader_commit; self.store(slice);",
    ),
    mutant(
        "followers_commit_only_with_entries",
        "a heartbeat commits nothing",
        STORE,
        "let is_heartbeat = slice.entries().is_empty(); self.store(slice); if !is_heartbeat { self.commit_to(R::applicable(self.node.faulty(), R::follower_commit(leader_commit, verified))); }",
    ),
    mutant(
        "followers_commit_before_they_store",
        "what conflicts is committed, and then removed",
        STORE,
        "self.commit_to(R::applicable(self.node.faulty(), R::follower_commit(leader_commit, verified))); self.store(slice);",
    ),
    mutant("acknowledgements_are_not_sent", "a leader waits for an answer", STORED, "let _ = leader;"),
    mutant(
        "acknowledgements_are_sent_twice",
        "each leaves twice",
        STORED,
        "self.acknowledge(leader, verified, round); self.acknowledge(leader, verified, round);",
    ),
    mutant(
        "acknowledgements_name_what_was_before",
        "the sent entries are not acknowledged",
        STORED,
        "self.send(leader, Message::AppendReply { matched: previous.index, round });",
    ),
    mutant(
        "acknowledgements_name_what_is_committed",
        "what is stored counts when it is committed",
        STORED,
        "self.send(leader, Message::AppendReply { matched: self.node.commit, round });",
    ),
    mutant(
        "acknowledgements_go_to_all",
        "everyone is told what the leader should hear",
        STORED,
        "let _ = leader; for peer in self.node.peers() { self.send(peer, Message::AppendReply { matched: verified, round }); }",
    ),
    mutant(
        "heartbeats_are_not_answered",
        "a leader without commands is heard by nobody",
        STORED,
        "if previous.index != verified { self.send(leader, Message::AppendReply { matched: verified, round }); }",
    ),
    mutant("held_entries_are_appended_again", "what the log holds is not left out", HELD, "{ let _ = log; 0 }"),
    mutant(
        "held_entries_are_left_out_anywhere",
        "not only at the beginning",
        HELD,
        "slice.entries().iter().filter(|entry| R::is_held(log, faulty, entry.position)).count()",
    ),
    mutant(
        "truncation_keeps_one_more",
        "the first conflicting entry stays",
        KEEP,
        "self.persist(Record::Truncate { keep: agreed.next() });",
    ),
    mutant(
        "truncation_keeps_one_less",
        "the last entry that agrees goes as well",
        KEEP,
        "self.persist(Record::Truncate { keep: agreed.previous() });",
    ),
    mutant(
        "truncation_keeps_what_is_committed",
        "everything else goes",
        KEEP,
        "self.persist(Record::Truncate { keep: self.node.commit });",
    ),
    mutant(
        "truncation_is_written_twice",
        "one record more",
        KEEP,
        "self.persist(Record::Truncate { keep: agreed }); self.persist(Record::Truncate { keep: agreed });",
    )
    .equivalent("to apply it twice is to apply it once, and a crash between the two finds what one after both would"),
    mutant(
        "one_entry_at_a_time_is_appended",
        "of several new entries the first is stored",
        APPEND,
        "entries.drain(held..).take(1).for_each(|entry| self.persist(Record::Append(entry)));",
    ),
    mutant(
        "all_sent_entries_are_appended",
        "those that the log holds as well",
        APPEND,
        "{ let _ = held; entries.drain(..).for_each(|entry| self.persist(Record::Append(entry))); }",
    ),
    // Answers.
    mutant(
        "too_much_may_be_acknowledged",
        "a follower may claim to hold more than there is",
        TOO_MUCH,
        "if !self.take_answer(follower, round) { return None; } let _ = last;",
    ),
    mutant(
        "the_last_entry_is_too_much",
        "a server that holds the whole log is ignored",
        TOO_MUCH,
        "if last <= matched || !self.take_answer(follower, round) { return None; }",
    ),
    mutant("everything_is_news", "acknowledgements are counted each time", IS_NEWS, "{ let _ = commit; true }")
        .equivalent("what is counted again comes out the same"),
    mutant(
        "what_is_committed_is_news",
        "acknowledgements of what is committed are counted",
        IS_NEWS,
        "{ let _ = commit; progress.matched < matched }",
    )
    .equivalent("what a majority has reached moves past the commit index only by what lies behind it"),
    mutant("nothing_is_news", "nothing is ever committed", IS_NEWS, "{ let _ = commit; false }"),
    mutant(
        "one_entry_is_no_news",
        "an acknowledgement of the next entry alone is not counted",
        IS_NEWS,
        "progress.matched.max(commit).next() < matched",
    ),
    mutant(
        "a_late_acknowledgement_takes_back",
        "what a follower is known to hold shrinks",
        MATCHED,
        "progress.matched = matched;",
    ),
    mutant("acknowledgements_are_forgotten", "nobody is known to hold anything", MATCHED, "{}"),
    mutant(
        "acknowledgements_count_one_more",
        "a follower counts as holding the next entry",
        MATCHED,
        "progress.matched = progress.matched.max(matched.next().min(last));",
    ),
    mutant(
        "a_late_acknowledgement_sends_again",
        "what was sent is sent again",
        NEXT,
        "progress.next = matched.next();",
    ),
    mutant("acknowledgements_do_not_move_next", "what a follower holds is sent to it", NEXT, "{}"),
    mutant("one_entry_short_is_not_behind", "the last entry waits for a heartbeat", BEHIND, "progress.next < last"),
    mutant("everyone_is_behind", "each answer is answered by a heartbeat", BEHIND, "progress.next <= last.next()"),
    mutant(
        "followers_that_are_behind_wait",
        "until the next heartbeat",
        RESUME,
        "let _ = behind; self.transfer_if_ready();",
    ),
    mutant(
        "a_leader_sends_to_itself",
        "when its own acknowledgement is behind",
        RESUME,
        "if behind { self.replicate(follower); } self.transfer_if_ready();",
    ),
    mutant(
        "a_target_that_catches_up_is_not_told",
        "a transfer succeeds only if the target held everything when it began",
        RESUME,
        "if behind && follower != self.node.id { self.replicate(follower); }",
    ),
    mutant(
        "a_target_is_told_only_when_it_is_behind",
        "of what is sent at last the answer does not count",
        RESUME,
        "if behind && follower != self.node.id { self.replicate(follower); self.transfer_if_ready(); }",
    ),
    mutant(
        "a_target_is_told_once_for_each_answer_of_all",
        "a target that is told again is told twice",
        RESUME,
        "if behind && follower != self.node.id { self.replicate(follower); } self.transfer_if_ready(); self.transfer_if_ready();",
    ),
    // Commitment.
    mutant(
        "the_own_copy_does_not_count",
        "a majority besides the leader is needed",
        MATCHED_OF,
        "progress.get(id).filter(|_| id != self.node.id).map_or(Index::ZERO, |progress| progress.matched)",
    ),
    mutant(
        "what_was_sent_counts",
        "whether it was acknowledged or not",
        MATCHED_OF,
        "progress.get(id).map_or(Index::ZERO, |progress| progress.next).previous()",
    ),
    mutant(
        "a_leader_that_transfers_begins_to_serve",
        "its first commit is told as a beginning",
        STAYS,
        "{ let _ = transfer; true }",
    ),
    mutant("nobody_begins_to_serve", "no beginning is told", STAYS, "{ let _ = transfer; false }"),
    mutant(
        "what_is_committed_is_committed_again",
        "the commit index may stay",
        MAY_ADVANCE,
        "self.node.commit <= replicated && R::may_commit(self.node.log(), replicated, self.node.term())",
    )
    .equivalent("`commit_to` does nothing then, and an entry of the term is committed already"),
    mutant(
        "only_the_last_entry_commits",
        "while commands come in, nothing is committed",
        MAY_ADVANCE,
        "self.node.commit < replicated && replicated == self.node.log().last().index && R::may_commit(self.node.log(), replicated, self.node.term())",
    ),
    mutant(
        "no_commits_during_a_transfer",
        "a leader that transfers its leadership counts no acknowledgements",
        MAY_ADVANCE,
        "stays && self.node.commit < replicated && R::may_commit(self.node.log(), replicated, self.node.term())",
    ),
    mutant(
        "every_commit_begins_a_leadership",
        "a beginning is told again and again",
        ADVANCE,
        "self.commit_to(replicated); if stays { self.effects.early.push(Output::Leading(self.node.term())); }",
    ),
    mutant(
        "the_first_commit_begins_nothing",
        "whether something was committed is asked when it is",
        ADVANCE,
        "self.commit_to(replicated); let starts = stays && !self.has_committed_in_term(); \
         if starts { self.effects.early.push(Output::Leading(self.node.term())); }",
    ),
    mutant(
        "the_beginning_is_told_twice",
        "a leadership begins twice",
        ADVANCE,
        "let starts = stays && !self.has_committed_in_term(); self.commit_to(replicated); \
         if starts { self.effects.early.push(Output::Leading(self.node.term())); self.effects.early.push(Output::Leading(self.node.term())); }",
    ),
    mutant(
        "the_beginning_waits_for_the_flush",
        "while the disk is slow, nobody is served",
        ADVANCE,
        "let starts = stays && !self.has_committed_in_term(); self.commit_to(replicated); \
         if starts { self.effects.outputs.push(Output::Leading(self.node.term())); }",
    ),
    // Refusals.
    mutant(
        "the_hint_is_ignored",
        "the next attempt begins one entry earlier",
        RETRY,
        "{ let _ = (hint, log); Some(missing.previous()) }",
    ),
    mutant(
        "the_hint_is_ignored_altogether",
        "the next attempt begins with the first entry",
        RETRY,
        "{ let _ = (hint, log); Some(Index::ZERO) }",
    ),
    mutant("the_hint_is_believed", "its term is not compared with the own log", RETRY, "{ let _ = log; Some(hint.index) }"),
    mutant(
        "the_hint_is_one_too_high",
        "the next attempt begins one entry too late",
        RETRY,
        "log.last_within(hint).map(|position| position.index.next())",
    ),
    mutant(
        "the_hint_is_one_too_low",
        "the next attempt begins one entry too early",
        RETRY,
        "log.last_within(hint).map(|position| position.index.previous())",
    ),
    mutant(
        "what_is_held_may_be_refused",
        "a late refusal sends again what is held",
        IS_LATE,
        "progress.next <= missing",
    ),
    mutant(
        "what_is_sent_again_may_be_refused",
        "each late refusal sends everything again",
        IS_LATE,
        "missing <= progress.matched",
    ),
    mutant("no_refusal_is_late", "each refusal is heeded", IS_LATE, "{ let _ = missing; false }"),
    mutant(
        "the_entry_behind_the_held_ones_may_not_be_refused",
        "a follower that lacks it is never sent it",
        IS_LATE,
        "missing <= progress.matched.next() || progress.next <= missing",
    ),
    mutant(
        "the_last_refusal_counts_as_late",
        "a follower that lacks the last entry is not sent more",
        IS_LATE,
        "missing <= progress.matched || progress.next <= missing.next()",
    ),
    mutant(
        "what_is_held_is_sent_again",
        "the next attempt may begin before what is held",
        NEXT_ATTEMPT,
        "{ let _ = known; retry.map_or(base, |agreed| agreed.next()) }",
    ),
    mutant(
        "the_next_attempt_leaves_one_out",
        "it begins one entry too late",
        NEXT_ATTEMPT,
        "retry.map_or(known.max(base), |agreed| agreed.next().max(known)).next()",
    ),
    mutant(
        "a_refusal_is_not_answered",
        "until the next heartbeat",
        SEND_AGAIN,
        "let _ = follower; progress.next = next;",
    ),
    mutant(
        "a_refusal_is_answered_with_the_same",
        "what was refused is sent again",
        SEND_AGAIN,
        "{ let _ = next; progress.next = missing.next(); self.replicate(follower); }",
    ),
    mutant(
        "a_refusal_pauses_nothing",
        "new entries are sent before the refusal is dealt with",
        SEND_AGAIN,
        "progress.next = next; self.replicate(follower);",
    ),
    // What a disk has lost.
    mutant("nothing_is_repaired", "what a leader sends again is held already", REPAIRS, "{ let _ = (entries, faulty); }"),
    mutant("repairs_are_not_written", "they are in memory alone", IS_FIRST_FAULTY, "{ let _ = &entry; false }"),
    mutant(
        "repairs_are_written_in_any_order",
        "an entry is repaired before those that come before it",
        IS_FIRST_FAULTY,
        "self.node.faulty().contains(entry.position.index)",
    )
    .equivalent("what is left is counted from the first: a later one that is repaired is asked for again"),
    mutant(
        "repairs_are_not_asked_for",
        "what can be read is acknowledged, and no more is said",
        IS_LEGIBLE,
        "{ let _ = agreed; true }",
    ),
    mutant("repairs_are_not_sent", "a leader counts what is acknowledged, and no more", ONCE_A_ROUND, "{ let _ = answered; false }"),
    mutant("repairs_are_sent_each_time", "whatever is under way already", ONCE_A_ROUND, "{ let _ = answered; true }"),
    mutant(
        "repairs_begin_one_late",
        "the first entry that is asked for is left out",
        REPAIR,
        "self.send_again(follower, matched.next().next());",
    ),
];
