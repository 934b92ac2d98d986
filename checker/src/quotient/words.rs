//! Moves in words, the verb first, as scenarios have it.

use std::fmt;

use crate::quotient::inputs::Stimulus;
use crate::quotient::server::Cells;
use crate::quotient::sets::{Mask, index_of, members_of};
use crate::quotient::successors::Move;
use crate::trace::language;
use crate::world::{Place, Tag};
use rafttree_model::Entry;

impl fmt::Display for Move {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&words(self.server, self.stimulus))?;
        match self.cut.filter(|_| self.is_cut_off()) {
            Some(kept) => write!(out, ", cut off by a crash that keeps {kept} of its records"),
            None if self.way != 0 => write!(out, ", otherwise ({})", self.way),
            None => Ok(()),
        }
    }
}

fn words(id: u8, stimulus: Stimulus) -> String {
    match stimulus {
        Stimulus::Campaign { grants } => format!("campaign {id}, promised votes by {}", set(grants)),
        Stimulus::Count { votes } => format!("count_votes {id} of {}", set(votes)),
        Stimulus::Learn { term, from } => format!("learn {from}->{id} term {term}"),
        Stimulus::Append { term, from, previous, cells, commit } => {
            let entries = entries(previous.index, cells);
            format!("append {from}->{id} term {term} after {} {entries} commit {commit}", place(previous))
        }
        Stimulus::Acknowledge { matched } => {
            let held = (1..=7).map(|from| (from, index_of(matched, from))).filter(|(_, held)| *held != 0);
            let held: Vec<_> = held.map(|(from, held)| format!("{from} up to {held}")).collect();
            format!("acknowledge {id}: {}", held.join(", "))
        }
        Stimulus::Refuse { from, missing, .. } => format!("refuse {from}->{id} missing {missing}"),
        Stimulus::Install { term, from, cells } => {
            format!("install_snapshot {from}->{id} term {term} of {}", entries(0, cells))
        }
        Stimulus::Snapshot { through } => format!("snapshot {id} up to {through}"),
        Stimulus::HeartbeatTimeout => format!("heartbeat_timeout {id}"),
        Stimulus::MinimumTimeout { heard } => format!("minimum_timeout {id} after hearing {}", set(heard)),
        Stimulus::Propose { .. } => format!("propose {id}"),
        Stimulus::Transfer { to, .. } => format!("transfer {id} to {to}"),
        Stimulus::TimeoutNow { from } => format!("take_over {from}->{id}"),
        Stimulus::StepDown => format!("step_down {id}"),
        Stimulus::Read { answered } => format!("confirm_round {id}, answered by {}", set(answered)),
        Stimulus::Flush => format!("flush {id}"),
        Stimulus::Crash { keep: 0 } => format!("crash {id}"),
        Stimulus::Crash { keep } => format!("crash {id} keep {keep}"),
        Stimulus::Damage { first, last } => format!("damage {id} from {first} to {last}"),
        request @ (Stimulus::VoteRequest { .. } | Stimulus::PreVoteRequest { .. }) => asked(id, request),
        lease => of_leases(id, lease),
    }
}

fn asked(id: u8, stimulus: Stimulus) -> String {
    let (what, term, from, last, sticks_to) = match stimulus {
        Stimulus::VoteRequest { term, from, last, sticks_to, transfer: false } => ("vote", term, from, last, sticks_to),
        Stimulus::VoteRequest { term, from, last, sticks_to, transfer: true } => {
            ("vote (by transfer)", term, from, last, sticks_to)
        }
        Stimulus::PreVoteRequest { term, from, last, sticks_to } => ("pre-vote", term, from, last, sticks_to),
        _ => return String::new(),
    };
    let heard = if sticks_to == 0 { String::new() } else { format!(", which has just heard {sticks_to}") };
    format!("ask {from}->{id} term {term} for a {what}, last {}{heard}", place(last))
}

fn of_leases(id: u8, stimulus: Stimulus) -> String {
    match stimulus {
        Stimulus::BeginLease => format!("begin_lease {id}"),
        Stimulus::AnswerLease { term, from } => format!("answer_lease {from}->{id} term {term}"),
        Stimulus::ConfirmLease { answered, earlier, newer, .. } => format!(
            "confirm_lease {id}, answered by {}, of an earlier round by {}, in a newer term by {}",
            set(answered),
            set(earlier),
            set(newer)
        ),
        _ => String::new(),
    }
}

fn set(mask: Mask) -> String {
    let ids: Vec<_> = members_of(mask).map(|id| id.to_string()).collect();
    if ids.is_empty() { "nobody".to_owned() } else { ids.join(" ") }
}

fn place(place: Place) -> String {
    place.position().to_string()
}

fn entries(previous: u8, cells: Cells) -> String {
    let entries: Vec<Entry<Tag>> = cells.entries(previous);
    language::Words(&entries.as_slice()).to_string()
}
