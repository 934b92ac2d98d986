//! Pictures of traces: one chart of a run that was played through the deployed step, and a small
//! renderer for each format.
//!
//! Nothing here decides what happens or what is shown of a state: `chart` does, once, and the
//! renderers write down what it holds.

mod arrows;

mod state;

pub(crate) mod chart;

mod names;

mod schedule;

mod text;

mod layout;

mod svg;

mod html;

mod mermaid;

mod itf;

mod shiviz;

pub(crate) use chart::Chart;
pub(crate) use svg::{drawn_with_links, escaped as xml};

#[cfg(test)]
mod tests;

/// What a chart can be written as.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Picture {
    /// A page by itself: the chart, stepped through with the arrow keys.
    Html,
    /// The message-sequence chart alone.
    Svg,
    /// A sequence diagram for Mermaid, as Markdown on code hosts shows it.
    Mermaid,
    /// Apalache's Informal Trace Format: every state as JSON.
    Itf,
    /// A log with vector clocks for ShiViz, its regular expression in the first line.
    Shiviz,
    /// The chart itself, for programs.
    Json,
    /// Steps with numbers and what each changed, for the terminal.
    Text,
}

impl Picture {
    #[cfg(test)]
    pub(crate) const ALL: [Picture; 7] =
        [Picture::Html, Picture::Svg, Picture::Mermaid, Picture::Itf, Picture::Shiviz, Picture::Json, Picture::Text];

    /// How files of it end.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Picture::Html => "html",
            Picture::Svg => "svg",
            Picture::Mermaid => "mmd",
            Picture::Itf => "itf.json",
            Picture::Shiviz => "log",
            Picture::Json => "json",
            Picture::Text => "txt",
        }
    }

    /// The chart, written so; it ends with a line break.
    pub(crate) fn of(self, chart: &Chart) -> String {
        match self {
            Picture::Html => html::page(chart),
            Picture::Svg => svg::standalone(chart),
            Picture::Mermaid => mermaid::diagram(chart),
            Picture::Itf => itf::trace(chart),
            Picture::Shiviz => shiviz::log(chart),
            Picture::Json => format!("{:#}\n", serde_json::json!(chart)),
            Picture::Text => text::told(chart),
        }
    }
}
