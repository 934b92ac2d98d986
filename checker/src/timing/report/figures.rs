//! Times and probabilities in words, and which of them are told.

/// The percentiles that are told.
pub(crate) const PERCENTILES: [(&str, f64); 4] = [("median", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// Terms up to which probabilities are told.
pub(crate) const TERMS: usize = 5;

/// A time, in milliseconds.
pub(crate) fn millis(nanos: f64) -> String {
    let ms = nanos / 1e6;
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.1} ms") }
}

/// A probability, with more digits where it is nearly none or nearly one.
pub(crate) fn percent(probability: f64) -> String {
    let near = |end: f64| (probability - end).abs() < 0.0005 && probability != end;
    let digits = if near(0.0) || near(1.0) { 4 } else { 2 };
    format!("{:.digits$} %", 100.0 * probability)
}
