"""Memory in front of servers and models that are really there: `python tests/servers/run.py`."""
