"""
The model of magika, an ONNX file, tells what is in a few bytes; a run that takes too long is ended, not left behind.

    python -m examples.clients.onnx_file_typing

A thread that computes cannot be interrupted from outside. ONNX Runtime can end a run between two nodes of its graph,
and `component` has it do so at the deadline: the thread is free, the only permit is back, the next call is answered.
"""

import json
from importlib.resources import files
from time import perf_counter, sleep

import numpy as np
import onnxruntime  # type: ignore[import-not-found] # installed where this runs

from aiguard import Bulkhead, InputContract, guard
from aiguard.integrations.onnxruntime import component

FOLDER = next(entry for entry in files("magika").joinpath("models").iterdir() if entry.is_dir())
CONFIG = json.loads(FOLDER.joinpath("config.min.json").read_text())
WINDOW, PADDING = CONFIG["beg_size"], CONFIG["padding_token"]

SAMPLES = {
    "a program": b"def area(width, height):\n    return width * height\n\n\nprint(area(3, 4))\n",
    "a page": b"<!doctype html>\n<html><head><title>Hello</title></head><body><p>Hello.</p></body></html>\n",
    "a table": b"name,amount,country\nAda,12.50,AT\nBen,7.00,DE\nCleo,91.25,AT\nDan,3.10,CH\n",
}


def window(content: bytes) -> np.ndarray:
    """Return what the model looks at: the first and the last bytes, without the space around them."""
    first, last = list(content.lstrip()[:WINDOW]), list(content.rstrip()[-WINDOW:])
    return np.array(first + [PADDING] * (2 * WINDOW - len(first) - len(last)) + last, np.int32)


def main() -> None:
    """Tell three contents apart, then ask for far too many at once, then again for three."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # no more of the machine than a thread of ours
    session = onnxruntime.InferenceSession(FOLDER.joinpath("model.onnx").read_bytes(), options)

    classify = guard(
        "file-type",
        deadline=0.5,
        bulkhead=Bulkhead(limit=1),
        input=InputContract.of_model(session, argument="feed", name="window"),
    )(component(session))

    def tell(phase: str, feed: dict[str, np.ndarray]) -> None:
        outcome = classify.outcome(feed)
        if outcome.failure:
            print(f"{phase}: {outcome.failure.kind} after {outcome.elapsed:.1f} s")
        else:
            scores = outcome.unwrap()[0][0]
            print(f"{phase}: {CONFIG['target_labels_space'][scores.argmax()]}, {scores.max():.0%} sure")

    for phase, content in SAMPLES.items():
        tell(phase, {"bytes": window(content)[None]})
    tell("half a window", {"bytes": window(SAMPLES["a page"])[None, :WINDOW]})
    tell("256 at once", {"bytes": np.tile(window(SAMPLES["a page"]), (256, 1))})

    start = perf_counter()
    while (permits := classify.boundary.bulkhead) and permits.in_flight and perf_counter() - start < 2.0:
        sleep(0.01)
    print(f"permits taken within two seconds: {permits and permits.in_flight}")
    tell("a page again", {"bytes": window(SAMPLES["a page"])[None]})


if __name__ == "__main__":
    main()
