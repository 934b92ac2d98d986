//! Small campaigns, and what they find of faults that are put in on purpose.

use super::{Campaign, Counts, Scale, Target};

/// The fewest inputs that reach as much as all that the fuzzer has tried: `fuzz/run` writes them.
const KEPT: &str = include_str!("tests/kept.txt");

/// What these runs have counted; none may find anything.
fn run(campaign: Campaign, seeds: std::ops::Range<u64>) -> Counts {
    let mut counts = Counts::default();
    for seed in seeds {
        let run = campaign.run(seed, Scale::SMALL);
        if let Some(violation) = run.violation {
            panic!("{} --seed {seed}: {violation}", campaign.name());
        }
        counts += &run.counts;
    }
    println!("{}: {:?}", campaign.name(), counts.all().collect::<Vec<_>>());
    counts
}

#[test]
fn whatever_a_crash_leaves_nothing_that_was_acknowledged_is_lost() {
    let counts = run(Campaign::Crashes, 0..11);
    assert!(50_000 <= counts.of("recoveries"), "{counts:?}");
}

#[test]
fn whatever_call_fails_nothing_that_was_acknowledged_is_lost() {
    let counts = run(Campaign::Errors, 0..3);
    assert!(1000 <= counts.of("errors"), "{counts:?}");
}

#[test]
fn a_bit_that_flips_is_harmless_repaired_named_or_refused() {
    let counts = run(Campaign::Bits, 0..8);
    assert!(1000 <= counts.of("bits"), "{counts:?}");
}

#[test]
fn whatever_bytes_come_they_are_refused_or_read_as_what_can_be_written_again() {
    let counts = run(Campaign::Bytes, 0..6);
    assert!(5000 <= counts.of("inputs"), "{counts:?}");
    assert_eq!(Campaign::Bytes.untested(&counts), [""; 0], "{counts:?}");
}

#[test]
fn equal_seeds_feed_equal_bytes() {
    let digest = |seed| Campaign::Bytes.run(seed, Scale::SMALL).digest;
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

#[test]
fn a_parser_that_accepts_or_refuses_nothing_is_named() {
    let counts = Campaign::Bytes.run(1, Scale { encodings: 0, ..Scale::SMALL }).counts;
    assert!(Campaign::Bytes.untested(&counts).contains(&"messages"));
    assert_eq!(Campaign::Bits.untested(&counts), [""; 0]);
}

#[test]
fn what_fuzzers_have_kept_is_refused_or_read_as_what_can_be_written_again() {
    for target in Target::all() {
        let (name, kept) = (target.name(), target.inputs_in(KEPT).unwrap());
        let judged = kept.iter().map(|input| target.judge(input).unwrap_or_else(|words| panic!("{name}: {words}")));
        let accepted = judged.flatten().filter(|&is_accepted| is_accepted).count();
        assert!(0 < accepted && accepted < 2 * kept.len(), "{name}: {accepted} of {} inputs", kept.len());
    }
}
