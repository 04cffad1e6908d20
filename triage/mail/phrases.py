"""The words that mail programs and writers put round a mail, in the seven supported languages.

Only what clients write by themselves (headers of quoted and forwarded mail, automatic subjects) and the set forms of
closings and legal notices stand here; words that tell what a mail is about belong to `judge/`.
Every pattern is anchored and bounded, so that it takes time linear in the line it is tried on.
"""

from __future__ import annotations

import re
import unicodedata

#: header lines that clients copy above a quoted or forwarded mail
LABELS: dict[str, str] = {
    **dict.fromkeys(("from", "von", "de", "da", "van", "expéditeur", "absender", "mittente", "remitente"), "from"),
    **dict.fromkeys(("afzender", "remetente", "desde"), "from"),
    **dict.fromkeys(("date", "sent", "gesendet", "datum", "envoyé", "envoyé le", "fecha", "enviado", "data"), "date"),
    **dict.fromkeys(("enviado el", "enviado em", "enviada", "enviada em", "inviato", "inviata", "verzonden"), "date"),
    **dict.fromkeys(("verstuurd", "gesendet am", "date d'envoi", "data de envio", "sent at"), "date"),
    **dict.fromkeys(("to", "an", "à", "a", "para", "aan", "destinatario", "destinataire", "empfänger"), "to"),
    **dict.fromkeys(("cc", "kopie", "copie", "copia", "bcc", "ccn"), "cc"),
    **dict.fromkeys(("subject", "betreff", "objet", "asunto", "oggetto", "onderwerp", "assunto", "re"), "subject"),
    **dict.fromkeys(("reply-to", "antwort an", "répondre à", "responder a", "rispondi a", "antwoord aan"), "reply-to"),
    **dict.fromkeys(("importance", "wichtigkeit", "priorität", "priority", "attachments", "anlagen"), "other"),
}
LABEL_LINE = re.compile(r"[ \t>*_]{0,10}([^\W\d_][\w' -]{0,20}?)[ \t\u00a0*_]{0,4}:[ \t\u00a0*_]{0,4}(.{0,2000})")

_FORWARDED = (
    r"forwarded (?:message|mail|e-?mail)|fwd|weitergeleitete (?:nachricht|e-?mail)|message (?:transféré|réexpédié)|"
    r"courriel transféré|mensaje reenviado|messaggio inoltrato|doorgestuurd bericht|doorgestuurde e-?mail|"
    r"mensagem (?:encaminhada|reencaminhada|reenviada)"
)
_APPLE_FORWARDED = (
    r"begin forwarded message|anfang der weitergeleiteten (?:nachricht|e-?mail)|"
    r"début du (?:message|courriel|e-?mail) (?:transféré|réexpédié)|inicio del mensaje reenviado|"
    r"inizio (?:del )?messaggio inoltrato|begin doorgestuurd bericht|início da mensagem (?:reenviada|encaminhada)"
)
_ORIGINAL = (
    r"original(?:[- ]message| mail| appointment)|ursprüngliche nachricht|original-?nachricht|message d['’]origine|"
    r"message original|mensaje original|messaggio originale|oorspronkelijk bericht|origineel bericht|mensagem original"
)
#: the line that says "a forwarded mail begins here"
FORWARD_LINE = re.compile(
    rf"[ \t]{{0,8}}(?:[-_–—*=]{{2,60}}[ \t]{{0,8}}(?:{_FORWARDED})(?: (?:from|von|de|da|van) .{{0,80}}?)?"
    rf"[ \t]{{0,8}}:?[-_–—*= \t]{{0,60}}|(?:{_APPLE_FORWARDED})[ \t\u00a0]{{0,4}}:?[ \t]{{0,8}})\r?$",
    re.IGNORECASE,
)
#: the same at the start of an HTML element's text
FORWARD_START = re.compile(
    rf"\A\s{{0,200}}(?:[-_–—*=]{{2,60}}\s{{0,8}}(?:{_FORWARDED})|(?:{_APPLE_FORWARDED}))", re.IGNORECASE
)
#: "-----Original Message-----": the mail answered (or, under a forwarding subject, the mail forwarded)
ORIGINAL_LINE = re.compile(
    rf"[ \t]{{0,8}}[-_–—*=]{{2,60}}[ \t]{{0,8}}(?:{_ORIGINAL})[ \t]{{0,8}}[-_–—*=]{{2,60}}[ \t]{{0,8}}$", re.IGNORECASE
)

#: "On ... wrote:" ends in a colon and holds one of these; for a text that `small` has made, as is `_NOTICE`: without
#: IGNORECASE the search takes a quarter of the time (issue 8)
WROTE = re.compile(
    r"\b(?:wrote|writes|schrieb|schreibt|a écrit|écrivait|escribió|escribi[oó]|ha scritto|scrisse|schreef|schreven|"
    r"geschreven|escreveu|skrev|napisał|написал|пишет|yazdi)\b"
)
WROTE_START = re.compile(
    r"(?:on|am|le|el|il|op|em|a|den|w dniu)\b|\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|"
    r"(?:mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so|lun|mar|mer|jeu|ven|sam|dim|mié|jue|vie|sáb|dom|gio|"
    r"maa|din|woe|don|vri|zat|zon|seg|ter|qua|qui|sex)[\w.-]{0,12}[,.]? ",
    re.IGNORECASE,
)

_REPLY = "re aw antw antwort sv rif r ref rép rép. res odp ynt vá"
_FORWARD = "fw fwd wg tr rv i enc doorst fs vs weitergeleitet"
REPLY_PREFIXES = frozenset(_REPLY.split())
FORWARD_PREFIXES = frozenset(_FORWARD.split())
_PREFIX = re.compile(r"\s{0,4}([^\W\d_]{1,14}\.?)(?:\[\d{1,3}\]|\(\d{1,3}\))?\s{0,2}[:：]\s{0,4}")

CLOSING = re.compile(
    r"[ \t]{0,8}(?:(?:with )?(?:(?:kind(?:est)?|best|warm(?:est)?|many) )?(?:regards|wishes)|all the best|best|"
    r"yours(?: (?:sincerely|faithfully|truly|in hope))?|sincerely(?: yours)?|respectfully|cheers|ta|"
    r"(?:many )?thanks(?: (?:again|in advance|so much))?|thank you(?: (?:again|in advance|very much|so much))?|"
    r"mit (?:freundlich|best|herzlich|lieb)e[nm] gr(?:ü|ue)(?:ß|ss)(?:en)?|"
    r"(?:viele|beste|liebe|schöne|herzliche|freundliche) gr(?:ü|ue)(?:ß|ss)e|(?:lieben |besten |schönen )?gru(?:ß|ss)|"
    r"mfg|lg|vg|hochachtungsvoll|(?:vielen )?dank(?: im voraus)?|danke(?: im voraus)?|"
    r"(?:bien )?cordialement|bien à vous|(?:sincères |meilleures )?salutations(?: distinguées)?|cdlt|"
    r"merci(?: (?:d['’]avance|par avance|beaucoup))?|"
    r"(?:un )?(?:cordial )?saludos?(?: cordial(?:es)?)?|atentamente|"
    r"(?:muchas )?gracias(?: (?:de antemano|por adelantado))?|"
    r"(?:cordiali|distinti) saluti|saluti|cordialmente|(?:molte )?grazie(?: (?:in anticipo|mille))?|"
    r"(?:met )?(?:vriendelijke|hartelijke) groet(?:en)?|mvg|groet(?:en|jes)?|hoogachtend|(?:alvast )?bedankt|"
    r"(?:com os )?(?:melhores |atenciosos )?cumprimentos|atenciosamente|(?:muito )?obrigad[oa](?: desde já)?)"
    r"[ \t]{0,4}[,.!;–-]{0,3}[ \t]{0,4}(?P<rest>.{0,60})$",
    re.IGNORECASE,
)
MOBILE = re.compile(
    r"[ \t]{0,8}(?:(?:sent|get outlook) (?:from|with|using|via|for|by) .{0,60}|"
    r"(?:von meinem|gesendet (?:mit|von)|diese nachricht wurde von) .{0,60}|envoyé (?:de|depuis|à partir de) .{0,60}|"
    r"enviado desde .{0,60}|inviato da .{0,60}|(?:verzonden|verstuurd) (?:vanaf|met|vanuit) .{0,60}|"
    r"enviado (?:do|da|a partir do) .{0,60})$",
    re.IGNORECASE,
)
_DEVICE = re.compile(
    r"iphone|ipad|android|samsung|galaxy|huawei|blackberry|mobil|outlook|yahoo|sparrow|handy|smartphone|telefon|"
    r"protonmail|proton mail|gmx|web\.de|tablet|nokia|sony|pixel|windows|móvil|portable|phone|telemóvel|celular",
    re.IGNORECASE,
)
POSTSCRIPT = re.compile(
    r"[ \t]{0,8}(?:p\.? ?s\.?|p\.? ?p\.? ?s\.?|n\.? ?b\.?|post ?scriptum)(?:[ :.,–-]|$)", re.IGNORECASE
)

#: set phrases of legal notices; two of them make a paragraph a notice ("received in error" alone may be a data breach)
_NOTICE = re.compile(
    r"not the intended recipient|intended (?:solely|only) for|for the (?:sole|exclusive) use of|"
    r"use of the (?:individual|person|addressee)|"
    r"(?:this|the) (?:e-?mail|message|communication)(?:,? (?:and|including) any|"
    r" (?:is|may be|may contain|contains) (?:confidential|privileged))|"
    r"any (?:unauthori[sz]ed|disclosure|dissemination)|"
    r"notify the sender|legally privileged|privileged (?:information|material)|views (?:or opinions )?expressed|"
    r"scanned for viruses|free (?:of|from) viruses|registered (?:in england|office)|consider the environment|"
    r"confidentiality notice|please delete (?:it|this (?:e-?mail|message))|"
    r"diese (?:e-?mail|nachricht) (?:enthält|kann|ist)|vertrauliche(?: und|,)|"
    r"nicht der (?:richtige|vorgesehene|bestimmungs)|"
    r"irrtümlich erhalten|unbefugte weitergabe|informieren sie (?:bitte )?(?:sofort )?den absender|vernichten sie|"
    r"amtsgericht|geschäftsführer|handelsregister|ust-?id|"
    r"ce (?:message|courriel)(?: et| est|,)|destinataire(?:s)? (?:exclusif|prévu)|est confidentiel|usage exclusif|"
    r"toute (?:utilisation|diffusion|reproduction)|avertir (?:immédiatement )?l['’]expéditeur|par erreur|"
    r"este (?:mensaje|correo)(?: y| puede| contiene|,)|información confidencial|destinatario indicado|"
    r"uso exclusivo|si (?:usted )?no es el destinatario|notifíquelo al remitente|"
    r"(?:questo messaggio|la presente e-?mail|le informazioni contenute)|riservat[eo] (?:e|ai)|uso esclusivo|"
    r"se non (?:siete|è) il destinatario|avvisare il mittente|regolamento ue 2016/679|"
    r"(?:dit (?:bericht|e-?mailbericht)|deze e-?mail) (?:is|en|kan|bevat)|uitsluitend bestemd|"
    r"niet de (?:geadresseerde|bedoelde ontvanger)|de afzender (?:te )?(?:informeren|waarschuwen)|"
    r"est[ae] (?:mensagem|e-?mail)(?: e| pode| contém| é|,)|informação confidencial|"
    r"destinatário (?:indicado|pretendido)|informe o remetente"
)
_NOTICE_TITLE = re.compile(
    r"\W{0,8}(?:disclaimer|confidentiality (?:notice|statement)|legal notice|haftungsausschluss|"
    r"vertraulichkeitshinweis|"
    r"avis de confidentialité|aviso (?:legal|de confidencialidad|de confidencialidade)|"
    r"avvertenza|vertrouwelijkheid)\b",
    re.IGNORECASE,
)

#: how automatic replies begin their subject, by client and language
AUTOMATIC_SUBJECT = re.compile(
    r"\s{0,4}(?:automatic reply|auto(?:matic)?[- ]?(?:response|reply)|out[- ]of[- ](?:the[- ])?office|"
    r"ooo\b|away from (?:my|the) |"
    r"automatische (?:antwort|reactie)|abwesenheits?(?:notiz|agent|nachricht)|abwesend|abwesenheit\b|"
    r"réponse automatique|message d['’]absence|absence du bureau|absent du bureau|absence\s?:|"
    r"respuesta automática|fuera de (?:la )?oficina|ausente de la oficina|"
    r"risposta automatica|fuori (?:ufficio|sede)|assente dall['’]ufficio|"
    r"automatisch antwoord|afwezigheid|afwezig\b|niet aanwezig|"
    r"resposta automática|ausência (?:temporária|do escritório)|fora do escritório)",
    re.IGNORECASE,
)


def label(line: str) -> tuple[str, str] | None:
    """("from" | "date" | "to" | "cc" | "subject" | "reply-to" | "other", value) of a copied header line."""
    found = LABEL_LINE.match(line)
    if not found:
        return None
    kind = LABELS.get(" ".join(found[1].lower().split()))
    return (kind, found[2].strip(" \t*_\u00a0")) if kind else None


def is_notice(paragraph: str) -> bool:
    """Legal small print: a title of its own, or two different set phrases."""
    text = " ".join(paragraph.replace("’", "'").split())
    if _NOTICE_TITLE.match(text) and (len(text) < 40 or _NOTICE.search(small(text))):
        return True
    return len({m[0] for m in _NOTICE.finditer(small(text[:5000]))}) >= 2


def begins_notice(line: str) -> bool:
    """A line of a legal notice that shows it to be one."""
    return bool(_NOTICE_TITLE.match(line) or _NOTICE.search(small(line[:2000])))


def small(text: str) -> str:
    """Small letters, as IGNORECASE sees them: the Turkish i's and the long s among them."""
    return text.replace("İ", "i").replace("ı", "i").replace("ſ", "s").lower()


def is_mobile_line(line: str) -> bool:
    """ "Sent from my iPhone" and its kin; a sentence that only begins so is none."""
    return bool(MOBILE.match(line) and _DEVICE.search(line))


def subject_prefixes(subject: str) -> tuple[list[str], str]:
    """(prefixes in lower case, the subject without them): "Re: WG: Rechnung" -> (["re", "wg"], "Rechnung")."""
    found: list[str] = []
    rest = subject[:1000]
    while len(found) < 20 and (match := _PREFIX.match(rest)):
        word = match[1].lower()
        if word not in REPLY_PREFIXES and word not in FORWARD_PREFIXES:
            break
        found.append(word)
        rest = rest[match.end() :]
    return found, rest.strip()


def folded(text: str) -> str:
    """Lower case without accents, for comparing words."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
