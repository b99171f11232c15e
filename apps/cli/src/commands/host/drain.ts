import { setTimeout as sleep } from 'node:timers/promises'
import type { ShownHost } from '@strongroom/contract'
import { ArmClient } from '../../client/arm.ts'
import type { Command } from '../../core/command.ts'
import { minutesOption } from '../../core/minutes-option.ts'
import { hostPathOf, hostsVersion, shownHost } from './host-view.ts'

/** How often the host is polled, in milliseconds. */
const everyMs = 1_000

const nameOfVm = (id: string): string => id.split('/').at(-1) ?? id

type Carried = NonNullable<ShownHost['carries']>[number]

/** What a VM that is still on the host waits for; nothing while it moves. */
export function waiting({ resourceId, move }: Carried): string | undefined {
  const name = nameOfVm(resourceId)
  if (move === undefined || move.status === 'Started') return undefined
  if (move.waitsFor === 'notice')
    return `${name} moves at ${move.notBefore}, or when its owner approves: az vm perform-maintenance`
  if (move.waitsFor === 'set') return `${name} moves once the other VMs of its set run`
  return move.waitsFor === 'room' ? `${name} moves once another host has room` : undefined
}

/** Reports what has left the host since the last poll and what keeps the others, until it is empty or no longer draining. */
async function followed(
  look: () => Promise<ShownHost>,
  before: ShownHost,
  say: (line: string) => void,
): Promise<ShownHost> {
  const all = before.carries?.length ?? 0
  const said = new Set<string>()
  for (let host = before, left = all; ; await sleep(everyMs)) {
    host = await look()
    const carries = host.carries ?? []
    for (const line of carries.map(waiting)) {
      if (line !== undefined && !said.has(line)) say(line)
      said.add(line ?? '')
    }
    const still = carries.map(({ resourceId }) => nameOfVm(resourceId)).join(', ')
    if (carries.length !== left)
      say(
        `${all - carries.length} of ${all} VMs have left ${host.name}${still === '' ? '.' : `; on it still: ${still}`}`,
      )
    left = carries.length
    if (left === 0 || host.state !== 'Draining') return host
  }
}

export const drain: Command = {
  words: ['host', 'drain'],
  args: ['<name>'],
  names: 'host',
  summary: 'move VMs off a host by stopping and starting them, and place no new ones there',
  options: [
    {
      flags: '--notice <minutes>',
      summary: 'leave running VMs where they are for that long, unless their owners approve earlier; none by default',
    },
    { flags: '--no-wait', summary: 'do not wait until they have left' },
  ],
  examples: ['strongroom host drain rack-1', 'strongroom host drain rack-1 --notice 30 --no-wait'],
  run: async (context) => {
    const arm = new ArmClient(await context.connect())
    const path = hostPathOf(arm, context.args[0] ?? '')
    const notice = minutesOption(context, 'notice', 0)
    const body = notice === undefined ? {} : { noticeMinutes: notice }
    const asked = (await arm.send('POST', `${path}/drain`, hostsVersion, body)).json as ShownHost
    if (context.options['wait'] === false) return shownHost(asked)
    const look = async (): Promise<ShownHost> => await arm.get<ShownHost>(path, hostsVersion)
    return shownHost(await followed(look, asked, (line) => context.say(line)))
  },
}
