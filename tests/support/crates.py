#!/usr/bin/env python3
"""crates.py - the crates that the compiler puts into netevd-priv, one a line: name, version, lines of code.

The compiler's own word: cargo names each crate that it compiles for the target (macros and build scripts
are the host's), and the dependency information beside it each file that was read. Of those the lines that
are neither empty nor comment are counted; what is switched off inside a file counts too. The crates of
this repository have `own` instead: tests/support/audit.sh counts them. Changes nothing outside
target/audit."""

import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
CARGO = os.environ.get("CARGO", "cargo")


def cargo(*arguments):
    return subprocess.run([CARGO, *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def host():
    version = subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return next(line.removeprefix("host: ") for line in version.splitlines() if line.startswith("host: "))


def name_and_version(package_id):
    """Of registry+https://...#libc@0.2.1, path+file:///x/protocol#netevd-protocol@0.1.0, path+...#0.1.0."""
    before, after = package_id.split("#")
    name, _, version = after.rpartition("@")
    return name or before.rsplit("/", 1)[1], version


def lines_of_code(metadata):
    """The lines of the files from which `metadata` (lib*.rmeta) was made."""
    path = pathlib.Path(metadata)
    information = path.with_name(path.name.removeprefix("lib")).with_suffix(".d").read_text()
    rule = next(line for line in information.splitlines() if ".rmeta: " in line)
    count = 0
    for file in rule.split(".rmeta: ")[1].split():
        if file.endswith(".rs"):
            text = (ROOT / file).read_text()
            count += sum(1 for line in text.splitlines() if line.strip() and not line.strip().startswith("//"))
    return count


def compiled():
    """Crate (name, version) to its lines of code, `own` for those of this repository."""
    target, found = host(), {}
    for line in cargo("check", "--quiet", "--locked", "-p", "netevd-priv", "--target", target,
                      "--target-dir", "target/audit", "--message-format=json").splitlines():
        message = json.loads(line)
        if message["reason"] != "compiler-artifact" or message["target"]["kind"] == ["custom-build"]:
            continue
        if all(f"/{target}/debug/" in name for name in message["filenames"]):
            own = message["package_id"].startswith("path+")
            lines = "own" if own else str(lines_of_code(message["filenames"][0]))
            found[name_and_version(message["package_id"])] = lines
    return found


if __name__ == "__main__":
    for (name, version), lines in sorted(compiled().items()):
        print(name, version, lines)
