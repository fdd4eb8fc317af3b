"""Every command is in the README, and every option says what it does."""

import re
from pathlib import Path

import pytest
import typer.main
from turnfold_cli.app import app

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name):
    section = README.partition("## The command")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith(f"turnfold {name} ")]
    assert lines, f"README, The command: no line begins with `turnfold {name}`"
    assert all("#" in line for line in lines), "with a word on what it does"
    options = {name for one in COMMANDS[name].params for name in one.opts}
    named = {word for line in lines for word in re.findall(r"--[a-z-]+", line)}
    assert named <= options, "and no option it does not have"
    assert COMMANDS[name].help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name):
    for parameter in COMMANDS[name].params:
        assert getattr(parameter, "help", None), parameter.name
