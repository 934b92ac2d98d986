//! Leader election: §5.2, §5.4.1, PreVote (dissertation 9.6), CheckQuorum (6.2), transfer (3.10).

use crate::durable::Record;
use crate::effects::Timers;
use crate::members::{ServerMap, ServerSet};
use crate::message::Message;
use crate::node::{Progress, Role};
use crate::rules::Rules;
use crate::step::Step;
use crate::types::{Payload, Position, Round, ServerId};

impl<R: Rules, P> Step<'_, R, P> {
    /// §5.2: no leader was heard for an election timeout, or the election was not decided.
    pub(crate) fn on_election_timeout(&mut self) {
        if let Role::Leader { .. } = self.node.role {
            return;
        }
        if !self.node.members.contains(self.node.id) {
            return;
        }
        if !R::may_campaign(self.node.faulty()) {
            return; // Its leader, if there is one, repairs it; until then others campaign.
        }
        if R::must_ask_first() { self.pre_campaign() } else { self.campaign(false) }
    }

    /// Dissertation 9.6: asks whether the election could be won; nothing is written.
    fn pre_campaign(&mut self) {
        self.node.role = Role::PreCandidate { votes: ServerSet::default() };
        self.restart(Timers::Candidate);
        self.ask_for_votes();
        self.send(self.node.id, Message::PreVoteReply { granted: true });
    }

    /// §5.2: raises the term, votes for itself and asks the others, which need not wait for its disk: if it
    /// crashes meanwhile, it may campaign in this term again, with a log that has lost nothing that counts.
    fn campaign(&mut self, transfer: bool) {
        self.persist(Record::Term(self.node.term().next()));
        self.persist(Record::Vote(self.node.id));
        self.node.role = Role::Candidate { votes: ServerSet::default(), transfer };
        self.restart(Timers::Candidate);
        self.ask_for_votes();
        self.send(self.node.id, Message::VoteReply { granted: true });
    }

    /// Asks those who have not granted their vote yet.
    pub(crate) fn ask_for_votes(&mut self) {
        let last = self.node.log().last();
        let (votes, request) = match self.node.role {
            Role::PreCandidate { votes } => (votes, Message::PreVoteRequest { last }),
            Role::Candidate { votes, transfer } => (votes, Message::VoteRequest { last, transfer }),
            Role::Follower { .. } | Role::Leader { .. } => return,
        };
        for peer in self.node.peers().filter(|&peer| !votes.contains(peer)) {
            self.send(peer, request);
        }
    }

    /// Dissertation 9.6: says how it would vote; that binds nobody and changes nothing.
    pub(crate) fn on_pre_vote_request(&mut self, candidate: ServerId, last: Position) {
        let granted = R::is_up_to_date(last, self.last_for_votes());
        self.send(candidate, Message::PreVoteReply { granted });
    }

    /// Dissertation 9.6: with a majority in sight, the election may begin.
    pub(crate) fn on_pre_vote_reply(&mut self, voter: ServerId, granted: bool) {
        let Role::PreCandidate { votes } = &mut self.node.role else { return };
        if granted {
            votes.insert(voter, ());
        }
        if R::is_majority(&self.node.members, votes) {
            self.campaign(false);
        }
    }

    /// RequestVote RPC, receiver.
    pub(crate) fn on_vote_request(&mut self, candidate: ServerId, last: Position) {
        let granted = R::may_vote(self.node.vote(), candidate) && R::is_up_to_date(last, self.last_for_votes());
        if granted {
            self.vote_for(candidate);
        }
        self.send(candidate, Message::VoteReply { granted });
    }

    /// §5.4.1: the entry that a candidate's last one is compared with.
    fn last_for_votes(&self) -> Position {
        R::last_for_votes(self.node.log(), self.node.faulty())
    }

    /// Gives the vote of the current term, once. Who supports another does not campaign itself.
    fn vote_for(&mut self, candidate: ServerId) {
        if self.node.vote() != Some(candidate) {
            self.persist(Record::Vote(candidate));
        }
        if let Role::PreCandidate { .. } = self.node.role {
            self.node.role = Role::Follower { leader: None, sticky: false };
        }
        self.restart(Timers::Follower);
    }

    /// §5.2: a majority makes a leader, once its own vote is durable.
    pub(crate) fn on_vote_reply(&mut self, voter: ServerId, granted: bool) {
        let Role::Candidate { votes, .. } = &mut self.node.role else { return };
        if granted {
            votes.insert(voter, ());
        }
        if R::has_own_vote(votes, self.node.id) && R::is_majority(&self.node.members, votes) {
            self.become_leader();
        }
    }

    /// §5.2, section 8: a new leader starts its term with an entry of its own, which is also the
    /// heartbeat that tells everyone.
    fn become_leader(&mut self) {
        let last = self.node.log().last();
        let start = Progress { matched: R::matched_at_start(last), next: last.index.next(), answered: Round::ZERO };
        let progress: ServerMap<Progress> = self.node.members.ids().map(|id| (id, start)).collect();
        let heard = ServerSet::from_iter([self.node.id]);
        self.node.role = Role::Leader { progress, heard, transfer: None, round: Round::ZERO, confirmed: Round::ZERO };
        self.restart(Timers::Leader);
        self.begin_round();
        self.append_and_replicate(Payload::Blank);
    }

    /// The minimum election timeout has passed without word from a leader, or from followers.
    pub(crate) fn on_minimum_timeout(&mut self) {
        match &mut self.node.role {
            Role::Follower { leader, sticky } => {
                *leader = None;
                *sticky = false;
            }
            Role::Leader { heard, transfer, .. } => {
                // Once the target was told to campaign it may do so at any later time, and nobody
                // sticks to this leader then. So a transfer that failed ends the leadership.
                if transfer.is_some() || R::must_step_down(&self.node.members, heard) {
                    self.become_follower();
                } else {
                    *heard = ServerSet::from_iter([self.node.id]);
                }
            }
            Role::PreCandidate { .. } | Role::Candidate { .. } => {}
        }
    }

    /// Dissertation 3.10: stops taking proposals, and lets the target campaign once it holds the
    /// whole log.
    pub(crate) fn on_transfer(&mut self, target: ServerId) {
        if target == self.node.id || !self.node.members.contains(target) {
            return;
        }
        self.yield_leadership();
        let Role::Leader { transfer, .. } = &mut self.node.role else { return };
        *transfer = Some(target);
        self.restart(Timers::Leader);
        self.replicate(target);
        self.transfer_if_ready();
    }

    /// Dissertation 3.10: the target holds the whole log, so it may take over.
    pub(crate) fn transfer_if_ready(&mut self) {
        let Role::Leader { progress, transfer: Some(target), .. } = &self.node.role else { return };
        let target = *target;
        let matched = progress.get(target).map(|target| target.matched);
        if matched.is_some_and(|matched| R::may_transfer(matched, self.node.log().last().index)) {
            self.send(target, Message::TimeoutNow);
        }
    }

    /// Dissertation 3.10: the leader transfers its leadership to this server.
    pub(crate) fn on_timeout_now(&mut self, leader: ServerId) {
        if !R::may_campaign(self.node.faulty()) {
            return; // Its leader does not know yet what it has lost.
        }
        if let Role::Follower { .. } = self.node.role
            && self.node.leader() == Some(leader)
        {
            self.campaign(true);
        }
    }

    /// The service gives up leadership.
    pub(crate) fn on_step_down(&mut self) {
        if let Role::Leader { .. } = self.node.role {
            self.become_follower();
        }
    }
}
