//! An export, verified by itself: what it says in words against its bytes, its hashes, its checkpoints, its end.

use super::{Fault, Known, LedgerLine, Verified, is_genuine, progress};
use anyhow::{Context, Result, bail};
use davy_domain::ledger::{Report, Signed, Verification};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// How often it is said how far it is.
const EVERY: u64 = 50_000;

fn lines(path: &Path) -> Result<impl Iterator<Item = Result<String>>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.display().to_string();
    Ok(BufReader::new(file).lines().map(move |line| line.with_context(|| format!("cannot read {name}"))))
}

/// The checkpoints of a file; they stand after the entries that they are of.
fn checkpoints(path: &Path) -> Result<Vec<Signed>> {
    let mut found = Vec::new();
    for line in lines(path)? {
        let line = line?;
        if line.starts_with("{\"checkpoint\"")
            && let Ok(LedgerLine::Checkpoint(signed)) = LedgerLine::read(&line)
        {
            found.push(*signed);
        }
    }
    Ok(found)
}

pub(super) fn verify(path: &Path, known: &Known) -> Result<Verified> {
    let mut all = lines(path)?;
    let first = all.next().transpose()?.unwrap_or_default();
    let head = LedgerLine::read(&first);
    let Ok(LedgerLine::Head { chain, company, after }) = head else {
        bail!("{} is no export of a ledger (JSON lines, format davy-ledger/1)", path.display());
    };
    if after != 0 {
        bail!("{} begins after entry {after}: a chain is verified from its first entry on", path.display());
    }
    let mut verification = Verification::of(chain);
    let kept = known.kept.iter().filter(|signed| signed.checkpoint.chain == chain);
    for signed in checkpoints(path)?.iter().chain(kept) {
        verification.checkpoint(*signed, known.trusts(signed), is_genuine(signed));
    }
    let (mut end, mut wrong, mut last) = (None, None, 0);
    for (number, line) in (2_u64..).zip(all) {
        let line = line?;
        if end.is_some() {
            wrong = Some((number, "expected nothing after the line that ends the export".to_owned()));
            break;
        }
        match LedgerLine::read(&line) {
            Ok(LedgerLine::Entry(entry)) => {
                last = entry.seq;
                verification.entry(&entry);
            }
            Ok(LedgerLine::Checkpoint(_)) => {}
            Ok(LedgerLine::End { seq, .. }) => end = Some(seq),
            Ok(LedgerLine::Head { .. }) => wrong = Some((number, "expected no second head".to_owned())),
            Err(why) => wrong = Some((number, why)),
        }
        if wrong.is_some() {
            break;
        }
        if number % EVERY == 0 {
            progress(number);
        }
    }
    let sound = verification.is_sound();
    let mut report: Report = verification.finish();
    if wrong.is_some() && sound {
        // What comes after the wrong line was not read: that it is missing says nothing.
        report.fault = None;
    }
    if report.fault.is_none() && wrong.is_none() {
        match end {
            Some(seq) if seq > last => report.fault = Some(Fault::Truncated { last, seq }),
            Some(_) => {}
            None => wrong = Some((0, "cut off: expected a last line that ends the export".to_owned())),
        }
    }
    Ok(Verified { company, report, line: wrong })
}
