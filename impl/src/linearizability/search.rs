//! The search for an order in which every operation gives the answer that it gave.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::register::{Guard, Number, Register, Step};

/// The end of a search.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// There is an order.
    Order,
    /// No order explains this answer and all before it.
    Nothing {
        /// The place of the answer, in the order of answers.
        answer: usize,
        /// The values that orders of what was answered before it leave.
        values: BTreeSet<Number>,
    },
    /// More was to be tried than was allowed.
    Limit,
}

/// Operations that took effect, and the value after them.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Configuration {
    /// All that were answered before this one took effect.
    answered: usize,
    /// Those of later answers that took effect. Sorted.
    ahead: Vec<usize>,
    value: Number,
}

/// What took effect without an answer. Sorted.
type Unanswered = Vec<usize>;

type Candidate = (Configuration, Unanswered);

/// Which configurations are tried first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// Those that have come furthest: quick where there is an order, mostly.
    Furthest,
    /// Those that have come least far: so none is tried that adds nothing to a later one, and it takes as
    /// long whether there is an order or none.
    Nearest,
}

pub(super) struct Search<'a> {
    register: &'a Register,
    /// For each answer: those of it and later ones whose call was before it.
    open: Vec<Vec<usize>>,
    /// Those without an answer by the values that they set, in the order of their calls.
    setting: HashMap<Number, Vec<usize>>,
    /// From when on wild values may be set.
    wild: HashMap<Number, u64>,
    /// What was tried. Fewer operations without an answer leave more to choose from, since none of them must
    /// take effect: so a configuration with more is not tried again.
    tried: HashMap<Configuration, Vec<Unanswered>>,
    /// What is to be tried, the first first: by how far it is, and by the number of operations without an answer.
    to_try: BTreeMap<(i64, usize), Vec<Candidate>>,
    order: Order,
    /// How far any configuration has come, and the values there.
    furthest: usize,
    values: BTreeSet<Number>,
    /// How many configurations were tried.
    pub(super) count: u64,
}

impl<'a> Search<'a> {
    pub(super) fn new(register: &'a Register, order: Order) -> Search<'a> {
        let mut setting: HashMap<Number, Vec<usize>> = HashMap::new();
        for (place, step) in register.unknown.iter().enumerate() {
            step.effect.into_iter().for_each(|value| setting.entry(value).or_default().push(place));
        }
        Search {
            register,
            open: open(&register.answered),
            setting,
            wild: register.wild.iter().map(|&(call, value)| (value, call)).collect(),
            tried: HashMap::new(),
            to_try: BTreeMap::new(),
            order,
            furthest: 0,
            values: BTreeSet::new(),
            count: 0,
        }
    }

    /// Searches until there is an order, nothing is left, or so many configurations were tried.
    pub(super) fn run(&mut self, limit: u64) -> Found {
        self.reach(Configuration { answered: 0, ahead: Vec::new(), value: 0 }, Unanswered::new());
        while let Some((configuration, unanswered)) = self.next() {
            if configuration.answered == self.register.answered.len() {
                return Found::Order;
            }
            if self.count == limit {
                return Found::Limit;
            }
            self.count += 1;
            self.try_what_was_not_answered(&configuration, &unanswered);
            self.try_what_was_answered(&configuration, &unanswered);
        }
        Found::Nothing { answer: self.furthest, values: std::mem::take(&mut self.values) }
    }

    fn next(&mut self) -> Option<Candidate> {
        let mut first = self.to_try.first_entry()?;
        let next = first.get_mut().pop();
        if first.get().is_empty() {
            first.remove();
        }
        next
    }

    /// Notes a configuration as one to be tried, unless that adds nothing.
    fn reach(&mut self, mut configuration: Configuration, unanswered: Unanswered) {
        self.settle(&mut configuration);
        if self.furthest < configuration.answered {
            self.furthest = configuration.answered;
            self.values.clear();
        }
        if self.furthest == configuration.answered {
            self.values.insert(configuration.value);
        }
        let tried = self.tried.entry(configuration.clone()).or_default();
        if tried.iter().any(|fewer| is_subset(fewer, &unanswered)) {
            return;
        }
        tried.push(unanswered.clone());
        let distance = configuration.answered as i64;
        let turn = match self.order {
            Order::Furthest => -distance,
            Order::Nearest => distance,
        };
        self.to_try.entry((turn, unanswered.len())).or_default().push((configuration, unanswered));
    }

    /// Lets everything take effect that changes nothing and fits: it need not wait. Then goes on to the first
    /// answer whose operation has not taken effect.
    fn settle(&self, configuration: &mut Configuration) {
        let Configuration { answered, ahead, value } = configuration;
        while let Some(open) = self.open.get(*answered) {
            for &place in open {
                let Step { guard, effect, .. } = self.register.answered[place];
                if effect.is_none() && guard.admits(*value) && !ahead.contains(&place) {
                    ahead.push(place);
                }
            }
            let before = *answered;
            while let Some(at) = ahead.iter().position(|place| place == answered) {
                ahead.swap_remove(at);
                *answered += 1;
            }
            if before == *answered {
                break;
            }
        }
        ahead.sort_unstable();
    }

    /// The operation of the next answer is tried first: what is noted last.
    fn try_what_was_answered(&mut self, from: &Configuration, unanswered: &Unanswered) {
        for at in (0..self.open[from.answered].len()).rev() {
            let place = self.open[from.answered][at];
            let Step { guard, effect, .. } = self.register.answered[place];
            if let Some(value) = effect
                && guard.admits(from.value)
                && !from.ahead.contains(&place)
            {
                let ahead = from.ahead.iter().copied().chain([place]).collect();
                self.reach(Configuration { answered: from.answered, ahead, value }, unanswered.clone());
            }
        }
    }

    /// An operation that had no answer took effect only if the next one depends on it: otherwise whatever
    /// comes is explained without it.
    fn try_what_was_not_answered(&mut self, from: &Configuration, unanswered: &Unanswered) {
        let now = self.register.answered[from.answered].end;
        for value in self.asked_for(from, unanswered, now) {
            if self.wild.get(&value).is_some_and(|&call| call <= now) {
                self.reach(Configuration { value, ..from.clone() }, unanswered.clone());
            }
            // Of those that need the same value the first is as good as any.
            let mut first = BTreeMap::new();
            for &place in self.setting.get(&value).into_iter().flatten() {
                let Step { call, guard, .. } = self.register.unknown[place];
                if call <= now && guard.admits(from.value) && unanswered.binary_search(&place).is_err() {
                    first.entry(guard).or_insert(place);
                }
            }
            for place in first.into_values() {
                let mut more = unanswered.clone();
                more.insert(more.partition_point(|&other| other < place), place);
                self.reach(Configuration { value, ..from.clone() }, more);
            }
        }
    }

    /// Other values than the present one on which an operation depends that may be the next.
    fn asked_for(&self, from: &Configuration, unanswered: &Unanswered, now: u64) -> BTreeSet<Number> {
        let Register { answered, unknown, wild, .. } = self.register;
        let open = self.open[from.answered].iter().filter(|place| !from.ahead.contains(place));
        let called = unknown.iter().enumerate().take_while(|(_, step)| step.call <= now);
        let called = called.filter(|(place, _)| unanswered.binary_search(place).is_err()).map(|(_, step)| step);
        let mut asked = BTreeSet::new();
        for step in open.map(|&place| &answered[place]).chain(called) {
            match step.guard {
                Guard::Is(value) => drop(asked.insert(value)),
                Guard::IsNot(refused) => {
                    let effects = self.setting.keys().copied().chain(wild.iter().take(2).map(|&(_, value)| value));
                    asked.extend(effects.filter(|&value| value != refused));
                }
                Guard::Any | Guard::Never => {}
            }
        }
        asked.remove(&from.value);
        asked
    }
}

/// For each answer, in their order: those of it and later ones that were called before it. Whatever was
/// called after an answer takes effect after what was answered.
fn open(answered: &[Step]) -> Vec<Vec<usize>> {
    let mut by_call: Vec<usize> = (0..answered.len()).collect();
    by_call.sort_by_key(|&place| answered[place].call);
    let (mut calls, mut open, mut at_each) = (by_call.into_iter().peekable(), BTreeSet::new(), Vec::new());
    for (place, step) in answered.iter().enumerate() {
        while let Some(called) = calls.next_if(|&other| answered[other].call <= step.end) {
            open.insert(called);
        }
        at_each.push(open.iter().copied().collect());
        open.remove(&place);
    }
    at_each
}

/// Both are sorted.
fn is_subset(fewer: &[usize], more: &[usize]) -> bool {
    let mut rest = more.iter();
    fewer.iter().all(|one| rest.any(|other| other == one))
}
