"""Checks JSON and URL parameters with pydantic models. Problems become an ``ApiError``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from wherobots_local.api.errors import ApiError, Problem

_ABBREVIATED = 80

Model = TypeVar("Model", bound=BaseModel)


class PublishedModel(BaseModel):
    """An object of the published API: camel case keys, unknown keys ignored, lax conversions."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)


class ControlModel(BaseModel):
    """An object of the control surface: unknown keys are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def validated(model: type[Model], value: object, *, names: bool = False) -> Model:
    """Check decoded JSON, or the parameters of a URL, against a model.

    With ``names``, the message about an unknown key lists the known
    keys. Raises an ``ApiError``: 422 with one problem per wrong field.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        known = tuple(model.model_fields) if names else ()
        raise ApiError(422, list(_problems(error, known))) from None


def without_nulls(value: Any) -> Any:
    """Drop null fields: some can be missing, but not null."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def shown(value: object) -> str:
    """Abbreviate a value for a message."""
    text = repr(value)
    return text if len(text) <= _ABBREVIATED else f"{text[:_ABBREVIATED]}... ({len(text)} characters)"


def _problems(error: ValidationError, known: tuple[str, ...]) -> Iterator[Problem]:
    for item in error.errors(include_url=False, include_context=False):
        field = ".".join(_path(item["loc"])) or "body"
        yield Problem(_details(field, item["type"], item["msg"], item["input"], known), field)


def _path(location: tuple[int | str, ...]) -> Iterator[str]:
    """Return the path of a field, without pydantic's tags for members of a union. The tag of a fault's action is its
    type."""
    for index, part in enumerate(location):
        if not (index and (str(part).startswith("is-") or location[:index] == ("action",))):
            yield str(part)


def _details(field: str, kind: str, message: str, value: Any, known: tuple[str, ...]) -> str:
    if kind in ("missing", "union_tag_not_found"):
        return f"{field}{'.type' if kind != 'missing' else ''} is required, but missing"
    if kind == "extra_forbidden":
        return f"there is no {field}" + (f". There are: {', '.join(sorted(known))}" if known else " here")
    if kind == "union_tag_invalid":
        return f"{field}.type is {shown(value['type'])}, but must be one of {message.rpartition('tags: ')[2]}"
    if kind == "model_attributes_type":
        return f"{field} is {shown(value)}, but must be an object"
    rule = message.removeprefix("Value error, ")
    for beginning in ("Input should ", "String should ", "List should ", "Dictionary should "):
        if rule.startswith(beginning):
            rule = f"must {rule.removeprefix(beginning)}"
    return f"{field} is {shown(value)}, but {rule[:1].lower()}{rule[1:]}"
