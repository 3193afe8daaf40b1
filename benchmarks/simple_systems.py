"""Systems that any model must beat: the majority label, and a linear classifier over character n-grams.

    TfIdf.trained(Path("runs/nano/simulate")).verdicts(items)[0].strict.sentiment -> "Negative"

They give labels only: entity and reasoning of their verdicts are placeholders and are not measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from finsight_eval import jsonl
from finsight_eval.majority import labels_only, majority

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from finsight_eval.records import AnyItem
    from finsight_eval.verdicts import Verdict


class System(Protocol):
    """Whatever gives a verdict on every item of a set."""

    def verdicts(self, items: Sequence[AnyItem]) -> list[Verdict]: ...


class Majority:
    """The most frequent gold label of the set itself: a floor, not a system that anyone could run."""

    def verdicts(self, items: Sequence[AnyItem]) -> list[Verdict]:
        return majority(items)


@dataclass(frozen=True)
class TfIdf:
    """One logistic regression per label over TF-IDF weights of character n-grams, which serve both languages."""

    sentiment: Any
    risk_level: Any

    @classmethod
    def trained(cls, simulate: Path) -> TfIdf:
        """Return the classifier trained on the simulator's corpus and its gold labels."""
        gold = {row["id"]: row for _, row in jsonl.read_lines(simulate / "gold.jsonl")}
        corpus = [row for _, row in jsonl.read_lines(simulate / "corpus.jsonl")]
        texts = [row["text"] for row in corpus]
        return cls(*(_fitted(texts, [gold[row["id"]][key] for row in corpus]) for key in ("sentiment", "risk_level")))

    def verdicts(self, items: Sequence[AnyItem]) -> list[Verdict]:
        texts = [item.text for item in items]
        said = zip(items, self.sentiment.predict(texts), self.risk_level.predict(texts), strict=True)
        return [labels_only(item, str(sentiment), str(risk)) for item, sentiment, risk in said]


def _fitted(texts: Sequence[str], labels: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, min_df=2)
    return make_pipeline(vectors, LogisticRegression(C=10.0, max_iter=1000)).fit(texts, labels)
