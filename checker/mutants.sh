#!/usr/bin/env bash
# Changes the text of the model in every way that cargo-mutants knows, and lets the checker judge
# each: what survives is either no change of what servers do, or a hole in the properties.
#
#   checker/mutants.sh [PATTERN]
#
# PATTERN selects mutants by name (a regular expression of jq). On the standard output, a line for
# each: verdict, the check that decided, seconds, name. Verdicts:
#   survived  every check is COMPLETE        killed    a property broke, or a step panicked
#   vacuous   a witness is not reached       timeout   the state space grew beyond the limit
#   no-build  it does not compile
# CHECKS names the checks, cheapest first (the first that is not COMPLETE decides), LIMIT the
# seconds for one. It needs cargo-mutants, jq and patch.
set -euo pipefail
pattern=${1:-.}
checks=${CHECKS:-"quick log-3-narrow recovery-3"}
limit=${LIMIT:-120}
root=$(git rev-parse --show-toplevel)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree"
git -C "$root" archive HEAD | tar -x -C "$work/tree"
# There is a build for each mutant: this gives up some speed of the search for that of the build.
export CARGO_TARGET_DIR=$work/target CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
    CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_INCREMENTAL=true RUST_BACKTRACE=0
cd "$work/tree"

judge() {
    cargo build --quiet --release --package rafttree-checker 2>"$work/build.log" || { printf 'no-build\t-'; return; }
    local check code
    for check in $checks; do
        code=0
        timeout "$limit" "$CARGO_TARGET_DIR/release/rafttree-checker" check "$check" >"$work/run.log" 2>&1 || code=$?
        case $code in
            0) continue ;;
            1 | 70 | 101 | 134) printf 'killed\t%s' "$check" ;;
            4) printf 'vacuous\t%s' "$check" ;;
            124) printf 'timeout\t%s' "$check" ;;
            *) printf 'exit code %s\t%s' "$code" "$check" ;;
        esac
        return
    done
    printf 'survived\t-'
}

unchanged=$(judge)
[ "$unchanged" = $'survived\t-' ] || { printf 'the unchanged model: %s\n' "$unchanged" >&2; exit 1; }
cargo mutants --list --json --diff --package rafttree-model >"$work/all.json"
jq -c --arg pattern "$pattern" '.[] | select(.name | test($pattern))' "$work/all.json" | while read -r mutant; do
    file=$(jq -r .file <<<"$mutant")
    cp "$file" "$work/original"
    jq -r .diff <<<"$mutant" | patch --quiet --no-backup-if-mismatch "$file"
    start=$SECONDS
    verdict=$(judge </dev/null)
    printf '%s\t%s\t%s\n' "$verdict" "$((SECONDS - start))" "$(jq -r .name <<<"$mutant")"
    cp "$work/original" "$file"
done
