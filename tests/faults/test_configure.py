"""Faults of `resin configure`: invalid options, answers files and secrets."""

from __future__ import annotations

from pathlib import Path

from support.boot_images import Boot, boot_image
from support.resin_command import PROGRAM, program, resin

from faults.conditions import POWERLESS
from faults.table import Fault, fault
from resin_toolkit.errors import Exit

UNCHANGED = "reports it before writing anything"
WIFI = ["--wifi", "--ssid", "Home"]


@fault(
    "configure",
    "an invalid host name",
    Exit.USAGE,
    "bad-value",
    UNCHANGED,
    ["--hostname", "not a name"],
)
@fault(
    "configure",
    "a passphrase that is too short",
    Exit.USAGE,
    "bad-value",
    UNCHANGED,
    [*WIFI, "--passphrase-file", "short"],
)
@fault("configure", "an invalid country code", Exit.USAGE, "bad-value", UNCHANGED, ["--country", "Germany"])
@fault(
    "configure",
    "a gateway outside its network",
    Exit.USAGE,
    "bad-value",
    UNCHANGED,
    ["--ethernet", "--static", "10.0.0.2/24", "--gateway", "10.9.9.9"],
)
@fault(
    "configure",
    "an option names a missing file",
    Exit.NOT_FOUND,
    "file-not-found",
    UNCHANGED,
    [*WIFI, "--passphrase-file", "none"],
)
@fault(
    "configure",
    "the answers file is missing",
    Exit.NOT_FOUND,
    "file-not-found",
    UNCHANGED,
    ["--from", "none.toml"],
)
@fault(
    "configure",
    "an invalid certificate",
    Exit.USAGE,
    "bad-value",
    UNCHANGED,
    [*WIFI, "--security", "peap", "--identity", "me", "--ca-cert", "short", "--passphrase-file", "long"],
)
@fault(
    "configure",
    "an answers file with an unknown key",
    Exit.USAGE,
    "bad-value",
    UNCHANGED,
    ["--from", "typo.toml"],
)
@fault(
    "configure",
    "a keyfile that NetworkManager could not read",
    Exit.FAILED,
    "config-invalid",
    UNCHANGED,
    ["--connection", "broken"],
)
@fault(
    "configure",
    "a private SSH key",
    Exit.USAGE,
    "bad-value",
    UNCHANGED,
    ["--ssh-key", "private"],
)
@fault(
    "configure",
    "a passphrase is required, and a prompt is not possible",
    Exit.USAGE,
    "usage",
    UNCHANGED,
    WIFI,
)
@fault("configure", "nothing to configure", Exit.USAGE, "usage", UNCHANGED, [])
def test_invalid_options(fault: Fault, boot: Boot) -> None:
    Path("short").write_text("tooshrt")
    Path("long").write_text("long enough for it")
    Path("typo.toml").write_text('hostnam = "kitchen"\n')
    Path("broken").write_text("[connection\nid=x\n")
    Path("private").write_text(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
    )
    before = boot.digest()
    fault.met(resin("configure", boot.path, *fault.given, "--json"))
    assert boot.digest() == before


@fault(
    "configure", "no permission to read a file with a secret", Exit.NOT_PERMITTED, "not-permitted", UNCHANGED
)
def test_a_secret_that_may_not_be_read(fault: Fault, boot: Boot) -> None:
    Path("secret").write_text("a passphrase")
    Path("secret").chmod(0)
    before = boot.digest()
    words = ("configure", boot.path, *WIFI, "--passphrase-file", "secret", "--json")
    fault.met(program(*words, command=(*POWERLESS, PROGRAM)), "secret")
    assert boot.digest() == before


@fault(
    "configure",
    "`config.json` is not valid JSON",
    Exit.FAILED,
    "config-invalid",
    "names line and column; `--replace` creates a new one",
)
def test_a_broken_config_json(fault: Fault, tmp_path: Path) -> None:
    boot = boot_image(tmp_path / "image.img", {"config.json": '{\n  "hostname": "a",\n  oops\n}'})
    before = boot.digest()
    fault.met(
        resin("configure", boot.path, "--hostname", "kitchen", "--json"),
        "config.json, line 3, column 3",
        "--replace",
    )
    assert boot.digest() == before


@fault(
    "configure", "stdin is closed, and a passphrase should come from it", Exit.USAGE, "bad-value", UNCHANGED
)
def test_a_passphrase_from_a_closed_stdin(fault: Fault, boot: Boot) -> None:
    before = boot.digest()
    words = ("configure", boot.path, *WIFI, "--passphrase-file", "-", "--json")
    fault.met(program(*words, command=("bash", "-c", 'exec "$@" <&-', "bash", PROGRAM)))
    assert boot.digest() == before
