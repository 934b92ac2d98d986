//! What goes wrong in a run, and when: a list that the seed determines, of which any part can be left out.

use std::fmt;

use rafttree_model::ServerId;

use super::random::Random;

/// A millisecond, in the nanoseconds that a simulation counts.
pub(super) const MILLISECOND: u64 = 1_000_000;

/// T, the minimum election timeout of most servers.
pub(super) const T: u64 = 100 * MILLISECOND;

/// The time during which things go wrong.
pub(super) const TROUBLE: u64 = 4_000 * MILLISECOND;

/// The speed of a clock that is right, and by how much it may be wrong, in thousandths.
pub(super) const TRUE_SPEED: u64 = 1000;
pub(super) const MAX_DRIFT: u64 = 40;

/// One thing that goes wrong.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// When it begins.
    pub(super) at: u64,
    pub(super) what: What,
}

/// Servers by their numbers.
pub(super) type Servers = Vec<ServerId>;

/// A thing that goes wrong. Lengths are times in nanoseconds.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// So many messages of a hundred are lost.
    Loss { percent: u64 },
    /// So many arrive twice.
    Repeats { percent: u64 },
    /// So many take long, and are overtaken.
    Delays { percent: u64 },
    /// So many timers of a hundred are late.
    LateTimers { percent: u64 },
    /// So many flushes of a hundred take long.
    SlowFlushes { percent: u64 },
    /// A process ends, at the call of the disk of this number after now or at once.
    Crash { server: ServerId, calls: Option<u64>, pause: u64 },
    /// Machines lose power, each at a call of its disk or at once: what was not flushed is kept or not.
    PowerLoss { servers: Servers, calls: Option<u64>, pause: u64 },
    /// They hear nothing and do nothing; what they miss they hear later.
    Pause { servers: Servers, length: u64 },
    /// Their disks finish nothing.
    Stall { servers: Servers, length: u64 },
    /// A call of the disk fails.
    DiskError { server: ServerId, calls: u64 },
    /// A write writes half, and says so.
    ShortWrite { server: ServerId, calls: u64 },
    /// A disk has no room for anything new.
    FullDisk { server: ServerId, length: u64 },
    /// Flushes do nothing and say that they have, and then the machine loses power: what a server finds when it
    /// starts again may be less than was promised.
    LyingDisk { server: ServerId, length: u64, pause: u64 },
    /// A bit of a file flips while the server is down.
    Rot { server: ServerId, pause: u64, in_snapshot: bool },
    /// The directory is emptied while the server is down, and perhaps initialised anew.
    Wipe { server: ServerId, anew: bool, pause: u64 },
    /// The directories of two servers change places for a while.
    Swap { one: ServerId, other: ServerId, length: u64 },
    /// The directory is put back as it was so long ago.
    OlderCopy { server: ServerId, age: u64, pause: u64 },
    /// These reach each other, and the others each other, and nothing passes between the two sides.
    Cut { side: Servers },
    /// The former ends.
    Heal,
    /// What each first server sends the second is lost.
    OneWay { ways: Vec<(ServerId, ServerId)>, length: u64 },
    /// Connections end by themselves. The others notice at once; the server with them, or later.
    Sever { server: ServerId, others: Servers, both: bool, again: u64, noticed: u64 },
    /// They do so again and again.
    Flap { server: ServerId, others: Servers, times: u64, every: u64 },
    /// Something between two sides ends their connections, and refuses new ones in the name of either.
    Reject { side: Servers },
    /// A clock runs at another speed from now on.
    Drift { server: ServerId, speed: u64 },
    /// A server stands still with its last words on the way to a disk that stalls, and hears only some.
    Eclipse { still: ServerId, stalled: ServerId, unheard: Servers, length: u64, more: u64 },
}

impl What {
    /// Its kind, as figures name it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            What::Loss { .. } => "lost messages",
            What::Repeats { .. } => "repeated messages",
            What::Delays { .. } => "delayed messages",
            What::LateTimers { .. } => "late timers",
            What::SlowFlushes { .. } => "slow flushes",
            What::Crash { .. } => "crash",
            What::PowerLoss { servers, .. } if servers.len() == 1 => "power loss of one",
            What::PowerLoss { .. } => "power loss of several",
            What::Pause { .. } => "pause",
            What::Stall { .. } => "stalled disk",
            What::DiskError { .. } => "disk error",
            What::ShortWrite { .. } => "short write",
            What::FullDisk { .. } => "full disk",
            What::LyingDisk { .. } => "lying disk",
            What::Rot { in_snapshot: false, .. } => "rot in a log",
            What::Rot { .. } => "rot in a snapshot",
            What::Wipe { .. } => "wiped disk",
            What::Swap { .. } => "swapped directories",
            What::OlderCopy { .. } => "older copy",
            What::Cut { .. } => "cut",
            What::Heal => "heal",
            What::OneWay { .. } => "one-way cut",
            What::Sever { both: true, .. } => "connection ends on both sides",
            What::Sever { .. } => "connection ends on one side",
            What::Flap { .. } => "flapping",
            What::Reject { .. } => "rejecting network",
            What::Drift { .. } => "drifting clock",
            What::Eclipse { .. } => "eclipse",
        }
    }
}

fn listed(servers: &[ServerId]) -> String {
    match servers {
        [] => "no server".to_owned(),
        [one] => format!("server {one}"),
        [most @ .., last] => {
            let most: Vec<_> = most.iter().map(ServerId::to_string).collect();
            format!("servers {} and {last}", most.join(", "))
        }
    }
}

/// A time for people.
pub(super) fn time(nanoseconds: u64) -> String {
    format!("{:.1} ms", nanoseconds as f64 / 1e6)
}

fn when(calls: Option<u64>) -> String {
    calls.map_or_else(String::new, |calls| format!(", at call {calls} of its disk from now on"))
}

impl fmt::Display for What {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Loss { percent } => write!(out, "{percent} % of the messages are lost"),
            What::Repeats { percent } => write!(out, "{percent} % of the messages arrive twice"),
            What::Delays { percent } => write!(out, "{percent} % of the messages take long"),
            What::LateTimers { percent } => write!(out, "{percent} % of the timers are late"),
            What::SlowFlushes { percent } => write!(out, "{percent} % of the flushes take long"),
            What::Crash { server, calls, pause } => {
                write!(out, "the process of server {server} ends{}, for {}", when(*calls), time(*pause))
            }
            What::PowerLoss { servers, calls, pause } => {
                write!(out, "{} lose power{}, for {}", listed(servers), when(*calls), time(*pause))
            }
            What::Pause { servers, length } => write!(out, "{} stand still for {}", listed(servers), time(*length)),
            What::Stall { servers, length } => {
                write!(out, "the disks of {} finish nothing for {}", listed(servers), time(*length))
            }
            What::DiskError { server, calls } => write!(out, "call {calls} of the disk of server {server} fails"),
            What::ShortWrite { server, calls } => {
                write!(out, "call {calls} of the disk of server {server} writes half, if it writes")
            }
            What::FullDisk { server, length } => {
                write!(out, "the disk of server {server} is full for {}", time(*length))
            }
            What::LyingDisk { server, length, .. } => {
                let length = time(*length);
                write!(out, "flushes of server {server} do nothing for {length}, and then it loses power")
            }
            What::Rot { server, in_snapshot, .. } => {
                let file = if *in_snapshot { "a snapshot" } else { "the log" };
                write!(out, "server {server} loses power, and a bit of {file} flips")
            }
            What::Wipe { server, anew, .. } => {
                let then = if *anew { ", and it is initialised anew" } else { "" };
                write!(out, "the process of server {server} ends, and its directory is emptied{then}")
            }
            What::Swap { one, other, length } => {
                write!(
                    out,
                    "servers {one} and {other} end, and start on each other's directories for {}",
                    time(*length)
                )
            }
            What::OlderCopy { server, age, .. } => {
                write!(out, "server {server} ends, and its directory is put back as it was {} ago", time(*age))
            }
            other => other.fmt_links(out),
        }
    }
}

impl What {
    /// Faults of links and clocks for people.
    fn fmt_links(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Cut { side } => write!(out, "nothing passes between {} and the others", listed(side)),
            What::Heal => write!(out, "messages pass again"),
            What::OneWay { ways, length } => {
                let ways: Vec<_> = ways.iter().map(|(from, to)| format!("{from} to {to}")).collect();
                write!(out, "for {} nothing arrives from {}", time(*length), ways.join(", "))
            }
            What::Sever { server, others, both, .. } => {
                let noticed = if *both { "both sides notice" } else { "the others notice first" };
                write!(out, "the connections of server {server} with {} end; {noticed}", listed(others))
            }
            What::Flap { server, others, times, every } => {
                let (others, every) = (listed(others), time(*every));
                write!(out, "the connections of server {server} with {others} end {times} times, every {every}")
            }
            What::Reject { side } => write!(out, "a network rejects what {} and the others say", listed(side)),
            What::Drift { server, speed } => {
                write!(out, "the clock of server {server} runs at {:.1} % of its speed", *speed as f64 / 10.0)
            }
            What::Eclipse { still, stalled, unheard, length, .. } => write!(
                out,
                "server {still} stands still for {}, the disk of server {stalled} with it, and {} are not heard there",
                time(*length),
                listed(unheard)
            ),
            _ => Ok(()),
        }
    }
}

/// Draws the faults of one run.
struct Planner {
    random: Random,
    ids: Servers,
    /// Servers whose disks may lose something: a minority at most.
    victims: Servers,
    faults: Vec<Fault>,
}

/// The faults of a run, in their order. Disks that make servers forget what they have promised are part of
/// it only where they are asked for.
pub(super) fn plan(seed: u64, servers: u32, forgetting: bool) -> Vec<Fault> {
    let mut random = Random::stream(seed, 1);
    let ids: Servers = (1..=servers).map(ServerId::new).collect();
    let mut victims = ids.clone();
    while (servers.saturating_sub(1) / 2) < victims.len() as u32 {
        victims.remove(random.below(victims.len() as u64) as usize);
    }
    let mut planner = Planner { random, ids, victims, faults: Vec::new() };
    planner.plan_weather();
    planner.plan_ends();
    planner.plan_disks(forgetting);
    planner.plan_network();
    planner.plan_clocks();
    let mut faults = planner.faults;
    faults.sort_by_key(|fault| fault.at);
    faults
}

impl Planner {
    fn moment(&mut self) -> u64 {
        self.random.within(5 * MILLISECOND..TROUBLE)
    }

    fn length(&mut self, most: u64) -> u64 {
        self.random.within(MILLISECOND / 10..most)
    }

    /// For how long a process is down: somebody may start it again at once.
    fn pause(&mut self) -> u64 {
        let most = if self.random.chance(30) { T / 10 } else { 8 * T };
        self.length(most)
    }

    fn any_id(&mut self) -> ServerId {
        *self.random.pick(&self.ids)
    }

    fn any_side(&mut self) -> Servers {
        let ids = self.ids.clone();
        ids.into_iter().filter(|_| self.random.chance(50)).collect()
    }

    fn some_others(&mut self, server: ServerId) -> Servers {
        let all = self.random.chance(70);
        let others = self.ids.clone().into_iter().filter(|&id| id != server);
        others.filter(|_| all || self.random.chance(50)).collect()
    }

    fn add(&mut self, at: u64, what: What) {
        self.faults.push(Fault { at, what });
    }

    /// So many times, at most, and often not at all.
    fn times(&mut self, most: u64) -> std::ops::Range<u64> {
        0..if self.random.chance(40) { 0 } else { self.random.below(most + 1) }
    }

    fn calls(&mut self) -> Option<u64> {
        self.random.chance(60).then(|| self.random.below(12))
    }

    fn plan_weather(&mut self) {
        let percent = if self.random.chance(30) { 30 } else { 3 };
        for what in [
            What::Loss { percent },
            What::Repeats { percent: 2 },
            What::Delays { percent: 5 },
            What::LateTimers { percent: 5 },
            What::SlowFlushes { percent: 3 },
        ] {
            if self.random.chance(80) {
                self.add(0, what);
            }
        }
    }

    fn plan_ends(&mut self) {
        for _ in self.times(6) {
            let (at, server, calls, pause) = (self.moment(), self.any_id(), self.calls(), self.pause());
            self.add(at, What::Crash { server, calls, pause });
        }
        for _ in self.times(4) {
            let (at, calls, pause) = (self.moment(), self.calls(), self.pause());
            let servers = match self.random.below(3) {
                0 => self.ids.clone(),
                1 => self.any_side(),
                _ => vec![self.any_id()],
            };
            self.add(at, What::PowerLoss { servers, calls, pause });
        }
        for _ in self.times(6) {
            let (at, length) = (self.moment(), self.length(3 * T));
            let servers = if self.random.chance(50) { self.ids.clone() } else { vec![self.any_id()] };
            self.add(at, What::Pause { servers, length });
        }
    }

    fn plan_disks(&mut self, forgetting: bool) {
        for _ in self.times(5) {
            let (at, servers, length) = (self.moment(), self.any_side(), self.length(3 * T));
            self.add(at, What::Stall { servers, length });
        }
        for _ in self.times(3) {
            let (at, server, calls) = (self.moment(), self.any_id(), self.random.below(40));
            self.add(at, What::DiskError { server, calls });
        }
        for _ in self.times(3) {
            let (at, server, calls) = (self.moment(), self.any_id(), self.random.below(40));
            self.add(at, What::ShortWrite { server, calls });
        }
        for _ in self.times(2) {
            let (at, server, length) = (self.moment(), self.any_id(), self.length(12 * T));
            self.add(at, What::FullDisk { server, length });
        }
        if self.random.chance(10) && 1 < self.ids.len() {
            let (at, one, length) = (self.moment(), self.any_id(), self.length(4 * T));
            let others: Servers = self.ids.iter().copied().filter(|&id| id != one).collect();
            let other = *self.random.pick(&others);
            self.add(at, What::Swap { one, other, length });
        }
        for server in self.victims.clone() {
            self.plan_loss(server, forgetting);
        }
    }

    /// What a server of the minority may lose.
    fn plan_loss(&mut self, server: ServerId, forgetting: bool) {
        let (at, pause) = (self.moment(), self.length(4 * T));
        let what = match self.random.below(if forgetting { 14 } else { 12 }) {
            0..=2 => What::Rot { server, pause, in_snapshot: false },
            3 => What::Rot { server, pause, in_snapshot: true },
            4 => What::Wipe { server, anew: false, pause },
            5 => What::Wipe { server, anew: true, pause },
            12 => What::LyingDisk { server, length: self.length(6 * T), pause },
            13 => What::OlderCopy { server, age: self.length(12 * T), pause },
            _ => return,
        };
        self.add(at, what);
    }

    fn plan_network(&mut self) {
        for _ in self.times(6) {
            let (at, side, length) = (self.moment(), self.any_side(), self.length(10 * T));
            self.add(at, What::Cut { side });
            self.add((at + length).min(TROUBLE), What::Heal);
        }
        for _ in self.times(6) {
            let (at, length, ids) = (self.moment(), self.length(4 * T), self.ids.clone());
            let all = ids.iter().flat_map(|&from| ids.iter().map(move |&to| (from, to)));
            let ways = all.filter(|(from, to)| from != to && self.random.chance(30)).collect();
            self.add(at, What::OneWay { ways, length });
        }
        for _ in self.times(12) {
            let (at, server, both) = (self.moment(), self.any_id(), self.random.chance(30));
            let (others, again, noticed) = (self.some_others(server), self.length(T / 4), self.length(2 * T));
            self.add(at, What::Sever { server, others, both, again, noticed: if both { 1 } else { noticed } });
        }
        for _ in self.times(2) {
            let (at, server, times) = (self.moment(), self.any_id(), self.random.within(3..12));
            let (others, every) = (self.some_others(server), self.length(T / 2));
            self.add(at, What::Flap { server, others, times, every });
        }
        for _ in self.times(3) {
            let (at, side, length) = (self.moment(), self.any_side(), self.length(10 * T));
            self.add(at, What::Reject { side });
            self.add((at + length).min(TROUBLE), What::Heal);
        }
    }

    fn plan_clocks(&mut self) {
        for _ in self.times(4) {
            let (at, server) = (self.moment(), self.any_id());
            let speed = self.random.within(TRUE_SPEED - MAX_DRIFT..TRUE_SPEED + MAX_DRIFT + 1);
            self.add(at, What::Drift { server, speed });
        }
        for _ in self.times(4) {
            let (at, still, stalled) = (self.moment(), self.any_id(), self.any_id());
            let (length, more, heard) = (self.length(3 * T), self.length(T / 2), self.any_side());
            let ids = self.ids.clone().into_iter();
            let unheard = ids.filter(|id| ![still, stalled].contains(id) && !heard.contains(id)).collect();
            self.add(at, What::Eclipse { still, stalled, unheard, length, more });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_of_fault_is_planned_and_each_has_words() {
        let plans: Vec<Fault> = (0..400).flat_map(|seed| plan(seed, 5, true)).collect();
        assert!(plans.iter().all(|fault| 5 < fault.what.to_string().len()));
        let kinds: BTreeSet<_> = plans.iter().map(|fault| fault.what.kind()).collect();
        assert_eq!(kinds.len(), 28, "{kinds:?}");
    }

    #[test]
    fn disks_forget_only_where_they_are_asked_to_and_only_those_of_a_minority() {
        for seed in 0..400 {
            let is_forgetting = |fault: &Fault| ["lying disk", "older copy"].contains(&fault.what.kind());
            assert!(!plan(seed, 3, false).iter().any(is_forgetting));
            let victims: BTreeSet<_> = plan(seed, 3, true)
                .into_iter()
                .filter_map(|fault| match fault.what {
                    What::Rot { server, .. }
                    | What::Wipe { server, .. }
                    | What::LyingDisk { server, .. }
                    | What::OlderCopy { server, .. } => Some(server),
                    _ => None,
                })
                .collect();
            assert!(victims.len() <= 1, "{victims:?}");
        }
    }
}
