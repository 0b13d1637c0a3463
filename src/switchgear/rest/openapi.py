"""The OpenAPI 3.1 document of the routes: written from what they declare, which is what is checked."""

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Final, cast

import msgspec
from msgspec import Struct, json

from switchgear.rest.problem import MEDIA_TYPE, Problem
from switchgear.rest.route import PREFIX, Route

_JSON: Final = "application/json"
_REFERENCE: Final = "#/components/schemas/{name}"
_ETAG: Final = {"ETag": {"description": "The version, for If-Match and If-None-Match.", "schema": {"type": "string"}}}

Node = dict[str, object]


def document(routes: Iterable[Route], version: str) -> bytes:
    """The document as JSON."""
    known = tuple(routes)
    schemas = _Schemas(known)
    paths: dict[str, dict[str, Node]] = {}
    for route in known:
        paths.setdefault(route.documented_path, {})[route.method.lower()] = _operation(route, schemas)
    whole: Node = {
        "openapi": "3.1.0",
        "info": {
            "title": "Switchgear: management",
            "version": version,
            "description": "Every error is a problem (RFC 9457). Lists go on with `cursor`. A change of what is there "
            "names its version in `If-Match`; a request with an `Idempotency-Key` is done once, however often it is "
            "sent within a day.",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"session": []}, {}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A management key."},
                "session": {"type": "apiKey", "in": "cookie", "name": "switchgear_session"},
            },
        },
    }
    return json.encode(whole)


class _Schemas:
    """The types of all routes as schemas, each told once."""

    def __init__(self, routes: Iterable[Route]) -> None:
        kinds: list[object] = [Problem]
        for route in routes:
            kinds += [kind for kind in (route.body, route.answer) if kind is not None and kind not in kinds]
            kinds += [kind for kind in (route.query,) if kind is not None and kind not in kinds]
        schemas, self.components = msgspec.json.schema_components(
            kinds, schema_hook=_plain_text, ref_template=_REFERENCE
        )
        self._by_kind = list(zip(kinds, schemas, strict=True))
        cast("Node", self.components["Problem"])["additionalProperties"] = True

    def of(self, kind: object) -> Mapping[str, object]:
        return next(schema for known, schema in self._by_kind if known is kind or known == kind)

    def fields(self, kind: type[Struct]) -> tuple[Mapping[str, Node], list[str]]:
        """The properties of a struct, and which are required."""
        name = str(self.of(kind)["$ref"]).rpartition("/")[2]
        schema = self.components[name]
        return cast("Mapping[str, Node]", schema["properties"]), cast("list[str]", schema.get("required", []))


def _operation(route: Route, schemas: _Schemas) -> Node:
    operation: Node = {
        "operationId": _identifier(route),
        "summary": route.summary,
        "tags": [route.path.split("/")[1]],
        "x-permission": route.permission,
        "parameters": [*_parameters(route, schemas)],
        "responses": _responses(route, schemas),
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": schemas.of(route.body)}}}
    return operation


def _identifier(route: Route) -> str:
    words = route.documented_path.removeprefix(PREFIX).replace("{", "").replace("}", "")
    return f"{route.method.lower()}{words.replace('/', '_').replace('-', '_').replace('.', '_')}"


def _parameters(route: Route, schemas: _Schemas) -> Iterator[Node]:
    for name in route.parameters:
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    if route.query is not None:
        properties, required = schemas.fields(route.query)
        for name, schema in properties.items():
            plain = {key: value for key, value in schema.items() if key != "description"}
            described = {"description": schema["description"]} if "description" in schema else {}
            yield {"name": name, "in": "query", "required": name in required, "schema": plain, **described}
    text = {"type": "string"}
    if route.changes:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {**text, "pattern": "^[!-~]{1,255}$"},
        }
    if route.takes_condition:
        yield {"name": "If-Match", "in": "header", "required": False, "schema": text}
    if route.tells_etag:
        yield {"name": "If-None-Match", "in": "header", "required": False, "schema": text}


def _responses(route: Route, schemas: _Schemas) -> Node:
    success: Node = {"description": HTTPStatus(route.status).phrase}
    if route.answer is not None:
        success["content"] = {route.media_type: {"schema": schemas.of(route.answer)}}
    elif route.media_type != _JSON:
        success["content"] = {route.media_type: {"schema": {"type": "string"}}}
    if route.tells_etag:
        success["headers"] = _ETAG
    responses: Node = {str(route.status): success}
    if route.tells_etag and not route.changes:
        responses["304"] = {"description": "Not Modified", "headers": _ETAG}
    if 201 in route.refuses:
        responses["201"] = {**success, "description": "Created"}
    problem = {MEDIA_TYPE: {"schema": schemas.of(Problem)}}
    for status in sorted(_refusals(route)):
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": problem}
    return responses


def _refusals(route: Route) -> set[int]:
    """The statuses of every problem that a route may answer with."""
    found = {401, 403, 422, 500, 503, *(status for status in route.refuses if status != 201)}
    if route.body is not None:
        found |= {400, 413, 415}
    if route.changes:
        found |= {400, 409}
    if route.parameters:
        found.add(404)
    if route.query is not None:
        found.add(400)
    if route.takes_condition:
        found |= {412, 428}
    return found


def _plain_text(kind: type) -> Node:
    """Types of our own are texts in JSON, such as a secret that is given and never shown; an object may be anything."""
    return {"description": "Anything."} if kind is object else {"type": "string"}


def listed(routes: Iterable[Route]) -> Iterator[tuple[str, str, str, str]]:
    """Method, path, permission and summary of each route, for the docs."""
    for route in sorted(routes, key=lambda route: (route.path, route.method)):
        yield route.method, PREFIX + route.path.replace(":path}", "}"), route.permission, route.summary
