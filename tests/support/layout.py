#!/usr/bin/env python3
"""layout.py DIRECTORY PROGRAM - a linker script that puts together what of PROGRAM ever runs.

What runs is what DIRECTORY/bin/profile/*.out* saw running in the worker. Of the helper, which no profiler
may look into, all is taken to run but NEVER; its C library is taken to be used as the worker's is. Object
files of the C library are found by DIRECTORY/PROGRAM.map, the linker's own list. Prints the script.
"""

import collections
import glob
import re
import subprocess
import sys

HEAD = "/* What of this program ever runs stands together. tests/support/layout.sh says why, and wrote this. */"
# A panic's look at its own program, and values printed for developers.
NEVER = ["*gimli*", "*addr2line*", "*miniz_oxide*", "*rustc_demangle*", "*backtrace*", "*core..fmt..Debug*"]
# What a start does beside what a profiler sees: it has no vdso to look into, and other string functions.
START = ["*rcrt1.o(.text*)", "*:dl-object.o(.text*)", "*:dl-lookup.o(.text*)", "*:strcmp-*.o(.text*)"]


def executed(directory):
    """Functions that ran, and in how many processes; each of those wrote several files."""
    names = collections.defaultdict(set)
    for path in glob.glob(f"{directory}/bin/profile/*.out*"):
        process = path.rpartition("/")[2].partition(".")[0]
        with open(path, errors="replace") as lines:
            for line in lines:
                found = re.match(r"c?fn=\(\d+\) (\S+)", line)
                if found:
                    # 'name'2 is a recursion of name.
                    names[found[1].split("'")[0]].add(process)
    return {name: len(processes) for name, processes in names.items()}


def objects(path, names):
    """Object files of the C library with a function that ran: their code has one section for all."""
    hot, member = set(), None
    with open(path, errors="replace") as lines:
        for line in lines:
            section = re.search(r"/lib[a-z_]+\.a\((\S+\.o)\):\((\.text\S*)\)", line)
            if section:
                member = section[1], section[2]
            elif re.search(r":\(\.", line):
                member = None
            elif member and line.split()[-1:] and line.split()[-1] in names:
                hot.add(member)
    # memmove-avx2.o here is memmove-avx512.o on another processor.
    kinds = {re.sub(r"-(sse|avx|evex).*", "-*.o", member) for member, _ in hot if re.search(r"-(sse|avx|evex)", member)}
    return [f"*:{member}(.text*)" for member in sorted({member for member, _ in hot} | kinds)]


def pattern(name):
    """A function's section without the hashes, which are other ones for each compiler and version."""
    if name.startswith("_ZN"):
        return re.sub(r"17h[0-9a-f]{16}E.*$", "17h*", name)
    if name.startswith("_R"):
        return re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", name)
    return None


def sections(directory, names):
    """Sections of the functions that ran, what most processes run first. A name without its hash stands for
    all instances of a generic function, and for the one that ran most."""
    most = collections.Counter()
    symbols = subprocess.run(["nm", f"{directory}/bin/profile/netevd-worker"], capture_output=True, text=True)
    for line in symbols.stdout.splitlines():
        name = line.split()[-1]
        one = pattern(name)
        if one and name in names:
            most[one] = max(most[one], names[name])
    # A function that is marked cold has a section of another name, and runs now and then.
    return [f"*(.text.{one} .text.unlikely.{one})" for one in sorted(most, key=lambda one: (-most[one], one))]


def block(name, sections, place):
    lines = "\n".join(f"    {section}" for section in sections)
    return f"SECTIONS {{\n  {name} : {{\n{lines}\n  }}\n}} {place} .text;"


def main():
    directory, program = sys.argv[1:3]
    names = executed(directory)
    c = START + objects(f"{directory}/{program}.map", names)
    print(HEAD)
    if program == "netevd-worker":
        print(block(".text.runs", c + sections(directory, names), "INSERT BEFORE"))
    else:
        print(block(".text.never", [f"*(.text.{one})" for one in NEVER], "INSERT AFTER"))
        rust = "*(.text._ZN* .text._R* .text.unlikely._ZN* .text.unlikely._R*)"
        print(block(".text.runs", c + [rust], "INSERT BEFORE"))


main()
