"""Variables of an inventory: onecard's, those of other tools, values that Ansible evaluates."""
