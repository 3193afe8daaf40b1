"""Entity names: the same name written differently counts, another name never does."""

from __future__ import annotations

import pytest

from finsight_eval.entity import entity_matches


@pytest.mark.parametrize(
    ("said", "entity", "aliases"),
    [
        ("NVIDIA", "NVIDIA", ()),
        ("nvidia", "NVIDIA", ()),
        ("  NVIDIA. ", "NVIDIA", ()),
        ("NVIDIA Corp.", "Nvidia", ()),
        ("Nvidia", "NVIDIA Corporation", ()),
        ("NVIDIA (NVDA)", "NVIDIA", ()),
        ("NVIDIA (NASDAQ: NVDA)", "NVIDIA", ()),
        ("NVDA", "NVIDIA", ("NVDA",)),
        ("$NVDA", "NVIDIA", ("NVDA",)),
        ("Harborline Foods Co., Ltd.", "Harborline Foods", ()),
        ("Northwind AG", "Northwind", ()),
        ("Tesco", "Tesco PLC", ()),
        ("The Home Depot, Inc.", "Home Depot", ()),
        ("Johnson and Johnson", "Johnson & Johnson", ()),
        ("Nestle S.A.", "Nestlé", ()),
        ("Coca Cola", "Coca-Cola", ()),
        ("Alibaba", "Alibaba Group Holding Ltd", ()),
        ("ＮＶＩＤＩＡ", "NVIDIA", ()),
        ("宁德时代新能源股份有限公司", "宁德时代新能源", ()),
        ("宁德时代（300750.SZ）", "宁德时代", ()),
        ("美的", "美的集团", ()),
        ("美的集团股份有限公司", "美的", ()),
        ("万科企业 股份有限公司", "万科企业", ()),
        ("“恒岳电池”", "恒岳电池", ()),
        ("CATL", "宁德时代", ("CATL",)),
    ],
)
def test_the_same_name_in_other_clothes_matches(said: str, entity: str, aliases: tuple[str, ...]) -> None:
    """Width, case, accents, punctuation, tickers in brackets, legal forms and aliases do not matter."""
    assert entity_matches(said, entity, aliases)


@pytest.mark.parametrize(
    ("said", "entity", "aliases"),
    [
        ("", "NVIDIA", ()),
        ("...", "NVIDIA", ()),
        ("Inc.", "NVIDIA Inc.", ()),
        ("Bank", "Bank of Example", ()),
        ("Bank of Example", "Bank", ()),
        ("Example", "Bank of Example", ()),
        ("NVIDIA and AMD", "NVIDIA", ()),
        ("AMD (NVDA)", "NVIDIA", ()),
        ("Alphabet (Google)", "Google", ()),
        ("Fubon Holdings", "Fubon Group", ()),
        ("General Motors", "General Electric", ()),
        ("Apple Hospitality", "Apple", ()),
        ("中国银行", "银行", ()),
        ("银行", "中国银行", ()),
        ("美的集团", "美的控股", ()),
        ("公司", "宁德时代公司", ()),
        ("宁德", "宁德时代", ()),
        ("NVIDIA" * 1000, "NVIDIA", ()),
    ],
)
def test_another_name_does_not_match(said: str, entity: str, aliases: tuple[str, ...]) -> None:
    """A part of a name, a longer name, two names at once and a mere legal form are other names."""
    assert not entity_matches(said, entity, aliases)
