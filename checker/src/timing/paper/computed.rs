//! What is computed here for the published conditions.

use crate::timing::closed_form;
use crate::timing::continuous::{Trials, simulate};
use crate::timing::limit::Limit;
use crate::timing::paper::published::{
    BROADCAST, FIRST_PANEL, LATENCIES, SECOND_PANEL, SPLITS, Summary, Timeouts, measured,
};
use crate::timing::sample::{Estimate, Sample};
use crate::timing::setting::{Latency, MILLISECOND, Nanos, Range, Setting, Start, Until};

/// Transitions that the chains of the first table may have.
const MAX_TRANSITIONS: usize = 400_000;

/// All tables.
pub(super) struct Computed {
    pub(super) trials: usize,
    pub(super) seed: u64,
    pub(super) splits: Vec<Split>,
    pub(super) nearest: Nearest,
    pub(super) second_panel: Vec<Panel>,
    pub(super) choices: Vec<Choice>,
    pub(super) first_panel: Vec<Predicted>,
}

/// The first term after the timers of all were restarted at once.
pub(super) struct Split {
    pub(super) servers: u8,
    pub(super) alive: u8,
    /// As a part of the range of timeouts.
    pub(super) latency: f64,
    pub(super) published_percent: f64,
    /// The probability that it elects nobody, as each of these has it.
    pub(super) closed_form: f64,
    pub(super) exact: Option<f64>,
    pub(super) simulated: Estimate,
    pub(super) with_pre_vote: f64,
}

/// The one-way latency with which plain Raft comes nearest to the measured medians, p90 and p99.
pub(super) struct Nearest {
    pub(super) latency: Nanos,
    /// By how much they differ on average, as a logarithm.
    pub(super) distance: f64,
}

/// One range of the second panel.
pub(super) struct Panel {
    pub(super) timeouts: Timeouts,
    pub(super) paper: Summary,
    /// Plain Raft with half of the broadcast time as latency.
    pub(super) nominal: Summary,
    /// With the nearest latency, and what is deployed here with the same.
    pub(super) plain: Sample,
    pub(super) pre_vote: Sample,
}

/// What 15 ms may stand for, and how median and p99 of each range of the second panel move with that.
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) median_and_p99: [[Option<f64>; 2]; SECOND_PANEL.len()],
}

/// One row of the first panel, whose curves are not looked at.
pub(super) struct Predicted {
    pub(super) timeouts: Timeouts,
    pub(super) latency: Latency,
    pub(super) plain: Summary,
    pub(super) pre_vote: Summary,
    /// How often each of the first terms elects a leader where it is reached.
    pub(super) success: [Option<f64>; 3],
    pub(super) pre_vote_success: Option<f64>,
}

impl Computed {
    pub(super) fn new(trials: &Trials) -> Computed {
        let fewer = trials.part(4);
        let splits = splits(trials);
        let nearest = nearest(&fewer);
        Computed {
            trials: trials.count,
            seed: trials.seed,
            splits,
            second_panel: SECOND_PANEL.map(|panel| Panel::new(panel, nearest.latency, trials)).into(),
            choices: choices(trials),
            first_panel: first_panel(nearest.latency, &fewer),
            nearest,
        }
    }
}

/// The elections of all tables, with so many for each row.
pub(super) fn elections(count: usize) -> usize {
    let panels = SECOND_PANEL.len();
    let rows = 2 * SPLITS.len() * LATENCIES.len() + 3 * panels + CHOICES.len() * panels;
    let rows_of_fewer = LOOKED_AT.count() * panels + 2 * 3 * FIRST_PANEL.len();
    rows * count + rows_of_fewer * (count / 4)
}

fn splits(trials: &Trials) -> Vec<Split> {
    let row = |(servers, alive, published): (u8, u8, [f64; 3])| {
        let cells = LATENCIES.into_iter().zip(published);
        cells.map(move |(latency, published)| Split::new(servers, alive, latency, published, trials))
    };
    SPLITS.into_iter().flat_map(row).collect()
}

impl Split {
    fn new(servers: u8, alive: u8, latency: f64, published_percent: f64, trials: &Trials) -> Split {
        let setting = |pre_vote| split_setting(servers, alive, latency, pre_vote);
        // A single grid says nothing of what is left of its error.
        let limit = Limit::new(&setting(false), MAX_TRANSITIONS).filter(|limit| 1 < limit.grids.len());
        let elected = |pre_vote| simulate(&setting(pre_vote), trials).within_terms(1);
        Split {
            servers,
            alive,
            latency,
            published_percent,
            closed_form: closed_form::split(servers, alive, latency),
            exact: limit.map(|limit| 1.0 - limit.within_terms(1)),
            simulated: elected(false).of_the_contrary(),
            with_pre_vote: 1.0 - elected(true).value,
        }
    }
}

fn split_setting(servers: u8, alive: u8, latency: f64, pre_vote: bool) -> Setting {
    let least = 100 * MILLISECOND;
    Setting {
        servers,
        alive,
        behind: 0,
        timeout: Range { least, most: 2 * least },
        heartbeat: least / 2,
        latency: Latency::Fixed((latency * least as f64) as Nanos),
        flush: 0,
        pre_vote,
        start: Start::Worst,
        until: Until::Elected,
    }
}

/// The conditions of Figure 16. The leader's last heartbeat goes to all at once, as every heartbeat
/// does here.
fn figure_16(timeouts: Timeouts, latency: Latency, pre_vote: bool) -> Setting {
    let timeout = Range { least: timeouts.least * MILLISECOND, most: timeouts.most * MILLISECOND };
    Setting {
        servers: 5,
        alive: 4,
        behind: 2,
        timeout,
        heartbeat: timeout.least / 2,
        latency,
        flush: 0,
        pre_vote,
        start: Start::Random,
        until: Until::Elected,
    }
}

/// The middle of what the longest of 1,000 trials may be: half of all such longest ones are shorter.
fn longest_of_thousand() -> f64 {
    0.5f64.powf(1.0 / 1000.0)
}

pub(super) fn summary(sample: &Sample) -> Summary {
    let quantile = |probability| sample.quantile(probability).map(|it| it.value / 1e6);
    let mean = (sample.times.len() == sample.trials).then(|| sample.mean().value / 1e6);
    [quantile(0.5), quantile(0.9), quantile(0.99), quantile(longest_of_thousand()), mean]
}

/// Latencies from 1 ms to 10 ms, in halves of a millisecond.
const LOOKED_AT: std::ops::RangeInclusive<u64> = 2..=20;

/// Of those that are looked at.
fn nearest(trials: &Trials) -> Nearest {
    let latencies = LOOKED_AT.map(|halves| halves * MILLISECOND / 2);
    let all = latencies.map(|latency| Nearest { latency, distance: distance(latency, trials) });
    all.min_by(|one, other| one.distance.total_cmp(&other.distance)).expect("there are latencies")
}

fn distance(latency: Nanos, trials: &Trials) -> f64 {
    let differences = SECOND_PANEL.iter().flat_map(|&panel| {
        let computed = summary(&simulate(&figure_16(panel.0, Latency::Fixed(latency), false), trials));
        let paper = measured(panel);
        [0, 1, 2].map(|at| match (computed[at], paper[at]) {
            (Some(computed), Some(paper)) => (computed / paper).ln().abs(),
            _ => f64::INFINITY,
        })
    });
    differences.sum::<f64>() / (3 * SECOND_PANEL.len()) as f64
}

impl Panel {
    fn new(panel: (Timeouts, f64), nearest: Nanos, trials: &Trials) -> Panel {
        let timeouts = panel.0;
        let run = |latency, pre_vote| simulate(&figure_16(timeouts, Latency::Fixed(latency), pre_vote), trials);
        Panel {
            timeouts,
            paper: measured(panel),
            nominal: summary(&run(BROADCAST / 2, false)),
            plain: run(nearest, false),
            pre_vote: run(nearest, true),
        }
    }
}

/// What a vote may take: a name, a way, and a flush.
const CHOICES: [(&str, Nanos, Nanos); 7] = [
    ("2 ms one way", 2 * MILLISECOND, 0),
    ("4 ms one way", 4 * MILLISECOND, 0),
    ("5 ms one way", 5 * MILLISECOND, 0),
    ("7.5 ms one way", BROADCAST / 2, 0),
    ("10 ms one way", 10 * MILLISECOND, 0),
    ("0.1 ms one way, votes 3.9 ms to disk", MILLISECOND / 10, 39 * MILLISECOND / 10),
    ("0.1 ms one way, votes 7.4 ms to disk", MILLISECOND / 10, 74 * MILLISECOND / 10),
];

fn choices(trials: &Trials) -> Vec<Choice> {
    let choice = |(name, latency, flush)| {
        let median_and_p99 = SECOND_PANEL.map(|(timeouts, _)| {
            let setting = Setting { flush, ..figure_16(timeouts, Latency::Fixed(latency), false) };
            if setting.refusal().is_some() {
                return [None, None];
            }
            let [median, _, p99, ..] = summary(&simulate(&setting, trials));
            [median, p99]
        });
        Choice { name, median_and_p99 }
    };
    CHOICES.map(choice).into()
}

fn first_panel(nearest: Nanos, trials: &Trials) -> Vec<Predicted> {
    let around = Range { least: nearest * 2 / 3, most: nearest * 4 / 3 };
    let latencies = [Latency::Fixed(BROADCAST / 2), Latency::Fixed(nearest), Latency::Uniform(around)];
    let rows = FIRST_PANEL.iter().flat_map(|&most| {
        let timeouts = Timeouts { least: 150, most };
        latencies.iter().map(move |latency| Predicted::new(timeouts, latency, trials))
    });
    rows.collect()
}

impl Predicted {
    fn new(timeouts: Timeouts, latency: &Latency, trials: &Trials) -> Predicted {
        let run = |pre_vote| simulate(&figure_16(timeouts, latency.clone(), pre_vote), trials);
        let (plain, pre_vote) = (run(false), run(true));
        Predicted {
            timeouts,
            latency: latency.clone(),
            plain: summary(&plain),
            pre_vote: summary(&pre_vote),
            success: [1, 2, 3].map(|term| success(&plain, term)),
            pre_vote_success: success(&pre_vote, 1),
        }
    }
}

/// How often a term elects a leader if it is reached; `None` if it never was.
fn success(sample: &Sample, term: usize) -> Option<f64> {
    let before: u64 = sample.terms.iter().take(term - 1).sum();
    let reached = sample.trials as u64 - before;
    (0 < reached).then(|| sample.terms.get(term - 1).copied().unwrap_or(0) as f64 / reached as f64)
}
