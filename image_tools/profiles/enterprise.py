"""Who the device is to a company's Wi-Fi: the `[802-1x]` of a keyfile (WPA2 and WPA3 Enterprise)."""

from __future__ import annotations

from dataclasses import dataclass, field

from image_tools.profiles.attachment import DEVICE_FOLDER, Attachment, AttachmentType
from image_tools.profiles.identity import is_readable
from image_tools.profiles.keyfile import escape
from image_tools.profiles.methods import Eap, Phase2
from resin_toolkit.errors import BadValue

_NO_ONE_TO_ASK = "The device has nobody that it could ask."


@dataclass(frozen=True)
class Enterprise:
    """Identity, password and certificates. Raises BadValue for what can be no identity, certificate or key.

    `phase2` counts for TTLS alone: MSCHAPv2 unless PAP is asked for, which shows the password itself to
    whoever is at the other end. A `private_key` in PKCS #12 has the client's certificate in it.
    """

    identity: str
    password: str | None = field(default=None, repr=False)
    anonymous_identity: str | None = None
    ca_cert: Attachment | None = None
    client_cert: Attachment | None = None
    private_key: Attachment | None = None
    private_key_password: str | None = field(default=None, repr=False)
    domain_suffix_match: str | None = None
    phase2: Phase2 = Phase2.MSCHAPV2

    def __post_init__(self) -> None:
        _check_text(self.identity, "identity")
        _check_text(self.anonymous_identity, "anonymous identity")
        _check_text(self.domain_suffix_match, "domain")
        _check_text(self.password, "password")
        _check_text(self.private_key_password, "password of the private key")
        _check_content(self.ca_cert, "a certificate", AttachmentType.CERTIFICATE)
        _check_content(self.client_cert, "a certificate", AttachmentType.CERTIFICATE)
        _check_content(self.private_key, "a private key", AttachmentType.KEY, AttachmentType.BUNDLE)

    def check(self, method: Eap) -> None:
        """Raise BadValue unless everything is there that `method` needs, and nothing else."""
        if method is Eap.TLS:
            self._check_tls()
            return
        if self.password is None:
            raise BadValue(f"{method.upper()} needs a password.", hint=_NO_ONE_TO_ASK)
        if self.client_cert or self.private_key or self.private_key_password:
            raise BadValue(
                f"{method.upper()} has no use for a certificate or key of the client.",
                hint="Leave them out, or use TLS.",
            )
        if method is Eap.PEAP and self.phase2 is not Phase2.MSCHAPV2:
            raise BadValue("PEAP is used with MSCHAPv2.", hint="Leave the second phase out, or use TTLS.")

    def section(self, method: Eap, stem: str) -> dict[str, str]:
        """`802-1x` for a keyfile; `stem` is what the names of the attachments begin with."""
        texts = {
            "identity": self.identity,
            "anonymous-identity": self.anonymous_identity,
            "domain-suffix-match": self.domain_suffix_match,
            "password": self.password,
        }
        keys = {"eap": f"{method};"} | {k: escape(text) for k, text in texts.items() if text is not None}
        if method is not Eap.TLS:
            keys["phase2-auth"] = self.phase2
        keys |= {key: f"{DEVICE_FOLDER}/{name}" for key, name, _ in self._placed(stem)}
        if self.private_key is not None and self.private_key.content is AttachmentType.BUNDLE:
            keys["client-cert"] = keys["private-key"]
        if self.private_key_password is not None:
            keys["private-key-password"] = escape(self.private_key_password)
        elif self.private_key is not None:
            keys["private-key-password-flags"] = "4"  # not required; else the device asks for one, in vain
        return keys

    def attachments(self, stem: str) -> tuple[tuple[str, bytes], ...]:
        """Name and content of the files that the section names."""
        return tuple((name, attachment.data) for _, name, attachment in self._placed(stem))

    def _placed(self, stem: str) -> list[tuple[str, str, Attachment]]:
        roles = (
            ("ca-cert", "ca", self.ca_cert),
            ("client-cert", "client", self.client_cert),
            ("private-key", "key", self.private_key),
        )
        return [(key, f"{stem}-{role}{file.ending}", file) for key, role, file in roles if file is not None]

    def _check_tls(self) -> None:
        if self.password is not None:
            raise BadValue(
                "TLS has no password: the private key stands for it.",
                hint="If the key is encrypted, give its password as the private key's.",
            )
        if self.private_key is None:
            raise BadValue("TLS needs a private key.", hint="Give the client's certificate and its key.")
        if self.private_key.content is AttachmentType.BUNDLE:
            self._check_bundle()
        elif self.client_cert is None:
            raise BadValue("TLS needs a certificate of the client.", hint="Give it beside its private key.")

    def _check_bundle(self) -> None:
        if self.client_cert is not None:
            raise BadValue("PKCS #12 has the client's certificate in it.", hint="Leave out the other one.")
        if self.private_key_password is None:
            raise BadValue("A private key in PKCS #12 needs its password.", hint=_NO_ONE_TO_ASK)


def _check_text(text: str | None, role: str) -> None:
    if text is not None and not is_readable(text):
        raise BadValue(f"The {role} is empty or has control characters.", hint="Type it anew.")


def _check_content(attachment: Attachment | None, wanted: str, *fitting: AttachmentType) -> None:
    if attachment is None or attachment.content in fitting:
        return
    raise BadValue(
        f"{attachment.name} holds {attachment.content.value}, and {wanted} is wanted.",
        hint="Give certificate and private key in files of their own; check which file is which.",
    )
