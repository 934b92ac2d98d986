//! How the processes find each other: each calls those before it and is called by those after it, on one
//! connection for letters and one for life.

use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::search::hosts::handshake::{self, Failed, Hello, Line};
use crate::search::hosts::settings::Hosts;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a host has to answer a call.
const CALL: Duration = Duration::from_secs(3);
/// Strangers that are listened to at a time.
const STRANGERS: usize = 64;

/// The connections to all others, by process; none to itself.
pub(super) struct Lines {
    pub(super) letters: Vec<Option<TcpStream>>,
    pub(super) life: Vec<Option<TcpStream>>,
}

/// What happens while processes join.
enum News {
    Here {
        process: usize,
        line: Line,
        stream: TcpStream,
    },
    /// Somebody was turned away.
    TurnedAway(String),
    /// Somebody that is called does not answer yet.
    Unreached(String),
    /// It is of no use to wait on.
    Hopeless(String),
}

/// Connects to all others, or says why that is not possible.
pub(super) fn join(hosts: &Hosts, parts: &[(String, String)], stop: &AtomicBool) -> Result<Lines, String> {
    let listener = listen(hosts)?;
    let (tell, news) = channel();
    let office = Arc::new(Office {
        hosts: hosts.clone(),
        parts: parts.to_vec(),
        is_over: AtomicBool::new(false),
        here: Mutex::default(),
        strangers: AtomicUsize::new(0),
    });
    let joined = std::thread::scope(|scope| {
        let (of_calls, of_listener) = (tell.clone(), tell);
        let (office, listener) = (&office, &listener);
        scope.spawn(move || office.call_all(&of_calls));
        scope.spawn(move || office.answer_all(listener, &of_listener));
        let joined = gather(hosts, &news, stop);
        office.close();
        joined
    })?;
    joined.set_options().map_err(|error| format!("a connection cannot be set up: {error}"))?;
    Ok(joined)
}

fn listen(hosts: &Hosts) -> Result<TcpListener, String> {
    let at = hosts.listen.as_deref().unwrap_or(&hosts.addresses[hosts.process]);
    let failed = |error: &dyn Display| format!("{at}: nobody can be listened to there: {error}");
    let addresses: Vec<SocketAddr> = at.to_socket_addrs().map_err(|error| failed(&error))?.collect();
    let is_open = addresses.iter().any(|address| !address.ip().is_loopback());
    if hosts.secret.is_none() && is_open {
        return Err(failed(&"without a secret all processes must be on this machine, at addresses such as 127.0.0.1"));
    }
    let listener = TcpListener::bind(&addresses[..]).map_err(|error| failed(&error))?;
    listener.set_nonblocking(true).map_err(|error| failed(&error))?;
    Ok(listener)
}

/// Waits until all are there.
fn gather(hosts: &Hosts, news: &Receiver<News>, stop: &AtomicBool) -> Result<Lines, String> {
    let until = Instant::now() + hosts.join;
    let nobody = || (0..hosts.addresses.len()).map(|_| None).collect();
    let (mut lines, mut latest) = (Lines { letters: nobody(), life: nobody() }, None);
    while let Some(missing) = lines.missing(hosts) {
        if stop.load(Ordering::Relaxed) {
            return Err(format!("it was told to stop before {} had joined", hosts.name(missing)));
        }
        if until <= Instant::now() {
            let at_last = latest.map_or(String::new(), |why| format!("; at last {why}"));
            return Err(format!("{} has not joined within {:?}{at_last}", hosts.name(missing), hosts.join));
        }
        match news.recv_timeout(PAUSE) {
            Ok(News::Here { process, line: Line::Letters, stream }) => lines.letters[process] = Some(stream),
            Ok(News::Here { process, line: Line::Life, stream }) => lines.life[process] = Some(stream),
            Ok(News::TurnedAway(who)) => {
                eprintln!("turned away: {who}");
                latest = Some(format!("somebody was turned away: {who}"));
            }
            Ok(News::Unreached(why)) => latest = Some(why),
            Ok(News::Hopeless(why)) => return Err(why),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("those who listen are gone".to_owned()),
        }
    }
    Ok(lines)
}

impl Lines {
    /// The first that is not there.
    fn missing(&self, hosts: &Hosts) -> Option<usize> {
        let is_here = |process: &usize| self.letters[*process].is_some() && self.life[*process].is_some();
        (0..hosts.addresses.len()).find(|process| *process != hosts.process && !is_here(process))
    }

    fn set_options(&self) -> io::Result<()> {
        self.letters.iter().chain(&self.life).flatten().try_for_each(|stream| {
            stream.set_nonblocking(false)?;
            stream.set_nodelay(true)
        })
    }
}

/// What those who call and those who listen know together.
struct Office {
    hosts: Hosts,
    parts: Vec<(String, String)>,
    is_over: AtomicBool,
    /// Connections of those that have called, to see whether they are still there.
    here: Mutex<HashMap<(usize, bool), TcpStream>>,
    strangers: AtomicUsize,
}

impl Office {
    fn secret(&self) -> &[u8] {
        self.hosts.secret.as_deref().unwrap_or_default()
    }

    fn hello(&self, line: Line) -> Hello {
        Hello { process: self.hosts.process, line, parts: self.parts.clone() }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// From here on nobody is called or listened to, and nobody looks at a connection that others use.
    fn close(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.here.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn call_all(&self, tell: &Sender<News>) {
        for process in 0..self.hosts.process {
            for line in [Line::Letters, Line::Life] {
                let Some(news) = self.call(process, line, tell) else { return };
                let _ = tell.send(news);
            }
        }
    }

    /// Calls until somebody answers; nothing, if it is too late.
    fn call(&self, process: usize, line: Line, tell: &Sender<News>) -> Option<News> {
        while !self.is_over() {
            let called = self.reach(process).map_err(Failed::Unreachable);
            match called.and_then(|it| handshake::call(&it, self.secret(), &self.hello(line), process).map(|()| it)) {
                Ok(stream) => return Some(News::Here { process, line, stream }),
                Err(Failed::Unreachable(error)) => {
                    let _ = tell.send(News::Unreached(format!("{}: {error}", self.hosts.name(process))));
                    std::thread::sleep(PAUSE);
                }
                Err(Failed::Refused(why)) => {
                    return Some(News::Hopeless(format!("{}: {why}", self.hosts.name(process))));
                }
            }
        }
        None
    }

    /// Names are looked up anew each time: a host that starts may have none yet.
    fn reach(&self, process: usize) -> io::Result<TcpStream> {
        let mut latest = io::ErrorKind::NotFound.into();
        for address in self.hosts.addresses[process].to_socket_addrs()? {
            if self.hosts.secret.is_none() && !address.ip().is_loopback() {
                continue;
            }
            match TcpStream::connect_timeout(&address, CALL) {
                Ok(stream) => return Ok(stream),
                Err(error) => latest = error,
            }
        }
        Err(latest)
    }

    fn answer_all(self: &Arc<Self>, listener: &TcpListener, tell: &Sender<News>) {
        while !self.is_over() {
            match listener.accept() {
                Ok((stream, from)) => self.listen_to(stream, from, tell),
                // Nobody calls, or whoever did has gone already.
                Err(_) => std::thread::sleep(PAUSE / 5),
            }
        }
    }

    /// Each by itself, so that no stranger keeps others waiting; too many at a time are not listened to.
    fn listen_to(self: &Arc<Self>, stream: TcpStream, from: SocketAddr, tell: &Sender<News>) {
        if STRANGERS <= self.strangers.fetch_add(1, Ordering::Relaxed) {
            self.strangers.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let (office, tell) = (Arc::clone(self), tell.clone());
        std::thread::spawn(move || {
            let news = office.answer(stream).unwrap_or_else(|why| News::TurnedAway(format!("{from}: {why}")));
            let _ = tell.send(news);
            office.strangers.fetch_sub(1, Ordering::Relaxed);
        });
    }

    fn answer(&self, stream: TcpStream) -> Result<News, String> {
        stream.set_nonblocking(false).map_err(|error| error.to_string())?;
        let ours = self.hello(Line::Letters);
        let Hello { process, line, .. } =
            handshake::answer(&stream, self.secret(), &ours, |theirs| self.expect(theirs, &stream))?;
        Ok(News::Here { process, line, stream })
    }

    /// Whether this one is still to come. One that has gone again may come back.
    fn expect(&self, hello: &Hello, stream: &TcpStream) -> Result<(), String> {
        let Hello { process, line, .. } = *hello;
        if process <= self.hosts.process || self.hosts.addresses.len() <= process {
            return Err(format!("process {} is not called by process {process}", self.hosts.process));
        }
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_over() {
            return Err("the search has begun already".to_owned());
        }
        let place = (process, line == Line::Life);
        if here.get(&place).is_some_and(is_open) {
            return Err(format!("process {process} is here already"));
        }
        here.insert(place, stream.try_clone().map_err(|error| error.to_string())?);
        Ok(())
    }
}

/// Whether the other end of a connection on which nothing was said yet is still there.
fn is_open(stream: &TcpStream) -> bool {
    let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    let _ = stream.set_nonblocking(false);
    match peeked {
        Ok(read) => 0 < read,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}
