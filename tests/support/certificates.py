"""Certificates and private keys in every form that people have, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

PASSWORD = "Marked-key-password"


@dataclass(frozen=True)
class Certificates:
    """Contents of files. `keys` and `certificates` are by the name of their form."""

    certificates: dict[str, bytes]
    keys: dict[str, bytes]
    bundle: bytes
    others: dict[str, bytes]


@cache
def certificates() -> Certificates:
    """One key and its certificate, in every form; a bundle is PKCS #12. Encrypted with `PASSWORD`."""
    with TemporaryDirectory() as name:
        return _made(Path(name))


def _made(folder: Path) -> Certificates:
    def openssl(*words: str) -> bytes:
        return subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=True).stdout

    curve = ("-pkeyopt", "ec_paramgen_curve:prime256v1")
    made = ("-keyout", "k.pem", "-out", "c.pem", "-days", "36500", "-subj", "/CN=device")
    openssl("req", "-x509", "-newkey", "ec", *curve, "-nodes", *made)
    openssl("req", "-new", "-key", "k.pem", "-subj", "/CN=old", "-out", "q.pem")
    openssl("genrsa", "-traditional", "-out", "r.pem", "2048")
    pem, key = (folder / "c.pem").read_bytes(), (folder / "k.pem").read_bytes()
    encrypted = ("-aes256", "-passout", f"pass:{PASSWORD}")
    return Certificates(
        certificates={
            "pem": pem,
            "pem with text": openssl("x509", "-in", "c.pem", "-text"),
            "pem from Windows": b"\xef\xbb\xbf" + pem.replace(b"\n", b"\r\n"),
            "chain": pem + pem,
            "trusted": openssl("x509", "-in", "c.pem", "-trustout"),
            "first version": openssl("x509", "-req", "-in", "q.pem", "-signkey", "k.pem", "-outform", "DER"),
            "der": openssl("x509", "-in", "c.pem", "-outform", "DER"),
        },
        keys={
            "pkcs8": key,
            "ec": openssl("ec", "-in", "k.pem"),
            "rsa": (folder / "r.pem").read_bytes(),
            "encrypted": openssl("pkey", "-in", "k.pem", *encrypted),
            "old encrypted": openssl("rsa", "-in", "r.pem", "-traditional", *encrypted),
            "key and certificate": pem + key,
            "pkcs8 der": openssl("pkcs8", "-topk8", "-nocrypt", "-in", "k.pem", "-outform", "DER"),
            "encrypted der": openssl(
                "pkcs8", "-topk8", "-in", "k.pem", "-outform", "DER", "-passout", f"pass:{PASSWORD}"
            ),
            "ec der": openssl("ec", "-in", "k.pem", "-outform", "DER"),
            "rsa der": openssl("rsa", "-in", "r.pem", "-traditional", "-outform", "DER"),
        },
        bundle=openssl(
            "pkcs12", "-export", "-in", "c.pem", "-inkey", "k.pem", "-passout", f"pass:{PASSWORD}"
        ),
        others={
            "empty": b"",
            "text": b"hello",
            "request": openssl("req", "-new", "-key", "k.pem", "-subj", "/CN=device"),
            "request der": openssl("req", "-new", "-key", "k.pem", "-subj", "/CN=device", "-outform", "DER"),
            "public key": openssl("pkey", "-in", "k.pem", "-pubout"),
            "public key der": openssl("pkey", "-in", "k.pem", "-pubout", "-outform", "DER"),
            "cut pem": pem[: len(pem) // 2],
            "cut der": openssl("x509", "-in", "c.pem", "-outform", "DER")[:-1],
            "damaged pem": pem.replace(pem.splitlines()[1], b"!" * 64),
            "ssh key": b"-----BEGIN OPENSSH PRIVATE KEY-----\nMarked\n-----END OPENSSH PRIVATE KEY-----\n",
            "large": pem * 1000,
        },
    )
