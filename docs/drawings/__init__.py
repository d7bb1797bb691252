"""
The pictures of this documentation, drawn from real runs: `.venv/bin/python -m docs.drawings`.

A timeline shows what the sample above it on its page recorded, on virtual time; a diagram reads names and numbers from
the code. A test draws all of them again and compares byte for byte.
"""
