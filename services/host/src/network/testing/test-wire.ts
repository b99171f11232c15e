import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '@strongroom/platform'
import { networkArgument, type Doors } from '../../qemu/guest-network.ts'
import { launchQemu } from '../../qemu/launch.ts'

/** A guest's end of its network, without a guest: packets sent here reach the network like a guest's. */
export interface GuestWire {
  /** A connection from inside the guest to one of the named targets. */
  dial(target: string): Promise<Socket>
  /** QEMU's process id. */
  pid: number
  close(): Promise<void>
}

/**
 * Runs QEMU with a VM's network and, on the same wire instead of the guest's card, a second network whose host has the
 * guest's address: its forwarded ports act as connections from the guest.
 * @param o.targets for example 169.254.169.253:443
 * @param o.user user of a VM’s QEMU
 */
export async function openGuestWire(o: {
  doors: Doors
  targets: string[]
  user: number | undefined
}): Promise<GuestWire> {
  const ports = new Map<string, number>()
  for (const target of o.targets) ports.set(target, await freePort())
  const forwards = [...ports].map(([target, port]) => `hostfwd=tcp:127.0.0.1:${port}-${target}`)
  const guest = `user,id=guest,ipv6=off,net=169.254.0.0/16,host=169.254.100.2,dhcpstart=169.254.200.2,${forwards.join(',')}`
  const network = networkArgument({ doors: o.doors, sshPort: await freePort() })
  const qemu = await launchQemu({
    user: o.user,
    log: 'pipe',
    args: async () => [
      '-nodefaults',
      '-no-user-config',
      '-display',
      'none',
      '-machine',
      'none',
      '-netdev',
      network,
      '-netdev',
      'hubport,id=a,hubid=0,netdev=net',
      '-netdev',
      guest,
      '-netdev',
      'hubport,id=b,hubid=0,netdev=guest',
    ],
  })
  const dial = async (target: string): Promise<Socket> => {
    const port = ports.get(target)
    if (port === undefined) throw new TypeError(`${target} was not named`)
    for (let attempt = 0; ; attempt++) {
      const socket = connect(port, '127.0.0.1')
      try {
        await once(socket, 'connect')
        return socket
      } catch (error) {
        if (attempt >= 200) throw error
        await sleep(50)
      }
    }
  }
  return {
    dial,
    pid: qemu.pid,
    close: async () => {
      qemu.kill('SIGKILL')
      await qemu.exited
    },
  }
}
