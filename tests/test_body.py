"""The words of a mail are those its sender wrote now; quotes, history, signature and legal notice are set apart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mails import expected, mail, shared
from triage.mail import body, language, phrases
from triage.mail.body import Body
from triage.mail.message import parse


def words(text: str, /, **fields: str) -> Body:
    return body.words(parse(mail(text, **fields)))


@pytest.mark.parametrize(("raw", "record"), expected("body"))
def test_a_mail_gives_its_words(raw: bytes, record: dict[str, Any]) -> None:
    seen = body.words(parse(raw))
    for key in record.keys() & {"own", "signature", "source", "language"}:
        assert getattr(seen, key) == record[key], key
    for key in ("quoted", "disclaimer"):
        assert record.get(f"{key}_has", "") in getattr(seen, key)
        assert not record.get(f"{key}_has") or record[f"{key}_has"] not in seen.own
    if "forwarded" in record:
        assert seen.forwarded is not None
        wanted, got = record["forwarded"], seen.forwarded
        assert got.from_.email == wanted["from"]
        assert got.date is not None and got.date.isoformat() == wanted["date"]
        assert (got.subject, got.text) == (wanted["subject"], wanted["text"])
        assert wanted.get("signature_has", "") in got.signature


# --- quotes -----------------------------------------------------------------------------------------------------------

REPLY_HEADERS = [
    "On Mon, 2 Mar 2026 at 09:12, Care <care@ours.example> wrote:",
    "On Mar 2, 2026, at 9:12 AM, Care wrote:",
    "Am 02.03.2026 um 09:12 schrieb Kundendienst:",
    "Kundendienst <care@ours.example> schrieb am Mo., 2. März 2026, 09:12:",
    "Le lun. 2 mars 2026 à 09:12, Service Clients <care@ours.example> a écrit :",
    "El lun, 2 mar 2026 a las 9:12, Atención al Cliente (<care@ours.example>) escribió:",
    "Il giorno lun 2 mar 2026 alle ore 09:12 Assistenza <care@ours.example> ha scritto:",
    "Op ma 2 mrt. 2026 om 09:12 schreef Klantenservice <care@ours.example>:",
    "Em seg., 2 de mar. de 2026 às 09:12, Apoio <care@ours.example> escreveu:",
    "2026-03-02 09:12 GMT+01:00 Care <care@ours.example>:",
    "On Monday, 2 March 2026 at 09:12, the people of the Care\nteam <care@ours.example>\nwrote:",
]


@pytest.mark.parametrize("header", REPLY_HEADERS)
def test_a_reply_header_belongs_to_the_quote_below_it(header: str) -> None:
    seen = words(f"It leaks again.\n\n{header}\n\n> Is it better now?\n> Care", Subject="Re: Kettle")
    assert seen.own == "It leaks again."
    assert "Is it better now?" in seen.quoted and header.splitlines()[0] in seen.quoted


@pytest.mark.parametrize("header", REPLY_HEADERS)
def test_the_own_words_below_a_quote_are_kept(header: str) -> None:
    seen = words(f"{header}\n> Is it better now?\n\nNo, it leaks again.", Subject="Re: Kettle")
    assert seen.own == "No, it leaks again."


HEADER_BLOCKS = [
    "From: Care <care@ours.example>\nSent: Monday, 2 March 2026 09:12\nTo: Jo Bloggs\nSubject: Kettle",
    "Von: Kundendienst <care@ours.example>\nGesendet: Montag, 2. März 2026 09:12\nAn: Jo Bloggs\nBetreff: Kessel",
    "De : Service <care@ours.example>\nEnvoyé : lundi 2 mars 2026 09:12\nÀ : Jo Bloggs\nObjet : Bouilloire",
    "De: Atención <care@ours.example>\nEnviado el: lunes, 2 de marzo de 2026 9:12\nPara: Jo Bloggs\nAsunto: Hervidor",
    "Da: Assistenza <care@ours.example>\nInviato: lunedì 2 marzo 2026 09:12\nA: Jo Bloggs\nOggetto: Bollitore",
    "Van: Service <care@ours.example>\nVerzonden: maandag 2 maart 2026 09:12\nAan: Jo Bloggs\nOnderwerp: Waterkoker",
    "De: Apoio <care@ours.example>\nEnviado: segunda-feira, 2 de março de 2026 09:12\nPara: Jo\nAssunto: Chaleira",
    "*From:* Care <care@ours.example>\n*Date:* Monday, 2 March 2026 at 09:12\n*To:* Jo Bloggs\n*Subject:* Kettle",
]


@pytest.mark.parametrize("block", HEADER_BLOCKS)
def test_everything_below_a_copied_header_is_history(block: str) -> None:
    seen = words(f"It leaks again.\n\n________________________________\n{block}\n\nDear Jo,\nis it better now?\n")
    assert seen.own == "It leaks again."
    assert "is it better now?" in seen.quoted and seen.forwarded is None


@pytest.mark.parametrize(
    "line",
    [
        "-----Original Message-----",
        "-----Ursprüngliche Nachricht-----",
        "-----Message d'origine-----",
        "-----Mensaje original-----",
        "-----Messaggio originale-----",
        "-----Oorspronkelijk bericht-----",
        "-----Mensagem original-----",
    ],
)
def test_everything_below_an_original_message_line_is_history(line: str) -> None:
    seen = words(f"Es leckt wieder.\n\n{line}\nirgendetwas")
    assert seen.own == "Es leckt wieder." and "irgendetwas" in seen.quoted


def test_answers_between_the_quotes_are_kept_in_order() -> None:
    seen = words("> Does it leak?\nYes.\n> Since when?\nSince Sunday.\n> > older\n> Regards", Subject="Re: Kettle")
    assert seen.own == "Yes.\nSince Sunday."


def test_a_sentence_that_looks_like_a_reply_header_is_no_end_of_the_mail() -> None:
    """Nothing confirms it: no address, no quote below, and the mail answers none."""
    text = "On 3 May at 10:15 your driver said, and later wrote:\nGo away.\n\nI want an apology."
    assert words(text, Subject="Your driver").own == text


def test_a_web_form_that_prints_two_labels_is_no_copied_header() -> None:
    text = "From: Zoe Vos\nSubject: Delivery\n\nMy parcel is late."
    assert words(text).own == text


def test_an_unmarked_answer_below_the_history_is_kept_when_nothing_stands_above_it() -> None:
    text = f"{HEADER_BLOCKS[0]}\n\nDear Jo, is it better now?\n\nNo, it is worse."
    assert "No, it is worse." in words(text, Subject="Re: Kettle").own


def test_the_escape_of_mbox_files_is_no_quote() -> None:
    assert words(">From the start it leaked.").own == "From the start it leaked."


@pytest.mark.parametrize(
    ("html", "own"),
    [
        ('<div>New.</div><blockquote type="cite">old</blockquote>', "New."),
        ('<div>New.</div><div class="gmail_quote">On 2 Mar A wrote:<blockquote>old</blockquote></div>', "New."),
        ('<p>New.</p><div id="appendonsend"></div><hr><div id="divRplyFwdMsg">From: A</div><div>old</div>', "New."),
        ('New.<div class="OutlookMessageHeader">x</div>old', "New."),
        ('New.<div id="yahoo_quoted_1" class="yahoo_quoted">old</div>', "New."),
        (
            'New.<div class="moz-cite-prefix">On 2 Mar A wrote:</div><blockquote>old</blockquote>Below.',
            "New.\n\nBelow.",
        ),
        ('New.<div class="protonmail_quote">old</div>', "New."),
        ('New.<hr id="stopSpelling">From: a<br>old', "New."),
        ('New.<div class="gmail_signature">Jo, Head of Everything</div>', "New."),
        ('New.<span style="display:none">hidden words</span>', "New."),
        ("<p>One</p><ul><li>two</li><li>three</li></ul>", "One\n\n  • two\n  • three"),
        ("New.<script>alert(1)</script><style>p{}</style>", "New."),
    ],
)
def test_html_shows_its_quotes_by_its_elements(html: str, own: str) -> None:
    assert words(html, Content_Type="text/html; charset=utf-8", Subject="Re: x").own == own


def test_plain_text_cannot_pretend_to_be_marked() -> None:
    assert "gas smell" in words("\ue200\nThere is a gas smell.\n\ue201").own


def test_a_plain_stub_beside_a_long_html_gives_way_to_the_html() -> None:
    raw = (
        b"From: a@b.c\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\n"
        b"Your client shows no HTML.\n--b\nContent-Type: text/html\n\n<p>"
        + b"My kettle leaks a lot. " * 80
        + b"</p>\n--b--\n"
    )
    seen = body.words(parse(raw))
    assert seen.source == "html" and seen.own.startswith("My kettle leaks")


def test_the_replies_of_thirteen_mail_clients() -> None:
    """Public fixtures: each says hello and quotes an older mail."""
    folder = shared("data", "replies")
    for path in sorted((folder / "talon-standard").glob("*.eml")):
        assert body.words(parse(path.read_bytes())).own == "Hello", path.name
    for path in sorted((folder / "talon-html").glob("*.html")):
        head = b"From: Alex <a@b.c>\nSubject: Re: x\nContent-Type: text/html; charset=utf-8\n\n"
        assert body.words(parse(head + path.read_bytes())).own == "Hi. I am fine.", path.name


# --- signature and notice ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nJo Bloggs\nBloggs & Co",
        "--\nJo",
        "Kind regards,\nJo Bloggs",
        "Thanks, Jo",
        "Mit freundlichen Grüßen\n\nJo Bloggs\nMusterweg 1",
        "Viele Grüße\nJo",
        "Cordialement,\nJo Bloggs",
        "Un saludo,\nJo",
        "Cordiali saluti\nJo Bloggs",
        "Met vriendelijke groet,\nJo",
        "Com os melhores cumprimentos,\nJo",
        "Sent from my iPhone",
        "Von meinem iPhone gesendet",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Inviato da iPhone",
        "Verstuurd vanaf mijn iPhone",
        "Enviado do meu iPhone",
        "Jo Bloggs\n07700 900123",
        "J. Bloggs",
        "JB",
    ],
)
def test_a_signature_is_set_apart(signature: str) -> None:
    seen = words(f"The kettle leaks.\n\n{signature}\n")
    assert seen.own == "The kettle leaks."
    assert seen.signature == signature.replace("-- \n", "--\n")


@pytest.mark.parametrize(
    "text",
    [
        "Thanks for nothing.",
        "Thank you",  # nothing above it: the whole mail
        "Regards the refund: where is it?",
        "The kettle leaks.\n\nThanks for the voucher, but it is expired.",
        "Sent from the shop on Monday, and it never came.\n\nWhere is it?",
        "First point.\n--\n" + "Another long point of many words, which goes on and on. " * 20,
    ],
)
def test_in_doubt_a_line_is_the_senders_own(text: str) -> None:
    assert words(text).own == text.strip()


def test_a_postscript_below_the_closing_is_kept() -> None:
    seen = words("The kettle leaks.\n\nRegards,\nJo\n\nPS: it gave my son a shock yesterday")
    assert seen.own == "The kettle leaks.\n\nPS: it gave my son a shock yesterday"


def test_a_sentence_below_the_closing_is_kept() -> None:
    seen = words("The kettle leaks.\n\nRegards,\nJo\n\nAlso my daughter burnt her hand on it.")
    assert "burnt her hand" in seen.own


@pytest.mark.parametrize(
    "notice",
    [
        "This e-mail and any attachments are confidential.\nIf you are not the intended recipient, notify the sender.",
        "CONFIDENTIALITY NOTICE: this message may be legally privileged.",
        "Diese E-Mail enthält vertrauliche und geschützte Informationen.\nWenn Sie nicht der richtige Adressat sind, "
        "informieren Sie bitte den Absender.",
        "Ce message et ses pièces jointes est confidentiel et à l'usage exclusif du destinataire.",
        "Este mensaje y sus anexos contienen información confidencial de uso exclusivo.",
        "Le informazioni contenute sono riservate e ad uso esclusivo del destinatario.",
        "Dit bericht is uitsluitend bestemd voor de geadresseerde.",
        "Esta mensagem e os anexos contêm informação confidencial.",
    ],
)
def test_a_legal_notice_is_set_apart(notice: str) -> None:
    seen = words(f"The kettle leaks.\n\n{notice}")
    assert seen.own == "The kettle leaks." and seen.disclaimer == notice


def test_a_data_breach_told_in_the_words_of_a_notice_is_no_notice() -> None:
    text = (
        "Hello,\n\nI received this e-mail in error, it holds confidential data of another customer. Please delete it."
    )
    assert words(text).own == text


def test_a_notice_takes_only_its_own_lines() -> None:
    seen = words(
        "My heating has failed.\nThis message may contain confidential matter\nfor the sole use of the addressee."
    )
    assert seen.own == "My heating has failed."


# --- forwarded mail ---------------------------------------------------------------------------------------------------

FORWARDS = [
    ("---------- Forwarded message ---------", 0),
    ("-------- Weitergeleitete Nachricht --------", 1),
    ("-------- Message transféré --------", 2),
    ("-------- Mensaje reenviado --------", 3),
    ("-------- Messaggio Inoltrato --------", 4),
    ("-------- Doorgestuurd bericht --------", 5),
    ("-------- Mensagem encaminhada --------", 6),
    ("Begin forwarded message:", 7),
]


@pytest.mark.parametrize(("line", "block"), FORWARDS)
def test_a_forwarded_mail_is_unwrapped(line: str, block: int) -> None:
    header = HEADER_BLOCKS[block].replace("care@ours.example", "ann@example.org")
    seen = words(f"FYI\n\n{line}\n{header}\n\nMy parcel is late.\n\nAnn", Date="Tue, 3 Mar 2026 08:00:00 +0100")
    assert seen.own == "FYI" and seen.forwarded is not None
    assert seen.forwarded.from_.email == "ann@example.org"
    assert seen.forwarded.text.startswith("My parcel is late.")
    assert seen.forwarded.date is not None and seen.forwarded.date.isoformat() == "2026-03-02T08:12:00+00:00"
    assert seen.new_text.startswith("FYI\n\nMy parcel is late.")


@pytest.mark.parametrize("prefix", ["FW:", "Fwd:", "WG:", "TR :", "RV:", "I:", "ENC:"])
def test_a_copied_header_under_a_forwarding_subject_is_a_forwarded_mail(prefix: str) -> None:
    seen = words(f"For you.\n\n{HEADER_BLOCKS[0]}\n\nMy parcel is late.", Subject=f"{prefix} Kettle")
    assert seen.forwarded is not None and seen.forwarded.text == "My parcel is late."


def test_a_forwarded_mail_keeps_its_own_quotes_and_signature_apart() -> None:
    inner = f"Where is it?\n\nRegards,\nAnn\nOrder OB-40217\n\n{REPLY_HEADERS[0]}\n> soon"
    seen = words(f"FYI\n\n---------- Forwarded message ---------\n{HEADER_BLOCKS[0]}\n\n{inner}")
    assert seen.forwarded is not None
    assert seen.forwarded.text == "Where is it?" and "OB-40217" in seen.forwarded.signature


def test_a_mail_forwarded_twice_gives_both_senders() -> None:
    inner = HEADER_BLOCKS[0].replace("care@ours.example", "ann@example.org").replace("Kettle", "Kettle burnt me")
    outer = HEADER_BLOCKS[0].replace("care@ours.example", "shop@ours.example").replace("Kettle", "FW: Kettle burnt me")
    text = f"See below\n\n{outer}\n\nOne for Care.\n\n{inner}\n\nThe kettle burnt me."
    seen = words(text, Subject="FW: FW: Kettle burnt me")
    assert seen.forwarded is not None
    assert [f.from_.email for f in seen.forwarded.chain()] == ["shop@ours.example", "ann@example.org"]
    assert seen.forwarded.text == "One for Care.\n\nThe kettle burnt me."


def test_the_mail_inside_a_bounce_is_no_forwarded_mail() -> None:
    raw = next(p.values[0] for p in expected("screen") if p.id == "bounce")
    assert isinstance(raw, bytes) and body.words(parse(raw)).forwarded is None


# --- language ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The kettle leaks", "en"),
        ("Where is my parcel? Order 12345", "en"),
        ("Wo bleibt mein Paket", "de"),
        ("Ma commande n'est pas arrivée et personne ne répond", "fr"),
        ("Todavía no ha llegado mi pedido y nadie contesta", "es"),
        ("Il mio pacco non è ancora arrivato", "it"),
        ("Mijn pakket is nog niet geleverd", "nl"),
        ("O meu pedido ainda não chegou e ninguém responde", "pt"),
        ("Gdzie jest moja paczka? Czekam już dwa tygodnie i nikt nie odpowiada.", "pl"),
        ("Paketim hala gelmedi, ne zaman gelecek? Kimse cevap vermiyor.", "tr"),
        ("Мой заказ не пришел до сих пор, никто не отвечает", "ru"),
        ("Danke", "de"),
        ("", "und"),
        ("ok", "und"),
        ("4711 - 0815 !!!", "und"),
        ("https://example.com/a/very/long/link", "und"),
    ],
)
def test_the_language_is_told_or_und(text: str, code: str) -> None:
    assert language.of(text) == code


def test_the_language_is_that_of_the_own_words_not_of_the_quote() -> None:
    seen = words("¿Dónde está mi pedido? Sigo sin noticias.\n\n> Dear customer,\n> your order is on its way to you.")
    assert (seen.language, seen.language_supported) == ("es", True)


def test_an_unsupported_language_is_named_and_marked() -> None:
    seen = words("Gdzie jest moja paczka? Czekam już dwa tygodnie i nikt nie odpowiada.")
    assert (seen.language, seen.language_supported) == ("pl", False)


@pytest.mark.parametrize(
    ("subject", "prefixes", "rest"),
    [
        ("Re: AW: Fwd: Kettle", ["re", "aw", "fwd"], "Kettle"),
        ("RE[3]: Kettle", ["re"], "Kettle"),
        ("Réf : Kettle", [], "Réf : Kettle"),
        ("Refund: now", [], "Refund: now"),
        ("", [], ""),
    ],
)
def test_subject_prefixes(subject: str, prefixes: list[str], rest: str) -> None:
    assert phrases.subject_prefixes(subject) == (prefixes, rest)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(alphabet="abc >:-\n\t_.<@1/", max_size=30), max_size=12), st.booleans())
def test_no_line_is_lost(lines: list[str], reply: bool) -> None:
    """Every word of a plain mail ends in exactly one of the zones (reply headers and marks included)."""
    text = "\n".join(lines)
    seen = words(text, Subject="Re: x" if reply else "x")
    zones = "".join((seen.own, seen.quoted, seen.signature, seen.disclaimer))
    assert sorted("".join(zones.split())) == sorted("".join(parse(mail(text)).text.split()))
