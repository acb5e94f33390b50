"""The commands that faults happen to: what each finds to do, and what holds once it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from tests.faults.scene import HOST, Scene

OLDER = {"openai": "2.1.0"}  # of a package that moves often
CONTEXTS = (2048, 4096, 8192, 12288, 16384)
ASK = (
    "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8000/v1/models -H "
    '"Authorization: Bearer $(sed s/VLLM_API_KEY=// /etc/onecard/api-key.env)"'
)


@dataclass(frozen=True)
class Work:
    """A command on a served box.

    seconds: what it takes about; a moment in its middle is drawn from that, or from what it took. prepare: gives it
    something to do; returns its words. done: asserts that it is done. releases: how many it adds at
    most. serves: whether the box serves during and after it.
    """

    name: str
    seconds: float
    prepare: Callable[[Scene], tuple[str, ...]]
    done: Callable[[Scene, tuple[str, ...]], None]
    releases: int = 0
    serves: bool = True


def current(scene: Scene) -> dict[str, Any]:
    """Return the release in force."""
    (found,) = [each for each in _releases(scene) if each["current"]]
    return dict(found)


def _releases(scene: Scene) -> list[dict[str, Any]]:
    return list(scene.controller.json("releases", "--host", HOST)["releases"])


def _to_provision(scene: Scene) -> tuple[str, ...]:
    scene.box(
        f"rm {scene.box.model_folder()}/config.json; chmod 0777 /opt/onecard/models\n"
        "echo '# by hand' >>/etc/sysctl.d/60-onecard.conf"
    )
    return ("provision", "--host", HOST)


def _to_repair(scene: Scene) -> tuple[str, ...]:
    scene.box("cd /opt/onecard/current/lib/python3*/site-packages && rm -rf openai openai-*")
    return ("provision", "--host", HOST)


def _provisioned(scene: Scene, words: tuple[str, ...]) -> None:
    left = scene.controller.invoke("plan", "--host", HOST, "--exit-code")
    assert left.returncode == 0, f"changes are pending: {left.stderr}"


def _to_deploy(scene: Scene) -> tuple[str, ...]:
    other = [each for each in CONTEXTS if each != current(scene)["ctx"]]
    return ("deploy", "--host", HOST, "--ctx", str(scene.random.choice(other)))


def _deployed(scene: Scene, words: tuple[str, ...]) -> None:
    found = current(scene)
    assert (found["ctx"], found["state"]) == (int(words[-1]), "ready"), found


def _to_roll_back(scene: Scene) -> tuple[str, ...]:
    old = [each for each in _releases(scene) if each["state"] == "ready" and not each["current"]]
    if not old:
        done = scene.controller.invoke(*_to_deploy(scene))
        assert done.returncode == 0, done.stderr
        return _to_roll_back(scene)
    return ("rollback", "--host", HOST, "--to", str(old[-1]["number"]))


def _rolled_back(scene: Scene, words: tuple[str, ...]) -> None:
    assert current(scene)["number"] == int(words[-1])


def _to_rotate(scene: Scene) -> tuple[str, ...]:
    return ("secret", "rotate", "--host", HOST)


def _rotated(scene: Scene, words: tuple[str, ...]) -> None:
    assert scene.box(ASK) == "200", "the server refuses the key in its file"
    copy = scene.controller.inventory / "kept" / HOST / "api-key"
    if copy.exists():
        on_box = scene.box("sed s/VLLM_API_KEY=// /etc/onecard/api-key.env").strip()
        assert copy.read_text().strip() == on_box, "the copy on this computer is another key"


def _to_upgrade(scene: Scene) -> tuple[str, ...]:
    """Lock the box to a build of some weeks ago."""
    path = scene.controller.inventory / "locks" / f"{HOST}.yml"
    lock = yaml.safe_load(path.read_text())
    lock["packages"].update(OLDER)
    path.write_text(yaml.safe_dump(lock))
    done = scene.controller.invoke("provision", "--host", HOST)
    assert done.returncode == 0, done.stderr
    return ("upgrade", "--host", HOST)


def _upgraded(scene: Scene, words: tuple[str, ...]) -> None:
    path = scene.controller.inventory / "locks" / f"{HOST}.yml"
    assert yaml.safe_load(path.read_text())["packages"]["openai"] != OLDER["openai"]
    _provisioned(scene, words)


def _to_scale(scene: Scene) -> tuple[str, ...]:
    return ("scale", "--host", HOST, "--ctx", "2048,8192")


def _scaled(scene: Scene, words: tuple[str, ...]) -> None:
    assert "before-measurement" not in scene.box("ls /opt/onecard")
    run = scene.controller.last_run("scale")
    rows = [row["ctx"] for row in run.all("row")]
    assert (run.status, sorted(rows)) == ("done", [2048, 8192])


def _to_tear_down(scene: Scene) -> tuple[str, ...]:
    return ("teardown", "--host", HOST, "--yes")


def _torn_down(scene: Scene, words: tuple[str, ...]) -> None:
    assert scene.controller.json("teardown", "--host", HOST)["status"] == "clean"


def _to_install(scene: Scene) -> tuple[str, ...]:
    """Remove a package that apt has to download again."""
    scene.box("dpkg --remove --force-depends wget >/dev/null; apt-get clean")
    return ("provision", "--host", HOST)


def _to_restart(scene: Scene) -> tuple[str, ...]:
    return ("restart", "--host", HOST)


def _restarted(scene: Scene, words: tuple[str, ...]) -> None:
    assert scene.serves()


PROVISION = Work("provision", 6, _to_provision, _provisioned)
REPAIR = Work("provision, the environment", 15, _to_repair, _provisioned)
INSTALL = Work("provision, a package", 8, _to_install, _provisioned)
DEPLOY = Work("deploy", 20, _to_deploy, _deployed, releases=1)
ROLLBACK = Work("rollback", 20, _to_roll_back, _rolled_back)
ROTATE = Work("secret rotate", 20, _to_rotate, _rotated)
UPGRADE = Work("upgrade", 15, _to_upgrade, _upgraded)
RESTART = Work("restart", 20, _to_restart, _restarted)
SCALE = Work("scale", 60, _to_scale, _scaled)
TEARDOWN = Work("teardown", 5, _to_tear_down, _torn_down, serves=False)
