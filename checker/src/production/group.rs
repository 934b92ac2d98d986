//! The traces of a group: merged and replayed.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rafttree_model::digest::Digest;
use rafttree_model::trace::{Call, Ending, Origin};
use rafttree_model::{Envelope, Event, Members, ServerId, Slice};

use crate::production::file::{Item, Place, TraceFile, Unreadable};
use crate::production::film::{Film, Run, Shot};
use crate::production::judge::Judge;
use crate::production::line::{Difference, End, Happened, Line, Stop, named};
use crate::production::sent::{Known, Sent};
use crate::production::{chart, words};
use crate::properties::PropertySet;

/// What came of replaying the traces of a group.
pub(crate) struct Replayed {
    pub(crate) servers: Vec<Line>,
    /// What is wrong first, if something is.
    pub(crate) wrong: Option<Wrong>,
    /// Where a server differs: what the others break that go on without it, if they do.
    pub(crate) consequence: Option<Broken>,
    /// The last steps before what is wrong, as a chart.
    pub(crate) chart: Vec<String>,
    /// What every step was judged by.
    pub(crate) judged: PropertySet,
    /// Members of which there is no trace.
    pub(crate) absent: Vec<ServerId>,
    /// Messages of which it is not known whether they were sent.
    pub(crate) unknown: u64,
    /// Steps and starts up to what is wrong, or to the end.
    pub(crate) taken: u64,
    pub(crate) time: Duration,
}

/// What is wrong first.
pub(crate) enum Wrong {
    /// A server does what the deployed code does not.
    Differs(Box<Difference>),
    Broken(Broken),
    /// What arrives here was sent by nobody.
    Unsent {
        at: Step,
    },
}

/// What does not hold.
pub(crate) struct Broken {
    pub(crate) properties: PropertySet,
    /// They do not hold once this step is taken, or have not held a little before it.
    pub(crate) at: Step,
}

/// A step that is wrong.
pub(crate) struct Step {
    pub(crate) id: ServerId,
    pub(crate) place: Place,
    /// Nanoseconds since the part began.
    pub(crate) after: u64,
    pub(crate) call: String,
}

/// Replays the traces of a group, merged: nothing arrives before it was sent, and otherwise what is earlier by the
/// servers' clocks comes first.
pub(crate) fn replay(files: &[PathBuf]) -> Result<Replayed, Unreadable> {
    let began = Instant::now();
    let mut group = Group::new(lines(files)?);
    let wrong = group.run()?;
    let (chart, taken) = (group.chart(), group.taken);
    let consequence =
        if let Some(Wrong::Differs(difference)) = &wrong { group.run_without(difference.id) } else { None };
    let Group { servers, judge, unknown, absent, .. } = group;
    let (judged, time) = (judge.judged(), began.elapsed());
    Ok(Replayed { servers, wrong, consequence, chart, judged, absent, unknown, taken, time })
}

/// So many steps are looked at for a film: not every one is shown.
const MAX_FILMED_STEPS: u64 = 120;

/// The last steps up to what is wrong first, or to the end, as a run of the world; nothing, where there is none.
pub(crate) fn film(files: &[PathBuf], replayed: &Replayed) -> Result<Option<Run>, Unreadable> {
    let mut group = Group::new(lines(files)?);
    group.film = Some(Film::after(replayed.taken.saturating_sub(MAX_FILMED_STEPS)));
    group.run()?;
    Ok(group.film.and_then(Film::run))
}

/// So much after a server's first start may arrive what it has sent before that, when it kept no trace.
const FORMER_LIFE: u64 = 10_000_000_000;

/// A group whose traces are replayed.
struct Group {
    servers: Vec<Line>,
    /// Of whom each server's next step waits to hear, and how much had been sent when that was looked at.
    waits: Vec<Option<u64>>,
    sent: Sent,
    judge: Judge,
    absent: Vec<ServerId>,
    /// The server that was followed no further.
    left: Option<ServerId>,
    unknown: u64,
    taken: u64,
    film: Option<Film>,
}

impl Group {
    fn new(servers: Vec<Line>) -> Group {
        let members = servers.first().map(|line| line.origin.members);
        let is_here = |id: &ServerId| servers.iter().any(|line| line.id() == *id);
        let absent: Vec<ServerId> = members.iter().flat_map(|it| it.ids()).filter(|id| !is_here(id)).collect();
        let members = members.unwrap_or_else(|| Members::new([ServerId::new(1)]).expect("one server is a group"));
        let judge = Judge::new(&members, absent.is_empty());
        let waits = vec![None; servers.len()];
        let sent = Sent::default();
        Group { waits, servers, sent, judge, absent, left: None, unknown: 0, taken: 0, film: None }
    }

    /// The last steps, as a chart.
    fn chart(&self) -> Vec<String> {
        let start = self.servers.iter().map(|line| line.first_began).min().unwrap_or(0);
        let pasts: Vec<_> = self.servers.iter().map(|line| (line.id(), &line.past)).collect();
        chart::lines(&pasts, start)
    }

    /// What the others break that go on without this server, and take it at its word, as far as they can be followed.
    fn run_without(&mut self, id: ServerId) -> Option<Broken> {
        self.left = Some(id);
        self.judge.end(id, false, true);
        self.servers.iter_mut().filter(|line| line.id() == id).for_each(Line::leave);
        if let Ok(Some(Wrong::Broken(broken))) = self.run() { Some(broken) } else { None }
    }

    /// Whether what a server says is not known from a trace.
    fn is_unseen(&self, id: ServerId) -> bool {
        self.left == Some(id) || self.absent.contains(&id)
    }

    fn run(&mut self) -> Result<Option<Wrong>, Unreadable> {
        while let Some(next) = self.next() {
            let Next { place, is_sent } = next;
            if !is_sent {
                match self.who_may_have_sent(place) {
                    true => self.unknown += 1,
                    false => {
                        self.film_unsent(place);
                        return Ok(Some(Wrong::Unsent { at: self.upcoming(place) }));
                    }
                }
            }
            let upcoming = self.film.is_some().then(|| self.servers[place].next_call().cloned()).flatten();
            let happened = match self.servers[place].advance() {
                Ok(Some(happened)) => happened,
                Ok(None) => continue,
                Err(Stop::Unreadable(why)) => return Err(why),
                Err(Stop::Differs(found)) => {
                    self.film_as_expected(place, upcoming);
                    return Ok(Some(Wrong::Differs(found)));
                }
            };
            let properties = self.follow(place, &happened);
            self.take(place, &happened, is_sent, properties);
            if !properties.is_empty() {
                let at = self.last(place, &happened);
                return Ok(Some(Wrong::Broken(Broken { properties, at })));
            }
            if let Happened::Called(call) = happened {
                let Line { past, now, outcome, .. } = &mut self.servers[place];
                past.note(*now, call, &outcome.outputs);
            }
        }
        let properties = self.judge.judge();
        let last = (0..self.servers.len()).max_by_key(|place| self.servers[*place].now);
        let at = last.map(|place| self.last(place, &Happened::Ended(End::Cut { left: 0 })));
        Ok(at.filter(|_| !properties.is_empty()).map(|at| Wrong::Broken(Broken { properties, at })))
    }

    /// Counts what has happened, and films it.
    fn take(&mut self, place: usize, happened: &Happened, is_sent: bool, broken: PropertySet) {
        self.taken += 1;
        let Group { film, judge, servers, .. } = self;
        if let Some(film) = film {
            film.take(&Shot { judge, line: &servers[place], happened, is_sent, broken });
        }
    }

    /// Films what the checked code does where the server did something else.
    fn film_as_expected(&mut self, place: usize, call: Option<Call>) {
        if let Some(call) = call {
            let happened = Happened::Called(call);
            self.servers[place].has_changed = true;
            let broken = self.follow(place, &happened);
            self.take(place, &happened, true, broken);
        }
    }

    /// Films what nobody has sent as it arrives.
    fn film_unsent(&mut self, place: usize) {
        if let Some(call) = self.servers[place].next_call().cloned() {
            self.take(place, &Happened::Called(call), false, PropertySet::default());
        }
    }

    fn follow(&mut self, place: usize, happened: &Happened) -> PropertySet {
        let line = &self.servers[place];
        match happened {
            Happened::Started => self.judge.start(line),
            Happened::Called(call) => {
                if let Call::Step(Event::Receive(letter)) = call {
                    self.sent.arrive(letter);
                    if self.is_unseen(letter.from) {
                        self.judge.hear(letter);
                    }
                }
                line.outcome.outputs.iter().for_each(|output| self.sent.note(output));
                self.judge.step(call, line)
            }
            Happened::Ended(end) => {
                let is_in_order = *end == End::Marked(Ending::Stopped);
                self.judge.end(line.id(), is_in_order, line.next_time().is_none());
                PropertySet::default()
            }
        }
    }

    /// Whose step comes next: the earliest one that may come, and if none may, the earliest that ever was sent.
    fn next(&mut self) -> Option<Next> {
        let mut best: Option<(u64, usize)> = None;
        for place in 0..self.servers.len() {
            let Some(time) = self.servers[place].next_time() else { continue };
            if best.is_none_or(|(earliest, _)| time < earliest) && self.may_come(place) {
                best = Some((time, place));
            }
        }
        if let Some((_, place)) = best {
            self.waits[place] = None;
            return Some(Next { place, is_sent: true });
        }
        let mut waiting: Vec<usize> = (0..self.servers.len()).collect();
        waiting.retain(|place| self.servers[*place].next_time().is_some());
        waiting.sort_by_key(|place| self.servers[*place].next_time());
        let was_sent =
            waiting.iter().find(|place| self.letter(**place).is_some_and(|it| self.sent.find(it) == Known::Sent));
        let place = *was_sent.or(waiting.iter().find(|place| self.who_may_have_sent(**place))).or(waiting.first())?;
        self.waits[place] = None;
        Some(Next { place, is_sent: was_sent.is_some() })
    }

    /// Whether what comes next to this server may come by now: nothing arrives before it was sent.
    fn may_come(&mut self, place: usize) -> bool {
        let Some(letter) = self.letter(place) else { return true };
        let count = self.sent.count(letter);
        if self.waits[place] == Some(count) {
            return false;
        }
        let may = self.sent.is_next(letter);
        self.waits[place] = (!may).then_some(count);
        may
    }

    /// The message that comes next to this server, from a server of which there is a trace.
    fn letter(&self, place: usize) -> Option<&Envelope<Slice<Digest>>> {
        let Some(Call::Step(Event::Receive(letter))) = self.servers[place].next_call() else { return None };
        (!self.is_unseen(letter.from)).then_some(letter)
    }

    /// Whether it may have been sent when no trace was kept.
    fn who_may_have_sent(&self, place: usize) -> bool {
        let Some(letter) = self.letter(place) else { return true };
        let Some(sender) = self.servers.iter().find(|line| line.id() == letter.from) else { return true };
        let time = self.servers[place].next_time().unwrap_or(0);
        let is_early = time < sender.first_began.saturating_add(FORMER_LIFE);
        !sender.cuts.is_empty() || is_early && sender.began_late || self.sent.find(letter) == Known::Forgotten
    }

    fn last(&self, place: usize, happened: &Happened) -> Step {
        let line = &self.servers[place];
        let call = match happened {
            Happened::Called(call) => words::call(line.id(), call),
            Happened::Started => format!("server {} starts", line.id()),
            Happened::Ended(_) => "the traces end".to_owned(),
        };
        let after = line.now.saturating_sub(line.origin.began);
        Step { id: line.id(), place: line.last.clone(), after, call }
    }

    fn upcoming(&self, place: usize) -> Step {
        let line = &self.servers[place];
        let call = line.next_call().map_or(String::new(), |call| words::call(line.id(), call));
        let after = line.next_time().unwrap_or(0).saturating_sub(line.origin.began);
        Step { id: line.id(), place: line.next_place().clone(), after, call }
    }
}

/// Whose step comes next, and whether what arrives with it is known to have been sent.
struct Next {
    place: usize,
    is_sent: bool,
}

/// The traces by server, each in the order of its starts.
fn lines(files: &[PathBuf]) -> Result<Vec<Line>, Unreadable> {
    let mut opened: Vec<(TraceFile, Origin)> = files.iter().map(|path| begun(path)).collect::<Result<_, _>>()?;
    opened.sort_by_key(|(_, origin)| (origin.id, origin.began));
    for pair in opened.windows(2) {
        let (one, other) = (&pair[0].1, &pair[1].1);
        let files = [&pair[0].0, &pair[1].0].map(|file| file.place().file.display().to_string());
        if (one.group, one.members) != (other.group, other.members) {
            let [first, second] = files;
            return Err(Unreadable(format!(
                "{first} is of {}, and {second} of {}: give the traces of one group at a time",
                named(one),
                named(other)
            )));
        }
        if (one.id, one.began) == (other.id, other.began) {
            return Err(Unreadable(format!(
                "{} and {} are of the same start of server {}",
                files[0], files[1], one.id
            )));
        }
    }
    let mut servers: BTreeMap<ServerId, VecDeque<(TraceFile, Origin)>> = BTreeMap::new();
    opened.into_iter().for_each(|(file, origin)| servers.entry(origin.id).or_default().push_back((file, origin)));
    Ok(servers.into_values().filter_map(Line::new).collect())
}

/// A file with the start with which it begins.
fn begun(path: &Path) -> Result<(TraceFile, Origin), Unreadable> {
    let mut file = TraceFile::open(path)?;
    match file.next()? {
        Some(Item::Origin(origin)) => Ok((file, *origin)),
        _ => Err(Unreadable(format!("{}: the file was cut before its first step", path.display()))),
    }
}
