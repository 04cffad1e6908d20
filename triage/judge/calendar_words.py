"""Weekdays, months, numbers and relative words of the seven languages, folded: what a written date is made of. Data."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CalendarWords:
    """The words of one language. Days are offsets from today, spans are (unit, amount of that unit)."""

    weekdays: dict[str, int]
    months: dict[str, int]
    relative: dict[tuple[str, ...], int]  # words -> days from today
    evening: frozenset[tuple[str, ...]]  # relative words that mean the evening
    units: dict[str, str]  # word -> hour, day, business, week, month
    lead_in: frozenset[str]  # "in two days", "within 14 days"
    day_article: frozenset[str]  # words before a bare day number: "le 14", "dia 14"
    hour_words: frozenset[str]  # "6 Uhr", "6 am"
    before_hour: frozenset[str]  # "a las 6", "um 6"
    last: frozenset[str]  # last Friday
    next: frozenset[str]  # next Friday
    week: frozenset[str]  # Monday week, next week
    weekend: frozenset[str]
    past: frozenset[str] = field(default_factory=frozenset)  # verbs that put a bare weekday into the past
    future: frozenset[str] = field(default_factory=frozenset)  # words that put it into the future after all


def _numbered(words: str, first: int) -> dict[str, int]:
    """ "a|b c" from `first` up: {a: first, b: first, c: first + 1}."""
    return {form: first + n for n, forms in enumerate(words.split()) for form in forms.split("|")}


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _units(hour: str, day: str, business: str, week: str, month: str) -> dict[str, str]:
    named = (("hour", hour), ("day", day), ("business", business), ("week", week), ("month", month))
    return {word: unit for unit, words in named for word in words.split()}


def _rel(**offsets: str) -> dict[tuple[str, ...], int]:
    """today="today|this morning", tomorrow=..., after="day after tomorrow"."""
    days = {"today": 0, "tomorrow": 1, "after": 2}
    return {tuple(form.split()): days[key] for key, forms in offsets.items() for form in forms.split("|")}


def _phrases(forms: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(form.split()) for form in forms.split("|"))


NUMBERS = {
    word: n
    for words in (
        "one two three four five six seven eight nine ten eleven twelve",
        "einem|einer|ein|eine zwei drei vier fuenf|funf sechs sieben acht neun zehn elf zwoelf|zwolf",
        "un|une deux trois quatre cinq six sept huit neuf dix onze douze",
        "un|una|uno dos tres cuatro cinco seis siete ocho nueve diez once doce",
        "un|una|uno due tre quattro cinque sei sette otto nove dieci undici dodici",
        "een twee drie vier vijf zes zeven acht negen tien elf twaalf",
        "um|uma dois|duas tres quatro cinco seis sete oito nove dez onze doze",
    )
    for word, n in _numbered(words, 1).items()
} | {"fourteen": 14, "vierzehn": 14, "quatorze": 14, "catorce": 14, "quattordici": 14, "veertien": 14, "catorze": 14,
     "fifteen": 15, "quinze": 15, "quince": 15, "thirty": 30, "couple": 2, "few": 3, "paar": 3, "twenty": 20, "quinzaine": 15}  # fmt: skip

WORDS: dict[str, CalendarWords] = {
    "en": CalendarWords(
        weekdays=_numbered("monday|mon tuesday|tues|tue wednesday|weds|wed thursday|thurs|thur|thu friday|fri saturday sunday", 0),
        months=_numbered("january|jan february|feb march|mar april|apr may june|jun july|jul august|aug september|sept|sep october|oct november|nov december|dec", 1),
        relative=_rel(today="today|tonight|this evening|this afternoon|later today", tomorrow="tomorrow|tmrw|tomo|tmw", after="day after tomorrow"),
        evening=_phrases("tonight|this evening"),
        units=_units("hour hours hrs hr h", "day days", "working business", "week weeks", "month months"),
        lead_in=_set("in within next another only have just left"),
        day_article=frozenset(),
        hour_words=_set("am pm oclock a p"),
        before_hour=_set("at by before until till from"),
        last=_set("last past previous"),
        next=_set("next"),
        week=_set("week"),
        weekend=_set("weekend"),
        past=_set("was were did didnt had came went flew missed arrived stayed got happened wasnt werent attended hadnt told said ordered bought called rang promised wrote spoke booked received took paid since"),
        future=_set("will ll am m re is are s fly flying leave leaving leaves due next this coming need needs by before must cant cannot going starts start gets get have has travel travelling depart until arrive arriving off wont needed"),
    ),
    "de": CalendarWords(
        weekdays=_numbered("montag|montags dienstag mittwoch donnerstag freitag samstag|sonnabend sonntag", 0),
        months=_numbered("januar|jaenner|janner|jan februar|feb maerz|marz april|apr mai juni|jun juli|jul august|aug september|sept|sep oktober|okt november|nov dezember|dez", 1),
        relative=_rel(today="heute|heute abend|heute nacht|heute nachmittag", tomorrow="morgen|morgen frueh|morgen fruh", after="ubermorgen|uebermorgen"),
        evening=_phrases("heute abend|heute nacht"),
        units=_units("stunde stunden std", "tag tage tagen", "werktage werktagen arbeitstage arbeitstagen werktag bankarbeitstagen", "woche wochen", "monat monate monaten"),
        lead_in=_set("in innerhalb binnen von noch nur nachsten naechsten"),
        day_article=_set("am zum den dem"),
        hour_words=_set("uhr h"),
        before_hour=_set("um ab gegen bis vor"),
        last=_set("letzten letzter letztem letzte vergangenen vorigen vergangenem"),
        next=_set("nachsten naechsten nachster naechster nachste naechste nachstem"),
        week=_set("woche"),
        weekend=_set("wochenende"),
        past=_set("war waren hatte hatten kam kamen wurde wurden ging gingen sollte sollten bekam bestellt gekauft gekommen seit versprochen erhalten angerufen passierte"),
        future=_set("wird werden ist sind fliege fliegen fliegt muss mussen muessen brauche brauchen bis reise reisen heirate heiraten habe haben findet beginnt startet geht ziehe ziehen kommt kommen feiern feiert ab steht diesen kommenden"),
    ),
    "fr": CalendarWords(
        weekdays=_numbered("lundi mardi mercredi jeudi vendredi samedi dimanche", 0),
        months=_numbered("janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre", 1),
        relative=_rel(today="aujourd hui|ce soir|cet apres midi|cette nuit|cette apres midi", tomorrow="demain", after="apres demain"),
        evening=_phrases("ce soir|cette nuit"),
        units=_units("heure heures h", "jour jours", "ouvres ouvrables ouvre", "semaine semaines", "mois"),
        lead_in=_set("dans sous d reste plus que"),
        day_article=_set("le au du"),
        hour_words=_set("h heures heure"),
        before_hour=_set("a vers avant des"),
        last=_set("dernier derniere passe passee"),
        next=_set("prochain prochaine"),
        week=_set("semaine huit"),
        weekend=_set("week weekend"),
        past=_set("etait etaient avait avais ai avons ont devait devaient avez suis"),
        future=_set("est sont pars partons part prenons decolle dois devons faut avant prochain arrive arrivons ce commence demenage demenageons sera serai serons aura marie marions besoin a"),
    ),
    "es": CalendarWords(
        weekdays=_numbered("lunes martes miercoles jueves viernes sabado domingo", 0),
        months=_numbered("enero febrero marzo abril mayo junio julio agosto septiembre|setiembre octubre noviembre diciembre", 1),
        relative=_rel(today="hoy|esta noche|esta tarde|hoy mismo", tomorrow="manana", after="pasado manana"),
        evening=_phrases("esta noche"),
        units=_units("hora horas h", "dia dias", "habiles laborables", "semana semanas", "mes meses"),
        lead_in=_set("en dentro de quedan proximos proximas plazo"),
        day_article=_set("el dia al"),
        hour_words=_set("h horas hrs"),
        before_hour=_set("las la"),
        last=_set("pasado pasada ultimo ultima"),
        next=_set("proximo proxima siguiente"),
        week=_set("semana"),
        weekend=_set("finde"),
        past=_set("era fue estaba habia iba debia llego vino dijeron compre pedi llame prometieron tenia tuve paso"),
        future=_set("es son vuelo volamos salgo salimos sale viajo viajamos tengo tenemos hay antes necesito necesitamos este proximo sera caso casamos empieza mudo mudamos llegamos operan"),
    ),
    "it": CalendarWords(
        weekdays=_numbered("lunedi martedi mercoledi giovedi venerdi sabato domenica", 0),
        months=_numbered("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre", 1),
        relative=_rel(today="oggi|stasera|stanotte|questa sera|oggi pomeriggio", tomorrow="domani|domattina", after="dopodomani|dopo domani"),
        evening=_phrases("stasera|stanotte|questa sera"),
        units=_units("ora ore h", "giorno giorni", "lavorativi", "settimana settimane", "mese mesi"),
        lead_in=_set("tra fra entro in restano prossimi prossime"),
        day_article=_set("il dal al giorno"),
        hour_words=_set("h ore"),
        before_hour=_set("alle ore dalle"),
        last=_set("scorso scorsa passato passata"),
        next=_set("prossimo prossima"),
        week=_set("settimana"),
        weekend=_set("weekend"),
        past=_set("era erano doveva dovevano aveva ha ho hanno venne abbiamo e_stato stato stata"),
        future=_set("e sono parto partiamo parte volo devo dobbiamo abbiamo c entro serve prossimo sara mi sposo sposiamo comincia inizia trasloco traslochiamo arriviamo operano"),
    ),
    "nl": CalendarWords(
        weekdays=_numbered("maandag dinsdag woensdag donderdag vrijdag zaterdag zondag", 0),
        months=_numbered("januari februari maart april mei juni juli augustus september oktober november december", 1),
        relative=_rel(today="vandaag|vanavond|vanmiddag|vannacht", tomorrow="morgen|morgenochtend", after="overmorgen"),
        evening=_phrases("vanavond|vannacht"),
        units=_units("uur uren", "dag dagen", "werkdag werkdagen", "week weken", "maand maanden"),
        lead_in=_set("over binnen nog in komende"),
        day_article=_set("op de per"),
        hour_words=_set("uur u"),
        before_hour=_set("om voor vanaf"),
        last=_set("vorige afgelopen laatste"),
        next=_set("volgende"),
        week=_set("week"),
        weekend=_set("weekend"),
        past=_set("was waren had hadden kwam kwamen werd werden ging gingen zou zouden kreeg sinds besteld gekocht beloofd gebeld"),
        future=_set("is zijn vlieg vliegen vliegt vertrek vertrekken moet moeten heb hebben nodig voor ga gaan trouw trouwen begint verhuis verhuizen komt komende aanstaande word wordt reis reizen"),
    ),
    "pt": CalendarWords(
        weekdays=_numbered("segunda terca quarta quinta sexta sabado domingo", 0),
        months=_numbered("janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro", 1),
        relative=_rel(today="hoje|hoje a noite|esta noite|esta tarde|logo a noite", tomorrow="amanha", after="depois de amanha"),
        evening=_phrases("hoje a noite|esta noite|logo a noite"),
        units=_units("hora horas h", "dia dias", "uteis", "semana semanas", "mes meses"),
        lead_in=_set("em dentro daqui prazo faltam proximos proximas de"),
        day_article=_set("dia no a"),
        hour_words=_set("h horas hrs"),
        before_hour=_set("as pelas"),
        last=_set("passado passada ultimo ultima"),
        next=_set("proximo proxima"),
        week=_set("semana"),
        weekend=_set("fim"),
        past=_set("era foi estava tinha ia devia veio disseram comprei pedi liguei prometeram teve"),
        future=_set("e sao voo voamos viajo viajamos parto partimos tenho temos ha ate antes preciso precisamos esta proximo sera caso casamos comeca mudo mudamos chegamos embarco"),
    ),
}  # fmt: skip
