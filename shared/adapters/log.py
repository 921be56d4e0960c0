"""Notices as log lines, for an app without a topic: what it would tell stays visible."""

import json
import logging

from shared.domain.telling import Telling
from shared.domain.views import notice_view

log = logging.getLogger("stopgap.notices")


class LogNotices:
    """`Notices` that go to the log, one line of JSON each: the CloudEvent that a topic would get."""

    async def send(self, telling: Telling) -> None:
        """Write the notice at level INFO."""
        log.info("notice %s", json.dumps(notice_view(telling)))
