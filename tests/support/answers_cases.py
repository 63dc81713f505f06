"""A file that says everything, any answers, and how the tests read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from image_tools.answers import (
    Answers,
    CellularAnswers,
    EthernetAnswers,
    HotspotAnswers,
    ProxyAnswers,
    SecretReference,
    WifiAnswers,
)
from image_tools.answers.reader import read_answers
from resin_toolkit.errors import ResinError

SECRET = "Marked-S3cret"
HERE = Path("/lab")

EVERYTHING = """\
# A lab's cards.
hostname = "kitchen-{n}"
country = "de"
persistent-logging = true
development-mode = false
ntp = ["0.pool.ntp.org", "10.0.0.1"]
dns-servers = "null"
ssh-keys = ["keys/me.pub", "/etc/key.pub"]
config-file = "more.json"
replace = true
unset = "uuid"
connections = "vpn.nmconnection"
remove-connections = ["old", "older"]
partition = 4

[config]
os.power.mode = "low"
"a.b" = [1, 2.5, { c = true }]

[[wifi]]
ssid = "home 🏠"
passphrase-file = "secret.txt"
priority = 10
hidden = true
plain-passphrase = true

[[wifi]]
ssid = [255, 0]
id = "eduroam"
security = "ttls"
identity = "me@example.com"
anonymous-identity = "anonymous@example.com"
password-env = "WORK_PASSWORD"
phase2 = "pap"
domain-suffix-match = "example.com"
ca-cert = "ca.pem"
client-cert = "me.pem"
private-key = "me.key"
private-key-password-file = "/run/key"
static = ["192.168.1.20/24", "2001:db8::20/64"]
gateway = "192.168.1.1"
dns = "192.168.1.1"
route-metric = 50

[ethernet]
shared = true
static = "10.42.0.1/24"
never-default = true

[cellular]
apn = "internet"
number = "*99#"
username = "me"
password-env = "SIM_PASSWORD"
pin-file = "pin"

[hotspot]
ssid = "kitchen"
passphrase-env = "HOTSPOT"
band = "bg"
channel = 6

[proxy]
url-env = "PROXY"
no-proxy = ["10.0.0.0/8"]
"""

EXPECTED = Answers(
    hostname="kitchen-{n}",
    country="de",
    persistent_logging=True,
    development_mode=False,
    ntp="0.pool.ntp.org 10.0.0.1",
    dns_servers="null",
    ssh_keys=(Path("/lab/keys/me.pub"), Path("/etc/key.pub")),
    config_file=Path("/lab/more.json"),
    replace=True,
    config={"os": {"power": {"mode": "low"}}, "a.b": [1, 2.5, {"c": True}]},
    unset=("uuid",),
    connections=(Path("/lab/vpn.nmconnection"),),
    remove_connections=("old", "older"),
    partition=4,
    wifi=(
        WifiAnswers(
            ssid="home 🏠".encode(),
            passphrase=SecretReference(file=Path("/lab/secret.txt")),
            priority=10,
            hidden=True,
            plain_passphrase=True,
        ),
        WifiAnswers(
            ssid=b"\xff\0",
            id="eduroam",
            security="ttls",
            identity="me@example.com",
            anonymous_identity="anonymous@example.com",
            password=SecretReference(variable="WORK_PASSWORD"),
            phase2="pap",
            domain_suffix_match="example.com",
            ca_cert=Path("/lab/ca.pem"),
            client_cert=Path("/lab/me.pem"),
            private_key=Path("/lab/me.key"),
            private_key_password=SecretReference(file=Path("/run/key")),
            static=("192.168.1.20/24", "2001:db8::20/64"),
            gateway=("192.168.1.1",),
            dns=("192.168.1.1",),
            route_metric=50,
        ),
    ),
    ethernet=EthernetAnswers(shared=True, static=("10.42.0.1/24",), never_default=True),
    cellular=CellularAnswers(
        apn="internet",
        number="*99#",
        username="me",
        password=SecretReference(variable="SIM_PASSWORD"),
        pin=SecretReference(file=Path("/lab/pin")),
    ),
    hotspot=HotspotAnswers(
        ssid=b"kitchen", passphrase=SecretReference(variable="HOTSPOT"), band="bg", channel=6
    ),
    proxy=ProxyAnswers(url=SecretReference(variable="PROXY"), no_proxy=("10.0.0.0/8",)),
)


def read(text: str | bytes) -> Answers:
    return read_answers(text.encode() if isinstance(text, str) else text, "lab.toml", HERE)


def everything(error: ResinError) -> str:
    return f"{error.message} {error.hint} {error.facts} {error.__cause__}"


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
plain = st.text("abz-", min_size=1, max_size=8)
files = st.builds(lambda name: Path("/lab") / name, st.text("ab\"\\ü \n'", min_size=1, max_size=6))
secrets = st.builds(SecretReference, file=files) | st.builds(
    SecretReference, variable=st.sampled_from(["A", "RESIN_WIFI_PASSPHRASE"])
)
flags = st.booleans() | st.none()
tables = st.dictionaries(
    texts.filter(lambda name: name not in ("os", "installer")),
    st.recursive(
        st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    ),
    max_size=3,
)
naming: dict[str, Any] = {
    "id": st.none() | texts,
    "priority": st.none() | st.integers(-9, 9),
    "dns": st.sampled_from([(), ("10.0.0.1", "2001:db8::1")]),
    "static": st.sampled_from([(), ("10.0.0.2/24",)]),
    "never_default": flags,
    "route_metric": st.none() | st.integers(0, 9),
}
wifis = st.builds(
    WifiAnswers,
    ssid=st.binary(min_size=1, max_size=32) | st.text("ü\"\\'\t", min_size=1, max_size=8).map(str.encode),
    passphrase=st.none() | secrets,
    security=st.sampled_from([None, "wpa-psk", "tls"]),
    hidden=flags,
    identity=st.none() | texts,
    private_key=st.none() | files,
    **naming,
)
all_answers = st.builds(
    Answers,
    hostname=st.none() | st.just("kitchen-{n}"),
    persistent_logging=flags,
    dns_servers=st.sampled_from([None, "null", "1.1.1.1 8.8.8.8"]),
    ssh_keys=st.lists(files, max_size=2).map(tuple),
    config_file=st.none() | files,
    config=tables,
    unset=st.lists(texts, max_size=2).map(tuple),
    partition=st.none() | st.integers(1, 20),
    wifi=st.lists(wifis, max_size=2).map(tuple),
    ethernet=st.none() | st.builds(EthernetAnswers, **naming),
    cellular=st.none() | st.builds(CellularAnswers, apn=plain, pin=st.none() | secrets),
    proxy=st.none() | st.builds(ProxyAnswers, url=st.none() | secrets | st.just("socks5://10.0.0.1:1080")),
)
