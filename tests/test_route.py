"""Routing: the first rule in the written order wins, every decision says why, and nobody is never the owner."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.judge import route
from triage.judge.outcome import Action, Outcome
from triage.judge.reach import uncovered, unreachable
from triage.judge.route import Assignee, Example, Facts, Inform, Load, Pick, PolicyLine, Rule, Ruleset, condition
from triage.words import COMPLAINT_TYPES, FLAGS, Disposition, Urgency

MONDAY = datetime(2026, 11, 23, 10, tzinfo=UTC)


def person(key: str, **more: object) -> route.Person:
    return route.Person(key, f"{key.title()} Berg{key}", f"{key}@desk.example", **more)  # type: ignore[arg-type]


def roster(**people: route.Person) -> route.Roster:
    everybody = {key: person(key) for key in ("ann", "ben", "cas", "lea", "max")} | people
    return route.Roster(
        people=everybody,
        pools={"billing": route.Pool("billing", ("ann", "ben", "cas"), Pick.LEAST_OPEN, "lead")},
        roles={"fallback": ("max",), "lead": ("lea",), "manager": ("max",)},
        zone="Europe/London",
    )


def rule(name: str, owner: str = "billing", *, pick: Pick | None = None, match: str = "", **when: object) -> Rule:
    conditions = tuple(
        condition(key, [value] if isinstance(value, str) else value)  # type: ignore[arg-type]
        for key, value in when.items()
    )
    return Rule(name, Assignee(owner, pick, frozenset(match.split())), conditions)


LAST = rule("otherwise", "fallback")
AWAY = (route.Absence(date(2026, 11, 23), date(2026, 11, 27)),)


def decide(rules: list[Rule], facts: Facts, team: route.Roster | None = None, load: Load | None = None) -> route.Route:
    return route.decide(Ruleset((*rules, LAST)), facts, team or roster(), load or Load(), MONDAY)


# -- the list --------------------------------------------------------------------------------------------------------


def test_of_two_rules_that_match_the_first_in_the_written_order_wins() -> None:
    rules = [rule("money", "ann", type="billing"), rule("german", "ben", language="de")]
    facts = Facts(complaint_type="billing", language="de")
    assert decide(rules, facts).rule == "money"
    assert decide(rules[::-1], facts).rule == "german"
    assert decide(rules, facts).hits == ("money", "german", "otherwise")


def test_every_rule_that_does_not_match_says_which_condition_failed() -> None:
    rules = [
        rule("money", "ann", type="billing"),
        rule("soon", "ben", flag=["legal_threat"], urgency=["urgent"]),
        rule("unsure", "cas", confidence_below=0.6),
    ]
    found = decide(rules, Facts(complaint_type="delivery", flags=frozenset({"fraud"}), confidence=0.91))
    assert found.rule == "otherwise" and found.owner == "max"
    assert [(m.rule, m.why) for m in found.misses] == [
        ("money", "type is delivery, not billing"),
        ("soon", "flag is fraud, not legal_threat"),
        ("unsure", "confidence is 0.91, not below 0.6"),
    ]


@pytest.mark.parametrize(
    ("when", "facts", "matches"),
    [
        ({"type": "billing"}, Facts("billing"), True),
        ({"type": "billing"}, Facts(None), False),
        ({"type": "none"}, Facts(None), True),
        ({"any_type": "handling"}, Facts("billing", ("handling",)), True),
        ({"type": "handling"}, Facts("billing", ("handling",)), False),
        ({"flag": ["fraud", "regulator"]}, Facts(flags=frozenset({"regulator"})), True),
        ({"urgency": ["critical", "urgent"]}, Facts(urgency=Urgency.URGENT), True),
        ({"urgency": ["critical", "urgent"]}, Facts(urgency=Urgency.LOW), False),
        ({"disposition": "data_rights_request"}, Facts(disposition=Disposition.DATA_RIGHTS_REQUEST), True),
        ({"customer": "example.com"}, Facts(customer="Ann@Shop.EXAMPLE.com"), True),  # a sub-domain
        ({"customer": "example.com"}, Facts(customer="ann@notexample.com"), False),  # only looks like one
        ({"customer": "ann@example.com"}, Facts(customer="ann@example.com"), True),
        ({"customer": "ann@example.com"}, Facts(customer="joann@example.com"), False),
        ({"words": "gift card"}, Facts(words=route.flatten("My GIFT-card, please")), True),
        ({"words": "gift card"}, Facts(words=route.flatten("a gift; cards")), False),
        ({"confidence_below": 0.6}, Facts(confidence=0.59), True),
        ({"confidence_below": 0.6}, Facts(confidence=0.6), False),
        ({"confidence_below": 0.6}, Facts(confidence=None), False),  # no model spoke: nothing is doubtful
        ({"customer_has_open_case": False}, Facts(), True),
        ({"names_staff": True}, Facts(named_staff=frozenset({"ann"})), True),
    ],
)
def test_conditions(when: dict[str, object], facts: Facts, matches: bool) -> None:
    assert (rule("asked", "ann", **when).miss(facts) is None) is matches


def test_unless_leaves_cases_out() -> None:
    with_flag = Rule(
        "money", Assignee("ann"), (condition("type", ["billing"]),), unless=(condition("flag", ["fraud"]),)
    )
    assert decide([with_flag], Facts("billing")).owner == "ann"
    found = decide([with_flag], Facts("billing", flags=frozenset({"fraud"})))
    assert (found.owner, found.misses[0].why) == ("max", "flag is fraud, which the rule leaves out")


def test_a_condition_of_the_wrong_sort_is_refused() -> None:
    for key, value in (("type", True), ("confidence_below", "high"), ("names_staff", "ann"), ("words", 3)):
        with pytest.raises(TypeError):
            condition(key, value)
    with pytest.raises(KeyError):
        condition("colour", ["red"])


# -- picking from a pool ---------------------------------------------------------------------------------------------


def test_least_open_picks_who_has_the_fewest_open_cases_then_who_waited_longest() -> None:
    load = Load({"ann": 3, "ben": 2, "cas": 2}, {"ben": MONDAY, "cas": MONDAY - timedelta(hours=1)})
    assert decide([rule("money", type="billing")], Facts("billing"), load=load).owner == "cas"


def test_round_robin_over_ten_cases_and_three_people_gives_four_three_three_also_over_restarts() -> None:
    team, load, got = roster(), Load(), []
    for _ in range(10):
        # A restart keeps nothing but what the register holds; all ten come within one instant.
        load = Load(dict(load.open_cases), dict(load.last_assigned))
        chosen = decide([rule("money", pick=Pick.ROUND_ROBIN, type="billing")], Facts("billing"), team, load).owner
        load = load.after(chosen, MONDAY)
        got.append(chosen)
    assert got == ["ann", "ben", "cas"] * 3 + ["ann"]


def test_round_robin_is_by_time_and_not_by_how_many_are_open() -> None:
    load = Load({"ann": 0, "ben": 9, "cas": 9}, {"ann": MONDAY, "ben": MONDAY - timedelta(1), "cas": MONDAY})
    assert decide([rule("money", pick=Pick.ROUND_ROBIN, type="billing")], Facts("billing"), load=load).owner == "ben"


def test_language_narrows_the_pool_only_where_somebody_speaks_it() -> None:
    team = roster(cas=person("cas", languages=frozenset({"de"})))
    by_language = [rule("money", match="language", type="billing")]
    load = Load({"cas": 20})
    assert decide(by_language, Facts("billing", language="de"), team, load).owner == "cas"
    assert decide(by_language, Facts("billing", language="und"), team, load).owner == "ann"
    found = decide(by_language, Facts("billing", language="tr"), team, load)
    assert (found.owner, found.notes) == ("ann", ("nobody of billing who is there speaks tr",))


def test_skill_prefers_who_knows_the_type() -> None:
    team = roster(ben=person("ben", skills=frozenset({"billing"})))
    assert (
        decide([rule("money", match="skill", type="billing")], Facts("billing"), team, Load({"ben": 9})).owner == "ben"
    )


def test_who_is_at_capacity_is_passed_over_and_the_notes_say_so() -> None:
    team = roster(ann=person("ann", capacity=5))
    found = decide([rule("money", pick=Pick.IN_ORDER, type="billing")], Facts("billing"), team, Load({"ann": 5}))
    assert (found.owner, found.notes, found.alert) == ("ben", ("ann is at capacity (5 open cases)",), False)


def test_a_pool_wholly_at_capacity_hands_over_to_its_owner_and_alerts() -> None:
    team = roster(**{key: person(key, capacity=1) for key in ("ann", "ben", "cas")})
    found = decide([rule("money", type="billing")], Facts("billing"), team, Load({"ann": 1, "ben": 1, "cas": 2}))
    assert (found.owner, found.pool, found.alert) == ("lea", "billing", True)
    assert found.notes == ("everybody of billing is at capacity; lea has it",)


# -- absence ---------------------------------------------------------------------------------------------------------


def test_of_an_owner_away_and_a_delegate_away_the_delegates_delegate_gets_it() -> None:
    team = roster(ann=person("ann", absences=AWAY, delegate="ben"), ben=person("ben", absences=AWAY, delegate="cas"))
    found = decide([rule("one", "ann", type="billing")], Facts("billing"), team)
    assert (found.owner, found.notes) == ("cas", ("ann is away; cas stands in",))


def test_delegates_that_go_round_in_a_circle_end_with_the_lead() -> None:
    team = roster(ann=person("ann", absences=AWAY, delegate="ben"), ben=person("ben", absences=AWAY, delegate="ann"))
    assert decide([rule("one", "ann", type="billing")], Facts("billing"), team).owner == "lea"


def test_absence_counts_by_the_days_of_the_rosters_zone() -> None:
    team = replace(roster(ann=person("ann", absences=AWAY)), zone="Asia/Tokyo")
    sunday_in_london_monday_in_tokyo = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)  # 00:00 on the 23rd in Tokyo
    assert not team.here("ann", sunday_in_london_monday_in_tokyo)
    assert team.here("ann", sunday_in_london_monday_in_tokyo - timedelta(seconds=1))


def test_a_pool_that_is_away_goes_to_a_members_delegate_before_its_owner() -> None:
    away = {key: person(key, absences=AWAY) for key in ("ann", "ben")}
    team = roster(**away, cas=person("cas", absences=AWAY, delegate="max"))
    found = decide([rule("money", type="billing")], Facts("billing"), team)
    assert (found.owner, found.alert) == ("max", True)


def test_with_everybody_away_the_case_still_has_one_owner() -> None:
    team = roster(**{key: person(key, absences=AWAY) for key in ("ann", "ben", "cas", "lea", "max")})
    found = decide([rule("one", "ann", type="billing")], Facts("billing"), team)
    assert (found.owner, found.notes) == ("ann", ("nobody is there; it waits with ann",))


def test_a_notice_for_somebody_away_reaches_the_delegate_and_the_lead() -> None:
    team = roster(ann=person("ann", absences=AWAY, delegate="ben"))
    assert team.reached("ann", MONDAY) == ("ben", "lea")
    assert team.reached("lead", MONDAY) == ("lea",)
    assert team.emails(("ann", "lead"), MONDAY) == ("ben@desk.example", "lea@desk.example")


def test_the_on_call_week_changes_at_the_handover_hour_of_the_zone_and_swaps_count() -> None:
    rota = route.Rota(
        ("ann", "ben"), date(2026, 11, 2), time(9), (route.Swap(date(2026, 11, 11), date(2026, 11, 12), "cas"),)
    )
    team = replace(roster(), roles={"fallback": ("max",), "lead": ("lea",), "oncall": ("lea",)}, rota=rota)
    # 2 Nov is a Monday. Ann has it until Mon 9 Nov 09:00, then Ben; Cas on the 11th and 12th; Ann again from the 16th.
    for day, hour, minute, who in (
        (2, 9, 0, "ann"), (9, 8, 59, "ann"), (9, 9, 0, "ben"), (11, 8, 59, "ben"), (11, 9, 0, "cas"),
        (13, 8, 59, "cas"), (13, 9, 0, "ben"), (16, 9, 0, "ann"),
    ):  # fmt: skip
        assert team.find("oncall", datetime(2026, 11, day, hour, minute, tzinfo=UTC)) == who, (day, hour)


# -- who may never have it -------------------------------------------------------------------------------------------


def test_a_case_never_goes_to_somebody_it_names_and_they_are_not_informed() -> None:
    told = replace(rule("money", type="billing"), inform=("ann", "lea"))
    found = decide([told], Facts("billing", named_staff=frozenset({"ann"})))
    assert (found.owner, found.inform) == ("ben", ("lea",))
    assert found.notes == ("ann is named in the mail and was not informed",)


def test_a_complaint_about_the_lead_goes_past_the_lead() -> None:
    found = decide([rule("conduct", "lead", type="staff_conduct")],
                   Facts("staff_conduct", named_staff=frozenset({"lea"})))  # fmt: skip
    assert (found.owner, found.notes) == ("max", ("lea may not have this case; max stands in",))


def test_a_badly_handled_case_never_goes_back_to_who_had_it() -> None:
    handling = replace(rule("handling", type="handling"), never_owner=frozenset({"previous_owner"}))
    assert decide([handling], Facts("handling", previous_owner="ann")).owner == "ben"
    assert decide([handling], Facts("billing", previous_owner="ann")).rule == "otherwise"


def test_a_mail_that_names_everybody_still_gets_an_owner_and_an_alert() -> None:
    found = decide([rule("money", type="billing")], Facts("billing", named_staff=frozenset(roster().people)))
    assert found.owner in roster().people and found.alert


def test_same_owner_keeps_the_customer_with_one_person_unless_that_person_has_left() -> None:
    same = [rule("same", "same_owner", customer_has_open_case=True)]
    assert decide(same, Facts(customer_open_owner="cas")).owner == "cas"
    gone = decide(same, Facts(customer_open_owner="zoe"))
    assert (gone.owner, gone.misses[0].why) == ("max", "zoe, who had the customer's open case, is no longer there")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Ann Bergann was very rude to me", {"ann"}),
        ("Mr Bergben hung up.", {"ben"}),
        ("your colleague Cas told me", {"cas"}),
        ("I spoke to Ben yesterday", {"ben"}),
        ("Lea from billing promised", {"lea"}),
        ("write to ann@desk.example again?", {"ann"}),
        ("Dear Ann Bergann,\nthe kettle leaks", set()),  # a greeting is no complaint about her
        ("my daughter Ann is seven", set()),  # a first name alone
        ("Annabel Bergannette", set()),  # whole words only
        ("", set()),
    ],
)
def test_who_a_mail_names(text: str, named: set[str]) -> None:
    assert route.named_staff(text, roster()) == named


# -- what else a route says ------------------------------------------------------------------------------------------


def test_self_harm_is_restricted_and_never_acknowledged_whichever_rule_wins() -> None:
    found = decide([rule("safety", "lead", flag="safety_injury")],
                   Facts(flags=frozenset({"safety_injury", "self_harm"})))  # fmt: skip
    assert (found.rule, found.restrict_text, found.acknowledge) == ("safety", True, False)
    assert decide([], Facts()).acknowledge


def test_people_informed_add_up_over_all_lines_that_hold_without_the_owner() -> None:
    lines = (
        Inform("legal", (condition("flag", ["legal_threat"]),), ("max", "lead")),
        Inform("press", (condition("flag", ["press_social"]),), ("ann",)),
    )
    ruleset = Ruleset((LAST,), inform=lines)
    facts = Facts(flags=frozenset({"legal_threat"}))
    assert route.decide(ruleset, facts, roster(), Load(), MONDAY).inform == ("lea",)  # max owns it, press is not meant


def test_the_policy_is_the_rules_own_else_the_first_line_that_holds_else_the_default() -> None:
    lines = (PolicyLine("trade", (condition("customer", ["trade.example"]),), "fast"),)
    own = replace(rule("money", type="billing"), policy="money")
    ruleset = Ruleset((own, LAST), policies=lines)
    for facts, policy in (
        (Facts("billing", customer="a@trade.example"), "money"),
        (Facts("delivery", customer="a@trade.example"), "fast"),
        (Facts("delivery", customer="a@else.example"), "standard"),
    ):
        assert route.decide(ruleset, facts, roster(), Load(), MONDAY).policy == policy


def test_statutory_limits_run_for_every_flag_whoever_owns_the_case() -> None:
    limits = (
        route.StatutoryLine("breach_72h", (condition("flag", ["data_breach"]),)),
        route.StatutoryLine("data_rights", (condition("flag", ["data_rights_request"]),)),
    )
    facts = Facts(flags=frozenset({"data_breach", "data_rights_request", "self_harm"}))
    found = route.decide(Ruleset((LAST,), statutory=limits), facts, roster(), Load(), MONDAY)
    assert found.statutory == ("breach_72h", "data_rights")


facts_of_any_sort = st.builds(
    Facts,
    complaint_type=st.sampled_from([None, *COMPLAINT_TYPES]),
    urgency=st.sampled_from(Urgency),
    flags=st.frozensets(st.sampled_from(FLAGS), max_size=3),
    language=st.sampled_from(["en", "de", "und"]),
    confidence=st.one_of(st.none(), st.floats(0, 1)),
    customer_open_owner=st.sampled_from([None, "ann", "zoe"]),
    previous_owner=st.sampled_from([None, "lea"]),
    named_staff=st.frozensets(st.sampled_from(["ann", "ben", "cas", "lea", "max"])),
)
teams = st.builds(
    lambda away, delegates: roster(
        **{
            key: person(key, absences=AWAY if key in away else (), delegate=delegates.get(key), capacity=1)
            for key in ("ann", "ben", "cas", "lea", "max")
        }
    ),
    st.frozensets(st.sampled_from(["ann", "ben", "cas", "lea", "max"])),
    st.dictionaries(st.sampled_from(["ann", "ben", "cas"]), st.sampled_from(["ann", "ben", "cas", "max"])),
)
RULES = [
    rule("same", "same_owner", customer_has_open_case=True),
    rule("unsure", "lead", confidence_below=0.5),
    rule("money", match="language skill", type=["billing", "delivery"]),
    rule("soon", "ann", urgency=["critical"]),
]


@settings(max_examples=300, deadline=None)
@given(facts_of_any_sort, teams, st.dictionaries(st.sampled_from(["ann", "ben", "cas"]), st.integers(0, 2)))
def test_there_is_always_one_owner_who_is_there_and_allowed_if_anybody_in_line_is(
    facts: Facts, team: route.Roster, busy: dict[str, int]
) -> None:
    found = decide(RULES, facts, team, Load(busy))
    assert found.owner in team.people
    assert found == decide(RULES, facts, team, Load(busy))
    upwards = [key for key in ("lea", "max") if key not in facts.named_staff and team.here(key, MONDAY)]
    if upwards:  # the lead or the manager could always take it, so nobody away or named may have it
        assert found.owner not in facts.named_staff and team.here(found.owner, MONDAY)


# -- what the check finds --------------------------------------------------------------------------------------------

DOMAINS = {"type": (*COMPLAINT_TYPES, "none"), "mailbox": ("info", "shop")}


@pytest.mark.parametrize(
    ("rules", "lost"),
    [
        ([rule("a", type=["billing", "delivery"]), rule("b", type="billing")], {"b": "a"}),
        ([rule("a", type="billing"), rule("b", type=["billing", "delivery"])], {}),
        ([rule("a", type="billing"), rule("b", type="billing", flag="fraud")], {"b": "a"}),
        ([rule("a", type="billing", flag="fraud"), rule("b", type="billing")], {}),
        # no single rule covers it, the two together do
        ([rule("a", type="billing"), rule("b", type="delivery"), rule("c", type=["billing", "delivery"])],
         {"c": "a and b"}),
        ([rule("a", urgency=["critical", "urgent"]), rule("b", urgency=["normal", "low"]), rule("c", type="billing")],
         {"c": "a and b"}),
        ([rule("a", names_staff=True), rule("b", names_staff=False), rule("c", flag="fraud")], {"c": "a and b"}),
        ([rule("a", mailbox="info"), rule("b", mailbox="shop"), rule("c", type="billing")], {"c": "a and b"}),
        ([rule("a", confidence_below=0.6), rule("b", confidence_below=0.5)], {"b": "a"}),
        ([rule("a", confidence_below=0.5), rule("b", confidence_below=0.6)], {}),
        ([rule("a", customer="example.com"), rule("b", customer="ann@shop.example.com")], {"b": "a"}),
        ([rule("a", words="gift"), rule("b", words="gift card")], {"b": "a"}),
        ([rule("a", flag="fraud"), rule("b", flag=["fraud", "regulator"])], {}),
        ([LAST, rule("b", type="billing")], {"b": "otherwise"}),
        # same_owner takes a case only if that person is still there
        ([rule("a", "same_owner", customer_has_open_case=True), rule("b", customer_has_open_case=True)], {}),
    ],
)  # fmt: skip
def test_unreachable_rules_are_found_with_what_takes_their_cases(rules: list[Rule], lost: dict[str, str]) -> None:
    assert unreachable(rules, DOMAINS) == lost


def test_a_type_is_covered_by_a_rule_that_asks_for_nothing_else_or_by_name_in_the_fallback() -> None:
    rules = [rule("a", type="billing"), rule("b", type="delivery", language="de"),
             replace(LAST, covers=frozenset({"handling"}))]  # fmt: skip
    assert uncovered(rules, ["billing", "delivery", "handling", "refund_return"]) == ("delivery", "refund_return")


def test_an_example_that_comes_out_otherwise_is_told_with_the_reason() -> None:
    wanted = Example(Facts("billing", urgency=Urgency.LOW), "soon", "ben")
    rules = (
        rule("money", "ann", type="billing"),
        replace(rule("soon", "ben", urgency=["critical"]), examples=(wanted,)),
    )
    ((example, why),) = route.try_examples(Ruleset((*rules, LAST)), roster(), MONDAY)
    assert example is wanted
    assert why == "goes by the rule money, not soon: urgency is low, not critical"


def test_a_dated_duty_opens_a_case_whatever_the_table_says() -> None:
    notice = Outcome(Action.FILE)
    assert notice.settle(belongs=False) is Action.FILE
    assert notice.settle(belongs=False, flags=frozenset({"chargeback"})) is Action.CASE
    assert notice.settle(belongs=True, flags=frozenset({"regulator"})) is Action.ATTACH
    follow_up = Outcome(Action.ATTACH, otherwise=Action.CASE)
    assert (follow_up.settle(belongs=True), follow_up.settle(belongs=False)) == (Action.ATTACH, Action.CASE)
