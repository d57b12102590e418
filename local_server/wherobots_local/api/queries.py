"""Query parameters of the list and log calls."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from wherobots_local.api.errors import DEFAULT_REGION, OWN_REGION, REGIONS, RUN_STATUSES, ApiError, Problem

Parsed = TypeVar("Parsed")


def _known(statuses: frozenset[str]) -> frozenset[str]:
    if not statuses <= set(RUN_STATUSES):
        raise ValueError(f"must be one of {', '.join(RUN_STATUSES)}")
    return statuses


def _written_out(moment: object) -> object:
    # Without this, pydantic would take a number as seconds since 1970.
    try:
        float(str(moment))
    except ValueError:
        return moment
    raise ValueError("must be a date-time in ISO 8601")


NamePattern = Annotated[str, StringConstraints(max_length=255, pattern=r"^[a-zA-Z0-9_\-\.]*\*?[a-zA-Z0-9_\-\.]*$")]
_Statuses = Annotated[frozenset[str], AfterValidator(_known)]
_Moment = Annotated[
    datetime,
    BeforeValidator(_written_out),
    AfterValidator(lambda moment: moment if moment.tzinfo else moment.replace(tzinfo=UTC)),
]

Query = Sequence[tuple[str, str]]
"""The parameters of a URL in their order, including repeated ones."""


class Parameters(BaseModel):
    """Unknown parameters are ignored."""

    model_config = ConfigDict(frozen=True)


class ListQuery(Parameters):
    """None means no filter."""

    name: NamePattern | None = None
    created_after: _Moment | None = None
    status: _Statuses | None = None
    region: str | None = None
    cursor: str | None = None
    size: Annotated[int, Field(ge=0, le=100)] = 50


class LogsQuery(Parameters):
    """``cursor=None`` is the start of the log."""

    cursor: str | None = None
    size: Annotated[int, Field(ge=0)] = 100


class LogEndQuery(LogsQuery):
    """The log on the status page: at most its ``last`` lines."""

    size: Annotated[int, Field(ge=0)] = 1000
    last: Annotated[int, Field(ge=1)] = 5000


def parse_query(parameters: type[Model], query: Query) -> Model:
    """Check the parameters of a URL. A repeatable parameter becomes a set."""
    values: dict[str, object] = dict(query)
    if "status" in values:
        values["status"] = [value for key, value in query if key == "status"]
    return validated(parameters, values)


def cursor_of(text: str) -> str:
    """Return an opaque cursor."""
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogateescape")).decode()


def read_cursor(cursor: str, parse: Callable[[str], Parsed]) -> Parsed:
    """Read an opaque cursor. It is a 400 if this or ``parse`` fails."""
    try:
        return parse(
            base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode("utf-8", "surrogateescape")
        )
    except ValueError:
        raise wrong_cursor(cursor) from None


def wrong_cursor(cursor: str) -> ApiError:
    return ApiError(400, [Problem(f"cursor is {cursor!r}, but must be a cursor from an earlier page", "cursor")])


def checked_region(region: str | None) -> str:
    """Return a region or the default. It is a 422 if there is no such region."""
    if region is None:
        return DEFAULT_REGION
    if region in REGIONS or region.startswith(OWN_REGION):
        return region
    known = f"{', '.join(REGIONS)}, or begin with {OWN_REGION}"
    raise ApiError(422, [Problem(f"region is {region!r}, but must be {known}", "region")])


def name_matches(pattern: str, name: str, *, part: bool = False) -> bool:
    """Return whether a name matches a pattern with at most one ``*``. With ``part``, a pattern without ``*`` also
    matches a part of the name."""
    head, star, tail = pattern.partition("*")
    if not star:
        return pattern in name if part else name == pattern
    return len(name) >= len(head) + len(tail) and name.startswith(head) and name.endswith(tail)


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
