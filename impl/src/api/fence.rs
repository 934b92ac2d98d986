//! The fence: how a protected resource tells an old leader from the current one.

use std::fmt;

use rafttree_model::Term;

/// Names one leadership: the term in which it was won.
///
/// Election Safety makes it unique, and every later leadership has a greater one. Send it with
/// each request to whatever the leader protects, and let that refuse what carries a smaller fence
/// than it has seen: then a leader that was paused, or cut off, or whose clock is wrong, cannot
/// do harm, whatever it believes. ([`FenceGuard`] shows the check.)
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fence(u64);

impl Fence {
    /// The fence with this number, as a protected resource received it.
    pub fn new(number: u64) -> Fence {
        Fence(number)
    }

    /// The number, as it goes to a protected resource.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl From<Term> for Fence {
    fn from(term: Term) -> Fence {
        Fence(term.number())
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// The check at the protected resource: fences never fall.
///
/// A resource that outlives this value keeps the greatest fence with its data, and checks and
/// changes both in one transaction. In SQL:
///
/// ```sql
/// UPDATE job SET state = $1, fence = $2 WHERE id = $3 AND fence <= $2;  -- no row: a stale leader
/// ```
///
/// Over HTTP, a request header carries the fence and a smaller one is answered by 412; with an
/// object store, the fence is in the object and the write is conditional on its ETag.
///
/// ```
/// use rafttree::{Fence, FenceGuard};
///
/// let mut guard = FenceGuard::default();
/// assert!(guard.admit(Fence::new(3)).is_ok());
/// assert!(guard.admit(Fence::new(3)).is_ok());
/// assert!(guard.admit(Fence::new(2)).is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FenceGuard {
    greatest: Option<Fence>,
}

/// A request of a leader that another one has followed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("fence {presented} is stale: a leader with fence {greatest} has been here")]
pub struct StaleFence {
    /// The fence of the request.
    pub presented: Fence,
    /// The greatest fence that was admitted.
    pub greatest: Fence,
}

impl FenceGuard {
    /// A guard that has seen this fence, as it was kept with the data.
    pub fn resume(greatest: Fence) -> FenceGuard {
        FenceGuard { greatest: Some(greatest) }
    }

    /// The greatest fence so far, to be kept with the data.
    pub fn greatest(&self) -> Option<Fence> {
        self.greatest
    }

    /// Admits a request, unless a greater fence has been seen.
    pub fn admit(&mut self, presented: Fence) -> Result<(), StaleFence> {
        match self.greatest {
            Some(greatest) if presented < greatest => Err(StaleFence { presented, greatest }),
            _ => {
                self.greatest = Some(presented);
                Ok(())
            }
        }
    }
}
