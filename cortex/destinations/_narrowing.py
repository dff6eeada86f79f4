"""When a platform refuses a whole batch for one bad row: find the rows, deliver the rest once, a receipt for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from cortex.errors import CredentialError
from cortex.records import Conversion, Receipt

HOPELESS = 16
"""So many rows refused and none taken: the fault is not in the rows. Asking about each would be thousands of requests."""


NOT_TRIED = Receipt(
    state="retry",
    error_class="transient",
    error_code="not_tried",
    message="Not tried: an earlier part of the batch was left without an answer.",
)


@dataclass(frozen=True)
class Refusal:
    """A batch of which nothing was taken. `rows`: positions the platform itself named, with its words about each.

    doubtful: the platform says the same of a wrong row and of a wrong setup. Then what else is refused decides: a row is
    to blame when others of the batch were taken, or were refused in other words; see `_Delivery._doubted`.
    """

    receipt: Receipt
    rows: Mapping[int, Receipt] = field(default_factory=dict)
    doubtful: bool = False


Post = Callable[[Sequence[Conversion]], Receipt | Refusal]
"""Sends one group: a receipt true for all of it, or a refusal. Raises CredentialError when the credential is dead."""


class _Halt(Exception):
    """No more calls in this batch."""

    def __init__(self, rest: Receipt) -> None:
        super().__init__()
        self.rest = rest


def deliver(batch: Sequence[Conversion], post: Post) -> list[Receipt]:
    """Send a batch through `post`, in ever smaller groups while it is refused; one receipt each, same order.

    Raises CredentialError only when nothing of the batch was settled before.
    """
    return _Delivery(batch, post).run()


def deliver_parts(parts: Iterable[Sequence[Conversion]], post: Post) -> list[Receipt]:
    """`deliver` for a batch that needs several requests, one part after the other; one receipt each, same order.

    After a part the platform did not settle the next ones are not tried: it is slow, silent or asks for patience.
    """
    receipts: list[Receipt] = []
    for part in parts:
        if receipts and receipts[-1].state in {"retry", "unknown"}:
            receipts += [NOT_TRIED] * len(part)
            continue
        try:
            receipts += deliver(part, post)
        except CredentialError as refused:
            if not receipts:
                raise
            dead = Receipt(state="retry", error_class="auth", error_code=refused.code, message=refused.message)
            receipts += [dead] * len(part)
    return receipts


class _Delivery:
    def __init__(self, batch: Sequence[Conversion], post: Post) -> None:
        self.batch = batch
        self.post = post
        self.receipts: dict[int, Receipt] = {}
        self.refused: list[int] = []
        self.taken = False
        self.doubtful = False
        self.words = Receipt(state="rejected", error_class="data")
        """The latest refusal: it is about a group that holds every row still suspected."""

    def run(self) -> list[Receipt]:
        rest = None
        try:
            waiting = self._without_named(list(range(len(self.batch))))
            for culprit in _culprits(waiting, self._accepts):
                self._refuse(culprit)
            self._doubted()
        except _Halt as halt:
            rest = halt.rest
        except CredentialError as refused:
            if not self.receipts:
                raise
            rest = Receipt(state="retry", error_class="auth", error_code=refused.code, message=refused.message)
        return [self.receipts.get(position) or rest or self.words for position in range(len(self.batch))]

    def _without_named(self, waiting: list[int]) -> list[int]:
        """Post whole, leaving out the rows the platform names; what is left is refused without names, or nothing."""
        while waiting:
            answer = self._post(waiting)
            if answer is None:
                return []
            if not answer.rows:
                return waiting
            for position, words in answer.rows.items():
                self.receipts[waiting[position]] = words
            waiting = [row for row in waiting if row not in self.receipts]
        return []

    def _accepts(self, group: Sequence[int]) -> bool:
        return self._post(group) is None

    def _post(self, group: Sequence[int]) -> Refusal | None:
        answer = self.post([self.batch[position] for position in group])
        if isinstance(answer, Refusal):
            self.words, self.doubtful = answer.receipt, answer.doubtful
            return answer
        self.receipts.update(dict.fromkeys(group, answer))
        if answer.state == "unknown":
            raise _Halt(NOT_TRIED)
        if answer.state == "retry":
            raise _Halt(answer)
        self.taken = True
        return None

    def _refuse(self, culprit: int) -> None:
        self.receipts[culprit] = words = self.words
        self.refused.append(culprit)
        if len(self.refused) < HOPELESS or self.taken:
            return
        for row in self.refused:
            del self.receipts[row]
        raise _Halt(
            Receipt(
                state="retry",
                error_class="config",
                error_code=words.error_code,
                message=f"Every one of the first {HOPELESS} rows was refused: {words.message}",
            )
        )

    def _doubted(self) -> None:
        """Rows refused in words that may mean the setup: to blame only where something speaks for the setup.

        Every row refused alike is the setup's fault. A row that was alone is tried again, later perhaps in company; ten
        times, as whatever passes by itself.
        """
        if not self.doubtful:
            return
        receipts = [self.receipts[row] for row in self.refused]
        alone = len(self.batch) == 1
        if self.taken or (not alone and len({_said(receipt) for receipt in receipts}) > 1):
            blamed = {"state": "rejected", "error_class": "data"}
        else:
            blamed = {"state": "retry", "error_class": self.words.error_class if alone else "config"}
        for row, receipt in zip(self.refused, receipts, strict=True):
            self.receipts[row] = msgspec.structs.replace(receipt, **blamed)


def _said(receipt: Receipt) -> tuple[str, str]:
    """What a refusal says, whichever row it is about."""
    return receipt.error_code, re.sub(r"\d+", "", receipt.message)


def _culprits(refused: Sequence[int], accepts: Callable[[Sequence[int]], bool]) -> Iterator[int]:
    """The rows that make batches refused, given that `refused` as a whole was (or is empty).

    Generalised binary splitting (Hwang 1972) with the group size following what was found so far: a culprit is found
    by halving, where a half that is accepted clears its row's other half of doubt, and what was not looked at on the
    way is tried again in groups. One culprit in 1000 is isolated with 10 further calls and the rest delivered with
    one more; k culprits in n cost at most 2k·log2(n/k) + 2k calls (tested for all k).
    """
    waiting, found, size = list(refused), 0, len(refused)
    while waiting:
        group, waiting = waiting[:size], waiting[size:]
        if found and accepts(group):
            size *= 2
            continue
        while len(group) > 1:
            half = len(group) // 2
            left, right = group[:half], group[half:]
            if accepts(left):
                group = right
            else:
                group, waiting = left, right + waiting
        yield group[0]
        found += 1
        size = max(1, -(-len(waiting) // found))
