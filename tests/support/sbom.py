#!/usr/bin/env python3
"""sbom.py - writes target/sbom/PROGRAM.cdx.json (CycloneDX 1.5) for each program: the
crates that are linked into it, with version, licence, and the checksum of Cargo.lock. The same sources
give the same bytes: no time, no serial number, no path of this machine.

The lists are those of tests/support/linked.py: what the recipe of `make release` links, by two ways that must
agree; for the helper they are also compared with what the compiler was given. Tools that read `cargo metadata`
unite the features of the whole workspace: cargo-cyclonedx 0.5.9 reports an async runtime in the helper, which
has none."""

import json
import sys
import tomllib

sys.dont_write_bytecode = True
from crates import ROOT, cargo, compiled
from linked import programs


def document(program, crates, edges, locked, licences):
    def component(crate):
        name, version = crate
        package = locked[crate]
        purl = f"pkg:cargo/{name}@{version}"
        value = {
            "type": "application" if name == program else "library",
            "bom-ref": purl,
            "name": name,
            "version": version,
            # Cargo's older way to write OR.
            "licenses": [{"expression": licences[crate].replace("/", " OR ")}],
            "purl": purl,
        }
        if "checksum" in package:
            value["hashes"] = [{"alg": "SHA-256", "content": package["checksum"]}]
        return value

    parts = {crate: component(crate) for crate in crates}
    main = next(crate for crate in crates if crate[0] == program)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": parts.pop(main)},
        "components": list(parts.values()),
        "dependencies": [
            {"ref": f"pkg:cargo/{name}@{version}",
             "dependsOn": [f"pkg:cargo/{n}@{v}" for n, v in sorted(edges[(name, version)])]}
            for name, version in crates
        ],
    }


def main():
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    locked = {(p["name"], p["version"]): p for p in lock["package"]}
    packages = json.loads(cargo("metadata", "--locked", "--format-version", "1"))["packages"]
    licences = {(p["name"], p["version"]): p["license"] for p in packages}
    target = ROOT / "target" / "sbom"
    target.mkdir(parents=True, exist_ok=True)
    for program, crates, edges in programs():
        text = json.dumps(document(program, crates, edges, locked, licences), indent=2) + "\n"
        if str(ROOT) in text or "file:" in text:
            sys.exit(f"sbom: {program}: a path of this machine is in it")
        if program == "netevd-priv" and set(crates) != set(compiled()):
            sys.exit(f"sbom: listed and compiled differ: {sorted(set(crates) ^ set(compiled()))}")
        (target / f"{program}.cdx.json").write_text(text)
        print(f"target/sbom/{program}.cdx.json: {len(crates)} crates")


main()
