"""Prometheus' files are valid; box-metrics prints what nvidia-smi and the kernel's log say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

import onecard
from onecard.credentials.secret import Secret
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.inventory.serving_groups.gateway_group import GatewayGroup
from onecard.monitoring import configuration as files
from onecard.resources.files.file import File
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from roles import gateway

SCRIPT = Path(onecard.__file__).parent / "monitoring" / "box-metrics.sh"
CARDS = """\
0, NVIDIA A100-SXM4-80GB, 40960, 81920, 250.50, 61, 97
1, NVIDIA A100-SXM4-80GB, 4, 81920, [N/A], 30, 0
2, NVIDIA H200, 0, 143771, 95.92, 34, 0
"""  # the last line is of a real box
KERNEL = """\
1764460000.123456 gpu kernel: NVRM: loading NVIDIA UNIX Open Kernel Module
1764460001.500000 gpu kernel: NVRM: Xid (PCI:0000:06:00): 31, pid=1, name=vllm, Ch 00000008
1764460009.250000 gpu kernel: NVRM: Xid (PCI:0000:06:00): 79, GPU has fallen off the bus.
1764460009.500000 gpu kernel: NVRM: Xid (PCI:0000:07:00): 63, pid='<unknown>', Row remapper
1764460009.750000 gpu kernel: NVRM: Xid (PCI:0000:07:00 GPU-I:05): 94, pid=1, name=vllm
"""
UNIT = (
    "[Service]\nExecStart=/opt/venv/bin/vllm serve /m --host {} --port 8001 --max-model-len 4096\n"
)
NOWHERE = Path("/nonexistent")
PROGRAMS = {"nvidia-smi": f"cat <<'@'\n{CARDS}@", "journalctl": f"cat <<'@'\n{KERNEL}@"}


class Box:
    """A box's programs, and what box-metrics wrote with them."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.out = folder / "bin", folder / "out"
        self.bin.mkdir()
        self.out.mkdir()
        for name in ("awk", "sed", "mv", "cat", "date", "timeout", "openssl", "sh"):
            (self.bin / name).symlink_to(str(shutil.which(name)))

    def program(self, name: str, script: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def metrics(self, served: Path = NOWHERE, configuration: Path = NOWHERE) -> dict[str, float]:
        done = subprocess.run(
            [self.bin / "sh", SCRIPT, self.out, NOWHERE, served, configuration],
            env={"PATH": str(self.bin)}, capture_output=True, text=True,
        )  # fmt: skip
        assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
        lines = (self.out / "box.prom").read_text().splitlines()
        samples = [line.rpartition(" ")[::2] for line in lines if not line.startswith("#")]
        assert len({name for name, _ in samples}) == len(samples)
        return {name: float(value) for name, value in samples}

    def target(self, unit: str) -> list[str]:
        self.program("systemctl", f"cat <<'@'\n{unit}@")
        self.metrics()
        return self.targets("server.json")

    def targets(self, name: str) -> list[str]:
        groups = json.loads((self.out / name).read_text())
        return [each for group in groups for each in group["targets"]]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    made = Box(tmp_path)
    made.program("systemctl", "exit 1")
    return made


def test_the_cards_and_their_xids(box: Box) -> None:
    for name, script in PROGRAMS.items():
        box.program(name, script)
    found = box.metrics()
    first = '{gpu="0",name="NVIDIA A100-SXM4-80GB"}'
    second = '{gpu="1",name="NVIDIA A100-SXM4-80GB"}'
    assert found[f"onecard_gpu_memory_used_bytes{first}"] == 40960 * 2**20
    assert found[f"onecard_gpu_memory_total_bytes{second}"] == 81920 * 2**20
    assert found[f"onecard_gpu_power_watts{first}"] == 250.5
    assert f"onecard_gpu_power_watts{second}" not in found
    assert found[f"onecard_gpu_temperature_celsius{second}"] == 30
    assert found[f"onecard_gpu_utilization_ratio{first}"] == 0.97
    assert found['onecard_gpu_power_watts{gpu="2",name="NVIDIA H200"}'] == 95.92
    assert found["onecard_gpu_readable"] == 1
    assert found['onecard_gpu_xid_errors{pci="0000:06:00"}'] == 2
    last = 'onecard_gpu_xid_last_timestamp_seconds{pci="0000:06:00",xid="79"}'
    assert found[last] == 1764460009.25
    assert found['onecard_gpu_xid_errors{pci="0000:07:00"}'] == 1
    assert found['onecard_gpu_xid_errors{pci="0000:07:00 GPU-I:05"}'] == 1


def test_cards_that_do_not_answer(box: Box) -> None:
    box.program("nvidia-smi", "echo 'No devices were found'; exit 6")
    box.program("journalctl", "exit 0")
    found = box.metrics()
    assert found["onecard_gpu_readable"] == 0
    assert not [name for name in found if name.startswith("onecard_gpu_memory")]


def test_a_box_without_cards_has_the_time_alone(box: Box) -> None:
    found = box.metrics()
    assert list(found) == ["onecard_metrics_timestamp_seconds"]
    assert abs(found["onecard_metrics_timestamp_seconds"] - time.time()) < 60


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_the_certificates_end(box: Box, tmp_path: Path) -> None:
    made = tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "5", "-subj", "/CN=x",
         "-keyout", tmp_path / "key.pem", "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    end = box.metrics(made)['onecard_certificate_end_timestamp_seconds{of="gateway"}']
    assert abs(end - time.time() - 5 * 86400) < 120


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("127.0.0.1", "127.0.0.1:8001"),
        ("0.0.0.0", "127.0.0.1:8001"),
        ("::", "[::1]:8001"),
        ("fd00::5", "[fd00::5]:8001"),
    ],
)
def test_the_server_is_where_its_unit_says(box: Box, address: str, target: str) -> None:
    assert box.target(UNIT.format(address)) == [target]


def test_without_a_deployed_server_there_is_no_target(box: Box) -> None:
    assert box.target("") == []


def test_the_gateway_is_where_its_configuration_says(box: Box, tmp_path: Path) -> None:
    box.metrics()
    assert box.targets("gateway.json") == []
    settings = Settings.model_validate(
        {"gateway": {"domain": "192.0.2.1", "tls": "internal", "metrics_port": 8406}}
    )
    host = Host("box1", Connection("192.0.2.1"), settings)
    group = GatewayGroup(host, (host,))
    back_end = gateway.BackEnd("box1", "127.0.0.1", 8000, Secret("the key of a box"))
    written = tmp_path / "haproxy.cfg"
    for each in gateway.desired(group, [back_end], Facts()):
        if isinstance(each, File) and each.path == gateway.CONFIGURATION:
            written.write_text(each.content)
    box.metrics(configuration=written)
    assert box.targets("gateway.json") == ["127.0.0.1:8406"]


def _expressions() -> list[str]:
    rules = yaml.safe_load(files.alerts())["groups"][0]["rules"]
    assert all(rule["annotations"]["summary"] and rule["annotations"]["action"] for rule in rules)
    return [rule["expr"] for rule in rules]


def test_the_rules_ask_for_what_there_is() -> None:
    text = "\n".join([*_expressions(), files.page()])
    written = SCRIPT.read_text()
    for name in re.findall(r"onecard_\w+", text):
        # awk makes the names of the cards' values from their last part.
        assert name in written or name.removeprefix("onecard_gpu_") in written, name
    logs = Path(__file__).parents[1] / "fixtures" / "logs"
    served = (logs / "cpu-0.32.0-metrics.txt").read_text()
    for name in re.findall(r"vllm:\w+", text):
        assert name.removesuffix("_bucket") in served, name


def test_nothing_listens_for_others_and_no_key_is_needed() -> None:
    text = files.prometheus()
    found = yaml.safe_load(text)
    targets = [group for job in found["scrape_configs"] for group in job.get("static_configs", [])]
    assert [each for group in targets for each in group["targets"]] == ["127.0.0.1:19100"]
    assert "authorization" not in text


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here")
def test_promtool_finds_no_fault(tmp_path: Path) -> None:
    alerts = tmp_path / "alerts.yml"
    alerts.write_text(files.alerts())
    done = subprocess.run(["promtool", "check", "rules", alerts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_loads_nothing_from_elsewhere() -> None:
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", files.page())
