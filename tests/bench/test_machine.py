import json

from nearfield.bench.machine import describe


def test_the_description_is_json_and_names_the_machine() -> None:
    found = json.loads(json.dumps(describe()))
    assert found["cores"] >= 1 and found["cpu"]["model"] is not None and found["simd"] in ("scalar", "avx2", "avx512")
