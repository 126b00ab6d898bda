from __future__ import annotations

from corank.report.figures import transfer_heat
from tests.report.conftest import make_transfer
from tests.report.figures.svg_reading import texts


def test_shares_stand_in_rows_of_attacked_networks() -> None:
    result = make_transfer(3)
    figure = transfer_heat(result)
    for svg in (figure.svg, figure.svg_narrow):
        shares = [text for text in texts(svg) if text.endswith("\u00a0%")]
        assert shares == [f"{100 * share:.1f}\u00a0%" for share in result.fooled.double().flatten().tolist()]
        assert texts(svg).count("attacked") == 1
    assert "1,000 images" in figure.caption


def test_long_names_stay_apart() -> None:
    named = texts(transfer_heat(make_transfer(2, name="runs/of/a/very/long/name/{}/network")).svg_narrow)
    assert len({text for text in named if "…" in text}) >= 2
