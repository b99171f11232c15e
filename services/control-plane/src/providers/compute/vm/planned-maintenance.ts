import { ServiceError } from '@strongroom/platform'
import type { Fields } from '../../../arm/fields.ts'
import { ok, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import type { PlannedMove } from '../../../fleet/planned-moves.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Vm } from './model/vm-model.ts'

const mostMinutes = 24 * 60

/**
 * Ours, in the form of Azure's `terminateNotificationProfile`: how long the owner wants to know before the VM is moved
 * to another host. @returns minutes, 0 for none; undefined if not sent
 */
export function readMoveNotice(properties: Fields): number | undefined {
  const profile = properties.object('scheduledEventsProfile').object('redeployNotificationProfile')
  if (!profile.present) return undefined
  if (profile.flag('enable') === false) return 0
  const text = profile.text('notBeforeTimeout')
  if (text === undefined) {
    profile.missing('notBeforeTimeout', profile.at('notBeforeTimeout'), { expected: 'a time such as PT30M' })
    return undefined
  }
  const minutes = minutesOf(text)
  if (minutes !== undefined && minutes >= 1 && minutes <= mostMinutes) return minutes
  profile.invalid(
    profile.at('notBeforeTimeout'),
    `'${text.slice(0, 40)}' is not a time in which a VM can be prepared.`,
    {
      expected: 'PT1M to PT24H, in whole minutes',
      found: text.slice(0, 40),
      remedy: 'Use hours and minutes, for example PT1H30M.',
    },
  )
  return undefined
}

/** Of an ISO 8601 duration of hours and minutes. */
function minutesOf(text: string): number | undefined {
  const [, hours, minutes] = /^PT(?:(\d{1,4})H)?(?:(\d{1,4})M)?$/i.exec(text) ?? []
  if (hours === undefined && minutes === undefined) return undefined
  return Number(hours ?? 0) * 60 + Number(minutes ?? 0)
}

/** Azure's view of planned maintenance. */
export interface MaintenanceStatus {
  isCustomerInitiatedMaintenanceAllowed: boolean
  preMaintenanceWindowStartTime: string
  preMaintenanceWindowEndTime: string
  maintenanceWindowStartTime: string
  lastOperationResultCode: 'None' | 'MaintenanceAborted' | 'MaintenanceCompleted' | 'RetryLater'
  lastOperationMessage?: string
}

/** The planned move of a VM off its host, as Azure shows maintenance. */
export function maintenanceStatus(move: PlannedMove): MaintenanceStatus {
  const isApproved = move.approved_at !== null || move.started_at !== null
  return {
    isCustomerInitiatedMaintenanceAllowed: !isApproved,
    preMaintenanceWindowStartTime: move.created_at,
    preMaintenanceWindowEndTime: move.not_before,
    maintenanceWindowStartTime: move.not_before,
    lastOperationResultCode: 'None',
    ...(isApproved && {
      lastOperationMessage:
        move.started_at === null ? 'Maintenance was approved, and begins shortly.' : 'Maintenance is in progress.',
    }),
  }
}

/** `az vm perform-maintenance`: the owner has the VM moved now. @throws ServiceError OperationNotAllowed if nothing is planned */
export async function performMaintenance(plane: Plane, _request: ArmRequest, vm: Vm): Promise<ArmReply> {
  try {
    if (plane.fleet.compute === undefined) throw nothingPlanned(vm)
    await plane.fleet.compute.approveMove(vm.internal.vmId)
    return ok({})
  } catch (error) {
    throw error instanceof ServiceError && error.code === 'EventNotPlanned' ? nothingPlanned(vm) : error
  }
}

const nothingPlanned = (vm: Vm): ServiceError =>
  new ServiceError({
    code: 'OperationNotAllowed',
    status: 409,
    message: `Operation 'performMaintenance' is not allowed on VM '${vm.name}' since no maintenance of it is planned.`,
    target: vm.id,
    expected: 'a VM whose host is being drained',
    found: 'no planned maintenance',
    remedy: 'None needed: see maintenanceRedeployStatus in the instance view.',
  })
