"""`python3 -m onecard.checks --venv PATH`: run an environment's checks on this machine.

The same programs and parsers as in `provision`, in the same shell. It needs the standard library
alone, so it runs on a bare box. `--only torch,header` selects some; `--accelerator cpu` for a
build without CUDA; `--model FOLDER` adds the model's architecture; `--json`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

from onecard.checks import architecture_check, environment_checks, read
from onecard.ssh.probe_batch import compose, parse


def main(arguments: list[str]) -> int:
    """Run the checks and print each result; return 1 if one failed."""
    flags = argparse.ArgumentParser(prog="python3 -m onecard.checks")
    flags.add_argument("--venv", required=True, help="folder of the environment")
    flags.add_argument("--accelerator", choices=("nvidia", "cpu"), default="nvidia")
    flags.add_argument("--only", default="", help="names, separated by commas")
    flags.add_argument("--model", default="", help="the model's folder")
    flags.add_argument("--json", action="store_true")
    given = flags.parse_args(arguments)
    checks = list(environment_checks(given.accelerator))
    if given.model:
        checks.append(architecture_check(f"{given.model}/config.json"))
    names = {check.name for check in checks}
    wanted = set(given.only.split(",")) if given.only else names
    if not wanted <= names:
        flags.error(f"--only: no check is called {', '.join(sorted(wanted - names))}")
    chosen = {check.name: check for check in checks if check.name in wanted}
    scripts = {name: check.script(given.venv) for name, check in chosen.items()}
    started = time.monotonic()
    done = subprocess.run(
        ["sh", "-s"], input=compose(scripts), capture_output=True, text=True, check=True
    )
    answers = parse(done.stdout, scripts)
    outcomes = [
        read(check, answers[name].output or answers[name].errors) for name, check in chosen.items()
    ]
    if given.json:
        rows = [
            {"name": each.check.name, "passed": not each.trouble, "told": each.values,
             "trouble": each.trouble, "fix": each.check.fix if each.trouble else ""}
            for each in outcomes
        ]  # fmt: skip
        json.dump({"checks": rows, "seconds": round(time.monotonic() - started, 2)}, sys.stdout)
        print()
    else:
        for each in outcomes:
            print(f"{'failed' if each.trouble else 'ok':<7} {each.check.name:<13} {each.line}")
    return 1 if any(each.trouble for each in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
