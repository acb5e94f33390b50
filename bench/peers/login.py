"""Log in once with paramiko, run `true`, exit with its code: the floor of a Python tool."""

import sys

import paramiko

address, port, user, key_file, known_hosts = sys.argv[1:]
client = paramiko.SSHClient()
client.load_host_keys(known_hosts)
client.connect(
    address,
    port=int(port),
    username=user,
    key_filename=key_file,
    allow_agent=False,
    look_for_keys=False,
)
code = client.exec_command("true")[1].channel.recv_exit_status()
client.close()
sys.exit(code)
