"""What a request changes in a boot partition, and in which order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.boot_images import SAMPLE, Boot, boot_image
from support.cut_file import RecordedFile

from image_tools.boot_partition import open_boot
from image_tools.configuration import (
    ConfigurationPlan,
    ConnectionFile,
    PlacedFile,
    Request,
    check_request,
    plan,
)
from image_tools.fat import Put, Remove
from image_tools.profiles import WifiProfile
from resin_toolkit.errors import BadValue, ConfigInvalid

PROFILES = [WifiProfile(name, "a long passphrase") for name in (b"kitchen", b"hall")]
REQUEST = Request(
    sets=(("hostname", "kitchen"), ("mine", "x" * 3000)),
    connections=tuple(ConnectionFile(profile.file_name, profile.keyfile()) for profile in PROFILES),
)


def plan_for(boot: Boot, request: Request) -> ConfigurationPlan:
    with boot.path.open("rb") as file:
        return plan(open_boot(file).filesystem, request)


def test_after_a_cut_at_any_write_the_new_config_json_means_that_all_is_new(tmp_path: Path) -> None:
    files = {"config.json": '{"hostname": "old"}', "system-connections/resin-sample": SAMPLE}
    boot = boot_image(tmp_path / "image", files)
    before = boot.path.read_bytes()
    with RecordedFile(boot.path) as file:
        opened = open_boot(file)
        opened.filesystem.apply(plan(opened.filesystem, REQUEST).changes)
    writes = [write for epoch in file.epochs for write in epoch]
    final = boot.tree()
    assert json.loads(boot.read("config.json"))["hostname"] == "kitchen"
    old = 0
    cut = Boot(tmp_path / "cut", boot.offset, boot.size)
    for count in range(len(writes)):
        data = bytearray(before)
        for write in writes[:count]:
            data[write.at : write.at + len(write.data)] = write.data
        cut.path.write_bytes(data)
        tree = cut.tree()
        config = json.loads(tree["config.json"] or b"")
        if config["hostname"] == "kitchen":
            assert tree == final
        else:
            assert config == {"hostname": "old"}
            old += 1
    assert old > len(writes) // 2


def test_a_cut_run_is_completed_by_the_next(tmp_path: Path) -> None:
    boot = boot_image(tmp_path / "image", {"config.json": '{"hostname": "old"}'})
    changes = plan_for(boot, REQUEST).changes
    with boot.path.open("r+b") as file:
        open_boot(file).filesystem.apply(changes[:-2])
    assert json.loads(boot.read("config.json")) == {"hostname": "old"}
    with boot.path.open("r+b") as file:
        opened = open_boot(file)
        opened.filesystem.apply(plan(opened.filesystem, REQUEST).changes)
    assert plan_for(boot, REQUEST).changes == ()
    assert boot.complaints() == []


def test_config_json_is_the_last_change(tmp_path: Path) -> None:
    boot = boot_image(tmp_path / "image", {"system-connections/RESIN-SAMPLE": SAMPLE})
    found = plan_for(boot, REQUEST)
    assert isinstance(found.changes[-1], Put)
    assert found.changes[-1].path == "/config.json"
    assert [line[0] for line in found.diff[:3]] == ["+", "+", "-"]


def test_a_sample_that_is_replaced_by_a_profile_of_that_name_is_not_removed(tmp_path: Path) -> None:
    boot = boot_image(tmp_path / "image", {"system-connections/resin-sample": SAMPLE})
    request = Request(connections=(ConnectionFile("resin-sample", PROFILES[0].keyfile()),))
    (change,) = plan_for(boot, request).changes
    assert isinstance(change, Put)


def test_an_empty_request_changes_nothing(tmp_path: Path) -> None:
    found = plan_for(boot_image(tmp_path / "image", {"config.json": "{}"}), Request())
    assert (found.changes, found.diff, found.notices) == ((), (), ())
    assert not Request()
    assert Request(merge={})


def test_the_request_and_the_plan_show_no_secret() -> None:
    assert "passphrase" not in repr(REQUEST)
    assert PROFILES[0].keyfile().decode() not in repr(REQUEST)
    assert "psk" not in repr(Put("/x", PROFILES[0].keyfile()))


def test_a_config_json_that_is_no_file_or_far_too_large(tmp_path: Path) -> None:
    for files in ({"config.json/x": ""}, {"config.json": b" " * (4 * 1024 * 1024 + 1)}):
        with pytest.raises(ConfigInvalid) as caught:
            plan_for(boot_image(tmp_path / "image", files), REQUEST)
        assert caught.value.hint


@pytest.mark.parametrize(
    "request_",
    [
        Request(sets=(("persistentLogging", "perhaps"),)),
        Request(merge={"hostname": 3}),
        Request(connections=(ConnectionFile("a/b", PROFILES[0].keyfile()),)),
        Request(connections=(ConnectionFile("a", b""), ConnectionFile("A", b""))),
    ],
)
def test_what_is_wrong_with_a_request_is_known_without_its_image(request_: Request) -> None:
    with pytest.raises((BadValue, ConfigInvalid)):
        check_request(request_)


def test_a_good_request_passes() -> None:
    check_request(REQUEST)


def test_a_profile_of_the_same_id_is_replaced_and_not_doubled(tmp_path: Path) -> None:
    mine = b"[connection]\nid=kitchen\ntype=wifi\n[wifi]\nssid=other\n"
    boot = boot_image(tmp_path / "image", {"system-connections/by-hand": mine})
    found = plan_for(boot, Request(connections=REQUEST.connections[:1]))
    assert [type(change) for change in found.changes] == [Put, Remove]
    assert found.changes[1] == Remove("/system-connections/by-hand")
    assert found.diff[1] == "- system-connections/by-hand (replaced)"


def test_a_profile_is_removed_by_its_id_and_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    profile = PROFILES[0]
    files = {
        "config.json": "{}",
        "system-connections/one": profile.keyfile(),
        "system-connections/x.ignore": "",
    }
    found = plan_for(boot_image(tmp_path / "image", files), Request(removed=("kitchen", "attic")))
    assert found.changes == (Remove("/system-connections/one"),)
    assert [notice.code for notice in found.notices] == ["no-such-connection"]
    assert "attic" in found.notices[0].message


def test_replace_starts_from_nothing_even_where_config_json_is_broken(tmp_path: Path) -> None:
    boot = boot_image(tmp_path / "image", {"config.json": '{"hostname": "old", '})
    request = Request(sets=(("country", "DE"),), replace=True)
    (change,) = plan_for(boot, request).changes
    assert isinstance(change, Put)
    assert json.loads(change.source.open().read()) == {"country": "DE"}
    sound = boot_image(tmp_path / "sound", {"config.json": '{"hostname": "old", "country": "DE"}'})
    assert plan_for(sound, request).diff == ('- hostname = "old"',)


@pytest.mark.parametrize("raw", [b'\xef\xbb\xbf{"a": 1}', b'{\r\n  "a": 1\r\n}\r\n'])
def test_a_config_json_from_windows_is_mended_where_something_is_configured(
    tmp_path: Path, raw: bytes
) -> None:
    boot = boot_image(tmp_path / "image", {"config.json": raw})
    assert plan_for(boot, Request()).changes == ()
    (change,) = plan_for(boot, Request(sets=(("a", "1"),))).changes
    assert isinstance(change, Put)
    assert change.source.open().read() == b'{\n  "a": 1\n}\n'


def test_other_files_are_placed_before_what_names_them(tmp_path: Path) -> None:
    file = PlacedFile("/system-proxy/no_proxy", b"10.0.0.0/8\n", "no proxy")
    boot = boot_image(tmp_path / "image", {"config.json": "{}"})
    found = plan_for(boot, Request(files=(file,), connections=REQUEST.connections))
    assert found.changes[0] == Put("/system-proxy/no_proxy", b"10.0.0.0/8\n", make_parents=True)
    assert found.diff[0] == "+ system-proxy/no_proxy (no proxy)"
