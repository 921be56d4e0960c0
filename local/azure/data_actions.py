"""Which permissions a request to storage or to a custom topic takes.

Source: "Authorize requests to Azure Storage with Microsoft Entra ID" (learn.microsoft.com/rest/api/storageservices),
the tables of permissions for queue and table service operations. Where one of several will do, the narrowest is named.
Those of queues and tables themselves are actions, those of what is in them data actions, as role definitions have it.
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

_QUEUES = "Microsoft.Storage/storageAccounts/queueServices/queues"
_TABLES = "Microsoft.Storage/storageAccounts/tableServices/tables"

READ_TABLES, WRITE_TABLES = f"{_TABLES}/read", f"{_TABLES}/write"
READ_QUEUES, WRITE_QUEUES = f"{_QUEUES}/read", f"{_QUEUES}/write"
READ_ENTITIES, DELETE_ENTITIES = f"{_TABLES}/entities/read", f"{_TABLES}/entities/delete"
ADD_ENTITIES, UPDATE_ENTITIES = f"{_TABLES}/entities/add/action", f"{_TABLES}/entities/update/action"
READ_MESSAGES, ADD_MESSAGES = f"{_QUEUES}/messages/read", f"{_QUEUES}/messages/add/action"
WRITE_MESSAGES, DELETE_MESSAGES = f"{_QUEUES}/messages/write", f"{_QUEUES}/messages/delete"
PROCESS_MESSAGES = f"{_QUEUES}/messages/process/action"
SEND_EVENTS = "Microsoft.EventGrid/events/send/action"

ACTIONS = frozenset({READ_TABLES, WRITE_TABLES, READ_QUEUES, WRITE_QUEUES})
"""Those that are actions of a role; all others are data actions."""

_ENTITY: Mapping[tuple[str, bool], tuple[str, ...]] = {
    ("GET", False): (READ_ENTITIES,),
    ("GET", True): (READ_ENTITIES,),
    ("POST", False): (ADD_ENTITIES,),
    ("DELETE", True): (DELETE_ENTITIES,),
    ("PUT", False): (ADD_ENTITIES, UPDATE_ENTITIES),
    ("PUT", True): (UPDATE_ENTITIES,),
    ("PATCH", False): (ADD_ENTITIES, UPDATE_ENTITIES),
    ("PATCH", True): (UPDATE_ENTITIES,),
    ("MERGE", False): (ADD_ENTITIES, UPDATE_ENTITIES),
    ("MERGE", True): (UPDATE_ENTITIES,),
}
"""Of an entity, by method and by whether it has to be there (`If-Match`)."""

_QUEUE: Mapping[tuple[str, bool, str], str] = {
    ("PUT", False, ""): WRITE_QUEUES,
    ("GET", False, "metadata"): READ_QUEUES,
    ("POST", True, ""): ADD_MESSAGES,
    ("GET", True, "peek"): READ_MESSAGES,
    ("GET", True, ""): PROCESS_MESSAGES,
    ("PUT", True, ""): WRITE_MESSAGES,
    ("DELETE", True, ""): DELETE_MESSAGES,
}
"""Of a queue, by method, whether it is about messages, and what is asked of it."""

_INNER = re.compile(
    rb"^(GET|POST|PUT|PATCH|MERGE|DELETE) \S+ HTTP/1\.1\r?$(.*?)^\r?$", re.MULTILINE | re.DOTALL
)
_IF_MATCH = re.compile(rb"^If-Match:", re.MULTILINE | re.IGNORECASE)


def of_table(method: str, url: str, headers: Mapping[str, str], body: bytes) -> set[str]:
    """The permissions of a request to tables; of a transaction, those of all in it. `ValueError` for an unknown one."""
    last = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    if last == "$batch":
        inner = [(verb.decode(), bool(_IF_MATCH.search(told))) for verb, told in _INNER.findall(body)]
        if not inner:
            raise ValueError("a transaction without anything in it that can be read")
        return {action for each in inner for action in _known(_ENTITY, each)}
    if last.startswith("Tables"):
        return {READ_TABLES if method == "GET" else WRITE_TABLES}
    has_condition = any(name.lower() == "if-match" for name in headers)
    return set(_known(_ENTITY, (method, has_condition)))


def of_queue(method: str, url: str) -> set[str]:
    """The permissions of a request to queues. `ValueError` for an unknown one."""
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    asked = "peek" if query.get("peekonly") == ["true"] else query.get("comp", [""])[0]
    return {_known(_QUEUE, (method, "/messages" in parts.path, asked))}


def _known[Key, Value](table: Mapping[Key, Value], key: Key) -> Value:
    if key not in table:
        raise ValueError(f"no permission is known for {key}")
    return table[key]
