//! Fingerprints are as good as drawn by chance.

use std::collections::HashSet;
use std::hash::Hash;

use crate::search::{Fingerprinter, fingerprint};

#[test]
fn a_fingerprint_stays_what_it_is() {
    // Checkpoints are full of them.
    assert_eq!(fingerprint(&(1_u8, "two", [3_u32, 4]), 5), 150_514_121_697_866_346_450_668_578_084_188_575_259);
}

#[test]
fn each_bit_of_a_value_and_of_the_seed_turns_half_of_the_fingerprint() {
    let turned = |value: [u64; 3], seed| (fingerprint(&[0_u64; 3], 0) ^ fingerprint(&value, seed)).count_ones();
    for bit in 0..64 {
        for word in 0..3 {
            let mut value = [0; 3];
            value[word] = 1 << bit;
            assert!((32..96).contains(&turned(value, 0)), "bit {bit} of word {word}");
        }
        assert!((32..96).contains(&turned([0; 3], 1 << bit)), "bit {bit} of the seed");
    }
}

#[test]
fn small_values_next_to_each_other_collide_no_more_than_chance_would_have_it() {
    // 2^17 states of small numbers: of any 32 bits about two pairs are the same.
    let states = (0..1_u32 << 17).map(|n| [n & 7, n >> 3 & 7, n >> 6 & 7, n >> 9 & 7, n >> 12].map(|n| n as u8));
    for seed in 0..4 {
        for shift in [0, 16, 32, 64, 96] {
            let cut = states.clone().map(|state| (fingerprint(&state, seed) >> shift) as u32);
            assert!((1 << 17) - 20 < cut.collect::<HashSet<_>>().len(), "seed {seed}, from bit {shift}");
        }
    }
}

#[test]
fn what_is_hashed_alike_only_when_run_together_is_told_apart() {
    let different = [
        fingerprint(&(vec![1_u8, 2], vec![3_u8]), 0),
        fingerprint(&(vec![1_u8], vec![2_u8, 3]), 0),
        fingerprint(&(vec![1_u8, 2, 3], Vec::<u8>::new()), 0),
        fingerprint(&(0_u8, 0_u8), 0),
        fingerprint(&0_u8, 0),
        fingerprint(&0xff_usize, 0),
        fingerprint(&0xfe_usize, 0),
        fingerprint(&0x1_ff_usize, 0),
    ];
    assert_eq!(different.iter().collect::<HashSet<_>>().len(), different.len());
}

#[test]
fn a_state_may_be_hashed_piece_by_piece() {
    let mut hasher = Fingerprinter::new(9);
    (1_u8, 2_u64).hash(&mut hasher);
    [3_u16].as_slice().hash(&mut hasher);
    assert_eq!(hasher.fingerprint(), fingerprint(&((1_u8, 2_u64), vec![3_u16]), 9));
}
