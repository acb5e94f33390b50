"""A box's system: kernel, driver, accounts, services, firewall, releases."""
