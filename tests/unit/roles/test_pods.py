"""What the roles leave out where a container forbids it, by its facts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

import roles
from onecard.access.exposure import public_port
from onecard.box import paths
from onecard.doctor import Check, preflight
from onecard.doctor.build_checks import lock_checks
from onecard.errors import PreflightError
from onecard.facts import Facts
from onecard.facts.abilities import Ability
from onecard.facts.model import Network
from onecard.facts.teardown import TeardownFacts
from onecard.inventory.host import Host
from onecard.inventory.lock import Lock
from onecard.resources.apt.packages import AptPackages
from onecard.resources.apt.sources import AptRepository
from onecard.resources.base import Difference, Resource
from onecard.resources.files.file import Directory, File
from onecard.resources.python.environment import Environment
from onecard.resources.skipped import Skipped
from onecard.resources.system.kernel import Sysctl
from onecard.resources.system.leftovers import NoAccount, NoFilesOf
from onecard.resources.system.user import User
from onecard.settings.connection import Connection
from onecard.settings.settings import PROVISION_ROLES, Settings
from roles import base, driver, expose, serve, services, teardown, unexpose, vllm
from tests.support.facts_support import CARD, box, working
from tests.support.pods import pod

LOCK = Lock.model_validate(
    {
        "asked": {"accelerator": "nvidia", "channel": "nightly"},
        "vllm": "0.33.0",
        "torch": "2.14.0+cu130",
        "torchvision": "0.29.0+cu130",
        "cuda": "cu130",
        "python": "3.12",
        "packages": {
            "vllm": "0.33.0",
            "torch": "2.14.0+cu130",
            "torchvision": "0.29.0+cu130",
        },
    }
)
HOST = Host("pod1", Connection("203.0.113.1"), Settings())


def forbidding(*abilities: Ability) -> Facts:
    return box(
        driver=working("580.95.05"), gpus=(CARD,), machine={"forbidden": tuple(sorted(abilities))}
    )


def skipped(resources: tuple[Resource, ...]) -> list[tuple[str, str]]:
    return [(each.name, each.why) for each in resources if isinstance(each, Skipped)]


@pytest.mark.parametrize("name", ["runpod-a100", "vast-4090x2"])
def test_a_pod_is_not_asked_for_what_it_forbids(name: str) -> None:
    facts = pod(name)
    assert skipped(base.desired(HOST, facts)) == [("sysctl net.core.somaxconn", "container")]
    assert skipped(driver.desired(HOST, facts)) == [("NVIDIA driver", "container")]
    assert not driver.pending(HOST, facts)
    linked = replace(facts, root="/workspace/onecard/opt")
    assert not any(role.waits for role in roles.provision(HOST, linked))


def test_before_a_lock_too_nothing_is_uploaded_beside_the_volume() -> None:
    """A wheelhouse is copied before the job makes the links."""
    planned = roles.system(HOST, pod("runpod-a100"))
    assert [role.waits for role in planned] == [False, True, True]


def test_a_privileged_container_has_its_kernel_settings() -> None:
    resources = base.desired(HOST, forbidding("modules"))
    assert skipped(resources) == []
    assert any(isinstance(each, Sysctl) for each in resources)


def test_useradd_comes_from_its_package_where_it_is_missing() -> None:
    for facts, there in ((forbidding("accounts"), True), (forbidding(), False)):
        resources = base.desired(HOST, facts)
        (packages,) = [each for each in resources if isinstance(each, AptPackages)]
        assert ("passwd" in packages.packages) == there
        assert any(isinstance(each, User) for each in resources)


def test_a_server_that_is_root_has_no_account_and_leaves_root_its_own() -> None:
    """On a volume that gives files no other owner."""
    host = replace(HOST, settings=Settings(service_user="root", start_at_boot=True))
    facts = replace(pod("runpod-a100"), root="/workspace/onecard/opt")
    wanted = (*base.desired(host, facts), *services.desired(host, facts))
    assert not any(isinstance(each, User) for each in wanted)
    assert all(each.owner == "root" for each in wanted if isinstance(each, Directory))
    (script,) = [each for each in wanted if isinstance(each, File) and "boot.sh" in each.path]
    assert "useradd" not in script.content
    gone = teardown.desired(host, facts, TeardownFacts(uid=None, port=8000))
    assert not any(isinstance(each, NoFilesOf | NoAccount) for each in gone)
    checks = {check.name: check for check in preflight(box(), host.settings)}
    assert checks["systemd"].status == "blocker"


def test_a_firewall_that_cannot_be_changed_is_left_to_the_provider() -> None:
    public = replace(
        HOST,
        settings=Settings.model_validate({"expose": {"domain": "a.example", "tls": "internal"}}),
    )
    assert skipped(expose.desired(public, forbidding("firewall"))) == [("firewall", "container")]
    assert skipped(expose.desired(public, forbidding())) == []


def test_a_certificate_is_renewed_without_a_timer_of_systemds() -> None:
    public = Settings.model_validate({"expose": {"domain": "a.example", "email": "a@b.example"}})
    host = replace(HOST, settings=public)
    names = [each.name for each in expose.desired(host, pod("runpod-a100"))]
    assert {f"unit {paths.RENEWAL_UNIT}", f"service {paths.RENEWAL_UNIT}"} <= set(names)
    assert f"service {paths.RENEWAL_UNIT}" in [
        each.name for each in unexpose.desired(host, pod("runpod-a100"))
    ]
    assert not any("renewal" in each.name for each in expose.desired(host, box()))


@pytest.mark.parametrize(
    ("mapped", "tls", "found"),
    [
        ({}, "acme", 443),
        ({22: 40022, 443: 41443}, "internal", 41443),
        ({22: 40022}, "internal", "leads no public port to port 443 of this pod, only to 22"),
        ({80: 40080, 443: 41443}, "acme", "port 80 of a.example, which does not lead to this pod"),
        ({80: 80, 443: 443}, "acme", 443),
    ],
)
def test_the_public_port_is_the_one_that_the_provider_maps(
    mapped: dict[int, int], tls: str, found: int | str
) -> None:
    settings = Settings.model_validate({"expose": {"domain": "a.example", "tls": tls}})
    host = replace(HOST, settings=settings)
    facts = replace(pod("runpod-a100"), network=Network(mapped=mapped))
    if isinstance(found, int):
        assert public_port(host, facts) == found
        return
    with pytest.raises(PreflightError, match=re.escape(found)):
        public_port(host, facts)


RELEASE = replace(HOST, settings=Settings.model_validate({"vllm": {"channel": "release"}}))


def test_a_build_for_cuda_12_needs_nothing_beside_an_older_driver() -> None:
    assert len(driver.desired(HOST, pod("runpod-a100"))) == 1  # nightly: cu129
    assert driver.libraries(HOST, pod("runpod-a100")) == ""


def test_a_build_for_cuda_13_gets_nvidias_package_and_its_proof_before_any_download() -> None:
    facts = pod("runpod-a100")
    names = [each.name for each in driver.desired(RELEASE, facts)]
    assert names == [
        "NVIDIA driver",
        "apt cuda-compat-13-0",
        "CUDA 13.0 from /usr/local/cuda-13.0/compat",
    ]
    without = replace(facts, packages=replace(facts.packages, nvidia_sources=()))
    source = driver.desired(RELEASE, without)[1]
    assert isinstance(source, AptRepository)
    assert source.url.endswith("/ubuntu2204/x86_64/cuda-keyring_1.1-1_all.deb")
    assert PROVISION_ROLES.index("driver") < PROVISION_ROLES.index("vllm")
    # the lock has the last word
    assert driver.libraries(replace(HOST, lock=LOCK), facts) == "/usr/local/cuda-13.0/compat"


def test_the_server_and_its_checks_find_the_packages_libraries() -> None:
    facts = pod("runpod-a100")
    host = replace(HOST, lock=LOCK)
    (environment,) = [each for each in vllm.desired(host, facts) if isinstance(each, Environment)]
    script = environment.fix({"missing": Difference("missing", "x", "")}, {})
    assert script.count("LD_LIBRARY_PATH=/usr/local/cuda-13.0/compat PATH=") >= 4
    assert serve.server_environment(host, facts) == {
        "LD_LIBRARY_PATH": "/usr/local/cuda-13.0/compat",
        "MAX_JOBS": "16",  # the pod's processors, not the machine's 128
    }
    own = {"serve": {"environment": {"LD_LIBRARY_PATH": "/opt/lib", "MAX_JOBS": "4"}}}
    with_own = replace(host, settings=Settings.model_validate(own))
    assert serve.server_environment(with_own, facts) == {
        "LD_LIBRARY_PATH": "/usr/local/cuda-13.0/compat:/opt/lib",
        "MAX_JOBS": "4",
    }
    newer = box(driver=working("580.95.05"), gpus=(CARD,))
    assert serve.server_environment(host, newer) == {}


def test_the_checks_say_what_a_pods_driver_takes() -> None:
    def build(name: str, host: Host) -> Check:
        checks = preflight(pod(name), host.settings)
        return next(check for check in checks if check.name == "build")

    assert build("runpod-a100", HOST).message == "vLLM nightly, cu129, Python 3.12"
    assert "cu130, with cuda-compat-13-0" in build("runpod-a100", RELEASE).message
    refused = build("vast-4090x2", RELEASE)  # no data-centre card
    assert refused.status == "blocker"
    assert refused.message.startswith("driver 570.153.02 is too old for a CUDA 13 wheel")
    assert "or take a box with driver >= 580" in refused.fix
    assert lock_checks(pod("runpod-a100"), replace(HOST, lock=LOCK)) == ()
    (check,) = lock_checks(pod("vast-4090x2"), replace(HOST, lock=LOCK))
    assert check.fix == "invoke upgrade --host pod1, or take a box with driver >= 580"
