"""The names of paramiko that this package overrides or that are not part of its documented interface.

If a release of paramiko renames one, nothing fails: an override that is never called just protects nothing.
A test compares this list with the installed paramiko, and with what the classes here override.
"""

from __future__ import annotations

OVERRIDDEN = {
    "packet.Packetizer": (
        "REKEY_BYTES",
        "REKEY_BYTES_OVERFLOW_MAX",
        "_check_keepalive",
        "complete_handshake",
        "handshake_timed_out",
        "read_all",
        "read_message",
        "start_handshake",
        "write_all",
    ),
    "transport.Transport": (
        "_channel_handler_table",
        "_check_banner",
        "_kex_info",
        "_negotiate_keys",
        "_parse_channel_open_failure",
        "_parse_debug",
        "_parse_ext_info",
        "_parse_newkeys",
        "_preferred_ciphers",
        "_preferred_kex",
        "_preferred_keys",
        "_preferred_macs",
        "_really_parse_kex_init",
        "_send_kex_init",
        "_send_message",
        "_send_user_message",
        "_verify_key",
        "close",
    ),
    "channel.Channel": (
        "_feed",
        "_feed_extended",
        "_set_closed",
        "_unlink",
        "_window_adjust",
        "recv",
        "send",
        "sendall",
        "shutdown",
    ),
    "auth_handler.AuthHandler": (
        "_client_handler_table",
        "_parse_userauth_failure",
        "_parse_userauth_success",
        "abort",
    ),
    "agent.AgentSSH": (),
}
"""Methods and class attributes, by the class of paramiko that calls them."""

USED = {
    "packet.Packetizer": ("_initial_kex_done", "send_message"),
    "transport.Transport": (
        "_channels",
        "_next_channel",
        "active",
        "channel_events",
        "channels_seen",
        "clear_to_send",
        "handshake_timeout",
        "initial_kex_done",
        "local_version",
        "lock",
        "preferred_ciphers",
        "preferred_kex",
        "preferred_keys",
        "preferred_macs",
        "remote_version",
        "server_extensions",
        "session_id",
    ),
    "channel.Channel": (
        "_check_add_window",
        "_event_pending",
        "_set_transport",
        "_set_window",
        "closed",
        "event",
        "event_ready",
        "exit_status",
        "in_buffer",
        "in_stderr_buffer",
        "out_max_packet_size",
        "out_window_size",
        "remote_chanid",
        "timeout",
    ),
    "auth_handler.AuthHandler": ("transport", "username"),
    "agent.AgentSSH": ("_connect",),
}
"""Attributes and methods used without an override; attributes are set by the constructors."""
