//! The quotient as a space to search, and as a Stateright model.

use std::hash::Hasher;
use std::sync::PoisonError;

use stateright::Model;

use crate::checks;
use crate::properties::witness::Witness;
use crate::properties::{Property, PropertySet};
use crate::quotient::packed::Packed;
use crate::quotient::server::{Part, Seat, term_of};
use crate::quotient::settings::Quotient;
use crate::quotient::simulation::Simulation;
use crate::quotient::state::{Reach, State};
use crate::quotient::successors::{CUT_OFF, KINDS, Move, Worker};
use crate::search::tasks::Tasks;
use crate::search::{Bits, Fingerprinter, Identity, Judgement, Space};
use crate::system::Action;
use crate::verdict::{Checked, Linked};

impl Space for Quotient {
    type State = Packed;
    type Action = Move;
    type Worker = Worker;

    fn worker(&self) -> Worker {
        self.new_worker()
    }

    fn starts(&self) -> Vec<Packed> {
        vec![Packed::new(&self.start())]
    }

    fn expand(&self, worker: &mut Worker, state: &Packed, visit: &mut dyn FnMut(Move, Packed, Judgement)) {
        self.moves(worker, &state.state(), &mut |step, next, broken, met| {
            visit(step, Packed::new(&next), Judgement { broken: broken.bits(), met: met.into() });
        });
    }

    fn judge(&self, worker: &mut Worker, state: &Packed) -> Judgement {
        let state = state.state();
        worker.note(self, &state);
        let mut broken = checks::broken_in(&state.world(self.members));
        if self.is_linked() {
            broken.insert_unless(
                worker.link.look_up(&state, |state, offers| self.offer_all(state, offers)).is_ok(),
                Property::InClass,
            );
        }
        broken.keep(self.watched);
        Judgement { broken: broken.bits(), met: state.witnesses() }
    }

    fn fingerprint(&self, state: &Packed, seed: u64) -> u128 {
        let mut hasher = Fingerprinter::new(seed);
        state.words().iter().for_each(|word| hasher.write_u64(*word));
        hasher.fingerprint()
    }

    fn broken_by_panic(&self) -> Bits {
        PropertySet::from_iter([Property::Totality]).bits()
    }

    fn kinds(&self) -> usize {
        KINDS.len() + 1
    }

    fn kind(&self, action: &Move) -> usize {
        action.kind()
    }

    fn count_offers(&self, worker: &mut Worker, offered: &mut [u64]) {
        worker.take_offered().into_iter().zip(offered).for_each(|(new, total)| *total += new);
        worker.tell_linked(self);
    }

    fn identity(&self) -> Option<Identity> {
        let Quotient {
            ground,
            members,
            reach,
            forgets_logs,
            proposals,
            snapshots,
            damages,
            leases,
            watched,
            symmetric,
            narrowed,
            reached: _,
            linked: _,
        } = self;
        let Reach { spread, window, absolute, damages: _ } = reach;
        let properties: Vec<_> = watched.iter().map(Property::id).collect();
        let identity = Identity::default()
            .with("mutant", ground.mutant)
            .with("servers", members.ids().len())
            .with("spread of terms", spread)
            .with("window of logs", window)
            .with("terms from the beginning", absolute)
            .with("logs forgotten", forgets_logs)
            .with("commands", proposals)
            .with("snapshots", snapshots)
            .with("damaged disks", damages)
            .with("leases", leases)
            .with("names count", !symmetric)
            .with("class of the invariant without", narrowed.map_or("nothing".into(), |it| format!("{it:?}")))
            .with("properties", properties.join(" "));
        Some(identity)
    }

    fn encode(&self, state: &Packed, out: &mut Vec<u8>) {
        out.push(state.words().len() as u8);
        state.words().iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    }

    fn decode(&self, bytes: &mut &[u8]) -> Option<Packed> {
        let (&count, rest) = bytes.split_first()?;
        let (words, rest) = rest.split_at_checked(usize::from(count) * 8)?;
        *bytes = rest;
        let words: Vec<u64> = words.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        Packed::from_words(&words)
    }

    fn encode_gathered(&self, out: &mut Vec<u8>) {
        let reached = self.reached();
        out.extend_from_slice(&(reached.len() as u64).to_le_bytes());
        for (seat, id, base) in reached {
            out.extend_from_slice(&seat.0.to_le_bytes());
            out.extend_from_slice(&[id, base]);
        }
        self.linked.lock().unwrap_or_else(PoisonError::into_inner).encode(out);
    }

    fn decode_gathered(&self, bytes: &[u8]) -> Option<()> {
        let (count, rest) = bytes.split_first_chunk()?;
        let (reached, rest) =
            rest.split_at_checked(usize::try_from(u64::from_le_bytes(*count)).ok()?.checked_mul(10)?)?;
        let compact = |[seat @ .., id, base]: &[u8; 10]| (Seat(u64::from_le_bytes(*seat)), *id, *base);
        self.note(reached.as_chunks::<10>().0.iter().map(compact));
        self.linked.lock().unwrap_or_else(PoisonError::into_inner).decode(rest)
    }
}

impl Checked for Quotient {
    fn kind_names(&self) -> Vec<&'static str> {
        KINDS.into_iter().chain([CUT_OFF]).collect()
    }

    fn local_simulation(&self) -> Option<Box<dyn Tasks + '_>> {
        Some(Box::new(Simulation::new(self)))
    }

    fn concretised(&self, path: &[Move], must_break: bool) -> Result<Vec<Action>, String> {
        self.concretised(path, must_break)
    }

    /// What is in no class breaks nothing in the concrete system.
    fn story(&self, path: &[Move], broken: PropertySet) -> Option<Vec<String>> {
        (broken == PropertySet::from_iter([Property::InClass])).then(|| self.missed(path))
    }

    fn linked(&self) -> Option<Linked> {
        self.is_linked().then(|| Quotient::linked(self))
    }
}

impl State {
    /// The witnesses of a state, one bit each.
    fn witnesses(&self) -> Bits {
        let terms: Vec<u8> = [self.base].into_iter().chain(self.committed.iter().map(term_of)).collect();
        let later = terms.windows(2).any(|pair| 0 < pair[0] && pair[0] < pair[1]);
        let met = [
            (self.has_leader(), Witness::Leader),
            (self.is_split(), Witness::SplitVote),
            (later, Witness::LaterCommit),
            (self.is_leased(), Witness::Lease),
            (self.is_leased() && self.is_known_in_newer_term(), Witness::LeaseInNewerTerm),
        ];
        met.into_iter().filter(|(holds, _)| *holds).map(|(_, witness)| 1 << witness as u8).sum()
    }

    /// Whether somebody leads.
    pub(crate) fn has_leader(&self) -> bool {
        self.seats().any(|(_, seat)| seat.is(Part::Leader))
    }

    /// A majority has answered the round that a lease is counted from.
    fn is_leased(&self) -> bool {
        self.holder != 0 && self.is_majority_with(self.holder, self.counted())
    }

    /// A lease counts on a server that has learned of a newer term since.
    fn is_known_in_newer_term(&self) -> bool {
        self.seats().any(|(_, seat)| seat.is_counted() && self.seat(self.holder).term() < seat.term())
    }

    /// §5.2: everyone voted in this term, and no candidate can get a majority.
    pub(crate) fn is_split(&self) -> bool {
        let term = self.seats[0].term();
        let votes_for = |id: u8| self.seats().filter(|(_, seat)| seat.vote() == id).count();
        let voted = |seat: Seat| seat.term() == term && seat.vote() != 0;
        self.seats().all(|(_, seat)| voted(seat))
            && self.seats().any(|(_, seat)| seat.is(Part::Candidate))
            && self.ids().all(|id| 2 * votes_for(id) <= usize::from(self.servers))
    }
}

/// The quotient as Stateright sees it: its own searches reach the same states.
impl Model for Quotient {
    type State = Packed;
    type Action = Move;

    fn init_states(&self) -> Vec<Packed> {
        self.starts()
    }

    fn actions(&self, state: &Packed, actions: &mut Vec<Move>) {
        self.moves(&mut self.new_worker(), &state.state(), &mut |step, _, _, _| actions.push(step));
    }

    fn next_state(&self, state: &Packed, action: Move) -> Option<Packed> {
        let mut found = None;
        self.moves(&mut self.new_worker(), &state.state(), &mut |step, next, _, _| {
            if step == action {
                found.get_or_insert(Packed::new(&next));
            }
        });
        found
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        vec![stateright::Property::always("every watched property", |quotient: &Quotient, state: &Packed| {
            quotient.judge(&mut quotient.new_worker(), state).broken == 0
        })]
    }
}
