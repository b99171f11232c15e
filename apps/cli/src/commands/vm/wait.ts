import { setTimeout as sleep } from 'node:timers/promises'
import type { ErrorCode } from '@strongroom/contract'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../../core/command.ts'
import { fetchVm, groupOption, openVm, shownVm, type VmResource } from './resource.ts'

const pollMilliseconds = 1_000
const states = ['created', 'running', 'stopped', 'deallocated', 'deleted'] as const
type State = (typeof states)[number]

const statusOf = (vm: VmResource, kind: string): { code: string; message?: string } | undefined =>
  vm.properties.instanceView?.statuses?.find(({ code }) => code.startsWith(`${kind}/`))

/** Whether the existing VM has reached that state. @throws CliError if its provisioning has failed */
function hasCome(vm: VmResource, wanted: State): boolean {
  if (wanted === 'deleted') return false
  const { provisioningState } = vm.properties
  if (provisioningState === 'Failed') {
    const status = statusOf(vm, 'ProvisioningState')
    throw new CliError({
      code: (status?.code.split('/')[2] as ErrorCode | undefined) ?? 'ProvisioningFailed',
      message: status?.message ?? `The VM ${vm.name} failed.`,
      remedy: `Check \`strongroom vm show ${vm.name}\`.`,
    })
  }
  return (
    provisioningState === 'Succeeded' &&
    (wanted === 'created' || statusOf(vm, 'PowerState')?.code === `PowerState/${wanted}`)
  )
}

function wantedState(context: CommandContext): State {
  const given = textOption(context, 'for') ?? 'created'
  const found = states.find((state) => state === given)
  if (found !== undefined) return found
  throw new CliError({
    code: 'InvalidArgument',
    message: `A VM has no state '${given}'.`,
    expected: states.join(', '),
    found: given,
    exitCode: exitCodes.usage,
  })
}

function timeoutSeconds(context: CommandContext): number {
  const given = textOption(context, 'timeout') ?? ''
  if (/^\d{1,6}$/.test(given)) return Number(given)
  throw new CliError({
    code: 'InvalidArgument',
    message: '--timeout must be a number of seconds.',
    expected: 'a whole number from 0 to 999999',
    found: given,
    exitCode: exitCodes.usage,
  })
}

const isGone = (error: unknown): boolean => error instanceof CliError && error.exitCode === exitCodes.notFound

export const waitCommand: Command = {
  words: ['vm', 'wait'],
  args: ['<name>'],
  names: 'vm',
  summary: 'wait until a VM is created, running, stopped, deallocated or deleted',
  options: [
    groupOption,
    { flags: '--for <state>', summary: `what to wait for: ${states.join(', ')}`, default: 'created', choices: states },
    { flags: '--timeout <seconds>', summary: 'how long to wait', default: '3600' },
  ],
  examples: [
    'strongroom vm create second --no-wait && strongroom vm wait second',
    'strongroom vm wait first --for deleted',
  ],
  run: async (context) => {
    const [wanted, seconds] = [wantedState(context), timeoutSeconds(context)]
    const opened = await openVm(context).catch((error: unknown) => {
      if (wanted === 'deleted' && isGone(error)) return undefined
      throw error
    })
    const name = context.args[0] ?? ''
    const gone = { data: { deleted: name }, lines: [`${name} is deleted.`] }
    if (opened === undefined) return gone
    const { arm, path } = opened
    const deadline = performance.now() + seconds * 1_000
    for (;;) {
      const vm = await fetchVm(arm, path).catch((error: unknown) => {
        if (wanted === 'deleted' && isGone(error)) return undefined
        throw error
      })
      if (vm === undefined) return gone
      if (hasCome(vm, wanted)) return await shownVm(arm, path)
      if (performance.now() >= deadline) {
        throw new CliError({
          code: 'WaitTimedOut',
          message: `The VM ${name} did not reach the state '${wanted}' within ${seconds} s.`,
          expected: wanted,
          found: `${vm.properties.provisioningState}, ${statusOf(vm, 'PowerState')?.code ?? 'no power state'}`,
          remedy: 'Wait longer with --timeout, or check `strongroom vm show`.',
        })
      }
      await sleep(pollMilliseconds)
    }
  },
}
