"""`python -m instructkit`, and the `instructkit` command."""

from instructkit.cli.main import main

if __name__ == "__main__":
    main()
