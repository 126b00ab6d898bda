"""What the page of an ASNet tells of it alone: its two parts, how well the new end fits, what sparse training left."""

from __future__ import annotations

import math

from corank.compress import ASNetwork
from corank.compress.lemmas import LossBounds
from corank.compress.sparsity import Sparsified
from corank.experiment.asnet_tables import bounds_table, fit_table, nonzeros_table, sparsity_table
from corank.experiment.particulars import Part, Particulars
from corank.experiment.words import sentence
from corank.report import Section, Table, figures_of
from corank.report.format import compact, number, percent, storage


def asnet_particulars(small: ASNetwork) -> Particulars:
    """The two parts of an ASNet, what was replaced, and how well the new end fits; the nonzeros of a sparse one."""
    return Particulars(
        summary=() if small.sparse is None else (_sparse_in_words(small.sparse),),
        parts=(
            Part(name="pre-model", cost=small.pre),
            Part(name="new end", cost=small.head, stands_for=small.replaced),
        ),
        replaced=(Part(name="replaced end", cost=small.replaced),),
        costs={} if small.sparse is None else {"overall, nonzeros": small.sparse.overall},
        sections=_asnet_sections(small),
    )


def _asnet_sections(small: ASNetwork) -> tuple[Section, ...]:
    """How well the new end fits, how it was trained, and what is left where it was made sparse."""
    figures = tuple(figures_of(small).values())
    sections = [
        Section(
            "How well the new end fits",
            text=_fit_in_words(small),
            tables=_fit_tables(small),
        )
    ]
    if figures:
        sections.append(Section("The training", figures=figures))
    if small.sparse is not None:
        text = f"{_sparse_in_words(small.sparse)} Where the zeros are takes storage too, which is not counted."
        tables = (nonzeros_table(small, small.sparse), sparsity_table(small.sparse))
        sections.append(Section("What sparse training left", text=(text,), tables=tables))
    return tuple(sections)


def _fit_tables(small: ASNetwork) -> tuple[Table, ...]:
    """What is known of the fit to the logits; nothing of logistic regression, which has other aims."""
    if small.method.endswith("LR"):
        return ()
    return (fit_table(small), *(() if small.bounds is None else (bounds_table(small.bounds),)))


def _fit_in_words(small: ASNetwork) -> tuple[str, ...]:
    """What the new end reads and what its directions hold, how it was fitted, and how the lemmas are meant."""
    directions = small.method.rpartition(" + ")[0]
    read = f"{small.rank:,} directions of the {small.features:,}" if directions else f"all {small.features:,}"
    kept = f"The new end reads {read} features at the cut"
    if directions and math.isfinite(small.captured_heldout):
        held = "variance of the features" if directions == "PCA" else "energy of the gradients"
        kept += f"; the directions hold {percent(small.captured_heldout)} of the {held} of held-out samples"
    return (
        f"{kept}. {sentence(small.message)}",
        *(() if small.bounds is None else (_bounds_in_words(small.bounds),)),
    )


def _bounds_in_words(bounds: LossBounds) -> str:
    return (
        f"The lemmas are about means over {bounds.samples:,} held-out samples. The bound of Lemma 3.2 allows the "
        f"residual a margin of {number(bounds.margin)}, and holds with a probability of {percent(bounds.probability)} "
        f"for residuals cut off at {number(bounds.range_high)}, which {percent(bounds.share_beyond)} of these samples "
        "exceed."
    )


def _sparse_in_words(sparse: Sparsified) -> str:
    return (
        f"Sparse training ({sparse.penalty}) made {percent(sparse.zeros)} of the weights zero: the others take "
        f"{storage(sparse.overall.storage_bytes)} and {compact(sparse.overall.multiply_adds)} multiply-adds."
    )
