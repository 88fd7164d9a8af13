"""Examples as the page shows them: pictures, sounds, words, lines and forecasts of single held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelwright.evaluation import example_pictures as pictures
from modelwright.evaluation import text
from modelwright.evaluation.figures import drawn

if TYPE_CHECKING:
    from modelwright.core.values import Report

MAX_EXAMPLE_BYTES = 2_000_000
"""What all examples of a page may take; further ones are left out, and it is said."""
_LEADS = {
    "detection": "The pictures with the most boxes wrong or missed. White: drawn by people; green: found; orange: "
    "told, but not there. The last are usual ones.",
    "segmentation": "The pictures whose masks differ most: the true mask, the answered one, and the difference "
    "(green right, orange missed, violet made up). The last are usual ones.",
    "forecast": "The windows that were forecast worst, and usual ones. Grey: what was known and what came; blue: "
    "the forecast; dashed: the baseline.",
}


def examples(report: Report, budget: list[int]) -> dict[str, Any]:
    """Cards of the hardest rows, and what is said of them; {} when there are none."""
    shown: list[dict[str, Any]] = []
    listed = report.curves.get("examples") or ()
    for one in listed:
        card = _card(one, report)
        size = sum(len(part) for part in card["parts"]) + len(card["sound"])
        if size > budget[0]:
            break
        budget[0] -= size
        shown.append({**card, "parts": [drawn(part) for part in card["parts"]]})
    if not shown:
        return {}
    lead = _LEADS.get(report.task, "The held-out rows that were answered worst, with what the model was given.")
    mapped = any(medium.get("map") or medium.get("weights") for one in listed for medium in one["media"])
    return {
        "cards": shown,
        "lead": lead,
        "mapped": mapped,
        "n_more": len(listed) - len(shown),
        "wide": report.task in _LEADS,
    }


def _card(one: Mapping[str, Any], report: Report) -> dict[str, Any]:
    media = list(one.get("media") or ())
    base_name = str(report.curves.get("baseline_name", "the baseline"))
    parts: list[str] = []
    if "future" in one:
        parts.append(pictures.future_picture(one["future"], base_name))
    elif "masks" in one and media:
        parts += _masked(media[0], one["masks"])
    else:
        parts += [_picture(medium, one) for medium in media if medium["form"] != "text"]
    sound = next((pictures.safe_sound(medium.get("uri")) for medium in media if medium["form"] == "audio"), "")
    return {
        "row": f"{one['row']}",
        "loss": text.figure(one["loss"]),
        "usual": bool(one.get("usual")),
        "truth": text.short(str(one.get("truth") or ""), 80),
        "answer": text.short(str(one.get("answer") or ""), 80),
        "right": one.get("right"),
        "chance": text.percent(one["chance"]) if "chance" in one else "",
        "chance_of_truth": text.percent(one["chance_of_truth"]) if "chance_of_truth" in one else "",
        "parts": [part for part in parts if part],
        "sound": sound,
        "texts": [_words(medium) for medium in media if medium["form"] == "text"],
    }


def _picture(medium: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    if medium["form"] == "audio":
        return pictures.wave(medium)
    if medium["form"] == "series":
        return pictures.lines_picture(medium)
    boxes = one.get("boxes") or ()
    plain = pictures.photo(medium, f"Row {one['row']}", boxes=boxes, heat=False)
    if not medium.get("map"):
        return plain
    seen = {**medium, **medium.get("seen", {})}
    return plain + pictures.photo(seen, f"Row {one['row']}: what the answer hangs on")


def _masked(medium: Mapping[str, Any], masks: Mapping[str, str]) -> list[str]:
    names = {"truth": "True mask", "answer": "Answered mask", "difference": "Difference"}
    return [pictures.photo(medium, title, mask=masks.get(name, "")) for name, title in names.items()]


def _words(medium: Mapping[str, Any]) -> dict[str, Any]:
    """Words with the share, in percent, that each speaks for the answer or against it."""
    weights = list(medium.get("weights") or [])
    weights += [0] * (len(medium["words"]) - len(weights))
    words = [
        {"word": str(word), "share": min(100, abs(int(weight))), "side": "for" if weight > 0 else "against"}
        for word, weight in zip(medium["words"], weights, strict=False)
    ]
    return {"words": words, "n_more": int(medium.get("n_more", 0))}


def confused(report: Report, budget: list[int]) -> list[dict[str, Any]]:
    """The pairs of classes most often taken for each other, with pictures."""
    made = []
    for pair in report.curves.get("confused") or ():
        shown = [pictures.photo(medium, f"{pair['truth']} taken for {pair['answer']}") for medium in pair["media"]]
        size = sum(len(one) for one in shown)
        if size > budget[0]:
            break
        budget[0] -= size
        made.append(
            {
                "truth": text.short(str(pair["truth"])),
                "answer": text.short(str(pair["answer"])),
                "n": "once" if pair["n"] == 1 else f"{pair['n']:,} times",
                "parts": [drawn(one) for one in shown if one],
            }
        )
    return made
