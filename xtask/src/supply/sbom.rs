//! The bill of materials, as CycloneDX 1.6 (ECMA-424).

use super::Package;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// All of it. Nothing in it depends on when or where it was made.
pub(super) fn bill(packages: &BTreeMap<String, Package>) -> Value {
    let version =
        packages.values().find(|package| package.name == "davy-server").map_or("", |package| &package.version);
    let product = format!("pkg:generic/davy@{version}");
    let mut dependencies: Vec<Value> =
        packages.values().map(|package| json!({"ref": package.url, "dependsOn": package.depends})).collect();
    let own: Vec<&str> = packages.values().filter(|package| package.own).map(|package| package.url.as_str()).collect();
    dependencies.push(json!({"ref": product, "dependsOn": own}));
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": product, "purl": product, "name": "davy", "version": version},
        },
        "components": packages.values().map(component).collect::<Vec<_>>(),
        "dependencies": dependencies,
    })
}

fn component(package: &Package) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": package.url,
        "purl": package.url,
        "name": package.name,
        "version": package.version,
        "scope": if package.at_build { "excluded" } else { "required" },
        "licenses": [{"expression": package.licence}],
    });
    if let Some(checksum) = &package.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    if let Some(repository) = &package.repository {
        component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply::packages;
    use crate::workspace::Workspace;

    #[test]
    fn the_bill_has_everything_that_is_shipped_with_licence_and_checksum() {
        let all = packages::shipped(&Workspace::find().unwrap()).unwrap();
        let bill = bill(&all);
        let components = bill["components"].as_array().unwrap();
        let of = |name: &str| components.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        for name in ["tokio", "wasmtime", "rustls", "davy-server", "davyctl", "leptos", "web-sys", "maplibre-gl"] {
            assert!(
                !of(if name == "davyctl" { "davy-cli" } else { name })["licenses"][0]["expression"]
                    .as_str()
                    .unwrap()
                    .is_empty()
            );
        }
        assert_eq!(of("tokio")["hashes"][0]["content"].as_str().unwrap().len(), 64);
        assert_eq!(of("serde_derive")["scope"], "excluded", "a macro is not shipped");
        assert!(!components.iter().any(|it| it["name"] == "proptest"), "what only tests need is not shipped");
        let known: Vec<&str> = components.iter().map(|it| it["bom-ref"].as_str().unwrap()).collect();
        for dependency in bill["dependencies"].as_array().unwrap() {
            for on in dependency["dependsOn"].as_array().unwrap() {
                assert!(known.contains(&on.as_str().unwrap()), "{on} is not among the components");
            }
        }
    }
}
