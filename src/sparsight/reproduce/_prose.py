"""Results in prose: numbers and verdicts in Markdown that are copied from the result tables of claims.

A place for a result is ``<!--=NAME-->…<!--/-->``; `fill_in` puts text between the two comments, which no
reader sees.

============================  =======================================================================
NAME                          text
============================  =======================================================================
``CLAIM``                     the verdict on the claim
``CLAIM.PREDICTION``          estimate and interval of a prediction
``CLAIM.PREDICTION.control``  the same of its control
``CLAIM.PREDICTION.verdict``  the verdict on it
``verdicts``                  a table of all claims, with verdicts and decisive numbers
``published: SOURCE``         left as it is: a number from the literature
============================  =======================================================================

Places of a claim without a table say that it was not run yet.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sparsight.errors import InputError
from sparsight.registry import suggest
from sparsight.reproduce._markdown import interval_words, markdown_table, words
from sparsight.reproduce._registry import select_claims

_PLACE = re.compile(r"<!--=(?P<name>[^>]*?)-->(?P<text>.*?)<!--/-->", re.DOTALL)

Tables = Mapping[str, Mapping[str, Any]]
"""Result tables by claim."""

NOT_RUN = "not run yet"
"""What stands in the places of a claim without a table."""


def fill_in(text: str, tables: Tables, page: str = "docs/claims.md") -> str:
    """Return Markdown with every place for a result filled in from the tables.

    `page` is the path of the page on the claims, as links in this text name it.

    Raises
    ------
    InputError
        If a place names a claim or a prediction that does not exist.
    """

    def filled(place: re.Match[str]) -> str:
        name = place["name"]
        if name.startswith("published"):
            return place[0]
        return f"<!--={name}-->{_result(name, tables, page)}<!--/-->"

    return _PLACE.sub(filled, text)


def without_results(text: str) -> str:
    """Return Markdown without the places for results, to look for numbers that nothing vouches for."""
    return _PLACE.sub("", text)


def _result(name: str, tables: Tables, page: str) -> str:
    if name == "verdicts":
        return f"\n{_verdicts(list(tables.values()), page)}\n"
    claim, *rest = name.split(".")
    if claim not in tables:
        return _without_table(claim, rest, tables)
    table = tables[claim]
    if not rest:
        return str(table["verdict"])
    findings = {row["prediction"]: row for row in table["findings"] if not row["variant"]}
    wanted = _wanted(claim, rest, findings)
    finding = findings[rest[0]]
    return str(finding["verdict"]) if wanted == "verdict" else interval_words(finding[wanted])


def _without_table(claim: str, rest: Sequence[str], tables: Tables) -> str:
    """Return the words for a claim that has no table; refuse places that it will not fill either."""
    claims = select_claims()
    if claim not in claims:
        raise InputError(f"no table is there for the claim {claim!r}{suggest(claim, [*tables, *claims])}")
    if rest:
        _wanted(claim, rest, [prediction.name for prediction in claims[claim].predictions])
    return NOT_RUN


def _wanted(claim: str, rest: Sequence[str], predictions: Collection[str]) -> str:
    """Return which part of a prediction a place asks for, after its name."""
    if rest[0] not in predictions or len(rest) > 2:
        raise InputError(
            f"the claim {claim!r} has no prediction {'.'.join(rest)!r}{suggest(rest[0], predictions)}"
        )
    wanted = rest[1] if len(rest) == 2 else "effect"
    if wanted not in ("effect", "control", "verdict"):
        raise InputError(f"'{claim}.{'.'.join(rest)}' asks for {wanted!r}; control and verdict are allowed")
    return wanted


def _verdicts(tables: Sequence[Mapping[str, Any]], page: str) -> str:
    rows = [["claim", "verdict", "decisive numbers [95 %]"]]
    for table in tables:
        numbers = [
            f"{words(row['prediction'])} {interval_words(row['effect'])}"
            for row in table["findings"]
            if row["decisive"] and not row["variant"]
        ]
        link = f"[{table['claim']}]({page}#{table['claim']}): {table['statement']}"
        rows.append([link, f"**{table['verdict']}**", "; ".join(numbers)])
    return markdown_table(rows)
