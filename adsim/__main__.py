"""`python -m adsim`: the command line."""

from adsim.cli import main

main()
