"""`python -m kqv`: the command line, for torchrun and wherever `kqv` is not on the path."""

from kqv.cli.main import main

if __name__ == "__main__":
    main()
