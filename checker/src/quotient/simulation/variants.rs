//! The concrete servers that one compact server stands for: everything that it may have in memory.

use rafttree_model::{Durable, Index, Members, Node, Progress, Role, Round, ServerId, ServerMap, ServerSet};

use crate::checks::may_be_committed;
use crate::quotient::server::Part;
use crate::quotient::settings::Compact;
use crate::world::{Contact, Disk, Observed, Server};

/// What a server may have in memory, and what must have reached it for that.
type Memory = (Role, Observed);

/// All of them, but for the names of servers that nothing else tells apart. Where there are leases, some of
/// what a server has in memory is told: whether leadership is being transferred, and, if a lease counts on it,
/// the leader that it has heard.
pub(super) fn variants(compact: Compact, members: Members, symmetric: bool, leases: bool) -> Vec<Server> {
    let (seat, id, base) = compact;
    let server = seat.server(id, members, base);
    let alike = if symmetric { alike(&server.node) } else { Vec::new() };
    let is_told = |(role, _): &Memory| match role {
        Role::Leader { transfer, .. } => transfer.is_some() == (seat.transfer() != 0),
        Role::Candidate { transfer, .. } => *transfer == (seat.transfer() != 0),
        Role::Follower { .. } | Role::PreCandidate { .. } => !seat.is_counted() || role == server.node.role(),
    };
    let memories = match seat.part() {
        Part::Follower => followers(&server.node, &alike),
        Part::Candidate => candidates(&server.node, &alike),
        Part::Leader => leaders(&server, &alike),
    };
    let memories = memories.into_iter().filter(|memory| !leases || is_told(memory));
    let servers: Vec<_> = memories.map(|memory| with(&server, memory)).filter(is_variant).collect();
    let lost: Vec<_> = servers.iter().flat_map(with_lost_votes).collect();
    [servers, lost].concat()
}

/// The same server with a vote that nobody counts any more, if it has given none that matters: the search takes it
/// for one that has voted for itself and campaigns no more, and does not let it give such a vote at all.
fn with_lost_votes(server: &Server) -> Vec<Server> {
    let node = &server.node;
    let may = matches!(node.role(), Role::Follower { .. } | Role::PreCandidate { .. });
    let lost = node.peers().filter(|_| may && node.vote().is_none_or(|vote| vote == node.id()));
    lost.map(|vote| {
        let durable = Durable::assume(node.term(), Some(vote), node.log().clone()).damaged(node.faulty());
        let disk = Disk { durable: durable.clone(), ..server.disk.clone() };
        let node = Node::assume(node.id(), *node.members(), durable, node.commit(), node.role().clone());
        Server { node, disk, ..server.clone() }
    })
    .collect()
}

fn with(server: &Server, (role, observed): Memory) -> Server {
    let node = &server.node;
    let node = Node::assume(node.id(), *node.members(), node.durable().clone(), node.commit(), role);
    Server { node, observed, ..server.clone() }
}

/// The others, less the one that the server voted for: of these only the number matters.
fn alike(node: &Node) -> Vec<ServerId> {
    node.peers().filter(|&peer| node.vote() != Some(peer)).collect()
}

/// Of servers that are alike those with the higher ids come first: so sets have gaps.
fn is_canonical<V: Ord>(alike: &[ServerId], value: impl Fn(ServerId) -> V) -> bool {
    alike.windows(2).all(|pair| value(pair[0]) <= value(pair[1]))
}

fn subsets(members: &Members, alike: &[ServerId]) -> Vec<ServerSet> {
    let ids: Vec<_> = members.ids().collect();
    let chosen = |bits: usize| ids.iter().enumerate().filter(move |(at, _)| bits >> at & 1 != 0).map(|(_, &id)| id);
    let all = (0..1usize << ids.len()).map(|bits| chosen(bits).collect::<ServerSet>());
    all.filter(|set| is_canonical(alike, |id| set.contains(id))).collect()
}

/// Whether these votes elect a candidate. Its own waits for its disk, so all others' may come first.
fn elect(node: &Node, votes: &ServerSet) -> bool {
    votes.contains(node.id()) && node.members().is_majority(votes)
}

fn followers(node: &Node, alike: &[ServerId]) -> Vec<Memory> {
    let of = |contact| Observed { contact, ..Observed::default() };
    let unheard = (Role::Follower { leader: None, sticky: false }, of(Contact::None));
    let restarted = (Role::Follower { leader: None, sticky: true }, of(Contact::Possible));
    let leaders = node.peers().filter(|peer| !alike[1.min(alike.len())..].contains(peer));
    let heard = leaders.map(|id| (Role::Follower { leader: Some(id), sticky: true }, of(Contact::Leader(id))));
    let few = subsets(node.members(), alike).into_iter().filter(|votes| !node.members().is_majority(votes));
    let asking = few.map(|votes| {
        (Role::PreCandidate { votes }, Observed { granted: votes.ids().collect(), ..Observed::default() })
    });
    [unheard, restarted].into_iter().chain(heard).chain(asking).collect()
}

fn candidates(node: &Node, alike: &[ServerId]) -> Vec<Memory> {
    let with = |votes: ServerSet, told| {
        let observed = Observed { granted: votes.ids().collect(), told, ..Observed::default() };
        (Role::Candidate { votes, transfer: told }, observed)
    };
    let undecided = subsets(node.members(), alike).into_iter().filter(|votes| !elect(node, votes));
    undecided.flat_map(|votes| [with(votes, false), with(votes, true)]).collect()
}

fn leaders(server: &Server, alike: &[ServerId]) -> Vec<Memory> {
    let node = &server.node;
    let (id, members) = (node.id(), node.members());
    let mut maps: Vec<ServerMap<Progress>> =
        own_progress(server).map(|own| [(id, own)].into_iter().collect()).collect();
    for peer in node.peers() {
        let longer = |map: &ServerMap<Progress>| {
            let mut map = *map;
            possible(server).map(move |progress| {
                map.insert(peer, progress);
                map
            })
        };
        maps = maps.iter().flat_map(longer).collect();
    }
    let heard: Vec<ServerSet> = subsets(members, &[]).into_iter().filter(|set| set.contains(id)).collect();
    let targets = || [None].into_iter().chain(node.peers().map(Some));
    let mut memories = Vec::new();
    for &answered in &heard {
        for target in targets() {
            let of = |progress: &ServerMap<Progress>| {
                let role = Role::Leader {
                    progress: *progress,
                    heard: answered,
                    transfer: target,
                    confirmed: Round::ZERO,
                    round: Round::ZERO,
                };
                (role, Observed { answered: answered.ids().collect(), target, ..Observed::default() })
            };
            let known = |progress: &ServerMap<Progress>, id| {
                (target == Some(id), answered.contains(id), progress.get(id).copied())
            };
            memories.extend(maps.iter().filter(|map| is_canonical(alike, |id| known(map, id))).map(of));
        }
    }
    memories.extend(maps.first().into_iter().flat_map(|progress| with_rounds(node, progress, alike)));
    memories
}

/// Rounds that a leader may have begun, as far as a server tells them apart: the latest, the one before it,
/// and earlier ones. What it knows of logs makes no difference to them, so one such knowledge is enough.
fn with_rounds(node: &Node, progress: &ServerMap<Progress>, alike: &[ServerId]) -> Vec<Memory> {
    let (id, members) = (node.id(), node.members());
    let peers: Vec<ServerId> = node.peers().collect();
    let mut memories = Vec::new();
    for begun in 1..=MAX_ROUNDS {
        for code in 0..(begun + 1).pow(peers.len() as u32) {
            let latest = |id: ServerId| {
                let place = peers.iter().position(|&peer| peer == id);
                place.map_or(begun, |place| code / (begun + 1).pow(place as u32) % (begun + 1))
            };
            if !is_canonical(alike, latest) {
                continue;
            }
            let have_answered = |round: u64| members.ids().filter(|&id| round <= latest(id)).count();
            let confirmed = (0..=begun).rfind(|&round| members.ids().len() < 2 * have_answered(round)).unwrap_or(0);
            let answered = |other: ServerId| Round::new(if other == id { 0 } else { latest(other) });
            let progress = progress.iter().map(|(id, it)| (id, Progress { answered: answered(id), ..it })).collect();
            let (round, confirmed) = (Round::new(begun), Round::new(confirmed));
            let heard = ServerSet::from_iter([id]);
            let role = Role::Leader { progress, heard, transfer: None, round, confirmed };
            memories.push((role, Observed { answered: [id].into_iter().collect(), ..Observed::default() }));
        }
    }
    memories
}

/// Rounds that a leader may have begun: two can be told apart, and what came before both.
pub(super) const MAX_ROUNDS: u64 = 2;

/// Every range of a log that may be known and that may be on its way.
fn possible(server: &Server) -> impl Iterator<Item = Progress> + use<> {
    let last = server.entries.len() as u64;
    let progress =
        |matched, next| Progress { matched: Index::new(matched), next: Index::new(next), answered: Round::ZERO };
    (0..=last).flat_map(move |matched| (matched + 1..=last + 1).map(move |next| progress(matched, next)))
}

/// A leader acknowledges to itself what it has appended in its term, once that is on its disk.
fn own_progress(server: &Server) -> impl Iterator<Item = Progress> + use<'_> {
    let term = server.node.term();
    let own = server.disk.entries.iter().map(|entry| entry.position).filter(move |at| at.term == term);
    [Index::ZERO].into_iter().chain(own.map(|at| at.index)).map(|matched| Progress {
        matched,
        next: matched.next(),
        answered: Round::ZERO,
    })
}

/// Whether a server is one of those that its compact form stands for.
pub(super) fn is_variant(server: &Server) -> bool {
    let node = &server.node;
    let (id, members, last) = (node.id(), node.members(), node.log().last().index);
    match node.role() {
        Role::Follower { leader, sticky } => leader.is_none_or(|leader| *sticky && leader != id),
        // Who cannot read its log does not campaign.
        Role::PreCandidate { votes } => !members.is_majority(votes) && node.faulty().is_none(),
        Role::Candidate { votes, .. } => !elect(node, votes) && node.vote() == Some(id),
        Role::Leader { progress, heard, transfer, .. } => {
            let sound = |(_, it): (ServerId, Progress)| it.matched < it.next && it.next <= last.next();
            may_be_committed(server) <= node.commit()
                && node.vote() == Some(id)
                && heard.contains(id)
                && progress.iter().all(sound)
                && progress.ids().eq(members.ids())
                && transfer.is_none_or(|target| target != id && members.contains(target))
        }
    }
}
