"""What a host should become: typed, frozen and strict settings, read from the inventory's YAML.

Unknown keys and wrong types are errors. inventory/load.py merges the YAML layers and builds a
`Settings`; roles read it.

A field is the one source of its setting: name, type, allowed values, default, the text below it,
and its flags (option.py). The flags of `invoke deploy` and the arguments of `vllm serve` are made
from it, and by `make docs` inventory/group_vars/all.yml, docs/settings.md and the JSON schema.
"""

from __future__ import annotations

import ipaddress
import os
import re
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from onecard.settings.serve_settings import ModelSettings, ServeSettings
from onecard.settings.setting_model import AUTO, MAXIMUM, AtLeastOne, Model, Port
from onecard.settings.setting_texts import (
    AddressOrPath,
    DebianPackage,
    Line,
    LocalPath,
    Requirement,
    WebAddress,
    one_line,
)

if TYPE_CHECKING:
    from typing_extensions import Self

HUB: Final = "https://huggingface.co"
_NO_VOLUMES: Final = re.compile("/(etc|usr|var|run|proc|sys|dev|tmp|root)/")

_HOST_NAME = re.compile(r"(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?)+(?<!\.)")


class DriverSettings(Model):
    """Which NVIDIA driver to install, and from where."""

    branch: Annotated[int, Field(ge=525, le=999)] = 580
    """the oldest driver branch that is accepted, and the one that is installed"""
    source: Literal["auto", "ubuntu", "nvidia", "none"] = "auto"
    """ubuntu: its archive; nvidia: NVIDIA's repository; none: never change the driver;
    auto: the archive on Ubuntu, NVIDIA's repository on Debian"""


class HubSettings(Model):
    """Where models are downloaded from."""

    endpoint: WebAddress = ""
    """a mirror of the Hugging Face hub; empty for HF_ENDPOINT of this computer, else the hub"""

    @property
    def url(self) -> str:
        """Return the hub's URL, without a trailing slash."""
        return (self.endpoint or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


class PythonSettings(Model):
    """The Python of the virtual environment, and what is installed beside vLLM."""

    version: Annotated[str, Field(pattern=r"^(3\.[0-9]{1,2})?$")] = ""
    """such as "3.12"; empty for the box's own where vLLM runs on it, else 3.12"""
    source: Literal["auto", "system", "uv"] = "auto"
    """system: the box's own; uv: uv installs one; auto: uv where the box has none that fits"""
    packages: Annotated[tuple[Requirement, ...], Field(strict=False)] = ()
    """further requirements, resolved together with vLLM, such as openai==2.1.0"""


class IndexSettings(Model):
    """Where packages come from. An empty value is taken from the box's own pip settings."""

    url: AddressOrPath = ""
    """in place of the Python package index"""
    extra_urls: Annotated[tuple[AddressOrPath, ...], Field(strict=False)] = ()
    """private indexes beside it; their name and password: ONECARD_INDEX_CREDENTIALS"""
    find_links: Annotated[tuple[AddressOrPath, ...], Field(strict=False)] = ()
    """folders on the box, or pages, with wheels"""
    vllm: WebAddress = "https://wheels.vllm.ai"
    """the index of vLLM, or a mirror of it"""
    torch: AddressOrPath = "https://download.pytorch.org/whl"
    """the indexes of PyTorch, or a mirror of them"""
    python_mirror: AddressOrPath = ""
    """where uv downloads interpreters from"""
    python_list: AddressOrPath = ""
    """a JSON file of interpreters (on the box, or an address) in place of uv's own list"""

    @model_validator(mode="after")
    def _no_password(self) -> Self:
        texts = (self.url, *self.extra_urls, *self.find_links, self.vllm, self.torch)
        if any(re.search(r"//[^/]*@", text) for text in texts):
            raise ValueError(
                "an address holds a name or password; take it out and set "
                "ONECARD_INDEX_CREDENTIALS=name:password in the environment"
            )
        return self


class VllmSettings(Model):
    """Which vLLM build is installed."""

    channel: Literal["nightly", "release", "commit"] = "nightly"
    """nightly (what the newest models need), release or commit"""
    version: Line = ""
    """a release's version (empty: the newest), or a commit's full hash; empty for nightly"""

    @model_validator(mode="after")
    def _version_fits(self) -> Self:
        if self.channel == "nightly" and self.version:
            raise ValueError("version is for channel release or commit; nightly takes none")
        if self.channel == "commit" and not re.fullmatch(r"[0-9a-f]{40}", self.version):
            raise ValueError(
                "channel commit needs the commit's full hash (40 characters) as version"
            )
        if self.channel == "release" and not re.fullmatch(
            r"([0-9][\w.+!]*)?", self.version, re.ASCII
        ):
            raise ValueError(
                "channel release needs a version such as 0.33.0, or none for the newest"
            )
        return self


def _public_name(value: str) -> str:
    """Return the value if it is a host name or an address, for the proxy's configuration."""
    if value and not _HOST_NAME.fullmatch(value):
        try:
            ipaddress.ip_address(value)
            if "%" in value:  # the zone of an IPv6 address, which has no meaning elsewhere
                raise ValueError
        except ValueError:
            raise ValueError("is neither a host name nor an address") from None
    return value


def _mailbox(value: str) -> str:
    if value and not re.fullmatch(r"[^\s@'\"-][^\s@'\"]*@[^\s@'\"]+", one_line(value)):
        raise ValueError("is not an address such as me@example.org")
    return value


class ExposeSettings(Model):
    """How the API is made public with `invoke expose`; nothing is public without it."""

    domain: Annotated[str, AfterValidator(_public_name)] = ""
    """the host name, or the address, that clients call"""
    email: Annotated[str, AfterValidator(_mailbox)] = ""
    """where Let's Encrypt warns before a certificate expires; may be empty"""
    tls: Literal["acme", "internal"] = "acme"
    """acme: a certificate from Let's Encrypt; internal: a self-signed one"""
    port: Port = 443
    """the public port; on a pod the pod's own, to which its provider leads one of its choice"""
    acme_server: Annotated[WebAddress, Field(pattern=r"^$|^https://[^\s'\"]+$")] = ""
    """another ACME directory's URL, such as a staging one"""
    body_mib: AtLeastOne = 100
    """the largest request in MiB; a picture in it is a third larger than its file"""


class GatewaySettings(ExposeSettings):
    """One address before several boxes (`invoke gateway`): set it for their group."""

    host: Line = ""
    """the host of the inventory that carries it: one of the boxes, or one of its own"""
    clients: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$")], ...],
        Field(strict=False, min_length=1),
    ] = ("default",)
    """who may call it: each gets a key of the gateway's own; one taken out loses it"""
    metrics_port: Port = 8405
    """where Prometheus reads HAProxy's figures, on 127.0.0.1 of that host"""
    drain_timeout: AtLeastOne = 600
    """seconds that a box's running requests may take to end before a deploy"""


def _own_address(value: str) -> str:
    """Return the value if it is an address that only this box has."""
    if value:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            raise ValueError("is not an IP address") from None
        if address.is_unspecified or address.is_loopback or "%" in value:
            raise ValueError("is not one address of the network between the boxes")
    return value


class ClusterSettings(Model):
    """One model over several boxes (`invoke deploy --group`): set it for their group."""

    head: Line = ""
    """the host of the group that carries the server and Ray's head; empty: no cluster"""
    address: Annotated[str, AfterValidator(_own_address)] = ""
    """this box's IP address on the private network between the boxes, set for each of them"""
    port: Port = 6379
    """Ray's port on the head"""


def _root(value: str) -> str:
    """Refuse a folder that onecard would share with others: a teardown removes all of it."""
    if value != AUTO and not re.fullmatch(r"(/[A-Za-z0-9._-]{1,64}){2,8}", value, re.ASCII):
        raise ValueError("is neither auto nor a folder of its own such as /data/onecard")
    if any(part in (".", "..") for part in value.split("/")) or _NO_VOLUMES.match(value):
        raise ValueError("is not a folder on a volume; name one such as /data/onecard, or auto")
    return value


RAY: Final = "ray>=2.52"  # the first with tokens; vLLM's wheels do not require it
PROVISION_ROLES: Final = ("base", "driver", "python", "vllm", "model", "services")


THE_REST: Final = "..."


def _with_built_in_ones(value: tuple[str, ...]) -> tuple[str, ...]:
    """Put the built-in roles that are not named in place of `...`.

    Refuse a list without one of them, or with them in another order: each needs the last.
    """
    if len(set(value)) != len(value):
        raise ValueError("a role, or ..., is listed twice")
    names = value
    if THE_REST in value:
        at = value.index(THE_REST)
        rest = (name for name in PROVISION_ROLES if name not in value)
        names = (*value[:at], *rest, *value[at + 1 :])
    if tuple(name for name in names if name in PROVISION_ROLES) != PROVISION_ROLES:
        raise ValueError(
            f"the built-in roles {', '.join(PROVISION_ROLES)} are all needed, in this order; write "
            "... for those that you do not name, as in [..., mine]"
        )
    return names


class Settings(Model):
    """Everything the roles read about one host."""

    accelerator: Literal["nvidia", "cpu"] = "nvidia"
    """picks the builds of PyTorch and vLLM"""
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,30}$", alias="service_user")] = (
        "onecard"
    )
    """the account on the box that the server runs as (`user` is the login); root: on a pod whose
    volume gives files no other owner (docs/pods.md)"""
    root: Annotated[str, AfterValidator(_root)] = AUTO
    """the folder on the box for all that onecard stores there, such as /data/onecard on a volume;
    auto: /workspace/onecard on a pod with that volume (docs/pods.md), else /opt/onecard and the
    usual places in /etc and /var"""
    start_at_boot: bool = False
    """on a pod: add a line to the image's start script, which starts the server with the pod"""
    roles: Annotated[
        tuple[Annotated[str, Field(pattern=r"^(\.\.\.|[a-z][a-z0-9_]{0,30})$")], ...],
        Field(strict=False),
        AfterValidator(_with_built_in_ones),
    ] = PROVISION_ROLES
    """what `provision` applies, in this order; one of your own, roles/NAME.py, is added with
    [..., NAME]: `...` stands for the built-in ones that are not named"""
    packages: Annotated[tuple[DebianPackage, ...], Field(strict=False)] = ()
    """Debian packages beside those that onecard itself needs"""
    monitoring: bool | None = None
    """true: Prometheus on the box, with alert rules and a page of charts (`invoke tunnel --to
    metrics`); false: removed where it was; null: as it is"""
    price_per_hour: Annotated[float, Field(gt=0, le=MAXIMUM)] | None = None
    """what the box costs in an hour, such as 1.39: `status`, `bench` and the report then show what
    tokens cost; null where nobody pays by the hour"""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    """of price_per_hour, by its three letters (ISO 4217)"""
    allow_reboot: bool = False
    """reboot the box where the driver needs it, as `provision --reboot` does"""
    reboot_timeout: AtLeastOne = 900
    """seconds that the box may take to come back"""
    driver: DriverSettings = DriverSettings()
    """the NVIDIA driver"""
    hub: HubSettings = HubSettings()
    """where models are downloaded from"""
    python: PythonSettings = PythonSettings()
    """the Python of the environment, and what is installed beside vLLM"""
    indexes: IndexSettings = IndexSettings()
    """where packages come from; an empty value is taken from the box's own pip settings"""
    wheelhouse: LocalPath = ""
    """a folder of wheels here, for a box without internet: ./wheels (`invoke wheelhouse`)"""
    vllm: VllmSettings = VllmSettings()
    """the build of vLLM"""
    model: ModelSettings = ModelSettings()
    """the model that is served"""
    serve: ServeSettings = ServeSettings()
    """the server; also flags of `invoke deploy`"""
    expose: ExposeSettings = ExposeSettings()
    """what `invoke expose` makes public"""
    gateway: GatewaySettings = GatewaySettings()
    """one address before the boxes of a group (`invoke gateway`); all of them need the same"""
    cluster: ClusterSettings = ClusterSettings()
    """one model over the boxes of a group, with Ray (`invoke deploy --group`)"""

    @property
    def requirements(self) -> tuple[str, ...]:
        """Return what is installed beside vLLM."""
        return (*self.python.packages, *((RAY,) if self.cluster.head else ()))

    @property
    def stages_here(self) -> int:
        """Return how many pipeline stages run on the box: one on each of a cluster's."""
        return 1 if self.cluster.head else self.serve.pipeline_parallel
