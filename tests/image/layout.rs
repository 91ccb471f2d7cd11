//! What is in the image's file, read without a container engine.

use serde_json::Value;
use std::process::Command;

/// A file of the archive, as it is.
fn contents(archive: &str, name: &str) -> Vec<u8> {
    let output = Command::new("tar").args(["-xOf", archive, name]).output().expect("tar(1)");
    assert!(output.status.success(), "{archive}: {name}");
    output.stdout
}

fn json(archive: &str, name: &str) -> Value {
    serde_json::from_slice(&contents(archive, name)).expect("JSON")
}

fn blob(archive: &str, descriptor: &Value) -> String {
    let digest =
        descriptor["digest"].as_str().and_then(|text| text.strip_prefix("sha256:")).expect("a digest");
    let name = format!("blobs/sha256/{digest}");
    let script = format!("tar -xOf '{archive}' {name} | sha256sum");
    let output = Command::new("sh").args(["-c", &script]).output().expect("sha256sum");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with(digest), "{archive}: {name}");
    let length = contents(archive, &name).len();
    assert_eq!(descriptor["size"], length, "{archive}: {name}");
    name
}

#[test]
fn each_blob_is_what_its_name_says_and_each_program_has_a_bill_of_materials() {
    let Ok(archives) = std::env::var("NETEVD_IMAGES") else { return };
    for archive in archives.split_whitespace() {
        let index = json(archive, "index.json");
        let manifests = index["manifests"].as_array().expect("manifests");
        let (image, referrers) = manifests.split_first().expect("an image");
        let manifest = json(archive, &blob(archive, image));
        let config = json(archive, &blob(archive, &manifest["config"]));
        assert_eq!(manifest["layers"].as_array().map(Vec::len), Some(1));
        blob(archive, &manifest["layers"][0]);
        let labels = &config["config"]["Labels"];
        assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(labels["org.opencontainers.image.licenses"], env!("CARGO_PKG_LICENSE"));
        assert_eq!(config["config"]["Healthcheck"]["Test"][2], "status");

        let mut described = Vec::new();
        for referrer in referrers {
            let document = json(archive, &blob(archive, referrer));
            assert_eq!(document["subject"]["digest"], image["digest"]);
            let bill = json(archive, &blob(archive, &document["layers"][0]));
            assert_eq!(bill["bomFormat"], "CycloneDX");
            described.push(bill["metadata"]["component"]["name"].as_str().expect("a name").to_owned());
        }
        assert_eq!(described, ["netevd", "netevd-worker", "netevd-priv"]);
        // What `docker load` reads without knowing of OCI.
        let legacy = json(archive, "manifest.json");
        let path = |value: &Value| {
            format!("sha256:{}", value.as_str().expect("a path").trim_start_matches("blobs/sha256/"))
        };
        assert_eq!(path(&legacy[0]["Config"]), manifest["config"]["digest"].as_str().expect("a digest"));
        assert_eq!(
            path(&legacy[0]["Layers"][0]),
            manifest["layers"][0]["digest"].as_str().expect("a digest")
        );
    }
}
