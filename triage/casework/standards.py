"""Ready-made figures: the default targets and the limits of some regulators. `config/` starts from them.

Sources: FCA Handbook DISP 1.5 and 1.6 (https://handbook.fca.org.uk/handbook/DISP/1), CFPB company portal (15 and 60
calendar days), GDPR articles 12 and 33 (https://eur-lex.europa.eu/eli/reg/2016/679/oj). A pack is help, not advice.
"""

from __future__ import annotations

from triage.casework.policy import Limit, Policy, Span, Targets
from triage.words import Urgency

#: first human answer, update and final answer per urgency; critical answers and updates run day and night
TARGETS: dict[Urgency, Targets] = {
    Urgency.CRITICAL: Targets(Span(1, "clock_h"), Span(4, "clock_h"), None, Span(1, "bd")),
    Urgency.URGENT: Targets(Span(4, "h"), Span(1, "bd"), None, Span(2, "bd")),
    Urgency.NORMAL: Targets(Span(1, "bd"), Span(3, "bd"), None, Span(5, "bd")),
    Urgency.LOW: Targets(Span(2, "bd"), Span(5, "bd"), None, Span(10, "bd")),
}


def default_policy(name: str = "default", calendar: str = "default") -> Policy:
    """The policy of `triage init`."""
    return Policy(name, calendar, TARGETS)


_FINAL = frozenset({"final", "closed"})
_HOLDING_DOES = frozenset({"holding", "final", "closed"})

#: the ready packs, by name; a pack is a list of limits that apply together
PACKS: dict[str, tuple[Limit, ...]] = {
    "uk_disp": (
        Limit("disp_summary", Span(3, "business_days"), frozenset({"closed"}), lapses=True, source="DISP 1.5"),
        Limit("disp_final", Span(8, "weeks"), _FINAL, (Span(4, "weeks"), Span(7, "weeks")), source="DISP 1.6"),
    ),
    "uk_psd": (
        Limit("disp_summary", Span(3, "business_days"), frozenset({"closed"}), lapses=True, source="DISP 1.5"),
        Limit("psd_15", Span(15, "business_days"), _HOLDING_DOES, source="DISP 1.6"),
        Limit("psd_35", Span(35, "business_days"), _FINAL, only_after_holding=True, source="DISP 1.6"),
    ),
    "us_cfpb": (
        Limit("cfpb_15", Span(15, "days"), frozenset({"answer", "holding", "final", "closed"}), source="CFPB portal"),
        Limit("cfpb_60", Span(60, "days"), _FINAL, source="CFPB portal"),
    ),
    "eu_data_rights": (Limit("data_rights_28", Span(28, "days"), _FINAL, source="GDPR art. 12(3), one month"),),
    "eu_breach": (Limit("breach_72h", Span(72, "clock_h"), frozenset(), source="GDPR art. 33, on notification"),),
}
