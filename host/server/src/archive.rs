//! A company's archive (`davy-company/1`): a text file, a JSON value a line: a head, rows table by table, and a manifest with the digest of
//! every table. Written from the database and entered into an empty place of another one; read wholly before anything of it counts.
//!
//! Never here: a password, a token or a session. What is sealed goes along only when that is asked for, as it is.

use anyhow::{Context, bail, ensure};
use davy_domain::ledger::{Act, Actor, Chain, Hash};
use davy_domain::{TenantId, Timestamp};
use davy_store::{DumpedTable, RestoredCompany, Store};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The name of the form.
pub const FORMAT: &str = "davy-company/1";

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveHead {
    /// [`FORMAT`].
    pub format: String,
    /// The company.
    pub company: TenantId,
    /// When it was written.
    pub at: Timestamp,
    /// Whether sealed keys are in it.
    pub sealed: bool,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveManifest {
    /// Table by table, with what was left out of its columns.
    pub tables: Vec<DumpedTable>,
    /// Tables that were left out whole.
    pub withheld: Vec<String>,
    /// Where the company's chain of the ledger ends: the place.
    pub ledger_seq: u64,
    /// And the hash, in hexadecimal.
    pub ledger_hash: String,
}

#[derive(Serialize, Deserialize)]
struct LastLine {
    manifest: ArchiveManifest,
}

const TABLE: &str = "{\"table\":\"";
const ROW: &str = "\",\"row\":";

/// Counts and digests what passes.
struct Digested<W> {
    to: W,
    hash: Sha256,
}

impl<W: Write> Write for Digested<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// Writes everything of a company into a new file that only its owner reads, and enters that in the company's ledger and the platform's.
/// `progress` is told the number of rows so far.
///
/// # Errors
/// When there is no such company, the file is there already or cannot be written.
pub async fn export(
    store: &Store,
    company: TenantId,
    to: &Path,
    sealed: bool,
    at: Timestamp,
    progress: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<(ArchiveManifest, Hash)> {
    let known = store.tenants().await?.into_iter().any(|tenant| tenant.id == company);
    ensure!(known, "there is no company {company}: `davy tenant list` names them");
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let file = file.with_context(|| format!("cannot create {}", to.display()))?;
    let mut out = Digested { to: BufWriter::new(file), hash: Sha256::new() };
    let written = write(store, company, &mut out, sealed, at, progress).await;
    let manifest = match written {
        Ok(manifest) => manifest,
        Err(error) => {
            // Half an archive is none.
            let _ = std::fs::remove_file(to);
            return Err(error);
        }
    };
    out.to.flush().with_context(|| format!("cannot write {}", to.display()))?;
    out.to.get_ref().sync_all().with_context(|| format!("cannot write {}", to.display()))?;
    let archive = Hash::from_bytes(out.hash.finalize().into());
    let act = Act::CompanyExported { company, archive };
    for chain in [Chain::Platform, Chain::Tenant(company)] {
        store.enter(chain, at, Actor::CommandLine, &act).await?;
    }
    Ok((manifest, archive))
}

async fn write<W: Write + Send>(
    store: &Store,
    company: TenantId,
    out: &mut W,
    sealed: bool,
    at: Timestamp,
    progress: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<ArchiveManifest> {
    let head = ArchiveHead { format: FORMAT.to_owned(), company, at, sealed };
    writeln!(out, "{}", serde_json::to_string(&head)?)?;
    let mut rows = 0;
    let dumped = store
        .dump_company(company, sealed, &mut |table, row| {
            rows += 1;
            progress(rows);
            writeln!(out, "{TABLE}{table}{ROW}{row}}}")
        })
        .await?;
    let manifest = ArchiveManifest {
        tables: dumped.tables,
        withheld: dumped.withheld,
        ledger_seq: dumped.head.seq,
        ledger_hash: dumped.head.hash.to_string(),
    };
    let last = LastLine { manifest };
    writeln!(out, "{}", serde_json::to_string(&last)?)?;
    Ok(last.manifest)
}

/// Reads an archive to its end without entering anything: its head, its manifest and the SHA-256 of the file.
///
/// # Errors
/// When it is no archive, or was cut off.
pub fn examine(from: &Path) -> anyhow::Result<(ArchiveHead, ArchiveManifest, Hash)> {
    let mut file = File::open(from).with_context(|| format!("cannot open {}", from.display()))?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut piece).with_context(|| format!("cannot read {}", from.display()))?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
    }
    let mut lines = BufReader::new(File::open(from)?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let head: ArchiveHead = serde_json::from_str(&first).with_context(|| {
        format!("{} is no archive of a company: its first line is none of {FORMAT}", from.display())
    })?;
    ensure!(head.format == FORMAT, "expected an archive of the form {FORMAT}, got `{}`", head.format);
    let mut last = String::new();
    for line in lines {
        last = line?;
    }
    let Ok(LastLine { manifest }) = serde_json::from_str(&last) else {
        bail!("{} has no manifest at its end: it was cut off; export it again", from.display());
    };
    Ok((head, manifest, Hash::from_bytes(hash.finalize().into())))
}

/// Enters a company from an archive: all of it or nothing, and only when every table has the rows and the digest that the manifest says.
///
/// # Errors
/// When the archive is not whole, is not what its manifest says, or the company is here already.
pub async fn import(
    store: &Store,
    from: &Path,
    at: Timestamp,
    progress: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<RestoredCompany> {
    let (head, manifest, archive) = examine(from)?;
    let mut lines = BufReader::new(File::open(from)?).lines();
    lines.next();
    let mut rows = 0;
    let mut source = || {
        let Some(line) = lines.next().transpose()? else { return Ok(None) };
        let Some(rest) = line.strip_prefix(TABLE) else { return Ok(None) };
        let broken =
            || std::io::Error::other(format!("expected a row, got `{}`", line.chars().take(60).collect::<String>()));
        let (table, row) = rest.split_once(ROW).ok_or_else(broken)?;
        let row = row.strip_suffix('}').ok_or_else(broken)?;
        rows += 1;
        progress(rows);
        Ok(Some((table.to_owned(), row.to_owned())))
    };
    let check = |read: &[DumpedTable]| {
        for told in &manifest.tables {
            let found = read.iter().find(|table| table.table == told.table);
            let rows = found.map_or(0, |table| table.rows);
            if rows != told.rows || found.is_some_and(|table| table.sha256 != told.sha256) {
                return Err(format!("{} is not what the manifest says: {} row(s) of {}", told.table, rows, told.rows));
            }
        }
        match read.iter().find(|table| !manifest.tables.iter().any(|told| told.table == table.table)) {
            Some(more) => Err(format!("{} is not in the manifest", more.table)),
            None => Ok(()),
        }
    };
    let restored = store.restore_company(&mut source, &check, at, archive).await?;
    ensure!(restored.tenant == head.company, "the archive's head names {}, its rows {}", head.company, restored.tenant);
    Ok(restored)
}
