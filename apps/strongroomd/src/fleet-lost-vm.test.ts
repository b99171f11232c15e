import { generateKeyPairSync } from 'node:crypto'
import type { VmOrder } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ReportingCarrier } from './testing/reporting-carrier.ts'
import { makeVm } from './testing/simulated-vm.ts'
import { layStandInImage } from './testing/stand-in-image.ts'
import { TestFleet } from './testing/test-fleet.ts'
import { hostPath, type TestHost } from './testing/test-hosts.ts'

let fleet: TestFleet
const carriers: Record<string, ReportingCarrier> = {}

async function joinHost(name: string): Promise<TestHost> {
  const carrier = new ReportingCarrier()
  carriers[name] = carrier
  return (carrier.host = await fleet.join(name, { carrier }))
}

beforeAll(async () => {
  fleet = await TestFleet.start({ compute: 'guests' })
  await layStandInImage(fleet.installation.running.context)
})
afterAll(async () => await fleet.close())

const orderOf = (name: string): VmOrder | undefined => carriers[name]!.orders[0]
const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const asked = {
  '/document': { nonce: '1' },
  '/certify': {
    usage: 'attestationKey',
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
  },
}

describe('a VM that its host has lost', () => {
  it('is no subject of documents and certificates for that host, in whichever way it was lost (attacks W48, W49)', async () => {
    const a = await joinHost('a')
    const vm = await makeVm(fleet.installation, { name: 'vm', size: 'Standard_DC2as_v5' })
    const { vmId, epoch } = orderOf('a')!
    const answers = async (host: TestHost, at: number): Promise<unknown[]> => {
      const codes: unknown[] = []
      for (const [path, body] of Object.entries(asked)) {
        const { status, body: answer } = await host.send(path, { vmId, epoch: at, ...body })
        codes.push(status === 200 ? status : (answer as { error: { code: string } }).error.code)
      }
      return codes
    }
    const over = ['PlacementOver', 'PlacementOver']
    expect(await answers(a, epoch)).toEqual([200, 200])
    const b = await joinHost('b')
    // Its lease ends; its key and its certificate are as before.
    await a.stop()
    await vi.waitFor(() => expect(orderOf('b')?.epoch).toBeGreaterThan(epoch), 60_000)
    const next = orderOf('b')!.epoch
    expect([await answers(a, epoch), await answers(a, next)]).toEqual([over, over])
    expect([await answers(b, epoch), await answers(b, next)]).toEqual([over, [200, 200]])
    await fleet.installation.run('POST', `${vm}/deallocate`)
    expect(await answers(b, next)).toEqual(over)
    await fleet.installation.arm('DELETE', hostPath(fleet.installation, 'a'))
    expect(await answers(a, next)).toEqual(['HostNotAuthenticated', 'HostNotAuthenticated'])
  }, 180_000)
})
