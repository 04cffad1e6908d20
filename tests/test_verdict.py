"""The verdict: what screening, cues and model make of a mail together, with every doubt named.

The model here is a fake whose probabilities the tests set; what it stands for is in `triage.judge.classify`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from triage.casework.hours import BusinessCalendar
from triage.judge import cues, verdict
from triage.judge.classify import Prediction
from triage.judge.verdict import History, Thresholds, Verdict
from triage.mail import body as mail_body
from triage.mail import message as mail_message
from triage.words import COMPLAINT_TYPES, Disposition, Urgency

RECEIVED = datetime(2026, 6, 10, 9, 0, tzinfo=UTC)  # a Wednesday
OFFICE = BusinessCalendar("office", "Europe/London", (((540, 1050),),) * 5 + ((), ()))
COMPLAINT, ENQUIRY = Disposition.COMPLAINT, Disposition.ENQUIRY


@dataclass(frozen=True)
class Screened:
    """A screening with the four facts that a verdict reads."""

    disposition: Disposition | None = None
    reason: str = "a person wrote"
    received_at: datetime = RECEIVED
    authenticated: str = "unknown"


def prediction(
    disposition: dict[str, float] | None = None,
    types: dict[str, float] | None = None,
    urgency: dict[str, float] | None = None,
    flags: dict[str, float] | None = None,
    in_scope: float = 1.0,
) -> Prediction:
    """What the fake model says; by default a plain delivery complaint, and sure of it."""
    return Prediction(
        disposition=disposition or {"complaint": 0.95, "enquiry": 0.05},
        complaint_type=types or {"delivery": 0.9, "handling": 0.1},
        urgency=urgency or {"low": 0.05, "normal": 0.9, "urgent": 0.05, "critical": 0.0},
        terms=(("parcel", 1.2),),
        model="fake-1",
        in_scope=in_scope,
        flags=flags or {},
    )


def other(name: str, share: float = 0.95) -> Prediction:
    return prediction({name: share, "complaint": round(1 - share, 4)})


def of(
    text: str = "The parcel has not arrived and nobody answers me.",
    says: Prediction | None = None,
    *,
    subject: str = "My order",
    screened: Screened = Screened(),
    language: str = "en",
    headers: str = "",
    sender: str = "Ann <ann@example.org>",
    history: History = History(),
    thresholds: Thresholds = Thresholds(),
) -> Verdict:
    raw = f"From: {sender}\r\nTo: care@ours.example\r\nSubject: {subject}\r\nMessage-ID: <1@example.org>\r\n"
    raw += f"{headers}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    message = mail_message.parse(raw.encode())
    body = replace(mail_body.words(message), language=language, language_supported=language != "tr")
    found = cues.find(body, message.subject, RECEIVED, "Europe/London", message.attachments)
    return verdict.of(
        message, body, screened, found, says or prediction(), thresholds, OFFICE, history=history
    )  # fmt: skip


# --- a complaint ------------------------------------------------------------------------------------------


def test_a_plain_complaint_has_type_urgency_confidence_reasons_and_no_review() -> None:
    v = of()
    assert (v.disposition, v.complaint_type, v.secondary, v.urgency) == (COMPLAINT, "delivery", (), Urgency.NORMAL)
    assert v.confidence == {"disposition": 0.95, "type": 0.9, "urgency": 0.9}
    assert (v.review, v.review_reasons) == (False, ())
    assert v.reasons and v.reason and v.model == "fake-1" and v.language == "en"
    assert v.guesses == (("delivery", 0.9), ("handling", 0.1)) and v.terms == (("parcel", 1.2),)


def test_rules_raise_the_level_and_leave_the_probabilities_as_they_are() -> None:
    says = prediction()
    v = of("The kettle gave my son an electric shock.", says)
    assert v.urgency is Urgency.CRITICAL
    assert v.confidence["urgency"] == says.urgency["critical"] == 0.0
    assert v.reasons[0].source == "flag" and "electric shock" in v.reasons[0].evidence[0]


CAREFUL = Thresholds(look_alike=0.10)


def test_a_wording_that_the_model_knows_for_a_look_alike_raises_nothing_and_is_told() -> None:
    text = "Your solicitor advert on the bus is very badly spelled, please put it right. My solicitor agrees."
    assert "legal_threat" in {flag.name for flag in of(text, prediction(flags={"legal_threat": 0.4})).flags}
    v = of(text, prediction(flags={"legal_threat": 0.04}), thresholds=CAREFUL)
    assert (v.flags, v.urgency, v.review) == ((), Urgency.NORMAL, False)
    assert v.reasons[-1].source == "look-alike" and "solicitor" in v.reasons[-1].evidence[0].lower()


def test_a_danger_that_is_taken_for_a_look_alike_is_looked_at_all_the_same() -> None:
    text = "There is a transaction on my card that I did not make."
    assert "fraud" in {flag.name for flag in of(text).flags}
    v = of(text, prediction(flags={"fraud": 0.04}), thresholds=CAREFUL)
    assert v.urgency is Urgency.NORMAL
    assert v.review_reasons == ("a wording of a danger, taken for a look-alike: look",)


def test_an_injury_is_never_taken_for_a_look_alike() -> None:
    v = of("The kettle gave my son an electric shock.", prediction(flags={"safety_injury": 0.01}), thresholds=CAREFUL)
    assert v.urgency is Urgency.CRITICAL and "safety_injury" in {flag.name for flag in v.flags}


DUTIES = [
    ("Please send me a copy of all the personal data you hold about me, as the GDPR provides.", "data_rights_request"),
    ("I have disputed the payment with my bank as a chargeback.", "chargeback"),
    ("I have taken this to the ombudsman.", "regulator"),
    ("You sent me another customer's invoice, with her address and bank details.", "data_breach"),
]


@pytest.mark.parametrize(("text", "name"), DUTIES)
def test_what_sets_a_duty_with_a_date_is_never_taken_for_a_look_alike(text: str, name: str) -> None:
    v = of(text, prediction(flags={name: 0.01}), thresholds=CAREFUL)
    assert name in {flag.name for flag in v.flags}


@pytest.mark.parametrize(("language", "in_scope"), [("tr", 1.0), ("en", 0.001)])
def test_nothing_is_taken_for_a_look_alike_where_the_model_cannot_know(language: str, in_scope: float) -> None:
    says = prediction(flags={"legal_threat": 0.01}, in_scope=in_scope)
    v = of(
        "My solicitor will write to you.", says, language=language, thresholds=Thresholds(look_alike=0.1, in_scope=0.01)
    )
    assert "legal_threat" in {flag.name for flag in v.flags}


def test_the_model_is_not_allowed_to_deny_what_it_would_raise_itself() -> None:
    v = of(
        "My solicitor will write to you.", prediction(flags={"legal_threat": 0.45}),
        thresholds=Thresholds(look_alike=0.9, flag_score=0.4),
    )  # fmt: skip
    assert "legal_threat" in {flag.name for flag in v.flags}


def test_a_look_alike_of_discrimination_does_not_choose_the_type() -> None:
    text = "You treated me worse than the others because I am deaf."
    shares = {"delivery": 0.8, "staff_conduct": 0.2}
    assert of(text, prediction(types=shares, flags={"discrimination": 0.4})).complaint_type == "staff_conduct"
    denied = prediction(types=shares, flags={"discrimination": 0.04})
    assert of(text, denied, thresholds=CAREFUL).complaint_type == "delivery"


def test_despair_is_never_taken_for_a_look_alike() -> None:
    v = of("I can't go on any more, I want to end my life.", prediction(flags={"self_harm": 0.01}), thresholds=CAREFUL)
    assert v.urgency is Urgency.CRITICAL and "self_harm" in {flag.name for flag in v.flags}


def test_a_flag_that_the_model_does_not_know_rests_on_its_wording_alone() -> None:
    v = of("My solicitor will write to you.", prediction(), thresholds=CAREFUL)
    assert "legal_threat" in {flag.name for flag in v.flags}


def test_a_second_issue_that_needs_its_own_answer_is_secondary() -> None:
    assert of(says=prediction(types={"billing": 0.5, "staff_conduct": 0.35, "delivery": 0.15})).secondary == (
        "staff_conduct",
    )


@pytest.mark.parametrize(
    ("says", "text", "language", "reason"),
    [
        (prediction(types={"delivery": 0.4, "billing": 0.35}), None, "en", "type uncertain"),
        (prediction({"complaint": 0.55, "enquiry": 0.45}), None, "en", "may be no complaint"),
        (prediction({"complaint": 0.45, "enquiry": 0.55}), None, "en", "may be no complaint"),
        (prediction(urgency={"normal": 0.7, "urgent": 0.2, "critical": 0.1}), None, "en", "may be urgent"),
        (prediction(), "siparişim hala gelmedi kimse cevap vermiyor", "tr", "language not supported"),
        (prediction(), "see attached", "en", "content unclear"),
        (prediction(), "Your menu makes me want to end it all lol.", "en", "despair idiom: look"),
        (prediction(flags={"safety_injury": 0.9}), None, "en", "flag seen by the model only"),
    ],
)
def test_every_doubt_is_named_and_stays_a_complaint(
    says: Prediction, text: str | None, language: str, reason: str
) -> None:
    v = of(text, says, language=language) if text else of(says=says, language=language)
    assert v.disposition is COMPLAINT
    assert v.review and reason in v.review_reasons


def test_what_the_model_never_met_goes_to_review() -> None:
    v = of(says=prediction(in_scope=0.001), thresholds=Thresholds(in_scope=0.01))
    assert "unlike anything seen in training" in v.review_reasons


LOW = prediction(urgency={"low": 0.95, "normal": 0.05})


@pytest.mark.parametrize(
    ("text", "language", "level"),
    [
        ("The box was a little dented but all was fine inside it.", "en", Urgency.LOW),
        ("Paket biraz ezik geldi ama içindeki ürün sağlam.", "tr", Urgency.NORMAL),  # unsupported
        ("see attached", "en", Urgency.NORMAL),  # unclear
        ("A little dented. If it happens again I take my business elsewhere.", "en", Urgency.NORMAL),  # a flag
    ],
)
def test_low_only_where_everything_is_clear(text: str, language: str, level: Urgency) -> None:
    assert of(text, LOW, language=language).urgency is level


def test_a_learned_flag_stands_beside_the_cues_and_a_weak_one_does_not() -> None:
    v = of(says=prediction(flags={"safety_injury": 0.9, "vulnerable": 0.3}))
    assert [flag.name for flag in v.flags] == ["safety_injury"]
    assert v.urgency is Urgency.CRITICAL and v.flags[0].rule == "model fake-1: 0.90"


def test_history_of_the_mailbox_counts() -> None:
    assert of(history=History(chases=2)).urgency is Urgency.URGENT
    assert of(history=History(reopened=True)).urgency is Urgency.URGENT


def test_history_flags_that_the_text_states_are_flags_of_the_verdict() -> None:
    v = of("This is my third email and I have had no reply.")
    assert "chased_2" in {flag.name for flag in v.flags}
    assert v.urgency is Urgency.URGENT


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("You sent me another customer's invoice with her address.", "privacy_security"),
        ("I was refused at the door because of my wheelchair.", "premises_access"),
    ],
)
def test_the_tie_breaks_of_the_guide_beat_the_models_type(text: str, kind: str) -> None:
    types = {"delivery": 0.6, "privacy_security": 0.2, "premises_access": 0.15, "staff_conduct": 0.05}
    v = of(text, prediction(types=types))
    assert v.complaint_type == kind and v.confidence["type"] == types[kind]
    assert "delivery" in v.secondary
    assert any("tie-break" in reason.why for reason in v.reasons)


def test_types_a_lead_has_added_pass_through() -> None:
    assert "lost_pets" not in COMPLAINT_TYPES
    assert of(says=prediction(types={"lost_pets": 0.9})).complaint_type == "lost_pets"


# --- no complaint ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["enquiry", "request", "praise", "suggestion", "supplier_sales", "misdirected", "case_followup", "newsletter"],
)
def test_the_model_files_what_it_is_sure_of(name: str) -> None:
    v = of("Hello, I would like to know your opening hours on Sunday, please.", other(name), subject="Hours")
    assert v.disposition == name
    assert (v.complaint_type, v.urgency, v.review) == (None, None, False)


def test_below_the_threshold_it_counts_as_a_complaint_and_a_person_looks() -> None:
    """It keeps the likelier name, but has a complaint's urgency and type: a case is opened, its clock runs, and it goes to
    those whom it concerns."""
    v = of("Hello, I would like to know your opening hours on Sunday, please.", other("enquiry", 0.65), subject="Hours")
    assert (v.disposition, v.urgency, v.complaint_type) == ("enquiry", Urgency.NORMAL, "delivery")
    assert v.review_reasons == ("may be a complaint",)


def test_a_flag_in_a_doubtful_mail_counts_as_in_a_complaint() -> None:
    v = of("My solicitor will issue proceedings. Which address takes service?", other("enquiry", 0.8))
    assert (v.disposition, v.urgency, v.review) == ("enquiry", Urgency.URGENT, True)
    assert "legal_threat" in [flag.name for flag in v.flags]


def test_irony_thanks_too_so_doubtful_thanks_are_looked_at() -> None:
    says = prediction({"complaint": 0.4, "customer_ack": 0.3, "praise": 0.3})
    v = of("Thank you so much. Truly a day I will tell my grandchildren of.", says)
    assert v.review and v.urgency is not None


@pytest.mark.parametrize("name", ["bounce", "autoreply", "internal"])
def test_what_only_headers_prove_is_confirmed_by_a_person(name: str) -> None:
    v = of("I am away until Monday and read no mail.", other(name), subject="Away")
    assert v.disposition == name and v.review


def test_a_danger_hidden_in_what_looks_like_praise_is_a_complaint() -> None:
    v = of("Lovely kettle, thank you! It gave my son an electric shock yesterday.", other("praise", 0.8))
    assert (v.disposition, v.urgency, v.review) == (COMPLAINT, Urgency.CRITICAL, True)


def test_a_danger_where_the_model_is_all_but_sure_is_kept_in_sight() -> None:
    v = of("My old kettle gave me an electric shock once. Do you sell safe ones?", other("enquiry", 0.99))
    assert v.disposition == "enquiry" and v.review
    assert v.urgency is Urgency.CRITICAL  # a person looks at once


def test_a_despair_cue_is_never_filed() -> None:
    v = of("Thank you for everything. I have no reason to go on living.", other("praise", 0.99))
    assert (v.disposition, v.urgency) == (COMPLAINT, Urgency.CRITICAL)


def test_a_danger_in_a_follow_up_raises_the_follow_up() -> None:
    v = of("Here are the papers. It also gave my son an electric shock.", other("case_followup", 0.8))
    assert (v.disposition, v.urgency, v.review) == (Disposition.CASE_FOLLOWUP, Urgency.CRITICAL, True)


def test_a_near_date_in_a_small_question_is_a_complaint_on_the_customers_clock() -> None:
    v = of("Flying tomorrow 06:00, the name on the ticket is wrong, could you look?", other("enquiry", 0.8))
    assert (v.disposition, v.urgency) == (COMPLAINT, Urgency.CRITICAL)
    assert v.customer_dates[0].kind == "travel"
    assert any(reason.source == "date" and reason.evidence for reason in v.reasons)


def test_a_near_date_in_a_sure_enquiry_is_seen_in_time() -> None:
    v = of("We fly tomorrow at 06:00. Which desk opens first?", other("enquiry", 0.99))
    assert v.disposition == "enquiry" and v.review and v.urgency is Urgency.CRITICAL


ANSWER = "In-Reply-To: <a@ours.example>\r\n"


@pytest.mark.parametrize(
    ("text", "headers", "says", "disposition"),
    [
        ("All sorted now, thank you.", ANSWER, other("customer_ack", 0.6), "customer_ack"),
        ("All sorted now, thank you.", "", other("praise", 0.7), "praise"),
        ("Thank you, but it still leaks.", ANSWER, other("customer_ack", 0.6), "complaint"),
        ("Please send me a copy of all data you hold about me.", "", other("request", 0.6), "data_rights_request"),
    ],
)  # fmt: skip
def test_plain_cases_that_the_words_prove(text: str, headers: str, says: Prediction, disposition: str) -> None:
    assert of(text, says, headers=headers).disposition == disposition


def test_a_data_rights_request_inside_a_complaint_is_a_flag_of_the_complaint() -> None:
    v = of("The bill is wrong. Also send me a copy of all the data you hold about me.")
    assert v.disposition is COMPLAINT
    assert "data_rights_request" in {flag.name for flag in v.flags}


def test_an_unsupported_language_is_never_filed_unseen() -> None:
    v = of("Merhaba, pazar günü açık mısınız acaba?", other("enquiry", 0.99), language="tr")
    assert v.disposition is COMPLAINT and v.review


def test_nothing_is_open_in_praise_so_background_raises_no_flag() -> None:
    v = of("Your Ellen was so kind when my husband died, thank you.", other("praise", 0.97))
    assert v.disposition == "praise" and v.flags == () and v.urgency is None


# --- what the envelope settles ------------------------------------------------------------------------------

SCREENED = [
    Disposition.AUTOREPLY, Disposition.BOUNCE, Disposition.NEWSLETTER, Disposition.INTERNAL, Disposition.SPAM_PHISHING,
    Disposition.SYSTEM_NOTICE, Disposition.BEFORE_START,
]  # fmt: skip


@pytest.mark.parametrize("settled", SCREENED)
def test_screening_stands_and_its_mail_raises_no_flags(settled: Disposition) -> None:
    text = "We will sue. My solicitor is instructed. The plug is smoking. Your account has been hacked."
    v = of(text, screened=Screened(settled, "header says so"))
    assert (v.disposition, v.reason) == (settled, "header says so")
    assert (v.flags, v.urgency, v.review) == ((), None, False)


def test_a_payment_providers_dispute_is_a_dated_duty_in_a_machines_notice() -> None:
    v = of(
        "A cardholder has opened a dispute with their bank.\n\nEvidence due: 29 June 2026, 23:59 UTC\n",
        screened=Screened(Disposition.SYSTEM_NOTICE, "machine"),
        sender="Disputes <disputes@payments.example>",
        subject="Dispute opened",
    )
    assert (v.disposition, v.urgency) == (Disposition.SYSTEM_NOTICE, Urgency.URGENT)
    assert [flag.name for flag in v.flags] == ["chargeback"]
    assert any(one.kind == "chargeback" and one.at.day == 29 for one in v.customer_dates)


def test_a_regulators_mail_is_a_follow_up_with_a_date_and_urgent() -> None:
    v = of(
        "We have accepted a dispute. Please supply your file by 12 June 2026.",
        other("enquiry", 0.6),
        sender="Casework <casework@energy-ombudsman.example>",
        screened=Screened(authenticated="pass"),
    )
    assert v.disposition is Disposition.CASE_FOLLOWUP
    assert v.urgency is Urgency.URGENT and "regulator" in {flag.name for flag in v.flags}
    assert any(one.kind == "regulator" for one in v.customer_dates)


def test_a_forged_regulator_is_none() -> None:
    v = of(
        "Please open the attached form today.",
        other("enquiry", 0.99),
        sender="Casework <casework@energy-ombudsman.example>",
        screened=Screened(authenticated="fail"),
    )
    assert v.flags == ()


def test_a_newsroom_in_copy_is_press_and_public() -> None:
    v = of(headers="Cc: newsdesk@valley-herald.example\r\n")
    assert {"press_social", "public"} <= {flag.name for flag in v.flags}
    assert v.urgency is Urgency.URGENT


MACHINE = "Auto-Submitted: auto-generated\r\n"
SURVEYS = "Surveys <no-reply@asktwice.example>"
REVIEWS = "Reviews <alerts@rateround.example>"


@pytest.mark.parametrize(
    ("sender", "subject", "text", "disposition"),
    [
        (SURVEYS, "Survey response: 9/10", 'Comment: "Fast and kind."', Disposition.SURVEY_RESPONSE),
        (SURVEYS, "Survey response: 3/10", "Comment: (none)", Disposition.SURVEY_RESPONSE),
        (SURVEYS, "Survey response: 3/10", 'Comment: "Nobody ever rang back."', COMPLAINT),
        (SURVEYS, "Survey response", "How likely would you return? 2\nComment: never with these", COMPLAINT),
        (SURVEYS, "Umfrage: 2 von 10", 'Kommentar: "Niemand hat zurückgerufen."', COMPLAINT),
        (REVIEWS, "New 5-star review", '"A dream, after a bad time elsewhere."', Disposition.REVIEW_NOTIFICATION),
        (REVIEWS, "New review", 'Rating: 2/5\n"The last bank in town is closing."', COMPLAINT),
        (REVIEWS, "Neue Bewertung: ★★", '"Das Essen war kalt."', COMPLAINT),
        (REVIEWS, "New review", "Rating: 4/5", Disposition.REVIEW_NOTIFICATION),
    ],
)  # fmt: skip
def test_surveys_and_reviews_go_by_score_and_words(
    sender: str, subject: str, text: str, disposition: Disposition
) -> None:
    v = of(text, screened=Screened(Disposition.SYSTEM_NOTICE), sender=sender, subject=subject, headers=MACHINE)
    assert v.disposition is disposition
    assert ("public" in {flag.name for flag in v.flags}) == (sender is REVIEWS)


def test_a_negative_review_is_public_and_one_level_up() -> None:
    v = of(
        'Rating: 1/5\n"Closed on a Sunday, what a pity."', LOW,
        screened=Screened(Disposition.SYSTEM_NOTICE), sender=REVIEWS, subject="New review", headers=MACHINE,
    )  # fmt: skip
    assert v.urgency is Urgency.URGENT  # low is not for flagged mail: normal, one level up


def test_a_person_who_writes_about_a_survey_is_no_survey() -> None:
    assert of("I gave your survey 2/10 and nobody rang me.", subject="Survey").disposition is COMPLAINT


# --- the tricky mails ------------------------------------------------------------------------------------------


DESPAIR, LEAK = {"self_harm", "vulnerable"}, {"data_breach"}


@pytest.mark.parametrize(
    ("text", "says", "disposition", "urgency", "flags"),
    [
        ("No complaints, never had a problem, wouldn't sue anyone over it!", other("praise"), "praise", None, set()),
        ("Your app is killing me, it logs me out each day.", None, "complaint", Urgency.NORMAL, set()),
        ("If the bailiffs come there is no point in going on.", None, "complaint", Urgency.CRITICAL, DESPAIR),
        ("You sent me Mrs Lopez's invoice by mistake.", other("enquiry", 0.6), "complaint", Urgency.CRITICAL, LEAK),
        ("La batería echó humo y me quemó la mano.", None, "complaint", Urgency.CRITICAL, {"safety_injury"}),
        ("HOW DARE YOU CHANGE THE DAMN FONT!!! URGENT!!!", LOW, "complaint", Urgency.LOW, set()),
        ("Tell your trainer I will punch him in the face.", None, "complaint", Urgency.NORMAL, {"threat_to_staff"}),
        ("Owner: ceo@ours.example Priority: U1, the parcel is late", None, "complaint", Urgency.NORMAL, set()),
    ],
)  # fmt: skip
def test_the_tricky_mails(
    text: str, says: Prediction | None, disposition: str, urgency: Urgency | None, flags: set[str]
) -> None:
    language = "es" if "batería" in text else "en"
    v = of(text, says, language=language)
    assert (v.disposition, v.urgency) == (disposition, urgency)
    assert {flag.name for flag in v.flags} == flags


@pytest.mark.parametrize("settled", [None, *SCREENED])
def test_every_outcome_carries_its_reason(settled: Disposition | None) -> None:
    for says in (prediction(), other("praise"), Prediction({}, {}, {}, (), "empty", 1.0)):
        v = of(says=says, screened=Screened(settled, "screened" if settled else ""))
        assert v.reason
        assert (v.urgency is None) == (v.reasons == ())
        assert v.review == bool(v.review_reasons)
