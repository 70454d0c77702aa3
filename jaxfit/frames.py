"""Frames: columns as a pandas DataFrame, where pandas is at hand."""

from collections.abc import Mapping, Sequence
from typing import Any


def frame(columns: Mapping[str, Sequence[Any]]):
    """The columns as a pandas DataFrame; needs the extra `frames`."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            'to_frame() needs pandas: pip install "jaxfit-laws[frames]". to_dict() does not.'
        ) from error
    return pandas.DataFrame(dict(columns))
