# SPDX-License-Identifier: Apache-2.0
"""The report in Markdown, from the results alone: the unflattering tables first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from edge_gate.tools.evaluation.notebook import Results
from edge_gate.tools.evaluation.protection.inversion import BLIND, REHEARSAL
from edge_gate.tools.evaluation.protection.measure import CHOSEN, IN_BOTH, KNOWN, STORED
from edge_gate.tools.evaluation.protection.transforms import methods

HEAD = """# Templates that can be replaced: what it costs, and what it stops

Written by `python -m edge_gate.tools.evaluation.protection DATA docs/templates --cache FOLDER`; the figures are in
`results.json`. Model: `{model}`, embeddings through the gate's own code, as int8. The choice, and why:
[methods](#methods). It is **{chosen}** (`edge_gate/rules/protection.py`).

**In one paragraph.** What lies on a device is each code sealed under a key that was drawn for that enrolment alone;
the keys lie in the keyring, sealed under the store's. From two stolen databases nobody is linked: D_sys {stored:.3f},
{stored_worst:.3f} for the worst single pair of sites (noise alone gives up to {stored_noise:.3f}; demanded 0.05), and
by people known in both {stored_linked:.0%} of the others, where chance gives {chance:.1%}. The transform below that
seal is a second wall, for codes that leave the gate opened: a copy of its memory, a bug. Without the site's key such
codes give nobody's embedding back, and link hardly anybody by their scores: D_sys {d_sys:.3f} over many pairs of keys
(noise up to {noise:.3f}), but {pair_worst:.3f} for the worst single pair (noise up to {pair_noise:.3f}), and since
one key is a whole site's, from {known} people known in both sites {linked:.0%} of the others are linked. With the
key, every transform that keeps the accuracy gives the embedding back nearly whole, the chosen one with a cosine of
{cosine:.3f}: what it protects is what the key protects. Replaced codes can be, by one command and without the
residents, because they are reversible.
"""

INVERSION = """## 1. The key is stolen: how much comes back

The best attack for each method that is implemented here (`edge_gate/tools/evaluation/protection/attacks.py`), with the
stolen key and with how embeddings of other people are spread; its sharpness was rehearsed on {rehearsal} other
people. *Passes*: recovered embeddings that reach the threshold against **another** picture of the same person, in a
system without protection (the card's threshold for FMR 1e-4) and in one with another key of the same method
(threshold for FMR 1e-3 on the same set). In brackets, what the true embedding reaches. *Guessed*: the same attack
with a made-up key, on {blind} templates. No attack is proven to be the best: the cosines are lower bounds.
"""

NEIGHBOURS = """## 2. Two stores, no key, some people known in both

A site's key is one for all its residents, so within a store the codes are as alike as their owners. An attacker with
two stolen stores ({people} people in both, another picture in each) who knows some people in both describes the rest
by their scores with those. Share of the unknown people who were then linked rightly (by chance: less than 1 %). D_sys
does not see this. What stops it is the key for each enrolment that codes are sealed under, last row;
[section 7](#7-a-key-for-each-enrolment) says why that key is not one of the transform.
"""

LINKS = """## 3. Unlinkability: D_sys

Gomez-Barrero et al. 2018, omega 1, demanded at most 0.05. Mated: the same picture under two keys, the hardest case.
*Noise* is the resolution: the highest of 20 draws of as many scores among which there is nothing to link; what lies
below it cannot be told from 0. *One pair of keys* is what an attacker with two whole stores sees: it has few mated
scores, hence more noise, but the worst of 24 pairs lies above that too, with all methods that keep accuracy. By
chance two sets of axes can suit each other, and with them the scores of everybody's codes shift a little. The
measure's authors take keys as different for each comparison, which is the first column. The last row is what a thief
of two databases has: the same codes, sealed, each under its own enrolment's key. Pictures of gatech and MFR2.
"""

ACCURACY = """## 4. Accuracy: what it costs

In percent; mean of 3 keys, intervals (95 %, people resampled) with the first key. *Cost*: EER less the EER without
protection, paired; *worst*: of the three keys. Demanded: at most 0.5 points. Both sides have the same key, known or
not: a site's. The chosen method's cost is below that with every key, but the intervals of the smaller sets reach
beyond it, and its FNMR at FMR 1e-3 grows by more than its EER.
"""

SHIFTS = """## 5. The card's thresholds

Codes estimate a cosine with an error, so false matches at the card's threshold rise. The gate raises the threshold by
slope x sigma^2 / 2 (`corrected`), from the card's points alone: {plain:.4f} becomes {gate:.4f} for FMR 1e-4. Below:
false matches / false non-matches, without protection, with it at the same threshold, and with it at the raised one.
One key.
"""

SPEED = """## 6. Size, and search among 100,000

One thread, p50 / p95 of its processor time in milliseconds, on an x86 machine with two cores that does other work
too. The same search without protection takes {plain50:.1f} / {plain95:.1f} in the same run. The goal is 5 at p95.
"""

OWN = """## 7. A key for each enrolment

There is one: the data key that a code is sealed under, drawn at the enrolment, kept in the keyring and destroyed when
somebody withdraws or is forgotten (`edge_gate/store/keys/keyring.py`). It is not part of the transform, for these
reasons. A search with a transform for each person has to transform the probe for each: with the cheapest (components
swapped and negated by their key, then the site's axes) it takes {own200:.1f} ms for 200 residents and {own1000:.1f} ms
for 1,000 (p95), growing with their number, not possible for 100,000. A mask of each person's own, laid over the site's
code by XOR, searches fast, but is only a weaker encryption of the row. And either way the keys would lie beside the
codes in the gate's memory, the one place where codes lie open: whoever copies that has both.
"""

RENEWAL = """## 8. Renewal without the residents

`edge-gate templates renew` recovers each direction with the old key and encodes it with a new one. Each time loses a
little. Fresh probes against templates that were renewed so many times, at the gate's threshold of {gate:.4f}:
"""

TAIL = """## Methods

- **Choice.** Demanded were a cost of at most 0.5 points on every set, D_sys of at most 0.05 and 5 ms at p95. D_sys is
  met as stored and, opened, over many keys, not by the worst single pair, where no method that keeps the accuracy
  meets it: two sets of axes always shift everybody's scores a little. 1024 bits miss the cost on one set with one
  key; 4096 bits cost less and search too slowly. PolyProtect with overlap 4 keeps accuracy, but with one key for a
  site its leading term is the embedding itself, shifted by one of five places: see its D_sys. It was made for a key
  for each person.
- **A rotation is as accurate and as unlinkable**, and with its key stolen the chosen one is hardly better.
  What the signs have over it: they take no exact inverse, and 128 known pairs of embedding and template give a
  rotation away by plain linear algebra. How many known pairs give the signs' axes away was not measured.
- **Fewer bits do not buy irreversibility.** At 256 bits the direction still comes back well, while the EER has
  doubled or tripled. What makes the attack fail (PolyProtect with overlap 0 and 2, short BioHashing, MLP-Hash) makes
  recognition fail as well.
- **Sources.** BioHashing: Teoh, Ngo and Goh 2004. Sign random projection: Charikar 2002; at right angles: Ji et al.
  2012. IoM-GRP: Jin et al. 2017. PolyProtect: Hahn and Marcel 2022. MLP-Hash: Shahreza, Hahn and Marcel 2023. Each
  was written anew from its paper's idea; choices are named in `transforms.py`. One-bit compressed sensing: Plan and
  Vershynin 2013.
- **Doubts.** Evaluation sets of public figures and students, none behind a gate; few fused comparisons (100 and 75
  genuine), so one error is a point or more. Stronger attacks may exist for MLP-Hash and PolyProtect. Three keys say
  little about the worst key.
"""


def render(results: Results) -> str:
    """Return the whole report."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" +\n", "\n", "\n".join(_lines(results)))).rstrip() + "\n"


def _lines(results: Results) -> Iterator[str]:
    fused = f"gatech, 4 fused|{CHOSEN}"
    links = results["unlinkability"][CHOSEN]
    stored = results["unlinkability"][STORED]
    right, unknown = results["neighbours"][f"{CHOSEN}|{KNOWN[1]}"]
    stored_right, _ = results["neighbours"][f"{STORED}|{KNOWN[1]}"]
    yield HEAD.format(
        model=results["about"]["model"]["name"],
        chosen=CHOSEN,
        cosine=results["inversion"][fused]["cosine_50"],
        d_sys=links["pooled"],
        noise=links["noise"],
        pair_worst=links["pair_worst"],
        pair_noise=links["pair_noise"],
        known=KNOWN[1],
        linked=right / unknown,
        stored=stored["pooled"],
        stored_worst=stored["pair_worst"],
        stored_noise=stored["pair_noise"],
        stored_linked=stored_right / unknown,
        chance=1 / unknown,
    )
    yield INVERSION.format(rehearsal=REHEARSAL, blind=BLIND)
    yield from _inversion(results["inversion"])
    yield NEIGHBOURS.format(people=IN_BOTH)
    yield from _neighbours(results["neighbours"])
    yield LINKS
    yield from _links(results["unlinkability"])
    yield ACCURACY
    yield from _accuracy(results["accuracy"])
    gate = results["threshold"]["gate"]
    plain = next(each for each in results["shift"]["gatech, 4 fused against 4"] if each["fmr"] == 1e-4)
    yield SHIFTS.format(plain=plain["plain"]["threshold"], gate=gate)
    yield from _shifts(results["shift"])
    speed = results["speed"]["ms"]
    yield SPEED.format(plain50=speed["floats 128"]["p50"], plain95=speed["floats 128"]["p95"])
    yield from _speed(results["size"]["bytes"], speed)
    yield OWN.format(own200=speed["own keys 200"]["p95"], own1000=speed["own keys 1000"]["p95"])
    yield RENEWAL.format(gate=gate)
    yield from _renewal(results["renewal"])
    yield TAIL.format(chosen=CHOSEN)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(heads)
    yield "| " + " | ".join(names) + " |"
    yield "|---" * len(names) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _split(section: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for name, figures in section.items():
        first, _, second = name.rpartition("|")
        yield first, second, figures


def _mark(method: str) -> str:
    return f"**{method}**" if method == CHOSEN else method


def _inversion(section: dict[str, Any]) -> Iterator[str]:
    for goal in dict.fromkeys(first for first, _, _ in _split(section)):
        found = {method: each for first, method, each in _split(section) if first == goal}
        rows = [(each.name, found[each.name]) for each in methods()]
        yield f"{goal}: {rows[0][1]['n']} templates."
        yield ""
        heads = (
            "method",
            "cosine, median (5 % to 95 %)",
            "passes, no protection",
            "passes, other key",
            "guessed key: median, 95 %, passes",
        )
        yield from _table(
            heads,
            (
                (
                    _mark(method),
                    f"{e['cosine_50']:.3f} ({e['cosine_05']:.3f} to {e['cosine_95']:.3f})",
                    f"{e['pass_plain']:.1%} ({e['control_plain']:.1%})",
                    f"{e['pass_other']:.1%} ({e['control_other']:.1%})",
                    "no key"
                    if method.startswith("none")
                    else f"{e['guessed_50']:.2f}, {e['guessed_95']:.2f}, {e['guessed_pass']:.1%}",
                )
                for method, e in rows
            ),
        )


def _neighbours(section: dict[str, Any]) -> Iterator[str]:
    found = {(method, int(known)): value for method, known, value in _split(section)}
    named = dict.fromkeys(method for method, _ in found)
    rows = (
        (_mark(method), *(f"{found[method, k][0] / found[method, k][1]:.0%} of {found[method, k][1]}" for k in KNOWN))
        for method in named
    )
    yield from _table(("method", *(f"{known} known" for known in KNOWN)), rows)


def _links(section: dict[str, Any]) -> Iterator[str]:
    first = next(iter(section.values()))
    yield f"{first['n_mated']:,} mated and {first['n_non_mated']:,} non-mated scores over 24 pairs of keys."
    yield ""
    heads = ("method", "D_sys", "noise", "one pair of keys: mean, worst", "its noise")
    yield from _table(
        heads,
        (
            (
                _mark(m),
                f"{e['pooled']:.3f}",
                f"{e['noise']:.3f}",
                f"{e['pair_mean']:.3f}, {e['pair_worst']:.3f}",
                f"{e['pair_noise']:.3f}",
            )
            for m, e in section.items()
        ),
    )


def _accuracy(section: dict[str, Any]) -> Iterator[str]:
    for trial in dict.fromkeys(first for first, _, _ in _split(section)):
        rows = [(method, each) for first, method, each in _split(section) if first == trial]
        n = rows[0][1]
        compared = f"{n['n_genuine']:,} genuine and {n['n_impostor']:,} impostor comparisons"
        yield f"{trial}: {n['n_subjects']} people, {compared}."
        yield ""
        yield from _table(
            ("method", "EER", "cost in points", "worst", "FNMR at FMR 1e-3"),
            (
                (
                    _mark(method),
                    f"{e['eer']:.2%} {_range(e['eer_interval'])}",
                    f"{100 * e['cost']:+.2f} {_points(e['cost_interval'])}",
                    f"{100 * e['worst']:+.2f}",
                    f"{e['fnmr']:.2%} {_range(e['fnmr_interval'])}",
                )
                for method, e in rows
            ),
        )


def _range(bounds: list[float] | None) -> str:
    return "" if bounds is None else f"({100 * bounds[0]:.2f} to {100 * bounds[1]:.2f})"


def _points(bounds: list[float] | None) -> str:
    return "" if bounds is None else f"({100 * bounds[0]:+.2f} to {100 * bounds[1]:+.2f})"


def _shifts(section: dict[str, Any]) -> Iterator[str]:
    rows = [
        (
            trial,
            f"{e['fmr']:g}",
            f"{e['plain']['n_impostor']:,} / {e['plain']['n_genuine']:,}",
            *(f"{e[k]['false_matches']:,} / {e[k]['false_non_matches']:,}" for k in ("plain", "same", "used")),
            f"{e['plain']['threshold']:.4f} to {e['used']['threshold']:.4f}",
        )
        for trial, points in section.items()
        for e in points
    ]
    heads = ("set", "card's FMR", "impostor / genuine", "without", "same threshold", "raised", "threshold")
    yield from _table(heads, rows)


def _speed(sizes: dict[str, int], speed: dict[str, dict[str, float]]) -> Iterator[str]:
    rows = []
    for method, size in sizes.items():
        found = speed.get(_kind(method))
        time = f"{found['p50']:.1f} / {found['p95']:.1f}" if found else "not measured"
        rows.append((_mark(method), f"{size}", time))
    yield from _table(("method", "bytes", "search, p50 / p95 ms"), rows)


def _kind(method: str) -> str:
    """Return which search a method's templates take."""
    if method.endswith(" bits"):
        return f"bits {method.split()[-2]}"
    if method.startswith("IoM"):
        return f"indices {method.split('m=')[1].split()[0]}"
    return {"PolyProtect, overlap 4": "floats 124", "none (float16)": "floats 128", "rotation": "floats 128"}.get(
        method, ""
    )


def _renewal(section: dict[str, Any]) -> Iterator[str]:
    rows = [
        (
            trial,
            str(e["renewals"]),
            f"{e['cosine_50']:.4f} ({e['cosine_05']:.4f})",
            f"{e['eer']:.2%}",
            f"{e['at_gate']['false_matches']} of {e['n_impostor']:,}",
            f"{e['at_gate']['false_non_matches']} of {e['n_genuine']}",
        )
        for trial, generations in section.items()
        for e in generations
    ]
    yield from _table(
        ("set", "renewals", "cosine to the first, median (5 %)", "EER", "false matches", "false non-matches"), rows
    )
