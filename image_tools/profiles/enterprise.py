"""802.1X authentication for WPA2 and WPA3 Enterprise: `[802-1x]` of a keyfile."""

from __future__ import annotations

from dataclasses import dataclass, field

from image_tools.profiles.certificates import DEVICE_FOLDER, Attachment, AttachmentType
from image_tools.profiles.identity import is_readable
from image_tools.profiles.keyfile import escape
from image_tools.profiles.methods import Eap, Phase2
from resin_toolkit.errors import BadValue

_NO_PROMPT_HINT = "The device cannot prompt for it."


@dataclass(frozen=True)
class Enterprise:
    """Identity, password and certificates. Raises BadValue for an invalid one.

    `phase2` only applies to TTLS: by default MSCHAPv2; PAP sends the password itself to the server. A
    `private_key` in PKCS #12 format also contains the client certificate.
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
        """Raise BadValue unless exactly the values that `method` requires are set."""
        if method is Eap.TLS:
            self._check_tls()
            return
        if self.password is None:
            raise BadValue(f"{method.upper()} requires a password.", hint=_NO_PROMPT_HINT)
        if self.client_cert or self.private_key or self.private_key_password:
            raise BadValue(
                f"{method.upper()} does not use a client certificate or key.",
                hint="Remove them, or use tls.",
            )
        if method is Eap.PEAP and self.phase2 is not Phase2.MSCHAPV2:
            raise BadValue("PEAP requires MSCHAPv2.", hint="Remove --phase2, or use ttls.")

    def section(self, method: Eap, stem: str) -> dict[str, str]:
        """Return the section `802-1x`; `stem` is the prefix of the file names of the attachments."""
        texts = {
            "identity": self.identity,
            "anonymous-identity": self.anonymous_identity,
            "domain-suffix-match": self.domain_suffix_match,
            "password": self.password,
        }
        keys = {"eap": f"{method};"} | {k: escape(text) for k, text in texts.items() if text is not None}
        if method is not Eap.TLS:
            keys["phase2-auth"] = self.phase2
        keys |= {key: f"{DEVICE_FOLDER}/{name}" for key, name, _ in self._named_attachments(stem)}
        if self.private_key is not None and self.private_key.content is AttachmentType.BUNDLE:
            keys["client-cert"] = keys["private-key"]
        if self.private_key_password is not None:
            keys["private-key-password"] = escape(self.private_key_password)
        elif self.private_key is not None:
            keys["private-key-password-flags"] = (
                "4"  # not required; else NetworkManager requests it from an agent
            )
        return keys

    def attachments(self, stem: str) -> tuple[tuple[str, bytes], ...]:
        """Return name and content of the files that the section names."""
        return tuple((name, attachment.data) for _, name, attachment in self._named_attachments(stem))

    def _named_attachments(self, stem: str) -> list[tuple[str, str, Attachment]]:
        roles = (
            ("ca-cert", "ca", self.ca_cert),
            ("client-cert", "client", self.client_cert),
            ("private-key", "key", self.private_key),
        )
        return [(key, f"{stem}-{role}{file.suffix}", file) for key, role, file in roles if file is not None]

    def _check_tls(self) -> None:
        if self.password is not None:
            raise BadValue(
                "TLS uses a private key instead of a password.",
                hint="If the key is encrypted, use --private-key-passphrase-file.",
            )
        if self.private_key is None:
            raise BadValue("TLS requires a private key.", hint="Use --client-cert and --private-key.")
        if self.private_key.content is AttachmentType.BUNDLE:
            self._check_bundle()
        elif self.client_cert is None:
            raise BadValue("TLS requires a client certificate.", hint="Use --client-cert.")

    def _check_bundle(self) -> None:
        if self.client_cert is not None:
            raise BadValue(
                "The PKCS #12 file already contains a client certificate.", hint="Remove --client-cert."
            )
        if self.private_key_password is None:
            raise BadValue("A private key in PKCS #12 format requires its passphrase.", hint=_NO_PROMPT_HINT)


def _check_text(text: str | None, role: str) -> None:
    if text is not None and not is_readable(text):
        raise BadValue(f"The {role} is empty or contains control characters.", hint="Enter it again.")


def _check_content(attachment: Attachment | None, expected: str, *accepted: AttachmentType) -> None:
    if attachment is None or attachment.content in accepted:
        return
    raise BadValue(
        f"{attachment.name} contains {attachment.content.value} instead of {expected}.",
        hint="Use separate files for certificate and private key, and check that they are not swapped.",
    )
