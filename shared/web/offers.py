"""What a person can ask for of a VM as things are, and if not, why not: the decision is asked, no rule is copied."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from shared.domain.actions import Refusal
from shared.domain.decision import decide
from shared.domain.exemptions import Exemption
from shared.domain.news import Ask, Exempt, News, Snooze
from shared.domain.policy import Policy
from shared.domain.records import Record
from shared.web.asked import Asking

_BY = "somebody"


def refusals(record: Record, policy: Policy, now: datetime) -> Mapping[Asking, Refusal | None]:
    """What would refuse each request that can be refused; None: nothing, as far as the record tells.

    A look at the VM may yet find more.
    """
    asked: Mapping[Asking, News] = {
        Asking.DEALLOCATE: Ask(_BY),
        Asking.SNOOZE: Snooze(now + timedelta(hours=1), _BY),
        Asking.EXEMPT: Exempt(Exemption(None, "why", _BY), _BY),
    }
    return {asking: decide(record, None, None, policy, now, news).refusal for asking, news in asked.items()}
