"""The teller: fills templates with companies, products, figures and places, and knows how the focus was named so far.

    teller.tell(Line(("{co} recalled {product} in {place}",))) -> "Kelby Motors recalled pickup trucks in Graz."

The first mention is the entity of the story; later ones may be its short form or, where no other company could be
meant, "the company".
"""

from __future__ import annotations

import calendar
from typing import TYPE_CHECKING, Final

from distill.world import names
from distill.world.names import Company, parts, sectors

if TYPE_CHECKING:
    import random

    from distill.world.plan import Line, Plan, World

_WEEKDAYS: Final = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
    "zh": ("周一", "周二", "周三", "周四", "周五"),
}
_MONTHS: Final = {
    "en": tuple(calendar.month_name)[1:],
    "zh": tuple(f"{number}月" for number in range(1, 13)),
}
_AGAIN: Final = {"en": ("the company",), "zh": ("该公司", "公司")}


class Teller:
    """Writes one plan out: draws the companies, fills the templates, keeps track of how the focus was named."""

    def __init__(self, rng: random.Random, world: World, plan: Plan) -> None:
        self.rng, self.world, self.plan = rng, world, plan
        self.taken: set[str] = set()
        self.focus = self.company(plan.sector)
        self.other = self.company(plan.other_sector) if plan.other_sector else None
        self.alone = self.other is None
        self.used: set[str] = set()
        self.entity = ""
        self.staff = self._count()
        self.home = rng.choice(parts()["places"][world.lang])
        self.product = plan.product or rng.choice(sectors()[plan.sector].products[world.lang])

    def company(self, sector: str) -> Company:
        return names.company(self.rng, self.world.split, self.world.lang, sector, self.taken)

    def _focus_name(self) -> str:
        if not self.entity:
            self.entity = self.focus.full if self.rng.random() < 0.65 else self.focus.short
            return self.entity
        way = self.rng.random()
        if self.alone and way < 0.3:
            return self.rng.choice(_AGAIN[self.world.lang])
        return self.focus.short if way < 0.85 else self.entity

    def _count(self) -> str:
        number = self.rng.randint(11, 990) * 100
        return f"{number:,}" if self.world.lang == "en" else str(number)

    def _product(self, line: Line) -> str:
        if not line.about_other or self.other is None:
            return self.product
        products = sectors()[self.other.sector].products[self.world.lang]
        return self.product if self.product in products else self.rng.choice(products)

    def _values(self, line: Line, template: str, other: Company | None) -> dict[str, str]:
        """Return a value for every placeholder of `template`; only those that it has are drawn."""
        rng, lang = self.rng, self.world.lang
        subject = self.other if line.about_other and self.other else self.focus
        values = dict(line.values)
        if "{partner}" in template:
            self.alone = False
            values["partner"] = self.company(rng.choice(sectors()[subject.sector].buys)).full
        if "{product}" in template:
            values["product"] = self._product(line)
        if "{co}" in template:
            values["co"] = self.other.full if line.about_other and self.other else self._focus_name()
        values["sector"] = sectors()[self.focus.sector].words[lang]
        values["other"] = "" if other is None else other.full if rng.random() < 0.7 else other.short
        values.setdefault("pct", str(rng.randint(4, 28)))
        values["r"] = str(rng.randint(3, 14))
        values["home"] = self.home
        values["place"] = rng.choice(parts()["places"][lang])
        values["month"], values["weekday"] = rng.choice(_MONTHS[lang]), rng.choice(_WEEKDAYS[lang])
        values["n"], values["staff"] = self._count(), self.staff
        million = rng.randint(12, 950)
        values["amount"] = f"${million} million" if lang == "en" else f"{million / 10:.1f}亿元"
        return values

    def tell(self, line: Line, other: Company | None = None) -> str:
        """Return one sentence, full stop included; no template is used twice in a story."""
        template = self.rng.choice(line.pool)
        while template in self.used and len(self.used.intersection(line.pool)) < len(line.pool):
            template = self.rng.choice(line.pool)
        self.used.add(template)
        said = template.format_map(self._values(line, template, other or self.other))
        if self.world.lang == "zh":
            return said if said.endswith("】") else said + "。"
        return said[0].upper() + said[1:].replace("s's ", "s' ") + "."
