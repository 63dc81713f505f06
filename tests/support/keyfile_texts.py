"""Keyfiles of given parts, for the linter."""

from __future__ import annotations

UUID = "7d0ab2c8-7b9b-4b47-b6b4-f5d5e6f2d6f0"
KEY = "4Iv5qcIUz/5bWOKP8AOLEKdkbzaNXYqXV0KSn0rGoWo="
FOLDER = "/mnt/boot/system-connections"
PEAP = "eap=peap;\nidentity=me\nphase2-auth=mschapv2\npassword=secret"
TLS = f"eap=tls;\nidentity=me\nclient-cert={FOLDER}/me.pem\nprivate-key={FOLDER}/key.pem"
PSK = "key-mgmt=wpa-psk\npsk=12345678"
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
