//! Lateness of the server's timer, which is the very source of the library. It depends on what else the machine does,
//! so no test asks for it.

#![allow(dead_code, unused_imports, reason = "the sources bring their tests, which do not run here")]

#[path = "../../impl/src/clock.rs"]
mod clock;

#[path = "../../impl/src/core"]
mod core {
    pub(crate) mod stamp;
}

#[path = "../../impl/src/server/precise_timer.rs"]
mod precise_timer;

use std::time::Duration;

use precise_timer::PreciseTimer;

/// Waits that are measured.
const WAITS: u64 = 2000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let mut timer = PreciseTimer::new()?;
    let mut lateness = Vec::new();
    // Not at whole milliseconds, at which coarser timers fire.
    for microseconds in (0..WAITS).map(|wait| 300 + 37 * (wait % 100)) {
        let due = clock::now().after(Duration::from_micros(microseconds));
        timer.wait_until(due).await?;
        lateness.push(clock::now().since(due));
    }
    lateness.sort();
    println!("lateness of {WAITS} waits of 0.3 to 4 ms, in microseconds");
    for (name, percent) in [("least", 0), ("quartile", 25), ("median", 50), ("p90", 90), ("p99", 99), ("greatest", 100)]
    {
        let at = (lateness.len() - 1) * percent / 100;
        println!("{name:<9}{:>8.1}", lateness[at].as_secs_f64() * 1e6);
    }
    Ok(())
}
