"""PyTorch's models in the process: transformers and sentence-transformers, tiny models, and a hub of our own."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from unittest.mock import patch

from aiguard import FailureKind as K
from tests.clients.cell import RETURNED, Cell, Client
from tests.clients.process_cells import do
from tests.tiny_models import LONGEST, save_classifier, save_encoder, save_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiguard.testing import FaultServer


class Opened(NamedTuple):
    """The library, PyTorch, and the folder of the models."""

    module: Any
    torch: Any
    folder: Path

    def broken(self, name: str, content: bytes | None) -> str:
        """Return a copy of the classifier with this in the file `name`, or without it."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        shutil.copytree(self.folder / "classifier", folder, dirs_exist_ok=True)
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content)
        return str(folder)


_HUB: Final = {
    "gated": (403, "GatedRepo"),
    "private": (401, "RepoNotFound"),
    "moved": (404, "RevisionNotFound"),
    "key": (401, ""),
}
"""What the hub says of each repository: a status, and the word that it adds in a header."""


class _Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Say what is to be said of the repository."""
        named = [name for name in _HUB if f"/{name}/" in f"{self.path}/"]
        status, word = _HUB[named[0]] if named else (404, "")
        self.send_response(status)
        self.send_header("X-Error-Code", word)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - as its base has it

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _hub() -> Iterator[None]:
    """Be the hub that is asked, so that nothing leaves this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answering) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        constants = import_module("huggingface_hub.constants")
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        with patch.multiple(constants, ENDPOINT=url, HUGGINGFACE_CO_URL_TEMPLATE=template):
            yield
        server.shutdown()


@contextmanager
def _opened(module: str) -> Iterator[Opened]:
    library, torch = import_module(module), import_module("torch")
    with tempfile.TemporaryDirectory() as folder, _hub():
        save_classifier(Path(folder, "classifier"))
        save_generator(Path(folder, "generator"))
        if module == "sentence_transformers":
            save_encoder(Path(folder, "encoder"))
        yield Opened(library, torch, Path(folder))


@contextmanager
def _transformers(_: FaultServer) -> Iterator[Opened]:
    with _opened("transformers") as opened:
        yield opened


@contextmanager
def _sentence_transformers(_: FaultServer) -> Iterator[Opened]:
    with _opened("sentence_transformers") as opened:
        yield opened


def _classify(text: object) -> Callable[[Opened], Any]:
    return lambda it: it.module.pipeline("text-classification", str(it.folder / "classifier"), device="cpu")(text)


def _generate(text: str, **settings: Any) -> Callable[[Opened], Any]:
    settings = {"max_new_tokens": 2} | settings
    return lambda it: it.module.pipeline("text-generation", str(it.folder / "generator"), device="cpu")(
        text, **settings
    )


def _ask(model: str, **settings: Any) -> Callable[[Opened], Any]:
    return lambda it: it.module.AutoConfig.from_pretrained(model, cache_dir=it.folder / "cache", **settings)


def _load(name: str, content: bytes | None) -> Callable[[Opened], Any]:
    return lambda it: it.module.AutoModelForSequenceClassification.from_pretrained(it.broken(name, content))


def _tokenizer(it: Opened) -> Any:
    return it.module.AutoTokenizer.from_pretrained(it.broken("tokenizer.json", b"{"))


def _unknown_token(it: Opened) -> Any:
    model = it.module.AutoModelForCausalLM.from_pretrained(it.folder / "generator")
    return model(it.torch.tensor([[600]]))


def _broken_numbers(it: Opened) -> Any:
    model = it.module.AutoModelForCausalLM.from_pretrained(it.folder / "generator")
    model.lm_head.weight.data.fill_(float("nan"))
    return model.generate(it.torch.tensor([[5, 6]]), do_sample=True, max_new_tokens=2)


_TOO_LONG: Final = "well " * (LONGEST + 4)

_FITS: Final = "PyTorch says that a size or an index does not fit"
_NO_GPU: Final = "not run: no GPU to run out of memory"

TRANSFORMERS: Final = Client(
    "transformers",
    "transformers",
    _transformers,
    raised=(
        Cell(K.CONNECTION, "builtins.OSError", "", do("not_in_the_cache", _ask("nobody/none", local_files_only=True))),
        Cell(K.AUTH, "builtins.OSError", "", do("gated", _ask("nobody/gated"))),
        Cell(K.AUTH, "builtins.OSError", "", do("key", _ask("nobody/key"))),
        Cell(K.NOT_FOUND, "builtins.OSError", "", do("private", _ask("nobody/private"))),
        Cell(K.NOT_FOUND, "builtins.OSError", "", do("moved", _ask("nobody/moved"))),
        Cell(K.NOT_FOUND, "builtins.OSError", "", do("no_weights", _load("model.safetensors", None))),
        Cell(K.NOT_FOUND, "builtins.OSError", "", do("broken_config", _load("config.json", b"{"))),
        Cell(
            K.NOT_FOUND, "safetensors.SafetensorError", "", do("broken_weights", _load("model.safetensors", b"broken"))
        ),
        Cell(
            K.NOT_FOUND,
            "json.JSONDecodeError",
            "",
            do("broken_tokenizer", _tokenizer),
            None,
            K.MALFORMED_OUTPUT,
            "broken JSON of a file looks like broken JSON of an answer",
        ),
        Cell(K.BAD_REQUEST, "builtins.OSError", "", do("no_name", _ask("not/a/name"))),
        Cell(K.BAD_REQUEST, "builtins.ValueError", "", do("no_text", _classify(None))),
        Cell(K.BAD_REQUEST, "builtins.ValueError", "", do("a_number", _classify(3))),
        Cell(K.BAD_REQUEST, "builtins.ValueError", "", do("no_such_setting", _generate("well", nonsense=1))),
        Cell(K.BAD_REQUEST, "builtins.IndexError", "", do("unknown_token", _unknown_token)),
        Cell(
            K.CONTEXT_LENGTH,
            "builtins.IndexError",
            "",
            do("too_long", _generate(_TOO_LONG)),
            None,
            K.BAD_REQUEST,
            _FITS,
        ),
        Cell(
            K.CONTEXT_LENGTH,
            "builtins.RuntimeError",
            "",
            do("too_long", _classify(_TOO_LONG)),
            None,
            K.UNCLASSIFIED,
            _FITS,
        ),
        Cell(K.UNCLASSIFIED, "builtins.RuntimeError", "", do("broken_numbers", _broken_numbers)),
    ),
    notes={
        K.TIMEOUT: "the deadline by `max_time`, tested with its recipe",
        K.OVERLOADED: _NO_GPU,
        K.SERVER_ERROR: "not run: no GPU to fail",
    },
    needs=("torch",),
    environments=("clients-torch",),
    beside=("torch",),
    output=None,
)


def _encoder(it: Opened) -> Any:
    return it.module.SentenceTransformer(str(it.folder / "encoder"), device="cpu")


def _not_numbers(it: Opened) -> Any:
    from aiguard.integrations.sklearn import component  # noqa: PLC0415 - where numpy is installed

    encoder = _encoder(it)
    encoder[0].auto_model.embeddings.LayerNorm.weight.data.fill_(float("nan"))
    return component(encoder.encode)("all is well")


SENTENCE_TRANSFORMERS: Final = Client(
    "sentence-transformers",
    "sentence_transformers",
    _sentence_transformers,
    raised=(
        Cell(
            K.CONNECTION,
            "builtins.OSError",
            "",
            do(
                "not_in_the_cache",
                lambda it: it.module.SentenceTransformer(
                    "nobody/none", cache_folder=str(it.folder / "cache"), local_files_only=True
                ),
            ),
        ),
        Cell(
            K.NOT_FOUND,
            "builtins.FileNotFoundError",
            "",
            do("no_folder", lambda it: it.module.SentenceTransformer(str(it.folder / "nowhere"))),
        ),
        Cell(
            K.NOT_FOUND,
            "builtins.OSError",
            "",
            do("broken_config", lambda it: it.module.SentenceTransformer(it.broken("config.json", b"{"))),
        ),
        Cell(K.BAD_REQUEST, "builtins.ValueError", "", do("no_text", lambda it: _encoder(it).encode(None))),
        Cell(K.BAD_REQUEST, "builtins.ValueError", "", do("a_number", lambda it: _encoder(it).encode([3]))),
        Cell(
            K.BAD_REQUEST,
            "builtins.ValueError",
            "",
            do("no_such_prompt", lambda it: _encoder(it).encode("well", prompt_name="none")),
        ),
    ),
    returned=(Cell(K.CHECK_FAILED, RETURNED, "", do("not_numbers", _not_numbers)),),
    notes={K.OVERLOADED: _NO_GPU, K.CONTEXT_LENGTH: "cuts what is longer"},
    needs=("torch",),
    environments=("clients-torch",),
    output=None,
)
