//! A walk through a system: what has happened, and what can happen next.
//!
//! A place is named by the numbers of the steps that led to it, each among those that were possible
//! where it was taken: so a link to it says everything.

use serde::Serialize;

use crate::explorer::walked::{Told, Walked};
use crate::trace::render::Chart;

/// Where walks go, and what they may follow.
pub(crate) struct Walk<W: Walked> {
    pub(crate) title: String,
    pub(crate) system: W,
    /// The actions of a trace, to be followed.
    pub(crate) trace: Vec<W::Action>,
}

/// A place in a walk.
pub(crate) struct Place<W: Walked> {
    pub(crate) path: Vec<usize>,
    pub(crate) steps: Vec<W::Step>,
}

/// Something that can happen next.
#[derive(Serialize)]
pub(crate) struct Choice {
    /// Its number among all that can happen, from 0.
    pub(crate) number: usize,
    #[serde(flatten)]
    pub(crate) told: Told,
}

impl<W: Walked> Walk<W> {
    /// The place to which these numbers lead.
    pub(crate) fn place(&self, path: &[usize]) -> Result<Place<W>, String> {
        let mut place = Place { path: Vec::new(), steps: Vec::new() };
        for &number in path {
            let mut possible = self.system.steps(&self.state(&place));
            if possible.len() <= number {
                return Err(format!(
                    "step {} is number {number}, and {} actions are possible there",
                    place.path.len() + 1,
                    possible.len()
                ));
            }
            place.path.push(number);
            place.steps.push(possible.swap_remove(number));
        }
        Ok(place)
    }

    /// The place after these actions from here on.
    pub(crate) fn after(&self, from: &Place<W>, actions: &[W::Action]) -> Result<Place<W>, String> {
        let mut place = Place { path: from.path.clone(), steps: from.steps.clone() };
        for action in actions {
            let possible = self.system.steps(&self.state(&place)).into_iter().enumerate();
            let found = { possible }.find(|(_, step)| self.system.action(step) == action);
            let (number, step) = found.ok_or_else(|| format!("step {} cannot happen there", place.path.len() + 1))?;
            place.path.push(number);
            place.steps.push(step);
        }
        Ok(place)
    }

    /// The state there.
    pub(crate) fn state(&self, place: &Place<W>) -> W::State {
        place.steps.last().map_or_else(|| self.system.start(), |step| self.system.state(step).clone())
    }

    /// What can happen next.
    pub(crate) fn choices(&self, place: &Place<W>) -> Vec<Choice> {
        let state = self.state(place);
        let possible = self.system.steps(&state).into_iter().enumerate();
        possible.map(|(number, step)| Choice { number, told: self.system.told(&state, &step) }).collect()
    }

    /// What the trace does next, where a place is on its way.
    pub(crate) fn next_of_trace(&self, place: &Place<W>) -> Option<&[W::Action]> {
        let done = place.steps.len();
        let is_on_it = place.steps.iter().map(|step| self.system.action(step)).eq(self.trace.iter().take(done));
        (is_on_it && done < self.trace.len()).then(|| &self.trace[done..])
    }

    pub(crate) fn chart(&self, place: &Place<W>) -> Chart {
        self.system.chart(&self.title, &place.steps)
    }
}
