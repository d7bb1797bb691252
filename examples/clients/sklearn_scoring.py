"""
A scikit-learn model behind FastAPI: what it was not fitted for is refused with status 422, and never scored.

    python -m examples.clients.sklearn_scoring

A model answers whatever it is fed. `InputContract.of_model` holds rows to what the model says of itself: how many
features there are, and that none is missing. In which range it knows its way it cannot say: `/score-in-range` has a
contract with the ranges of the training data, too.
"""

from collections.abc import Callable

import numpy as np
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from sklearn.linear_model import LogisticRegression

from aiguard import BoundaryError, Bulkhead, Features, InputContract, InputRejectedError, Range, guard
from aiguard.integrations.sklearn import component

KNOWN = np.array([[20.0, 64.0], [35.0, 41.0], [60.0, 58.0], [700.0, 23.0], [850.0, 31.0], [900.0, 19.0]])
"""What the model learns from: an amount, and the customer's age."""

REQUESTS = {
    "healthy": [[30.0, 50.0]],
    "a feature too few": [[30.0]],
    "a feature missing": [[30.0, None]],
    "far out of range": [[2e9, 50.0]],
}


def service(model: LogisticRegression) -> FastAPI:
    """Return a service that scores rows with a model."""
    spans = zip(("amount", "age"), KNOWN.min(axis=0), KNOWN.max(axis=0), strict=True)
    ranges = Features({name: Range(float(low), float(high)) for name, low, high in spans})
    contracts = {"score": InputContract.of_model(model), "score-in-range": InputContract(ranges, name="known")}
    app = FastAPI()
    for name, contract in contracts.items():
        boundary = guard(name, deadline=1.0, bulkhead=Bulkhead(limit=4), input=contract)
        app.post(f"/{name}")(endpoint(boundary(component(model.predict_proba))))

    @app.exception_handler(BoundaryError)
    async def refuse(_: object, error: BoundaryError) -> JSONResponse:
        status = 422 if isinstance(error, InputRejectedError) else 502
        return JSONResponse({"error": error.failure.message}, status)

    return app


def endpoint(score: Callable[..., np.ndarray]) -> Callable[..., list[float]]:
    """Return what answers a request with the risk of each row."""

    def answer(rows: list[list[float | None]]) -> list[float]:
        return [round(float(risk), 3) for _, risk in score(rows)]

    return answer


def main() -> None:
    """Send each request to both endpoints; then one to a model that is broken."""
    model = LogisticRegression().fit(KNOWN, [0, 0, 0, 1, 1, 1])
    http = TestClient(service(model))
    for phase, rows in REQUESTS.items():
        for path in "/score", "/score-in-range":
            response = http.post(path, json=rows)
            print(f"{phase}: {path} {response.status_code} {response.text}")
    model.coef_[0] = np.nan  # a broken artefact
    response = http.post("/score", json=REQUESTS["healthy"])
    print(f"the model is broken: /score {response.status_code} {response.text}")


if __name__ == "__main__":
    main()
