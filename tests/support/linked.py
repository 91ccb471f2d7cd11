"""linked.py - which crates are linked into each released program.

The selections of packages come from the recipe of `make release` itself (make -n), so that a change of the
recipe is a change here. Each list is found twice: by `cargo tree`, which knows the edges but is given the
selection only, and in the plan of compilations that cargo makes for the very command of the recipe
(--unit-graph, which stable cargo prints with RUSTC_BOOTSTRAP; nothing is compiled). They must agree."""

import json
import os
import shlex
import subprocess
import sys

from crates import CARGO, ROOT, cargo, name_and_version

PROGRAMS = ["netevd", "netevd-priv", "netevd-worker"]
# Options of the recipe that decide which packages, features and target are resolved together.
SELECTING = {"-p", "--package", "--exclude", "--features", "--target"}
SWITCHES = {"--workspace", "--all-features", "--no-default-features"}


def recipe():
    """The words of each call of cargo in `make release`, up to the compiler's own options."""
    make = subprocess.run(["make", "-n", "--no-print-directory", "release", f"CARGO={CARGO}"], cwd=ROOT,
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    calls = []
    for line in make.replace("\\\n", " ").splitlines():
        words = shlex.split(line)
        while words and "=" in words[0]:
            words.pop(0)
        if words and words[0] == CARGO and words[1:2] in (["build"], ["rustc"]):
            calls.append(words[1:words.index("--")] if "--" in words else words[1:])
    if not calls:
        sys.exit("linked: no call of cargo in the recipe of `make release`")
    return calls


def selection(call):
    words, chosen = iter(call[1:]), []
    for word in words:
        if word in SELECTING:
            chosen += [word, next(words)]
        elif word in SWITCHES:
            chosen.append(word)
    return chosen


def graph(call):
    """Crate (name, version) to the crates that it links, as cargo resolves them for this selection."""
    edges, path = {}, []
    for line in cargo("tree", "--locked", "-e", "normal,no-proc-macro", "--prefix", "depth",
                      "--format", " {p}", *selection(call)).splitlines():
        if not line:
            continue
        depth, name, version, *_ = line.split(" ")
        crate = (name, version.removeprefix("v"))
        edges.setdefault(crate, set())
        path[int(depth):] = [crate]
        if len(path) > 1:
            edges[path[-2]].add(crate)
    return edges


def reach(edges, start):
    found, waiting = set(), list(start)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(edges[one])
    return found


def planned(call):
    """Program to the crates of all compilations that end in it: macros and build scripts do not."""
    command = [CARGO, *call, "--unit-graph", "-Zunstable-options"]
    text = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "RUSTC_BOOTSTRAP": "1"}).stdout
    plan = json.loads(text)
    if plan["version"] != 1:
        sys.exit(f"linked: cargo's unit graph has version {plan['version']}; this reads 1")
    units = plan["units"]
    library = {n for n, u in enumerate(units)
               if u["mode"] == "build" and u["target"]["kind"] not in (["proc-macro"], ["custom-build"])}
    edges = {n: [d["index"] for d in units[n]["dependencies"] if d["index"] in library] for n in library}
    return {units[root]["target"]["name"]: {name_and_version(units[n]["pkg_id"]) for n in reach(edges, [root])}
            for root in plan["roots"] if root in library and units[root]["target"]["kind"] == ["bin"]}


def programs():
    """(program, its crates, the edges between crates) for each program that `make release` builds."""
    found = {}
    for call in recipe():
        edges = None
        for program, plan in planned(call).items():
            if program not in PROGRAMS:
                continue
            if program in found:
                sys.exit(f"linked: `make release` builds {program} twice")
            edges = edges or graph(call)
            listed = reach(edges, [c for c in edges if c[0] == program])
            if listed != plan:
                sys.exit(f"linked: {program}: cargo tree and cargo's plan differ: {sorted(listed ^ plan)}")
            found[program] = (sorted(listed), edges)
    if sorted(found) != PROGRAMS:
        sys.exit(f"linked: `make release` builds {sorted(found)}, not {PROGRAMS}")
    return [(program, *found[program]) for program in PROGRAMS]
