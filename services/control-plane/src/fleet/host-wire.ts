import type { BeatRequest, JoinRequest, ReportRequest, VmReport } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'

const joinMembers = ['name', 'secret', 'publicKey', 'proof'] as const
const longest = 1024
/** More than a host carries. */
const mostReports = 20_000
const vmId = /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/

/** @throws ServiceError InvalidRequestContent */
export function readJoin(body: unknown): JoinRequest {
  const given = membersOf(body)
  for (const member of joinMembers) {
    const value = given[member]
    if (typeof value !== 'string' || value.length > longest)
      throw wrong(member, `a text of at most ${longest} characters`)
  }
  return given as unknown as JoinRequest
}

/** @throws ServiceError InvalidRequestContent */
export function readBeat(body: unknown): BeatRequest {
  const { revision } = membersOf(body)
  if (revision === undefined) return {}
  if (!isCount(revision)) throw wrong('revision', 'a whole number')
  return { revision }
}

/** @throws ServiceError InvalidRequestContent */
export function readReport(body: unknown): ReportRequest {
  const { vms } = membersOf(body)
  if (!Array.isArray(vms) || vms.length > mostReports) throw wrong('vms', `a list of at most ${mostReports}`)
  return { vms: vms.map((each, index) => readVm(each, `vms[${index}]`)) }
}

function readVm(value: unknown, at: string): VmReport {
  const vm = membersOf(value)
  if (typeof vm['vmId'] !== 'string' || !vmId.test(vm['vmId'])) throw wrong(`${at}.vmId`, 'a GUID in upper case')
  for (const member of ['epoch', 'run']) if (!isCount(vm[member])) throw wrong(`${at}.${member}`, 'a whole number')
  if (vm['state'] !== 'Ready' && vm['state'] !== 'Stopped') throw wrong(`${at}.state`, 'Ready or Stopped')
  return { vmId: vm['vmId'], epoch: vm['epoch'] as number, run: vm['run'] as number, state: vm['state'] }
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

function membersOf(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw wrong('body', 'an object')
}

const wrong = (target: string, expected: string): ServiceError =>
  new ServiceError({
    code: 'InvalidRequestContent',
    message: `What a host sends has another form: '${target}' is not ${expected}.`,
    target,
    expected,
  })
