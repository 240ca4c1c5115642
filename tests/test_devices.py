import pytest
import torch

from relightnerf.devices import resolve_device
from relightnerf.errors import InputError


def test_auto_takes_cuda_where_there_is_any() -> None:
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu") == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_asked_for_but_absent_is_an_error() -> None:
    with pytest.raises(InputError, match="--device cuda"):
        resolve_device("cuda")


def test_other_names_are_refused() -> None:
    with pytest.raises(InputError, match="--device tpu"):
        resolve_device("tpu")
