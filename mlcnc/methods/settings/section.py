"""What every part of the tree of settings is."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from mlcnc.written_numbers import plain_number

MOST_SEED = 2**53 - 1
"""The largest whole number that torch, NumPy, JSON and a browser all hold exactly."""

SMALLEST, LARGEST = 2.0**-126, (2 - 2.0**-23) * 2.0**127
"""Of the normal numbers of float32, in which training computes."""

_MOST = 2**63 - 1
_NONE = ("none", "null")


class Section(BaseModel):
    """A part of the tree of settings: frozen, checked, without unknown keys, its numbers finite.

    A value may come from a command line or a file: of a number that may be None the text ``none`` is it, of a
    choice that is called ``none`` so is None, an empty text is None too, and ``1e3`` is a whole number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _as_people_write_it(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, float):
            return value
        annotation = cls.model_fields[str(info.field_name)].annotation
        parts = get_args(annotation) or (annotation,)
        if isinstance(value, str) and not value.strip() and type(None) in parts:
            value = None
        if value is None:
            return "none" if "none" in parts else None
        if isinstance(value, str) and "\0" in value:
            raise ValueError("must not hold a zero byte")
        if int not in parts and float not in parts:
            return value
        if isinstance(value, bool):
            raise ValueError(f"must be a number, got {value}")
        if isinstance(value, str):
            text = value.strip().lower()
            if type(None) in parts and text in _NONE:
                return None
            text = plain_number(text)
            return _whole(text, value) if int in parts else text
        if isinstance(value, int) and abs(value) > _MOST:
            # not shown: Python refuses to write out the digits of very large ones
            raise ValueError(f"must be at most {_MOST} in size, got a larger number")
        return value

    @field_validator("*")
    @classmethod
    def _is_in_reach(cls, value: Any) -> Any:
        if isinstance(value, float) and value and not SMALLEST <= abs(value) <= LARGEST:
            raise ValueError(f"must be 0 or {SMALLEST:.1e} to {LARGEST:.1e} in size as float32 is, got {value}")
        return value


def _whole(text: str, value: str) -> int | str:
    """Return the whole number that a text such as ``1e3`` is, else the value itself for pydantic to judge."""
    try:
        number = int(text) if text.lstrip("+-").isdecimal() and len(text) < 20 else float(text)
    except ValueError:
        return value
    if number != number or abs(number) > _MOST:
        raise ValueError(f"must be a whole number of at most {_MOST} in size, got {value:.40}")
    return int(number) if number == int(number) else value
