//! What a search knows at a moment at which no thread works.

use crate::search::fingerprint::Print;
use crate::search::frontier::{Frontier, Room};
use crate::search::space::{Bits, Space};
use crate::search::table::Table;

/// All that there is to be known to go on.
pub(super) struct Explored<S: Space, P> {
    pub(super) table: Table<P>,
    pub(super) frontier: Frontier<S::State>,
    pub(super) totals: Totals,
}

/// What is counted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Totals {
    pub(super) states: u64,
    /// The same by the layer that they are in.
    pub(super) layers: Vec<u64>,
    /// The layer that is being found, by expanding the one before it.
    pub(super) layer: usize,
    pub(super) transitions: u64,
    /// By kind: what was tried, and what of it changed something.
    pub(super) offered: Vec<u64>,
    pub(super) fired: Vec<u64>,
    pub(super) met: Bits,
    pub(super) broken: Bits,
}

impl<S: Space, P: Print> Explored<S, P> {
    pub(super) fn nothing(kinds: usize, room: Option<Room>) -> Explored<S, P> {
        let totals = Totals { offered: vec![0; kinds], fired: vec![0; kinds], ..Totals::default() };
        Explored { table: Table::new(), frontier: Frontier::new(room), totals }
    }
}

impl Totals {
    /// The deepest layer that anything was found in.
    pub(super) fn depth(&self) -> u64 {
        (self.layers.len() as u64).saturating_sub(1)
    }

    /// States of the layer before the one that is expanded, and of that one.
    pub(super) fn current_layers(&self) -> [u64; 2] {
        [2, 1].map(|back| self.layer.checked_sub(back).map_or(0, |at| self.layers[at]))
    }

    pub(super) fn add_states(&mut self, states: u64) {
        if 0 < states {
            self.reach_layer();
            self.layers[self.layer] += states;
            self.states += states;
        }
    }

    /// Something was found in the layer.
    pub(super) fn reach_layer(&mut self) {
        if self.layers.len() == self.layer {
            self.layers.push(0);
        }
    }
}
