"""Sentence encoders exported to ONNX, run by onnxruntime on the CPU."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..common import files
from ..common.checks import check_choice, check_int, require
from ..common.errors import CorruptFileError
from ..common.progress import Progress
from .base import as_texts, digest_files, show_progress, unit_rows
from .folder import POOLINGS, read_folder

_MODEL_NAMES = ("model.onnx", "model_quantized.onnx", "model_int8.onnx", "model_fp16.onnx")
_POOLED_OUTPUTS = ("sentence_embedding", "sentence_embeddings", "text_embeds", "embeddings", "pooled")
_TOKEN_OUTPUTS = ("last_hidden_state", "token_embeddings")
_DYNAMIC = (b"DynamicQuantizeLinear", b"DynamicQuantizeMatMul", b"DynamicQuantizeLSTM")
_MAX_TOKENS = 256  # where the folder says nothing
_BATCH = 32
_BATCH_TOKENS = (
    512  # more at once falls out of the cache: 32 texts of 256 tokens take 1.4 times as long as 32 runs of one
)
_CHUNK = 4096  # texts tokenized at once; what the tokenizer returns for a text is far larger than its ids


class OnnxText:
    """A sentence transformer exported to ONNX, from a folder on disk, without torch.

    The choice for quality on a machine without a GPU: MiniLM encodes a few hundred short texts a second on two cores.
    :class:`WordLlama` is a hundred times faster and knows less. Needs ``pip install 'nearfield[text]'``.

    Parameters
    ----------
    folder : holds ``model.onnx`` (or ``onnx/model.onnx``, or a quantised variant) and ``tokenizer.json``. Any folder
        exported by Optimum or by sentence-transformers will do: what its settings say is followed, so that the vectors
        are those of that library, dense layers after the pooling and a default prompt included.
    max_tokens : longer texts are cut here. None takes what the folder says, and 256 where it says nothing, which suits
        paragraphs; 128 halves the time where texts are titles.
    pooling : how token vectors become one: ``"mean"``, ``"cls"`` (the first token), ``"max"``, ``"lasttoken"``,
        ``"weightedmean"`` (later tokens count more) or ``"mean_sqrt_len"``. None takes what the folder says, and the
        mean where it says nothing. A model that pools inside, with an output named ``sentence_embedding`` or alike, is
        taken as it is.
    normalize : scale the vectors to length one. None does so unless the folder has a ``modules.json`` without it, as
        models made for inner products do.
    prompt : put before every text, such as ``"query: "`` where the model was trained with one; encode documents with
        an encoder of their own then. None takes the folder's default prompt, of which most have none.
    file : the model's file inside the folder, where there are several.
    batch_size : at most so many texts per run, and at most 512 tokens, beyond which a CPU gets slower. None means 32,
        but 1 for a model with dynamic quantisation, see Notes.
    threads : batches run at the same time; None uses all the CPUs this process may use. Results do not depend on it.

    Raises
    ------
    FileNotFoundError
        The folder, the model or the tokenizer is missing; says which and what the folder holds.
    CorruptFileError
        onnxruntime or the tokenizer cannot read its file.
    ValueError
        The model wants inputs that are not text, or gives no output that could be a vector per text; or the folder
        speaks of a module that is unknown here, or of several poolings.

    Notes
    -----
    Texts are sorted by length before batching, so that little is spent on padding; padding is masked. The same text
    gives the same vector whatever its batch, up to rounding (below 1e-5). Models with *dynamic* quantisation of the
    activations are different: their scale comes from the whole batch, and a text's vector moves with its company. With
    MiniLM quantised so, the cosine of a short text alone to itself in a batch of 32 was 0.991 in the median and 0.94
    at worst. Such models are recognised and run one text at a time, which costs half the speed on short texts and
    nothing on long ones; set ``batch_size`` to have it otherwise.

    The empty string is what the tokenizer makes of it (its special tokens), a valid vector.

    Examples
    --------
    >>> encoder = OnnxText("models/minilm")                       # doctest: +SKIP
    >>> encoder.encode(["a cat on a mat", "stock prices"]).shape  # doctest: +SKIP
    (2, 384)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        max_tokens: int | None = None,
        pooling: str | None = None,
        normalize: bool | None = None,
        *,
        prompt: str | None = None,
        file: str | None = None,
        batch_size: int | None = None,
        threads: int | None = None,
    ):
        runtime = require("onnxruntime", "text")
        tokenizers = require("tokenizers", "text")
        self.folder = Path(folder)
        self._model_file, self._tokenizer_file = _find_files(self.folder, file)
        stated = read_folder(self.folder)
        limit = (stated.max_tokens or _MAX_TOKENS) if max_tokens is None else max_tokens
        self.max_tokens = check_int(limit, "max_tokens", 8)
        self.normalize = stated.normalize is not False if normalize is None else normalize
        if pooling is None and len(stated.poolings) > 1:
            raise ValueError(f"pooling: expected one, {self.folder} joins {', '.join(stated.poolings)}; say which")
        said = stated.poolings[0] if stated.poolings else "mean"
        self.pooling = said if pooling is None else check_choice(pooling, "pooling", POOLINGS)
        if prompt is not None and not isinstance(prompt, str):
            raise TypeError(f"prompt: expected a text or None, got {type(prompt).__name__}")
        self.prompt = (stated.prompt if prompt is None else prompt) or ""
        self._lower, self._dense = stated.lower, stated.dense
        self._explicit = {"pooling": pooling, "file": file, "batch_size": batch_size, "prompt": prompt}
        content = files.map_file(self._model_file)
        dynamic = any(content.find(mark) >= 0 for mark in _DYNAMIC)
        self.batch_size = (1 if dynamic else _BATCH) if batch_size is None else check_int(batch_size, "batch_size", 1)
        self.threads = _usable_cpus() if threads is None else check_int(threads, "threads", 1)

        try:
            tokenizer = tokenizers.Tokenizer.from_file(str(self._tokenizer_file))
        except Exception as error:  # the library raises plain Exception
            raise CorruptFileError(self._tokenizer_file, f"not a tokenizer file ({error})") from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_tokens)
        self._tokenizer = tokenizer

        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1  # threads work on batches of their own: no result depends on their number
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = runtime.InferenceSession(str(self._model_file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no public base but Exception
            raise CorruptFileError(self._model_file, f"onnxruntime cannot load it ({error})") from error
        self._inputs = _known_inputs(self._session, self._model_file)
        self._output, self._pooled_inside, dim = _vector_output(self._session, self._model_file)
        if self._pooled_inside:
            self._dense = ()  # such a model has its layers inside as well
        # Without a pooling the layers are those of a late-interaction model, and map every token.
        self._token_layers = () if stated.poolings else self._dense
        probe = [np.zeros(1, np.int32)]
        self._dim = dim if dim is not None and not self._dense else int(self._run(probe).shape[1])

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self._dim

    @cached_property
    def token_dim(self) -> int:
        """Dimensions of a token's vector; ValueError for a model that pools inside."""
        return int(self._tokens([np.zeros(1, np.int32)])[0].shape[2])

    def encode(self, items: Sequence[str] | str, *, progress: bool | None = None) -> np.ndarray:
        """Return float32 ``(n, dim)``, or ``(dim,)`` for a single string."""
        texts, single = as_texts(items)
        vectors = np.zeros((len(texts), self._dim), np.float32)
        for rows, pooled in self._each(texts, self._run, progress):
            vectors[rows] = pooled
        if self.normalize:
            unit_rows(vectors)
        return vectors[0] if single else vectors

    def encode_tokens(self, items: Sequence[str], *, progress: bool | None = None) -> list[np.ndarray]:
        """For each text the vectors of its tokens, float32 (t, dim), special tokens included; not scaled.

        Under mean pooling their mean is the text's vector before it is scaled. ValueError for a model that pools
        inside.
        """
        texts, _ = as_texts(items)
        found: list[np.ndarray] = [np.zeros((0, self.token_dim), np.float32)] * len(texts)
        for rows, (output, mask) in self._each(texts, self._tokens, progress):
            for place, row in enumerate(rows):
                found[row] = output[place, : int(mask[place].sum())].copy()
        return found

    def _each(
        self, texts: list[str], run: Callable[[list[np.ndarray]], Any], progress: bool | None
    ) -> Iterator[tuple[list[int], Any]]:
        """``(rows, what run made of their token ids)``, batch after batch."""
        if self.prompt:
            texts = [self.prompt + text for text in texts]
        if self._lower:
            texts = [text.lower() for text in texts]
        tokens = [
            np.asarray(encoding.ids, np.int32)
            for start in range(0, len(texts), _CHUNK)
            for encoding in self._tokenizer.encode_batch(texts[start : start + _CHUNK])
        ]
        batches = self._batches(tokens)
        enabled = show_progress(progress, len(texts))
        pool = ThreadPoolExecutor(min(self.threads, max(1, len(batches))))
        try:
            with Progress("encoding", len(texts), unit="texts", enabled=enabled) as bar:
                done = pool.map(lambda rows: run([tokens[row] for row in rows]), batches)
                for rows, result in zip(batches, done, strict=True):
                    yield rows, result
                    bar.update(len(rows))
        finally:
            pool.shutdown(cancel_futures=True)

    def _batches(self, tokens: list[np.ndarray]) -> list[list[int]]:
        """Rows that go through the model together: near in length, the longest first (so that a bar speeds up)."""
        batches: list[list[int]] = []
        room = 0
        for row in sorted(range(len(tokens)), key=lambda row: -len(tokens[row])):
            if not room:
                batches.append([])
                room = max(1, min(self.batch_size, _BATCH_TOKENS // max(1, len(tokens[row]))))
            batches[-1].append(row)
            room -= 1
        return batches

    def _model(self, batch: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Token ids of a few texts -> the model's output, and which tokens are there."""
        width = max(1, max(map(len, batch)))
        ids = np.zeros((len(batch), width), np.int64)
        mask = np.zeros((len(batch), width), np.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : max(1, len(tokens))] = 1  # a tokenizer without special tokens: attend to something
        values = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        feed = {name: values[name].astype(dtype, copy=False) for name, dtype in self._inputs.items()}
        return self._session.run([self._output], feed)[0].astype(np.float32, copy=False), mask

    def _tokens(self, batch: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Token ids of a few texts -> the vectors of their tokens, and which tokens are there."""
        if self._pooled_inside:
            raise ValueError(f"{self._model_file}: expected an output of vectors per token, got {self._output} alone")
        output, mask = self._model(batch)
        for layer in self._token_layers:
            output = layer(output)
        return output, mask

    def _run(self, batch: list[np.ndarray]) -> np.ndarray:
        """Token ids of a few texts -> their vectors, not yet of length one."""
        output, mask = self._model(batch)
        if self._pooled_inside:
            return output
        pooled = self._pool(output, mask)
        for layer in self._dense:
            pooled = layer(pooled)
        return pooled

    def _pool(self, output: np.ndarray, mask: np.ndarray) -> np.ndarray:
        if self.pooling == "cls":
            return output[:, 0]
        if self.pooling == "lasttoken":
            return output[np.arange(len(output)), mask.sum(axis=1) - 1]
        weights = mask[:, :, None].astype(np.float32)
        if self.pooling == "max":
            return np.where(weights > 0, output, -np.inf).max(axis=1)
        if self.pooling == "weightedmean":
            weights *= np.arange(1, weights.shape[1] + 1, dtype=np.float32)[:, None]
        total = weights.sum(axis=1)
        return (output * weights).sum(axis=1) / (np.sqrt(total) if self.pooling == "mean_sqrt_len" else total)

    def fingerprint(self) -> dict[str, Any]:
        """Return the encoder's name, settings and the digest of model and tokenizer; the folder is not part of it."""
        beside = sorted(self._model_file.parent.glob(self._model_file.name + "?data*"))
        settings = f"max_tokens={self.max_tokens} pooling={self.pooling} normalize={self.normalize}"
        settings += f" prompt={self.prompt!r}" * bool(self.prompt) + " lower" * self._lower
        settings += "".join(f" {layer.activation}" for layer in self._dense)
        layers = [layer.path for layer in self._dense]
        config = {"folder": str(self.folder.resolve()), "max_tokens": self.max_tokens, "normalize": self.normalize}
        return {
            "encoder": "OnnxText",
            "dim": self._dim,
            "config": config | {name: value for name, value in self._explicit.items() if value is not None},
            "digest": digest_files([self._model_file, *beside, self._tokenizer_file, *layers], settings),
        }


def _usable_cpus() -> int:
    allowed = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _find_files(folder: Path, file: str | None) -> tuple[Path, Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"folder: no directory {folder}")
    places = [folder, folder / "onnx"]
    found = sorted(path for place in places for path in place.glob("*.onnx"))
    listing = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
    if file is not None:
        candidates = [folder / file]
    else:
        candidates = [place / name for place in places for name in _MODEL_NAMES] + (found if len(found) == 1 else [])
    model = next((path for path in candidates if path.is_file()), None)
    if model is None:
        if found and file is None:
            names = ", ".join(str(path.relative_to(folder)) for path in found)
            raise FileNotFoundError(f"{folder}: several models and none is model.onnx; say file= one of {names}")
        wanted = file or "model.onnx or onnx/model.onnx"
        raise FileNotFoundError(f"{folder}: expected {wanted} (a sentence encoder exported to ONNX), found {listing}")
    tokenizer = next((p / "tokenizer.json" for p in (folder, model.parent) if (p / "tokenizer.json").is_file()), None)
    if tokenizer is None:
        raise FileNotFoundError(f"{folder}: expected tokenizer.json beside the model, found {listing}")
    return model, tokenizer


def _known_inputs(session: Any, path: Path) -> dict[str, Any]:
    """Input name -> integer type; token_type_ids may be absent, anything else is refused."""
    known = {"input_ids", "attention_mask", "token_type_ids"}
    inputs = {}
    for entry in session.get_inputs():
        if entry.name not in known or entry.type not in ("tensor(int64)", "tensor(int32)"):
            raise ValueError(
                f"{path}: expected integer inputs among {', '.join(sorted(known))}, "
                f"got {entry.name} of {entry.type}: not a text encoder"
            )
        inputs[entry.name] = np.int64 if entry.type == "tensor(int64)" else np.int32
    if "input_ids" not in inputs:
        raise ValueError(f"{path}: expected an input named input_ids, got {', '.join(inputs) or 'none'}")
    return inputs


def _vector_output(session: Any, path: Path) -> tuple[str, bool, int | None]:
    """``(name, pooled inside, dim if the model states it)``: the model's own pooling first, then token vectors."""
    outputs = {entry.name: list(entry.shape) for entry in session.get_outputs()}
    flat = [name for name in _POOLED_OUTPUTS if len(outputs.get(name, ())) == 2]
    tokens = [name for name in _TOKEN_OUTPUTS if len(outputs.get(name, ())) == 3]
    tokens += [name for name, shape in outputs.items() if len(shape) == 3]
    flat_others = [name for name, shape in outputs.items() if len(shape) == 2]
    chosen = (flat or tokens or flat_others)[:1]
    if not chosen:
        raise ValueError(
            f"{path}: expected an output of vectors per token or per text, got "
            + ", ".join(f"{name}{shape}" for name, shape in outputs.items())
        )
    dim = outputs[chosen[0]][-1]
    return chosen[0], len(outputs[chosen[0]]) == 2, dim if isinstance(dim, int) else None
