"""What grew, and that noise does not."""

from __future__ import annotations

import numpy as np
import pytest
from topics import Topic, found_groups, labelled_topics
from trends import share, trends


def test_noise_is_seldom_a_trend_and_growth_is_one() -> None:
    rng = np.random.default_rng(0)
    falsely = 0
    for _ in range(300):
        recent = rng.random(200) < 0.3
        topics = [Topic(str(number), "task", rng.random(200) < 0.1) for number in range(20)]
        falsely += any(trend.low > 0 or trend.high < 0 for trend in trends(topics, ~recent, recent))
    assert falsely / 300 <= 0.08  # 0.05, and three standard errors
    grows = Topic("grows", "task", np.where(recent, rng.random(200) < 0.6, rng.random(200) < 0.1))
    first = trends([*topics, grows], ~recent, recent)[0]
    assert first.topic.name == "grows" and 0 < first.low < first.change < first.high
    assert first.rows.tolist() == np.flatnonzero(grows.members & recent).tolist()


def test_the_interval_of_a_share_is_wilsons() -> None:
    p, low, high = share(0, 10, 1.959964)
    assert (p, low) == (0, 0) and high == pytest.approx(0.2775, abs=1e-4)  # z² / (n + z²)


def test_both_sides_need_papers() -> None:
    none = np.zeros(4, bool)
    with pytest.raises(ValueError, match="got 4 earlier and 0 recent"):
        trends([], ~none, none)
    with pytest.raises(ValueError, match="confidence"):
        trends([], ~none, ~none, 1.5)


def test_topics_are_labels_and_groups(whole: object) -> None:
    labels = {topic.name: int(topic.members.sum()) for topic in labelled_topics(whole)}  # type: ignore[arg-type]
    assert labels["clustering"] == 18 and labels["hyperbolic and other geometries"] == 18
    groups = found_groups(whole)  # type: ignore[arg-type]
    assert (sum(group.members.astype(int) for group in groups) == 1).all()
    assert [group.name for group in groups] == [group.name for group in found_groups(whole)]  # type: ignore[arg-type]
