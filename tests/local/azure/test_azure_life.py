import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from local.azure.annotations import ANNOTATIONS
from local.azure.errors import ArmError
from local.azure.life import OPERATIONS, SETTLED, Verb
from local.azure.model import PowerState, ProvisioningState, VirtualMachine
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB


def story(vm: VirtualMachine) -> list[str]:
    """The VM's conditions, in words."""
    found = []
    for moment in vm.history:
        condition = moment.condition
        words = [str(condition.power), str(condition.provisioning), condition.detail or ""]
        found.append("/".join(word for word in words if word))
    return found


def test_the_table_is_whole() -> None:
    assert set(OPERATIONS) == set(Verb)
    assert {row.annotation for row in OPERATIONS.values() if row.annotation} <= set(ANNOTATIONS)


@pytest.mark.parametrize("verb", Verb)
def test_every_path_begins_settled_and_ends_settled(verb: Verb) -> None:
    row = OPERATIONS[verb]

    assert set(row.paths) <= {None, *SETTLED}
    for before, steps in row.paths.items():
        if steps and not row.removes:
            assert steps[-1].power in SETTLED or before is None
            assert steps[-1].provisioning in {None, ProvisioningState.SUCCEEDED, ProvisioningState.FAILED}


async def test_a_create_shows_stopped_briefly(azure: SimulatedAzure) -> None:
    operation = azure.create(SUB, "rg", "vm-1")
    await operation

    assert story(operation.vm) == [
        "None/creating",
        "stopped/creating",
        "starting/creating",
        "running/creating/OSProvisioningInprogress",
        "running/succeeded",
    ]


async def test_a_start_from_deallocated_shows_stopped_briefly(azure: SimulatedAzure) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", state="deallocated")

    await azure.start(vm_id)

    assert story(azure.vm(vm_id)) == [
        "deallocated/succeeded",
        "stopped/updating",
        "starting/updating",
        "running/succeeded",
    ]


async def test_a_guest_shutdown_leaves_provisioning_and_its_time_alone(azure: SimulatedAzure) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", since=datetime(2026, 9, 1, tzinfo=UTC))

    await azure.guest_shutdown(vm_id)

    assert story(azure.vm(vm_id)) == ["running/succeeded", "stopping/succeeded", "stopped/succeeded"]
    assert azure.vm(vm_id).condition.provisioned_at == datetime(2026, 9, 1, tzinfo=UTC)


async def test_what_the_platform_and_the_guest_can_do(azure: SimulatedAzure) -> None:
    spot = azure.add_vm(SUB, "rg", "spot", priority="Spot", eviction_policy="Deallocate")
    crashing = azure.add_vm(SUB, "rg", "crashing")
    failing = azure.add_vm(SUB, "rg", "failing")

    await azure.evict(spot)
    await azure.guest_crash(crashing)
    failed = azure.fail_provisioning(failing)
    await failed

    assert story(azure.vm(spot))[-1] == "deallocated/succeeded"
    assert story(azure.vm(crashing))[1:] == ["starting/succeeded", "running/succeeded"]
    assert story(azure.vm(failing))[-1] == "running/failed/OSProvisioningTimedOut"
    assert failed.status == "Failed"
    with pytest.raises(ArmError, match="no Spot VM"):
        azure.evict(crashing)


async def test_a_failed_operation_leaves_the_power_state(azure: SimulatedAzure) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", state="stopped")
    azure.fail_next(vm_id)

    await azure.deallocate(vm_id)
    failed = story(azure.vm(vm_id))[-1]
    await azure.deallocate(vm_id)

    assert failed == "stopped/failed/InternalOperationError"
    assert story(azure.vm(vm_id))[-1] == "deallocated/succeeded"


async def test_a_failed_update_leaves_the_vm_running_and_shows_the_new_model(azure: SimulatedAzure) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", size="Standard_D2s_v5")
    azure.fail_next(vm_id, "AllocationFailed")

    await azure.resize(vm_id, "Standard_M128s")

    vm = azure.vm(vm_id)
    assert story(vm)[-1] == "running/failed/AllocationFailed"
    assert vm.spec.size == "Standard_M128s"
    await azure.reapply(vm_id)
    assert story(vm)[-2:] == ["running/updating", "running/succeeded"]


async def test_a_resize_restarts_a_vm_that_runs_and_no_other(azure: SimulatedAzure) -> None:
    running, stopped = azure.add_vm(SUB, "rg", "vm-1"), azure.add_vm(SUB, "rg", "vm-2", state="stopped")

    for vm_id in (running, stopped):
        await azure.resize(vm_id, "Standard_D4s_v5")

    assert story(azure.vm(running))[1:] == ["stopping/updating", "starting/updating", "running/succeeded"]
    assert story(azure.vm(stopped))[1:] == ["stopped/updating", "stopped/succeeded"]
    assert {azure.vm(vm_id).spec.size for vm_id in (running, stopped)} == {"Standard_D4s_v5"}


async def test_a_cancelled_operation_leaves_the_power_state(azure: SimulatedAzure) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")
    azure.cancel_next(vm_id)

    await azure.power_off(vm_id)
    await azure.power_off(vm_id)

    assert story(azure.vm(vm_id)) == [
        "running/succeeded",
        "stopping/updating",
        "running/canceled",
        "stopping/updating",
        "stopped/succeeded",
    ]


async def test_the_platform_may_turn_failed_provisioning_into_success(azure: SimulatedAzure) -> None:
    vm_id, other = azure.add_vm(SUB, "rg", "vm-1"), azure.add_vm(SUB, "rg", "vm-2")
    await azure.fail_provisioning(vm_id)

    await azure.recover_provisioning(vm_id)

    assert story(azure.vm(vm_id))[-2:] == ["running/failed/OSProvisioningTimedOut", "running/succeeded"]
    with pytest.raises(ArmError, match="its OS provisioning has not failed"):
        azure.recover_provisioning(other)


async def test_a_creation_may_leave_a_running_vm_with_failed_provisioning(azure: SimulatedAzure) -> None:
    slow, unlucky = azure.create(SUB, "rg", "vm-1"), azure.create(SUB, "rg", "vm-2")
    azure.fail_next(slow.vm.spec.id, "OSProvisioningTimedOut")
    azure.fail_next(unlucky.vm.spec.id, "AllocationFailed")
    deallocated = azure.add_vm(SUB, "rg", "vm-3", state="deallocated")
    azure.fail_next(deallocated, "OSProvisioningTimedOut")

    azure.start(deallocated)
    await azure.settle()

    assert story(slow.vm)[-1] == "running/failed/OSProvisioningTimedOut"
    assert story(unlucky.vm)[-1] == "None/failed/AllocationFailed"
    assert story(azure.vm(deallocated))[-1] == "deallocated/failed/OSProvisioningTimedOut"


async def test_an_eviction_by_the_policy_delete_deletes(azure: SimulatedAzure) -> None:
    vm_id = azure.add_vm(SUB, "rg", "spot", priority="Spot", eviction_policy="Delete")

    eviction = azure.evict(vm_id)
    during = story(eviction.vm)[-1]
    await eviction

    assert during == "deallocating/succeeded"
    assert vm_id.lower() not in azure.vms


async def test_redeploy_and_reimage_end_running(azure: SimulatedAzure) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")

    await azure.redeploy(vm_id)
    await azure.reimage(vm_id)
    await azure.live_migration(vm_id)

    up_again = ["stopping/updating", "starting/updating", "running/succeeded"]
    assert story(azure.vm(vm_id)) == ["running/succeeded", *up_again, *up_again]


async def test_speed_divides_what_operations_take_in_real_life() -> None:
    azure = SimulatedAzure(speed=30)

    assert azure.compute.duration(OPERATIONS[Verb.CREATE]) == 2


async def test_the_truth_about_vms_left_stopped() -> None:
    now = datetime(2026, 9, 1, 12, tzinfo=UTC)
    clock = [now]
    hour = timedelta(hours=1)
    async with SimulatedAzure(operation_seconds=0, clock=lambda: clock[0]) as azure:
        long_stopped = azure.add_vm(SUB, "rg", "long-Stopped", state="stopped", since=now - 2 * hour)
        tagged = azure.add_vm(SUB, "rg", "tagged", state="stopped", since=now - 2 * hour)
        azure.add_vm(SUB, "rg", "deallocated", state="deallocated", since=now - 2 * hour)
        azure.add_vm(SUB, "rg", "running", since=now - 2 * hour)
        shut_down = azure.add_vm(SUB, "rg", "shut-down")
        bounced = azure.add_vm(SUB, "rg", "bounced", state="stopped", since=now - 2 * hour)
        await azure.guest_shutdown(shut_down)
        await azure.set_tags(tagged, {"a": "b"})
        await azure.start(bounced)
        await azure.power_off(bounced)

        at_once = azure.left_stopped(hour)
        clock[0] = now + hour
        at_grace = azure.left_stopped(hour)
        clock[0] = now + hour + timedelta(seconds=1)
        after_grace = azure.left_stopped(hour)
        azure.deallocate(long_stopped)
        while_deallocating = azure.left_stopped(hour)
        await azure.settle()

    assert at_once == at_grace == {long_stopped.lower(), tagged.lower()}
    assert after_grace == {vm_id.lower() for vm_id in (long_stopped, tagged, shut_down, bounced)}
    assert while_deallocating == after_grace - {long_stopped.lower()}


async def test_wrong_words_are_named(azure: SimulatedAzure) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")

    with pytest.raises(ValueError, match="expected running, stopped or deallocated"):
        azure.add_vm(SUB, "rg", "vm-2", state="off")
    with pytest.raises(ValueError, match="exists already"):
        azure.add_vm(SUB, "RG", "VM-1")
    with pytest.raises(ValueError, match="in another letter case"):
        azure.add_vm(SUB, "rg", "vm-3", resource_group_in_id="other")
    with pytest.raises(ArmError, match="ResourceNotFound"):
        azure.vm(f"{vm_id}0")
    assert azure.vm(vm_id.upper()).condition.power is PowerState.RUNNING


async def test_reset_leaves_nothing(azure: SimulatedAzure) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")
    azure.power_off(vm_id)

    await azure.reset()

    assert not azure.vms
    assert azure.add_vm(SUB, "rg", "vm-1").lower() in azure.vms


@pytest.mark.parametrize("verb", ["create", "start", "power_off", "deallocate", "guest_shutdown", "delete"])
async def test_an_operation_of_no_length_takes_a_turn_of_the_loop_for_each_step(verb: str) -> None:
    async with SimulatedAzure(operation_seconds=0) as azure:
        state = "stopped" if verb == "start" else "running"
        if verb == "create":
            operation = azure.create(SUB, "rg", "vm-1")
        else:
            operation = getattr(azure, verb)(azure.add_vm(SUB, "rg", "vm-1", state=state))
        turns = 0
        while operation.ended_at is None:
            await asyncio.sleep(0)
            turns += 1

    steps = max(len(path) for path in OPERATIONS[Verb(verb)].paths.values())
    assert turns <= steps + 1


async def test_the_length_of_operations_can_change_from_one_to_the_next(azure: SimulatedAzure) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", state="stopped")
    azure.set_operation_seconds(0)
    await azure.start(vm_id)
    azure.set_operation_seconds(60)
    lasting = azure.power_off(vm_id)
    await asyncio.sleep(0)

    assert azure.vm(vm_id).condition.power is PowerState.STOPPING
    assert lasting.ended_at is None
    with pytest.raises(ValueError, match="operation seconds are -1; expected 0, more"):
        azure.set_operation_seconds(-1)
