//! The command `rafttree-checker`: explores all interleavings of messages, timers, crashes and disk
//! flushes of the deployed Raft transitions. See `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    rafttree_checker::cli::main()
}
