"""What ARM shows of a scale set in a list.

Keys: those of REST's example of `VirtualMachineScaleSets_ListAll` (2024-07-01) that a set made from so little would
have; their order is that of a set as ARM shows it in a published template export.
"""

from typing import Any

from local.azure.callers import guid
from local.azure.model import SCALE_SET_TYPE
from local.azure.scale_sets import ScaleSet
from local.azure.vm_parts import image_reference, purchase


def listed(scale_set: ScaleSet, capacity: int) -> dict[str, Any]:
    """The set as a list shows it.

    Args:
        scale_set: The set.
        capacity: How many instances it has.
    """
    spec, uniform = scale_set.model, scale_set.mode == "Uniform"
    shown: dict[str, Any] = {
        "name": spec.name,
        "id": scale_set.id,
        "type": SCALE_SET_TYPE,
        "location": spec.location,
        "tags": dict(spec.tags),
        "sku": {"name": spec.size, "tier": "Standard", "capacity": capacity},
        "properties": {
            "singlePlacementGroup": uniform,
            "orchestrationMode": scale_set.mode,
            **({"upgradePolicy": {"mode": "Manual"}, "overprovision": False} if uniform else {}),
            "virtualMachineProfile": _profile(scale_set),
            "provisioningState": "Succeeded",
            "uniqueId": guid("scale set", scale_set.id),
            "platformFaultDomainCount": 5 if uniform else 1,
        },
    }
    return shown | ({"zones": list(spec.zones)} if spec.zones else {})


def _profile(scale_set: ScaleSet) -> dict[str, Any]:
    """What its instances are made from."""
    spec = scale_set.model
    ephemeral = {"diffDiskSettings": {"option": "Local"}} if spec.ephemeral_os_disk else {}
    return {
        "osProfile": {"computerNamePrefix": spec.name, "adminUsername": "operator", "secrets": []},
        "storageProfile": {
            "osDisk": {
                "osType": spec.os_type,
                "createOption": "FromImage",
                "caching": "ReadOnly" if spec.ephemeral_os_disk else "ReadWrite",
                **ephemeral,
                "managedDisk": {"storageAccountType": "Standard_LRS"},
                "diskSizeGB": 30,
            },
            "imageReference": image_reference(spec),
        },
        **purchase(spec),
    }
