//! A browser by the names its owner knows it by. Only words: nothing is ever decided by what a program says that it is.

/// Browsers before those whose names they bear, too.
const PROGRAMS: [(&str, &str); 7] = [
    ("MicroMessenger/", "微信 WeChat"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("davyctl/", "davyctl"),
];
/// Systems before those whose names they bear, too.
const SYSTEMS: [(&str, &str); 7] = [
    ("OpenHarmony", "HarmonyOS"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("Windows", "Windows"),
    ("Linux", "Linux"),
];
/// Characters of what nobody knows that are shown.
const SHOWN: usize = 40;

/// Browser and system of a `User-Agent` (RFC 9110 §10.1.5); of what is not known, its beginning. `None` for an empty one.
pub fn agent(text: &str) -> Option<String> {
    let name = |of: &[(&str, &'static str)]| of.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name);
    Some(match (name(&PROGRAMS), name(&SYSTEMS)) {
        _ if text.is_empty() => return None,
        (Some(program), Some(system)) => format!("{program} · {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => text.chars().take(SHOWN).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::agent;

    #[test]
    fn a_browser_is_called_by_its_own_name_and_not_by_those_it_bears_for_old_servers() {
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
        assert_eq!(agent(chrome).unwrap(), "Chrome · Linux");
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0";
        assert_eq!(agent(edge).unwrap(), "Edge · Windows");
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
        assert_eq!(agent(phone).unwrap(), "Safari · iPhone");
        assert_eq!(agent("curl/8.5.0").unwrap(), "curl/8.5.0");
        assert_eq!(agent(""), None);
    }
}
