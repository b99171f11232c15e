import type { SettledCode } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { faqRule, type FaqRuleId } from '../../../arm/faq-rule.ts'
import type { ArmRequest, Method } from '../../../arm/request.ts'
import type { Route } from '../../../arm/router.ts'
import { groupPath, type Plane } from '../../../types/plane.ts'
import { vmType } from './model/vm-model.ts'
import { vmOfAction } from './model/vm-record.ts'

interface Refused {
  method: Method
  /** After the VM's own path. */
  path: string
  action: string
  rule: FaqRuleId
  code: SettledCode
  what: string
  remedy: string
}

/** Ways into a VM, or to its contents, that Azure offers others. They are routes, so that each request is recorded. */
const refusals: Refused[] = [
  {
    method: 'POST',
    path: 'captureMemoryDump',
    action: `${vmType}/captureMemoryDump/action`,
    rule: 'S9',
    code: 'MemoryDumpRefused',
    what: 'Memory dumps of virtual machines are not made.',
    remedy: 'Collect a dump inside the guest (kdump), and encrypt it there.',
  },
  {
    method: 'POST',
    path: 'providers/Microsoft.SerialConsole/serialPorts/{port}/connect',
    action: 'Microsoft.SerialConsole/serialPorts/connect/action',
    rule: 'S25',
    code: 'SerialConsoleRefused',
    what: 'There is no serial console: the host would see everything typed, and the guest offers no login there.',
    remedy: 'Use SSH; read what the guest wrote to its console with `az vm boot-diagnostics get-boot-log`.',
  },
  ...['assessPatches', 'installPatches'].map((verb): Refused => ({
    method: 'POST',
    path: verb,
    action: `${vmType}/${verb}/action`,
    rule: 'S25',
    code: 'GuestAgentRefused',
    what: `${verb} needs an operator’s agent in the guest, and there is none.`,
    remedy: 'Update the guest from inside, for example with unattended-upgrades.',
  })),
]

export function refusedRoutes(plane: Plane): Route[] {
  const one = `${groupPath}/providers/${vmType}/{name}`
  return refusals.map((refusal): Route => ({
    method: refusal.method,
    path: `${one}/${refusal.path}`,
    action: refusal.action,
    handle: async (request: ArmRequest) => {
      const vm = await vmOfAction(plane, request)
      throw new ServiceError({
        code: refusal.code,
        message: refusal.what,
        target: vm.id,
        expected: 'a guest that only its owner can enter',
        found: refusal.action,
        remedy: refusal.remedy,
        details: [faqRule(refusal.rule)],
      })
    },
  }))
}
