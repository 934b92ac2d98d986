//! One step of the deployed code, judged by every conjunct.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rafttree_model::{Effects, Event, Message, Node, Output, Record, Role};

use crate::inductive::class::{Assumption, Class};
use crate::inductive::conjuncts::{Cause, Conjunct, Conjuncts, Disk, Taken};
use crate::inductive::history::{History, Terms};
use crate::inductive::mutants::Code;
use crate::world::Tag;

/// What came of a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Judged {
    Holds,
    /// It would make a second leader of a term, by votes of a majority: two majorities have a server
    /// in common, which votes once (E6).
    RuledOut,
    Breaks(Conjuncts),
}

/// How much was judged, and what was met on the way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Tally {
    pub(crate) histories: u64,
    pub(crate) servers: u64,
    pub(crate) steps: u64,
    /// Steps that changed something or said something.
    pub(crate) moved: u64,
    pub(crate) votes: u64,
    pub(crate) leaders: u64,
    pub(crate) ruled_out: u64,
    pub(crate) appended: u64,
    pub(crate) truncated: u64,
    pub(crate) leader_commits: u64,
    pub(crate) follower_commits: u64,
    pub(crate) compacted: u64,
    pub(crate) restored: u64,
    pub(crate) snapshots_sent: u64,
}

/// What a thread keeps.
pub(crate) struct Judge {
    code: Code,
    became: Option<Node>,
    effects: Effects<Tag>,
    disks: Vec<Disk>,
    pub(crate) tally: Tally,
}

impl Judge {
    pub(crate) fn new(code: Code) -> Judge {
        Judge { code, became: None, effects: Effects::new(), disks: Vec::new(), tally: Tally::default() }
    }

    /// Lets this happen to a server of the class, and judges what comes of it.
    pub(crate) fn judge(&mut self, class: &Class, node: &Node, log: &Terms, cause: &Cause) -> Judged {
        self.tally.steps += 1;
        self.disks.clear();
        let panicked = || Judged::Breaks(Conjuncts::from_iter([Conjunct::Totality]));
        let Some(became) = self.happens(node, cause) else { return panicked() };
        if became == *node && self.effects.is_empty() {
            self.became = Some(became);
            return Judged::Holds;
        }
        self.tally.moved += 1;
        let judged = self.judge_step(class, node, log, cause, &became).unwrap_or_else(panicked);
        self.became = Some(became);
        judged
    }

    /// What the server became, for whoever tells a counterexample.
    pub(crate) fn became(&self) -> (Option<&Node>, &Effects<Tag>) {
        (self.became.as_ref(), &self.effects)
    }

    /// What its log became, which was this one before the step.
    #[cfg(test)]
    pub(crate) fn became_log(&self, before: Terms) -> Terms {
        self.disks.last().map_or(before, |disk| disk.log)
    }

    /// What becomes of it; none, if that panics.
    fn happens(&mut self, node: &Node, cause: &Cause) -> Option<Node> {
        self.effects.done();
        let Cause::Event(event) = cause else {
            return Some((self.code.recover)(node));
        };
        let mut became = match self.became.take() {
            Some(mut used) => {
                used.clone_from(node);
                used
            }
            None => node.clone(),
        };
        let step = AssertUnwindSafe(|| (self.code.step_by)(&mut became, event.clone(), &mut self.effects));
        if catch_unwind(step).is_err() {
            self.effects = Effects::new();
            return None;
        }
        Some(became)
    }

    /// Whether a step that asks for votes at once does so also while something of an earlier step is being written.
    fn asks_while_writing(&self, node: &Node, cause: &Cause) -> bool {
        let asks = |effects: &Effects<Tag>| effects.early().iter().any(is_request_for_vote);
        let Cause::Event(event) = cause else { return false };
        let again = || {
            let (mut became, mut effects) = (node.clone(), Effects::new().while_writing(true));
            (self.code.step_by)(&mut became, event.clone(), &mut effects);
            effects
        };
        asks(&self.effects) && asks(&again())
    }

    /// None, if its records make no log.
    fn judge_step(&mut self, class: &Class, node: &Node, log: &Terms, cause: &Cause, became: &Node) -> Option<Judged> {
        let asks_while_writing = self.asks_while_writing(node, cause);
        let Judge { effects, disks, tally, .. } = self;
        if !effects.records().is_empty() {
            let leaders = snapshot_of(class.history, cause);
            disks.push(Disk::of(node.durable(), *log));
            for record in effects.records() {
                let next = disks.last().and_then(|disk| disk.with(record, leaders.as_ref()))?;
                disks.push(next);
            }
        }
        let leads = |node: &Node| matches!(node.role(), Role::Leader { .. });
        let term = became.term().number() as u8;
        let mut after = *class.history;
        if leads(became) {
            after = after.with(term, disks.last().map_or(*log, |disk| disk.log));
        }
        let taken = Taken {
            before: class.history,
            after: &after,
            committable: &class.committable,
            node,
            log: *log,
            cause,
            became,
            records: effects.records(),
            disks,
            early: effects.early(),
            late: effects.after_sync(),
            asks_while_writing,
        };
        let is_new = leads(became) && !(leads(node) && node.term() == became.term());
        let is_second = is_new && class.history.leader(term).is_some();
        if is_second && taken.has_majority() && class.assumes(Assumption::OneLeader) {
            tally.ruled_out += 1;
            return Some(Judged::RuledOut);
        }
        tally.count(&taken, is_new);
        let broken: Conjuncts = Conjunct::ALL.into_iter().filter(|conjunct| !conjunct.holds(&taken)).collect();
        Some(if broken.is_empty() { Judged::Holds } else { Judged::Breaks(broken) })
    }
}

fn is_request_for_vote(output: &Output) -> bool {
    matches!(output, Output::Send(sent) if matches!(sent.message, Message::VoteRequest { .. }))
}

/// The log that a snapshot which arrives is the beginning of.
fn snapshot_of(history: &History, cause: &Cause) -> Option<Terms> {
    let Cause::Event(Event::Receive(letter)) = cause else { return None };
    let is_snapshot = matches!(letter.message, Message::InstallSnapshot { .. });
    is_snapshot.then(|| history.leader(letter.term.number() as u8)).flatten()
}

impl Tally {
    fn count(&mut self, taken: &Taken, is_new_leader: bool) {
        self.leaders += u64::from(is_new_leader);
        for record in taken.records {
            match record {
                Record::Vote(_) => self.votes += 1,
                Record::Append(_) => self.appended += 1,
                Record::Truncate { .. } => self.truncated += 1,
                Record::Compact { .. } => self.compacted += 1,
                Record::Restore { .. } => self.restored += 1,
                Record::Term(_) | Record::Repair(_) => {}
            }
        }
        self.snapshots_sent += taken.snapshots();
        if taken.node.commit() < taken.became.commit() {
            let leads = matches!(taken.became.role(), Role::Leader { .. });
            *if leads { &mut self.leader_commits } else { &mut self.follower_commits } += 1;
        }
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        self.histories += other.histories;
        self.servers += other.servers;
        self.steps += other.steps;
        self.moved += other.moved;
        self.votes += other.votes;
        self.leaders += other.leaders;
        self.ruled_out += other.ruled_out;
        self.appended += other.appended;
        self.truncated += other.truncated;
        self.leader_commits += other.leader_commits;
        self.follower_commits += other.follower_commits;
        self.compacted += other.compacted;
        self.restored += other.restored;
        self.snapshots_sent += other.snapshots_sent;
    }
}
