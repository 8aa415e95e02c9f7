# SPDX-License-Identifier: Apache-2.0
"""The report docs/pad/README.md, from results that `python -m edge_gate.tools.pad` measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from edge_gate.tools.evaluation.notebook import Results
from edge_gate.tools.pad.findings import WITHIN_S
from edge_gate.tools.pad.rates import Rate
from edge_gate.tools.pad.report import bounded, percent

CLIPS: Final = "videos"
SETS: Final = {
    "nuaa_eval.npz": "NUAA: paper prints in a hand, and people; 640 x 480, one webcam, six people, prints of five",
    CLIPS: "Clips: four people, each live and replayed from a phone or a monitor, each by another camera",
    "pourfard_eval.npz": "pourfard: people and mostly phones, another camera; who is in them is not known",
}
SIZES_PX: Final = ((0, 30), (30, 45), (45, 70), (70, 1000))
_SHORT: Final = {name: title.partition(":")[0] for name, title in SETS.items()}

HEAD: Final = """# How well pictures of people are refused

Written by `python -m edge_gate.tools.pad DATA docs/pad`; the figures are in [results.json](results.json). The words are
those of ISO/IEC 30107-3: **APCER**, the share of attacks taken for a person; **BPCER**, the share of people who are
not; **IAPMR**, the share of attacks with an enrolled person's picture that open the door, recognition and liveness
together.

Model: `{model}`, SHA-256 `{sha}`.
**One threshold for all sets, {threshold:g}, the network's makers' own decision point.** It was fixed beforehand, as
were {fewest} looks at the least and a margin of {margin:g} / sqrt(looks). Among some variants of the networks the
one was taken that errs least on the training sets, held out by camera
([experiments](../../models/recipe/EXPERIMENTS.md)). How these variants do on the sets here was seen as well, so the
sets are no longer quite new. What the networks were trained on is in the card.

What is measured went through the gate's own pipeline: the finding of a face, the quality gate, the eye's tracker and
its pace of looks, the approach, the policy and protected templates of four live frames. A film is played by its own
time. Successive stills of one person are taken as an approach at five looks a second. No recording begins with an
empty scene, so these figures rest on the network alone; the simulated ones are given with the scene and without.

**Bounds are over approaches (films, or rows of stills) and people, not over frames**: frames of one film resemble each
other. Without an error they are the rule of three. Four clips without an error bound a rate at 53 %, five people at
45 %. "Masked": a mask was painted on live faces **and** attacks.
"""
GOALS: Final = "## Goals, and where this stands\n"
FRAMES: Final = """## Single looks

{sets}
"""
APPROACHES: Final = f"""## Approaches

A person is to be found live within {WITHIN_S:g} seconds of being seen first; an attack at no moment of its whole
length. In brackets the upper bound at 95 %.
"""
OPENS: Final = """## What opens

Single frames of people with a template that would open alone: recognised at the gate's threshold ({comparison:.4f}) and
scored as a person. The gate wants several looks; this is the harder count. Frames in the template are left out.
"""
EACH_CLIP: Final = f"""## Clip by clip

When each was first found live, from the first moment at which somebody was seen. Live clips are to be found live within
{WITHIN_S:g} seconds, replays never.
"""
MASKED: Final = """## People in real masks

Single pictures from the web, in which no attack is, small and much compressed; by how large the face is.
"""
SILENT: Final = """## No score

Looks that gave none, most of them because the quality gate refused them (non-response; APNRR of attacks, BPNRR of
people). The door stays shut for these. Tight crops of faces without their scene (`crops_train.npz`, replays and people)
are refused nearly whole, {crops[not_scored]} of {crops[n]}, because a face that fills the picture is cut off or too
close; so nothing is said of them here, and they are no test where a network was tuned on them.
"""
CONTROLS: Final = """## What explains these figures

How well each of these alone tells the two sides apart, as an AUC, people over attacks; 0.5 tells nothing. Far from it,
**to either side**, a set gives itself away by something that has nothing to do with life. "Grey" rows are the network's
own score of a picture of which that much was left. The last row is the plainest: the network judges the scene rather
than the face, so whoever controls the surroundings controls its verdict. That is why the gate compares the scene with
its own.
"""
SIMULATED: Final = """## Simulated attacks

**Simulated**: people who do not exist, in front of a painted street, six lights; prints, screens and the camera are
models of optics (`edge_gate/tools/attacks`). They show that a layer works as it should, and not what a real attack
does. The people are pictures themselves, set into the street, so the network's word on them says little about people:
compare species with each other, and the scene known with the scene unknown. Scene known: the eye saw the empty street
before. `edge-gate pad bench` measures this anywhere.
"""
TAIL: Final = """## What is not shown here

- **Attacks that were not tried**: masks that are modelled on a face, somebody's own eyes behind a real mask of another,
  better screens, screens in a frame that looks like the street.
- **An injected film** shows neither paper nor screen: these layers let it pass, as the table says. What stands against
  it is that the camera is pinned.
- **Printed eyes over a mask** leave everything but a strip of paper genuine; where the table says so, they pass.
- **Other cameras.** Scores differ from camera to camera. A camera that was never measured does not open, and
  [the field protocol](../pad-field-test.md) says how it is measured.
- **A challenge** (`liveness.challenge`) is in none of these figures. How often the films here would pass one by luck,
  and what blinks, geometry and the marks of a screen told of them, is in the
  [experiments](../../models/recipe/EXPERIMENTS.md#over-an-approach).
- **Few people.** See the bounds: these sets cannot prove a rate of a few percent.
"""


def render(results: Results) -> str:
    """Return the whole report."""
    return "\n".join(_lines(results)).rstrip() + "\n"


def _lines(results: Results) -> Iterator[str]:
    recordings, simulated = results["recordings"], results["simulated"]["people"]
    first = next(iter(recordings.values()))
    yield HEAD.format(
        model=first["model"],
        sha=first["model_sha256"],
        threshold=first["threshold"],
        fewest=first["fewest"],
        margin=first["margin"],
    )
    yield GOALS
    yield from _table(("on", "goal (floor)", "measured"), _goals(recordings, results["masked faces"], simulated))
    yield FRAMES.format(sets="\n".join(f"- {title}." for title in SETS.values()))
    yield from _table(
        ("set", "masks", "live, attacks", "AUC", "APCER", "BPCER", "APCER at BPCER 5 %"),
        (_frames(name, state, part) for name, state, part in _states(recordings)),
    )
    yield "The last column's threshold was chosen on these very people, so it compares sets, and promises nothing.\n"
    yield APPROACHES
    yield from _table(
        ("set", "masks", "live, attacks", "APCER", "BPCER", "IAPMR", "people: attacks, live"),
        (_approaches(name, state, part) for name, state, part in _states(recordings)),
    )
    yield OPENS.format(comparison=first["comparison_threshold"])
    yield from _table(
        ("set", "masks", "attacks that open", "without liveness", "live frames that open", "without liveness"),
        (_opens(name, state, part["opens"]) for name, state, part in _states(recordings) if part["opens"]),
    )
    yield EACH_CLIP
    yield from _table(("clip", "plain", "masked"), _clips(recordings[CLIPS]))
    yield MASKED
    yield from _table(
        ("set", "pictures, people", "pixels between the eyes", "scored", "refused"),
        (row for name, found in results["masked faces"].items() for row in _sizes(name, found)),
    )
    crops = results["crops"]["crops_train.npz"]
    yield SILENT.format(crops=crops)
    yield from _table(
        ("set", "masks", "side", "looks", "no score", "why"),
        (row for name, state, part in _states(recordings) for row in _silent(name, state, part)),
    )
    yield CONTROLS
    names = list(dict.fromkeys(name for each in recordings.values() for name in each["controls"]))
    yield from _table(
        ("alone", *(_SHORT[name] for name in recordings)),
        ((name, *(_auc(each["controls"][name]) for each in recordings.values())) for name in names),
    )
    yield SIMULATED
    people = simulated["bounds"]["live"]["people"]["n"]
    yield f"{people} people, of each a film without a mask and one with.\n"
    yield from _table(
        ("simulated attack", "scene", "looks", "APCER, looks", "films found live", "open (IAPMR)", "without liveness"),
        _simulated(simulated),
    )
    yield from _table(
        ("simulated people", "looks", "BPCER, looks", "films not found live in time"),
        (_people(state, part) for state, part in simulated["scene"].items()),
    )
    yield TAIL


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(heads)
    yield "| " + " | ".join(names) + " |"
    yield "|---" * len(names) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _states(recordings: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for name, found in recordings.items():
        for state, part in found["masked"].items():
            yield _SHORT[name], state, part


def _goals(
    recordings: Mapping[str, Any], faces: Mapping[str, Any], simulated: Mapping[str, Any]
) -> Iterator[tuple[str, ...]]:
    nuaa, clips = recordings["nuaa_eval.npz"], recordings[CLIPS]["masked"]
    opens = nuaa["opens"]
    yield (
        "NUAA, print frames that open",
        "2 %, with 86 % of live frames or more that open",
        f"{opens['attack_opened']} of {opens['n_attack']} ({percent(opens['attack_opened'] / opens['n_attack'])});"
        f" live {percent(opens['live_opened'] / opens['n_live'])}, without liveness"
        f" {percent(opens['live_opened_without_liveness'] / opens['n_live'])}",
    )
    attacks = sum(each["bounds"]["attack"]["approaches"]["errors"] for each in clips.values())
    people = sum(each["bounds"]["live"]["approaches"]["errors"] for each in clips.values())
    yield (
        "clips, plain and masked",
        f"8 of 8 replays refused over their length, 8 of 8 live let in within {WITHIN_S:g} s",
        f"{8 - attacks} of 8, {8 - people} of 8",
    )
    goals = {"nuaa_eval.npz": "1 / 5 %", CLIPS: "8 / 10 %", "pourfard_eval.npz": "10 / 8 %"}
    for name, goal in goals.items():
        frames = recordings[name]["frames"]
        yield f"{_SHORT[name]}, looks, APCER / BPCER", goal, f"{percent(frames['apcer'])} / {percent(frames['bpcer'])}"
    sizes = [found[f"{low}-{high}"] for found in faces.values() for low, high in SIZES_PX]
    refused, scored = (sum(each[key] for each in sizes) for key in ("refused", "scored"))
    yield "masked live faces, single pictures", "8 % refused", f"{percent(refused / scored)} ({refused} of {scored})"
    known = simulated["scene"]["known"]["species"]
    refused = [name for name, part in known.items() if not part["approaches"]["apcer"]]
    yield (
        "simulated attacks, per species, scene known",
        "APCER 1 % at BPCER 3 %, looks",
        f"{sum((part['frames']['apcer'] or 0) <= 0.01 for part in known.values())} of {len(known)} species within 1 %;"
        f" BPCER {percent(simulated['frames']['bpcer'])}; {len(refused)} species of which no film was found live",
    )


def _frames(name: str, state: str, part: Mapping[str, Any]) -> tuple[str, ...]:
    frames = part["frames"]
    rates = (percent(frames[key]) for key in ("apcer", "bpcer", "apcer_at_bpcer_5"))
    return name, state, f"{frames['n_live']}, {frames['n_attack']}", _auc(frames["auc"]), *rates


def _approaches(name: str, state: str, part: Mapping[str, Any]) -> tuple[str, ...]:
    found, bounds = part["approaches"], part["bounds"]
    people = ", ".join(bounded(bounds[side]["people"]) for side in ("attack", "live"))
    return (
        name,
        state,
        f"{found['n_live']}, {found['n_attack']}",
        bounded(bounds["attack"]["approaches"]),
        bounded(bounds["live"]["approaches"]),
        bounded(bounds["iapmr"]),
        people,
    )


def _opens(name: str, state: str, opens: Mapping[str, int]) -> tuple[str, ...]:
    def of(side: str, suffix: str = "") -> str:
        return f"{opens[f'{side}_opened{suffix}']} of {opens[f'n_{side}']}"

    bare = "_without_liveness"
    return name, state, of("attack"), of("attack", bare), of("live"), of("live", bare)


def _clips(videos: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    plain, masked = (videos["masked"][state]["presentations"] for state in ("unmasked", "masked"))
    for one, other in zip(plain, masked, strict=True):
        yield one["name"], *(_found_live(each) for each in (one, other))


def _found_live(clip: Mapping[str, Any]) -> str:
    after = clip["live_after_s"]
    told = "never" if after is None else f"after {after:.1f} s"
    late = after is None or after > WITHIN_S
    wrong = late if clip["label"] == "live" else after is not None
    return f"**{told}**" if wrong else told


def _sizes(name: str, found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for low, high in SIZES_PX:
        each = found[f"{low}-{high}"]
        size = f"{low} to {high}" if high < 1000 else f"{low} and more"
        counted = f"{each['refused']} ({percent(each['refused'] / each['scored'])})" if each["scored"] else "-"
        yield name, f"{found['pictures']}, {found['people']}", size, str(each["scored"]), counted


def _silent(name: str, state: str, part: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for side, found in part["non_response"].items():
        why = ", ".join(f"{count} {reason}" for reason, count in found["reasons"].items())
        yield name, state, side, str(found["n"]), f"{found['not_scored']} ({percent(found['rate'])})", why or "-"


def _simulated(simulated: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for species in simulated["species"]:
        for state, whole in simulated["scene"].items():
            part = whole["species"][species]
            iapmr = part["bounds"]["iapmr"]
            yield (
                species,
                state,
                str(part["frames"]["n_attack"]),
                percent(part["frames"]["apcer"]),
                bounded(part["bounds"]["attack"]["approaches"]),
                f"{iapmr['errors']} of {iapmr['n']}",
                f"{iapmr['opened_without_liveness']} of {iapmr['n']}",
            )


def _people(state: str, part: Mapping[str, Any]) -> tuple[str, ...]:
    frames, bounds = part["frames"], part["bounds"]["live"]["approaches"]
    return f"scene {state}", str(frames["n_live"]), percent(frames["bpcer"]), bounded(bounds)


def _auc(rate: Rate) -> str:
    return "-" if rate is None else f"{rate:.3f}"
