"""Training on many mails and predicting: the words and labels of the generated mails."""

from __future__ import annotations

import time
from random import Random
from typing import Any

from benchmarks.generator import SEED, own_words, people


def _examples(count: int) -> list[Any]:
    from triage.learn.example import Example
    from triage.words import Disposition, Urgency

    levels = {"U1": Urgency.CRITICAL, "U2": Urgency.URGENT, "U3": Urgency.NORMAL, "U4": Urgency.LOW}
    samples = people()
    found = []
    for number in range(count):
        draw = Random(f"{SEED}/learn/{number}")
        entry = draw.choice(samples)
        labels = entry["labels"]
        complaint = labels["disposition"] == "complaint"
        found.append(
            Example(
                id=str(number), group=f"g{number % (count // 4 or 1)}", subject=entry["subject"] or "",
                text=own_words(entry, draw), language=entry["lang"], disposition=Disposition(labels["disposition"]),
                complaint_type=labels["type"] if complaint else None,
                urgency=levels.get(labels["urgency"]) if complaint else None,
                flags=tuple(labels["flags"]), clean=True,
            )
        )  # fmt: skip
    return found


def train(*, count: int) -> dict[str, Any]:
    """CPU seconds of a training from labelled words to a calibrated model."""
    from triage.learn.train import train as fit

    examples = _examples(count)
    begun = time.process_time()
    model = fit(examples, SEED)
    cpu = time.process_time() - begun
    return {"mails": count, "train_cpu_s": cpu, "features": model.features.width, "per_second": count / cpu}


def predict(*, count: int) -> dict[str, Any]:
    """Mails a second and core that the shipped model predicts, in batches of 100, and what it costs to read sentences too."""
    from triage.desk import shipped_models
    from triage.judge import encoder
    from triage.learn.judged import House
    from triage.world import artefact

    folder = artefact.current(shipped_models())
    model = artefact.load(folder, semantic=False)
    words = House().words(_examples(count + 500))  # with the signs of the cues, as the desk asks
    model.predict(words[:500])
    rest = words[500:]
    begun = time.process_time()
    for start in range(0, len(rest), 100):
        model.predict(rest[start : start + 100])
    cpu = time.process_time() - begun
    richer = None
    if encoder.available():
        semantic = artefact.load(folder)
        semantic.predict(words[:5])
        begun = time.process_time()
        semantic.predict(rest[:300])
        richer = (time.process_time() - begun) / len(rest[:300]) * 1e6
    return {
        "mails": count, "model": model.name, "cpu_us": cpu / count * 1e6, "mails_per_cpu_s": count / cpu,
        "with_sentences_cpu_us": richer,
    }  # fmt: skip
