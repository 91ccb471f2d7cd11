#!/usr/bin/env python3
"""crates.py - packs the crates as crates.io would get them, and compares what is in each with the repository.

The packages are written to target/package. Each must hold its sources, README, licences and nothing else; what
an `include` list of a Cargo.toml forgets or adds is an error. Nothing is compiled: `make crates-verify` does that."""

import json
import pathlib
import subprocess
import sys
import tarfile
import tomllib

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from crates import CARGO, cargo

# Crate to its directory, and what of that is packed beside the files of every crate.
CRATES = {
    "netevd-protocol": ("protocol", ["src/"]),
    "netevd-priv": ("netevd-priv", ["src/", "tests/", "CRATES"]),
    "netevd-worker": ("netevd-worker", ["src/"]),
    "netevd": (".", ["src/", "man/netevd.8.end", "CHANGELOG.md", "SECURITY.md"]),
}
EVERYWHERE = {"Cargo.toml", "README.md", "LICENSE", "COPYING"}
# Made by cargo.
MADE = {"Cargo.toml.orig", "Cargo.lock", ".cargo_vcs_info.json"}
NEEDED = ("description", "license", "repository", "readme", "keywords", "categories", "rust-version")
# What crates.io accepts at most.
LARGEST = 10_000_000


def expected(directory, patterns):
    tracked = subprocess.run(["git", "ls-files", "-z", "."], cwd=ROOT / directory, check=True,
                             stdout=subprocess.PIPE, text=True).stdout.split("\0")
    return EVERYWHERE | MADE | {name for name in tracked if name and any(
        name.startswith(p) if p.endswith("/") else name == p for p in patterns)}


def faults(name, version, directory, patterns):
    path = ROOT / "target" / "package" / f"{name}-{version}.crate"
    if path.stat().st_size > LARGEST:
        yield f"{path.stat().st_size} bytes, and crates.io takes {LARGEST}"
    with tarfile.open(path) as archive:
        members = {m.name.split("/", 1)[1]: m for m in archive.getmembers()}
        read = lambda member: archive.extractfile(members[member]).read()
        wanted = expected(directory, patterns)
        for member in sorted(wanted - set(members)):
            yield f"{member} is not packed"
        for member in sorted(set(members) - wanted):
            yield f"{member} is packed, and is not in this crate's list (packaging/crates.py) or not in git"
        for member in sorted(m for m in members if not members[m].isfile()):
            yield f"{member} is not a file"
        for text in ("LICENSE", "COPYING"):
            if text in members and members[text].isfile() and read(text) != (ROOT / text).read_bytes():
                yield f"{text} is not that of the repository"
        manifest = tomllib.loads(read("Cargo.toml").decode())
    for key in NEEDED:
        if not manifest["package"].get(key):
            yield f"Cargo.toml has no {key}"
    for dependency, value in manifest["dependencies"].items():
        own = value.get("package", dependency) if isinstance(value, dict) else dependency
        if own in CRATES and value.get("version") != f"={version}":
            yield f"needs {own} {value.get('version')}, not exactly {version}"


def main():
    packages = {p["name"]: p for p in json.loads(
        cargo("metadata", "--locked", "--no-deps", "--format-version", "1"))["packages"]}
    published = {name for name, p in packages.items() if p["publish"] is None}
    if published != set(CRATES):
        sys.exit(f"crates: published {sorted(published)}, listed {sorted(CRATES)}")
    selected = [word for name in CRATES for word in ("-p", name)]
    # A file that git does not know yet is found below.
    packed = subprocess.run([CARGO, "package", "--locked", "--no-verify", "--allow-dirty", *selected],
                            cwd=ROOT, stderr=subprocess.PIPE, text=True)
    if packed.returncode != 0:
        sys.exit(packed.stderr)
    bad = 0
    for name, (directory, patterns) in CRATES.items():
        version = packages[name]["version"]
        for fault in faults(name, version, directory, patterns):
            print(f"crates: {name}: {fault}", file=sys.stderr)
            bad += 1
        size = (ROOT / "target" / "package" / f"{name}-{version}.crate").stat().st_size
        print(f"target/package/{name}-{version}.crate: {size // 1000} kB")
    sys.exit(1 if bad else 0)


main()
