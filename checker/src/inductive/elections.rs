//! Elections: groups of every size, with every set of votes.

use rafttree_model::{Durable, Index, Members, Node, Progress, Role, Round, ServerId, ServerMap, ServerSet, Term};

use crate::inductive::class::{Class, ITSELF, OTHER, THIRD};
use crate::inductive::history::{History, Terms};
use crate::inductive::work::Hand;

/// The highest term that a server is in.
const TERMS: u8 = 2;

/// One group, one history, one term of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) servers: u8,
    history: History,
    term: u8,
}

/// Histories in which nobody, somebody has led before, and somebody leads in the last term.
pub(crate) fn tasks(most_servers: u8) -> Vec<Task> {
    let one = Terms::default().and(1);
    let two = Terms::default().and(2);
    let histories = [History::NONE, History::NONE.with(1, one), History::NONE.with(2, two)];
    let of_group = |servers| {
        let of_history = move |history| (0..=TERMS).map(move |term| Task { servers, history, term });
        histories.into_iter().flat_map(of_history)
    };
    (1..=most_servers).flat_map(of_group).collect()
}

pub(crate) fn judge(task: &Task, hand: &mut Hand) -> bool {
    let Task { servers, history, term } = *task;
    let class = Class::new(&history, TERMS, 1);
    let members = Members::new((1..=servers).map(|id| ServerId::new(id.into()))).expect("one to nine servers");
    let events = class.events(members);
    hand.new_history();
    history.logs(term).into_iter().all(|log| {
        let votes = [None, Some(ITSELF), Some(OTHER), Some(THIRD)];
        let votes = votes.into_iter().filter(|vote| vote.is_none_or(|vote| members.contains(vote)));
        votes.into_iter().all(|vote| {
            let durable = Durable::assume(Term::new(term.into()), vote, log.log());
            roles(&class, members, term, vote, &log).into_iter().all(|role| {
                let node = Node::assume(ITSELF, members, durable.clone(), Index::default(), role);
                hand.judge_all(&class, &node, &log, &events)
            })
        })
    })
}

fn sets(members: Members) -> impl Iterator<Item = ServerSet> {
    let ids: Vec<ServerId> = members.ids().collect();
    (0..1usize << ids.len())
        .map(move |bits| ids.iter().enumerate().filter(|(at, _)| bits >> at & 1 != 0).map(|(_, id)| *id).collect())
}

fn roles(class: &Class, members: Members, term: u8, vote: Option<ServerId>, log: &Terms) -> Vec<Role> {
    let leaders = [None, Some(OTHER), Some(THIRD)];
    let leaders = leaders.into_iter().filter(|leader| leader.is_none_or(|id| members.contains(id)));
    let follower = |leader| [false, true].map(|sticky| Role::Follower { leader, sticky });
    let mut roles: Vec<Role> = leaders.flat_map(follower).collect();
    roles.extend(sets(members).map(|votes| Role::PreCandidate { votes }));
    if vote != Some(ITSELF) {
        return roles;
    }
    if log.last().term < term {
        let candidate = |votes| [false, true].map(|transfer| Role::Candidate { votes, transfer });
        roles.extend(sets(members).flat_map(candidate));
    }
    if class.history.leader(term) == Some(*log) {
        let start =
            Progress { matched: Index::default(), next: Index::new(log.len().into()).next(), answered: Round::ZERO };
        let progress: ServerMap<Progress> = members.ids().map(|id| (id, start)).collect();
        let target = members.ids().find(|id| *id != ITSELF);
        for transfer in [None, target].into_iter().take(if target.is_some() { 2 } else { 1 }) {
            roles.extend(sets(members).map(|heard| Role::Leader {
                progress,
                heard,
                transfer,
                confirmed: Round::ZERO,
                round: Round::ZERO,
            }));
        }
    }
    roles
}
