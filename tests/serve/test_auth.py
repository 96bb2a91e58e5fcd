"""Keys: what a file may say, who is who, and what may be known of a key."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from nearfield.serve import Keys
from nearfield.serve.auth import ANYONE, Key, allow, require, secret_of
from nearfield.serve.errors import Problem


def test_keys_are_made_kept_and_known(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    secrets = {name: Keys.new(file, right, name) for name, right in (("one", "read"), ("two", "admin"))}
    third = Keys.new(file, "read")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert all(secret not in text for secret in secrets.values())
    keys = Keys.load(file)
    assert len(keys) == 3
    for name, secret in secrets.items():
        assert keys.identify(secret).name == name
        assert keys.identify(secret.encode()).name == name
    assert keys.identify(third).name == "read-1"
    for wrong in (None, "", "nf_", secrets["one"][:-1], secrets["one"] + "x", "\ud800"):
        assert keys.identify(wrong) is None


def test_bad_files_are_refused_by_the_line(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    for text, words in (
        ("", "found none"),
        ("# remark\n\n", "found none"),
        ("one read\n", "line 1: expected 'name right hash', got 2 words"),
        ("# x\none write sha256:12\n", "line 2: expected 'sha256:' and 64 hex digits"),
        ("one write 12\n", "64 hex digits"),
        ("one all sha256:" + "0" * 64 + "\n", "expected one of read, write, admin"),
        (2 * ("one read sha256:" + "0" * 64 + "\n"), "names that differ"),
    ):
        file.write_text(text)
        with pytest.raises(ValueError, match=words.replace("(", r"\(")):
            Keys.load(file)
    with pytest.raises(FileNotFoundError):
        Keys.load(tmp_path / "none")
    fresh = tmp_path / "fresh"
    with pytest.raises(ValueError, match="right: expected one of"):
        Keys.new(fresh, "all")
    Keys.new(fresh, "read", "me")
    for name in ("me", "two words", "", "#x"):
        with pytest.raises(ValueError, match="name: expected one word"):
            Keys.new(fresh, "read", name)


def test_rights_contain_each_other() -> None:
    for right, may in (("read", 1), ("write", 2), ("admin", 3)):
        key = Key("k", right, b"")
        assert [key.may(one) for one in ("read", "write", "admin")] == [at < may for at in range(3)]
    assert allow(ANYONE, "admin") is ANYONE
    with pytest.raises(Problem, match="a key is needed") as missing:
        allow(None, "read")
    assert missing.value.status == 401
    assert "WWW-Authenticate" in missing.value.headers
    with pytest.raises(ValueError, match="right"):
        require("all")


def test_where_a_key_may_stand() -> None:
    assert secret_of([(b"authorization", b"Bearer abc")]) == b"abc"
    assert secret_of([(b"authorization", b"bearer  abc ")]) == b"abc"
    assert secret_of([(b"authorization", b"Basic abc"), (b"x-api-key", b"def")]) == b"def"
    assert secret_of([(b"api-key", b"ghi")]) == b"ghi"
    assert secret_of([(b"accept", b"*/*")]) is None
