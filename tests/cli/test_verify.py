from __future__ import annotations

from pathlib import Path


def test_a_sound_store(run, store: Path) -> None:
    answer = run("verify", store)
    assert (answer.code, answer.out.startswith("ok: 180 items")) == (0, True)
    assert run("verify", store, "--sample", "5", "--json").json["ok"] is True


def test_a_flipped_bit_is_found_and_named(run, store: Path) -> None:
    vectors = max((store / "segments").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(vectors.read_bytes())
    content[len(content) // 2] ^= 1
    vectors.write_bytes(content)
    answer = run("verify", store)
    assert answer.code == 1
    assert vectors.name in answer.out
    assert run("verify", store, "--json").json["problems"]


def test_a_truncated_file_is_found_and_named(run, store: Path) -> None:
    vectors = max((store / "segments").iterdir(), key=lambda path: path.stat().st_size)
    vectors.write_bytes(vectors.read_bytes()[:-100])
    answer = run("verify", store)
    assert (answer.code, vectors.name in answer.out) == (1, True)


def test_a_folder_that_is_no_store_is_an_error(run, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert run("verify", "plain").code == 2
