"""`resin configure`: what is typed or read beside the image."""

from __future__ import annotations

from pathlib import Path

from support.boot_images import Boot, boot_image
from support.resin_command import PROGRAM, program, resin

from faults.surroundings import POWERLESS
from faults.table import Fault, fault
from resin_toolkit.errors import Exit

UNCHANGED = "says so before the first byte; nothing has changed"
WIFI = ["--wifi", "--ssid", "Home"]


@fault(
    "configure",
    "a host name that cannot be one",
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
@fault("configure", "a country that is none", Exit.USAGE, "bad-value", UNCHANGED, ["--country", "Germany"])
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
    "a file that it names is missing",
    Exit.NOT_FOUND,
    "file-not-found",
    UNCHANGED,
    [*WIFI, "--passphrase-file", "none"],
)
@fault(
    "configure",
    "a file of answers that is missing",
    Exit.NOT_FOUND,
    "file-not-found",
    UNCHANGED,
    ["--from", "none.toml"],
)
@fault(
    "configure",
    "a certificate that is none",
    Exit.USAGE,
    "bad-value",
    UNCHANGED,
    [*WIFI, "--security", "peap", "--identity", "me", "--ca-cert", "short", "--passphrase-file", "long"],
)
@fault(
    "configure",
    "a file of answers with a key that is none",
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
    "an SSH key that is a private one",
    Exit.USAGE,
    "bad-value",
    UNCHANGED,
    ["--ssh-key", "private"],
)
@fault("configure", "nobody who could be asked for the passphrase", Exit.USAGE, "usage", UNCHANGED, WIFI)
@fault("configure", "nothing to configure", Exit.USAGE, "usage", UNCHANGED, [])
def test_what_cannot_be(fault: Fault, boot: Boot) -> None:
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
    "configure", "a file with a secret that may not be read", Exit.NOT_PERMITTED, "not-permitted", UNCHANGED
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
    "a `config.json` that is damaged",
    Exit.FAILED,
    "config-invalid",
    "names line and column; `--replace` begins it anew",
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


@fault("configure", "stdin is closed where a passphrase should come from", Exit.USAGE, "bad-value", UNCHANGED)
def test_a_passphrase_from_nowhere(fault: Fault, boot: Boot) -> None:
    before = boot.digest()
    words = ("configure", boot.path, *WIFI, "--passphrase-file", "-", "--json")
    fault.met(program(*words, command=("bash", "-c", 'exec "$@" <&-', "bash", PROGRAM)))
    assert boot.digest() == before
