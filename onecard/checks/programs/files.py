"""Check that every file listed by the installed packages exists, with its size.

It reads each dist-info's RECORD and the size of each file: no file is opened, since hashing
gigabytes in every check would take longer than everything else. Arguments: files, as listed in
RECORD, that are changed after the installation, and may have another size. --accept records the
current differences, which are ignored from then on: a wheel may list a file that it lacks.

Prints `package=FOLDER` of each package and `damaged=NAME` of those with trouble.
"""

import gc
import operator
import os
import sys

SHOWN = 3  # packages in the one line of trouble
ANY = ""  # a file that may have any size
SIZE = operator.attrgetter("st_size")

gc.disable()  # it would go through the tens of thousands of names again and again
ACCEPTED = f"{sys.prefix}/.onecard-accepted"
version = ".".join(map(str, sys.version_info[:2]))


def read_lines(path):
    """Return the lines of a text, None where it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes 5 ms to load
            return file.read().splitlines()
    except OSError:
        return None


def listed(lines):
    """Return the paths in a RECORD and their sizes; byte code has none that lasts.

    Any user of a module may compile it again.
    """
    if any('"' in line for line in lines):  # hardly a path needs the quotes of CSV
        import csv

        rows = list(csv.reader(lines))
    else:
        rows = [line.rsplit(",", 2) for line in lines]
    rows = [row for row in rows if row and row[0] and row[0][-4:] != ".pyc"]
    try:
        paths, _, sizes = zip(*rows)  # noqa: B905 - Python 3.10 has `strict`, a box may not
    except ValueError:  # no rows, or some without a size
        paths = tuple(row[0] for row in rows)
        sizes = tuple(row[2] if len(row) == 3 else ANY for row in rows)
    return paths, sizes


def read_sizes(paths):
    """Return the size of each file as text, None for a missing one."""
    try:
        # Loops of the interpreter's own: one in Python takes as long again as the calls.
        return [*map(str, map(SIZE, map(os.stat, paths)))]
    except OSError:
        return [*map(read_size, paths)]


def read_size(path):
    """Return the size of one file as text, None if it is missing."""
    try:
        return str(os.stat(path).st_size)  # noqa: PTH116 - half the time of Path.stat()
    except OSError:
        return None


def suspect(records):
    """Return path -> size of the files that have another size than a RECORD lists."""
    found = {}
    for paths, sizes in records.values():
        actual = read_sizes(paths)
        for at in [at for at, size in enumerate(sizes) if size == ANY]:
            actual[at] = ANY if actual[at] is not None else None
        if actual != [*sizes]:
            rows = zip(paths, sizes, actual)  # noqa: B905
            found.update((path, has) for path, size, has in rows if has != size)
    return found


os.chdir(f"{sys.prefix}/lib/python{version}/site-packages")  # a short path is found sooner
folders = sorted(name for name in os.listdir() if name.endswith(".dist-info"))  # noqa: PTH208
texts = {folder: read_lines(f"{folder}/RECORD") for folder in folders}
records = {folder: listed(lines) for folder, lines in texts.items() if lines is not None}
suspects = suspect(records)
known = {path: [] for path in suspects.keys() - set(read_lines(ACCEPTED) or ())}
for path in known.keys() & set(sys.argv[1:]):
    known[path].append(ANY)
for paths, sizes in records.values() if known else ():
    # Two packages may list the same file, and the later one's is installed.
    for path in known.keys() & set(paths):
        known[path].append(sizes[paths.index(path)])
wrong = {}
for path, sizes in known.items():
    if suspects[path] is None:
        wrong[path] = "missing"
    elif suspects[path] not in sizes and ANY not in sizes:
        wrong[path] = "changed"
if "--accept" in sys.argv:
    with open(ACCEPTED, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write("".join(f"{path}\n" for path in sorted(wrong)))
    wrong = {}

print(f"python={version}")
damaged = []
for package, (paths, _) in records.items():
    print(f"package={package}")
    found = [wrong[path] for path in paths if path in wrong] if wrong else ()
    if not found:
        continue
    name, _, version = package[: -len(".dist-info")].rpartition("-")
    missing, changed = found.count("missing"), found.count("changed")
    words = [f"{missing} of {len(paths)} files are missing"] if missing else []
    words += [f"{changed} of {len(paths)} files have another size"] if changed else []
    damaged.append(f"{name} {version}: {', '.join(words)}")
    print(f"damaged={name}")
print(f"files={sum(len(paths) for paths, _ in records.values())}")
if damaged:
    more = len(damaged) - SHOWN
    rest = [f"and {more} more packages"] if more > 0 else []
    print(f"trouble={'; '.join([*damaged[:SHOWN], *rest])}")
    sys.exit(1)
print("passed=yes")
