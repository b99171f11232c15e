import { harmless, measured, type Attack } from './attack.ts'
import type { Host } from '../host/host.ts'
import type { Observation } from '../host/observation.ts'

/** Commands that the attacker wants a shell to run, after an account’s name at a prompt and a word for a rescue shell. */
async function typed(host: Host): Promise<Observation> {
  const { shell } = host.mark('a command typed at the console')
  const taken = await host.typeAtConsole(['root', '', shell])
  const seen = await host.boot()
  return taken() > 0 ? seen : { ...seen, accepted: true, unseen: 'nothing was tried: the console accepted no input' }
}

export const consoleAttacks: Attack[] = [
  {
    id: 'B1/console-of-failed-boot',
    title: 'commands typed at the console while the disk does not open',
    does: 'adds a device, and types at the console from the firmware’s end on',
    ends: [measured(1)],
    carryOut: async (host) => {
      host.qemu.add('-device', 'pci-testdev')
      return await typed(host)
    },
  },
  {
    id: 'B1/console',
    title: 'commands typed at the console of a boot and of the system',
    does: 'types at the console from the firmware’s end on',
    ends: [harmless],
    carryOut: typed,
  },
]
