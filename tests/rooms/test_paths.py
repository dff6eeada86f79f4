"""`cortex analyze paths`: the field's path table in, every model side by side out."""

import json
from pathlib import Path

import pytest

from cortex.attribution import _table
from cortex.cli.app import main
from cortex.errors import UsageError

HEADER = "path;total_conversions;total_conversion_value;total_null"
THREE = f"{HEADER}\nC1 > C2 > C3;1;10;0\nC1;0;0;1\nC2 > C3;0;0;1\n"
MODELS = [
    "last_click", "first_click", "linear", "position_based", "markov_1", "markov_2", "markov_3", "shapley",
    "shapley_equal_split",
]  # fmt: skip


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    file = folder / "paths.csv"
    file.write_text(text, encoding=encoding)
    return file


def analysed(file: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert main(["analyze", "paths", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"]
    data: dict[str, object] = told["data"]
    return data


def credited(data: dict[str, object], model: str, figure: str = "conversions") -> list[float]:
    models = data["models"]
    assert isinstance(models, dict)
    return [channel[figure] for channel in models[model].values()]


@pytest.mark.parametrize("separator", [";", ","])
def test_three_paths_by_hand(separator: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = analysed(written(tmp_path, THREE.replace(";", separator)), capsys)
    assert [name for name in MODELS if name in data["models"]] == MODELS  # type: ignore[operator]
    assert credited(data, "last_click") == [0, 0, 1]
    assert credited(data, "first_click", "value") == [10, 0, 0]
    assert credited(data, "linear") == pytest.approx([1 / 3] * 3)
    assert credited(data, "position_based") == pytest.approx([0.4, 0.2, 0.4])
    assert credited(data, "markov_1") == pytest.approx([0.2, 0.4, 0.4])
    assert credited(data, "markov_1", "removal_effect") == pytest.approx([0.5, 1, 1])
    assert credited(data, "markov_1", "value") == pytest.approx([2, 4, 4])
    assert credited(data, "shapley_equal_split") == pytest.approx([1 / 3] * 3)


def test_a_table_without_nulls_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, "path,total_conversions\na > b,3\nb,1\n")
    assert main(["analyze", "paths", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["warnings"][0]["code"] == "no_null_paths"
    assert told["data"]["data_driven"] == "shapley_equal_split"
    assert told["data"]["models"]["shapley"] == told["data"]["models"]["shapley_equal_split"]


def test_people_get_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "paths", str(written(tmp_path, THREE)), "--lang", "en"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["channel", "last_click", "first_click"]
    assert lines[2].split()[:2] == ["C1", "0.00"]


def test_spreadsheets_write_commas_marks_and_quotes(tmp_path: Path) -> None:
    text = f'{HEADER.upper()}\n"C1>C2"; 2 ;1234,50;\nC2 > Direct ;1;0;7\n'
    names, market = _table.read(written(tmp_path, text, "utf-8-sig"))
    assert names == ["C1", "C2", "Direct"]
    assert market.value.tolist() == [1234.5, 0]
    assert market.nulls.tolist() == [0, 7]
    assert market.is_direct.tolist() == [False, False, True]
    assert market.channel.tolist() == [0, 1, 1, 2]


def test_blank_lines_and_columns_and_what_excel_puts_before_them_are_nothing(tmp_path: Path) -> None:
    text = f"sep=;\r\n\r\n{HEADER};;\r\n\r\nA > B;2;R$ 1.234,56;1;;\r\n;;;;;\r\nB;1;12.345.678;  ;x;\r\n\r\n\r\n"
    names, market = _table.read(written(tmp_path, text, "utf-8-sig"))
    assert (names, market.count) == (["A", "B"], 2)
    assert market.value.tolist() == [1234.56, 12345678]
    assert market.nulls.tolist() == [1, 0]


def test_a_comma_groups_digits_where_commas_separate_columns(tmp_path: Path) -> None:
    text = HEADER.replace(";", ",") + '\nA,"1,234","1,234.50","12,5"\nA,1.234,"$1,234,567",0\n'
    _, market = _table.read(written(tmp_path, text))
    assert market.conversions.tolist() == [1234, 1.234]
    assert market.value.tolist() == [1234.5, 1234567]
    assert market.nulls.tolist() == [12.5, 0]


def test_money_without_a_conversion_is_lost_by_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = analysed(written(tmp_path, f"{HEADER}\nA > B;0;10;2\nB;1;3;0\nC;0;0;0\n"), capsys)
    models = data["models"]
    assert isinstance(models, dict)
    assert {name: sum(credited(data, name, "value")) for name in models} == pytest.approx(dict.fromkeys(models, 13))
    assert credited(data, "shapley", "value") == [5, 8, 0]


def test_a_table_of_nothing_is_no_reason_to_break(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = analysed(written(tmp_path, f"{HEADER}\nA > B;0;0;0\n"), capsys)
    assert credited(data, "markov_1") == [0, 0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "header"),
        ("path;PATH ;total_conversions\nA;B;1\n", "two columns path"),
        (f"{HEADER}\nA;1;1.23,45;0\n", "row 1: total_conversion_value is '1.23,45'"),
        (f"{HEADER.replace(';', ',')}\nA,1,10,50,2\n", "more fields than the header"),
        ("a;b\n1;2\n", "no column path"),
        (f"{HEADER}\n", "no rows"),
        (f"{HEADER}\na;1;1;0\na >  > b;1;1;0\n", "row 2: the path"),
        (f"{HEADER}\n;1;1;0\n", "row 1: the path"),
        (f"{HEADER}\na;many;1;0\n", "row 1: total_conversions is 'many'"),
        (f"{HEADER}\na;1;-1;0\n", "row 1: total_conversion_value is '-1'"),
        (f"{HEADER}\na;1;nan;0\n", "row 1: total_conversion_value"),
        (f"{HEADER}\na;1;1;inf\n", "row 1: total_null"),
        (f"{HEADER}\na;1;1;0;9;9\n", "not a table"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words) as told:
        _table.read(written(tmp_path, text))
    assert told.value.code == "CTX-1040"


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "paths", str(tmp_path / "none.csv")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    (tmp_path / "latin.csv").write_bytes(f"{HEADER}\nção;1;1;0\n".encode("latin-1"))
    assert main(["analyze", "paths", str(tmp_path / "latin.csv")]) == 2
    assert "UTF-8" in capsys.readouterr().err
