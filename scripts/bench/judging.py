"""Decide whether a row reached its target, and when the references were too noisy for that."""

from collections.abc import Sequence
from statistics import median

REACHED, MISSED = "reached", "missed"
# Fewer rounds do not show how noisy they are.
MIN_ROUNDS = 3
# Two loads of a reference, right after each other on an idle machine, differ by up to a fifth.
NOISY_SPREAD = 0.25


def measure_spread(values: Sequence[float]) -> float:
    """Return the distance of the greatest value from the least one, as a share of the median."""
    return (max(values) - min(values)) / median(values)


def judge(ratios: Sequence[float], references: Sequence[float], target: float) -> str:
    """Return the verdict on a row, by the ratios of its rounds.

    The median decides. A row cannot be judged after fewer than MIN_ROUNDS rounds, nor if its
    reference was noisy and the rounds disagree: then the noise may have decided. If the rounds
    agree in spite of a noisy reference, the verdict holds, because each round compares a figure
    with a reference that was measured right before it.

    Args:
        references: the figures of the reference, in the same rounds.
        target: the least ratio that reaches it.
    """
    if len(ratios) < MIN_ROUNDS:
        return f"cannot be judged: {len(ratios)} of {MIN_ROUNDS} rounds"
    disagree = min(ratios) < target <= max(ratios)
    spread = measure_spread(references)
    if disagree and spread > NOISY_SPREAD:
        return f"cannot be judged: the rounds disagree and the reference spreads by {spread:.0%}"
    return REACHED if median(ratios) >= target else MISSED
