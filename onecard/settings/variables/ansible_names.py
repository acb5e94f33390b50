"""Variables that Ansible itself reads: which mean something here, which are passed over.

The names are those of ansible-core's documentation: its ssh, paramiko and sudo plugins, the
shell plugins, and its special variables (`ansible-doc -t connection ssh`).
"""

from __future__ import annotations

from typing import Final

USED: Final = {
    "ansible_host": "address",
    "ansible_ssh_host": "address",
    "ansible_port": "port",
    "ansible_ssh_port": "port",
    "ansible_user": "user",
    "ansible_ssh_user": "user",
    "ansible_private_key_file": "key_file",
    "ansible_ssh_private_key_file": "key_file",
    "ansible_become": "become",
    "ansible_timeout": "connect_timeout",
    "ansible_ssh_timeout": "connect_timeout",
    "ansible_ssh_args": "ssh_args",
    "ansible_ssh_common_args": "ssh_common_args",
    "ansible_ssh_extra_args": "ssh_extra_args",
}
"""Ansible's name -> the connection key that it sets."""

LIMITED: Final[dict[str, tuple[str, ...]]] = {
    "ansible_connection": ("ssh", "paramiko", "paramiko_ssh", "smart", "ansible.builtin.ssh"),
    "ansible_become_method": ("sudo", "ansible.builtin.sudo"),
    "ansible_become_user": ("root",),
}
"""Ansible's name -> the values that are what onecard does; a host with another is refused."""

PASSED_OVER: Final = frozenset(
    (
        "ansible_python_interpreter", "ansible_interpreter_python_fallback",
        "ansible_shell_type", "ansible_shell_executable", "ansible_remote_tmp",
        "ansible_local_tmp", "ansible_async_dir", "ansible_pipelining",
        "ansible_ssh_pipelining", "ansible_ssh_executable", "ansible_ssh_retries",
        "ansible_ssh_transfer_method", "ansible_ssh_use_tty", "ansible_ssh_verbosity",
        "ansible_scp_if_ssh", "ansible_sftp_executable", "ansible_sftp_extra_args",
        "ansible_sftp_batch_mode", "ansible_scp_executable", "ansible_scp_extra_args",
        "ansible_control_path", "ansible_control_path_dir", "ansible_host_key_checking",
        "ansible_ssh_host_key_checking", "ansible_paramiko_host_key_checking",
        "ansible_ssh_pkcs11_provider", "ansible_ssh_password_mechanism",
        "ansible_sshpass_prompt", "ansible_paramiko_proxy_command", "ansible_become_exe",
        "ansible_become_flags", "ansible_sudo_exe", "ansible_sudo_flags",
        "ansible_common_remote_group", "ansible_admin_users", "ansible_system_tmpdirs",
        "ansible_module_compression", "ansible_facts_modules", "ansible_target_log_info",
        "ansible_no_target_syslog", "ansible_shell_allow_world_readable_temp",
        "ansible_network_os", "ansible_distribution", "ansible_os_family",
        "ansible_architecture", "ansible_hostname",
    )
)  # fmt: skip

SECRETS: Final = {
    "ansible_password": "ONECARD_SSH_PASSWORD",
    "ansible_ssh_pass": "ONECARD_SSH_PASSWORD",
    "ansible_ssh_password": "ONECARD_SSH_PASSWORD",
    "password": "ONECARD_SSH_PASSWORD",
    "ssh_password": "ONECARD_SSH_PASSWORD",
    "ansible_become_pass": "ONECARD_SUDO_PASSWORD",
    "ansible_become_password": "ONECARD_SUDO_PASSWORD",
    "ansible_sudo_pass": "ONECARD_SUDO_PASSWORD",
    "become_password": "ONECARD_SUDO_PASSWORD",
    "sudo_password": "ONECARD_SUDO_PASSWORD",
    "ansible_private_key_passphrase": "ONECARD_KEY_PASSPHRASE",
    "ansible_ssh_private_key_passphrase": "ONECARD_KEY_PASSPHRASE",
}
"""Name -> the environment variable that is read in its place."""

GROUP_PRIORITY: Final = "ansible_group_priority"
KNOWN: Final = frozenset((*USED, *LIMITED, *PASSED_OVER, *SECRETS, GROUP_PRIORITY))
