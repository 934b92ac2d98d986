//! The closed form of Ongaro's dissertation, chapter 9.
//!
//! A term fails if too many servers time out before they hear of the first candidate. With `s`
//! servers alive of `n` and a latency `l`, as a fraction of the range of timeouts, it takes this as
//! P(Bin(s, l) >= s - floor(n / 2)), and every term as a fresh draw: E\[terms\] = 1 / (1 - P).

/// The probability that a term elects nobody.
pub(crate) fn split(servers: u8, alive: u8, latency: f64) -> f64 {
    let most = alive - servers / 2;
    (most..=alive).map(|count| binomial(alive, count, latency)).sum::<f64>().min(1.0)
}

/// The probability that `count` of `of` happen, each with this probability. A library's binomial distribution
/// would save these two lines, and bring its special functions for numbers that are far from nine.
fn binomial(of: u8, count: u8, probability: f64) -> f64 {
    let ways: f64 = (0..count).map(|at| f64::from(of - at) / f64::from(at + 1)).product();
    ways * probability.powi(count.into()) * (1.0 - probability).powi((of - count).into())
}

/// The probability of a leader within so many terms.
pub(crate) fn within_terms(split: f64, terms: usize) -> f64 {
    1.0 - split.powi(terms as i32)
}

/// How many terms an election takes on average.
pub(crate) fn mean_terms(split: f64) -> f64 {
    1.0 / (1.0 - split)
}
