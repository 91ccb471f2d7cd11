#!/usr/bin/env python3
"""words.py - words that this project does not use, and what to write instead: in code, comments, messages, help
texts and documents. `make lint` runs it. A reader should not have to learn a language first: the usual word, and the
one that systemd's or the kernel's manuals use."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A pattern, and what to write.
WORDS = [
    (r"\bmend(s|ed|ing)?\b", "fix"),
    (r"\banew\b", "again"),
    (r"\bfor ever\b", "forever"),
    (r"\bwhat ever\b", "what, or whatever"),
    (r"\bnoughts?\b", "zero"),
    (r"\bin (its|their|our) stead\b", "instead of it"),
    (r"\bwithout more ado\b", "by default"),
    (r"\b(by|via) (eth|eno|ens|wg|tun)\d", "through eth1"),
    (r"\b(route|routes|leaves?|gateway|default|defaults) by (this|that|a|the|another) (link|interface)\b(?!-)",
     "through the link"),
]

# Files whose words are others': lists of fixed input, texts of licences, history.
OTHERS = re.compile(r"(^fuzz/corpus/|^CHANGELOG\.md$|^LICENSE|\.lock$|\.png$|/snapshots?/|^tests/support/words\.py$)")


def faults(name, text):
    """Lines with such a word, for people."""
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, instead in WORDS:
            found = re.search(pattern, line, re.IGNORECASE)
            if found:
                yield f"{name}:{number}: \"{found.group(0)}\": write \"{instead}\""


def files():
    """What git knows; in a copy without git, all that is no build."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return listed.stdout.splitlines()
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return [str(path) for path in paths if path.parts[0] not in ("target", ".git")]


def main():
    # Each pattern finds what it is there for, and a good sentence passes.
    planted = ["It mends it", "read anew", "for ever", "what ever runs", "64 noughts", "in its stead",
               "Without more ado", "leaves by eth1", "a default route by this link"]
    for sentence, (pattern, _) in zip(planted, WORDS, strict=True):
        assert list(faults("planted", sentence)), f"{pattern} does not find {sentence!r}"
    good = "A reply leaves through eth1 again, and a default by a link-local gateway is recommended, forever."
    assert not list(faults("good", good)), list(faults("good", good))

    found = []
    for name in files():
        if OTHERS.search(name):
            continue
        try:
            text = (ROOT / name).read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        found += faults(name, text)
    print("\n".join(found) or f"words.py: none of {len(WORDS)} kinds of words in {len(files())} files")
    sys.exit(1 if found else 0)


main()
