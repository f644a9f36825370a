"""Which method to take, in words, and what that rests on."""

from collections.abc import Mapping
from typing import Any

METRIC = "macro_f1"
TO_BEAT = ("Window statistics", "Random forest on window statistics")
UNTRAINED = ("Chance", "Raw windows", "Random encoder", *TO_BEAT)


def pairs_text(pairs: float | str) -> str:
    """What `pairs` of a cell means: a share of them, or the people whose they are."""
    if isinstance(pairs, str):
        return f"pairs of {pairs}"
    return f"{100 * pairs:.3g} % of the pairs"


def advice(results: Mapping[str, Any]) -> list[str]:
    """Sentences on the results of a comparison, the recommendation first.

    A row counts as good as the best of a setting unless the interval of their paired difference in
    macro-F1 excludes zero.
    """
    rankings = results["rankings"]
    good, score = {}, {}
    for ranking in rankings:
        for row in ranking["rows"]:
            good[row["row"]] = good.get(row["row"], 0) + row["level"][METRIC]
            score[row["row"]] = score.get(row["row"], 0) + row["mean"][METRIC] / len(rankings)
    names = sorted(good, key=lambda row: (-good[row], -score[row]))
    trained = [row for row in names if row not in UNTRAINED]
    said = [_recommended(names[0], trained, good, score, len(rankings), results)]
    said += [_setting(ranking) for ranking in _corners(rankings)]
    said += [
        text for text in (_without_sensors(results), _against(rankings[0], trained[0])) if text
    ]
    return [*said, _unsure(results)]


def _recommended(first, trained, good, score, count, results):
    """The row that is level with the best most often."""
    of = lambda row: (
        f"best, or not to be told from the best, in {good[row]} of {count} settings of pairs and "
        f"labels, macro-F1 {100 * score[row]:.1f} % on average"
    )
    if first in UNTRAINED:
        return (f"Train nothing yet: {first} is {of(first)}. Of what is trained, {trained[0]} "
                f"comes next: {of(trained[0])}.")  # fmt: skip
    cost = results["cost"].get(first)
    time = f", {cost['seconds'] / 60:.1f} minutes of training" if cost else ""
    return f"Take {first}: {of(first)}{time}."


def _corners(rankings):
    """The settings with the most and with the least data."""
    return rankings[:1] + (rankings[-1:] if len(rankings) > 1 else [])


def _setting(ranking):
    best, *rest = ranking["rows"]
    level = [row["row"] for row in rest if row["level"][METRIC]]
    also = f"; level with it by this many people: {', '.join(level)}" if level else (
        "; better than every other row" if rest else "")  # fmt: skip
    where = f"{pairs_text(ranking['pairs'])} and {100 * ranking['fraction']:.3g} % of the labels"
    return f"With {where}: {best['row']}, macro-F1 {_percent(best)}{also}."


def _percent(row):
    text, interval = f"{100 * row['mean'][METRIC]:.1f} %", row["interval"][METRIC]
    return text if interval is None else f"{text} ({_range(interval)})"


def _range(interval):
    return "{:.1f} to {:.1f}".format(*(100 * x for x in interval))


def _against(ranking, row):
    """How the recommended training stands to what needs none."""
    of = {found["row"]: found for found in ranking["rows"]}
    best = max((of[name] for name in TO_BEAT if name in of), default=None,
               key=lambda found: found["mean"][METRIC])  # fmt: skip
    if best is None or row not in of:
        return None
    gap = 100 * (of[row]["mean"][METRIC] - best["mean"][METRIC])
    return f"{row} is {gap:+.1f} points from {best['row']}, which is trained in no time."


def _without_sensors(results):
    summary = results["missing"]["summary"]
    if not summary:
        return None
    best = max(summary, key=lambda s: s["worst"])
    return (f"With sensors missing at test: {best['row']} ({best['head']}) keeps most in its worst "
            f"case, macro-F1 {100 * best['worst']:.1f} %.")  # fmt: skip


def _unsure(results):
    """What the intervals are over, and what would narrow them."""
    people, seeds = results["people"], len(results["seeds"])
    if not people and seeds < 2:
        return ("Nothing is known of how sure this is: give `group`, the person of each window, or "
                "more seeds.")  # fmt: skip
    whom = f"{people} test people" if people else "no known person"
    more = "" if seeds > 1 else "; a second seed would tell what the draw of weights adds"
    return (f"Intervals are over {whom} and {seeds} seed{'s' if seeds > 1 else ''}: other people, "
            f"and more of them, would change this most{more}.")  # fmt: skip
