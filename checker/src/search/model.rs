//! Any Stateright model as a space.

use std::fmt;
use std::hash::Hash;

use stateright::{Expectation, Model, Property};

use crate::search::fingerprint::fingerprint;
use crate::search::space::{Bits, Judgement, Space};

/// Any Stateright model. Its properties have their bits in the order in which it lists them:
/// `always` ones may be broken, `sometimes` ones may be met.
///
/// This is the one place where another crate's types stand in the interface: the model's trait is
/// Stateright's, so its version is that of this crate.
pub struct OfModel<M: Model> {
    model: M,
    properties: Vec<Property<M>>,
    kinds: usize,
    kind: fn(&M::Action) -> usize,
}

/// Why a model cannot be searched.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Unsuitable {
    /// `eventually` speaks of paths, and a search that visits each state once sees no paths.
    SpeaksOfPaths(&'static str),
    /// More than the bits of a set.
    TooManyProperties(usize),
}

impl fmt::Display for Unsuitable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsuitable::SpeaksOfPaths(name) => {
                write!(f, "'{name}' is an 'eventually' property: it speaks of paths, and this search of states only")
            }
            Unsuitable::TooManyProperties(count) => {
                write!(f, "the model has {count} properties, and a set of them holds {}", Bits::BITS)
            }
        }
    }
}

impl std::error::Error for Unsuitable {}

impl<M: Model> OfModel<M> {
    /// All actions are of one kind.
    pub fn new(model: M) -> Result<OfModel<M>, Unsuitable> {
        let properties = model.properties();
        if let Some(path) = properties.iter().find(|property| property.expectation == Expectation::Eventually) {
            return Err(Unsuitable::SpeaksOfPaths(path.name));
        }
        if properties.len() > Bits::BITS as usize {
            return Err(Unsuitable::TooManyProperties(properties.len()));
        }
        Ok(OfModel { model, properties, kinds: 1, kind: |_| 0 })
    }

    /// The same model, its actions counted by kind.
    pub fn with_kinds(self, kinds: usize, kind: fn(&M::Action) -> usize) -> OfModel<M> {
        OfModel { kinds, kind, ..self }
    }

    /// The names of the properties of a set.
    pub fn names(&self, set: Bits) -> Vec<&'static str> {
        let held = self.properties.iter().enumerate().filter(|(bit, _)| set & (1 << bit) != 0);
        held.map(|(_, property)| property.name).collect()
    }
}

impl<M> Space for OfModel<M>
where
    M: Model + Sync,
    M::State: Clone + Hash + Send + Sync,
    M::Action: Clone + Send + Sync,
{
    type State = M::State;
    type Action = M::Action;
    /// The actions of the state at hand.
    type Worker = Vec<M::Action>;

    fn worker(&self) -> Vec<M::Action> {
        Vec::new()
    }

    fn starts(&self) -> Vec<M::State> {
        let mut starts = self.model.init_states();
        starts.retain(|state| self.model.within_boundary(state));
        starts
    }

    fn expand(
        &self,
        actions: &mut Vec<M::Action>,
        state: &M::State,
        visit: &mut dyn FnMut(M::Action, M::State, Judgement),
    ) {
        self.model.actions(state, actions);
        for action in actions.drain(..) {
            let next = self.model.next_state(state, action.clone());
            if let Some(next) = next.filter(|next| self.model.within_boundary(next)) {
                visit(action, next, Judgement::default());
            }
        }
    }

    fn judge(&self, _: &mut Vec<M::Action>, state: &M::State) -> Judgement {
        let mut judgement = Judgement::default();
        for (bit, property) in self.properties.iter().enumerate() {
            match (&property.expectation, (property.condition)(&self.model, state)) {
                (Expectation::Always, false) => judgement.broken |= 1 << bit,
                (Expectation::Sometimes, true) => judgement.met |= 1 << bit,
                _ => {}
            }
        }
        judgement
    }

    fn fingerprint(&self, state: &M::State, seed: u64) -> u128 {
        fingerprint(state, seed)
    }

    fn kinds(&self) -> usize {
        self.kinds
    }

    fn kind(&self, action: &M::Action) -> usize {
        (self.kind)(action)
    }
}
