"""Model folders, on this disk or on the hub."""

import hashlib
import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from relightnerf.errors import InputError, first_line
from relightnerf.io.files import list_files

SETTINGS = "relighter.json"
"""Name of the file that makes a folder a relighting model."""
CODEC_FILE = "codec.json"
"""File of a codec's folder that says its kind (and, for a codec without weights, its settings)."""
_MODEL_PATTERNS = (SETTINGS, "*.json", "*.safetensors", "*/*.json", "*/*.safetensors")
"""What is downloaded of a relighting model."""


def relighter_folder(name: str, download: bool = True) -> Path:
    """Return the folder of a relighting model; see ``model_folder``."""
    return model_folder(name, _MODEL_PATTERNS, "--relighter", download)


def relighter_files(folder: Path) -> list[Path]:
    """Return the files that a relighting model's own folder consists of, without those of its base."""
    return [path for path in list_files([folder]) if path.suffix in (".json", ".safetensors")]


def model_folder(name: str, patterns: Sequence[str], purpose: str, download: bool = True) -> Path:
    """Return the folder of a model: ``name`` itself, or the hub's copy, which is downloaded the first time.

    Args:
        name: a folder, or the id of a repository on the Hugging Face hub.
        patterns: what to download of it, as file names with ``*``.
        purpose: the flag or setting that names it, for messages.
        download: whether it may be downloaded; else only what was downloaded before will do.

    Raises:
        InputError: there is no such folder, and the hub has no such repository or cannot be reached.
    """
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        unwanted, local = ["*fp16*", "*non_ema*"], not download
        wanted = list(patterns)
        return Path(snapshot_download(name, allow_patterns=wanted, ignore_patterns=unwanted, local_files_only=local))
    except HFValidationError:
        raise InputError(f"{purpose} {name}: no such folder", "check the path, or give an id of the hub") from None
    except (OSError, HfHubHTTPError) as error:
        raise InputError(
            f"{purpose} {name}: not a folder here, and not to be had from the hub ({first_line(error)})",
            f"download {', '.join(patterns)} of it elsewhere, keep the folders, and give the folder's path",
        ) from None


@contextmanager
def named_model_errors(path: Path) -> Iterator[None]:
    """Turn what diffusers and transformers raise for a broken model folder into an ``InputError`` that names it."""
    import safetensors

    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        what = f"{path}: the model cannot be loaded ({first_line(error)})"
        raise InputError(what, "repair or replace the folder") from None


def require_peft(purpose: str) -> None:
    """Check that peft, which LoRAs need, is installed.

    Raises:
        InputError: it is not.
    """
    try:
        importlib.import_module("peft")
    except ImportError:
        raise InputError(f"{purpose}: peft is not installed", "install it: pip install peft") from None


def cache_path(kind: str, source: Path, suffix: str) -> Path:
    """Return where to keep what was computed from a file or folder; another path once a file in it changes."""
    files = sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
    stamps = [f"{p.resolve()} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in files]
    digest = hashlib.blake2b("\n".join(stamps).encode(), digest_size=12).hexdigest()
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "relightnerf" / kind / f"{digest}{suffix}"
