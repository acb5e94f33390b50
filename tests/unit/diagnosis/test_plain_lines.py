"""Test which line is shown as the first true error where no rule knows the failure."""

from __future__ import annotations

import pytest

from onecard.diagnosis import diagnose
from onecard.diagnosis.plain_lines import Strength, strength
from onecard.startup_log.line import read_line

LOGS = {
    "what a program says before systemd says that it ended": (
        """\
Jul 28 08:28:30 box systemd[1]: Started Ollama Service.
Jul 28 08:28:30 box ollama[74021]: Error: could not create directory mkdir /var/lib/ollama: denied
Jul 28 08:28:30 box systemd[1]: ollama.service: Main process exited, code=exited, status=1/FAILURE
Jul 28 08:28:30 box systemd[1]: ollama.service: Failed with result 'exit-code'.
""",
        "could not create directory mkdir",
    ),
    "a build tool's error before what follows from it": (
        """\
ninja: error: unknown target '_vllm_fa3_C', did you mean '_vllm_fa2_C'?
make: *** [Makefile:5: all] Error 2
""",
        "unknown target",
    ),
    "the error of a compiler, not the end of the build": (
        """\
FAILED: CMakeFiles/_C.dir/csrc/attention.cu.o
csrc/attention.cu(45): error: identifier "__hmul2_rn" is undefined
ninja: build stopped: subcommand failed.
subprocess.CalledProcessError: Command '['cmake']' returned non-zero exit status 1.
""",
        "__hmul2_rn",
    ),
    "a script's error before dpkg's": (
        """\
mkinitramfs: failed to determine device for /
update-initramfs: failed for /boot/initrd.img-6.14.0-29-generic with 1.
dpkg: error processing package linux-image-6.14.0-29-generic (--configure):
 installed package post-installation script subprocess returned error exit status 1
E: Sub-process /usr/bin/dpkg returned an error code (1)
""",
        "failed to determine device",
    ),
    "the reasons of an error that a program written in Rust gives": (
        """\
error: Failed to read the lock of the moon
  Caused by: the moon is not full
  Caused by: it is the third of the month
""",
        "Caused by: it is the third of the month",
    ),
    "an exception in the output of another program, indented as a whole": (
        """\
  × builder did not run successfully.
  ╰─> [14 lines of output]
      Traceback (most recent call last):
        File "setup.py", line 117, in <module>
          raise ValueError(
      ValueError: No matching distribution found for moon==2
""",
        "finds no version of moon==2",
    ),
    "words of a failure before the line that shows the end of a unit": (
        """\
systemd-modules-load[99]: Failed to insert module 'nvhda': Exec format error
systemd[1]: systemd-modules-load.service: Main process exited, code=exited, status=7/X
""",
        "Failed to insert module",
    ),
    "an error in another language": (
        """\
Paketlisten werden gelesen... Fertig
Fehler: Das Paket enthält keine Dateien
E: Sub-process /usr/bin/dpkg returned an error code (1)
""",
        "enthält keine Dateien",
    ),
    "an exception, not one that was ignored": (
        """\
Exception ignored in: <function Pool.__del__ at 0x7f>
Traceback (most recent call last):
  File "/usr/lib/python3.12/pool.py", line 9, in __del__
    self.close()
AttributeError: 'Pool' object has no attribute 'x'
Traceback (most recent call last):
  File "/app/main.py", line 9, in <module>
    main()
app.errors.StrangeError: the moon is not full
""",
        "the moon is not full",
    ),
    "that the traceback is cut off": (
        """\
Traceback (most recent call last):
  File "/app/main.py", line 9, in <module>
    main()
  File "/app/main.py", line 5, in main
    self.worker.init_device()
""",
        "cut off before the line that names the error",
    ),
    "what was logged before an exception without a text": (
        """\
kernelstub.Drive : ERROR Could not get a UUID for the filesystem
Traceback (most recent call last):
  File "/usr/lib/drive.py", line 115, in get_uuid
    raise UUIDNotFoundError
kernelstub.drive.UUIDNotFoundError
""",
        "Could not get a UUID",
    ),
}


@pytest.mark.parametrize(("log", "shown"), LOGS.values(), ids=LOGS)
def test_the_first_true_error_is_shown(log: str, shown: str) -> None:
    found = diagnose(log)
    assert shown in f"{found.line}\n{found.cause}"
    assert found.failure


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ValueError: no such card", Strength.RAISED),
        ("x.c:13: error: no such file", Strength.STATED),
        ("cannot open the device", Strength.WORDED),
        ("ninja: build stopped: subcommand failed.", Strength.CONSEQUENCE),
        ("the package depends on another", Strength.HINTED),
        ("WARNING: cannot open the device", Strength.WARNED),
        ("Reading package lists...", Strength.NONE),
        ("KeyboardInterrupt", Strength.NONE),
        ("16:28:57 - Waiting for pods to be Running (timeout=900s)", Strength.NONE),
        (
            "subprocess.CalledProcessError: Command 'x' returned non-zero exit status 1.",
            Strength.CONSEQUENCE,
        ),
        ("x/__init__.py:52: UserWarning: CUDA initialization: error", Strength.WORDED),
    ],
)
def test_the_form_of_a_line_makes_it_strong(line: str, expected: Strength) -> None:
    assert strength(read_line(line)) == expected
