"""`python3 -m onecard.facts`: run the probes on this machine and print their output as JSON.

`--read` prints the facts instead. It needs the standard library alone, so it runs on a bare box.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time

from onecard.facts import PROBES, read_facts, to_json
from onecard.ssh.probe_batch import compose, parse


def main(arguments: list[str]) -> int:
    """Run the probes and print the result."""
    started = time.monotonic()
    done = subprocess.run(
        ["sh", "-s"], input=compose(PROBES), capture_output=True, text=True, timeout=120, check=True
    )
    answers = parse(done.stdout, PROBES)
    if "--read" in arguments:
        values = to_json(read_facts(answers, time.time()))
    else:
        values = {name: dataclasses.asdict(answer) for name, answer in answers.items()}
    json.dump(values, sys.stdout, indent=1)
    print()
    print(f"{time.monotonic() - started:.2f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
