"""The folders that commands of attacks write: a page, a file of numbers with the options they follow from, tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from corank.experiment import run_folder
from corank.experiment.run_folder import CHECKPOINT
from corank.network import save_tensors
from corank.report import PAGE, Page, write_page

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of folder.

    Attributes:
        name: what is in it, for messages.
        numbers: the file of numbers; a folder that has it is whole.
        tensors: the file of tensors; None where there are none.
    """

    name: str
    numbers: str
    tensors: str | None = None

    def claimed(
        self, out: Path | None, options: Mapping[str, Any], *, overwrite: bool, report: Report
    ) -> dict[str, Any] | None:
        """What a folder holds already, if it was made with these very options; None where there is work to do.

        Args:
            out: the folder, made if need be; None for none.
            options: what makes the result this one.
            overwrite: whether what is there may be replaced; then there is always work to do.
            report: told when there is nothing to do.

        Raises:
            InputError: the folder holds something else, or cannot be written to.
        """
        if out is None:
            return None
        run_folder.make_writable(out)
        if not (out / self.numbers).is_file():
            run_folder.refuse_foreign(out, {CHECKPOINT, "figures", PAGE, *self._files}, self.name)
            return None
        if overwrite:
            return None
        there = run_folder.read_json(out / self.numbers)
        run_folder.refuse_difference(out, self.name, there.get("options"), options)
        report(f"{str(out)!r} holds this very {self.name}, finished: nothing to do")
        return there

    def write(self, out: Path, page: Page, result: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Write a folder, the numbers last; what an older result left there is deleted before."""
        if (out / self.numbers).is_file():
            run_folder.clear_page(out, *self._files)
        write_page(page, out)
        if self.tensors is not None:
            save_tensors(tensors, out / self.tensors)
        run_folder.write_json(out / self.numbers, result)

    @property
    def _files(self) -> tuple[str, ...]:
        return (self.numbers,) if self.tensors is None else (self.numbers, self.tensors)
