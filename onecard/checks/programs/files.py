"""Check that every file listed by the installed packages exists, with its size.

It reads each dist-info's RECORD and the size of each file: no file is opened, since hashing
gigabytes in every check would take longer than everything else. Arguments: files, as listed in
RECORD, that are changed after the installation, and may have another size. --accept records the
current differences, which are ignored from then on: a wheel may list a file that it lacks.

Prints `package=FOLDER` of each package and `damaged=NAME` of those with trouble.
"""

import csv
import gc
import operator
import os
import sys
from pathlib import Path

SHOWN = 3  # packages in the one line of trouble
ANY = ""  # a file that may have any size
COMMAS = operator.methodcaller("split", ",")

gc.disable()  # it would go through the tens of thousands of names again and again
ACCEPTED = Path(sys.prefix) / ".onecard-accepted"
changed_later = set(sys.argv[1:])
version = ".".join(map(str, sys.version_info[:2]))
site = Path(sys.prefix) / "lib" / f"python{version}" / "site-packages"
folders = sorted(each.name for each in site.glob("*.dist-info"))
records = {}
sizes = {}  # of each file; two packages may list the same one, and the later one's is installed
for folder in folders:
    try:
        record = (site / folder / "RECORD").read_text("utf-8")
    except OSError:
        continue
    lines = record.splitlines()
    # Hardly a path needs the quotes of CSV.
    rows = csv.reader(lines) if '"' in record else map(COMMAS, lines)
    listed = records[folder] = []
    for row in rows:
        # Byte code is compiled again by any user of the module; its size in RECORD does not last.
        if row and row[0] and not row[0].endswith(".pyc"):
            listed.append(row[0])
            known = sizes.setdefault(row[0], [])
            known.append(row[2] if len(row) == 3 and row[2].isdigit() else ANY)
for path in changed_later & sizes.keys():
    sizes[path].append(ANY)

os.chdir(site)  # a short path is found sooner
accepted = set(ACCEPTED.read_text("utf-8").splitlines()) if ACCEPTED.exists() else set()
wrong = {}
for path, known in sizes.items():
    if path in accepted:
        continue
    try:
        actual = str(os.stat(path).st_size)  # noqa: PTH116 - half the time of Path.stat()
    except OSError:
        wrong[path] = "missing"
        continue
    if actual not in known and ANY not in known:
        wrong[path] = "changed"
if "--accept" in sys.argv:
    ACCEPTED.write_text("".join(f"{path}\n" for path in wrong), "utf-8")
    wrong = {}

print(f"python={version}")
damaged = []
for folder, paths in records.items():
    print(f"package={folder}")
    found = [wrong[path] for path in paths if path in wrong]
    if not found:
        continue
    name, _, version = folder[: -len(".dist-info")].rpartition("-")
    missing, changed = found.count("missing"), found.count("changed")
    words = [f"{missing} of {len(paths)} files are missing"] if missing else []
    words += [f"{changed} of {len(paths)} files have another size"] if changed else []
    damaged.append(f"{name} {version}: {', '.join(words)}")
    print(f"damaged={name}")
print(f"files={len(sizes)}")
if damaged:
    more = len(damaged) - SHOWN
    rest = [f"and {more} more packages"] if more > 0 else []
    print(f"trouble={'; '.join([*damaged[:SHOWN], *rest])}")
    sys.exit(1)
print("passed=yes")
