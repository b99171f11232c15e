import { ArmClient } from '../client/arm.ts'
import { textOption, type Command, type CommandContext } from '../core/command.ts'
import type { Result } from '../core/output.ts'

const version = '2023-02-01'
const provider = (arm: ArmClient): string => `${arm.subscription}/providers/Strongroom.Quota`

interface QuotaRequest {
  name: string
  properties: {
    provisioningState: 'InProgress' | 'Succeeded' | 'Failed'
    message: string
    requestSubmitTime: string
    location: string
    requestedBy: string
    value: { name: { value: string }; limit: { value: number } }[]
  }
}

const states = { InProgress: 'waiting', Succeeded: 'granted', Failed: 'denied' } as const
const columns = ['Request', 'Region', 'Quota', 'Limit', 'State', 'Asked', 'By', 'Message']
const row = ({ name, properties }: QuotaRequest): string[] => [
  name,
  properties.location,
  properties.value[0]?.name.value ?? '',
  String(properties.value[0]?.limit.value ?? ''),
  states[properties.provisioningState],
  properties.requestSubmitTime,
  properties.requestedBy,
  properties.message,
]

async function decide(context: CommandContext, verb: 'grant' | 'deny'): Promise<Result> {
  const arm = new ArmClient(await context.connect())
  const message = textOption(context, 'message')
  const path = `${provider(arm)}/requests/${encodeURIComponent(context.args[0] ?? '')}/${verb}`
  const decided = (await arm.send('POST', path, version, message === undefined ? {} : { message })).json as QuotaRequest
  return { data: decided, table: { columns, rows: [row(decided)] } }
}

const message = { flags: '--message <text>', summary: 'message to the requester' }

/** The operator's side of quota requests; users request cores through Microsoft.Quota (docs/guides/costs.md). */
export const quotaCommands: Command[] = [
  {
    words: ['quota', 'list'],
    summary: 'list the requests for more quota',
    watchable: true,
    options: [{ flags: '--waiting', summary: 'only those awaiting a decision' }],
    run: async (context) => {
      const arm = new ArmClient(await context.connect())
      const { value } = await arm.get<{ value: QuotaRequest[] }>(`${provider(arm)}/requests`, version)
      const kept = value.filter(
        (one) => context.options['waiting'] !== true || one.properties.provisioningState === 'InProgress',
      )
      return { data: kept, table: { columns, rows: kept.map(row) } }
    },
  },
  {
    words: ['quota', 'grant'],
    args: ['<request>'],
    summary: 'grant a request; the new limit applies at once',
    options: [message],
    run: async (context) => await decide(context, 'grant'),
  },
  {
    words: ['quota', 'deny'],
    args: ['<request>'],
    summary: 'deny a request',
    options: [message],
    run: async (context) => await decide(context, 'deny'),
  },
  {
    words: ['quota', 'kind'],
    args: ['[kind]'],
    summary:
      'show or set the kind of subscription: pay-as-you-go, or free-trial, which has few cores and no quota requests',
    examples: ['strongroom quota kind free-trial'],
    run: async (context) => {
      const arm = new ArmClient(await context.connect())
      const path = `${provider(arm)}/subscriptionKind`
      const kind = context.args[0]
      const reply =
        kind === undefined ? await arm.send('GET', path, version) : await arm.send('POST', path, version, { kind })
      const data = reply.json as { kind: string }
      return { data, lines: [data.kind] }
    },
  },
]
