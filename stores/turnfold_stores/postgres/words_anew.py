"""Records whose words another version of turnfold read; read anew, a user at a time."""

from __future__ import annotations

import logging
from typing import LiteralString

from turnfold_stores.bounded import BoundedDict
from turnfold_stores.errors import StoreError
from turnfold_stores.postgres.connections import Connections
from turnfold_stores.postgres.nul_escape import restored, stored
from turnfold_stores.postgres.word_numbers import array_of, numbers_of
from turnfold_stores.search.stemming import VERSION
from turnfold_stores.search.terms import terms

# Rows read and written at a time: others who write this user's wait no longer.
_PAGE = 500
_MOST_KNOWN = 100_000
_LOG = logging.getLogger("turnfold.stores")

_OTHERS: LiteralString = """
SELECT seq, text FROM {records}
WHERE user_id = %(user_id)s AND words IS NOT NULL
    AND (words_version < %(version)s OR words_version > %(version)s)
LIMIT %(page)s
"""
# Who else writes this user's waits, so rows stay what was read.
_READ: LiteralString = """
UPDATE {records} SET words = read.words::bigint[], words_version = %(version)s
FROM unnest(%(seq)s::bigint[], %(words)s::text[]) AS read (seq, words)
WHERE user_id = %(user_id)s AND records.seq = read.seq
RETURNING records.seq
"""


class WordsAnew:
    """Which users' words were read as we read them; makes them so."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._known: BoundedDict[str, bool] = BoundedDict(_MOST_KNOWN)

    def refresh(self, user_id: str) -> int:
        """Read the words of a user's records anew where that is due.

        Asked once by a process for each user. Some seconds for 10 MB of text; it may be stopped,
        and goes on where it was. A role that may not write them searches what is there.

        Returns:
            How many records were read.
        """
        if user_id in self._known:
            return 0
        done = 0
        try:
            while page := self._page(user_id):
                if not done:
                    _LOG.warning(
                        "%s: words of a user were read by another version of turnfold, and are "
                        "read anew",
                        self._connections.address,
                    )
                done += page
        except StoreError as error:
            _LOG.warning(
                "%s: words of a user are those of another version of turnfold, and cannot be "
                "read anew (%s): search finds less in languages other than English. Run `turnfold "
                "reindex` as a role that may update them",
                self._connections.address,
                error,
            )
        self._known[user_id] = True
        return done

    def _page(self, user_id: str) -> int:
        values = {"user_id": stored(user_id), "version": VERSION, "page": _PAGE}
        others = self._connections.statement(_OTHERS)
        if not self._connections.read(others, values):
            return 0
        with self._connections.writing(user_id) as connection:
            rows = connection.execute(others, values).fetchall()
            words = [array_of(numbers_of(user_id, terms(restored(text)))) for _, text in rows]
            read = {**values, "seq": [seq for seq, _ in rows], "words": words}
            done = connection.execute(self._connections.statement(_READ), read).fetchall()
        return len(done)
