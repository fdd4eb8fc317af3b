"""Programs that run in processes of their own, without two seconds of imports for each.

Two processes import what they need, once, and each program is a child of one of them by fork:
alone, without threads, free to fork, to be killed, and to end as an interpreter does. They take
turns, for each has hashes of its own: what two programs are to do alike must not hang on the order
of a set. A test of what is imported, or of how an interpreter is started, starts one by itself.
Where a system cannot hand a child of a child to this process, every program is a new interpreter.
"""

import atexit
import ctypes
import functools
import gc
import importlib
import itertools
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import warnings
from pathlib import Path

TESTS = Path(__file__).parents[1]
# Of prctl(2): whose parent ends becomes a child of the nearest process above that asked for it.
ADOPTS = 36
IMPORTED = ("support.chats", "support.people", "support.services", "turnfold.memory_files")
LONGEST = 100_000  # bytes of a request: arguments, and the environment
HONOURED = {"stdin", "stdout", "stderr", "text", "bufsize", "cwd"}


def started(*arguments, **options):
    """A `subprocess.Popen` of Python with these arguments: "-c" or "-m" and on."""
    assert options.keys() <= HONOURED, options.keys() - HONOURED
    arguments = [str(one) for one in arguments]
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths}
    kind = Forked if sys.platform == "linux" else subprocess.Popen
    return kind([sys.executable, *arguments], env=environment, **options)


def ran(*arguments, timeout=60):
    """What a program came to, as `subprocess.run` tells it, and what it printed."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with started(*arguments, **pipes) as program:
        try:
            told, wrong = program.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            program.kill()
            raise
    return subprocess.CompletedProcess(program.args, program.returncode, told, wrong)


class Forked(subprocess.Popen):
    """A program in a child of the process that has the imports; a child of this one, too."""

    def _execute_child(self, args, _executable, _preexec, _close, _keep, cwd, env, *rest):
        ends = dict(zip(PIPES, rest[3:9], strict=True))
        files = [ends["p2cread"], ends["c2pwrite"], ends["errwrite"]]
        files = [own if given == -1 else given for own, given in enumerate(files)]
        request = json.dumps([args[1:], str(cwd or Path.cwd()), env]).encode()
        assert len(request) < LONGEST
        with ONE_AT_A_TIME:
            connection = ready(next(TURNS))
            adopts(1)
            try:
                socket.send_fds(connection, [request], files)
                self.pid = int(connection.recv(32))
            finally:
                adopts(0)
        self._child_created = True
        self._close_pipe_fds(*ends.values())


ONE_AT_A_TIME = threading.Lock()
TURNS = itertools.cycle(range(2))
PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")


def adopts(whether):
    assert ctypes.CDLL(None).prctl(ADOPTS, whether, 0, 0, 0) == 0


@functools.cache
def ready(_number):
    """The connection to one of the processes that have the imports; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        there = subprocess.Popen(
            [sys.executable, "-m", "support.programs", str(theirs.fileno())],
            cwd=TESTS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )

    def end():
        ours.shutdown(socket.SHUT_RDWR)
        ours.close()
        there.wait(60)

    atexit.register(end)
    return ours


# --- there ------------------------------------------------------------------------------------


def awaited(connection):
    """Serve until nobody asks any more; comes back in the children, with what each is to run."""
    while True:
        request, files, *_ = socket.recv_fds(connection, LONGEST, 3)
        if not request:
            os._exit(0)
        reading, writing = os.pipe()
        if not (between := fork()):
            if child := fork():
                os.write(writing, str(child).encode())
                os._exit(0)
            for number, file in enumerate(files):
                os.dup2(file, number)
            for one in (reading, writing, *files):
                os.close(one)
            connection.close()
            return json.loads(request)
        os.waitpid(between, 0)
        connection.send(os.read(reading, 32))
        for one in (reading, writing, *files):
            os.close(one)


def fork():
    with warnings.catch_warnings():
        # Python 3.12 counts the threads of numpy's library, which is ready for it.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def run(arguments, folder, environment):
    """Be the interpreter that has these arguments."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    how, what, *sys.argv[1:] = arguments
    if how == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv[0] = "-c"
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()
    run(*awaited(socket.socket(fileno=int(sys.argv[1]))))
