"""The program ``spiketheory`` from a checkout: ``python cli.py`` in this folder."""

from spiketheory.commands.main import main

if __name__ == "__main__":
    main()
