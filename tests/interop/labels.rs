//! Sheets of labels, asked for with `davyctl`, drawn by the server, and read back by renderers and a decoder that nobody here wrote.

use davy_city::Plan;
use davy_tests::database::Engine;
use davy_tests::platform::Platform;
use davy_tests::programs;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const OWN: &str = "https://gas.example";

fn read_back(file: &Path) -> Value {
    let python =
        std::env::var_os("DAVY_TEST_PYTHON").expect("a Python with a decoder: cargo xtask test --only interop");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/labels.py");
    let output = Command::new(python).arg(script).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn printed(platform: &Platform, serials: &[String], size: &str, format: &str) -> std::path::PathBuf {
    let file = platform.path(&format!("labels-{size}.{format}"));
    let person = platform.person("administrator").unwrap();
    let output = Command::new(programs::program("davyctl").unwrap())
        .args(["labels", "--size", size, "--server", &format!("http://{}", platform.http), "--email", &person.email])
        .arg("--output")
        .arg(&file)
        .args(serials)
        .env("DAVY_PASSWORD", &person.password)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    file
}

#[test]
#[ignore = "needs a Python with renderers: cargo xtask test --only interop"]
fn every_label_of_a_printed_sheet_is_read_back_by_a_camera_in_every_size_and_format() {
    let platform = Platform::provision(Engine::Sqlite, &Plan::small(20), |_| {}).unwrap().unwrap();
    let mut platform = platform.set("DAVY_HTTP_PUBLIC_URL", OWN);
    platform.start().unwrap();
    let company = platform.devices[0].tenant.clone();
    let serials: Vec<String> =
        platform.devices.iter().filter(|it| it.tenant == company).take(50).map(|it| it.serial.clone()).collect();
    for (size, room) in [("small", 44), ("medium", 21), ("large", 10)] {
        for format in ["pdf", "svg"] {
            let read = read_back(&printed(&platform, &serials, size, format));
            let pages = read["pages"].as_array().unwrap();
            let expected = if format == "pdf" { serials.len().div_ceil(room) } else { 1 };
            assert_eq!(pages.len(), expected, "{size} {format}");
            let links: Vec<&str> =
                pages.iter().flat_map(|page| page.as_array().unwrap()).map(|it| it[0].as_str().unwrap()).collect();
            let wanted = if format == "pdf" { serials.len() } else { room.min(serials.len()) };
            for serial in &serials[..wanted] {
                let part = format!("&serial={serial}&code=");
                let of_it = links
                    .iter()
                    .filter(|link| link.starts_with(&format!("{OWN}/bind?device=dev_")) && link.contains(&part));
                assert_eq!(of_it.count(), 1, "{size} {format}: {serial} in {links:?}");
                if format == "pdf" {
                    assert!(read["text"].as_str().unwrap().contains(serial.as_str()), "{serial} is not there as text");
                }
            }
            assert_eq!(links.len(), wanted, "{size} {format}");
            if format == "pdf" {
                // The company's name, in Chinese.
                let text: String = read["text"].as_str().unwrap().split_whitespace().collect();
                assert!(text.contains("燃气"), "{text}");
            }
        }
    }
}
