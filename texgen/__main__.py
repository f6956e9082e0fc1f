"""`python -m texgen`."""

from texgen.cli import main

if __name__ == "__main__":
    main()
