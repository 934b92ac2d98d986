//! Fuzz target: the parser that the environment variable `PARSER` names, as `inputs names` does.
#![no_main]

mod names;

use std::env;

use libfuzzer_sys::fuzz_target;
use rafttree::campaigns::Target;

thread_local! {
    static TARGET: Target = target();
}

fn target() -> Target {
    let name = env::var("PARSER").unwrap_or_default();
    let found = Target::all().into_iter().find(|target| names::name_of(target) == name);
    found.unwrap_or_else(|| panic!("PARSER={name}: `inputs names` prints the parsers that there are"))
}

fuzz_target!(|bytes: &[u8]| {
    TARGET.with(|target| {
        if let Err(words) = target.judge(bytes) {
            panic!("{}: {words}", target.name());
        }
    });
});
