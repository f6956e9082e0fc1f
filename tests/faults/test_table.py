"""The table of faults that a run updates in a document."""

from __future__ import annotations

import pytest

from tests.faults.table import BEGIN, END, FaultTable


def test_a_table_is_brought_up_to_date_and_keeps_what_was_not_struck_again():
    table = FaultTable()
    table.add("kill", "5 moments", "the same bytes", 4)
    table.add("kill", "5 moments", "exit 1", 1)
    table.add("flood", "all", "the same bytes")
    text = table.update(f"before\n{BEGIN}\n{END}\nafter\n")
    assert text == (
        f"before\n{BEGIN}\n| fault | moment | runs | outcome |\n| --- | --- | --- | --- |\n"
        "| flood | all | 1 | the same bytes |\n"
        f"| kill | 5 moments | 5 | 4 x the same bytes; 1 x exit 1 |\n{END}\nafter\n"
    )
    later = FaultTable()
    later.add("kill", "6 moments", "the same bytes", 6)
    text = later.update(text)
    assert "| flood | all | 1 | the same bytes |\n| kill | 6 moments | 6 |" in text
    assert "5 moments" not in text
    assert FaultTable().update(text) == text


def test_a_document_without_a_place_for_the_table_is_refused():
    with pytest.raises(ValueError, match="no place"):
        FaultTable().update("text")
