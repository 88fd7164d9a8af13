"""`python -m modelwright`: the same as `wright`."""

from modelwright.cli import main

main()
