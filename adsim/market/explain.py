"""Validation faults in words: where, what was found, what would fit."""

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from adsim.errors import UnknownName


def explain(error: ValidationError, schema: type[BaseModel], tables: Mapping[str, Any]) -> str:
    """All faults of a validation in one line each, unknown keys with the nearest known one."""
    faults = error.errors()
    inner = [fault for fault in faults if fault["type"] != "too_short"]  # a list is short of its faulty items, too
    return "; ".join(dict.fromkeys(_fault(fault, schema, tables) for fault in inner or faults)) + "."


def _fault(fault: Any, schema: type[BaseModel], tables: Mapping[str, Any]) -> str:
    steps = [step for step in fault["loc"] if not _is_tag(step)]
    place = ".".join(str(step) for step in steps)
    if fault["type"] == "extra_forbidden":
        found = UnknownName("key", str(steps[-1]), _known_keys(schema, steps[:-1], tables))
        parent = place.rpartition(".")[0]
        return (f"{parent}: {found}" if parent else str(found)).rstrip(".")
    message = fault["msg"].removeprefix("Value error, ").rstrip(".")
    message = message[0].lower() + message[1:] if message.startswith("Input") else message
    value = fault["input"]
    shown = f" = {value!r}" if isinstance(value, int | float | str) and fault["type"] != "missing" else ""
    return f"{place}{shown}: {message}" if place else message


def _is_tag(step: Any) -> bool:
    """Pydantic puts the name of a union's branch into the path; users did not write it."""
    return step in ("contextual", "independent", "click_world", "literal['flat','day']") or str(step).startswith(
        ("function-", "tuple[", "constrained-", "nullable")
    )


def _known_keys(schema: type[BaseModel], steps: list[Any], tables: Mapping[str, Any]) -> list[str]:
    """Keys that the table at a path may have."""
    place: Any = tables
    models = [schema]
    for step in steps:
        place = place[step]
        if not isinstance(step, int):
            models = [model for parent in models for model in _models(parent.model_fields[step].annotation)]
    if len(models) > 1:
        source = place.get("source", "contextual")
        models = [model for model in models if source in get_args(model.model_fields["source"].annotation)]
    return [key for model in models for key in model.model_fields]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The tables among the types that an annotation allows."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is Annotated:
        return _models(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType, tuple):
        return [model for part in get_args(annotation) for model in _models(part)]
    return []
