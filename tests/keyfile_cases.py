"""Keyfiles for the linter: for each code one that has it, and one that nearly has it."""

from __future__ import annotations

from image_tools.profiles.finding import Severity

UUID = "7d0ab2c8-7b9b-4b47-b6b4-f5d5e6f2d6f0"
KEY = "4Iv5qcIUz/5bWOKP8AOLEKdkbzaNXYqXV0KSn0rGoWo="
FOLDER = "/mnt/boot/system-connections"
PEAP = "eap=peap;\nidentity=me\nphase2-auth=mschapv2\npassword=secret"
TLS = f"eap=tls;\nidentity=me\nclient-cert={FOLDER}/me.pem\nprivate-key={FOLDER}/key.pem"
BESIDE = {"me.pem", "key.pem"}


def profile(kind: str = "ethernet", more: str = "", *, connection: str = "") -> bytes:
    return f"[connection]\nid=x\nuuid={UUID}\ntype={kind}\n{connection}\n{more}\n".encode()


def wifi(more: str = "", security: str = "", eap: str = "") -> bytes:
    text = f"[wifi]\nssid=x\n{more}\n"
    text += f"[wifi-security]\n{security}\n" if security else ""
    return profile("wifi", text + (f"[802-1x]\n{eap}\n" if eap else ""))


def ip(section: str, text: str) -> bytes:
    return profile(more=f"[{section}]\n{text}\n")


def wireguard(text: str = f"private-key={KEY}", peers: str = "") -> bytes:
    return profile("wireguard", f"[wireguard]\n{text}\n{peers}", connection="interface-name=wg0")


E, W = Severity.ERROR, Severity.WARNING
PSK = "key-mgmt=wpa-psk\npsk=12345678"

# Code, severity, line, the file that has it, the file that nearly has it.
CASES: list[tuple[str, Severity, int | None, bytes, bytes]] = [
    ("keyfile-syntax", E, 5, profile(connection="nonsense"), profile(connection="# nonsense")),
    ("keyfile-syntax", E, 1, b"id=x\n" + profile(), b"#id=x\n" + profile()),
    ("keyfile-escape", E, 7, wifi().replace(b"ssid=x", b"ssid=\\q"), wifi().replace(b"ssid=x", b"ssid=\\sq")),
    ("keyfile-bom", E, 1, b"\xef\xbb\xbf" + profile(), profile(connection="# \ufeff")),
    ("keyfile-crlf", W, 1, profile().replace(b"\n", b"\r\n"), profile(connection="# \\r\\n")),
    ("keyfile-crlf", W, 2, profile().replace(b"id=x\n", b"id=x\r\n"), profile()),
    (
        "keyfile-twice",
        W,
        5,
        profile(connection="id=y"),
        profile(connection="[ipv4]\nmethod=auto\n[ipv6]\nmethod=auto"),
    ),
    ("keyfile-unknown-section", W, 6, profile(more="[wifi-secrity]"), profile(more="[ppp]")),
    ("keyfile-unknown-section", W, 6, profile(more="[Ethernet]"), profile(more="[802-3-ethernet]")),
    ("keyfile-unknown-key", W, 8, wifi("hiden=true"), wifi("hidden=true")),
    ("keyfile-unknown-key", W, 8, wifi("psk=x"), wifi("powersave=2")),
    (
        "keyfile-unknown-key",
        W,
        8,
        ip("ipv4", "method=auto\nadress1=10.0.0.1/24"),
        ip("ipv4", "method=auto\naddress1=10.0.0.1/24"),
    ),
    (
        "keyfile-unknown-key",
        W,
        8,
        ip("ipv4", "method=auto\nroute1_opts=mtu=9"),
        ip("ipv4", "method=auto\nroute1_options=mtu=9"),
    ),
    ("keyfile-value", E, 8, wifi("hidden=yes"), wifi("hidden=1")),
    ("keyfile-value", E, 8, wifi("hidden=True"), wifi("hidden=true ")),
    ("keyfile-value", E, 8, wifi("mode=client"), wifi("mode=ap")),
    ("keyfile-value", E, 8, wifi("bssid=00:11:22:33:44"), wifi("bssid=00:11:22:33:44:55")),
    ("keyfile-value", E, 8, wifi("cloned-mac-address=rnd"), wifi("cloned-mac-address=stable")),
    (
        "keyfile-value",
        E,
        8,
        wifi("mac-address-blacklist=00:11:22:33:44:55;x;"),
        wifi("mac-address-blacklist=00:11:22:33:44:55;"),
    ),
    ("keyfile-value", E, 12, wifi(security=f"{PSK}\nproto=wpa2"), wifi(security=f"{PSK}\nproto=rsn;")),
    (
        "keyfile-value",
        E,
        5,
        profile(connection="autoconnect-priority=1000"),
        profile(connection="autoconnect-priority=-999"),
    ),
    (
        "keyfile-value",
        E,
        5,
        profile(connection="autoconnect-priority=high"),
        profile(connection="autoconnect-priority=0x10"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv4", "method=manual\naddress1=10.0.0.1/33"),
        ip("ipv4", "method=manual\naddress1=10.0.0.1/32"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv4", "method=manual\naddress1=1.2.3/99"),
        ip("ipv4", "method=manual\naddress1=1.2.3.4/9"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv4", "method=manual\naddress1=10.0.0.2/24,10.0.0"),
        ip("ipv4", "method=manual\naddress1=10.0.0.2/24,10.0.0.1"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv6", "method=manual\naddress1=fd00::1/129"),
        ip("ipv6", "method=manual\naddress1=fd00::1/128"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv6", "method=manual\naddress1=10.0.0.1/24"),
        ip("ipv6", "method=manual\naddress1=::ffff:a00:1/96"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv4", "method=auto\ndns=1.1.1;"),
        ip("ipv4", "method=auto\ndns=1.1.1.1;9.9.9.9"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv4", "method=auto\ndns=dns.google;"),
        ip("ipv4", "method=auto\ndns=8.8.8.8#dns.google;"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv6", "method=auto\ndns=1.1.1.1;"),
        ip("ipv6", "method=auto\ndns=2606:4700::1111;"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv4", "method=auto\nroute1=10.0.0.0/33,10.0.0.1"),
        ip("ipv4", "method=auto\nroute1=10.0.0.0/8,10.0.0.1,50"),
    ),
    (
        "keyfile-value",
        E,
        9,
        wireguard(peers=f"[wireguard-peer.{KEY}]\nendpoint=vpn.example.com"),
        wireguard(peers=f"[wireguard-peer.{KEY}]\nendpoint=[2001:db8::1]:51820"),
    ),
    (
        "keyfile-value",
        E,
        9,
        wireguard(peers=f"[wireguard-peer.{KEY}]\nallowed-ips=10.0.0.0/33;"),
        wireguard(peers=f"[wireguard-peer.{KEY}]\nallowed-ips=0.0.0.0/0;::/0;"),
    ),
    (
        "keyfile-value",
        E,
        9,
        wireguard(peers=f"[wireguard-peer.{KEY}]\nendpoint=10.0.0.1:65536"),
        wireguard(peers=f"[wireguard-peer.{KEY}]\nendpoint=10.0.0.1:65535"),
    ),
    ("profile-no-connection", E, None, b"[wifi]\nssid=x\n", profile()),
    ("profile-no-id", E, 1, profile().replace(b"id=x\n", b"#\n"), profile()),
    ("profile-no-uuid", W, 1, profile().replace(b"uuid=", b"#uuid="), profile()),
    ("profile-uuid", E, 3, profile().replace(b"-7b9b", b"7b9b"), profile().replace(b"7d0a", b"7D0A")),
    (
        "profile-uuid",
        E,
        3,
        profile().replace(UUID.encode(), b"a" * 32),
        profile().replace(UUID.encode(), b"a" * 40),
    ),
    ("profile-no-type", E, 1, profile().replace(b"type=", b"#type="), profile()),
    ("profile-type", E, 4, profile("wlan"), profile("generic")),
    ("profile-no-section", E, 4, profile("wifi"), wifi()),
    ("profile-vpn", W, 4, profile("vpn", "[vpn]\nservice-type=x"), wireguard()),
    (
        "profile-permissions",
        W,
        5,
        profile(connection="permissions=user:alice:;"),
        profile(connection="permissions="),
    ),
    (
        "profile-autoconnect",
        W,
        5,
        profile(connection="autoconnect=false"),
        profile(connection="autoconnect=true"),
    ),
    (
        "profile-interface",
        W,
        5,
        profile(connection="interface-name=enp3s0"),
        profile(connection="interface-name=eth0"),
    ),
    (
        "profile-interface-name",
        E,
        5,
        profile("dummy", connection="interface-name=longer-than-15-x"),
        profile("dummy", connection="interface-name=no-longer-th-15"),
    ),
    (
        "profile-interface-name",
        E,
        1,
        profile("bridge", "[bridge]"),
        profile("vlan", "[vlan]\nparent=eth0\nid=5"),
    ),
    ("profile-mac-address", W, 8, wifi("mac-address=00:11:22:33:44:55"), wifi("mac-address=")),
    ("profile-ssid", E, 6, profile("wifi", "[wifi]"), wifi()),
    ("profile-ssid", E, 7, profile("wifi", "[wifi]\nssid="), profile("wifi", "[wifi]\nssid=\\s")),
    (
        "profile-ssid",
        E,
        7,
        profile("wifi", f"[wifi]\nssid={'é' * 17}"),
        profile("wifi", f"[wifi]\nssid={'é' * 16}"),
    ),
    (
        "profile-ssid",
        E,
        7,
        profile("wifi", "[wifi]\nssid=" + "1;" * 33),
        profile("wifi", "[wifi]\nssid=" + "1;" * 32),
    ),
    ("profile-channel", E, 8, wifi("channel=6"), wifi("channel=6\nband=bg")),
    ("profile-no-security", W, 8, wifi("security=wifi-security"), wifi("security=wifi-security", PSK)),
    ("profile-key-mgmt", E, 9, wifi(security="psk=12345678"), wifi(security=PSK)),
    ("profile-key-mgmt", E, 10, wifi(security="key-mgmt=wpa2-psk"), wifi(security=PSK.upper().lower())),
    (
        "profile-key-mgmt",
        W,
        11,
        wifi(security="key-mgmt=owe\npsk=12345678"),
        wifi(security="key-mgmt=owe"),
    ),
    ("profile-key-mgmt", W, 10, wifi(security=PSK, eap=PEAP), wifi(security="key-mgmt=wpa-eap", eap=PEAP)),
    ("profile-psk", E, 9, wifi(security="key-mgmt=wpa-psk"), wifi(security=PSK)),
    ("profile-psk", E, 11, wifi(security="key-mgmt=wpa-psk\npsk=1234567"), wifi(security=PSK)),
    (
        "profile-psk",
        E,
        11,
        wifi(security=f"key-mgmt=wpa-psk\npsk={'g' * 64}"),
        wifi(security=f"key-mgmt=wpa-psk\npsk={'a' * 64}"),
    ),
    (
        "profile-sae-key",
        W,
        11,
        wifi(security=f"key-mgmt=sae\npsk={'a' * 64}"),
        wifi(security=f"key-mgmt=sae\npsk={'a' * 63}"),
    ),
    (
        "profile-agent-secret",
        E,
        11,
        wifi(security="key-mgmt=wpa-psk\npsk-flags=1"),
        wifi(security=f"{PSK}\npsk-flags=0"),
    ),
    (
        "profile-agent-secret",
        E,
        15,
        wifi(security="key-mgmt=wpa-eap", eap=PEAP.replace("password=secret", "password-flags=2")),
        wifi(security="key-mgmt=wpa-eap", eap=f"{PEAP}\npassword-flags=2"),
    ),
    ("profile-agent-secret", E, 7, wireguard("private-key-flags=1"), wireguard(f"private-key={KEY}")),
    (
        "profile-sample",
        W,
        11,
        wifi(security="key-mgmt=wpa-psk\npsk=super_secret_wifi_password"),
        wifi(security="key-mgmt=wpa-psk\npsk=super_secret_wifi_passwort"),
    ),
    (
        "profile-no-8021x",
        E,
        10,
        wifi(security="key-mgmt=wpa-eap"),
        wifi(security="key-mgmt=wpa-eap", eap=PEAP),
    ),
    ("profile-eap", E, 6, profile(more="[802-1x]\nidentity=me"), profile(more=f"[802-1x]\n{PEAP}")),
    (
        "profile-eap",
        E,
        7,
        profile(more=f"[802-1x]\n{PEAP.replace('peap', 'PEAP')}"),
        profile(more=f"[802-1x]\n{PEAP}"),
    ),
    (
        "profile-eap",
        E,
        6,
        profile(more=f"[802-1x]\n{PEAP.replace('identity', 'anonymous-identity')}"),
        profile(more=f"[802-1x]\n{PEAP}\nanonymous-identity=a"),
    ),
    (
        "profile-eap",
        E,
        6,
        profile(more=f"[802-1x]\n{PEAP}\nphase2-autheap=mschapv2"),
        profile(more=f"[802-1x]\n{PEAP.replace('phase2-auth', 'phase2-autheap')}"),
    ),
    (
        "profile-eap",
        E,
        6,
        profile(more=f"[802-1x]\n{TLS.replace('client-cert', '#')}"),
        profile(more=f"[802-1x]\n{TLS}"),
    ),
    (
        "profile-no-password",
        E,
        6,
        profile(more=f"[802-1x]\n{PEAP.replace('password=secret', '')}"),
        profile(more=f"[802-1x]\n{PEAP.replace('password=secret', 'password-raw=1;2;')}"),
    ),
    (
        "profile-certificate",
        E,
        11,
        profile(more=f"[802-1x]\n{PEAP}\nca-cert={FOLDER}/other.pem"),
        profile(more=f"[802-1x]\n{PEAP}\nca-cert={FOLDER}/me.pem"),
    ),
    (
        "profile-certificate",
        E,
        11,
        profile(more=f"[802-1x]\n{PEAP}\nca-cert=file:///home/me/ca.pem"),
        profile(more=f"[802-1x]\n{PEAP}\nca-cert=file:///etc/ssl/certs/ca.pem"),
    ),
    (
        "profile-certificate",
        E,
        11,
        profile(more=f"[802-1x]\n{PEAP}\nca-cert=C:/Users/me/ca.pem"),
        profile(more=f"[802-1x]\n{PEAP}\nca-cert=data:;base64,AAAA"),
    ),
    ("profile-no-address", E, 7, ip("ipv4", "method=manual"), ip("ipv4", "method=auto")),
    (
        "profile-ip-method",
        E,
        6,
        ip("ipv4", "never-default=true"),
        ip("ipv4", "never-default=true\nmethod=auto"),
    ),
    ("profile-ip-method", E, 6, ip("ipv6", ""), profile()),
    ("profile-ip-method", E, 7, ip("ipv4", "method=ignore"), ip("ipv6", "method=ignore")),
    (
        "profile-ip-method",
        E,
        8,
        ip("ipv4", "method=disabled\naddress1=10.0.0.1/24"),
        ip("ipv4", "method=shared\naddress1=10.0.0.1/24"),
    ),
    (
        "profile-ip-method",
        E,
        8,
        ip("ipv4", "method=shared\ndns=1.1.1.1;"),
        ip("ipv6", "method=shared\ndns=2606:4700::1111;"),
    ),
    (
        "profile-no-prefix",
        W,
        8,
        ip("ipv4", "method=manual\naddress1=10.0.0.2,10.0.0.1"),
        ip("ipv4", "method=manual\naddresses1=10.0.0.2;24;10.0.0.1;"),
    ),
    (
        "profile-gateway",
        W,
        8,
        ip("ipv4", "method=manual\naddress1=192.168.1.2/24,192.168.2.1"),
        ip("ipv4", "method=manual\naddress1=192.168.1.2/23,192.168.0.1"),
    ),
    (
        "profile-gateway",
        W,
        9,
        ip("ipv4", "method=manual\naddress1=10.0.0.2/24\ngateway=10.0.1.1"),
        ip("ipv4", "method=manual\naddress1=10.0.0.2/32\ngateway=10.0.1.1"),
    ),
    (
        "profile-gateway",
        W,
        8,
        ip("ipv6", "method=manual\naddress1=fd00::2/64,fd01::1"),
        ip("ipv6", "method=manual\naddress1=fd00::2/64,fe80::1"),
    ),
    ("profile-gateway", E, 8, ip("ipv4", "method=auto\ngateway=10.0.0.1"), ip("ipv4", "method=auto")),
    ("profile-apn", W, 6, profile("gsm", "[gsm]\nnumber=*99#"), profile("gsm", "[gsm]\nauto-config=true")),
    ("profile-apn", E, 7, profile("gsm", "[gsm]\napn=my apn"), profile("gsm", "[gsm]\napn=web.my-apn")),
    ("profile-wireguard", E, 6, wireguard(""), wireguard()),
    ("profile-wireguard", E, 7, wireguard("private-key=AAAA"), wireguard()),
    (
        "profile-wireguard",
        E,
        8,
        wireguard(peers="[wireguard-peer.office]"),
        wireguard(peers=f"[wireguard-peer.{KEY}]"),
    ),
    ("profile-vlan", E, 6, profile("vlan", "[vlan]\nid=5"), profile("vlan", "[vlan]\nid=5\nparent=eth0")),
    (
        "profile-vlan",
        E,
        6,
        profile("vlan", "[vlan]\nparent=eth0"),
        profile("vlan", "[vlan]\nid=5\nparent=eth0"),
    ),
    (
        "profile-bluetooth",
        E,
        6,
        profile("bluetooth", "[bluetooth]\ntype=panu"),
        profile("bluetooth", "[bluetooth]\nbdaddr=00:11:22:33:44:55\ntype=panu"),
    ),
]
