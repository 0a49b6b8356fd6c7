"""What an analysis found, in plain words: a sentence for each property, and one for the question."""

from collections.abc import Mapping
from typing import Any

from anomaly_lab.analyze.measure import QUANTITIES

LIMITS = (0.1, 0.3)  # a defect below the first: the property holds; above the second: it does not; between: roughly
HOLDS, ROUGHLY, NOT, UNDECIDED, UNKNOWN = "holds", "holds roughly", "does not hold", "undecided", "unknown"
NEEDED = ("identity", "idempotence", "orthogonality")  # of an orthogonal projection onto the normal images


def verdict(defect: Mapping[str, Any]) -> str:
    """HOLDS, ROUGHLY or NOT if the whole interval says so, or the mean if there is no interval; else UNDECIDED.

    UNKNOWN if nothing could be measured. `defect`: the record of an interval.
    """
    if defect["mean"] is None:
        return UNKNOWN
    low, high = (defect["mean"] if defect[end] is None else defect[end] for end in ("low", "high"))
    if high <= LIMITS[0]:
        return HOLDS
    if high <= LIMITS[1]:
        return ROUGHLY
    return NOT if low > LIMITS[1] else UNDECIDED


def verdicts(properties: Mapping[str, Any]) -> dict[str, str]:
    """Property → its verdict, by its defect."""
    return {name: verdict(properties[name][quantities[0]]) for name, quantities in QUANTITIES.items()}


def sentences(properties: Mapping[str, Any]) -> dict[str, str]:
    """Property → what was measured."""

    def at(place: str, form: str = "{:.0%}") -> str:
        name, quantity = place.split(".")
        record = properties[name][quantity]
        if record["mean"] is None:
            return "an unknown number"
        ends = "" if record["low"] is None else f" [{form.format(record['low'])}, {form.format(record['high'])}]"
        return form.format(record["mean"]) + ends

    plain, two = "{:,.0f}", "{:.2f}"
    return {
        "identity": f"F changes a normal image by {at('identity.error')} of its contrast",
        "idempotence": f"a second pass changes {at('idempotence.second')} of what the first did; "
        f"each further pass {at('idempotence.rate')} of the one before",
        "projection": f"after F, {at('projection.inside')} of a corruption is wrong inside of its mask, "
        f"{at('projection.outside')} outside",
        "conservation": f"a corruption changes the outside of its mask by {at('conservation.leak')} of its size, "
        f"most of it within {at('conservation.reach', plain)} pixels; the receptive field has a radius of "
        f"{at('conservation.field', plain)}",
        "orthogonality": f"J and its transpose differ by {at('orthogonality.asymmetry')} of J (141 %: nothing in common); "
        f"{at('orthogonality.participation', plain)} directions carry J; its trace is {at('orthogonality.trace', plain)}, "
        f"its largest singular value {at('orthogonality.largest', two)}",
        "contraction": f"F keeps {at('contraction.corruption')} of a small corruption and "
        f"{at('contraction.normal')} of a small shift of the image",
    }


def answer(properties: Mapping[str, Any]) -> str:
    """Whether F is an orthogonal projection onto the normal images, as far as the intervals tell."""
    found = verdicts(properties)
    failed = [name for name in NEEDED if found[name] == NOT]
    if failed:
        return f"F is no orthogonal projection onto the normal images: {', '.join(failed)} {'fail' if failed[1:] else 'fails'}"
    if open_ := [name for name in NEEDED if found[name] in (UNDECIDED, UNKNOWN)]:
        return f"whether F is an orthogonal projection onto the normal images is open: see {', '.join(open_)}"
    if all(found[name] == HOLDS for name in NEEDED):
        return "F is an orthogonal projection onto the normal images, up to a tenth"
    return "F is roughly an orthogonal projection onto the normal images"
