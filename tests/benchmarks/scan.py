"""How fast devices are found, in network namespaces (needs root).

    python tests/benchmarks/scan.py [--runs N]

1. `resin scan` until the first device is on the screen: at most 0.4 s; beside `avahi-browse` if installed.
2. 35 devices, without a terminal: the first, and all of them within 2 s. Beside zeroconf's own browser.
3. A device that answers after 2.5 s, two devices of one name, and an interface that appears during the
   search: which are found, by `discovery.search` and by zeroconf's browser.
4. How long `resin wait --timeout 1.5` and `resin env` take to report a dead host, a closed port and a wrong
   name: at most 3 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

from device.desk import run, second_network
from device.stand_in import Desk, StandIn, desk, stand_in
from responders import SUBTYPE, Responder, responders

FIRST, ALL, MESSAGE = 0.4, 2.0, 3.0
CROWD = 35
BROWSERS = ("ours", "zeroconf")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--browse", choices=BROWSERS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=4.0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.browse:
        browse(options.browse, options.seconds)
        return 0
    with desk() as table:
        good = one_device(table, options.runs)
    with desk() as table:
        good &= many_devices(table, options.runs)
        hard_cases(table)
    return 0 if good else 1


def one_device(table: Desk, runs: int) -> bool:
    with stand_in(table, "kitchen") as kitchen:
        first_shown(table)
        first = [first_shown(table) for _ in range(runs)]
        good = shown("first device on the screen", first, FIRST)
        if shutil.which("avahi-browse"):
            shown("avahi-browse -rpt", [browsed(kitchen) for _ in range(runs)], None)
        kitchen.stop_ssh()
        for name, words in {
            "wrong name, env": ("env", "no-such-device"),
            "wrong name, wait": ("wait", "no-such-device", "--timeout", "1.5"),
            "dead host, env": ("env", "10.91.255.254"),
            "dead host, wait": ("wait", "10.91.255.254", "--timeout", "1.5"),
            "closed port, env": ("env", f"{kitchen.address}:1"),
            "closed port, wait": ("wait", f"{kitchen.address}:1", "--timeout", "1.5"),
        }.items():
            good &= shown(name, [seconds_to_fail(table, *words) for _ in range(3)], MESSAGE)
    return good


def many_devices(table: Desk, runs: int) -> bool:
    good = True
    devices = [Responder(f"device-{number}", table.next_address()) for number in range(CROWD)]
    with responders(table, devices):
        times: dict[str, list[list[float]]] = {name: [] for name in BROWSERS}
        for _ in range(runs):
            for name in BROWSERS:
                times[name].append(sorted(found(table, name).values()))
    for name, all_times in times.items():
        bars = (FIRST, ALL) if name == "ours" else (None, None)
        print(f"{name}: devices found of {CROWD}: {sorted({len(each) for each in all_times})}")
        good &= shown(f"{name}: first of {CROWD}", [each[0] for each in all_times], bars[0])
        good &= shown(f"{name}: all of {CROWD}", [each[-1] for each in all_times], bars[1])
    return good


def hard_cases(table: Desk) -> None:
    for name in BROWSERS:
        with responders(table, [Responder("slow", table.next_address(), delay=2.5)]):
            print(f"{name}: answers after 2.5 s: {found(table, name)}")
    namesakes = [Responder("resin", table.next_address()) for _ in range(2)]
    with responders(table, namesakes):
        for name in BROWSERS:
            print(f"{name}: two devices of one name: {found(table, name)}")
    for name in BROWSERS:
        seconds = found_on_new_interface(table, name)
        print(f"{name}: seconds until a device on a new interface is found: {seconds}")


def found_on_new_interface(table: Desk, browser: str) -> float | None:
    command = [*table.prefix, sys.executable, __file__, "--browse", browser, "--seconds", "25"]
    with responders(table, [Responder("first", table.next_address())]):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        # After the queries with which a search starts.
        time.sleep(6)
        with second_network(table) as other, responders(other, [Responder("second", other.next_address())]):
            plugged_in = time.monotonic()
            for line in process.stdout:
                if "second" in line:
                    process.kill()
                    return round(time.monotonic() - plugged_in, 2)
    return None


def found(table: Desk, browser: str) -> dict[str, float]:
    """When each device, by name and addresses, was found, in seconds since the start of the process."""
    out = run([*table.prefix, sys.executable, __file__, "--browse", browser])
    times: dict[str, float] = {}
    for line in out.splitlines():
        device, seconds = json.loads(line)
        times.setdefault(device, seconds)
    return times


def browse(browser: str, seconds: float) -> None:
    """Browse on this network, and print each device that is found; in a process of its own."""
    threading.Timer(seconds, os._exit, (0,)).start()
    if browser == "zeroconf":
        asyncio.run(browse_with_zeroconf(seconds))
        return
    from resin_toolkit.discovery.search import Search

    with Search(watch=True) as search:
        for event in search.events():
            report_found(event.found.name, event.found.device.addresses)


async def browse_with_zeroconf(seconds: float) -> None:
    from zeroconf import InterfaceChoice, IPVersion, ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

    tasks = set()

    async def resolve(service_type: str, name: str) -> None:
        info = AsyncServiceInfo(service_type, name)
        if await info.async_request(opened.zeroconf, 3000):
            report_found(name.partition(".")[0], tuple(info.parsed_scoped_addresses()))

    def on_change(
        zeroconf: Zeroconf,  # noqa: ARG001
        service_type: str,
        name: str,
        state_change: ServiceStateChange,
    ) -> None:
        if state_change is not ServiceStateChange.Removed:
            task = asyncio.ensure_future(resolve(service_type, name))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    opened = AsyncZeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.All)
    AsyncServiceBrowser(opened.zeroconf, [SUBTYPE], handlers=[on_change])
    for _ in range(int(seconds)):
        await asyncio.sleep(1)
        await opened.zeroconf.async_update_interfaces()


def report_found(name: str, addresses: tuple[str, ...]) -> None:
    seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - _started()
    print(json.dumps([f"{name} {' '.join(addresses)}", round(seconds, 3)]), flush=True)


def _started() -> float:
    """When this process started, in seconds since boot (proc_pid_stat(5))."""
    ticks = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    return int(ticks) / os.sysconf("SC_CLK_TCK")


def first_shown(table: Desk) -> float:
    started = time.monotonic()
    terminal = table.terminal("scan")
    terminal.until("kitchen")
    seconds = time.monotonic() - started
    if terminal.end():
        sys.exit(terminal.screen)
    return seconds


def browsed(kitchen: StandIn) -> float:
    """On the device itself, whose avahi-daemon it asks."""
    started = time.monotonic()
    words = [*kitchen.prefix, "avahi-browse", "-rpt", "_ssh._tcp"]
    subprocess.run(words, capture_output=True, check=False, timeout=60)
    return time.monotonic() - started


def seconds_to_fail(table: Desk, *words: str) -> float:
    started = time.monotonic()
    done = table.resin(*words)
    if not done.code:
        sys.exit(f"{words} succeeded: {done}")
    return time.monotonic() - started


def shown(name: str, seconds: list[float], bar: float | None) -> bool:
    """Print the median and the worst; whether the median keeps to the bar."""
    good = bar is None or median(seconds) <= bar
    verdict = "" if bar is None else f"  at most {bar:g}: {'good' if good else 'MISSED'}"
    print(f"{name:<36} {median(seconds):6.3f} s, worst {max(seconds):.3f} s{verdict}")
    return good


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("needs root: for network namespaces")
    sys.exit(main())
