"""One learned ratio for each model: from which answers, how fast, within which bounds."""

import pytest

from claude_proxy.server.ratios import MemoryRatios, Ratios

KEY = ("default", "qwen3", "estimate")


def test_nothing_is_corrected_before_anything_is_learned() -> None:
    assert Ratios().get(KEY) == 1.0


def test_the_first_samples_weigh_as_in_a_mean() -> None:
    ratios = Ratios()
    for reported in (1100, 1200, 1300):
        ratios.learn(KEY, reported=reported, counted=1000)
    assert ratios.get(KEY) == pytest.approx(1.2)


def test_a_change_of_the_upstream_is_followed() -> None:
    ratios = Ratios()
    for reported in [1000] * 50 + [1300] * 30:
        ratios.learn(KEY, reported=reported, counted=1000)
    assert ratios.get(KEY) == pytest.approx(1.3, abs=0.02)


@pytest.mark.parametrize(("reported", "counted"), [(499, 1000), (2001, 1000), (0, 9), (9, 0)])
def test_what_is_too_far_away_is_no_sample(reported: int, counted: int) -> None:
    ratios = Ratios()
    ratios.learn(KEY, reported=reported, counted=counted)
    assert ratios.get(KEY) == 1.0


def test_the_first_twenty_answers_are_wanted_and_then_one_in_fifty() -> None:
    ratios = Ratios()
    assert [at for at in range(160) if ratios.wants(KEY)] == [*range(20), 50, 100, 150]


def test_memory_is_bounded() -> None:
    store = MemoryRatios()
    ratios = Ratios(store)
    for number in range(1000):
        assert ratios.wants(number)
        ratios.learn(number, reported=1100, counted=1000)
    assert (len(store._ratios), len(ratios._seen), len(ratios._samples)) == (256, 256, 256)
    assert (ratios.get(999), ratios.get(0)) == (1.1, 1.0)


def test_another_store_may_keep_them() -> None:
    store = MemoryRatios()
    Ratios(store).learn(KEY, reported=1500, counted=1000)
    assert Ratios(store).get(KEY) == 1.5
