"""Sandbox boxes as systemd-nspawn machines: tree, network, processes."""
