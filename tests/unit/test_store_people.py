# SPDX-License-Identifier: Apache-2.0
"""Residents, their consent and their templates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge_gate.core.errors import ConsentMissing, EnrolmentFailed, NameAlike, NameTaken, ResidentUnknown, StoreError
from edge_gate.rules.naming import normal
from edge_gate.store.database import Store
from edge_gate.store.people import consent, residents
from edge_gate.store.people.consent import State
from edge_gate.store.people.residents import Resident
from edge_gate.store.templates import templates
from edge_gate.store.templates.templates import Template
from tests.support.clocks import HeldClock
from tests.support.stores import compared

KEY = bytes(range(32))
MODEL, NEW_MODEL = b"model-01", b"model-02"
YEAR = timedelta(days=365)
MILLISECOND = timedelta(milliseconds=1)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def store(tmp_path: Path, clock: HeldClock) -> Iterator[Store]:
    with Store.create(tmp_path / "edge-gate.db", KEY, clock) as opened:
        yield opened


def agree(store: Store, resident: Resident, lasting: timedelta = YEAR) -> consent.Consent:
    until = store.now() + lasting
    return consent.record(store, resident.id, purpose="entry", given_by=resident.name, until=until, operator="uid 1000")


def template(resident: Resident, model_id: bytes = MODEL, seed: int = 1) -> Template:
    return Template(resident.id, model_id, 5, np.random.default_rng(seed).bytes(256), 128)


# --- residents ---------------------------------------------------------------------------------------------------


def test_a_resident_is_found_by_name_and_by_identifier_also_after_a_restart(store: Store, clock: HeldClock) -> None:
    ada = residents.add(store, "  Ada Lovelace ")
    assert ada.name == "Ada Lovelace"
    assert ada.created_at == clock.now()
    store.close()
    with Store.open(store.path, KEY, clock) as again:
        assert residents.find(again, "Ada Lovelace") == residents.find(again, ada.id) == ada


def test_a_name_is_given_once(store: Store) -> None:
    residents.add(store, "Zoë")
    for name in ("Zoë", "Zoe\u0308", " Zoë "):
        with pytest.raises(NameTaken):
            residents.add(store, name)
    with pytest.raises(NameAlike):
        residents.refuse_alike(store, "zoë")


def test_an_identifier_goes_before_a_name_that_imitates_it(store: Store) -> None:
    ada = residents.add(store, "Ada")
    residents.add(store, ada.id)
    assert residents.find(store, ada.id) == ada


@pytest.mark.parametrize("wanted", ["", "Bob", "ada", "a\0b", "\udc80", "' OR 1=1 --"])
def test_who_is_not_enrolled_is_unknown(store: Store, wanted: str) -> None:
    residents.add(store, "Ada")
    with pytest.raises(ResidentUnknown):
        residents.find(store, wanted)
    with pytest.raises(ResidentUnknown):
        residents.forget(store, wanted)


@given(name=st.text(max_size=110))
@example("O'Brien; DROP TABLE resident; --")
@example("王小明")
@example("فا\u200cطمه")  # a joiner that the name needs
@example("x\0y")
@example("x\x1b[2J")
@example("x\u202egpj")
@example("\ud800")
@example("e\u0301" * 100)
@example("\u200d")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_name_is_kept_exactly_or_refused(store: Store, name: str) -> None:
    with store.transaction():
        try:
            resident = residents.add(store, name)
        except EnrolmentFailed:
            return  # tests/unit/test_naming.py says which, and that nobody's name is among them
        assert resident.name == normal(name)
        assert residents.find(store, name) == residents.find(store, resident.id) == resident
        for table in ("voucher", "audit_subject", "resident"):
            store.run(f"DELETE FROM {table}")


@pytest.mark.parametrize("name", ["Ada\nBob", "Ada\u202ebob", "Ada\x07", "Ada\u2028Bob"])
def test_a_name_that_would_garble_or_forge_a_line_on_a_screen_is_refused(store: Store, name: str) -> None:
    with pytest.raises(EnrolmentFailed, match=r"U\+"):
        residents.add(store, name)


def test_the_list_says_what_each_consent_amounts_to_and_who_can_be_compared(store: Store, clock: HeldClock) -> None:
    names = ("expired", "missing", "renewed", "valid", "withdrawn")
    people = {name: residents.add(store, name) for name in names}
    for name in ("expired", "renewed", "withdrawn"):
        agree(store, people[name], timedelta(days=1))
        templates.put(store, template(people[name]))
    agree(store, people["valid"])
    templates.put(store, template(people["valid"], NEW_MODEL))
    longest = agree(store, people["renewed"])
    consent.withdraw(store, people["withdrawn"].id)
    clock.moment += timedelta(days=2)
    listed = residents.everyone(store, MODEL, clock.now())
    assert [(each.resident.name, each.consent, each.has_template) for each in listed] == [
        ("expired", State.EXPIRED, True),
        ("missing", State.MISSING, False),
        ("renewed", State.VALID, True),
        ("valid", State.VALID, False),
        ("withdrawn", State.WITHDRAWN, False),
    ]
    assert {each.resident.name: each.until for each in listed}["renewed"] == longest.until


# --- consent -----------------------------------------------------------------------------------------------------


def test_a_consent_holds_until_the_moment_it_names(store: Store, clock: HeldClock) -> None:
    ada = residents.add(store, "Ada")
    assert consent.valid(store, ada.id, clock.now()) is None
    given_now = agree(store, ada)
    assert given_now.given_at == clock.now()
    assert consent.valid(store, ada.id, clock.now()) == given_now
    assert consent.valid(store, ada.id, given_now.until - MILLISECOND) == given_now
    assert consent.valid(store, ada.id, given_now.until) is None


def test_a_moment_in_another_time_zone_means_the_same_moment(store: Store) -> None:
    ada = residents.add(store, "Ada")
    agreed = agree(store, ada)
    east = timezone(timedelta(hours=14))
    assert consent.valid(store, ada.id, (agreed.until - MILLISECOND).astimezone(east)) == agreed
    assert consent.valid(store, ada.id, agreed.until.astimezone(east)) is None


def test_one_of_several_consents_is_enough_and_the_longest_speaks(store: Store, clock: HeldClock) -> None:
    ada = residents.add(store, "Ada")
    long = agree(store, ada, 2 * YEAR)
    agree(store, ada, YEAR)
    assert consent.valid(store, ada.id, clock.now()) == long


def test_a_withdrawn_consent_ends_at_once_and_takes_the_template_with_it(store: Store, clock: HeldClock) -> None:
    ada, bob = residents.add(store, "Ada"), residents.add(store, "Bob")
    for each in (ada, bob):
        agree(store, each)
        templates.put(store, template(each))
    withdrawn = consent.withdraw(store, ada.id)
    assert (withdrawn.figures, withdrawn.traces_left) == ({"consents": 1, "templates": 1}, False)
    assert consent.valid(store, ada.id, clock.now()) is None
    assert [each.resident_id for each in compared(store, MODEL, clock.now())] == [bob.id]
    assert residents.find(store, "Ada") == ada
    assert consent.withdraw(store, ada.id).figures["consents"] == 0


def test_a_consent_for_nobody_or_for_the_past_is_not_recorded(store: Store, clock: HeldClock) -> None:
    ada = residents.add(store, "Ada")
    with pytest.raises(EnrolmentFailed, match="ended already"):
        agree(store, ada, timedelta())
    with pytest.raises(ResidentUnknown):
        agree(store, Resident("0" * 36, "Nobody", clock.now()))


def test_a_text_that_is_not_unicode_is_refused_as_such(store: Store, clock: HeldClock) -> None:
    ada = residents.add(store, "Ada")
    with pytest.raises(StoreError, match="not Unicode"):
        consent.record(store, ada.id, purpose="\udc80", given_by="Ada", until=clock.now() + YEAR, operator="op")


# --- templates ---------------------------------------------------------------------------------------------------


def test_no_template_is_stored_without_a_valid_consent(store: Store, clock: HeldClock) -> None:
    ada = residents.add(store, "Ada")
    with pytest.raises(ConsentMissing, match="Ada"):
        templates.put(store, template(ada))
    agreed = agree(store, ada)
    clock.moment = agreed.until
    with pytest.raises(ConsentMissing):
        templates.put(store, template(ada))
    assert store.rows("SELECT * FROM template") == []


def test_a_refused_template_undoes_the_enrolment_around_it(store: Store) -> None:
    with pytest.raises(ConsentMissing), store.transaction():
        templates.put(store, template(residents.add(store, "Ada")))
    with pytest.raises(ResidentUnknown):
        residents.find(store, "Ada")


def test_the_gallery_holds_only_templates_of_the_model_whose_consent_is_valid_then(
    store: Store, clock: HeldClock
) -> None:
    for name, lasting in (("Ada", YEAR), ("Bob", 2 * YEAR), ("Eve", YEAR)):
        person = residents.add(store, name)
        agree(store, person, lasting)
        templates.put(store, template(person, NEW_MODEL if name == "Eve" else MODEL))

    def names(at: datetime) -> list[str]:
        return [residents.find(store, each.resident_id).name for each in compared(store, MODEL, at)]

    assert names(clock.now()) == ["Ada", "Bob"]
    assert names(clock.now() + YEAR) == ["Bob"]
    assert names(clock.now() + 2 * YEAR) == []
    consent.withdraw(store, residents.find(store, "Bob").id)
    assert names(clock.now()) == ["Ada"]


def test_a_new_template_takes_the_place_of_the_old_one_for_its_model_only(store: Store, clock: HeldClock) -> None:
    ada = residents.add(store, "Ada")
    agree(store, ada)
    for each in (template(ada, seed=1), template(ada, NEW_MODEL, seed=2), template(ada, seed=3)):
        templates.put(store, each)
    (kept,) = compared(store, MODEL, clock.now())
    assert replace(kept, seal=b"") == template(ada, seed=3)
    assert len(compared(store, NEW_MODEL, clock.now())) == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"code": b""},
        {"code": bytes(255)},
        {"dimensions": 0},
        {"dimensions": 257},
        {"pictures": 0},
        {"model_id": b"short"},
    ],
)
def test_what_is_no_template_is_not_stored(store: Store, broken: dict[str, object]) -> None:
    ada = residents.add(store, "Ada")
    agree(store, ada)
    fields = (
        {"resident_id": ada.id, "model_id": MODEL, "pictures": 3} | {"code": bytes(256), "dimensions": 128} | broken
    )
    with pytest.raises(EnrolmentFailed):
        templates.put(store, Template(**fields))  # type: ignore[arg-type]
    assert store.rows("SELECT * FROM template") == []


def test_a_template_of_nobody_is_refused(store: Store, clock: HeldClock) -> None:
    with pytest.raises(ResidentUnknown):
        templates.put(store, template(Resident("0" * 36, "Nobody", clock.now())))
