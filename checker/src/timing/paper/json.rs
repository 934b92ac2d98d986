//! The tables for programs.

use serde_json::{Value, json};

use crate::timing::paper::computed::{Choice, Computed, Panel, Predicted, Split, summary};
use crate::timing::report::json::interval;

pub(super) fn json(computed: &Computed) -> Value {
    let Computed { splits, nearest, second_panel, choices, first_panel, .. } = computed;
    json!({
        "trials": computed.trials,
        "seed": computed.seed,
        "split_votes": splits.iter().map(split).collect::<Vec<_>>(),
        "nearest_latency_ms": nearest.latency as f64 / 1e6,
        "figure_16_second_panel": second_panel.iter().map(panel).collect::<Vec<_>>(),
        "choices": choices.iter().map(choice).collect::<Vec<_>>(),
        "figure_16_first_panel_predicted": first_panel.iter().map(predicted).collect::<Vec<_>>(),
    })
}

fn split(it: &Split) -> Value {
    json!({
        "servers": it.servers,
        "alive": it.alive,
        "latency": it.latency,
        "published_percent": it.published_percent,
        "closed_form": it.closed_form,
        "exact": it.exact,
        "simulated": interval(it.simulated, 1.0),
        "with_pre_vote": it.with_pre_vote,
    })
}

fn panel(it: &Panel) -> Value {
    json!({
        "timeouts": it.timeouts.name(),
        "paper": it.paper,
        "plain_nominal": it.nominal,
        "plain": summary(&it.plain),
        "pre_vote": summary(&it.pre_vote),
    })
}

fn choice(it: &Choice) -> Value {
    json!({"choice": it.name, "median_and_p99_ms": it.median_and_p99})
}

fn predicted(it: &Predicted) -> Value {
    json!({
        "timeouts": it.timeouts.name(),
        "latency": it.latency.to_string(),
        "plain": it.plain,
        "pre_vote": it.pre_vote,
        "success_of_terms": it.success,
        "pre_vote_success_of_term_1": it.pre_vote_success,
    })
}
