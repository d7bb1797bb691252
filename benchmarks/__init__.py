"""What a guarded call costs, beside what people write by hand; `python benchmarks/overhead.py` runs everything."""
