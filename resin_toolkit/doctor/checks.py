"""All checks of `resin doctor`, in the order of the report."""

from __future__ import annotations

from resin_toolkit.doctor import access, network, programs
from resin_toolkit.doctor.findings import Finding

CHECKS = (
    network.check_interfaces,
    network.check_mdns,
    access.check_drives,
    access.check_state,
    access.check_ssh_keys,
    access.check_default_device,
    programs.check_packages,
    programs.check_docker,
    programs.check_qemu,
    programs.check_uefi,
)


def run_checks() -> tuple[Finding, ...]:
    """Run every check. They take about a second and change nothing."""
    return tuple(check() for check in CHECKS)
