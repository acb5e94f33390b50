"""The inventory's files in, hosts with their settings and locks out; which of them are meant."""
