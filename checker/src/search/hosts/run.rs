//! A search by several processes from its start to its end, as one of them sees it.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use timely::communication::Hooks;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{Allocator, AllocatorBuilder, ProcessBuilder};
use timely::communication::initialize::initialize_from;

use crate::search::checkpoint;
use crate::search::explored::Totals;
use crate::search::fingerprint::Print;
use crate::search::found::{Ended, Found, Held, Progress};
use crate::search::hosts::alive::Alive;
use crate::search::hosts::ground::{Ground, TasksOf};
use crate::search::hosts::join::{Lines, join};
use crate::search::hosts::pieces::{self, Manifest};
use crate::search::hosts::post::{Lost, Post};
use crate::search::hosts::settings::Hosts;
use crate::search::hosts::summary::Least;
use crate::search::hosts::worker::{End, Worker};
use crate::search::panics;
use crate::search::settings::Search;
use crate::search::space::{Space, attempt};
use crate::search::tasks::Results;
use crate::search::trail::{AMBIGUOUS, walk};
use crate::search::watch::Watch;

/// Why a search by several processes did not begin.
#[derive(Debug)]
pub(crate) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a worker leaves: how it ended, and what all had agreed on by then.
struct Left<P> {
    end: End<P>,
    totals: Totals,
    least: Option<Least>,
    table_bytes: u64,
    held: Vec<Held>,
    saved: Option<Result<(), String>>,
}

impl Search {
    /// Searches with others until nothing is left, something is broken, a limit strikes anywhere, or one of them
    /// is lost; and then, if every state was visited, does with them the tasks that are left. All come to the same end.
    pub(crate) fn run_on<S: Space + Clone + Send + 'static>(
        &self,
        hosts: &Hosts,
        space: &S,
        tasks: TasksOf<S>,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<(Found<S::Action>, Option<Results>), Refused> {
        if self.wide_fingerprints {
            self.run_with::<S, u128>(hosts, space, tasks, progress)
        } else {
            self.run_with::<S, u64>(hosts, space, tasks, progress)
        }
    }

    fn run_with<S: Space + Clone + Send + 'static, P: Print + 'static>(
        &self,
        hosts: &Hosts,
        space: &S,
        tasks: TasksOf<S>,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<(Found<S::Action>, Option<Results>), Refused> {
        let resumed = match &hosts.resume {
            Some(directory) => {
                let manifest =
                    Manifest::read(directory, &checkpoint::identity::<S, P>(self, space)).map_err(Refused)?;
                Some((directory.clone(), manifest))
            }
            None => None,
        };
        self.checkpoint.as_deref().map_or(Ok(()), pieces::make_ready).map_err(Refused)?;
        let resumed_from = resumed.as_ref().map(|(_, manifest)| manifest.states);
        let parts = self.must_agree::<S, P>(hosts, space, resumed.as_ref().map(|(_, manifest)| manifest));
        let lines = join(hosts, &parts, &self.stop).map_err(Refused)?;
        eprintln!("all {} processes have joined", hosts.addresses.len());
        let mut watch = Watch::new(self.limits, &self.stop);
        if let Some((_, manifest)) = &resumed {
            watch.went_on_for(manifest.elapsed());
        }
        let ground = Ground { space: space.clone(), search: self.clone(), hosts: hosts.clone(), tasks, watch, resumed };
        let (left, watch) = together::<S, P>(ground, lines, progress).map_err(Refused)?;
        watch.look();
        let End { ended, way, results, elapsed } = left.end;
        let mut found = Found::of_totals::<P>(left.totals, ended, left.table_bytes);
        (found.held, found.saved, found.resumed_from) = (left.held, left.saved, resumed_from);
        found.most_on_disk = found.held.iter().map(|held| held.most_on_disk).sum();
        if let Some(least) = left.least.filter(|_| matches!(found.ended, Ended::Violated(_))) {
            let violation = least.violation::<S, P>();
            let way = way.unwrap_or_else(|| Err("it was not looked for".to_owned()));
            let walked = way.and_then(|prints| {
                attempt(space, || walk(self, space, &prints, &violation).ok_or_else(|| AMBIGUOUS.to_owned()))
                    .unwrap_or_else(|panicked| Err(format!("panicked: {}", panicked.why)))
            });
            found.violated(violation, walked);
            watch.look();
        }
        found.elapsed = elapsed;
        found.peak_resident = watch.peak();
        Ok((found, results))
    }

    /// All in which processes must agree to search together.
    fn must_agree<S: Space, P: Print>(
        &self,
        hosts: &Hosts,
        space: &S,
        resumed: Option<&Manifest>,
    ) -> Vec<(String, String)> {
        let limit = self.limits.states.map_or("none".to_owned(), |limit| limit.to_string());
        let identity = checkpoint::identity::<S, P>(self, space)
            .with("processes", hosts.addresses.len())
            .with("threads of each process", self.threads.max(1))
            .with("limit of states", limit)
            .with("checkpoints", if self.checkpoint.is_some() { "yes" } else { "no" })
            .with("goes on from", resumed.map_or("nothing".to_owned(), Manifest::name));
        identity.parts().to_vec()
    }
}

/// Runs all workers of this process, each on a thread of its own.
fn together<S: Space + Send + 'static, P: Print + 'static>(
    ground: Ground<S>,
    lines: Lines,
    progress: &mut dyn FnMut(&Progress),
) -> Result<(Left<P>, Watch), String> {
    let (process, threads) = (ground.hosts.process, ground.search.threads.max(1));
    let broken = |error: std::io::Error| format!("the connections cannot be used: {error}");
    let alive = Alive::watch(&ground.hosts, &lines).map_err(broken)?;
    let hooks = Hooks::default();
    let here = ProcessBuilder::new_typed_vector(threads, hooks.refill.clone(), None);
    let (builders, guard) =
        initialize_networking_from_sockets(here, lines.letters, process, threads, hooks).map_err(broken)?;
    // Its threads end as their connections do, and would call that a panic.
    std::mem::forget(guard);
    let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
    let (tell, told) = channel();
    let (ground, of_workers) = (Arc::new(ground), Arc::clone(&alive));
    let shared = Arc::clone(&ground);
    let workers =
        initialize_from(builders, Box::new(()), move |allocator| work::<S, P>(&shared, allocator, &of_workers, &tell))?;
    // It ends when all workers have.
    told.iter().for_each(|now| progress(&now));
    let left: Vec<_> = workers.join().into_iter().map(|left| left.and_then(|left| left)).collect();
    alive.part();
    // A panic is handed on, message and all: it must not pass for an end.
    let mut left = left.into_iter().map(|left| left.unwrap_or_else(|why| panic!("{why}")));
    let first = left.next().expect("there is a first worker");
    left.for_each(drop);
    let Ground { watch, .. } = Arc::into_inner(ground).expect("all workers have ended");
    Ok((first, watch))
}

/// Runs one worker. Its dataflow is left as it is in the end: there is no order to bring into one of which others may
/// be gone, and what is left of it goes with the process. Says what it was that panicked, if something did.
fn work<S: Space, P: Print>(
    ground: &Ground<S>,
    allocator: Allocator,
    alive: &Arc<Alive>,
    tell: &Sender<Progress>,
) -> Result<Left<P>, String> {
    let mut post = Post::new(allocator, Arc::clone(alive));
    let mut worker = Worker::<S, P>::new(ground, &mut post);
    let is_first = worker.is_first_here();
    let ran = panics::caught(|| {
        let mut progress = |now: &Progress| {
            if is_first {
                tell.send(*now).expect("somebody listens until all workers have ended");
            }
        };
        worker.start();
        let ended = worker.run(&mut progress)?;
        let way = match &ended {
            Ended::Violated(_) => worker.way(&mut progress)?,
            Ended::Exhausted | Ended::Cut(_) => None,
        };
        worker.finish()?;
        let elapsed = ground.watch.elapsed();
        let mut results = None;
        if ended == Ended::Exhausted {
            worker.exhausted = Some(elapsed);
            results = worker.tasks(&mut progress)?;
        }
        Ok(End { ended, way, results, elapsed })
    });
    let end = match ran {
        Ok(Ok(end)) => Ok(end),
        Ok(Err(Lost)) => Ok(worker.lost(way_on::<S, P>(ground, why_lost(alive)))),
        Err(panicked) => cause(alive, panicked, &ground.hosts).map(|why| worker.lost(way_on::<S, P>(ground, why))),
    };
    let Worker { explored, least, table_bytes, held, saved, .. } = worker;
    std::mem::forget(post);
    Ok(Left { end: end?, totals: explored.totals, least, table_bytes, held, saved })
}

fn why_lost(alive: &Alive) -> String {
    alive.lost().unwrap_or_else(|| "a process is lost".to_owned())
}

/// The reason, and how to go on, if checkpoints were wanted.
fn way_on<S: Space, P: Print>(ground: &Ground<S>, why: String) -> String {
    let Some(directory) = ground.search.checkpoint.as_deref() else { return why };
    let (identity, place) = (checkpoint::identity::<S, P>(&ground.search, &ground.space), directory.display());
    if pieces::is_there(directory, &identity) {
        format!("{why}; '--resume {place}' at all goes on from the last checkpoint")
    } else {
        format!("{why}; no checkpoint had been written to {place} yet")
    }
}

/// What timely says of a connection that broke, by a panic; who is behind it, the connection for life will tell.
const BROKEN: &str = "MergeQueue poisoned";
const SOON: Duration = Duration::from_secs(1);

/// Whose loss a panic comes of; or what it said, if it is a fault of this process, of which the others are told.
fn cause(alive: &Alive, panicked: String, hosts: &Hosts) -> Result<String, String> {
    if !panicked.contains(BROKEN) {
        alive.lose(&format!("{} ended by an internal error", hosts.name(hosts.process)));
        return Err(panicked);
    }
    let until = Instant::now() + SOON;
    while !alive.is_lost() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    alive.lose("a connection broke");
    Ok(why_lost(alive))
}
