"""`python -m satcat`: the same as the command `satcat`."""

from satcat.cli import main

if __name__ == "__main__":
    main()
