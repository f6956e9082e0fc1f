"""Tables of labels as data sets and spreadsheets contain them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from texgen.source.labels.tables import parse_label_table

ONE, TWO = "ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG"
FORMS = {
    "texgen's": f"file,class\n{ONE},n02\n{TWO},n01\n",
    "semicolons": f"file;class\n{ONE};n02\n{TWO};n01\n",
    "tabs": f"file\tclass\n{ONE}\tn02\n{TWO}\tn01\n",
    "capitals": f"File,Class\n{ONE},n02\n{TWO},n01\n",
    "swapped": f"class,file\nn02,{ONE}\nn01,{TWO}\n",
    "further columns": f"id,file,class,label\n1,{ONE},n02,x\n2,{TWO},n01,y\n",
    "empty cells and lines behind": f"file,class,,\n\n{ONE},n02,,\n{TWO},n01\n,\n\n",
    "no header": f"{ONE},n02\n{TWO},n01\n",
    "quoted": f'"file","class"\n"{ONE}","n02"\n"{TWO}","n01"\n',
    "Tiny-ImageNet": f"{ONE}\tn02\t0\t32\t44\t62\n{TWO}\tn01\t52\t55\t57\t59\n",
    "Caffe": f"{ONE} n02\n{TWO} n01\n",
    "Hugging Face's CSV": f"file_name,label\n{ONE},n02\n{TWO},n01\n",
    "Hugging Face's JSON": f'{{"file_name": "{ONE}", "label": "n02", "x": [1]}}\n'
    f'{{"label": "n01", "file_name": "{TWO}"}}\n',
    "Kaggle": f"ImageId,PredictionString\n{ONE},n02 1 2 3 4 n03 5 6 7 8 \n{TWO},n01 1 2 3 4\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_table_is_read_as_it_comes(form):
    found = [(row.file, row.class_name) for row in parse_label_table(FORMS[form])]
    assert found == [(ONE, "n02"), (TWO, "n01")]


def test_a_number_is_the_name_of_a_class():
    (row,) = parse_label_table('{"file_name": "a.png", "label": 7}\n')
    assert row == (1, "a.png", "7")


def test_names_with_separators_and_spaces_are_kept():
    rows = list(
        parse_label_table('file,class\n"a, b.jpg","tench, Tinca tinca"\n c.jpg , /a/abbey \n')
    )
    assert rows == [(2, "a, b.jpg", "tench, Tinca tinca"), (3, "c.jpg", "/a/abbey")]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f"file,class\n{ONE},\n", "line 2 has an empty class"),
        ("file,class\n\n,n01\n", "line 3 has an empty file"),
        (f"ImageId,PredictionString\n{ONE},\n", "line 2 has an empty class"),
        (f"file,class\n{ONE}\n", "line 2 has 1 of 2 columns"),
        (f"file,class\n{ONE},tench, Tinca\n", "line 2 has 3 columns where the first has 2"),
        (f'file,class\n{ONE},n02\n"{TWO},n01\n', "line 3: a quote .* not closed"),
        (f'file,class\n{ONE},"n02\n{TWO},n01"\n', "line 2: a quote .* not closed"),
        (f"file,class\n{ONE},{'x' * 200_000}\n", "line 2: field larger than field limit"),
        ("file,label,class_name\na.jpg,1,b\n", "label and class_name mean the same; keep one"),
        ("name;class\n", "expected the columns file,class.*its first line is 'name;class'"),
        (f"n02,{ONE}\n", "expected the columns file,class"),
        ("1 001.Albatross/Albatross_0046.jpg\n", "CUB-200-2011's .* without --labels"),
        ("1 1\n2 1\n", "CUB-200-2011's"),
        ("490\n361\n", "are numbers, not names of files; .* development kit"),
        ('{"file_name": "a.jpg", "label": 1}\n{"file_name"\n', "line 2 is not a JSON object"),
        ('{"file_name": "a.jpg", "label": [1]}\n', "line 1: its label is not a name or a number"),
        ('{"file_name": "a.jpg", "text": "x"}\n', "line 1 has no file_name and label"),
        ('[{"file_name": "a.jpg"}]\n', "one JSON list"),
        ("", "expected the columns"),
    ],
)
def test_a_wrong_line_is_named(text, error):
    with pytest.raises(ValueError, match=error):
        list(parse_label_table(text))


TOKENS = [
    '"',
    ",",
    "\n",
    "\t",
    ";",
    " ",
    "{",
    "}",
    "[",
    "file",
    "class",
    "label",
    "a.jpg",
    "1",
    ":",
]


@given(st.sampled_from(["", *FORMS.values()]), st.lists(st.sampled_from(TOKENS), max_size=12))
def test_any_text_is_a_table_or_a_value_error(form, tokens):
    middle = len(form) // 2
    for text in ("".join(tokens) + form, form[:middle] + "".join(tokens) + form[middle:]):
        with contextlib.suppress(ValueError):
            assert all(row.file and row.class_name for row in parse_label_table(text))
