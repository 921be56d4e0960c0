"""What a deployment of Bicep makes: its files worked out with values, as Azure Resource Manager does it.

A stand-in for the compiler and for what ARM answers at run time, for as much of Bicep as infra/ uses; anything else
is an error. What only a deployed resource knows (an identity's object id, an endpoint) is made up from its id.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from ipaddress import ip_network
from pathlib import PurePosixPath
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tree_sitter import Node

from tests.infra.syntax import INFRA, PARAMETERS, Declaration, declarations, parse, text

TENANT = "00000000-0000-4000-8000-00000000face"
SUFFIXES = {"storage": "core.windows.net"}


class Fault(Exception):
    """The Bicep would not compile, or not deploy; or this reader does not know what it says."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a deployment is: at a management group, a subscription or a resource group."""

    subscription: str = ""
    group: str = ""
    management_group: str = ""

    @property
    def id(self) -> str:
        """Its ARM id."""
        if self.management_group:
            return f"/providers/Microsoft.Management/managementGroups/{self.management_group}"
        group = f"/resourceGroups/{self.group}" if self.group else ""
        return f"/subscriptions/{self.subscription}{group}"

    @property
    def kind(self) -> str:
        """As `targetScope` has it."""
        if self.management_group:
            return "managementGroup"
        return "resourceGroup" if self.group else "subscription"


@dataclass(frozen=True, slots=True)
class Made:
    """A resource that a deployment makes."""

    id: str
    type: str
    version: str
    name: str
    body: Mapping[str, Any]
    """Without name, parent, scope and dependsOn."""
    scope: Scope
    file: str


@dataclass(slots=True)
class _Resource:
    """A resource, as expressions see it: made or existing."""

    id: str
    type: str
    name: str
    api_version: str
    scope: Scope
    children: dict[str, "_Resource"] = field(default_factory=dict)

    def get(self, key: str) -> Any:  # noqa: ANN401 - as Bicep has it
        if key in {"id", "type", "name"}:
            return getattr(self, key)
        return _Live(self, (key,))


@dataclass(frozen=True, slots=True)
class _Live:
    """Something that only the deployed resource knows, on the way to it."""

    resource: _Resource
    path: tuple[str, ...]

    def get(self, key: str) -> Any:  # noqa: ANN401 - as Bicep has it
        path = (*self.path, key)
        known = _KNOWN.get((self.resource.type, ".".join(path)))
        if known:
            return known(self.resource)
        if any(kind == self.resource.type and name.startswith(".".join(path)) for kind, name in _KNOWN):
            return _Live(self.resource, path)
        raise Fault(f"{self.resource.type} has no {'.'.join(path)} that this reader knows")


def made_up_id(*words: str) -> str:
    """A GUID that is always the same for the same words."""
    return str(uuid5(NAMESPACE_URL, "/".join(words)))


def _endpoint(service: str, account: _Resource) -> str:
    return f"https://{account.name}.{service}.{SUFFIXES['storage']}/"


_KNOWN: Mapping[tuple[str, str], Callable[[_Resource], str]] = {
    ("Microsoft.ManagedIdentity/userAssignedIdentities", "properties.principalId"): lambda it: made_up_id(
        it.id, "principal"
    ),
    ("Microsoft.ManagedIdentity/userAssignedIdentities", "properties.clientId"): lambda it: made_up_id(
        it.id, "client"
    ),
    ("Microsoft.EventGrid/systemTopics", "identity.principalId"): lambda it: made_up_id(it.id, "principal"),
    ("Microsoft.EventGrid/topics", "properties.endpoint"): lambda it: (
        f"https://{it.name}.westeurope-1.eventgrid.azure.net/api/events"
    ),
    ("Microsoft.Insights/components", "properties.ConnectionString"): lambda it: (
        f"InstrumentationKey={made_up_id(it.id)};IngestionEndpoint=https://westeurope-1.in.applicationinsights.azure.com/"
    ),
    ("Microsoft.Web/sites", "properties.defaultHostName"): lambda it: f"{it.name}.azurewebsites.net",
    **{
        ("Microsoft.Storage/storageAccounts", f"properties.primaryEndpoints.{service}"): partial(
            _endpoint, service
        )
        for service in ("blob", "queue", "table")
    },
}
"""What deployed resources know, by type and path."""


class _Outputs:
    """A module, as expressions see it."""

    def __init__(self, name: str, outputs: Mapping[str, Any] | None) -> None:
        self.name, self._outputs = name, outputs

    def get(self, key: str) -> Any:  # noqa: ANN401 - as Bicep has it
        if key == "name":
            return self.name
        if key != "outputs":
            raise Fault(f"module {self.name} has no {key}")
        return self._outputs  # None: the condition of the module does not hold


@dataclass(frozen=True, slots=True)
class Deployment:
    """All that a deployment makes, its modules' too."""

    resources: tuple[Made, ...]
    outputs: Mapping[str, Any]

    def of_type(self, kind: str) -> list[Made]:
        """The resources of a type, in any letter case."""
        return [each for each in self.resources if each.type.lower() == kind.lower()]

    def one(self, kind: str) -> Made:
        """The only one of its type."""
        (found,) = self.of_type(kind)
        return found


def deploy(file: str, scope: Scope, parameters: Mapping[str, Any]) -> Deployment:
    """Work out a file of infra/. Raises `Fault`."""
    run = _Run(file, scope, parameters)
    return Deployment(tuple(run.resources()), run.outputs())


def parameters(variables: Mapping[str, str]) -> dict[str, Any]:
    """What main.bicepparam hands over in an environment. Raises `Fault`."""
    run = _Parameters(variables)
    return {
        each.name: run.evaluate(each.node.named_children[-1], {})
        for each in declarations(PARAMETERS)
        if each.kind == "parameter"
    }


class _Run:
    """One file with one set of parameters."""

    def __init__(self, file: str, scope: Scope, parameters: Mapping[str, Any]) -> None:
        self.file, self.scope = file, scope
        self._made: list[Made] = []
        self._declared = {each.name: each for each in declarations(file) if each.kind in _DECLARED}
        self._values: dict[str, Any] = {}
        self._check_scope()
        self._take(parameters)

    def resources(self) -> list[Made]:
        """Make all of it."""
        for name in self._declared:
            self.value(name)
        return self._made

    def outputs(self) -> dict[str, Any]:
        """What it puts out."""
        return {
            each.name: self.evaluate(each.node.named_children[-1], {})
            for each in declarations(self.file)
            if each.kind == "output"
        }

    def value(self, name: str) -> Any:  # noqa: ANN401 - as Bicep has it
        """What a name stands for."""
        if name not in self._values:
            declared = self._declared.get(name)
            if declared is None:
                raise Fault(f"{self.file}: nothing is called {name}")
            self._values[name] = _DECLARED[declared.kind](self, declared)
        return self._values[name]

    def _check_scope(self) -> None:
        targets = [each.node for each in declarations(self.file) if each.kind == "target_scope_assignment"]
        target = text(targets[0].named_children[0]).strip("'") if targets else "resourceGroup"
        if target != self.scope.kind:
            raise Fault(f"{self.file} is for a {target}, and was deployed to {self.scope.id}")

    def _take(self, parameters: Mapping[str, Any]) -> None:
        declared = {name for name, each in self._declared.items() if each.kind == "parameter"}
        if unknown := set(parameters) - declared:
            raise Fault(f"{self.file} has no parameter {', '.join(sorted(unknown))}")
        self._values |= parameters
        for name in declared:
            self._check(self._declared[name], self.value(name))

    def _check(self, declared: Declaration, value: Any) -> None:  # noqa: ANN401 - as Bicep has it
        kind = text(next(child for child in declared.node.named_children if child.type == "type"))
        expected = {"string": str, "int": int, "bool": bool, "object": Mapping, "array": Sequence}.get(
            kind, Sequence
        )
        if not isinstance(value, expected) or (kind == "int" and isinstance(value, bool)):
            raise Fault(f"{self.file}: parameter {declared.name} is {value!r}, expected {kind}")
        if (allowed := declared.decorator("allowed")) and value not in self.evaluate(
            allowed.named_children[0], {}
        ):
            raise Fault(f"{self.file}: parameter {declared.name} is {value!r}, expected {text(allowed)}")
        for decorator, holds in _BOUNDS.items():
            if bound := declared.decorator(decorator):
                limit = self.evaluate(bound.named_children[0], {})
                if not holds(value, limit):
                    raise Fault(
                        f"{self.file}: parameter {declared.name} is {value!r}, and its {decorator} {limit}"
                    )

    # What is declared.

    def _parameter(self, declared: Declaration) -> Any:  # noqa: ANN401 - as Bicep has it
        kind = next(i for i, child in enumerate(declared.node.named_children) if child.type == "type")
        default = declared.node.named_children[kind + 1 :]
        if not default:
            raise Fault(f"{self.file}: parameter {declared.name} is required")
        return self.evaluate(default[0], {})

    def _variable(self, declared: Declaration) -> Any:  # noqa: ANN401 - as Bicep has it
        return self.evaluate(declared.node.named_children[-1], {})

    def _resource(self, declared: Declaration) -> Any:  # noqa: ANN401 - as Bicep has it
        kind, body = text(declared.node.named_children[1]).strip("'"), declared.node.named_children[-1]
        existing = any(child.type == "existing" for child in declared.node.children)
        return self._each(
            body, {}, lambda node, names: self._one(kind, node, names, parent=None, existing=existing)
        )

    def _module(self, declared: Declaration) -> Any:  # noqa: ANN401 - as Bicep has it
        path, body = text(declared.node.named_children[1]).strip("'"), declared.node.named_children[-1]
        return self._each(body, {}, lambda node, names: self._deploy(path, node, names))

    def _each(self, node: Node, names: dict[str, Any], make: Callable[[Node, dict[str, Any]], Any]) -> Any:  # noqa: ANN401
        """Make one, or one for each item, where the condition holds; else None."""
        if node.type == "for_statement":
            return [self._each(body, inner, make) for body, inner in self._loop(node, names)]
        if node.type == "if_statement":
            condition, body = node.named_children
            if not self.evaluate(condition, names):
                return _Outputs("", None)
            return self._each(body, names, make)
        return make(node, names)

    def _loop(self, node: Node, names: dict[str, Any]) -> list[tuple[Node, dict[str, Any]]]:
        over, items, body = node.named_children
        wanted = [text(child) for child in over.named_children] or [text(over)]
        return [
            (body, names | dict(zip(wanted, (item, index), strict=False)))
            for index, item in enumerate(self.evaluate(items, names))
        ]

    def _one(
        self, declared: str, node: Node, names: dict[str, Any], *, parent: _Resource | None, existing: bool
    ) -> _Resource:
        children = [
            child.named_children[0]
            for child in _properties(node)
            if child.named_children[0].type == "resource_declaration"
        ]
        body = self.evaluate(node, names)
        kind, _, version = declared.partition("@")
        if parent:
            kind, version = f"{parent.type}/{kind}", parent.api_version
        above = body.pop("parent", parent)
        scope = body.pop("scope", None)
        name = body.pop("name")
        body.pop("dependsOn", None)
        made = _Resource(_id(self.scope, kind, name, above, scope), kind, name, version, self.scope)
        if not existing:
            self._made.append(Made(made.id, kind, version, name, body, self.scope, self.file))
        for child in children:
            symbol, inner, block = child.named_children
            there = any(token.type == "existing" for token in child.children)
            # A child may name what stands before it.
            within = {**names, **made.children}
            made.children[text(symbol)] = self._one(
                text(inner).strip("'"), block, within, parent=made, existing=there
            )
        return made

    def _deploy(self, path: str, node: Node, names: dict[str, Any]) -> _Outputs:
        body = self.evaluate(node, names)
        file = str(PurePosixPath(self.file).parent / path)
        if not (INFRA / file).is_file():
            raise Fault(f"{self.file}: there is no module {file}")
        inner = _Run(file, _scope(body.get("scope", self.scope), self.scope), body.get("params", {}))
        self._made += inner.resources()
        if not re.fullmatch(r"[\w.()-]{1,64}", body["name"]):
            raise Fault(f"{self.file}: a deployment cannot be called {body['name']}")
        return _Outputs(body["name"], inner.outputs())

    # Expressions.

    def evaluate(self, node: Node, names: dict[str, Any]) -> Any:  # noqa: ANN401 - as Bicep has it
        """The value of an expression."""
        known = _EXPRESSIONS.get(node.type)
        if known is None:
            raise Fault(
                f"{self.file}, line {node.start_point.row + 1}: {node.type} is not known to this reader"
            )
        return known(self, node, names)

    def _string(self, node: Node, names: dict[str, Any]) -> str:
        if text(node).startswith("'''"):
            return text(node)[3:-3].removeprefix("\n")
        # What stands between the children (blanks, of which the grammar makes none) is the string's as well.
        source, start, parts, at = node.text or b"", node.start_byte, list[str](), 1
        for child in node.named_children:
            parts.append(source[at : child.start_byte - start].decode())
            if child.type == "interpolation":
                value = self.evaluate(child.named_children[0], names)
                if not isinstance(value, str | int):
                    raise Fault(f"{self.file}: {text(child)} is no text: {value!r}")
                parts.append(str(value).lower() if isinstance(value, bool) else str(value))
            else:
                parts.append(_ESCAPES.get(text(child), text(child)))
            at = child.end_byte - start
        return "".join((*parts, source[at:-1].decode()))

    def _array(self, node: Node, names: dict[str, Any]) -> list[Any]:
        # The grammar reads `[f().x]` as two items, `f` and `().x`: what touches belongs together.
        found, items = list[Any](), list(node.named_children)
        while items:
            item = items.pop(0)
            if item.type == "comment":
                continue
            whole = text(item)
            end = item.end_byte
            while items and items[0].start_byte == end:
                joined = items.pop(0)
                whole, end = whole + text(joined), joined.end_byte
            if whole != text(item):
                item = parse(f"var it = {whole}\n").named_children[0].named_children[-1]
            if item.type == "for_statement":
                return [self._each(body, inner, self.evaluate) for body, inner in self._loop(item, names)]
            found.append(self.evaluate(item, names))
        return found

    def _object(self, node: Node, names: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for each in _properties(node):
            if each.named_children[0].type == "resource_declaration":
                continue
            key, value = each.named_children
            name = text(key) if key.type == "identifier" else self.evaluate(key, names)
            if name in found:
                raise Fault(f"{self.file}: {name} stands twice in an object")
            found[name] = self.evaluate(value, names)
        return found

    def _for(self, node: Node, names: dict[str, Any]) -> list[Any]:
        return [self.evaluate(body, inner) for body, inner in self._loop(node, names)]

    def _identifier(self, node: Node, names: dict[str, Any]) -> Any:  # noqa: ANN401 - as Bicep has it
        name = text(node)
        return names[name] if name in names else self.value(name)

    def _member(self, node: Node, names: dict[str, Any]) -> Any:  # noqa: ANN401 - as Bicep has it
        of, key = self._parts(node)
        value, safe = self.evaluate(of, names), any(child.type == ".?" for child in node.children)
        return self._get(value, text(key), node, safe=safe)

    def _subscript(self, node: Node, names: dict[str, Any]) -> Any:  # noqa: ANN401 - as Bicep has it
        of, key = self._parts(node)
        value, index = self.evaluate(of, names), self.evaluate(key, names)
        if isinstance(index, int) and isinstance(value, Sequence):
            if index >= len(value):
                raise Fault(f"{self.file}: {text(node)} is beyond the end")
            return value[index]
        return self._get(value, index, node, safe=False)

    def _parts(self, node: Node) -> tuple[Node, Node]:
        """What is asked, and for what. The grammar binds `a ? b : c[0]` otherwise than the compiler: it is refused."""
        of, key = node.named_children
        if of.type in {"ternary_expression", "binary_expression", "unary_expression"}:
            raise Fault(
                f"{self.file}: {text(node)}: write what has an index or a member in the middle, or in brackets"
            )
        return of, key

    def _get(self, value: Any, key: str, node: Node, *, safe: bool) -> Any:  # noqa: ANN401 - as Bicep has it
        if value is None and safe:
            return None
        if isinstance(value, Mapping) and (key in value or safe):
            return value.get(key)
        if isinstance(value, _Resource | _Live | _Outputs):
            return value.get(key)
        raise Fault(f"{self.file}, line {node.start_point.row + 1}: {text(node)}: no {key} in {value!r}")

    def _child(self, node: Node, names: dict[str, Any]) -> _Resource:
        of, key = node.named_children
        resource = self.evaluate(of, names)
        child: _Resource = resource.children[text(key)]
        return child

    def _ternary(self, node: Node, names: dict[str, Any]) -> Any:  # noqa: ANN401 - as Bicep has it
        condition, true, false = node.named_children
        return self.evaluate(true if self.evaluate(condition, names) else false, names)

    def _binary(self, node: Node, names: dict[str, Any]) -> Any:  # noqa: ANN401 - as Bicep has it
        left, right = node.named_children
        operator = text(node.children[1])
        value = self.evaluate(left, names)
        match operator:
            case "??":
                return self.evaluate(right, names) if value is None else value
            case "&&":
                return value and self.evaluate(right, names)
            case "||":
                return value or self.evaluate(right, names)
            case "==":
                return value == self.evaluate(right, names)
        raise Fault(f"{self.file}: operator {operator} is not known to this reader")

    def _unary(self, node: Node, names: dict[str, Any]) -> bool:
        return not self.evaluate(node.named_children[0], names)

    def _call(self, node: Node, names: dict[str, Any]) -> Any:  # noqa: ANN401 - as Bicep has it
        function, arguments = node.named_children
        name = text(function)
        given = [self.evaluate(each, names) for each in arguments.named_children]
        if name in {"loadJsonContent", "loadTextContent"}:
            read = (INFRA / PurePosixPath(self.file).parent / given[0]).read_text("utf-8")
            return json.loads(read) if name == "loadJsonContent" else read
        known = _FUNCTIONS.get(name)
        if known is None:
            raise Fault(f"{self.file}: function {name} is not known to this reader")
        return known(self.scope, *given)


class _Parameters(_Run):
    """A file that gives parameters their values: it is deployed nowhere, and can read the environment."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.file, self.scope = PARAMETERS, Scope()
        self._variables, self._values = variables, {}
        self._declared = {each.name: each for each in declarations(PARAMETERS) if each.kind == "variable"}

    def _call(self, node: Node, names: dict[str, Any]) -> Any:  # noqa: ANN401 - as Bicep has it
        function, arguments = node.named_children
        if text(function) != "readEnvironmentVariable":
            return super()._call(node, names)
        name, *default = (self.evaluate(each, names) for each in arguments.named_children)
        if name not in self._variables and not default:
            raise Fault(f"{self.file}: environment variable {name} is not set")
        return self._variables.get(name, *default)


_BOUNDS: Mapping[str, Callable[[Any, int], bool]] = {
    "minLength": lambda value, limit: len(value) >= limit,
    "maxLength": lambda value, limit: len(value) <= limit,
    "minValue": lambda value, limit: value >= limit,
    "maxValue": lambda value, limit: value <= limit,
}

_ESCAPES = {"\\'": "'", "\\n": "\n", "\\t": "\t", "\\\\": "\\", "\\$": "$"}

_DECLARED: Mapping[str, Callable[[_Run, Declaration], Any]] = {
    "parameter": _Run._parameter,
    "variable": _Run._variable,
    "resource": _Run._resource,
    "module": _Run._module,
}

_EXPRESSIONS: Mapping[str, Callable[[_Run, Node, dict[str, Any]], Any]] = {
    "string": _Run._string,
    "number": lambda _run, node, _names: int(text(node)),
    "boolean": lambda _run, node, _names: text(node) == "true",
    "null": lambda _run, _node, _names: None,
    "array": _Run._array,
    "object": _Run._object,
    "identifier": _Run._identifier,
    "member_expression": _Run._member,
    "subscript_expression": _Run._subscript,
    "resource_expression": _Run._child,
    "ternary_expression": _Run._ternary,
    "binary_expression": _Run._binary,
    "unary_expression": _Run._unary,
    "call_expression": lambda run, node, names: run._call(node, names),
    "for_statement": _Run._for,
    "parenthesized_expression": lambda run, node, names: run.evaluate(node.named_children[0], names),
}


def _properties(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type == "object_property"]


def _converted(value: str, convert: Callable[[str], Any], kind: str) -> Any:  # noqa: ANN401 - as Bicep has it
    try:
        return convert(value.lower())
    except (KeyError, ValueError):
        raise Fault(f"{value!r} is no {kind}") from None


def _unique(*words: str) -> str:
    return sha256("|".join(words).encode()).hexdigest()[:13]


def _union(_scope: Scope, *objects: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for each in objects for name, value in each.items()}


def _subnet(_scope: Scope, network: str, prefix: int, index: int) -> str:
    return str(list(ip_network(network).subnets(new_prefix=prefix))[index])


def _resource_group(scope: Scope, *given: str) -> dict[str, Any] | Scope:
    match given:
        case ():
            return {"id": scope.id, "name": scope.group, "location": "westeurope"}
        case (group,):
            return Scope(scope.subscription, group)
        case (subscription, group):
            return Scope(subscription, group)
    raise Fault("resourceGroup takes two words at most")


def _subscription(scope: Scope, *given: str) -> dict[str, Any] | Scope:
    if given:
        return Scope(given[0])
    return {
        "id": f"/subscriptions/{scope.subscription}",
        "subscriptionId": scope.subscription,
        "tenantId": TENANT,
    }


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "empty": lambda _scope, value: not value,
    "split": lambda _scope, value, at: value.split(at),
    "join": lambda _scope, values, by: by.join(values),
    "last": lambda _scope, values: values[-1],
    "toLower": lambda _scope, value: value.lower(),
    "string": lambda _scope, value: str(value),
    "bool": lambda _scope, value: _converted(value, {"true": True, "false": False}.__getitem__, "bool"),
    "int": lambda _scope, value: _converted(value, int, "int"),
    "union": _union,
    "guid": lambda _scope, *words: made_up_id("guid", *words),
    "uniqueString": lambda _scope, *words: _unique(*words),
    "cidrSubnet": _subnet,
    "subscriptionResourceId": lambda scope, kind, name: (
        f"/subscriptions/{scope.subscription}/providers/{kind}/{name}"
    ),
    "subscription": _subscription,
    "resourceGroup": _resource_group,
    "managementGroup": lambda scope: {"id": scope.id, "name": scope.management_group},
    "tenant": lambda _scope: {"tenantId": TENANT},
    "environment": lambda _scope: {
        "resourceManager": "https://management.azure.com/",
        "authentication": {"loginEndpoint": "https://login.microsoftonline.com/"},
        "suffixes": SUFFIXES,
    },
}


def _id(scope: Scope, kind: str, name: str, parent: _Resource | None, on: _Resource | None) -> str:
    """A resource's ARM id."""
    if parent:
        return f"{parent.id}/{kind.rsplit('/', 1)[-1]}/{name}"
    if kind == "Microsoft.Resources/resourceGroups":
        return f"{scope.id}/resourceGroups/{name}"
    types, names = kind.split("/"), name.split("/")
    if len(types) != len(names) + 1:
        raise Fault(f"{kind} cannot be called {name}")
    pairs = "".join(f"/{each}/{called}" for each, called in zip(types[1:], names, strict=True))
    return f"{on.id if on else scope.id}/providers/{types[0]}{pairs}"


def _scope(wanted: object, here: Scope) -> Scope:
    if isinstance(wanted, Scope):
        return wanted
    if isinstance(wanted, _Resource) and wanted.type == "Microsoft.Resources/resourceGroups":
        return Scope(wanted.scope.subscription, wanted.name)
    raise Fault(f"a module cannot be deployed to {wanted!r} from {here.id}")
