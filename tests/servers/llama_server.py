"""llama.cpp's own server, from its prebuilt package: `llama_server.py WEIGHTS PORT WINDOW THREADS`.

It is the C++ server with all its paths, /v1/messages among them. Listens on this machine alone
until it is ended.
"""

import signal
import sys

import xllamacpp


def main() -> None:
    weights = sys.argv[1]
    port, window, threads = map(int, sys.argv[2:])
    settings = xllamacpp.CommonParams()
    settings.model.path = weights
    settings.hostnames = ["127.0.0.1"]
    settings.port = port
    settings.n_ctx = window
    settings.n_parallel = 1
    settings.cpuparams.n_threads = threads
    settings.cpuparams_batch.n_threads = threads
    settings.sampling.temp = 0.0
    server = xllamacpp.Server(settings)
    print(server.listening_address, flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
