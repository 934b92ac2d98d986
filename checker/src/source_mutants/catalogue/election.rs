//! Mutants of `election`: campaigns, votes, timeouts, transfers.

use crate::source_mutants::catalogue::mutant::Mutant;

const fn mutant(name: &'static str, about: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    Mutant::new("election.rs", name, about, find, replace)
}

const ASK_FIRST: &str = "if R::must_ask_first() { self.pre_campaign() } else { self.campaign(false) }";
const PRE_CAMPAIGN: &str = "self.node.role = Role::PreCandidate { votes: ServerSet::default() }; self.restart(Timers::Candidate); \
    self.ask_for_votes(); self.send(self.node.id, Message::PreVoteReply { granted: true });";
const CAMPAIGN: &str = "self.persist(Record::Term(self.node.term().next())); self.persist(Record::Vote(self.node.id)); \
    self.node.role = Role::Candidate { votes: ServerSet::default(), transfer }; self.restart(Timers::Candidate); \
    self.ask_for_votes(); self.send(self.node.id, Message::VoteReply { granted: true });";
const CANDIDACY: &str = "Role::Candidate { votes: ServerSet::default(), transfer }";
const REQUEST: &str = "Message::VoteRequest { last, transfer }";
const OPEN: &str = "!votes.contains(peer)";
const PRE_VOTE: &str = "let granted = R::is_up_to_date(last, self.last_for_votes()); self.send(candidate, Message::PreVoteReply { granted });";
const PRE_VOTE_REPLY: &str = "let Role::PreCandidate { votes } = &mut self.node.role else { return }; if granted { votes.insert(voter, ()); } \
    if R::is_majority(&self.node.members, votes) { self.campaign(false); }";
const GRANTED: &str = "R::may_vote(self.node.vote(), candidate) && R::is_up_to_date(last, self.last_for_votes())";
const VOTE: &str = "if granted { self.vote_for(candidate); } self.send(candidate, Message::VoteReply { granted });";
const WRITE_VOTE: &str = "if self.node.vote() != Some(candidate) { self.persist(Record::Vote(candidate)); }";
const SUPPORTS: &str = "if let Role::PreCandidate { .. } = self.node.role { self.node.role = Role::Follower { leader: None, sticky: false }; } \
    self.restart(Timers::Follower);";
const VOTE_REPLY: &str = "let Role::Candidate { votes, .. } = &mut self.node.role else { return }; if granted { votes.insert(voter, ()); } \
    if R::has_own_vote(votes, self.node.id) && R::is_majority(&self.node.members, votes) { self.become_leader(); }";
const BECOME_LEADER: &str = "self.node.role = Role::Leader { progress, heard, transfer: None, round: Round::ZERO, confirmed: Round::ZERO }; self.restart(Timers::Leader); self.begin_round(); \
    self.append_and_replicate(Payload::Blank);";
const NEW_LEADER: &str = "let heard = ServerSet::from_iter([self.node.id]); self.node.role = Role::Leader { progress, heard, transfer: None, round: Round::ZERO, confirmed: Round::ZERO }; self.restart(Timers::Leader); self.begin_round(); \
    self.append_and_replicate(Payload::Blank);";
const FORGET_LEADER: &str = "*leader = None; *sticky = false;";
const LEADER_TIMEOUT: &str = "if transfer.is_some() || R::must_step_down(&self.node.members, heard) { self.become_follower(); } \
    else { *heard = ServerSet::from_iter([self.node.id]); }";
const TRANSFER: &str = "if target == self.node.id || !self.node.members.contains(target) { return; } self.yield_leadership(); \
    let Role::Leader { transfer, .. } = &mut self.node.role else { return }; *transfer = Some(target); self.restart(Timers::Leader); \
    self.replicate(target); self.transfer_if_ready();";
const TARGET: &str = "target == self.node.id || !self.node.members.contains(target)";
const TIMEOUT_NOW: &str = "self.send(target, Message::TimeoutNow);";
const TOLD: &str =
    "if let Role::Follower { .. } = self.node.role && self.node.leader() == Some(leader) { self.campaign(true); }";
const STEP_DOWN: &str = "if let Role::Leader { .. } = self.node.role { self.become_follower(); }";

#[rustfmt::skip]
pub(super) const MUTANTS: &[Mutant] = &[
    // Campaigns.
    mutant("candidates_do_not_ask_first", "a server that has lost an election raises its term at once", ASK_FIRST,
        "if let Role::Candidate { .. } = self.node.role { self.campaign(false) } else { self.pre_campaign() }"),
    mutant("pre_candidates_do_not_time_out", "a server that asks for pre-votes in vain asks no more", ASK_FIRST,
        "if let Role::PreCandidate { .. } = self.node.role {} else { self.pre_campaign() }"),
    mutant("candidates_do_not_time_out", "a split vote is for ever", ASK_FIRST,
        "if let Role::Candidate { .. } = self.node.role {} else { self.pre_campaign() }"),
    mutant("voters_do_not_time_out", "a follower waits for its candidate for ever", ASK_FIRST,
        "if let (Role::Follower { .. }, Some(_)) = (&self.node.role, self.node.vote()) {} else { self.pre_campaign() }"),
    mutant("non_members_campaign", "a server that does not belong to the group campaigns", "if !self.node.members.contains(self.node.id) { return; }", "{}")
        .equivalent("every server of a group belongs to it"),
    mutant("pre_votes_are_kept", "pre-votes and votes of an earlier round count as pre-votes of this one", PRE_CAMPAIGN,
        "let votes = match self.node.role { Role::PreCandidate { votes } | Role::Candidate { votes, .. } => votes, _ => ServerSet::default() }; \
         self.node.role = Role::PreCandidate { votes }; self.restart(Timers::Candidate); \
         self.ask_for_votes(); self.send(self.node.id, Message::PreVoteReply { granted: true });"),
    mutant("everyone_is_asked_but_not_itself", "the own pre-vote is missing", PRE_CAMPAIGN,
        "self.node.role = Role::PreCandidate { votes: ServerSet::default() }; self.restart(Timers::Candidate); self.ask_for_votes();"),
    mutant("nobody_is_asked_for_pre_votes", "until the first heartbeat timeout", PRE_CAMPAIGN,
        "self.node.role = Role::PreCandidate { votes: ServerSet::default() }; self.restart(Timers::Candidate); \
         self.send(self.node.id, Message::PreVoteReply { granted: true });"),
    mutant("pre_candidates_ask_twice", "each request for a pre-vote leaves twice", PRE_CAMPAIGN,
        "self.node.role = Role::PreCandidate { votes: ServerSet::default() }; self.restart(Timers::Candidate); \
         self.ask_for_votes(); self.ask_for_votes(); self.send(self.node.id, Message::PreVoteReply { granted: true });"),
    mutant("pre_candidates_keep_their_timers", "no election timeout runs after the first", PRE_CAMPAIGN,
        "self.node.role = Role::PreCandidate { votes: ServerSet::default() }; \
         self.ask_for_votes(); self.send(self.node.id, Message::PreVoteReply { granted: true });"),
    mutant("pre_candidates_run_a_followers_timers", "nobody is asked again", PRE_CAMPAIGN,
        "self.node.role = Role::PreCandidate { votes: ServerSet::default() }; self.restart(Timers::Follower); \
         self.ask_for_votes(); self.send(self.node.id, Message::PreVoteReply { granted: true });"),
    mutant("pre_candidates_stay_followers", "nobody's pre-vote is counted", PRE_CAMPAIGN,
        "self.restart(Timers::Candidate); self.send(self.node.id, Message::PreVoteReply { granted: true });"),
    mutant("the_term_is_not_raised", "a candidate campaigns in its old term", CAMPAIGN,
        "self.persist(Record::Vote(self.node.id)); \
         self.node.role = Role::Candidate { votes: ServerSet::default(), transfer }; self.restart(Timers::Candidate); \
         self.ask_for_votes(); self.send(self.node.id, Message::VoteReply { granted: true });"),
    mutant("the_term_is_raised_by_two", "a term is left out", CAMPAIGN,
        "self.persist(Record::Term(self.node.term().next().next())); self.persist(Record::Vote(self.node.id)); \
         self.node.role = Role::Candidate { votes: ServerSet::default(), transfer }; self.restart(Timers::Candidate); \
         self.ask_for_votes(); self.send(self.node.id, Message::VoteReply { granted: true });"),
    mutant("candidates_vote_before_the_term", "the own vote is that of the old term, and gone", CAMPAIGN,
        "self.persist(Record::Vote(self.node.id)); self.persist(Record::Term(self.node.term().next())); \
         self.node.role = Role::Candidate { votes: ServerSet::default(), transfer }; self.restart(Timers::Candidate); \
         self.ask_for_votes(); self.send(self.node.id, Message::VoteReply { granted: true });"),
    mutant("candidates_write_no_vote", "the own vote is counted and not given", CAMPAIGN,
        "self.persist(Record::Term(self.node.term().next())); \
         self.node.role = Role::Candidate { votes: ServerSet::default(), transfer }; self.restart(Timers::Candidate); \
         self.ask_for_votes(); self.send(self.node.id, Message::VoteReply { granted: true });"),
    mutant("candidates_do_not_vote_for_themselves", "the own vote is given and not counted", CAMPAIGN,
        "self.persist(Record::Term(self.node.term().next())); self.persist(Record::Vote(self.node.id)); \
         self.node.role = Role::Candidate { votes: ServerSet::default(), transfer }; self.restart(Timers::Candidate); self.ask_for_votes();"),
    mutant("nobody_is_asked_for_votes", "until the first heartbeat timeout", CAMPAIGN,
        "self.persist(Record::Term(self.node.term().next())); self.persist(Record::Vote(self.node.id)); \
         self.node.role = Role::Candidate { votes: ServerSet::default(), transfer }; self.restart(Timers::Candidate); \
         self.send(self.node.id, Message::VoteReply { granted: true });"),
    mutant("candidates_keep_their_timers", "the pre-candidate's election timeout runs on", CAMPAIGN,
        "self.persist(Record::Term(self.node.term().next())); self.persist(Record::Vote(self.node.id)); \
         self.node.role = Role::Candidate { votes: ServerSet::default(), transfer }; \
         self.ask_for_votes(); self.send(self.node.id, Message::VoteReply { granted: true });"),
    mutant("candidates_count_their_vote_at_once", "the own vote counts before it is durable", CANDIDACY,
        "Role::Candidate { votes: ServerSet::from_iter([self.node.id]), transfer }"),
    mutant("pre_votes_count_as_votes", "a server that would vote has voted", CANDIDACY,
        "Role::Candidate { votes: if let Role::PreCandidate { votes } = self.node.role { votes } else { ServerSet::default() }, transfer }"),
    mutant("every_campaign_is_a_transfer", "a candidate says that the leader told it to take over", CANDIDACY,
        "{ let _ = transfer; Role::Candidate { votes: ServerSet::default(), transfer: true } }"),
    mutant("no_campaign_is_a_transfer", "a candidate that was told to take over does not say so", CANDIDACY,
        "{ let _ = transfer; Role::Candidate { votes: ServerSet::default(), transfer: false } }"),
    mutant("requests_never_say_transfer", "the flag is known and not sent", REQUEST, "{ let _ = transfer; Message::VoteRequest { last, transfer: false } }"),
    mutant("requests_always_say_transfer", "the flag is sent whoever asked for the campaign", REQUEST,
        "{ let _ = transfer; Message::VoteRequest { last, transfer: true } }"),
    mutant("candidates_name_no_entry", "a candidate says that its log is empty", REQUEST,
        "Message::VoteRequest { last: Position::default(), transfer }"),
    mutant("pre_candidates_name_no_entry", "a pre-candidate says that its log is empty", "Message::PreVoteRequest { last }",
        "Message::PreVoteRequest { last: Position::default() }"),
    mutant("candidates_name_their_own_term", "a candidate says that its last entry is of its own term", REQUEST,
        "Message::VoteRequest { last: Position { term: self.node.term(), ..last }, transfer }"),
    mutant("voters_are_asked_again", "a server that has voted for it is asked as well", OPEN, "{ let _ = (votes, peer); true }"),
    mutant("only_voters_are_asked", "a server that has not voted for it is not asked", OPEN, "votes.contains(peer)"),
    // Votes.
    mutant("pre_votes_for_any_log", "a server that could not win is encouraged", PRE_VOTE,
        "let _ = last; self.send(candidate, Message::PreVoteReply { granted: true });"),
    mutant("no_pre_votes", "nobody is encouraged", PRE_VOTE, "let _ = last; self.send(candidate, Message::PreVoteReply { granted: false });"),
    mutant("pre_votes_need_a_free_vote", "a server that has voted in this term would not vote in the next", PRE_VOTE,
        "let granted = R::may_vote(self.node.vote(), candidate) && R::is_up_to_date(last, self.last_for_votes()); \
         self.send(candidate, Message::PreVoteReply { granted });"),
    mutant("refused_pre_votes_are_not_said", "a server that would not vote says nothing", PRE_VOTE,
        "if R::is_up_to_date(last, self.last_for_votes()) { self.send(candidate, Message::PreVoteReply { granted: true }); }"),
    mutant("pre_votes_are_sent_twice", "each pre-vote leaves twice", PRE_VOTE,
        "let granted = R::is_up_to_date(last, self.last_for_votes()); self.send(candidate, Message::PreVoteReply { granted }); \
         self.send(candidate, Message::PreVoteReply { granted });"),
    mutant("pre_votes_put_the_own_election_off", "a pre-vote restarts the timers", PRE_VOTE,
        "let granted = R::is_up_to_date(last, self.last_for_votes()); self.send(candidate, Message::PreVoteReply { granted }); \
         if let Role::Follower { .. } = self.node.role { self.restart(Timers::Follower); }"),
    mutant("pre_votes_end_the_own_campaign", "a server that would vote for another asks for no pre-votes itself", PRE_VOTE,
        "let granted = R::is_up_to_date(last, self.last_for_votes()); self.send(candidate, Message::PreVoteReply { granted }); \
         if let Role::PreCandidate { .. } = self.node.role { self.become_follower(); }"),
    mutant("pre_votes_end_stickiness", "a server that was asked for a pre-vote hears its leader no more", PRE_VOTE,
        "let granted = R::is_up_to_date(last, self.last_for_votes()); self.send(candidate, Message::PreVoteReply { granted }); \
         if let Role::Follower { leader, .. } = self.node.role { self.node.role = Role::Follower { leader, sticky: false }; }"),
    mutant("refused_pre_votes_count", "whoever answers would vote", PRE_VOTE_REPLY,
        "let _ = granted; let Role::PreCandidate { votes } = &mut self.node.role else { return }; votes.insert(voter, ()); \
         if R::is_majority(&self.node.members, votes) { self.campaign(false); }"),
    mutant("only_refused_pre_votes_count", "a server that would not vote counts", PRE_VOTE_REPLY,
        "let Role::PreCandidate { votes } = &mut self.node.role else { return }; if !granted { votes.insert(voter, ()); } \
         if R::is_majority(&self.node.members, votes) { self.campaign(false); }"),
    mutant("a_refused_pre_vote_ends_the_campaign", "one that would not vote is enough to give up", PRE_VOTE_REPLY,
        "if let (Role::PreCandidate { .. }, false) = (&self.node.role, granted) { return self.become_follower(); } \
         let Role::PreCandidate { votes } = &mut self.node.role else { return }; if granted { votes.insert(voter, ()); } \
         if R::is_majority(&self.node.members, votes) { self.campaign(false); }"),
    mutant("a_late_pre_vote_begins_a_campaign", "a follower with a free vote heeds a pre-vote", PRE_VOTE_REPLY,
        "if let (Role::Follower { leader: None, sticky: false }, true) = (&self.node.role, granted) { \
         self.node.role = Role::PreCandidate { votes: ServerSet::from_iter([self.node.id]) }; } \
         let Role::PreCandidate { votes } = &mut self.node.role else { return }; if granted { votes.insert(voter, ()); } \
         if R::is_majority(&self.node.members, votes) { self.campaign(false); }"),
    mutant("one_pre_vote_is_enough", "no majority is asked for", PRE_VOTE_REPLY,
        "let Role::PreCandidate { .. } = &mut self.node.role else { return }; let _ = voter; if granted { self.campaign(false); }"),
    mutant("pre_votes_begin_transfers", "a campaign after pre-votes says that the leader asked for it", PRE_VOTE_REPLY,
        "let Role::PreCandidate { votes } = &mut self.node.role else { return }; if granted { votes.insert(voter, ()); } \
         if R::is_majority(&self.node.members, votes) { self.campaign(true); }"),
    mutant("a_vote_needs_less", "either a free vote or an up-to-date log is enough", GRANTED,
        "R::may_vote(self.node.vote(), candidate) || R::is_up_to_date(last, self.last_for_votes())"),
    mutant("a_vote_needs_no_newer_log_when_asked_again", "a server that has the vote keeps it whatever its log", GRANTED,
        "self.node.vote() == Some(candidate) || R::may_vote(self.node.vote(), candidate) && R::is_up_to_date(last, self.last_for_votes())"),
    mutant("pre_candidates_do_not_vote", "a server that asks for pre-votes keeps its vote to itself", GRANTED,
        "!matches!(self.node.role, Role::PreCandidate { .. }) && R::may_vote(self.node.vote(), candidate) && R::is_up_to_date(last, self.last_for_votes())"),
    mutant("refused_votes_are_not_said", "a server that does not vote says nothing", VOTE,
        "if granted { self.vote_for(candidate); self.send(candidate, Message::VoteReply { granted }); }"),
    mutant("votes_are_not_said", "a server that votes says nothing", VOTE,
        "if granted { self.vote_for(candidate); } else { self.send(candidate, Message::VoteReply { granted }); }"),
    mutant("votes_are_said_twice", "each answer leaves twice", VOTE,
        "if granted { self.vote_for(candidate); } self.send(candidate, Message::VoteReply { granted }); self.send(candidate, Message::VoteReply { granted });"),
    mutant("every_vote_is_said_to_be_granted", "a server that does not vote says that it does", VOTE,
        "if granted { self.vote_for(candidate); } self.send(candidate, Message::VoteReply { granted: true });"),
    mutant("votes_are_said_and_not_given", "nothing is written", VOTE, "self.send(candidate, Message::VoteReply { granted });"),
    mutant("a_refused_vote_puts_the_own_election_off", "a server that refuses its vote waits all the same", VOTE,
        "if granted { self.vote_for(candidate); } else if let Role::Follower { .. } = self.node.role { self.restart(Timers::Follower); } \
         self.send(candidate, Message::VoteReply { granted });"),
    mutant("refusing_voters_campaign", "the own log is newer, so it asks for pre-votes at once", VOTE,
        "if granted { self.vote_for(candidate); } self.send(candidate, Message::VoteReply { granted }); \
         if let (Role::Follower { .. }, false) = (&self.node.role, granted) { self.pre_campaign(); }"),
    mutant("a_vote_is_written_again", "a vote that is asked for again is written again", WRITE_VOTE, "self.persist(Record::Vote(candidate));")
        .equivalent("it is the vote that stands there, so the disk stays as it is"),
    mutant("votes_are_written_only_again", "the first vote of a term is not written", WRITE_VOTE,
        "if self.node.vote() == Some(candidate) { self.persist(Record::Vote(candidate)); }"),
    mutant("pre_candidates_that_vote_go_on", "a server that votes for another goes on to ask for pre-votes", SUPPORTS, "self.restart(Timers::Follower);"),
    mutant("votes_put_nothing_off", "a server that has voted does not wait for its candidate", SUPPORTS,
        "if let Role::PreCandidate { .. } = self.node.role { self.node.role = Role::Follower { leader: None, sticky: false }; self.restart(Timers::Follower); }"),
    mutant("voters_become_sticky", "a candidate counts as a leader that was heard", SUPPORTS,
        "self.node.role = Role::Follower { leader: None, sticky: true }; self.restart(Timers::Follower);"),
    mutant("pre_candidates_that_vote_become_sticky", "a server that gives up asking for pre-votes sticks to nobody", SUPPORTS,
        "if let Role::PreCandidate { .. } = self.node.role { self.node.role = Role::Follower { leader: None, sticky: true }; } self.restart(Timers::Follower);"),
    mutant("voting_ends_stickiness", "a server that votes for the target of a transfer helps others as well", SUPPORTS,
        "self.node.role = Role::Follower { leader: None, sticky: false }; self.restart(Timers::Follower);"),
    mutant("the_candidate_counts_as_leader", "a server that votes believes that the election is won", SUPPORTS,
        "self.node.role = Role::Follower { leader: Some(candidate), sticky: self.node.is_sticky() }; self.restart(Timers::Follower);"),
    mutant("refused_votes_count", "whoever answers has voted", VOTE_REPLY,
        "let _ = granted; let Role::Candidate { votes, .. } = &mut self.node.role else { return }; votes.insert(voter, ()); \
         if R::has_own_vote(votes, self.node.id) && R::is_majority(&self.node.members, votes) { self.become_leader(); }"),
    mutant("only_refused_votes_count", "a server that does not vote counts", VOTE_REPLY,
        "let Role::Candidate { votes, .. } = &mut self.node.role else { return }; if !granted { votes.insert(voter, ()); } \
         if R::has_own_vote(votes, self.node.id) && R::is_majority(&self.node.members, votes) { self.become_leader(); }"),
    mutant("a_refused_vote_ends_the_campaign", "one that does not vote is enough to give up", VOTE_REPLY,
        "if let (Role::Candidate { .. }, false) = (&self.node.role, granted) { return self.become_follower(); } \
         let Role::Candidate { votes, .. } = &mut self.node.role else { return }; if granted { votes.insert(voter, ()); } \
         if R::has_own_vote(votes, self.node.id) && R::is_majority(&self.node.members, votes) { self.become_leader(); }"),
    mutant("a_refused_vote_takes_votes_back", "one that does not vote ends what others have said", VOTE_REPLY,
        "let Role::Candidate { votes, .. } = &mut self.node.role else { return }; \
         if granted { votes.insert(voter, ()); } else { *votes = ServerSet::from_iter([self.node.id]); } \
         if R::has_own_vote(votes, self.node.id) && R::is_majority(&self.node.members, votes) { self.become_leader(); }"),
    mutant("late_votes_count_as_pre_votes", "a pre-candidate heeds the votes of its last campaign", VOTE_REPLY,
        "if let Role::PreCandidate { .. } = self.node.role { return self.on_pre_vote_reply(voter, granted); } \
         let Role::Candidate { votes, .. } = &mut self.node.role else { return }; if granted { votes.insert(voter, ()); } \
         if R::has_own_vote(votes, self.node.id) && R::is_majority(&self.node.members, votes) { self.become_leader(); }"),
    mutant("late_votes_elect_a_pre_candidate", "a pre-candidate that a vote of its term reaches may yet lead in it", VOTE_REPLY,
        "let votes = match &mut self.node.role { Role::Candidate { votes, .. } | Role::PreCandidate { votes } => votes, _ => return }; \
         if granted { votes.insert(voter, ()); } if R::has_own_vote(votes, self.node.id) && R::is_majority(&self.node.members, votes) { self.become_leader(); }"),
    mutant("votes_are_not_remembered", "a vote counts when it arrives, and not later", VOTE_REPLY,
        "let Role::Candidate { votes, .. } = &mut self.node.role else { return }; let mut votes = *votes; if granted { votes.insert(voter, ()); } \
         if R::has_own_vote(&votes, self.node.id) && R::is_majority(&self.node.members, &votes) { self.become_leader(); }"),
    // Leaders.
    mutant("the_first_entry_is_not_sent", "a new leader begins to send one entry too early", "last.index.next()", "last.index"),
    mutant("everything_is_sent", "a new leader begins with the first entry", "last.index.next()", "crate::types::Index::ZERO.next()"),
    mutant("own_entries_count_from_the_start", "a new leader knows what it holds itself", "self.node.members.ids().map(|id| (id, start)).collect()",
        "self.node.members.ids().map(|id| (id, if id == self.node.id { Progress { matched: last.index, ..start } } else { start })).collect()"),
    mutant("a_new_leader_has_not_heard_itself", "until its first entry is durable",
        NEW_LEADER,
        "let heard = ServerSet::default(); self.node.role = Role::Leader { progress, heard, transfer: None, round: Round::ZERO, confirmed: Round::ZERO }; self.restart(Timers::Leader); self.begin_round(); \
         self.append_and_replicate(Payload::Blank);"),
    mutant("a_new_leader_has_heard_everyone", "its first minimum timeout means nothing",
        NEW_LEADER,
        "let heard: ServerSet = self.node.members.ids().collect(); self.node.role = Role::Leader { progress, heard, transfer: None, round: Round::ZERO, confirmed: Round::ZERO }; self.restart(Timers::Leader); self.begin_round(); \
         self.append_and_replicate(Payload::Blank);"),
    mutant("leaders_keep_a_candidates_timers", "no minimum timeout runs", BECOME_LEADER,
        "self.node.role = Role::Leader { progress, heard, transfer: None, round: Round::ZERO, confirmed: Round::ZERO }; self.begin_round(); self.append_and_replicate(Payload::Blank);"),
    mutant("leaders_restart_a_followers_timers", "no heartbeat timeout runs", BECOME_LEADER,
        "self.node.role = Role::Leader { progress, heard, transfer: None, round: Round::ZERO, confirmed: Round::ZERO }; self.restart(Timers::Follower); self.begin_round(); self.append_and_replicate(Payload::Blank);"),
    mutant("leaders_begin_with_a_heartbeat", "a new leader appends no entry of its own", BECOME_LEADER,
        "self.node.role = Role::Leader { progress, heard, transfer: None, round: Round::ZERO, confirmed: Round::ZERO }; self.restart(Timers::Leader); self.begin_round(); self.on_heartbeat_timeout();"),
    mutant("leaders_begin_with_two_entries", "a new leader appends one entry too many", BECOME_LEADER,
        "self.node.role = Role::Leader { progress, heard, transfer: None, round: Round::ZERO, confirmed: Round::ZERO }; self.restart(Timers::Leader); self.begin_round(); \
         self.append_and_replicate(Payload::Blank); self.append_and_replicate(Payload::Blank);"),
    mutant("leaders_serve_at_once", "a leadership is told before its first commit", BECOME_LEADER,
        "self.node.role = Role::Leader { progress, heard, transfer: None, round: Round::ZERO, confirmed: Round::ZERO }; self.restart(Timers::Leader); self.begin_round(); \
         self.append_and_replicate(Payload::Blank); self.effects.early.push(crate::effects::Output::Leading(self.node.term()));"),
    mutant("leaders_begin_transferring", "a campaign that was a transfer is followed by one", BECOME_LEADER,
        "let before = if let Role::Candidate { transfer: true, .. } = self.node.role { self.node.peers().next() } else { None }; \
         self.node.role = Role::Leader { progress, heard, transfer: before, round: Round::ZERO, confirmed: Round::ZERO }; self.restart(Timers::Leader); self.begin_round(); self.append_and_replicate(Payload::Blank);"),
    // The minimum timeout.
    mutant("sticky_for_ever", "the minimum timeout does not end stickiness", FORGET_LEADER, "{ let _ = sticky; *leader = None; }"),
    mutant("the_leader_is_known_for_ever", "the minimum timeout does not end what is known of the leader", FORGET_LEADER, "{ let _ = leader; *sticky = false; }"),
    mutant("followers_have_no_minimum_timeout", "it changes nothing", FORGET_LEADER, "{ let _ = (leader, sticky); }"),
    mutant("stickiness_outlasts_a_known_leader", "two minimum timeouts are needed", FORGET_LEADER,
        "if leader.is_none() { *sticky = false; } *leader = None;"),
    mutant("a_failed_transfer_goes_on", "a leader that is transferring its leadership leads on", LEADER_TIMEOUT,
        "{ let _ = transfer; if R::must_step_down(&self.node.members, heard) { self.become_follower(); } else { *heard = ServerSet::from_iter([self.node.id]); } }"),
    mutant("a_failed_transfer_is_forgotten", "a leader whose target did not take over leads on", LEADER_TIMEOUT,
        "if R::must_step_down(&self.node.members, heard) { self.become_follower(); } else { *transfer = None; *heard = ServerSet::from_iter([self.node.id]); }"),
    mutant("heard_is_never_reset", "a server that once answered counts for ever", LEADER_TIMEOUT,
        "if transfer.is_some() || R::must_step_down(&self.node.members, heard) { self.become_follower(); }"),
    mutant("heard_is_reset_too_early", "before it is judged", LEADER_TIMEOUT,
        "*heard = ServerSet::from_iter([self.node.id]); if transfer.is_some() || R::must_step_down(&self.node.members, heard) { self.become_follower(); }"),
    mutant("leaders_forget_themselves", "a leader has to be answered by a majority besides itself", LEADER_TIMEOUT,
        "if transfer.is_some() || R::must_step_down(&self.node.members, heard) { self.become_follower(); } else { *heard = ServerSet::default(); }"),
    mutant("heard_is_reset_to_all", "every other minimum timeout means nothing", LEADER_TIMEOUT,
        "if transfer.is_some() || R::must_step_down(&self.node.members, heard) { self.become_follower(); } else { *heard = self.node.members.ids().collect(); }"),
    // Transfers.
    mutant("a_leader_transfers_to_itself", "it waits for itself to campaign", TARGET, "!self.node.members.contains(target)"),
    mutant("a_leader_transfers_to_strangers", "it panics", TARGET, "target == self.node.id"),
    mutant("a_transfer_is_not_the_end", "a leader that is transferring its leadership serves on", TRANSFER,
        "if target == self.node.id || !self.node.members.contains(target) { return; } \
         let Role::Leader { transfer, .. } = &mut self.node.role else { return }; *transfer = Some(target); self.restart(Timers::Leader); \
         self.replicate(target); self.transfer_if_ready();"),
    mutant("a_transfer_ends_nothing_in_time", "that a leadership ends is asked when it has ended", TRANSFER,
        "if target == self.node.id || !self.node.members.contains(target) { return; } \
         let Role::Leader { transfer, .. } = &mut self.node.role else { return }; *transfer = Some(target); self.yield_leadership(); \
         self.restart(Timers::Leader); self.replicate(target); self.transfer_if_ready();"),
    mutant("a_transfer_is_forgotten", "a leader that began a transfer takes commands", TRANSFER,
        "if target == self.node.id || !self.node.members.contains(target) { return; } self.yield_leadership(); \
         let Role::Leader { transfer, .. } = &mut self.node.role else { return }; *transfer = Some(target); self.restart(Timers::Leader); \
         self.replicate(target); self.transfer_if_ready(); if let Role::Leader { transfer, .. } = &mut self.node.role { *transfer = None; }"),
    mutant("a_second_transfer_is_ignored", "the first target stays", TRANSFER,
        "if target == self.node.id || !self.node.members.contains(target) { return; } \
         let Role::Leader { transfer: None, .. } = self.node.role else { return }; self.yield_leadership(); \
         let Role::Leader { transfer, .. } = &mut self.node.role else { return }; *transfer = Some(target); self.restart(Timers::Leader); \
         self.replicate(target); self.transfer_if_ready();"),
    mutant("a_second_transfer_keeps_the_first_target", "the second target is sent entries, and the first one is told", TRANSFER,
        "if target == self.node.id || !self.node.members.contains(target) { return; } self.yield_leadership(); \
         let Role::Leader { transfer, .. } = &mut self.node.role else { return }; *transfer = transfer.or(Some(target)); self.restart(Timers::Leader); \
         self.replicate(target); self.transfer_if_ready();"),
    mutant("a_transfer_keeps_the_timers", "the target has less than a minimum timeout", TRANSFER,
        "if target == self.node.id || !self.node.members.contains(target) { return; } self.yield_leadership(); \
         let Role::Leader { transfer, .. } = &mut self.node.role else { return }; *transfer = Some(target); \
         self.replicate(target); self.transfer_if_ready();"),
    mutant("the_target_is_sent_nothing", "until the next heartbeat", TRANSFER,
        "if target == self.node.id || !self.node.members.contains(target) { return; } self.yield_leadership(); \
         let Role::Leader { transfer, .. } = &mut self.node.role else { return }; *transfer = Some(target); self.restart(Timers::Leader); \
         self.transfer_if_ready();"),
    mutant("a_ready_target_is_not_told_at_once", "only when it answers again", TRANSFER,
        "if target == self.node.id || !self.node.members.contains(target) { return; } self.yield_leadership(); \
         let Role::Leader { transfer, .. } = &mut self.node.role else { return }; *transfer = Some(target); self.restart(Timers::Leader); \
         self.replicate(target);"),
    mutant("timeout_now_is_not_sent", "nobody ever takes over", TIMEOUT_NOW, "let _ = target;"),
    mutant("timeout_now_is_sent_twice", "the target is told twice", TIMEOUT_NOW, "self.send(target, Message::TimeoutNow); self.send(target, Message::TimeoutNow);"),
    mutant("timeout_now_is_sent_to_all", "everyone is told to take over", TIMEOUT_NOW,
        "{ let _ = target; for peer in self.node.peers() { self.send(peer, Message::TimeoutNow); } }"),
    mutant("timeout_now_is_sent_to_another", "not the target is told, but the first of the others", TIMEOUT_NOW,
        "{ let to = self.node.peers().find(|&peer| peer != target).unwrap_or(target); self.send(to, Message::TimeoutNow); }"),
    mutant("leaders_step_down_with_timeout_now", "the leader does not wait for the target", TIMEOUT_NOW,
        "self.send(target, Message::TimeoutNow); self.become_follower();"),
    mutant("timeout_now_is_heeded_from_anybody", "whoever says so makes a follower campaign", TOLD,
        "let _ = leader; if let Role::Follower { .. } = self.node.role { self.campaign(true); }"),
    mutant("timeout_now_is_heeded_without_a_leader", "and by who hears that one", TOLD,
        "if let Role::Follower { .. } = self.node.role && self.node.leader().is_none_or(|known| known == leader) { self.campaign(true); }"),
    mutant("timeout_now_is_heeded_by_candidates", "a candidate that is told to take over begins again", TOLD,
        "if self.node.leader().is_none_or(|known| known == leader) && !matches!(self.node.role, Role::Follower { leader: None, .. }) { self.campaign(true); }"),
    mutant("timeout_now_is_heeded_in_any_role", "the leader is asked for, the role is not", TOLD,
        "if self.node.leader() == Some(leader) { self.campaign(true); }")
        .equivalent("only followers know another server as their leader, and nobody transfers to itself (E5)"),
    mutant("timeout_now_is_ignored", "nobody ever takes over", TOLD, "let _ = leader;"),
    mutant("timeout_now_asks_first", "a server that is told to take over asks for pre-votes, of which servers that stick to their leader give none", TOLD,
        "if let Role::Follower { .. } = self.node.role && self.node.leader() == Some(leader) { self.pre_campaign(); }"),
    mutant("timeout_now_begins_no_transfer", "a server that is told to take over does not say so", TOLD,
        "if let Role::Follower { .. } = self.node.role && self.node.leader() == Some(leader) { self.campaign(false); }"),
    mutant("nobody_steps_down", "the service cannot give up leadership", STEP_DOWN, "{}"),
    mutant("anybody_steps_down", "a follower that is told to step down forgets its leader", STEP_DOWN, "self.become_follower();"),
    mutant("candidates_step_down", "a candidate that is told to step down gives up", STEP_DOWN,
        "if let Role::Leader { .. } | Role::Candidate { .. } = self.node.role { self.become_follower(); }"),
];
