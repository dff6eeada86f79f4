"""The onboarding checklist: what ticks itself, what people tick, and where a client stands."""

from collections import Counter
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from cortex.handoff.checklist import BY_ID, EVIDENCE, ITEMS, WEEKS, Note, deadline, state, summary, week

ANA = Note(done_by="ana", done_on=date(2026, 11, 20))


def test_the_four_weeks_hold_what_the_feature_table_names():
    assert Counter(item.week for item in ITEMS) == {0: 4, 1: 4, 2: 5, 3: 5, 4: 5, 5: 3}
    assert len(BY_ID) == len(ITEMS)
    languages = ("pt-BR", "en", "es")
    assert all(item.title(language) for item in ITEMS for language in languages)
    assert all(len({item.title(language) for language in languages}) > 1 for item in ITEMS)
    assert all(words.told(language) for words in WEEKS for language in languages)
    assert {item.evidence for item in ITEMS if item.evidence} == set(EVIDENCE)
    assert all(item.evidence and not item.by_hand for item in ITEMS if item.week == 3)


def test_a_new_client_stands_before_the_start():
    assert summary(state({}, {})) == "0/23 done, before the start"
    assert summary(state({}, {}), "pt-BR") == "0/23 feitos, antes do início"


def test_onboarding_ticks_what_it_can_prove():
    evidence = {"credentials.ok": "doctor", "db.provisioned": "run 01JD7Q", "views.ok": "14 views", "capi.ok": "doctor"}
    ticks = dict.fromkeys(("contract", "store_access", "ads_access", "ga4_access", "kick_off"), ANA)
    states = state(evidence, ticks)
    assert summary(states) == "9/23 done, week 1"
    found = {each.item.id: each for each in states}
    assert (found["database"].automatic, found["database"].why) == (True, "run 01JD7Q")
    assert (found["contract"].automatic, found["contract"].why) == (False, "ana 2026-11-20")


def test_a_person_cannot_tick_what_only_a_run_can_prove():
    states = {each.item.id: each for each in state({}, {"backfill": ANA, "gtm_audit": ANA, "nothing": ANA})}
    assert not states["backfill"].done
    assert states["gtm_audit"].done


def test_evidence_beats_a_tick():
    (kpis,) = [each for each in state({"config.kpis": "3 KPIs"}, {"kpis": ANA}) if each.item.id == "kpis"]
    assert (kpis.why, kpis.automatic) == ("3 KPIs", True)


def test_after_delivery_is_counted_apart():
    evidence = {name: "seen" for name in EVIDENCE if name != "streak.7"}
    ticks = {item.id: ANA for item in ITEMS if item.week <= 4}
    assert summary(state(evidence, ticks)) == "0/3 done, after delivery"
    ticks |= {item.id: ANA for item in ITEMS}
    assert summary(state(evidence | {"streak.7": "7 runs"}, ticks), "pt-BR") == "3/3 feitos, concluído"


@given(st.sets(st.sampled_from(sorted(EVIDENCE))), st.sets(st.sampled_from(sorted(BY_ID))))
def test_more_proof_never_undoes_anything(names, ticked):
    little = state({}, dict.fromkeys(ticked, ANA))
    much = state(dict.fromkeys(names, "run"), dict.fromkeys(ticked, ANA))
    assert all(after.done for before, after in zip(little, much, strict=True) if before.done)
    assert week(much) >= week(little)


def test_an_owner_is_no_tick_and_weeks_end_from_the_kick_off_on():
    (training,) = [
        each
        for each in state({}, {"training": Note(owner="bia", due_on=date(2026, 12, 1))})
        if each.item.id == "training"
    ]
    assert (training.done, training.note.owner) == (False, "bia")
    start = date(2026, 11, 2)
    assert [deadline(number, start) for number in range(6)] == [
        None, date(2026, 11, 9), date(2026, 11, 16), date(2026, 11, 23), date(2026, 11, 30), date(2026, 12, 7),
    ]  # fmt: skip
    assert deadline(2, None) is None
