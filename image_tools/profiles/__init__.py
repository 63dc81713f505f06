"""Network profiles of the boot partition: `system-connections/`, one NetworkManager keyfile each."""

from image_tools.profiles.check import check_connection
from image_tools.profiles.keyfile import Keyfile, mended, read_keyfile
from image_tools.profiles.profile import WifiProfile, file_name_of, is_sample, summary, uuid_of
from image_tools.profiles.wifi import check_passphrase, check_ssid, ssid_of, ssid_text

__all__ = [
    "Keyfile",
    "WifiProfile",
    "check_connection",
    "check_passphrase",
    "check_ssid",
    "file_name_of",
    "is_sample",
    "mended",
    "read_keyfile",
    "ssid_of",
    "ssid_text",
    "summary",
    "uuid_of",
]
