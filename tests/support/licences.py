#!/usr/bin/env python3
"""licences.py - every crate of Cargo.lock, for whatever system, has a licence that deny.toml allows.

The part of `make deny` that CI runs: it takes a second, cargo-deny minutes to build. Changes nothing."""

import re
import json
import sys
import tomllib

sys.dont_write_bytecode = True
from crates import ROOT, cargo


def allowed(expression, names):
    """Evaluates an SPDX expression. What `WITH` adds only permits more."""
    # Cargo's older way to write OR.
    words = re.findall(r"[()]|[^\s()/]+|/", expression)
    logic, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word == "WITH":
            skip = True
        elif word in "()":
            logic.append(word)
        elif word in ("OR", "AND", "/"):
            logic.append({"OR": "or", "AND": "and", "/": "or"}[word])
        else:
            logic.append(str(word in names))
    # Nothing but parentheses, and, or, True and False is left.
    return eval(" ".join(logic))


def main():
    names = set(tomllib.loads((ROOT / "deny.toml").read_text())["licenses"]["allow"])
    metadata = json.loads(cargo("metadata", "--locked", "--format-version", "1"))
    bad = [p for p in metadata["packages"] if not p["license"] or not allowed(p["license"], names)]
    for package in bad:
        print(f"licences: {package['name']} {package['version']}: {package['license']}", file=sys.stderr)
    print(f"licences: {len(metadata['packages'])} crates, {len(bad)} that deny.toml does not allow")
    sys.exit(1 if bad else 0)


main()
