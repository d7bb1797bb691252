"""Models of a few hundred random weights, as folders on disk: what transformers loads, without a download."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

WORDS: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "all", "is", "well", "fine", "how")

LONGEST: Final = 16
"""Positions of each: a longer text has more words than the model takes."""

_SMALL: Final = {"vocab_size": len(WORDS), "max_position_embeddings": LONGEST}


def save_classifier(folder: Path) -> None:
    """Write a BERT that tells two kinds of texts apart, at random."""
    transformers = _quiet()
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, **_SMALL
    )
    _save(folder, transformers.BertForSequenceClassification(config))


def save_generator(folder: Path, positions: int = LONGEST) -> None:
    """Write a GPT-2 that goes on with a text, at random, for up to so many words."""
    transformers = _quiet()
    config = transformers.GPT2Config(
        vocab_size=len(WORDS), n_embd=8, n_layer=1, n_head=2, n_positions=positions, bos_token_id=2, eos_token_id=3
    )
    _save(folder, transformers.GPT2LMHeadModel(config))


def save_encoder(folder: Path) -> None:
    """Write a SentenceTransformer that gives a text eight numbers."""
    bert = folder.with_name(f"{folder.name}-bert")
    save_classifier(bert)
    modules = import_module("sentence_transformers.sentence_transformer.modules")
    encoder = import_module("sentence_transformers").SentenceTransformer
    words = modules.Transformer(str(bert), max_seq_length=LONGEST)
    encoder(modules=[words, modules.Pooling(8)], device="cpu").save(str(folder))


def _quiet() -> Any:
    transformers = import_module("transformers")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    import_module("torch").manual_seed(0)
    return transformers


def _save(folder: Path, model: Any) -> None:
    tokenizers = import_module("tokenizers")
    words = tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    names = {f"{word.strip('[]').lower()}_token": word for word in WORDS[:5]}
    fast = import_module("transformers").PreTrainedTokenizerFast
    fast(tokenizer_object=tokenizer, model_max_length=LONGEST, **names).save_pretrained(folder)
    model.save_pretrained(folder)
