//! Changes of an encoding: those that memory, disks and networks make, and those that a parser is least prepared for.

use crate::simulate::Random;

/// Numbers that a length should never be believed to be.
const EXTREMES: [u64; 7] = [0, 1, u64::MAX, u64::MAX / 2, u32::MAX as u64, i32::MAX as u64, (64 << 20) + 1];

/// The longest variable-length numbers of 32 and of 64 bits, and one that has no end.
const LONG_NUMBERS: [&[u8]; 3] =
    [&[0xff, 0xff, 0xff, 0xff, 0x0f], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], &[0xff; 12]];

/// The most bytes of a range that is repeated, removed or drawn.
const MAX_RANGE_BYTES: u64 = 40;

/// These bytes with one to four changes; `other` is an encoding of the same parser.
pub(super) fn mutated(random: &mut Random, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    if random.chance(3) {
        return (0..random.below(100)).map(|_| random.below(256) as u8).collect();
    }
    // More than one change is seldom accepted.
    let changes = if random.chance(50) { 1 } else { random.within(2..5) };
    (0..changes).for_each(|_| mutate(random, &mut out, other));
    out
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = place(random, bytes);
    let end = bytes.len().min(at + 1 + random.below(MAX_RANGE_BYTES) as usize);
    match random.below(11) {
        0 | 1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
        2 | 3 => set_number(random, &mut bytes[at..]),
        4 => {
            let long = *random.pick(&LONG_NUMBERS);
            let replaced = random.below(3) as usize;
            drop(bytes.splice(at..bytes.len().min(at + replaced), long.iter().copied()));
        }
        5 => bytes.truncate(at),
        6 => {
            bytes.truncate(at);
            bytes.extend(&other[place(random, other)..]);
        }
        7 => {
            let range = bytes[at..end].to_vec();
            let to = place(random, bytes);
            drop(bytes.splice(to..to, range));
        }
        8 => drop(bytes.drain(at..end)),
        9 if !other.is_empty() => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = *random.pick(other)),
        _ => bytes[at..end].fill_with(|| random.below(256) as u8),
    }
}

/// Puts an extreme number of a random width and order of bytes in front of these, or one beside what stands there.
fn set_number(random: &mut Random, bytes: &mut [u8]) {
    let width = bytes.len().min(1 << random.below(4));
    let bytes = &mut bytes[..width];
    if random.chance(30) {
        bytes.iter_mut().take(1).for_each(|byte| *byte = byte.wrapping_add(1 + random.below(2) as u8 * 254));
        return;
    }
    let number = random.pick(&EXTREMES).to_le_bytes();
    bytes.copy_from_slice(&number[..width]);
    if random.chance(50) {
        bytes.reverse();
    }
}

/// A place in these bytes, or behind them; mostly where they are not zero.
fn place(random: &mut Random, bytes: &[u8]) -> usize {
    let any = random.below(bytes.len() as u64 + 1) as usize;
    if random.chance(30) {
        return any;
    }
    bytes[any..].iter().position(|&byte| byte != 0).map_or(any, |more| {
        let run = bytes[any + more..].iter().take(64).take_while(|&&byte| byte != 0).count();
        any + more + random.below(run as u64) as usize
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_is_another_each_time_and_whatever_is_there() {
        let mut random = Random::stream(1, 1);
        for length in [0, 1, 2, 9, 300] {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let changed = (0..500).filter(|_| mutated(&mut random, &bytes, &[1, 2, 3]) != bytes).count();
            assert!(400 < changed || length < 2, "{changed} of 500 changes of {length} bytes");
        }
    }
}
