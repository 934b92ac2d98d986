//! Whether the others are alive: each says so twice a second on a connection that has nothing else to carry.
//!
//! A process that dies closes its connections, and one that is stopped, or cut off, falls silent. Whoever
//! notices tells all others why it ends, and they end for the same reason.

use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::search::hosts::frames;
use crate::search::hosts::join::Lines;
use crate::search::hosts::settings::Hosts;

/// Between two signs of life.
const BEAT: Duration = Duration::from_millis(500);

/// What is said: the first byte of a message, behind which may be a reason.
const ALIVE: u8 = 0;
const LOST: u8 = 1;
const BYE: u8 = 2;

const LONGEST_REASON: usize = 4 << 10;

/// The state of all others.
pub(super) struct Alive {
    hosts: Hosts,
    /// The connections for life, by process.
    life: Vec<Option<Mutex<TcpStream>>>,
    /// Those for letters, which are cut when somebody is lost: their threads wait on them.
    letters: Vec<TcpStream>,
    lost: Mutex<Option<String>>,
    is_lost: AtomicBool,
    /// All that is to be said was said: whoever goes now is not missed.
    is_over: AtomicBool,
    byes: Mutex<Vec<bool>>,
}

impl Alive {
    /// Watches over the others from here on, by threads of its own.
    pub(super) fn watch(hosts: &Hosts, lines: &Lines) -> io::Result<Arc<Alive>> {
        let life: Vec<_> =
            lines.life.iter().map(|it| it.as_ref().map(TcpStream::try_clone).transpose()).collect::<Result<_, _>>()?;
        for stream in life.iter().flatten() {
            stream.set_write_timeout(Some(hosts.silence))?;
        }
        let letters = lines.letters.iter().flatten().map(TcpStream::try_clone).collect::<Result<_, _>>()?;
        let byes = lines.life.iter().map(Option::is_none).collect();
        let alive = Arc::new(Alive {
            hosts: hosts.clone(),
            life: life.into_iter().map(|it| it.map(Mutex::new)).collect(),
            letters,
            lost: Mutex::default(),
            is_lost: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            byes: Mutex::new(byes),
        });
        for (process, stream) in lines.life.iter().enumerate() {
            if let Some(stream) = stream {
                let (alive, stream) = (Arc::clone(&alive), stream.try_clone()?);
                stream.set_read_timeout(Some(hosts.silence))?;
                std::thread::spawn(move || alive.listen(process, stream));
            }
        }
        let beating = Arc::clone(&alive);
        std::thread::spawn(move || beating.beat());
        Ok(alive)
    }

    /// Why the search cannot go on, if it cannot.
    pub(super) fn lost(&self) -> Option<String> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// The search cannot go on, here and at all others. The first reason counts.
    pub(super) fn lose(&self, why: &str) {
        {
            let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            if lost.is_some() || self.is_over.load(Ordering::Relaxed) {
                return;
            }
            *lost = Some(why.to_owned());
        }
        self.is_lost.store(true, Ordering::Relaxed);
        self.say_to_all(LOST, why);
        self.cut();
    }

    /// Ends it: nothing is to be said any more. Waits until nobody else has anything to say, since the end of this
    /// process would be taken for its loss.
    pub(super) fn part(&self) {
        self.say_to_all(BYE, "");
        let until = Instant::now() + self.hosts.silence;
        while !self.is_lost() && Instant::now() < until && !self.have_all_parted() {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.is_over.store(true, Ordering::Relaxed);
        self.cut();
    }

    /// Lets go of whoever still waits on a connection for letters.
    fn cut(&self) {
        for stream in &self.letters {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn have_all_parted(&self) -> bool {
        self.byes.lock().unwrap_or_else(PoisonError::into_inner).iter().all(|bye| *bye)
    }

    fn beat(&self) {
        while !self.is_lost() && !self.is_over.load(Ordering::Relaxed) {
            self.say_to_all(ALIVE, "");
            std::thread::sleep(BEAT);
        }
    }

    /// Whoever does not hear it is missed by whoever listens to it.
    fn say_to_all(&self, what: u8, why: &str) {
        let message = [&[what], why.as_bytes()].concat();
        for stream in self.life.iter().flatten() {
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = frames::put(&mut &*stream, &message[..message.len().min(LONGEST_REASON)]);
        }
    }

    fn listen(&self, process: usize, mut stream: TcpStream) {
        let name = self.hosts.name(process);
        loop {
            match heard(&mut stream) {
                Ok((ALIVE, _)) => {}
                Ok((BYE, _)) => {
                    self.byes.lock().unwrap_or_else(PoisonError::into_inner)[process] = true;
                    return;
                }
                Ok((_, why)) => return self.lose(&why),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return self.lose(&format!("{name} has said nothing for {:?}", self.hosts.silence));
                }
                Err(_) => return self.lose(&format!("{name} is gone")),
            }
        }
    }
}

fn heard(stream: &mut impl Read) -> io::Result<(u8, String)> {
    let message = frames::get(stream, LONGEST_REASON)?;
    let (&what, why) = message.split_first().ok_or(io::ErrorKind::InvalidData)?;
    Ok((what, String::from_utf8_lossy(why).into_owned()))
}
