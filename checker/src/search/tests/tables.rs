//! The visited set holds what was put in, in little memory.

use std::collections::HashSet;

use proptest::prelude::*;

use crate::search::fingerprint::{Print, fingerprint};
use crate::search::table::Table;

/// The table says of each what a set says, and holds in the end what the set holds.
fn is_a_set<P: Print>(prints: &[P]) {
    let (table, mut set) = (Table::new(), HashSet::new());
    for &print in prints {
        assert_eq!(table.contains(print), set.contains(&print));
        assert_eq!(table.insert(print), set.insert(print));
        assert!(table.contains(print));
    }
    assert_eq!(table.shards().map(|(_, prints)| prints.len()).sum::<usize>(), set.len());
    assert!(table.shards().flat_map(|(_, prints)| prints).collect::<HashSet<_>>() == set);
    let mut shards = table.shards();
    let again = Table::of_shards(|| shards.next().ok_or(())).unwrap();
    let places = |table: &Table<P>| table.shards().map(|(places, _)| places).collect::<Vec<_>>();
    assert!(places(&again) == places(&table) && again.bytes() == table.bytes());
    assert!(again.shards().flat_map(|(_, prints)| prints).collect::<HashSet<_>>() == set);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn a_table_is_a_set(prints in prop::collection::vec(any::<u64>(), 0..4_000)) {
        is_a_set(&prints.iter().map(|&print| u64::of(print.into())).collect::<Vec<_>>());
    }

    #[test]
    fn a_table_of_crowded_prints_is_a_set(prints in prop::collection::vec((0_u64..400, 0_u64..3), 0..1_000)) {
        // At the beginning, the middle and the end of the range of fingerprints.
        let crowded = prints.iter().map(|&(print, where_to)| where_to * (u64::MAX / 2 - 200) + print);
        is_a_set(&crowded.clone().map(|print| u64::of(print.into())).collect::<Vec<_>>());
        is_a_set(&crowded.map(|print| u128::of(u128::from(print) << 64 | u128::from(print % 7))).collect::<Vec<_>>());
    }
}

#[test]
fn a_fingerprint_of_nothing_is_one_too() {
    is_a_set(&[u64::of(0), u64::of(1), u64::of(1 << 64)]);
    is_a_set(&[u128::of(0), u128::of(1), u128::of(1 << 64)]);
}

/// Bytes per print, with as many prints.
fn bytes_per_print<P: Print>(prints: u64) -> f64 {
    let table = Table::new();
    let new = (0..prints).filter(|print| table.insert(P::of(fingerprint(print, 0)))).count();
    assert_eq!(new as u64, prints);
    table.bytes() as f64 / prints as f64
}

#[test]
fn a_million_prints_take_little_more_than_themselves() {
    for prints in [800_000, 1_000_000, 1_250_000] {
        assert!(bytes_per_print::<u64>(prints) < 12.0);
    }
    assert!(bytes_per_print::<u128>(1_000_000) < 24.0);
}

#[test]
fn threads_together_insert_each_print_once() {
    let table = Table::new();
    let insert = || (0..200_000_u64).filter(|print| table.insert(u64::of(fingerprint(print, 3)))).count();
    let new: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(insert)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(new, 200_000);
}
