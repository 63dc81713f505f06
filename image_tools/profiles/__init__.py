"""Network profiles of the boot partition: NetworkManager keyfiles in `system-connections/`.

Names are imported on first use, to keep the start-up time low.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from image_tools.profiles.addressing import Addressing
    from image_tools.profiles.cellular import CellularProfile
    from image_tools.profiles.certificates import Attachment
    from image_tools.profiles.enterprise import Enterprise
    from image_tools.profiles.ethernet import EthernetProfile
    from image_tools.profiles.hotspot import Band, HotspotProfile
    from image_tools.profiles.identity import Profile, file_name_of, uuid_of
    from image_tools.profiles.keyfile import Keyfile, normalize_keyfile, read_keyfile
    from image_tools.profiles.methods import Phase2, Security
    from image_tools.profiles.profile_summary import is_sample, summary
    from image_tools.profiles.wifi_credentials import check_passphrase, check_ssid, ssid_of, ssid_text
    from image_tools.profiles.wifi_profile import WifiProfile

__all__ = [
    "Addressing",
    "Attachment",
    "Band",
    "CellularProfile",
    "Enterprise",
    "EthernetProfile",
    "HotspotProfile",
    "Keyfile",
    "Phase2",
    "Profile",
    "Security",
    "WifiProfile",
    "check_passphrase",
    "check_ssid",
    "file_name_of",
    "is_sample",
    "normalize_keyfile",
    "read_keyfile",
    "ssid_of",
    "ssid_text",
    "summary",
    "uuid_of",
]

_MODULES = {
    "Addressing": "addressing",
    "Attachment": "certificates",
    "Band": "hotspot",
    "CellularProfile": "cellular",
    "Enterprise": "enterprise",
    "EthernetProfile": "ethernet",
    "HotspotProfile": "hotspot",
    "Keyfile": "keyfile",
    "Phase2": "methods",
    "Profile": "identity",
    "Security": "methods",
    "WifiProfile": "wifi_profile",
    "check_passphrase": "wifi_credentials",
    "check_ssid": "wifi_credentials",
    "file_name_of": "identity",
    "is_sample": "profile_summary",
    "normalize_keyfile": "keyfile",
    "read_keyfile": "keyfile",
    "ssid_of": "wifi_credentials",
    "ssid_text": "wifi_credentials",
    "summary": "profile_summary",
    "uuid_of": "identity",
}


def __getattr__(name: str) -> object:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value
