"""What the inventory says about the NVIDIA driver."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class DriverSettings(BaseModel):
    """Which driver is wanted, and from where.

    branch: the oldest branch that is good enough, and the one that is installed where none is.
    source: `ubuntu` (the distribution's archive), `nvidia` (NVIDIA's repository), `none` (never
        touch the driver), or `auto`: the archive on Ubuntu, NVIDIA's repository on Debian.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    branch: Annotated[int, Field(ge=525, le=999)] = 580
    source: Literal["auto", "ubuntu", "nvidia", "none"] = "auto"
