"""`invoke certify`."""

from __future__ import annotations

from onecard.cli import targets
from onecard.cli.output import print_json
from onecard.console.host_console import progress_console
from onecard.console.terminal import Terminal
from onecard.measure.certify.certify_run import CertifySettings, run_certify
from onecard.measure.certify.certify_table import print_certificate


def certify(requested: str, settings: CertifySettings, *, as_json: bool) -> int:
    """Prove how many requests are held at once; return 1 when it is less than expected."""
    host = targets.chosen_host(requested)
    result = run_certify(host, settings, targets.known_hosts(), progress_console())
    found = result.certificate
    loads = (found.different, found.one_more, found.shared)
    if as_json:
        print_json(
            {
                "host": host.name,
                **found.values(),
                "gpu_peak_mib": result.gpu_peak_mib,
                "loads": [each.values() for each in loads],
            }
        )
    else:
        print_certificate(found, Terminal())
    return result.exit_code
