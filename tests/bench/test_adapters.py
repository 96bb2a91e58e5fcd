import numpy as np
import pytest

from nearfield.bench.adapters import PEERS, Peer
from nearfield.bench.data import exact_neighbors
from nearfield.bench.ours import OURS, version
from nearfield.bench.peers import ALL, choose_peers, find_peer

ROWS, DIM = 1500, 96


def _workload(metric: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((20, DIM))
    vectors = (centres[rng.integers(0, 20, ROWS + 50)] + 0.5 * rng.standard_normal((ROWS + 50, DIM))).astype(np.float32)
    if metric == "cosine":
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors[:ROWS], vectors[ROWS:]


# scalable-vs ends the process where it lacks the processor it wants, so its codes are tried in the runner's test only.
TRIED = [peer for peer in ALL if peer.package != "scalable-vs" or not peer.parameters]


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("peer", TRIED, ids=lambda peer: peer.name)
def test_every_installed_peer_finds_neighbours(peer: Peer, metric: str, tmp_path, monkeypatch) -> None:
    if peer.version() is None:
        pytest.skip(f"{peer.package} is not installed")
    base, queries = _workload(metric)
    np.save(tmp_path / "base.npy", base)
    index = peer.make(**peer.parameters)
    index.prepare(base, tmp_path)
    index.build(np.load(tmp_path / "base.npy", mmap_mode="r"), metric, 2)
    truth = exact_neighbors(metric, base, queries, 10)[1]
    rows = index.search(queries, 10, 200, 1)
    assert rows.shape == (50, 10) and rows.dtype == np.int64
    recall = np.mean([len(set(found) & set(right)) / 10 for found, right in zip(rows, truth, strict=True)])
    assert recall > 0.85
    assert index.search(queries, 10, 200, 2).shape == (50, 10)
    reported = index.reported_bytes()
    assert reported is not None and reported[0] > ROWS * DIM // 4


def test_names_are_unique_and_found() -> None:
    names = [peer.name for peer in ALL]
    assert len(set(names)) == len(names)
    assert find_peer("hnswlib").package == "hnswlib"
    with pytest.raises(ValueError, match="nonesuch"):
        find_peer("nonesuch")


def test_choosing_by_pattern() -> None:
    assert [peer.name for peer in choose_peers(["nearfield-*"])] == [peer.name for peer in OURS]
    assert {peer.name for peer in choose_peers(None)} == {peer.name for peer in ALL if peer.default}
    with pytest.raises(ValueError, match="zzz"):
        choose_peers(["zzz*"])


def test_an_absent_package_has_no_version() -> None:
    assert Peer("ghost", "ghost", "nearfield_ghost_module", PEERS[0].make).version() is None


def test_our_version_follows_the_code() -> None:
    assert "+" in version()
