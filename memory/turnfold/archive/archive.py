"""What memory keeps in a store: exchanges, passages, nodes, folds, plans, proofs, usage.

Everything is written once under an id that says what it is, so writing again changes nothing
and whoever comes second reads what the first one wrote.
"""

from __future__ import annotations

from turnfold.archive.passage_records import PassageRecords
from turnfold.archive.plan_records import PlanRecords
from turnfold.archive.record_access import ForgottenContents
from turnfold.archive.summary_records import SummaryRecords

__all__ = ["Archive", "ForgottenContents"]


class Archive(PassageRecords, PlanRecords, SummaryRecords):
    """The ledger and index in memory's own words, for one user and conversation.

    Its methods stand with the records they are about: `exchange_records`, `passage_records`,
    `plan_records`, `summary_records`; `kinds` has all kinds of records in one table.
    """
