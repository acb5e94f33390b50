"""OpenSSH on this computer: it resolves hosts, reaches them through hops, and can be the door."""
