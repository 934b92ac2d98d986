//! Post: messages that have not arrived, and between whom messages pass now.

use std::sync::Arc;

use rafttree_model::ServerId;

use crate::swarm::dice::Dice;
use crate::world::{Letter, World};

/// What is under way, and who is apart. A message that waits for too long is given up; it may arrive late,
/// as any that was ever sent.
#[derive(Default)]
pub(super) struct Post {
    /// In the order in which they were sent.
    waiting: Vec<Arc<Letter>>,
    /// A bit for each server: those with the same one hear each other.
    sides: u64,
}

/// So many messages wait at most.
const MAX_WAITING: usize = 128;

/// Among so many of the latest messages, most of the time, is the next that arrives.
const LATEST: usize = 12;

impl Post {
    /// Takes in what was sent between two states.
    pub(super) fn collect(&mut self, before: &World, after: &World) {
        if Arc::ptr_eq(&before.network, &after.network) {
            return;
        }
        let mut old = before.network.iter().peekable();
        for letter in after.network.iter() {
            while old.next_if(|old| !Arc::ptr_eq(old, letter) && ***old < **letter).is_some() {}
            if old.next_if(|old| Arc::ptr_eq(old, letter) || **old == *letter).is_none() {
                self.waiting.push(Arc::clone(letter));
            }
        }
        let too_many = self.waiting.len().saturating_sub(MAX_WAITING);
        self.waiting.drain(..too_many);
    }

    /// Takes a message out that can arrive.
    pub(super) fn next(&mut self, dice: &mut Dice, world: &World) -> Option<Arc<Letter>> {
        // What names a round that nobody waits for any more is called otherwise now.
        self.waiting.retain(|letter| world.network.binary_search(letter).is_ok());
        let passing = |letter: &&Arc<Letter>| self.are_together(letter.from, letter.to);
        let passing: Vec<_> = self.waiting.iter().filter(passing).cloned().collect();
        let from = if dice.once_in(8) { 0 } else { passing.len().saturating_sub(LATEST) };
        let at = from + dice.below((passing.len() - from) as u64) as usize;
        let letter = passing.into_iter().nth(at)?;
        self.waiting.retain(|other| !Arc::ptr_eq(other, &letter));
        Some(letter)
    }

    /// Divides the group anew, or makes it whole.
    pub(super) fn divide(&mut self, dice: &mut Dice, servers: usize) {
        self.sides = if self.sides == 0 { dice.below(1 << servers) } else { 0 };
    }

    /// Leaves this server with so few others that they are no majority.
    pub(super) fn isolate(&mut self, dice: &mut Dice, servers: usize, id: ServerId) {
        self.sides = 1 << (id.number() - 1);
        for _ in 0..dice.below((servers.saturating_sub(1) / 2) as u64) {
            self.sides |= 1 << dice.below(servers as u64);
        }
    }

    /// Whether all hear all.
    pub(super) fn is_whole(&self) -> bool {
        self.sides == 0
    }

    pub(super) fn are_together(&self, one: ServerId, other: ServerId) -> bool {
        let side = |id: ServerId| self.sides >> (id.number() - 1) & 1;
        side(one) == side(other)
    }
}
