"""The kinds of mail that screening tells apart, and what each is treated as."""

from __future__ import annotations

from enum import StrEnum

from triage.words import Disposition


class Kind(StrEnum):
    """What a mail is by its outside. The order is that of the rules."""

    CANARY = "canary"  # our own test mail, sent to see that mail gets through
    OWN_LOOP = "own_loop"  # our own mail came back
    BOUNCE = "bounce"  # a delivery report
    MDN = "mdn"  # a read receipt
    ABUSE_REPORT = "abuse_report"  # a recipient pressed "spam" on a mail of ours
    PHISHING = "phishing"  # the sender's domain disowns it, and it carries a link or an archive
    WEB_FORM = "web_form"  # our own form: the customer stands in Reply-To
    FORWARDED = "forwarded"  # a colleague passes on a customer's mail
    STAFF_REPLY = "staff_reply"  # a colleague writes to somebody outside, with us in copy
    BOUNCE_LIKE = "bounce_like"  # an empty return path or a daemon, without a standard report
    OUT_OF_OFFICE = "ooo"  # an automatic answer
    MACHINE = "machine"  # a machine's notice
    LIST = "list"  # mailing list or newsletter
    BULK = "bulk"  # mail to many
    NO_REPLY = "no_reply"  # a sender that reads no answers; judged by content
    SELF = "self"  # from one of our own intake addresses
    INTERNAL = "internal"  # from our own domain, no customer's mail inside
    PERSON = "person"  # none of the above


#: kinds that no person wrote to us: numbers in their text tie to no case, they reopen nothing by age
AUTOMATIC_KINDS = frozenset(
    {Kind.CANARY, Kind.OWN_LOOP, Kind.BOUNCE, Kind.MDN, Kind.ABUSE_REPORT, Kind.BOUNCE_LIKE, Kind.OUT_OF_OFFICE}
)

#: kind -> disposition; None leaves it to the judge
DISPOSITIONS: dict[Kind, Disposition | None] = {
    Kind.CANARY: Disposition.INTERNAL,
    Kind.OWN_LOOP: Disposition.INTERNAL,
    Kind.BOUNCE: Disposition.BOUNCE,
    Kind.MDN: Disposition.INTERNAL,
    Kind.ABUSE_REPORT: Disposition.COMPLAINT,
    Kind.PHISHING: Disposition.SPAM_PHISHING,
    Kind.WEB_FORM: None,
    Kind.FORWARDED: None,
    Kind.STAFF_REPLY: Disposition.INTERNAL,
    Kind.BOUNCE_LIKE: Disposition.BOUNCE,
    Kind.OUT_OF_OFFICE: Disposition.AUTOREPLY,
    Kind.MACHINE: Disposition.SYSTEM_NOTICE,
    Kind.LIST: Disposition.NEWSLETTER,
    Kind.BULK: Disposition.NEWSLETTER,
    Kind.NO_REPLY: None,
    Kind.SELF: Disposition.INTERNAL,
    Kind.INTERNAL: Disposition.INTERNAL,
    Kind.PERSON: None,
}
