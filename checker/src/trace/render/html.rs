//! A page by itself: the chart, and beside it the state of every server after the step that is chosen
//! with the arrow keys, the pointer, or a link that ends in `#step-N`. It asks for nothing from any network.

use crate::trace::render::chart::Chart;
use crate::trace::render::svg::{drawn, escaped};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

pub(crate) fn page(chart: &Chart) -> String {
    let title = escaped(&chart.title);
    let (svg, data) = (drawn(chart), in_script(&serde_json::json!(chart).to_string()));
    format!(
        r##"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{STYLE}</style>
</head>
<body>
<main id="chart" tabindex="-1" aria-label="message-sequence chart">{svg}</main>
<aside>
<nav aria-label="steps">
<button id="first" title="start (Home)">|&lt;</button><button id="back" title="one step back (arrow left or up)">&lt;</button>
<button id="next" title="one step on (arrow right or down)">&gt;</button><button id="last" title="the last step (End)">&gt;|</button>
<a id="link" href="#start">link</a> <span id="place"></span>
</nav>
<section id="step" aria-live="polite"></section>
<section id="states"></section>
<p class="help">Arrow keys, Home and End go from step to step; the pointer shows another step as long as it rests there.</p>
</aside>
<script type="application/json" id="data">{data}</script>
<script>
{SCRIPT}</script>
</body>
</html>
"##
    )
}

/// JSON that ends no script early: there `<` stands nowhere but in strings.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}
