#!/usr/bin/env python3
"""notices.py - the licence texts that must accompany the programs, each once.

Writes target/notices/NOTICES: what is linked into the programs, crate by crate (tests/support/linked.py), the
Rust standard library, and the C library that is inside the static ones; and target/notices/NOTICES.image, which
has busybox as well. A crate without a licence text, or a part of the standard library that is not listed, is an
error. The same sources and toolchain give the same bytes."""

import json
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from crates import cargo, host
from linked import PROGRAMS, programs

LICENCES = ROOT / "packaging" / "licences"
TEXT = re.compile(r"(licen[cs]e|copying|copyright|notices?|unlicense|authors|thirdparty)([-._].*)?", re.IGNORECASE)
# Libraries of the toolchain that are in no program: for tests and macros, or empty.
UNUSED = {"getopts", "test", "proc_macro", "profiler_builtins", "rustc_literal_escaper", "panic_unwind", "sysroot",
          "rustc_std_workspace_alloc", "rustc_std_workspace_core", "rustc_std_workspace_std"}
# Those whose licence is that of std.
STD = {"std", "core", "alloc", "std_detect", "unwind", "panic_abort"}
# What else is linked: name, licence, where, the texts' files.
LINKED = [
    ("Rust standard library", "MIT", "all programs", ["rust-std/*"]),
    ("GNU C Library", "LGPL-2.1-or-later and others", "the statically linked programs", ["glibc", "LGPL-2.1"]),
    ("libgcc", "GPL-3.0-or-later (COPYING) WITH GCC-exception-3.1", "the statically linked programs",
     ["GCC-exception-3.1"]),
]
BUSYBOX = ("BusyBox", "GPL-2.0-only", "the image, as /bin/busybox", ["busybox", "GPL-2"])
HEAD = """\
Third-party software in the programs of netevd {version}

netevd itself is LGPL-3.0-or-later (LICENSE and COPYING). Its source, from which the programs can be built
again with other versions of what is listed here: {repository}

Each line: name, licence, the programs it is in, and the numbers of the texts below.
"""


def standard_library():
    """The crates of the standard library, as far as the toolchain has them, each of which needs a text."""
    libdir = subprocess.run(["rustc", "--print", "target-libdir"], check=True, stdout=subprocess.PIPE, text=True)
    names = {path.name.removeprefix("lib").rsplit("-", 1)[0]
             for path in pathlib.Path(libdir.stdout.strip()).glob("*.rlib")}
    missing = sorted(name for name in names - UNUSED - STD
                     if not any((LICENCES / "rust-std" / n).exists() for n in (name, name.replace("_", "-"))))
    if missing or "std" not in names:
        sys.exit(f"notices: the standard library of this toolchain has {missing or 'no std'}: "
                 "add the licence text of each to packaging/licences/rust-std, or the name to UNUSED")


def texts_of(directory):
    """The files of a crate that are licences or notices, wherever they are in it."""
    return sorted(p for p in directory.rglob("*")
                  if TEXT.fullmatch(p.name) and p.is_file() and p.suffix != ".rs" and "tests" not in p.parts)


def entries():
    """(name, licence, where, files) of every crate in a program, but netevd's own."""
    metadata = json.loads(cargo("metadata", "--locked", "--format-version", "1", "--filter-platform", host()))
    packages = {(p["name"], p["version"]): p for p in metadata["packages"]}
    users = {}
    for program, crates, _ in programs():
        for crate in crates:
            users.setdefault(crate, []).append(program)
    found, bare = [], []
    for crate in sorted(users):
        package = packages[crate]
        if package["source"] is None:
            continue
        files = texts_of(pathlib.Path(package["manifest_path"]).parent)
        if not files:
            bare.append(" ".join(crate))
        where = "all programs" if len(users[crate]) == len(PROGRAMS) else " ".join(users[crate])
        found.append((" ".join(crate), package["license"].replace("/", " OR "), where, files))
    if bare:
        sys.exit(f"notices: no licence text in: {', '.join(bare)}")
    return found


def document(items, version, repository):
    numbers, texts, holders, lines = {}, [], [], []
    for name, licence, where, files in items:
        used = []
        for file in files:
            text = "\n".join(line.rstrip() for line in file.read_text(encoding="utf-8").splitlines()).strip("\n")
            number = numbers.setdefault(" ".join(text.split()), len(texts) + 1)
            if number > len(texts):
                texts.append(text)
                holders.append([])
            if number not in used:
                used.append(number)
                holders[number - 1].append(name)
        lines.append(f"{name}: {licence}; in {where}; {', '.join(str(n) for n in sorted(used))}")
    parts = [HEAD.format(version=version, repository=repository) + "\n" + "\n".join(lines) + "\n"]
    for number, (text, names) in enumerate(zip(texts, holders), 1):
        parts.append(f"{'=' * 78}\n[{number}] {', '.join(names)}\n{'=' * 78}\n\n{text}\n")
    return "\n".join(parts), len(texts)


def main():
    standard_library()
    crates = entries()
    own = json.loads(cargo("metadata", "--locked", "--no-deps", "--format-version", "1"))["packages"]
    own = next(p for p in own if p["name"] == "netevd")
    target = ROOT / "target" / "notices"
    target.mkdir(parents=True, exist_ok=True)
    for file, more in (("NOTICES", LINKED), ("NOTICES.image", [*LINKED, BUSYBOX])):
        items = [(name, licence, where, [f for pattern in patterns for f in sorted(LICENCES.glob(pattern))])
                 for name, licence, where, patterns in more]
        text, count = document(crates + items, own["version"], own["repository"])
        if str(ROOT) in text or str(pathlib.Path.home()) in text:
            sys.exit(f"notices: {file}: a path of this machine is in it")
        (target / file).write_text(text, encoding="utf-8")
        print(f"target/notices/{file}: {len(crates)} crates, {count} texts, {len(text.encode()) // 1000} kB")


if __name__ == "__main__":
    main()
