"""What is available: the least of the machine and every group above the process."""

from nearfield.common.memory import available_bytes

GB = 10**9


def put(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_this_machine_has_some():
    available = available_bytes()
    assert available is None or 0 < available < 2**50


def test_nothing_known_is_no_limit(tmp_path):
    assert available_bytes(tmp_path) is None
    put(tmp_path, "proc/meminfo", "MemTotal: 5 kB\n")
    assert available_bytes(tmp_path) is None


def test_the_machine_counts_free_swap(tmp_path):
    put(tmp_path, "proc/meminfo", "MemTotal: 9 kB\nMemAvailable:   3000 kB\nSwapFree: 1000 kB\nHugePages_Total: 0\n")
    assert available_bytes(tmp_path) == 4000 * 1024


def test_the_tightest_group_bounds(tmp_path):
    put(tmp_path, "proc/meminfo", "MemAvailable: 90000000 kB\n")
    put(tmp_path, "proc/self/cgroup", "0::/jobs/mine\n")
    group = "sys/fs/cgroup/jobs"
    put(tmp_path, f"{group}/mine/memory.max", "max\n")
    put(tmp_path, f"{group}/mine/memory.current", "1000\n")
    put(tmp_path, f"{group}/memory.max", str(2 * GB))
    put(tmp_path, f"{group}/memory.current", str(GB))
    put(tmp_path, f"{group}/memory.stat", "anon 5\ninactive_file 400\n")
    assert available_bytes(tmp_path) == GB + 400
    put(tmp_path, f"{group}/memory.current", str(3 * GB))
    assert available_bytes(tmp_path) == 0


def test_a_container_shows_its_group_at_the_top_of_version_1(tmp_path):
    put(tmp_path, "proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n")
    put(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", str(GB))
    put(tmp_path, "sys/fs/cgroup/memory/memory.usage_in_bytes", "100\n")
    put(tmp_path, "sys/fs/cgroup/memory/memory.stat", "total_inactive_file 50\n")
    assert available_bytes(tmp_path) == GB - 50
