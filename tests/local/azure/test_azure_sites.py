"""Function apps, as Microsoft's own SDK sees them."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.identity.aio import ClientSecretCredential
from azure.mgmt.web.aio import WebSiteManagementClient

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB


@pytest.fixture
async def web(azure: SimulatedAzure) -> AsyncIterator[WebSiteManagementClient]:
    azure.add_function_app(
        SUB,
        "rg-stopgap-dev",
        "func-1",
        host_name="127.0.0.1:7071",
        settings={"STOPGAP_MODE": "notify"},
        tags={"azd-service-name": "stopgap"},
        keys={"default": "a key"},
    )
    azure.add_function_app(SUB, "rg-other", "func-2", host_name="func-2.azurewebsites.net", settings={})
    async with (
        ClientSecretCredential("tenant", "client", "secret") as credential,
        WebSiteManagementClient(
            credential,
            SUB,
            base_url=azure.url,
            authentication_policy=SansIOHTTPPolicy(),
            retry_total=0,
        ) as client,
    ):
        yield client


async def test_the_sites_of_a_group(web: WebSiteManagementClient) -> None:
    (site,) = [each async for each in web.web_apps.list_by_resource_group("RG-stopgap-DEV")]
    assert (site.name, site.kind, site.location) == ("func-1", "functionapp,linux", "West Europe")
    assert (
        site.id == f"/subscriptions/{SUB}/resourceGroups/rg-stopgap-dev/providers/Microsoft.Web/sites/func-1"
    )
    assert site.tags == {"azd-service-name": "stopgap"}
    assert site.properties
    assert site.properties.default_host_name == "127.0.0.1:7071"
    with pytest.raises(ResourceNotFoundError, match="ResourceGroupNotFound"):
        assert [each async for each in web.web_apps.list_by_resource_group("nowhere")]


async def test_settings_and_keys(web: WebSiteManagementClient) -> None:
    settings = await web.web_apps.list_application_settings("rg-stopgap-dev", "func-1")
    assert settings.properties == {"STOPGAP_MODE": "notify"}
    keys = await web.web_apps.list_host_keys("rg-stopgap-dev", "func-1")
    assert keys.function_keys == {"default": "a key"}
    with pytest.raises(ResourceNotFoundError, match=r"Microsoft\.Web/sites/func-3"):
        await web.web_apps.list_host_keys("rg-stopgap-dev", "func-3")


async def test_each_takes_its_permission(azure: SimulatedAzure, web: WebSiteManagementClient) -> None:
    azure.permit(["*/read"])
    assert [each async for each in web.web_apps.list_by_resource_group("rg-other")]
    with pytest.raises(HttpResponseError, match=r"Microsoft\.Web/sites/config/list/action"):
        await web.web_apps.list_application_settings("rg-stopgap-dev", "func-1")
    with pytest.raises(HttpResponseError, match=r"Microsoft\.Web/sites/host/listkeys/action"):
        await web.web_apps.list_host_keys("rg-stopgap-dev", "func-1")


async def test_they_can_be_added_over_http(azure: SimulatedAzure, http: aiohttp.ClientSession) -> None:
    body = {
        "subscription": SUB,
        "resource_group": "rg",
        "name": "f",
        "host_name": "f.example",
        "settings": {},
    }
    async with http.post(f"{azure.url}/_sim/function-apps", json=body) as answer:
        assert answer.status == 201
        assert (await answer.json())["id"].endswith("/resourceGroups/rg/providers/Microsoft.Web/sites/f")
    await azure.reset()
    assert azure.sites.sites == {}
