"""Names as evidence against a tie: who is surely somebody else."""

from __future__ import annotations

import pytest

from triage.mail import person


@pytest.mark.parametrize(
    ("written", "known", "text", "another", "by_first_name"),
    [
        ("Dana Fox", "Robin Ellery", "", True, True),
        ("Alex Ellery", "Robin Ellery", "", False, True),  # a household
        ("M Ellery", "Margot Ellery", "", False, False),  # an initial
        ("Rob Ellery", "Robin Ellery", "", False, False),
        ("Ellery, Margot", "Margot Ellery", "", False, False),
        ("Mrs. Ellery", "Robin Ellery", "", False, False),  # a title is no first name
        ("Robin James Ellery", "Robin Ellery", "", False, False),
        ("José Peña", "JOSE PENA", "", False, False),
        ("Dana Fox", "Robin Ellery", "I write for my mother, Mrs Ellery.", False, False),
        ("Alex Ellery", "Robin Ellery", "Any news of Robin's kettle?", False, False),
        ("Alex Ellery", "Robin Ellery", "Alex Ellery", False, True),
        ("", "Robin Ellery", "", False, False),  # no name, no evidence
        ("Dana Fox", "", "", False, False),
        ("山田太郎", "Robin Ellery", "", False, False),
        ("x" * 100_000, "Robin Ellery", "y " * 1_000_000, True, True),
    ],
)
def test_a_name_says_who_it_surely_is_not(
    written: str, known: str, text: str, another: bool, by_first_name: bool
) -> None:
    assert person.another(written, known, text) is another
    assert person.another(written, known, text, first_name=True) is by_first_name
