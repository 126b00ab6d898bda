"""`python -m corank`: the command line, which `torchrun -m corank` starts too."""

from corank.cli import main

if __name__ == "__main__":
    main()
