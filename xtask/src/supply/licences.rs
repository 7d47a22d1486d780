//! The page of licences: who wrote what is shipped, and on which terms, with the texts that the terms ask to be handed on.

use super::Package;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"zh-CN\">\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>开源许可 · Open-source licences</title>\n\
    <h1>开源许可 <span lang=\"en\">Open-source licences</span></h1>\n\
    <p>本产品包含下列软件，版权归各自作者所有；同一文本只列一次。</p>\n\
    <p lang=\"en\">This product contains the software below; the copyright is its authors'. Each text stands once.</p>\n";

/// The page.
pub(super) fn page(packages: &BTreeMap<String, Package>) -> Result<String> {
    let others: Vec<&Package> = packages.values().filter(|package| !package.own && !package.at_build).collect();
    let mut texts: BTreeMap<String, Vec<&Package>> = BTreeMap::new();
    let mut page = HEAD.to_owned();
    page.push_str("<ul>\n");
    for package in &others {
        let name = escaped(&format!("{} {}", package.name, package.version));
        let named = match &package.repository {
            Some(at) if at.starts_with("https://") => {
                format!("<a href=\"{}\" rel=\"noreferrer\">{name}</a>", escaped(at))
            }
            _ => name,
        };
        let _ = writeln!(page, "<li>{named}: {}", escaped(&package.licence));
        for text in texts_in(&package.folder)? {
            texts.entry(text).or_default().push(package);
        }
    }
    page.push_str("</ul>\n");
    for (text, of) in &texts {
        let names: Vec<String> = of.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
        let _ = writeln!(page, "<h2>{}</h2>\n<pre>{}</pre>", escaped(&names.join(", ")), escaped(text));
    }
    Ok(page)
}

/// The texts of the licences and notices in a package's folder.
fn texts_in(folder: &Path) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        let is_text = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE", "COPYRIGHT"]
            .iter()
            .any(|kind| name.starts_with(kind));
        if is_text && entry.file_type()?.is_file() {
            let bytes =
                std::fs::read(entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?;
            let lines = String::from_utf8_lossy(&bytes).lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
            texts.push(lines.trim().to_owned());
        }
    }
    texts.sort();
    Ok(texts)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply::packages;
    use crate::workspace::Workspace;

    #[test]
    fn the_page_names_every_package_and_hands_the_texts_on() {
        let all = packages::shipped(&Workspace::find().unwrap()).unwrap();
        let page = page(&all).unwrap();
        for package in all.values().filter(|package| !package.own && !package.at_build) {
            assert!(page.contains(&escaped(&format!("{} {}", package.name, package.version))), "{}", package.name);
        }
        assert!(page.contains("Permission is hereby granted, free of charge"), "the MIT licence's own words");
        assert!(page.contains("Mapbox") || page.contains("MapLibre"), "what is vendored");
        assert_eq!(escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
