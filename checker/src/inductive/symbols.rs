//! Steps told in symbols: in which order the few numbers stand that decide, and what the step does with
//! them. Two servers that share no number can so be compared.

use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rafttree_model::{
    Durable, Effects, Envelope, Event, Index, Message, Node, Output, Position, Progress, Range, Record, Role, RoleName,
    ServerId, ServerSet, Slice, Timers,
};
use tinyvec::TinyVec;

use crate::world::{StepBy, Tag};

/// A server, and a message that arrives at it.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) node: &'a Node,
    /// Its log as a row of terms.
    pub(crate) row: &'a [u64],
    pub(crate) letter: &'a Envelope<Slice<Tag>>,
}

/// All that a part of the outcome may depend on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Case {
    /// An AppendRequest of an older term.
    Stale { role: RoleName, leader: Who, sticky: bool },
    /// An AppendRequest of this term or of a newer one: role, timers, and the record of the term.
    Follows { role: RoleName, ends: bool, newer: bool },
    /// The rest of it, where the entry before its entries is not in the log.
    Refused(Order),
    /// The rest of it, where that entry is in the log.
    Taken(Order),
    /// An AppendReply of the leader's term; the entry before the next one to send may be compacted.
    Reply { own: bool, transfer: Transfer, gone: bool, order: Order },
    /// An AppendRefusal of the leader's term; the entry from which it would go on may be compacted.
    Refusal { gone: bool, order: Order },
    /// A VoteRequest; the message's term and log stand before the server's own, or not.
    Vote {
        role: RoleName,
        ends: bool,
        leader: Who,
        sticky: bool,
        transfer: bool,
        term: Ordering,
        vote: Who,
        log: Ordering,
    },
    /// The rest of a snapshot, whose last entry is in the log or not.
    Snapshot { holds: bool, order: Order },
}

/// How many kinds of cases there are.
pub(crate) const KINDS: usize = 8;

/// In which order numbers stand: for each how many are less.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Order(pub(crate) [u8; MOST]);

/// The most numbers that stand in an order.
pub(crate) const MOST: usize = 8;

/// Servers as the one that takes the step tells them apart.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Who {
    #[default]
    Nobody,
    Itself,
    /// Whose message it is.
    Sender,
    /// Whom it follows or transfers leadership to, if that is none of the former.
    Other,
}

/// Whom leadership is being handed to.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Transfer {
    #[default]
    Nobody,
    ToSender,
    /// Whether that one is known to hold the whole log.
    ToOther {
        ready: bool,
    },
}

/// One thing that a step does or leaves. Numbers are named by their place in the order.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Sign {
    #[default]
    Panics,
    /// Something that the case has no name for: a number, an entry, a server, a message.
    Unnamed,
    Role(RoleName),
    Leader(Who),
    Sticky(bool),
    Matched(u8),
    NextAfter(u8),
    Commit(u8),
    CommitStays,
    Term,
    Vote(Who),
    TruncatesAfter(u8),
    AppendsAfter(u8),
    AppendsTo(u8),
    Restarts(Timers),
    Commits(u8),
    Heard(Who),
    Leads,
    Yields,
    /// What follows waits for the flush.
    Flush,
    To(Who),
    EntriesAfter(u8),
    EntriesTo(u8),
    Committed(u8),
    Acknowledges(u8),
    Lacks(u8),
    Hint(u8),
    Grants(bool),
    Stale,
    TimeoutNow,
    /// A snapshot of what its sender has compacted.
    Snapshot,
    /// No entries, behind what its sender has compacted.
    BehindBase,
    /// The log is replaced by the snapshot that has arrived.
    Restores,
    TakesOver,
}

/// What comes of a case.
pub(crate) type Outcome = TinyVec<[Sign; 16]>;

/// A case with the numbers that stand in its order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) case: Case,
    numbers: Numbers,
}

#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    count: usize,
    values: [u64; MOST],
}

/// Takes steps, one after the other.
pub(crate) struct Stepper {
    step_by: StepBy,
    became: Option<Node>,
    effects: Effects<Tag>,
}

impl Case {
    pub(crate) const KINDS: [&'static str; KINDS] = [
        "stale requests",
        "followers",
        "refused requests",
        "taken requests",
        "replies",
        "refusals",
        "votes",
        "snapshots",
    ];

    /// Which of the kinds it is.
    pub(crate) fn kind(&self) -> usize {
        match self {
            Case::Stale { .. } => 0,
            Case::Follows { .. } => 1,
            Case::Refused(_) => 2,
            Case::Taken(_) => 3,
            Case::Reply { .. } => 4,
            Case::Refusal { .. } => 5,
            Case::Vote { .. } => 6,
            Case::Snapshot { .. } => 7,
        }
    }

    /// What its numbers are, for people.
    fn names(&self) -> &'static [&'static str] {
        match self {
            Case::Stale { .. } | Case::Follows { .. } | Case::Vote { .. } => &[],
            Case::Refused(_) => &["0", "previous", "last", "within"],
            Case::Taken(_) => &["0", "previous", "end", "last", "commit", "leader's commit", "agreed"],
            Case::Reply { .. } => {
                &["0", "last", "commit", "told", "matched", "next-1", "before own term", "majority's"]
            }
            Case::Refusal { gone: false, .. } => &["0", "last", "commit", "missing", "matched", "next-1", "within"],
            Case::Refusal { gone: true, .. } => {
                &["0", "last", "commit", "missing", "matched", "next-1", "within", "base-1"]
            }
            Case::Snapshot { .. } => &["0", "snapshot's last", "last", "commit"],
        }
    }

    /// Whether it is one in which entries that are to be sent are compacted.
    fn is_gone(&self) -> bool {
        matches!(self, Case::Reply { gone: true, .. } | Case::Refusal { gone: true, .. })
    }

    fn order(&self) -> Order {
        match self {
            Case::Stale { .. } | Case::Follows { .. } | Case::Vote { .. } => Order::default(),
            Case::Refused(order) | Case::Taken(order) => *order,
            Case::Reply { order, .. } | Case::Refusal { order, .. } | Case::Snapshot { order, .. } => *order,
        }
    }
}

/// The case, with its numbers in their order.
impl std::fmt::Display for Case {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Order(ranks) = self.order();
        let mut named: Vec<(u8, &str)> = ranks.into_iter().zip(self.names().iter().copied()).collect();
        named.sort_by_key(|(rank, _)| *rank);
        write!(out, "{}", Case::KINDS[self.kind()])?;
        match self {
            Case::Refused(_) | Case::Taken(_) => {}
            Case::Reply { own, transfer, gone, .. } => {
                write!(out, " (own {own}, transfer {transfer:?}, gone {gone})")?;
            }
            Case::Refusal { gone, .. } => write!(out, " (gone {gone})")?,
            Case::Snapshot { holds, .. } => write!(out, " (holds {holds})")?,
            _ => write!(out, " {self:?}")?,
        }
        for (at, (rank, name)) in named.iter().enumerate() {
            let sign = match at.checked_sub(1) {
                None => ": ",
                Some(before) if named[before].0 == *rank => " = ",
                Some(_) => " < ",
            };
            write!(out, "{sign}{name}")?;
        }
        Ok(())
    }
}

impl Order {
    pub(crate) fn of(numbers: &[u64]) -> Order {
        let mut ranks = [0; MOST];
        for (rank, number) in ranks.iter_mut().zip(numbers) {
            *rank = numbers.iter().map(|other| u8::from(other < number)).sum();
        }
        Order(ranks)
    }
}

impl Part {
    /// A case without numbers.
    fn plain(case: Case) -> Part {
        Part { case, numbers: Numbers::default() }
    }

    fn ordered<const COUNT: usize>(numbers: [u64; COUNT], case: impl FnOnce(Order) -> Case) -> Part {
        let mut values = [0; MOST];
        values[..COUNT].copy_from_slice(&numbers);
        Part { case: case(Order::of(&numbers)), numbers: Numbers { count: COUNT, values } }
    }
}

impl<'a> Scene<'a> {
    /// The cases that it is, each for a part of the outcome; none, if no table is kept of such a step.
    pub(crate) fn parts(&self) -> [Option<Part>; 2] {
        let Scene { node, letter, .. } = *self;
        if letter.to != node.id() || !node.members().contains(letter.from) {
            return [None, None];
        }
        match &letter.message {
            Message::AppendRequest { entries, commit, .. } => self.heard(|| self.request(entries, commit.number())),
            Message::InstallSnapshot { last, .. } => self.heard(|| self.snapshot(*last)),
            Message::VoteRequest { last, transfer } => [Some(self.vote(*last, *transfer)), None],
            Message::AppendReply { matched, .. } => [self.reply(matched.number()), None],
            Message::AppendRefusal { missing, hint, .. } => [self.refusal(missing.number(), *hint), None],
            _ => [None, None],
        }
    }

    /// A leader is heard, whose term may be an older one; the rest depends on what it says.
    fn heard(&self, rest: impl FnOnce() -> Part) -> [Option<Part>; 2] {
        let Scene { node, letter, .. } = *self;
        let role = node.role().name();
        if letter.term < node.term() {
            let stale = Case::Stale { role, leader: self.who(node.leader()), sticky: node.is_sticky() };
            return [Some(Part::plain(stale)), None];
        }
        let newer = node.term() < letter.term;
        if role == RoleName::Leader && !newer {
            return [None, None];
        }
        let follows = Part::plain(Case::Follows { role, ends: newer && self.ends(), newer });
        [Some(follows), Some(rest())]
    }

    fn request(&self, entries: &Slice<Tag>, commit: u64) -> Part {
        let Scene { node, row, .. } = *self;
        let (previous, last) = (entries.previous(), row.len() as u64);
        let before = previous.index.number();
        if self.holds(previous) {
            let held = entries.entries().iter().take_while(|entry| self.holds(entry.position)).count() as u64;
            let end = entries.last().index.number();
            Part::ordered([0, before, end, last, node.commit().number(), commit, before + held], Case::Taken)
        } else {
            // What was compacted is in its leader's log, too.
            Part::ordered([0, before, last, self.within(previous).max(self.base())], Case::Refused)
        }
    }

    fn snapshot(&self, last: Position) -> Part {
        let Scene { node, row, .. } = *self;
        let numbers = [0, last.index.number(), row.len() as u64, node.commit().number()];
        Part::ordered(numbers, |order| Case::Snapshot { holds: self.holds(last), order })
    }

    fn reply(&self, told: u64) -> Option<Part> {
        let Scene { node, row, letter } = *self;
        let Role::Leader { progress, transfer, .. } = node.role() else { return None };
        let (last, term) = (row.len() as u64, node.term());
        // What is not so cannot have been said: nobody acknowledges what its leader lacks.
        if letter.term != term || last < told {
            return None;
        }
        let known = progress.get(letter.from)?;
        let own = letter.from == node.id();
        // Nothing is ever sent to itself, so its own next entry does not count.
        let sent = if own { 0 } else { known.next.previous().number() };
        let earlier = row.iter().filter(|earlier| **earlier < term.number()).count() as u64;
        let holds = |(id, it): (ServerId, Progress)| {
            let holds = it.matched.number();
            if id == letter.from { holds.max(told) } else { holds }
        };
        let reached = |index: &u64| progress.len() < 2 * progress.iter().filter(|it| *index <= holds(*it)).count();
        let majority = progress.iter().map(holds).filter(reached).max()?;
        let transfer = match transfer {
            None => Transfer::Nobody,
            Some(target) if *target == letter.from => Transfer::ToSender,
            Some(target) => Transfer::ToOther { ready: progress.get(*target)?.matched.number() == last },
        };
        let gone = !own && sent.max(told) < self.base();
        let numbers = [0, last, node.commit().number(), told, known.matched.number(), sent, earlier, majority];
        Some(Part::ordered(numbers, |order| Case::Reply { own, transfer, gone, order }))
    }

    fn refusal(&self, missing: u64, hint: Position) -> Option<Part> {
        let Scene { node, row, letter } = *self;
        let Role::Leader { progress, .. } = node.role() else { return None };
        if letter.term != node.term() || letter.from == node.id() {
            return None;
        }
        let known = progress.get(letter.from)?;
        let (matched, sent) = (known.matched.number(), known.next.previous().number());
        let (within, last, base) = (self.within(hint), row.len() as u64, self.base());
        let numbers = [0, last, node.commit().number(), missing, matched, sent, within];
        if base <= within.max(matched) {
            return Some(Part::ordered(numbers, |order| Case::Refusal { gone: false, order }));
        }
        let [start, _, commit, ..] = numbers;
        let numbers = [start, last, commit, missing, matched, sent, within, base - 1];
        Some(Part::ordered(numbers, |order| Case::Refusal { gone: true, order }))
    }

    fn vote(&self, last: Position, transfer: bool) -> Part {
        let Scene { node, letter, .. } = *self;
        let term = letter.term.cmp(&node.term());
        let role = node.role().name();
        let ends = term == Ordering::Greater && self.ends();
        // A newer term begins without a vote, and in an older one none is given.
        let vote = node.vote().filter(|_| term == Ordering::Equal);
        let vote = vote.map_or(Who::Nobody, |vote| if vote == letter.from { Who::Sender } else { Who::Other });
        let ours = (self.row.last().copied().unwrap_or_default(), self.row.len() as u64);
        let log = (last.term.number(), last.index.number()).cmp(&ours);
        let (leader, sticky) = (self.who(node.leader()), node.is_sticky());
        Part::plain(Case::Vote { role, ends, leader, sticky, transfer, term, vote, log })
    }

    /// How many entries are compacted.
    fn base(&self) -> u64 {
        self.node.log().base().index.number()
    }

    /// Whether the service must be told that a leadership ends: it relied on it.
    fn ends(&self) -> bool {
        let commit = self.node.commit().number();
        let relied_on = 0 < commit && self.term_at(commit) == Some(self.node.term().number());
        relied_on && matches!(self.node.role(), Role::Leader { transfer: None, .. })
    }

    fn term_at(&self, index: u64) -> Option<u64> {
        index.checked_sub(1).map_or(Some(0), |at| self.row.get(at as usize).copied())
    }

    fn holds(&self, position: Position) -> bool {
        self.term_at(position.index.number()) == Some(position.term.number())
    }

    /// The last entry that stands neither after this place nor has a later term.
    fn within(&self, bound: Position) -> u64 {
        let last = bound.index.number().min(self.row.len() as u64);
        let is_within = |index: &u64| self.term_at(*index).is_some_and(|term| term <= bound.term.number());
        (0..=last).rev().find(is_within).unwrap_or_default()
    }

    fn who(&self, id: Option<ServerId>) -> Who {
        match id {
            None => Who::Nobody,
            Some(id) if id == self.node.id() => Who::Itself,
            Some(id) if id == self.letter.from => Who::Sender,
            Some(_) => Who::Other,
        }
    }

    /// What a step did, as far as this case decides it.
    pub(crate) fn told(&self, part: &Part, stepped: Option<(&Node, &Effects<Tag>)>) -> Outcome {
        let mut outcome = Outcome::default();
        let Some((became, effects)) = stepped else {
            outcome.push(Sign::Panics);
            return outcome;
        };
        let mut teller = Teller { scene: self, part, became, outcome };
        let of_term = |record: &&Record<Tag>| matches!(record, Record::Term(_));
        let records = effects.records();
        match part.case {
            Case::Follows { .. } => {
                teller.role();
                teller.records(records.iter().take_while(of_term));
                teller.outputs(effects.early());
            }
            Case::Refused(_) | Case::Taken(_) | Case::Snapshot { .. } => {
                teller.records(records.iter().skip_while(of_term));
                teller.disk(records);
                teller.commit();
                teller.outputs(effects.after_sync());
            }
            Case::Stale { .. } | Case::Reply { .. } | Case::Refusal { .. } | Case::Vote { .. } => {
                match part.case {
                    Case::Reply { own, .. } => teller.progress(own),
                    Case::Refusal { .. } => teller.progress(false),
                    _ => teller.role(),
                }
                teller.records(records.iter());
                teller.disk(records);
                teller.commit();
                teller.outputs(effects.early());
                teller.say(Sign::Flush);
                teller.outputs(effects.after_sync());
            }
        }
        teller.outcome
    }
}

/// Finds the words for one step.
struct Teller<'a> {
    scene: &'a Scene<'a>,
    part: &'a Part,
    became: &'a Node,
    outcome: Outcome,
}

impl Teller<'_> {
    fn say(&mut self, sign: Sign) {
        self.outcome.push(sign);
    }

    fn say_if(&mut self, is_so: bool, sign: Sign) {
        self.say(if is_so { sign } else { Sign::Unnamed });
    }

    /// A number by its first place in the order.
    fn number(&mut self, index: Index, sign: impl FnOnce(u8) -> Sign) {
        let Numbers { count, values } = &self.part.numbers;
        let place = values[..*count].iter().position(|value| *value == index.number());
        self.say(place.map_or(Sign::Unnamed, |place| sign(place as u8)));
    }

    /// The same for an entry, which must be the log's own.
    fn entry(&mut self, position: Position, sign: impl FnOnce(u8) -> Sign) {
        if self.scene.holds(position) {
            self.number(position.index, sign);
        } else {
            self.say(Sign::Unnamed);
        }
    }

    fn who(&mut self, id: ServerId, sign: impl FnOnce(Who) -> Sign) {
        let who = self.scene.who(Some(id));
        let target = if let Role::Leader { transfer, .. } = self.scene.node.role() { *transfer } else { None };
        let known = who != Who::Other || [target, self.scene.node.leader()].contains(&Some(id));
        self.say_if(known, sign(who));
    }

    fn role(&mut self) {
        let role = self.became.role();
        match role {
            Role::Follower { leader, sticky } => {
                self.say(Sign::Role(RoleName::Follower));
                match leader {
                    Some(leader) => self.who(*leader, Sign::Leader),
                    None => self.say(Sign::Leader(Who::Nobody)),
                }
                self.say(Sign::Sticky(*sticky));
            }
            _ => self.say_if(role == self.scene.node.role(), Sign::Role(role.name())),
        }
    }

    /// What a leader knows of who answered; the rest stays as it is.
    fn progress(&mut self, own: bool) {
        let from = self.scene.letter.from;
        let (
            Role::Leader { progress, heard, transfer, .. },
            Role::Leader { progress: known, heard: old, transfer: target, .. },
        ) = (self.became.role(), self.scene.node.role())
        else {
            return self.say(Sign::Unnamed);
        };
        let of_others = |known: &(ServerId, Progress)| known.0 != from;
        let stays = progress.iter().filter(of_others).eq(known.iter().filter(of_others)) && transfer == target;
        let hears: ServerSet = old.ids().chain([from]).collect();
        self.say_if(stays && *heard == hears, Sign::Role(RoleName::Leader));
        let Some(it) = progress.get(from) else { return self.say(Sign::Unnamed) };
        self.number(it.matched, Sign::Matched);
        if !own {
            self.number(it.next.previous(), Sign::NextAfter);
        }
    }

    fn commit(&mut self) {
        let (before, after) = (self.scene.node.commit(), self.became.commit());
        match self.part.case {
            Case::Taken(_) | Case::Reply { .. } | Case::Refusal { .. } | Case::Snapshot { .. } => {
                self.number(after, Sign::Commit);
            }
            // Where the commit index is not among the numbers, it stays.
            _ => self.say_if(before == after, Sign::CommitStays),
        }
    }

    fn records<'r>(&mut self, records: impl Iterator<Item = &'r Record<Tag>>) {
        let mut appended: Option<Index> = None;
        for record in records {
            match record {
                Record::Term(term) => self.say_if(*term == self.scene.letter.term, Sign::Term),
                Record::Vote(candidate) => self.who(*candidate, Sign::Vote),
                Record::Truncate { keep } => self.number(*keep, Sign::TruncatesAfter),
                Record::Append(entry) => {
                    let index = entry.position.index;
                    if appended.is_none() {
                        self.number(index.previous(), Sign::AppendsAfter);
                    }
                    let is_sent = self.sent_entry(index) == Some(entry);
                    if !is_sent || appended.is_some_and(|before| before.next() != index) {
                        self.say(Sign::Unnamed);
                    }
                    appended = Some(index);
                }
                Record::Restore { last } => self.say_if(self.arrives(*last), Sign::Restores),
                Record::Compact { .. } | Record::Repair(_) => self.say(Sign::Unnamed),
            }
        }
        if let Some(last) = appended {
            self.number(last, Sign::AppendsTo);
        }
    }

    /// Whether a snapshot arrives that ends so.
    fn arrives(&self, end: Position) -> bool {
        matches!(self.scene.letter.message, Message::InstallSnapshot { last, .. } if last == end)
    }

    /// The entry of the message that stands at this place.
    fn sent_entry(&self, index: Index) -> Option<&rafttree_model::Entry<Tag>> {
        let Message::AppendRequest { entries, .. } = &self.scene.letter.message else { return None };
        let at = index.number().checked_sub(entries.previous().index.number() + 1)?;
        entries.entries().get(at as usize)
    }

    /// Whatever is not told is as before, with the records applied.
    fn disk(&mut self, records: &[Record<Tag>]) {
        let before = self.scene.node.durable();
        let is_so = if records.is_empty() {
            before == self.became.durable()
        } else {
            let mut durable: Durable = before.clone();
            records.iter().for_each(|record| durable.apply(record));
            durable == *self.became.durable()
        };
        if !is_so {
            self.say(Sign::Unnamed);
        }
    }

    fn outputs(&mut self, outputs: &[Output]) {
        for output in outputs {
            match output {
                Output::Send(envelope) => self.sent(envelope),
                Output::Restart(timers) => self.say(Sign::Restarts(*timers)),
                Output::Committed(index) => self.number(*index, Sign::Commits),
                Output::Heard { follower, .. } => self.who(*follower, Sign::Heard),
                // No conjunct is about rounds, and nothing but what is told of them depends on them.
                Output::Round { .. } | Output::Confirmed(_) => {}
                Output::Leading(term) => self.say_if(*term == self.became.term(), Sign::Leads),
                Output::Yielded(term) => self.say_if(*term == self.scene.node.term(), Sign::Yields),
                Output::Restored(last) => self.say_if(self.arrives(*last), Sign::TakesOver),
                Output::Accepted(_) | Output::Refused => self.say(Sign::Unnamed),
            }
        }
    }

    fn sent(&mut self, envelope: &Envelope<Range>) {
        let is_own = envelope.from == self.scene.node.id() && envelope.term == self.became.term();
        if !is_own {
            return self.say(Sign::Unnamed);
        }
        self.who(envelope.to, Sign::To);
        let (is_gone, base) = (self.part.case.is_gone(), self.scene.node.log().base());
        match envelope.message {
            Message::InstallSnapshot { last, .. } => self.say_if(is_gone && last == base, Sign::Snapshot),
            Message::AppendRequest { entries: Range { previous, last }, commit, .. } if is_gone => {
                self.say_if(previous == base && last == base, Sign::BehindBase);
                self.number(commit, Sign::Committed);
            }
            Message::AppendRequest { entries: Range { previous, last }, commit, .. } => {
                self.entry(previous, Sign::EntriesAfter);
                self.entry(last, Sign::EntriesTo);
                self.number(commit, Sign::Committed);
            }
            Message::AppendReply { matched, .. } => self.number(matched, Sign::Acknowledges),
            Message::AppendRefusal { missing, hint, .. } => {
                self.number(missing, Sign::Lacks);
                self.entry(hint, Sign::Hint);
            }
            Message::VoteReply { granted } => self.say(Sign::Grants(granted)),
            Message::Stale => self.say(Sign::Stale),
            Message::TimeoutNow => self.say(Sign::TimeoutNow),
            _ => self.say(Sign::Unnamed),
        }
    }
}

impl Stepper {
    pub(crate) fn new(step_by: StepBy) -> Stepper {
        Stepper { step_by, became: None, effects: Effects::new() }
    }

    /// What the message makes of the server, and what effects it has; none, if that panics.
    pub(crate) fn step(&mut self, node: &Node, letter: &Envelope<Slice<Tag>>) -> Option<(&Node, &Effects<Tag>)> {
        let Stepper { step_by, became, effects } = self;
        effects.done();
        let became = became.get_or_insert_with(|| node.clone());
        became.clone_from(node);
        let step = AssertUnwindSafe(|| step_by(became, Event::Receive(letter.clone()), effects));
        if catch_unwind(step).is_err() {
            *self = Stepper::new(self.step_by);
            return None;
        }
        let Stepper { became, effects, .. } = self;
        became.as_ref().map(|became| (became, &*effects))
    }
}
