"""Boxes without renting one: real systemd machines on this computer, reached over SSH."""

from onecard.sandbox.choose import choose_driver
from onecard.sandbox.driver import Box, Driver
from onecard.sandbox.names import box_names

__all__ = ["Box", "Driver", "box_names", "choose_driver"]
