"""Turns go in; what a library would send now comes out. One module for each library.

Run in the library's environment by `peers.wire`, so nothing here is imported by what measures. A
class that has a `title` is a way to use the library; its docstring says what limits it.
"""
