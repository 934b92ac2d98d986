//! Mutants of `step`: the gate, terms, records, timers, and what every part shares.

use crate::source_mutants::catalogue::mutant::Mutant;

const fn mutant(name: &'static str, about: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    Mutant::new("step.rs", name, about, find, replace)
}

const GATE: &str = "if !self.is_addressed_to_us(&envelope) || self.is_disturbance(&envelope) { return; }";
const NEWER: &str = "if R::is_newer(term, self.node.term()) { self.adopt(term); }";
const STALE: &str = "if R::is_stale(term, self.node.term()) { return self.answer_stale(from, &message); }";
const TRANSFER_OF: &str = "match envelope.message { Message::PreVoteRequest { .. } => false, Message::VoteRequest { transfer, .. } => transfer, _ => return false, }";
const ADOPT: &str = "let sticky = self.node.is_sticky(); match self.node.role { Role::Follower { .. } => { \
    self.persist(Record::Term(term)); self.node.role = Role::Follower { leader: None, sticky }; } \
    _ if R::must_yield_to_newer_term() => { // The end of a leadership names the term that ends. self.become_follower(); \
    self.persist(Record::Term(term)); } _ => self.persist(Record::Term(term)), }";
const NEWER_TERM: &str = "self.node.role = Role::Follower { leader: None, sticky };";
const DEPOSED: &str =
    "// The end of a leadership names the term that ends. self.become_follower(); self.persist(Record::Term(term));";
const ANSWER_STALE: &str = "match message { Message::PreVoteRequest { .. } | Message::VoteRequest { .. } | Message::AppendRequest { .. } \
    | Message::InstallSnapshot { .. } => { \
    self.send(from, Message::Stale); } _ => {} }";
const BECOME_FOLLOWER: &str = "self.yield_leadership(); self.node.role = Role::Follower { leader: None, sticky: false }; \
    self.restart(Timers::Follower);";
const APPLY: &str = "self.node.durable.apply(&record);";
const WRITE: &str = "self.effects.records.push(record);";
const RESTART: &str = "self.effects.early.push(Output::Restart(timers));";
const COMMIT_TO: &str =
    "if self.node.commit < index { self.node.commit = index; self.effects.outputs.push(Output::Committed(index)); }";
const COMMITTED_IN_TERM: &str = "R::may_commit(self.node.log(), self.node.commit, self.node.term())";
const YIELD: &str = "let Role::Leader { transfer: None, .. } = self.node.role else { return }; \
    if self.has_committed_in_term() { self.effects.early.push(Output::Yielded(self.node.term())); }";

#[rustfmt::skip]
pub(super) const MUTANTS: &[Mutant] = &[
    mutant("candidates_heed_the_minimum_timeout", "a campaign ends with it", "step.on_minimum_timeout()",
        "if let Role::PreCandidate { .. } | Role::Candidate { .. } = step.node.role { step.become_follower() } else { step.on_minimum_timeout() }"),
    mutant("strangers_are_heard", "a server that does not belong to the group is heeded", "self.node.members.contains(envelope.from)", "true"),
    mutant(
        "entries_of_later_terms_are_taken",
        "a leader may send entries of a term after its own",
        "entries.last().term <= envelope.term",
        "{ let _ = entries; true }",
    ),
    mutant(
        "entries_of_the_leaders_term_are_refused",
        "a leader may send only entries of terms before its own",
        "entries.last().term <= envelope.term",
        "entries.last().term < envelope.term",
    ),
    mutant("stickiness_is_asked_after_the_term", "a disturber's term is adopted before it is turned away", GATE,
        "if !self.is_addressed_to_us(&envelope) { return; } \
         if R::is_newer(envelope.term, self.node.term()) { self.adopt(envelope.term); } \
         if self.is_disturbance(&envelope) { return; }"),
    mutant("disturbers_are_answered", "a server that sticks to its leader refuses its vote instead of saying nothing", GATE,
        "if !self.is_addressed_to_us(&envelope) { return; } \
         if self.is_disturbance(&envelope) { return self.send(envelope.from, Message::VoteReply { granted: false }); }"),
    mutant("disturbers_are_told_of_the_term", "a server that sticks to its leader tells a disturber its own term", GATE,
        "if !self.is_addressed_to_us(&envelope) { return; } \
         if self.is_disturbance(&envelope) { return self.send(envelope.from, Message::Stale); }"),
    mutant("pre_votes_disturb_nobody", "a server that sticks to its leader says how it would vote", TRANSFER_OF,
        "match envelope.message { Message::VoteRequest { transfer, .. } => transfer, _ => return false }"),
    mutant("votes_disturb_nobody", "a server that sticks to its leader votes, if it is not asked for a pre-vote", TRANSFER_OF,
        "match envelope.message { Message::PreVoteRequest { .. } => false, _ => return false }"),
    mutant("pre_votes_look_like_transfers", "the two kinds of requests are mixed up", TRANSFER_OF,
        "match envelope.message { Message::PreVoteRequest { .. } => true, Message::VoteRequest { .. } => false, _ => return false }"),
    mutant("refused_requests_teach_no_term", "a newer term in `Stale` is not adopted", NEWER,
        "if R::is_newer(term, self.node.term()) && !matches!(message, Message::Stale) { self.adopt(term); }"),
    mutant("pre_vote_requests_teach_no_term", "a newer term in a request for a pre-vote is not adopted", NEWER,
        "if R::is_newer(term, self.node.term()) && !matches!(message, Message::PreVoteRequest { .. }) { self.adopt(term); }"),
    mutant("heartbeats_teach_no_term", "a newer term of a leader without entries is not adopted", NEWER,
        "if R::is_newer(term, self.node.term()) \
         && !matches!(&message, Message::AppendRequest { entries, .. } if entries.entries().is_empty()) { self.adopt(term); }"),
    mutant("stale_of_the_own_term_steps_down", "`Stale` ends a leadership even if it names no newer term", STALE,
        "if R::is_stale(term, self.node.term()) { return self.answer_stale(from, &message); } if let Message::Stale = message { if let Role::Leader { .. } = self.node.role { self.become_follower(); } }"),
    mutant("stale_of_the_own_term_ends_a_campaign", "a candidate gives up by `Stale` of its own term", STALE,
        "if R::is_stale(term, self.node.term()) { return self.answer_stale(from, &message); } if let Message::Stale = message { if let Role::Candidate { .. } = self.node.role { self.become_follower(); } }"),
    mutant("stale_ends_stickiness", "a follower forgets its leader by `Stale` of its own term", STALE,
        "if R::is_stale(term, self.node.term()) { return self.answer_stale(from, &message); } if let Message::Stale = message { if let Role::Follower { leader, .. } = self.node.role { self.node.role = Role::Follower { leader, sticky: false }; } }"),
    mutant("a_refusal_is_not_heard", "a follower that refuses entries does not count as one that answers",
        "self.on_append_refusal(from, missing, hint, round)",
        "{ let before = self.node.role.clone(); self.on_append_refusal(from, missing, hint, round); \
         if let (Role::Leader { heard: kept, .. }, Role::Leader { heard, .. }) = (before, &mut self.node.role) { *heard = kept; } }"),
    mutant("an_acknowledgement_is_not_heard", "only a follower that refuses entries counts as one that answers",
        "self.on_append_reply(from, matched, round)",
        "{ let before = self.node.role.clone(); self.on_append_reply(from, matched, round); \
         if let (Role::Leader { heard: kept, .. }, Role::Leader { heard, .. }) = (before, &mut self.node.role) { *heard = kept; } }"),
    mutant("stickiness_is_lost_by_a_newer_term", "a server that hears a leader and learns a newer term helps to replace it", ADOPT,
        "match self.node.role { Role::Follower { .. } => { self.persist(Record::Term(term)); \
         self.node.role = Role::Follower { leader: None, sticky: false }; } \
         _ if R::must_yield_to_newer_term() => { self.become_follower(); self.persist(Record::Term(term)); } \
         _ => self.persist(Record::Term(term)), }"),
    mutant("a_newer_term_makes_sticky", "a server that hears nobody and learns a newer term sticks to nobody", NEWER_TERM,
        "{ let _ = sticky; self.node.role = Role::Follower { leader: None, sticky: true }; }"),
    mutant("the_leader_is_kept_in_a_newer_term", "the leader of an older term counts as that of the newer one", NEWER_TERM,
        "self.node.role = Role::Follower { leader: self.node.leader(), sticky };"),
    mutant("the_role_is_kept_in_a_newer_term", "leader and stickiness stay as they are", NEWER_TERM, "{ let _ = sticky; }"),
    mutant("a_newer_term_restarts_the_timers", "a follower that learns a newer term puts its own election off", NEWER_TERM,
        "self.node.role = Role::Follower { leader: None, sticky }; self.restart(Timers::Follower);"),
    mutant("the_end_names_the_newer_term", "a deposed leader says that it does not lead in the term that it learned", DEPOSED,
        "self.persist(Record::Term(term)); self.become_follower();"),
    mutant("a_deposed_server_stays_sticky", "a leader that learned a newer term sticks to itself", DEPOSED,
        "self.become_follower(); self.node.role = Role::Follower { leader: None, sticky }; self.persist(Record::Term(term));"),
    mutant("stale_pre_votes_get_no_answer", "a server that asks for a pre-vote in an older term learns nothing", ANSWER_STALE,
        "match message { Message::VoteRequest { .. } | Message::AppendRequest { .. } => self.send(from, Message::Stale), _ => {} }"),
    mutant("stale_votes_get_no_answer", "a server that asks for a vote in an older term learns nothing", ANSWER_STALE,
        "match message { Message::PreVoteRequest { .. } | Message::AppendRequest { .. } => self.send(from, Message::Stale), _ => {} }"),
    mutant("stale_leaders_get_no_answer", "a server that leads in an older term learns nothing", ANSWER_STALE,
        "match message { Message::PreVoteRequest { .. } | Message::VoteRequest { .. } => self.send(from, Message::Stale), _ => {} }"),
    mutant("stale_answers_are_answered", "whatever is of an older term is answered", ANSWER_STALE,
        "{ let _ = message; self.send(from, Message::Stale) }"),
    mutant("stale_is_sent_twice", "a server that asks in an older term is told twice", "self.send(from, Message::Stale);",
        "self.send(from, Message::Stale); self.send(from, Message::Stale);"),
    mutant("the_end_is_not_told", "a leader that stops does not say so", BECOME_FOLLOWER,
        "self.node.role = Role::Follower { leader: None, sticky: false }; self.restart(Timers::Follower);"),
    mutant("the_end_is_told_too_late", "the role has changed when it is to be said that a leadership ends", BECOME_FOLLOWER,
        "self.node.role = Role::Follower { leader: None, sticky: false }; self.yield_leadership(); self.restart(Timers::Follower);"),
    mutant("former_leaders_are_sticky", "for a minimum timeout it helps nobody", BECOME_FOLLOWER,
        "self.yield_leadership(); self.node.role = Role::Follower { leader: None, sticky: true }; self.restart(Timers::Follower);"),
    mutant("former_leaders_follow_themselves", "it names itself as its leader", BECOME_FOLLOWER,
        "self.yield_leadership(); self.node.role = Role::Follower { leader: self.node.leader(), sticky: false }; self.restart(Timers::Follower);"),
    mutant("former_leaders_keep_their_timers", "heartbeats go on, and no election timeout runs", BECOME_FOLLOWER,
        "self.yield_leadership(); self.node.role = Role::Follower { leader: None, sticky: false };"),
    mutant("former_leaders_run_a_candidates_timers", "no minimum timeout runs", BECOME_FOLLOWER,
        "self.yield_leadership(); self.node.role = Role::Follower { leader: None, sticky: false }; self.restart(Timers::Candidate);"),
    mutant("the_term_is_not_written", "a newer term is only in memory", WRITE,
        "if !matches!(record, Record::Term(_)) { self.effects.records.push(record); }"),
    mutant("the_vote_is_not_written", "a vote is only in memory", WRITE,
        "if !matches!(record, Record::Vote(_)) { self.effects.records.push(record); }"),
    mutant("truncation_is_not_written", "conflicting entries stay on the disk", WRITE,
        "if !matches!(record, Record::Truncate { .. }) { self.effects.records.push(record); }"),
    mutant("entries_are_not_written", "entries are only in memory", WRITE,
        "if !matches!(record, Record::Append(_)) { self.effects.records.push(record); }"),
    mutant("records_are_written_in_reverse", "the last change of a step is written first", WRITE, "self.effects.records.insert(0, record);"),
    mutant("the_vote_is_written_twice", "one record more", WRITE,
        "if let Record::Vote(candidate) = &record { self.effects.records.push(Record::Vote(*candidate)); } self.effects.records.push(record);")
        .equivalent("to apply it twice is to apply it once, and a crash between the two finds what one after both would"),
    mutant("the_vote_is_written_before_the_term", "a crash between the two leaves a second vote in an older term", WRITE,
        "if let (Record::Vote(_), Some(Record::Term(_))) = (&record, self.effects.records.last()) { \
         let at = self.effects.records.len() - 1; self.effects.records.insert(at, record); } else { self.effects.records.push(record); }"),
    mutant("the_vote_is_not_remembered", "a vote is only on the disk", APPLY,
        "if !matches!(record, Record::Vote(_)) { self.node.durable.apply(&record); }"),
    mutant("new_entries_have_the_last_term", "an entry gets the term of the entry before it", "Position { term: self.node.term(), index }",
        "Position { term: self.node.log().last().term, index }"),
    mutant("commands_are_lost", "what is appended carries no command", "Entry { position, payload }",
        "{ let _ = payload; Entry { position, payload: Payload::Blank } }"),
    mutant("messages_name_the_last_entrys_term", "the term on the envelope is that of the log",
        "Envelope { from: self.node.id, to, term: self.node.term(), message }",
        "Envelope { from: self.node.id, to, term: self.node.log().last().term, message }"),
    mutant("timers_wait_for_the_flush", "while the disk is slow, the old timers run", RESTART, "self.effects.outputs.push(Output::Restart(timers));"),
    mutant("timers_restart_twice", "each restart is asked for twice", RESTART,
        "self.effects.early.push(Output::Restart(timers)); self.effects.early.push(Output::Restart(timers));")
        .equivalent("timers that are restarted twice at one moment run as if they were restarted once"),
    mutant("followers_run_a_candidates_timers", "a follower has no minimum timeout, so it sticks to its leader for ever", RESTART,
        "self.effects.early.push(Output::Restart(if timers == Timers::Follower { Timers::Candidate } else { timers }));"),
    mutant("committed_is_told_again", "a commit index that stays is told again", COMMIT_TO,
        "if self.node.commit <= index { self.node.commit = index; self.effects.outputs.push(Output::Committed(index)); }"),
    mutant("committed_is_not_told", "nothing is ever applied", COMMIT_TO, "if self.node.commit < index { self.node.commit = index; }"),
    mutant("committed_is_told_and_forgotten", "the commit index stays", COMMIT_TO,
        "if self.node.commit < index { self.effects.outputs.push(Output::Committed(index)); }"),
    mutant("committed_is_told_early", "entries are applied that are not on the own disk", COMMIT_TO,
        "if self.node.commit < index { self.node.commit = index; self.effects.early.push(Output::Committed(index)); }"),
    mutant("commits_one_by_one", "of several entries the first is committed", COMMIT_TO,
        "if self.node.commit < index { let index = self.node.commit.next(); self.node.commit = index; self.effects.outputs.push(Output::Committed(index)); }"),
    mutant("old_commits_begin_a_leadership", "an entry of an earlier term is enough to serve clients", COMMITTED_IN_TERM,
        "self.node.commit != Index::ZERO"),
    mutant("no_commit_begins_a_leadership", "it is never known that an entry of the term is committed", COMMITTED_IN_TERM, "false"),
    mutant("the_end_is_told_twice", "by a transfer, and again when the leader steps down", YIELD,
        "let Role::Leader { .. } = self.node.role else { return }; \
         if self.has_committed_in_term() { self.effects.early.push(Output::Yielded(self.node.term())); }"),
    mutant("an_end_without_a_beginning", "a leader that never served says that it no longer does", YIELD,
        "let Role::Leader { transfer: None, .. } = self.node.role else { return }; self.effects.early.push(Output::Yielded(self.node.term()));"),
    mutant("the_end_waits_for_the_flush", "while the disk is slow, the service acts as leader", YIELD,
        "let Role::Leader { transfer: None, .. } = self.node.role else { return }; \
         if self.has_committed_in_term() { self.effects.outputs.push(Output::Yielded(self.node.term())); }"),
];
