"""The layers around a call: one class with one `run` each; the order is in `engine/pipeline.py`."""
