"""`python -m turnfold_cli`, the same as `turnfold`."""

from turnfold_cli import main

main()
