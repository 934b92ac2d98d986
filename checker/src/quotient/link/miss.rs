//! A miss: what a search has reached and the class of the invariant does not have, for a person to read.

use rafttree_model::Members;

use crate::inductive::history::History;
use crate::quotient::link::explained::Fault;
use crate::quotient::state::State;
use crate::trace::language::Picture;

/// Something that is not in the class.
#[derive(Clone, Debug)]
pub(crate) struct Miss {
    faults: Vec<Fault>,
    what: String,
    /// The history beside which it was looked up; none, if none explains the state.
    history: Option<History>,
    /// The term of the entry that stands for all that every server knows to be committed.
    base: u8,
}

impl Miss {
    pub(super) fn new(faults: impl IntoIterator<Item = Fault>, what: String, history: History, base: u8) -> Box<Miss> {
        Box::new(Miss { faults: faults.into_iter().collect(), what, history: Some(history), base })
    }

    /// No history explains this state.
    pub(super) fn of_state(fault: Fault, state: &State) -> Box<Miss> {
        let what = "the state as a whole".to_owned();
        Box::new(Miss { faults: vec![fault], what, history: None, base: state.base })
    }

    /// What is missed beside what, and which conjuncts say so.
    pub(crate) fn lines(&self) -> Vec<String> {
        let history = self.history.map_or("no history that was found explains it".to_owned(), |it| it.to_string());
        let mut lines =
            vec![format!("not in the class of the invariant: {}", self.what), format!("history: {history}")];
        if self.base != 0 {
            lines.push(
                "the first entry of each log in history stands for all that every server knows to be committed".into(),
            );
        }
        lines.extend(self.faults.iter().map(|Fault { id, says }| format!("    BROKEN: {id}: {says}")));
        lines
    }

    /// The same with the state that it is missed in.
    pub(crate) fn story(&self, state: &State, members: Members) -> Vec<String> {
        let picture = Picture(&state.world(members)).to_string();
        let state = picture.lines().map(|line| format!("    {line}"));
        ["where that leads, under the names of the search, and with terms that begin at 1:".to_owned()]
            .into_iter()
            .chain(state)
            .chain(self.lines())
            .collect()
    }
}
