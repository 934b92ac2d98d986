//! Where the name of a peer leads: looked up anew for each attempt, and never more than once at a
//! time, since a name service that does not answer cannot be interrupted.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::unreachable::Unreachable;

/// Time for the name service before its last answer is used.
const LOOKUP_DEADLINE: Duration = Duration::from_secs(2);

/// The addresses of one peer.
pub(super) struct Names {
    address: String,
    lookup: Option<JoinHandle<io::Result<Vec<SocketAddr>>>>,
    /// The last answer, what is to be tried first in front.
    known: Vec<SocketAddr>,
}

impl Names {
    /// The addresses behind this host and port.
    pub(super) fn new(address: &str) -> Names {
        Names { address: address.to_owned(), lookup: None, known: Vec::new() }
    }

    /// A name that leads to these, whatever the name service says.
    #[cfg(test)]
    pub(super) fn fixed(addresses: &[SocketAddr]) -> Names {
        let answer = addresses.to_vec();
        Names { known: answer, ..Names::new("fixed.invalid:1") }
    }

    /// Where to try, in this order. If the look-up fails or takes too long, it is the last answer.
    pub(super) async fn addresses(&mut self) -> Result<Vec<SocketAddr>, Unreachable> {
        if let Ok(address) = self.address.parse() {
            return Ok(vec![address]);
        }
        match (self.look_up().await, self.known.is_empty()) {
            (Ok(found), _) => self.learn(found),
            (Err(unreachable), true) => return Err(unreachable),
            (Err(unreachable), false) => tracing::debug!(%unreachable, "going on with the last answer"),
        }
        Ok(self.known.clone())
    }

    async fn look_up(&mut self) -> Result<Vec<SocketAddr>, Unreachable> {
        let address = self.address.clone();
        let lookup =
            self.lookup.get_or_insert_with(|| spawn_blocking(move || address.to_socket_addrs().map(Iterator::collect)));
        let Ok(answer) = timeout(LOOKUP_DEADLINE, &mut *lookup).await else {
            return Err(Unreachable::NoNameService(self.address.clone()));
        };
        self.lookup = None;
        let no_such_name = |problem| Unreachable::NoSuchName { address: self.address.clone(), problem };
        match answer {
            Ok(Ok(found)) if found.is_empty() => Err(no_such_name("it has no address".to_owned())),
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(no_such_name(error.to_string())),
            Err(error) => Err(no_such_name(error.to_string())),
        }
    }

    /// Takes over an answer; what was tried first stays first.
    fn learn(&mut self, found: Vec<SocketAddr>) {
        let first = self.known.first().copied();
        self.known = found;
        if let Some(first) = first {
            self.prefer(first);
        }
    }

    /// Tries this address first from now on, if it is one of them.
    pub(super) fn prefer(&mut self, address: SocketAddr) {
        if let Some(place) = self.known.iter().position(|&known| known == address) {
            self.known[..=place].rotate_right(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 7000))
    }

    #[tokio::test]
    async fn a_number_needs_no_name_service() {
        let mut names = Names::new("10.0.0.1:7000");
        assert_eq!(names.addresses().await, Ok(vec![address(1)]));
        assert!(names.lookup.is_none());
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_named() {
        let unreachable = Names::new("no-such-host.invalid:7000").addresses().await.unwrap_err().to_string();
        assert!(unreachable.starts_with("no-such-host.invalid:7000 cannot be looked up"), "{unreachable}");
    }

    #[test]
    fn what_was_reached_last_is_tried_first_whatever_the_next_answer_is() {
        let mut names = Names::new("peer:7000");
        names.learn(vec![address(1), address(2), address(3)]);
        names.prefer(address(3));
        assert_eq!(names.known, [address(3), address(1), address(2)]);
        names.learn(vec![address(2), address(1), address(3)]);
        assert_eq!(names.known, [address(3), address(2), address(1)]);
        names.learn(vec![address(2), address(1)]);
        assert_eq!(names.known, [address(2), address(1)]);
    }

    /// A second attempt waits for the look-up of the first instead of starting another thread.
    #[tokio::test(start_paused = true)]
    async fn a_name_service_that_is_silent_is_asked_once() {
        let mut names = Names::new("peer:7000");
        let (service, answer) = tokio::sync::oneshot::channel();
        names.lookup = Some(tokio::spawn(async { answer.await.map_err(io::Error::other) }));
        for _ in 0..3 {
            assert_eq!(names.addresses().await, Err(Unreachable::NoNameService("peer:7000".to_owned())));
        }
        service.send(vec![address(1)]).unwrap();
        assert_eq!(names.addresses().await, Ok(vec![address(1)]));
    }
}
