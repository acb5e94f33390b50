"""What the probes tell of Secure Boot and of the module on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.facts import PROBES, Facts, read_facts
from onecard.ssh.probe_batch import Answer
from tests.support.on_shell import shell

# mokutil's own words; the subjects are of two machines, by OpenSSL 1.1 and 3.
MOKUTIL = """\
case "$1" in
  --sb-state) echo "SecureBoot enabled" ;;
  --list-enrolled) cat <<'END'
[key 1]
SHA1 Fingerprint: 76:a0:92:06:58:00:bf:37:69:01:c3:72:cd:55:a9:0e:1f:de:d2:e0
        Subject: C=GB, ST=Isle of Man, L=Douglas, O=Canonical Ltd., CN=Canonical Ltd. Master Certificate Authority
[key 2]
        Issuer: CN = gpu-box Secure Boot Module Signature key
        Subject: CN = gpu-box Secure Boot Module Signature key
END
  ;;
  --test-key) echo "$2 $words" ;;
esac"""


def facts(**outputs: str) -> Facts:
    return read_facts({name: Answer(output) for name, output in outputs.items()})


@pytest.mark.parametrize(
    ("lines", "open_on_disk", "signer"),
    [
        ("", None, None),
        ("license=NVIDIA\nsignature=\nsigner=\n", False, ""),
        (
            "license=Dual MIT/GPL\nsignature=PKCS#7\nsigner=Canonical Ltd. Kernel Module Signing\n",
            True,
            "Canonical Ltd. Kernel Module Signing",
        ),
        ("license=Dual MIT/GPL\nsignature=PKCS#7\nsigner=\n", True, None),
    ],
    ids=["older probe", "closed and unsigned", "signed by Canonical", "kmod without OpenSSL"],
)
def test_the_module_on_disk(lines: str, open_on_disk: bool | None, signer: str | None) -> None:
    driver = facts(nvidia=f"on_disk=580.95.05\n{lines}").driver
    assert (driver.open_on_disk, driver.signer) == (open_on_disk, signer)


def test_no_mokutil_means_that_the_keys_are_unknown() -> None:
    assert facts(kernel="secure_boot=on\n").kernel.enrolled_keys is None
    assert facts(kernel="secure_boot=on\nsigning_key=none\n").kernel.enrolled_keys == ()


def test_the_kernel_line_for_a_card_that_needs_the_open_modules_is_read() -> None:
    line = "               NVRM: installed in this system requires use of the NVIDIA open kernel modules."
    (read,) = facts(kernel_log=f"line={line}\n").kernel_log.complaints
    assert read == line.strip()


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("is already enrolled", "enrolled"),
        ("is already in the enrollment request", "pending"),
        ("is not enrolled", "loose"),
        ("EFI variables are not supported on this system", ""),
    ],
)
def test_the_probe_reads_the_keys(tmp_path: Path, words: str, state: str) -> None:
    """The part of the probe behind the EFI variables, which only some machines have."""
    certificate = tmp_path / "mok.pub"
    certificate.write_bytes(b"")
    mokutil = tmp_path / "mokutil"
    mokutil.write_text(f"#!/bin/sh\nwords='{words}'\n{MOKUTIL}\n")
    mokutil.chmod(0o755)
    script = PROBES["kernel"].replace("[ -d /sys/firmware/efi ]", "true")
    script = script.replace("/var/lib/dkms/mok.pub", str(certificate))
    kernel = facts(kernel=shell(f'PATH="{tmp_path}:$PATH"\n{script}').stdout).kernel
    assert kernel.signing_key == state
    assert kernel.enrolled_keys == (
        "Canonical Ltd. Master Certificate Authority",
        "gpu-box Secure Boot Module Signature key",
    )
