//! Makes a failing run shorter: which of its faults are enough (delta debugging, Zeller and Hildebrandt 2002).

use std::collections::BTreeSet;

/// Runs that an attempt may take, at most.
const MAX_ATTEMPTS: usize = 400;

/// The least of these with which it still fails, as far as leaving out parts of them leads to it.
pub(super) fn shrink(all: BTreeSet<usize>, mut fails: impl FnMut(&BTreeSet<usize>) -> bool) -> BTreeSet<usize> {
    let (mut kept, mut attempts) = (all, 0);
    let mut length = kept.len().div_ceil(2);
    while 0 < length && attempts < MAX_ATTEMPTS {
        let before = kept.len();
        let mut begin = 0;
        while begin < kept.len() && attempts < MAX_ATTEMPTS {
            let part: Vec<usize> = kept.iter().copied().skip(begin).take(length).collect();
            let rest: BTreeSet<usize> = kept.iter().copied().filter(|number| !part.contains(number)).collect();
            attempts += 1;
            if fails(&rest) { kept = rest } else { begin += length }
        }
        // Once more with single ones, until none of them can be left out.
        length = if length == 1 && kept.len() < before { 1 } else { length / 2 };
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_enough_is_found_and_nothing_more() {
        let needed = BTreeSet::from([3, 17, 18]);
        let kept = shrink((0..40).collect(), |tried| needed.is_subset(tried));
        assert_eq!(kept, needed);
        assert_eq!(shrink((0..40).collect(), |_| true), BTreeSet::new());
        assert_eq!(shrink(needed.clone(), |_| false), needed);
    }
}
