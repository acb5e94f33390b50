"""Services on a box without systemd: unit files, run by supervisord.

A unit file is the same one that systemd would run. supervisord, from an environment of onecard's
own and with a configuration and socket of its own, starts the launcher (launch.py) for each unit;
the launcher prepares what the unit file asks for and becomes the server's process. `services.sh`
calls `python3 -m onecard.box.supervision VERB UNIT ...`, which defines its verbs.
Standard library alone.
"""

SUPERVISOR = "supervisor==4.3.0"  # installed in an environment of its own
