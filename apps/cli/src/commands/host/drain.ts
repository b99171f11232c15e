import { setTimeout as sleep } from 'node:timers/promises'
import type { ShownHost } from '@strongroom/contract'
import { ArmClient } from '../../client/arm.ts'
import type { Command } from '../../core/command.ts'
import { hostPathOf, hostsVersion, shownHost } from './host-view.ts'

/** How often the host is polled, in milliseconds. */
const everyMs = 1_000

const nameOfVm = (id: string): string => id.split('/').at(-1) ?? id

/** Reports what has left the host since the last poll, until it is empty or no longer draining. */
async function followed(
  look: () => Promise<ShownHost>,
  before: ShownHost,
  say: (line: string) => void,
): Promise<ShownHost> {
  const all = before.carries?.length ?? 0
  for (let host = before, left = all; ; await sleep(everyMs)) {
    host = await look()
    const carries = host.carries ?? []
    if (carries.length !== left)
      say(`${all - carries.length} of ${all} VMs have left ${host.name}${carries.length === 0 ? '.' : `; on it still: ${carries.map(({ resourceId }) => nameOfVm(resourceId)).join(', ')}`}`) // prettier-ignore
    left = carries.length
    if (left === 0 || host.state !== 'Draining') return host
  }
}

export const drain: Command = {
  words: ['host', 'drain'],
  args: ['<name>'],
  summary: 'move VMs off a host by stopping and starting them, and place no new ones there',
  options: [{ flags: '--no-wait', summary: 'do not wait until they have left' }],
  examples: ['strongroom host drain rack-1'],
  run: async (context) => {
    const arm = new ArmClient(await context.connect())
    const path = hostPathOf(arm, context.args[0] ?? '')
    const asked = (await arm.send('POST', `${path}/drain`, hostsVersion)).json as ShownHost
    if (context.options['wait'] === false) return shownHost(asked)
    const look = async (): Promise<ShownHost> => await arm.get<ShownHost>(path, hostsVersion)
    return shownHost(await followed(look, asked, (line) => context.say(line)))
  },
}
