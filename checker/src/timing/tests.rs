//! Claims about the three answers, and about what each rests on.

use crate::timing::chain::{exact, grids};
use crate::timing::closed_form;
use crate::timing::command::default_heartbeat;
use crate::timing::continuous::{Trials, simulate};
use crate::timing::limit::Limit;
use crate::timing::required_timeouts::{Demand, smallest};
use crate::timing::sample::{Sample, wilson};
use crate::timing::setting::{
    Latency, MILLISECOND, Nanos, Range, Setting, Start, Until, parse_latency, parse_time, parse_timeout,
};

const T: Nanos = 100 * MILLISECOND;

/// All alive, timers restarted together, a latency in milliseconds.
fn setting(servers: u8, alive: u8, latency: u64) -> Setting {
    Setting {
        servers,
        alive,
        behind: 0,
        timeout: Range { least: T, most: 2 * T },
        heartbeat: T / 2,
        latency: Latency::Fixed(latency * MILLISECOND),
        flush: 0,
        pre_vote: true,
        start: Start::Worst,
        until: Until::Elected,
    }
}

/// Whether a value lies in an interval that is `wider` times as wide, so that many may be asked.
fn agrees(value: f64, estimate: crate::timing::sample::Estimate, wider: f64) -> bool {
    let half = wider * (estimate.high - estimate.low) / 2.0;
    (value - (estimate.high + estimate.low) / 2.0).abs() <= half
}

/// Twice as wide an interval as that of 95 % misses one value in ten thousand.
fn assert_agree(limit: &Limit, sample: &Sample, about: &str) {
    for terms in 1..=2 {
        let (exact, seen) = (limit.within_terms(terms), sample.within_terms(terms));
        assert!(agrees(exact, seen, 2.0), "{about}: {exact} within {terms} terms, seen {seen:?}");
    }
    let (exact, seen) = (limit.mean(), sample.mean());
    assert!(agrees(exact, seen, 2.0), "{about}: mean {exact}, seen {seen:?}");
    for probability in [0.25, 0.5, 0.75] {
        let exact = limit.quantile(probability).expect("it ends");
        let seen = sample.quantile(probability).expect("it ends");
        assert!(agrees(exact, seen, 2.5), "{about}: at {probability} {exact}, seen {seen:?}");
    }
}

#[test]
fn one_server_elects_itself_when_its_timer_fires() {
    let setting = setting(1, 1, 0);
    let limit = Limit::new(&setting, 20_000).expect("a small chain");
    assert!((limit.within_terms(1) - 1.0).abs() < 1e-9);
    let sample = simulate(&setting, &Trials::new(20_000, 1));
    for (probability, known) in [(0.1, 110e6), (0.5, 150e6), (0.9, 190e6)] {
        let exact = limit.quantile(probability).expect("it ends");
        assert!((exact - known).abs() < 1e3, "{exact}");
        assert!(agrees(known, sample.quantile(probability).expect("it ends"), 2.0));
    }
}

/// The second of two servers times out within a latency of the first with 2 l - l^2, and then each has
/// its own vote alone; that is so with PreVote as without.
#[test]
fn two_servers_split_if_their_timers_fire_within_a_latency() {
    for pre_vote in [false, true] {
        for latency in [10, 20] {
            let setting = Setting { pre_vote, ..setting(2, 2, latency) };
            let l = latency as f64 / 100.0;
            let known = 2.0 * l - l * l;
            let limit = Limit::new(&setting, 4_000).expect("a small chain");
            let exact = 1.0 - limit.within_terms(1);
            assert!((exact - known).abs() < 0.002, "{exact} {known}");
            let seen = simulate(&setting, &Trials::new(20_000, 2)).within_terms(1);
            assert!(agrees(1.0 - known, seen, 2.0), "{seen:?} {known}");
        }
    }
}

/// Spans that are no whole steps, neither flush nor minimum timeout nor heartbeat. With PreVote two of three
/// split as if there were no flush, with 2 l - l^2.
#[test]
fn a_flush_that_is_no_whole_number_of_steps_has_a_limit_too() {
    let flushed = |latency, flush| Setting { flush: flush * MILLISECOND, ..setting(3, 2, latency) };
    for (setting, known) in [(flushed(10, 10), 0.81), (flushed(20, 7), 0.64)] {
        let limit = Limit::new(&setting, 20_000).expect("a small chain");
        assert!(3 <= limit.grids.len() && limit.apart() < 0.003, "{setting}: {}", limit.apart());
        assert!((limit.within_terms(1) - known).abs() < 0.001, "{setting}: {}", limit.within_terms(1));
        assert_agree(&limit, &simulate(&setting, &Trials::new(20_000, 3)), &setting.to_string());
    }
}

/// What three grids say is made up here, once to come nearer and once to go to and fro.
#[test]
fn no_limit_is_taken_where_finer_steps_show_none() {
    let mut limit = Limit::new(&setting(3, 2, 20), 20_000).expect("a small chain");
    limit.grids.truncate(3);
    for (firsts, tends) in [([0.6, 0.7, 0.72], true), ([0.6, 0.7, 0.5], false)] {
        assert_eq!(limit.grids.len(), firsts.len());
        let grids = limit.grids.iter_mut().zip(firsts);
        grids.for_each(|(grid, first)| grid.exact.terms = vec![first, 1.0 - first]);
        let (finest, taken) = (limit.finest().within_terms(1), limit.within_terms(1));
        assert_eq!((limit.tends(), taken == finest), (tends, !tends), "{firsts:?}: {taken}");
    }
    assert!((limit.apart() - 0.2).abs() < 1e-12);
}

#[test]
fn the_chain_and_the_simulation_agree() {
    let random = |setting| Setting { start: Start::Random, until: Until::Known, ..setting };
    let settings = [
        ("3 servers", setting(3, 2, 10)),
        ("the leader dies at random", random(setting(3, 2, 20))),
        ("plain Raft", Setting { pre_vote: false, ..setting(3, 2, 20) }),
        ("all of 3 at once", setting(3, 3, 20)),
        ("5 servers", Setting { pre_vote: false, ..random(setting(5, 3, 25)) }),
        ("one that is behind", Setting { behind: 1, pre_vote: false, ..setting(3, 3, 20) }),
    ];
    for (about, setting) in settings {
        let limit = Limit::new(&setting, 20_000).expect("a small chain");
        assert!(1 < limit.grids.len(), "{about}: one grid shows no limit");
        assert_agree(&limit, &simulate(&setting, &Trials::new(20_000, 3)), about);
    }
}

#[test]
fn smaller_steps_come_nearer_and_nearer() {
    let setting = Setting { pre_vote: false, ..setting(3, 3, 25) };
    let limit = Limit::new(&setting, 20_000).expect("a small chain");
    let known = 1.0 - closed_form::split(3, 3, 0.25);
    let errors: Vec<f64> = limit.grids.iter().map(|it| (it.within_terms(1) - known).abs()).collect();
    assert!(3 <= errors.len(), "{errors:?}");
    assert!(errors.windows(2).all(|pair| pair[1] < pair[0]), "{errors:?}");
    // The error falls with the square of the step: 1, 1/3, 1/5 of the first.
    let (first, third) = (errors[0], errors[2]);
    assert!(third < first / 20.0 && first / 30.0 < third, "{errors:?}");
}

#[test]
fn no_probability_is_lost_unseen() {
    let setting = setting(3, 2, 20);
    for grid in grids(&setting).expect("a fixed latency").take(3) {
        let exact = exact(&setting, grid, 1_000_000).expect("a small chain");
        let ended: f64 = exact.atoms.iter().map(|atom| atom.1).sum();
        assert!((ended + exact.lost - 1.0).abs() < 1e-9, "{ended} {}", exact.lost);
        assert!((exact.terms.iter().sum::<f64>() - ended).abs() < 1e-12);
        assert!(exact.lost < 1e-4, "{}", exact.lost);
    }
}

#[test]
fn a_chain_beyond_its_bound_is_refused() {
    let setting = setting(5, 4, 10);
    let grid = grids(&setting).expect("a fixed latency").nth(3).expect("grids have no end");
    assert!(exact(&setting, grid, 1000).is_err());
}

/// Chapter 9: in percent, with one or two of five, one of three, four of nine failed.
#[test]
fn the_closed_form_is_that_of_the_dissertation() {
    let published =
        [(5, 4, [0.06, 5.2, 18.1]), (5, 3, [2.97, 27.1, 48.8]), (3, 2, [1.99, 19.0, 36.0]), (9, 5, [4.9, 41.0, 67.2])];
    for (servers, alive, percents) in published {
        for (latency, percent) in [0.01, 0.1, 0.2].into_iter().zip(percents) {
            let computed = 100.0 * closed_form::split(servers, alive, latency);
            assert!((computed - percent).abs() < 0.06, "{servers} {alive} {latency}: {computed} {percent}");
        }
    }
    assert!((closed_form::mean_terms(0.5) - 2.0).abs() < 1e-12);
    assert!((closed_form::within_terms(0.5, 3) - 0.875).abs() < 1e-12);
}

/// Chapter 9 again: latency from U\[0.1, 0.2\] splits 16 % (one of five failed) and 40 % (two).
#[test]
fn random_latency_splits_about_as_the_dissertation_simulated() {
    for (alive, published) in [(4, 0.16), (3, 0.40)] {
        let latency = Latency::Uniform(Range { least: T / 10, most: T / 5 });
        let setting = Setting { latency, pre_vote: false, ..setting(5, alive, 0) };
        let failed = 1.0 - simulate(&setting, &Trials::new(10_000, 4)).within_terms(1).value;
        assert!((failed - published).abs() < 0.05, "{alive} alive: {failed} {published}");
    }
}

#[test]
fn a_seed_gives_the_same_elections_again() {
    let setting = Setting { latency: Latency::Uniform(Range { least: 1, most: T / 10 }), ..setting(5, 4, 0) };
    let sample = simulate(&setting, &Trials::new(2_500, 7));
    assert_eq!(sample, simulate(&setting, &Trials::new(2_500, 7)));
    assert_ne!(sample, simulate(&setting, &Trials::new(2_500, 8)));
    assert_eq!(sample.trials, 2_500);
}

#[test]
fn an_election_lasts_at_least_from_the_crash_to_the_first_timeout_and_two_rounds() {
    let setting = Setting { start: Start::Random, ..setting(5, 4, 5) };
    let sample = simulate(&setting, &Trials::new(10_000, 9));
    // The last heartbeat arrived up to a heartbeat before, less its way.
    let shortest = T - setting.heartbeat + 5 * MILLISECOND + 4 * 5 * MILLISECOND;
    let first = sample.times[0];
    assert!((shortest..shortest + 10 * MILLISECOND).contains(&first), "{first} {shortest}");
    let known = simulate(&Setting { until: Until::Known, ..setting.clone() }, &Trials::new(10_000, 9));
    let more = known.mean().value - sample.mean().value;
    assert!((more - 5e6).abs() < 2e6, "and one message more until all know it: {more}");
    let plain = simulate(&Setting { pre_vote: false, ..setting }, &Trials::new(10_000, 9));
    assert!(plain.times[0] + 9 * MILLISECOND < first, "PreVote takes a round more");
}

#[test]
fn timers_that_never_differ_elect_nobody() {
    let setting = Setting { timeout: Range { least: T, most: T }, pre_vote: false, ..setting(3, 2, 10) };
    let sample = simulate(&setting, &Trials::new(100, 1));
    assert!(sample.times.is_empty() && sample.quantile(0.5).is_none());
    assert!(Limit::new(&setting, 1000).is_none());
}

#[test]
fn the_timeouts_that_are_found_meet_the_demand_and_shorter_ones_do_not() {
    let demand = Demand { within: 300 * MILLISECOND, probability: 0.95 };
    let base = setting(3, 3, 15);
    let found = smallest(&base, demand, default_heartbeat, &Trials::new(4_000, 5)).expect("it can be met");
    let again = simulate(&found.setting, &Trials::new(4_000, 6)).within(demand.within);
    assert!(demand.probability < again.high, "{again:?}");
    let least = found.setting.timeout.least - 5 * MILLISECOND;
    let shorter = Setting { timeout: Range { least, most: 2 * least }, ..found.setting };
    let shorter = simulate(&shorter, &Trials::new(4_000, 5)).within(demand.within);
    assert!(shorter.low < demand.probability, "{shorter:?}");
    let never = Demand { within: 30 * MILLISECOND, probability: 0.99 };
    assert!(smallest(&base, never, default_heartbeat, &Trials::new(4_000, 5)).is_err());
}

#[test]
fn wilson_intervals_hold_the_extremes() {
    let none = wilson(0, 100);
    assert!(none.low == 0.0 && (none.high - 0.037).abs() < 0.001, "{none:?}");
    let all = wilson(100, 100);
    assert!(all.high == 1.0 && (all.low - 0.963).abs() < 0.001, "{all:?}");
    let half = wilson(50, 100);
    assert!((half.low - 0.404).abs() < 0.001 && (half.high - 0.596).abs() < 0.001, "{half:?}");
}

#[test]
fn times_and_latencies_are_read_as_people_write_them() {
    assert_eq!(parse_time("0.2ms"), Ok(200_000));
    assert_eq!(parse_time("80us"), Ok(80_000));
    assert_eq!(parse_timeout("150ms"), Ok(Range { least: 150 * MILLISECOND, most: 300 * MILLISECOND }));
    assert_eq!(parse_timeout("150ms..155ms"), Ok(Range { least: 150 * MILLISECOND, most: 155 * MILLISECOND }));
    let quantiles = parse_latency("0:1ms,0.5:2ms,1:4ms").expect("quantiles");
    assert_eq!(quantiles, Latency::Quantiles(vec![(0.0, 1_000_000), (0.5, 2_000_000), (1.0, 4_000_000)]));
    assert!((quantiles.mean() - 2.25e6).abs() < 1.0);
    for wrong in ["", "15", "ms", "5ms..1ms", "0:1ms,0.5:2ms", "0:2ms,1:1ms", "-1ms", "2h"] {
        assert!(parse_latency(wrong).is_err(), "{wrong}");
    }
}
