"""Sandbox boxes: real systemd machines on this computer, reached over SSH."""

from onecard.sandbox.choose import choose_driver
from onecard.sandbox.common.backend import Box, SandboxDriver
from onecard.sandbox.common.names import box_names

__all__ = ["Box", "SandboxDriver", "box_names", "choose_driver"]
