"""Forks, locks, marks of a crash."""
