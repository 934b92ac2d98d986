//! Every check beside the others: what each sees of the mutants, and what only some do.

use std::collections::BTreeMap;

use serde_json::json;

use crate::console::Usage;
use crate::source_mutants::judge::{Judge, Verdict};
use crate::source_mutants::judging::{Numbered, described, judge_all, words};

/// Judges each mutant by every check; what it prints ends with the mutants by who sees them.
pub(super) fn run(judge: &Judge, chosen: &[Numbered], jobs: usize, json: bool) -> Result<u8, Usage> {
    let checks = &judge.checks;
    let (mut rows, mut groups) = (Vec::new(), BTreeMap::<Vec<bool>, Vec<&str>>::new());
    judge_all(|number, _| judge.verdicts_on(number), chosen, jobs, &mut |mutant, verdicts: Vec<Verdict>| {
        let said: Vec<String> = verdicts.iter().map(words).collect();
        if json {
            let mut row = described(mutant);
            row.insert("verdicts".into(), json!(checks.iter().zip(&said).collect::<BTreeMap<_, _>>()));
            rows.push(row);
        } else {
            let of_checks = checks.iter().zip(verdicts.iter().zip(&said));
            let line: Vec<String> = of_checks.map(|(check, (verdict, said))| in_one(check, verdict, said)).collect();
            say!("{:<51} {}", mutant.name, line.join("; "));
        }
        let sees = verdicts.iter().map(|verdict| matches!(verdict, Verdict::Killed { .. })).collect();
        groups.entry(sees).or_default().push(mutant.name);
    })?;
    let seen_by = |sees: &[bool]| {
        let names: Vec<&str> = checks.iter().zip(sees).filter(|(_, sees)| **sees).map(|(it, _)| it.as_str()).collect();
        names
    };
    if json {
        let groups: Vec<_> =
            groups.iter().map(|(sees, names)| json!({"seen_by": seen_by(sees), "mutants": names})).collect();
        say!("{:#}", json!({"mutants": rows, "groups": groups}));
        return Ok(0);
    }
    for (sees, names) in groups.iter().rev() {
        let by = seen_by(sees);
        let by = if by.is_empty() { "none of them".to_owned() } else { by.join(" and ") };
        say!("\n{} of {} are seen by {by}:", names.len(), chosen.len());
        names.iter().for_each(|name| say!("  {name}"));
    }
    Ok(0)
}

/// What one check says; the name of the check stands in what a kill says already.
fn in_one(check: &str, verdict: &Verdict, said: &str) -> String {
    match verdict {
        Verdict::Survived => format!("not seen by {check}"),
        _ => said.to_owned(),
    }
}
