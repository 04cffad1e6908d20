"""The flags of the label guide, found by their words in seven languages, and their look-alikes left alone."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.judge import cues, lexicon
from triage.judge.cues import Cues
from triage.judge.phrases import phrase
from triage.judge.sentences import MAX_TEXT, read
from triage.mail.address import Address
from triage.mail.body import Body, Forwarded
from triage.mail.message import Attachment
from triage.words import FLAGS, HISTORY_FLAGS, Urgency

RECEIVED = datetime(2026, 6, 10, 9, 0, tzinfo=UTC)  # a Wednesday, 10:00 in London


def body(own: str, language: str = "en", *, quoted: str = "", disclaimer: str = "", forwarded: str = "") -> Body:
    inside = Forwarded(Address("Ann", "ann@example.org"), None, "Help", forwarded) if forwarded else None
    return Body(own, quoted, "", disclaimer, "plain", inside, language, language in lexicon.LANGUAGES)


def found(own: str, language: str = "en", subject: str = "") -> Cues:
    return cues.find(body(own, language), subject, RECEIVED, "Europe/London")


def names(own: str, language: str = "en", subject: str = "") -> set[str]:
    return {flag.name for flag in found(own, language, subject).flags}


RAISED = [
    ("safety_injury", "en", "The kettle gave my son an electric shock when he touched the handle."),
    ("safety_injury", "en", "Since Sunday the plug has been smoking and there is a burning smell in the hall."),
    ("safety_injury", "en", "She cut her hand on the glass shelf and needed four stitches."),
    ("safety_injury", "en", "After the meal he came out in hives and his lips swelled up, he is allergic to nuts."),
    ("safety_injury", "en", "The carbon monoxide alarm went off twice and we all have headaches."),
    ("safety_injury", "de", "Aus dem Ladegerät kam Rauch und meine Tochter hat sich die Finger verbrannt."),
    ("safety_injury", "de", "Es riecht in der Küche stark nach Gas, der Techniker war gestern da."),
    ("safety_injury", "fr", "La bouilloire a pris feu et ma fille s'est brûlé la main."),
    ("safety_injury", "es", "El cargador echó humo y mi hijo se quemó los dedos."),
    ("safety_injury", "it", "Il caricabatterie ha fatto scintille e mia figlia ha preso la scossa."),
    ("safety_injury", "nl", "Uit de oplader kwam rook en mijn zoon heeft zijn hand verbrand."),
    ("safety_injury", "pt", "O carregador explodiu e a minha filha queimou a mão."),
    ("self_harm", "en", "I lost my job and there is no point in going on any more."),
    ("self_harm", "de", "Ich habe alles verloren und sehe keinen Sinn mehr weiterzuleben."),
    ("self_harm", "fr", "Après votre refus je n'ai plus aucune raison de vivre."),
    ("self_harm", "es", "Con esta deuda ya no tengo ganas de vivir."),
    ("self_harm", "it", "Con questi debiti non voglio più vivere."),
    ("self_harm", "nl", "Door al deze schulden wil ik niet meer verder leven."),
    ("self_harm", "pt", "Com esta dívida já não tenho vontade de viver."),
    ("data_breach", "en", "You sent me another customer's invoice with her bank details."),
    ("data_breach", "en", "When I log in I can see somebody else's orders and home address."),
    ("data_breach", "de", "Ich habe die Rechnung einer anderen Kundin bekommen."),
    ("data_breach", "fr", "J'ai reçu la facture d'un autre client avec son adresse."),
    ("data_breach", "es", "He recibido la factura de otro cliente con sus datos."),
    ("data_breach", "it", "Ho ricevuto la fattura di un altro cliente."),
    ("data_breach", "nl", "Ik heb de factuur van een andere klant ontvangen."),
    ("data_breach", "pt", "Recebi a fatura de outro cliente."),
    ("fraud", "en", "There are three transactions on my card that I never made."),
    ("fraud", "en", "My account has been hacked and somebody changed the email address."),
    ("fraud", "de", "Von meinem Konto gab es drei Abbuchungen, die ich nicht autorisiert habe."),
    ("fraud", "fr", "Il y a des prélèvements que je n'ai jamais autorisés sur ma carte."),
    ("fraud", "es", "Hay cargos en mi tarjeta que no he autorizado."),
    ("fraud", "it", "Ci sono addebiti sulla carta che non ho mai autorizzato."),
    ("fraud", "nl", "Mijn account is gehackt en er zijn bestellingen gedaan."),
    ("fraud", "pt", "Há compras no meu cartão que não fiz."),
    (
        "legal_threat",
        "en",
        "If I do not have the money in fourteen days I shall issue proceedings in the county court.",
    ),
    ("legal_threat", "de", "Andernfalls werde ich meinen Anwalt einschalten und Klage erheben."),
    ("legal_threat", "fr", "À défaut, je saisirai le tribunal compétent."),
    ("legal_threat", "es", "De lo contrario pondré el asunto en manos de mi abogado."),
    ("legal_threat", "it", "In caso contrario mi rivolgerò al mio avvocato."),
    ("legal_threat", "nl", "Anders schakel ik mijn advocaat in."),
    ("legal_threat", "pt", "Caso contrário, entrego o caso ao meu advogado."),
    ("regulator", "en", "Should I take this to the ombudsman or will you sort it out?"),
    ("regulator", "de", "Ich wende mich jetzt an die Schlichtungsstelle."),
    ("regulator", "fr", "Je vais saisir le médiateur."),
    ("regulator", "es", "Voy a presentar una hoja de reclamaciones en la OMIC."),
    ("regulator", "it", "Farò una segnalazione al Garante."),
    ("regulator", "nl", "Ik stap naar de geschillencommissie."),
    ("regulator", "pt", "Vou apresentar queixa no livro de reclamações."),
    ("press_social", "en", "I have told the local paper and a journalist will ring you."),
    ("press_social", "de", "Ich habe die Lokalzeitung informiert."),
    ("press_social", "fr", "Je laisserai un avis négatif sur Google."),
    ("vulnerable", "en", "My husband died in March and you keep charging his account."),
    ("vulnerable", "en", "I have just lost my job and cannot pay for food and the rent."),
    ("vulnerable", "de", "Meine Mutter ist dement und hat den Vertrag nicht verstanden."),
    ("vulnerable", "fr", "Mon mari est décédé en mars et vous prélevez encore."),
    ("vulnerable", "es", "Mi madre tiene demencia y no entendió el contrato."),
    ("vulnerable", "it", "Mia madre ha la demenza e non ha capito il contratto."),
    ("vulnerable", "nl", "Mijn moeder heeft dementie en begreep het contract niet."),
    ("vulnerable", "pt", "A minha mãe tem demência e não percebeu o contrato."),
    ("discrimination", "en", "Your guard refused my wife at the door because of her headscarf."),
    ("discrimination", "de", "Man hat mich wegen meiner Hautfarbe kontrolliert."),
    ("discrimination", "fr", "On m'a refusé l'entrée à cause de ma couleur de peau."),
    ("discrimination", "es", "No me dejaron entrar por el color de mi piel."),
    ("discrimination", "it", "Mi hanno rifiutato l'ingresso per il colore della pelle."),
    ("discrimination", "nl", "Ik werd geweigerd vanwege mijn huidskleur."),
    ("discrimination", "pt", "Recusaram a entrada por causa da cor da pele."),
    ("chargeback", "en", "I have opened a dispute with my bank for the whole amount."),
    ("chargeback", "de", "Die Lastschrift habe ich über meine Bank zurückgeholt."),
    ("chargeback", "nl", "Ik heb de betaling via mijn bank laten terugboeken, de incasso is gestorneerd."),
    ("data_rights_request", "en", "Please also send me a copy of all the data you hold about me."),
    ("data_rights_request", "de", "Bitte löschen Sie alle meine personenbezogenen Daten."),
    ("data_rights_request", "fr", "Merci de supprimer toutes mes données personnelles."),
    ("data_rights_request", "es", "Solicito una copia de todos los datos que tienen sobre mí."),
    ("data_rights_request", "it", "Chiedo copia di tutti i dati personali in vostro possesso."),
    ("data_rights_request", "nl", "Verwijder al mijn gegevens uit uw systeem."),
    ("data_rights_request", "pt", "Peço que apaguem todos os meus dados."),
    ("churn_threat", "en", "If this goes on I will take my business elsewhere."),
    ("churn_threat", "de", "Sonst wechsle ich zur Konkurrenz."),
    ("wants_manager", "en", "I want to speak to a manager about this."),
    ("wants_manager", "de", "Ich möchte mit Ihrem Vorgesetzten sprechen."),
    ("wants_manager", "fr", "Je souhaite parler à un responsable."),
    ("wants_manager", "es", "Quiero hablar con el encargado."),
    ("wants_manager", "it", "Voglio parlare con un responsabile."),
    ("wants_manager", "nl", "Ik wil de leidinggevende spreken."),
    ("wants_manager", "pt", "Quero falar com o gerente."),
    ("threat_to_staff", "en", "Tell that driver I will punch him in the face next time."),
    ("threat_to_staff", "fr", "Je vais lui casser la gueule, à votre livreur."),
]


@pytest.mark.parametrize(("flag", "language", "text"), RAISED)
def test_the_words_raise_the_flag_and_are_quoted(flag: str, language: str, text: str) -> None:
    raised = found(text, language).flag(flag)
    assert raised is not None
    assert raised.evidence
    assert all(" ".join(quote.split()) in " ".join(text.split()) for quote in raised.evidence)


@pytest.mark.parametrize(
    ("flag", "language", "text"),
    [
        ("safety_injury", "en", "I am burning with rage about this bill."),
        ("safety_injury", "en", "I was shocked by the price of the repair."),
        ("safety_injury", "en", "I nearly had a heart attack when I saw the bill."),
        ("safety_injury", "en", "This is burning through my data allowance."),
        ("safety_injury", "en", "Before I buy the kettle: is it true that the handle gave someone an electric shock?"),
        ("safety_injury", "en", "The food was to die for and the team was on fire, keep it up!"),
        ("safety_injury", "de", "Mich hat fast der Schlag getroffen, als ich die Rechnung sah."),
        ("safety_injury", "de", "Die Monteure haben auf dem Balkon geraucht."),
        ("safety_injury", "fr", "J'ai été choqué par le prix de la facture."),
        ("self_harm", "en", "This app is killing me, it logs me out every day."),
        ("data_breach", "en", "Thank you, I can see my own details again."),
        ("data_breach", "en", "The tap leaked on the floor and the pipe is leaking too."),
        ("fraud", "en", "Your newsletter on fraud awareness was interesting."),
        ("legal_threat", "en", "No complaints at all, and I would never sue anyone over it."),
        ("legal_threat", "en", "Please send the statement for my solicitor, she handles the house purchase."),
        ("legal_threat", "en", "The tennis court was booked twice."),
        ("regulator", "en", "I am a student and write my dissertation: which ombudsman would handle it?"),
        ("regulator", "en", "The pressure regulator on the cylinder is stiff."),
        ("press_social", "en", "I bought the coffee press and one has to press the button twice."),
        ("vulnerable", "en", "The account is disabled and so is the button."),
        ("vulnerable", "en", "The roller blind in the bedroom is stuck."),
        ("discrimination", "en", "A pan for the discriminating kitchen, says your advert."),
        ("chargeback", "en", "There is a menu called Chargebacks, what is it?"),
        ("churn_threat", "en", "We are moving to a new house in May, please change the address."),
        ("wants_manager", "en", "Please tell her manager how good she was."),
        ("threat_to_staff", "en", "I would kill for the recipe of that cake."),
        ("data_rights_request", "en", "Please close my account at the end of the month."),
    ],
)
def test_look_alikes_do_not_count(flag: str, language: str, text: str) -> None:
    assert flag not in names(text, language)


def test_all_flags_of_the_house_and_no_others_can_be_raised() -> None:
    sections = {p.section for language in lexicon.LANGUAGES for p in lexicon.load(language).phrases}
    made = {"press_social", "public"}  # press_social is press or review_threat, public comes from the envelope
    assert set(cues.FLOORS) | made == set(FLAGS)
    assert set(cues.FLOORS) - made <= sections


@pytest.mark.parametrize("language", lexicon.LANGUAGES)
def test_every_language_knows_every_flag(language: str) -> None:
    sections = {p.section for p in lexicon.load(language).phrases}
    assert set(cues.FLOORS) - {"press_social"} <= sections | {"threat_to_staff"}
    assert {
        "press",
        "review_threat",
        "essential_off",
        "dependant",
        "promise",
        "unkept",
        "no_reply",
        "thanks",
    } <= sections


def test_quotes_signature_and_disclaimer_raise_nothing() -> None:
    mail = body(
        "All sorted now, thank you.",
        quoted="I will see you in court, my solicitor is instructed. The kettle gave my son an electric shock.",
        disclaimer="This mail is legally privileged. Report fraud at once.",
    )
    assert cues.find(mail, "Re: my solicitor", RECEIVED, "Europe/London").flags == ()


def test_the_subject_of_an_answer_is_old_and_left_out_but_a_new_one_counts() -> None:
    assert names("All fine now, many thanks to you.", subject="Re: letter before claim") == set()
    assert "legal_threat" in names("Please see attached.", subject="Letter before claim")


def test_attachment_names_count_and_contents_are_not_opened() -> None:
    mail = cues.find(
        body("see attached"),
        "",
        RECEIVED,
        "Europe/London",
        [Attachment("letter_before_claim.pdf", "application/pdf", 9)],
    )
    assert mail.flag("legal_threat") is not None


def test_a_forwarded_mail_counts_where_a_colleague_sent_it_or_nothing_else_was_written() -> None:
    inner = "The charger is smoking and burnt my hand."
    mail = body("FYI, can someone look?", forwarded=inner)
    assert cues.find(mail, "Fwd: help", RECEIVED, "Europe/London").flags == ()
    assert cues.find(mail, "Fwd: help", RECEIVED, "Europe/London", forwarded=True).flag("safety_injury")
    assert cues.find(body("", forwarded=inner), "Fwd: help", RECEIVED, "Europe/London").flag("safety_injury")


@pytest.mark.parametrize(
    ("flag", "text", "live", "floor"),
    [
        ("data_breach", "You sent me another customer's invoice this morning.", True, Urgency.CRITICAL),
        ("data_breach", "Back in March you sent me another customer's invoice. I shredded it.", False, Urgency.URGENT),
        ("fraud", "Someone is using my card right now, two payments I never made are pending.", True, Urgency.CRITICAL),
        ("fraud", "In May I never made two payments on my card. The bank refunded them.", False, Urgency.URGENT),
    ],
)  # fmt: skip
def test_what_is_over_is_urgent_and_what_goes_on_is_critical(flag: str, text: str, live: bool, floor: Urgency) -> None:
    raised = found(text).flag(flag)
    assert raised is not None
    assert (raised.live, raised.floor) == (live, floor)


def test_the_press_is_urgent_and_a_mere_review_threat_is_not() -> None:
    press = found("A journalist of the local radio has asked me about it.").flag("press_social")
    review = found("I will leave a one star review on Trustpilot.").flag("press_social")
    assert press is not None and press.floor is Urgency.URGENT
    assert review is not None and review.floor is None


def test_a_manager_is_urgent_only_after_an_answer() -> None:
    first = found("I want to speak to a manager.").flag("wants_manager")
    after = found("Your reply of Tuesday did not help. I want to speak to a manager.").flag("wants_manager")
    assert first is not None and first.floor is None
    assert after is not None and after.floor is Urgency.URGENT


@pytest.mark.parametrize(
    ("text", "language", "floor"),
    [
        ("We have had no hot water and no heating since Monday.", "en", Urgency.URGENT),
        ("The power is off and my father is on an oxygen concentrator.", "en", Urgency.CRITICAL),
        ("No heating since Friday, and we have a newborn at home.", "en", Urgency.CRITICAL),
        ("Seit gestern ist die Heizung ausgefallen.", "de", Urgency.URGENT),
        ("Der Strom ist weg und meine Mutter braucht ihr Sauerstoffgerät.", "de", Urgency.CRITICAL),
        ("Nous sommes sans chauffage depuis deux jours.", "fr", Urgency.URGENT),
        ("Llevamos dos días sin agua y tengo un bebé.", "es", Urgency.CRITICAL),
        ("Siamo senza riscaldamento da lunedì.", "it", Urgency.URGENT),
        ("Wij zitten al twee dagen zonder verwarming.", "nl", Urgency.URGENT),
        ("Estamos sem água desde ontem.", "pt", Urgency.URGENT),
    ],
)
def test_an_essential_service_off_is_urgent_and_critical_for_who_depends_on_it(
    text: str, language: str, floor: Urgency
) -> None:
    (rule,) = found(text, language).rules
    assert (rule.name, rule.floor) == ("essential_off", floor)


def test_a_hotel_room_without_hot_water_is_no_essential_service() -> None:
    assert found("The hotel room had no hot water on the first evening.").rules == ()


@pytest.mark.parametrize(
    ("text", "language", "history"),
    [
        ("This is the third time I write to you about the parcel.", "en", "chased_2"),
        ("My second email. Still nothing.", "en", "chased_1"),
        ("I have emailed you four times and had no reply.", "en", "chased_3"),
        ("I wrote last week and have had no answer.", "en", "chased_1"),
        ("Das ist meine dritte Mail in dieser Sache.", "de", "chased_2"),
        ("Bis heute keine Antwort von Ihnen.", "de", "chased_1"),
        ("C'est mon troisième courrier.", "fr", "chased_2"),
        ("Es el tercer correo que les envío.", "es", "chased_2"),
        ("È la terza mail che vi mando.", "it", "chased_2"),
        ("Dit is mijn derde mail.", "nl", "chased_2"),
        ("É o terceiro email que envio.", "pt", "chased_2"),
        ("You promised a refund within five days. Nothing has arrived.", "en", "broken_promise"),
        ("Der Rückruf wurde mir versprochen. Bis heute hat sich niemand gemeldet.", "de", "broken_promise"),
        ("The replacement has the same fault again.", "en", "repeat_failure"),
        ("Das Ersatzgerät ist wieder defekt.", "de", "repeat_failure"),
        ("My ticket was closed although nothing is solved.", "en", "reopened"),
    ],
)
def test_history_that_the_mail_states(text: str, language: str, history: str) -> None:
    assert history in {flag.name for flag in found(text, language).history}
    assert history in HISTORY_FLAGS


def test_a_first_chase_has_no_floor_of_its_own_and_a_second_is_urgent() -> None:
    floors = {
        n: found(f"This is my {word} email about it.").history[0].floor for n, word in ((1, "second"), (2, "third"))
    }
    assert floors == {1: None, 2: Urgency.URGENT}


def test_a_despair_idiom_is_for_a_person_to_look_at_and_with_hardship_it_is_the_flag() -> None:
    idiom = found("Your menu makes me want to end it all lol.")
    assert idiom.needs_glance is not None and idiom.flag("self_harm") is None
    hardship = found("I lost my job, we are behind with the rent, and it makes me want to end it all.")
    assert hardship.needs_glance is None and hardship.flag("self_harm") is not None


def test_denials_in_the_clause_take_a_flag_back_and_those_beyond_a_but_do_not() -> None:
    assert "legal_threat" not in names("I am not taking legal action.")
    assert "legal_threat" in names("I did not want this but we are taking legal action.")


def test_a_disability_named_as_the_ground_of_discrimination_is_not_a_second_flag() -> None:
    assert names("I am deaf. Your clerk laughed and refused to serve me, he only spoke to my sister.") == {
        "discrimination"
    }


def test_an_unknown_language_is_read_with_every_lexicon() -> None:
    text = "xx yy zz das Ladegerät hat gebrannt und mein Kind hat sich die Hand verbrannt zz yy xx"
    assert "safety_injury" in {f.name for f in cues.find(body(text, "und"), "", RECEIVED, "Europe/London").flags}
    assert cues.languages_of("de") == ("de", "en")
    assert cues.languages_of("en") == ("en",)
    assert set(cues.languages_of("tr")) == set(lexicon.LANGUAGES)


def test_danger_in_the_last_line_of_a_very_long_mail_is_seen() -> None:
    text = "The weather was fine. " * 3000 + "Also the plug is smoking and burnt my hand."
    assert len(text) > MAX_TEXT
    assert "safety_injury" in names(text)


@pytest.mark.parametrize(
    "text",
    [
        "burn " * 40_000,
        "my hand burn not " * 12_000,
        "a" * 200_000,
        "1.2.3.4.5.6.7.8.9.0." * 10_000,
        "'t" * 100_000,
        "promised will but never " * 8_000,
        "?!." * 60_000,
        "\n- \n" * 50_000,
        "i will i will not sue the ombudsman on monday at 6 " * 4_000,
        "\u0130\u0131\u00df\ufb01" * 40_000,
    ],
)
def test_hostile_text_costs_about_what_its_first_20000_characters_cost(text: str) -> None:
    whole: list[float] = []
    part: list[float] = []
    for size, spent in ((len(text), whole), (MAX_TEXT, part)):
        for _ in range(2):
            start = time.process_time()
            cues.find(body(text[:size]), text[:300], RECEIVED, "Europe/London")
            spent.append(time.process_time() - start)
    assert min(whole) < 5 * min(part) + 0.5


@given(st.text(max_size=400), st.sampled_from([*lexicon.LANGUAGES, "und", "tr"]))
@settings(max_examples=60, deadline=None)
def test_no_text_makes_it_raise_and_all_evidence_is_quoted(text: str, language: str) -> None:
    result = cues.find(body(text, language), text[:40], RECEIVED, "Europe/London")
    assert all(quote for flag in result.flags for quote in flag.evidence)


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_words_stand_where_the_text_says_they_stand(text: str) -> None:
    cut = read(text)
    assert len(cut.words) == len(cut.places) == sum(s.count for s in cut.sentences)
    assert all(0 <= a < b <= len(cut.text) for a, b in cut.places)


@pytest.mark.parametrize("source", ["..4", "burn* <x> hand", "@nobody", "a? b?", "one <3> two <3> three", "x.y"])
def test_a_phrase_that_says_nothing_is_refused(source: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        phrase("fraud", source, {})
