"""Frameworks with memory: the code of docs/frameworks.md, run by `make frameworks`."""
