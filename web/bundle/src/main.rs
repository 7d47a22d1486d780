//! `davy-web-bundle WASM SITE ASSETS…`: binds the WebAssembly, adds the assets, names the version by its content,
//! compresses every file with Brotli and gzip, and then, last of all, points `SITE/current` at it.
//!
//! Works offline and without Node. Never changes a version that is already there.

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [wasm, site, assets @ ..] = arguments.as_slice() else {
        bail!("expected the paths WASM SITE ASSETS…, got {}", arguments.len());
    };
    let staging = site.join("staging");
    if staging.exists() {
        fs::remove_dir_all(&staging).context("clearing the last, unfinished build")?;
    }
    fs::create_dir_all(&staging)?;

    println!("web: binding {}", wasm.display());
    bind(wasm, &staging)?;
    for folder in assets {
        copy_all(folder, &staging)?;
    }

    let files = files_below(&staging)?;
    let version = version_of(&staging, &files)?;
    let home = site.join(&version);
    if home.exists() {
        fs::remove_dir_all(&staging)?;
    } else {
        for file in &files {
            compress(file)?;
        }
        fs::rename(&staging, &home)?;
    }
    // Written whole beside, then moved: a server that starts meanwhile reads the old version or the new one.
    fs::write(site.join("current.new"), &version)?;
    fs::rename(site.join("current.new"), site.join("current"))?;
    remove_other_versions(site, &version)?;
    report(&home, &version)
}

fn bind(wasm: &Path, to: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).out_name("davy").typescript(false).omit_default_module_path(true);
    bindgen.remove_name_section(true).remove_producers_section(true);
    bindgen.web(true)?.generate(to).context("wasm-bindgen could not bind the module")
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    for file in files_below(from)?.into_iter().filter(|it| it.extension().is_none_or(|it| it != "md")) {
        let inside = file.strip_prefix(from)?;
        let target = to.join(inside);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(&file, &target).with_context(|| format!("copying {}", file.display()))?;
    }
    Ok(())
}

/// Every file below, in a stable order.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_below(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Twelve hexadecimal digits over every name and content.
fn version_of(root: &Path, files: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        let name = file.strip_prefix(root)?.to_string_lossy().into_owned();
        let content = fs::read(file)?;
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(&content);
    }
    let mut version = String::new();
    for byte in &hash.finalize()[..6] {
        write!(version, "{byte:02x}")?;
    }
    Ok(version)
}

fn compress(file: &Path) -> Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let content = fs::read(file)?;
    if content.len() < 512 {
        return Ok(());
    }
    let mut small = Vec::new();
    let settings = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut content.as_slice(), &mut small, &settings)?;
    fs::write(file.with_file_name(format!("{name}.br")), &small)?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&content)?;
    fs::write(file.with_file_name(format!("{name}.gz")), gzip.finish()?)?;
    Ok(())
}

/// A page that is open keeps what it has loaded; one version back is enough for those that load lazily.
fn remove_other_versions(site: &Path, keep: &str) -> Result<()> {
    let mut others: Vec<_> = fs::read_dir(site)?
        .filter_map(Result::ok)
        .filter(|it| it.path().is_dir() && it.file_name() != keep)
        .filter_map(|it| Some((it.metadata().and_then(|data| data.modified()).ok()?, it.path())))
        .collect();
    others.sort();
    others.pop();
    for (_, path) in others {
        fs::remove_dir_all(path)?;
    }
    Ok(())
}

fn report(home: &Path, version: &str) -> Result<()> {
    println!("web: version {version}");
    for name in ["davy_bg.wasm", "davy.js", "davy.css", "vendor/maplibre/maplibre-gl.mjs", "vendor/uplot/uplot.mjs"] {
        let size = |suffix: &str| fs::metadata(home.join(format!("{name}{suffix}"))).map(|it| it.len() / 1024);
        if let (Ok(plain), Ok(small)) = (size(""), size(".br")) {
            println!("web: {name:34} {plain:>5} KiB, {small:>4} KiB with Brotli");
        }
    }
    Ok(())
}
