"""``nearfield serve`` as a process: how it starts, what it refuses to start with, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="needs nearfield[serve]")

from nearfield.cli.main import main
from nearfield.serve import Client, Keys
from nearfield.store import Store


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "nearfield", "serve", *arguments, "--port", "0", "--no-page"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        assert "serving" in line, running.stderr.read() if running.stderr else line
        yield running, "http://" + line.split("http://")[1].split()[0]
    finally:
        running.kill()
        running.wait()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_acknowledged_is_lost(tmp_path: Path, how: signal.Signals) -> None:
    """Writers go on until the server is gone; whatever it said yes to is in the store."""
    Store.create(tmp_path / "a.nf", dim=4).close()
    acknowledged: list[int] = []
    started = threading.Event()

    def write(url: str, first: int) -> None:
        with Client(url) as client:
            store = client.open("a")
            for number in range(first, 1_000_000, 4):
                try:
                    store.add(number, np.ones(4, np.float32) * (number + 1))
                except (OSError, RuntimeError, ValueError):
                    return
                acknowledged.append(number)
                if len(acknowledged) > 20:
                    started.set()

    with process(str(tmp_path / "a.nf"), "--grace", "20") as (running, url):
        threads = [threading.Thread(target=write, args=(url, first)) for first in range(4)]
        for thread in threads:
            thread.start()
        assert started.wait(120)
        running.send_signal(how)
        code = running.wait(60)
        for thread in threads:
            thread.join()
        assert code == (-signal.SIGKILL if how == signal.SIGKILL else 0)
        if how != signal.SIGKILL:
            assert running.stdout is not None
            assert "everything acknowledged is on disk" in running.stdout.read()
    with Store.open(tmp_path / "a.nf") as store:
        assert all(number in store for number in acknowledged)
        assert store.verify().ok


def test_a_port_in_use_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store.create(tmp_path / "a.nf", dim=4).close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", str(tmp_path / "a.nf"), "--port", str(port)]) == 2
    told = capsys.readouterr().err
    assert told == f"nearfield: port: {port} on 127.0.0.1 is in use by another program; choose another with --port\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["PATH", "--host", "0.0.0.0"], "without --keys anybody"),
        (["PATH", "--host", "no.such.host.invalid"], "lets other machines in"),
        (["PATH", "--host", "no.such.host.invalid", "--insecure"], "no address of this machine"),
        (["PATH", "--host", "203.0.113.7", "--insecure"], "cannot listen"),
        (["PATH", "--keys", "absent"], "absent"),
        (["PATH", "--encoder", "nothing"], "expected wordllama"),
        (["PATH", "--body", "lots"], "--body: expected bytes"),
        (["PATH", "--rate", "-1"], "rate"),
        (["PATH", "--port", "70000"], "port"),
        (["none.nf"], "no store at"),
        ([], "PATH: expected"),
        (["PATH", "--new-key", "read"], "--keys: expected the file"),
    ],
)
def test_what_it_does_not_start_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: Any, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Store.create(tmp_path / "a.nf", dim=4).close()
    given = ["a.nf" if argument == "PATH" else argument for argument in arguments]
    assert main(["serve", *given, *([] if "--port" in given else ["--port", "0"])]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


def test_a_store_that_another_writes_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.create(tmp_path / "a.nf", dim=4):
        assert main(["serve", str(tmp_path / "a.nf"), "--port", "0"]) == 2
        assert f"process {os.getpid()}" in capsys.readouterr().err


def test_keys_from_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "keys")
    assert main(["serve", "--new-key", "write", "--keys", file, "--name", "loader"]) == 0
    told = capsys.readouterr()
    secret = told.out.strip()
    assert secret not in Path(file).read_text()
    assert "shown this once" in told.err
    assert Keys.load(file).identify(secret).right == "write"
    with process(str(tmp_path / "all"), "--keys", file) as (_, url):
        with Client(url, key=secret) as client:
            assert client.about()["right"] == "write"
            with pytest.raises(PermissionError, match="'admin'"):
                client.create("a", 3)
        with Client(url) as client, pytest.raises(PermissionError, match="a key is needed"):
            list(client)


def test_it_says_where_it_answers_as_json(tmp_path: Path) -> None:
    Store.create(tmp_path / "a.nf", dim=4).close()
    command = [sys.executable, "-m", "nearfield", "serve", str(tmp_path / "a.nf"), "--port", "0", "--no-page", "--json"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            text += running.stdout.readline()
        told = json.loads(text)
        with Client(told["url"]) as client:
            assert list(client) == ["a"]
        assert (told["collections"], told["keys"]) == (1, None)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0 and running.stdout.read() == ""
    finally:
        running.kill()
        running.wait()


@pytest.mark.parametrize("grace", ["-1", "nan"])
def test_a_grace_that_is_none(tmp_path: Path, grace: str, capsys: pytest.CaptureFixture[str]) -> None:
    Store.create(tmp_path / "a.nf", dim=4).close()
    assert main(["serve", str(tmp_path / "a.nf"), "--port", "0", f"--grace={grace}"]) == 2
    assert "--grace" in capsys.readouterr().err


def test_keys_that_are_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "keys").write_bytes(b"\x93NUMPY")
    assert main(["serve", str(tmp_path / "a.nf"), "--keys", str(tmp_path / "keys")]) == 2
    assert f"{tmp_path / 'keys'}: expected lines" in capsys.readouterr().err
