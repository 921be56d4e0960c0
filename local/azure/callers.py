"""Who called ARM: the claims and the authorization that an event carries, for a person and for a workload."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

TENANT_ID = "00000000-0000-4000-8000-00000000face"
ARM_AUDIENCE = "https://management.core.windows.net/"
CONTRIBUTOR_ROLE = "b24988ac-6180-42a0-ab88-20f7382dd24c"
CLIENT_IP = "203.0.113.7"  # an address kept for documentation

_CLAIMS = "http://schemas.microsoft.com/claims"
_DEVICE = "http://schemas.microsoft.com/2012/01/devicecontext/claims"
_IDENTITY = "http://schemas.microsoft.com/identity/claims"
_SOAP = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"
_TOKEN_LIFETIME_SECONDS = 3600


def guid(*words: str) -> str:
    """A GUID that is always the same for the same words."""
    return str(uuid5(NAMESPACE_URL, "/".join(words)))


@dataclass(frozen=True, slots=True)
class Caller:
    """A person by full name or, without a name, a workload (service principal or managed identity)."""

    name: str | None = None

    @property
    def object_id(self) -> str:
        """The principal's object id in the directory."""
        return guid("principal", self.name or "workload")

    @property
    def sign_in_name(self) -> str:
        """The person's user principal name (`ada.lovelace@example.com`)."""
        words = re.findall(r"\w+", (self.name or "workload").lower())
        return f"{'.'.join(words)}@example.com"

    def claims(self, at: datetime) -> dict[str, str]:
        """The token's claims, with the keys of the documented samples (person: write; workload: action)."""
        return self._personal_claims(at) if self.name else self._workload_claims(at)

    def authorization(self, scope: str, action: str, subscription: str) -> dict[str, Any]:
        """What was allowed, and by which role assignment."""
        evidence = {"role": "Subscription Admin"}
        if not self.name:
            evidence = {
                "role": "Contributor",
                "roleAssignmentScope": f"/subscriptions/{subscription}",
                "roleAssignmentId": guid("assignment", subscription).replace("-", ""),
                "roleDefinitionId": CONTRIBUTOR_ROLE.replace("-", ""),
                "principalId": self.object_id.replace("-", ""),
                "principalType": "ServicePrincipal",
            }
        return {"scope": scope, "action": action, "evidence": evidence}

    def _token_claims(self, at: datetime) -> dict[str, str]:
        issued = int(at.timestamp())
        return {
            "aud": ARM_AUDIENCE,
            "iss": f"https://sts.windows.net/{TENANT_ID}/",
            "iat": str(issued),
            "nbf": str(issued),
            "exp": str(issued + _TOKEN_LIFETIME_SECONDS),
            "aio": "simulated",
            "appid": guid("application", self.name or "workload"),
            "appidacr": "2",
            f"{_IDENTITY}/objectidentifier": self.object_id,
            f"{_SOAP}/nameidentifier": guid("subject", self.object_id),
            f"{_IDENTITY}/tenantid": TENANT_ID,
            "uti": "simulated",
            "ver": "1.0",
        }

    def _workload_claims(self, at: datetime) -> dict[str, str]:
        return {
            **self._token_claims(at),
            f"{_IDENTITY}/identityprovider": f"https://sts.windows.net/{TENANT_ID}/",
        }

    def _personal_claims(self, at: datetime) -> dict[str, str]:
        given, *_, surname = (self.name or "").split() or [""]
        return {
            **self._token_claims(at),
            "_claim_names": '{"groups":"src1"}',
            "_claim_sources": '{"src1":{"endpoint":"https://graph.windows.net/simulated"}}',
            f"{_CLAIMS}/authnclassreference": "1",
            f"{_CLAIMS}/authnmethodsreferences": "rsa,mfa",
            f"{_DEVICE}/identifier": guid("device", self.object_id),
            "e_exp": "262800",
            f"{_SOAP}/surname": surname,
            f"{_SOAP}/givenname": given,
            "ipaddr": CLIENT_IP,
            "name": self.name or "",
            "onprem_sid": guid("sid", self.object_id),
            "puid": guid("puid", self.object_id),
            f"{_IDENTITY}/scope": "user_impersonation",
            f"{_SOAP}/name": self.sign_in_name,
            f"{_SOAP}/upn": self.sign_in_name,
        }


WORKLOAD = Caller()
