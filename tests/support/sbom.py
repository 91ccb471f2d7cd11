#!/usr/bin/env python3
"""sbom.py - writes target/sbom/PROGRAM.cdx.json (CycloneDX 1.5) for each program: the
crates that are linked into it, with version, licence, and the checksum of Cargo.lock. The same sources
give the same bytes: no time, no serial number, no path of this machine.

The list is the build's own (cargo tree with the packages that `make release` builds together); for the
helper it is compared with what the compiler was given. Tools that read `cargo metadata` unite the features
of the whole workspace: cargo-cyclonedx 0.5.9 reports an async runtime in the helper, which has none."""

import json
import sys
import tomllib

sys.dont_write_bytecode = True
from crates import ROOT, cargo, compiled

# What one call of cargo builds has one set of features; these are those of `make release`.
BUILT_TOGETHER = {
    ("-p", "netevd-priv"): ["netevd-priv"],
    ("--workspace", "--exclude", "netevd-priv"): ["netevd", "netevd-worker"],
}


def graph(selection):
    """Crate (name, version) to the crates that it links, as cargo resolves them for this selection."""
    edges, path = {}, []
    for line in cargo("tree", "--locked", "-e", "normal,no-proc-macro", "--prefix", "depth",
                      "--format", " {p}", *selection).splitlines():
        if not line:
            continue
        depth, name, version, *_ = line.split(" ")
        crate = (name, version.removeprefix("v"))
        edges.setdefault(crate, set())
        path[int(depth):] = [crate]
        if len(path) > 1:
            edges[path[-2]].add(crate)
    return edges


def linked(edges, program):
    found, next_ones = set(), [c for c in edges if c[0] == program]
    while next_ones:
        crate = next_ones.pop()
        if crate not in found:
            found.add(crate)
            next_ones.extend(edges[crate])
    return sorted(found)


def document(program, edges, locked, licences):
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

    crates = linked(edges, program)
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
    for selection, programs in BUILT_TOGETHER.items():
        edges = graph(selection)
        for program in programs:
            text = json.dumps(document(program, edges, locked, licences), indent=2) + "\n"
            if str(ROOT) in text or "file:" in text:
                sys.exit(f"sbom: {program}: a path of this machine is in it")
            (target / f"{program}.cdx.json").write_text(text)
            crates = linked(edges, program)
            print(f"target/sbom/{program}.cdx.json: {len(crates)} crates")
            if program == "netevd-priv" and set(crates) != set(compiled()):
                sys.exit(f"sbom: listed and compiled differ: {sorted(set(crates) ^ set(compiled()))}")


main()
