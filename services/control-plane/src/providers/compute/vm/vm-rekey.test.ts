import { describeStores } from '@strongroom/platform/testing'
import { afterEach, expect, it } from 'vitest'
import { FakeWire } from '../../../testing/fake-wire.ts'
import {
  makeNetwork,
  openTestPlane,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
  type TestReply,
} from '../../../testing/test-plane.ts'

const path = vmPath('vm1')
const rekey = `${path}/rekey`

describeStores('a VM whose OS disk gets a new volume key', (open) => {
  const planes: TestPlane[] = []
  afterEach(async () => {
    for (const plane of planes.splice(0)) await plane.service.close()
  })
  const start = async (wire: FakeWire, store = open()): Promise<TestPlane> => {
    const plane = await openTestPlane(await store, wire)
    planes.push(plane)
    return plane
  }
  const created = async (plane: TestPlane, bend: (body: Loose) => void = () => {}): Promise<TestPlane> => {
    await makeNetwork(plane, 'vm1')
    const body = vmRequest('vm1')
    const { securityProfile } = body.properties.storageProfile.osDisk.managedDisk
    securityProfile.securityEncryptionType = 'DiskWithVMGuestState'
    bend(body)
    await plane.run('PUT', path, body)
    return plane
  }
  const deallocated = async (bend?: (body: Loose) => void): Promise<TestPlane> => {
    const plane = await created(await start(new FakeWire()), bend)
    await plane.run('POST', `${path}/deallocate`)
    return plane
  }
  const state = async (plane: TestPlane): Promise<string> =>
    (await plane.send('GET', path)).body.properties.provisioningState as string
  const refused = (reply: TestReply): string =>
    `${reply.status} ${reply.body.error.code}: ${reply.body.error.message} (${reply.body.error.innererror?.found})`

  it('has its host replace it once, and starts', async () => {
    const plane = await deallocated()
    const { reply, operation } = await plane.run('POST', rekey)
    expect([reply.status, operation.error, operation.status]).toEqual([202, undefined, 'Succeeded'])
    expect(plane.wire.rekeys).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)])
    expect(await state(plane)).toBe('Succeeded')
    expect((await plane.run('POST', `${path}/start`)).operation.status).toBe('Succeeded')
  })

  it('gets another one each time that it is asked for', async () => {
    const plane = await deallocated()
    await plane.run('POST', rekey)
    await plane.run('POST', rekey)
    expect(new Set(plane.wire.rekeys).size).toBe(2)
  })

  it('is refused while it is allocated, and nothing is asked of its host', async () => {
    const plane = await created(await start(new FakeWire()))
    expect(refused(await plane.send('POST', rekey))).toMatch(
      /^409 OperationNotAllowed: .*must be deallocated\. \(an allocated VM\)$/,
    )
    expect(plane.wire.rekeys).toEqual([])
  })

  it('is refused without an encrypted OS disk, by name', async () => {
    const plane = await deallocated((body) => {
      body.properties.storageProfile.osDisk.managedDisk.securityProfile.securityEncryptionType = 'VMGuestStateOnly'
    })
    expect(refused(await plane.send('POST', rekey))).toMatch(
      /^409 OperationNotAllowed: .*no volume key.* \(VMGuestStateOnly\)$/,
    )
    expect(plane.wire.rekeys).toEqual([])
  })

  it('is refused for a VM that is not confidential', async () => {
    const plane = await deallocated((body) => {
      body.properties.securityProfile = {
        securityType: 'TrustedLaunch',
        uefiSettings: { secureBootEnabled: true, vTpmEnabled: true },
      }
      delete body.properties.storageProfile.osDisk.managedDisk.securityProfile
      body.properties.hardwareProfile.vmSize = 'Standard_D2s_v5'
    })
    expect(refused(await plane.send('POST', rekey))).toMatch(/^409 OperationNotAllowed: .* \(TrustedLaunch\)$/)
  })

  it('is as it was where the host refuses, and says why', async () => {
    const plane = await deallocated()
    plane.wire.rekeyError = { code: 'AttestationRefused', message: 'The provider refused the evidence.' }
    const { operation } = await plane.run('POST', rekey)
    expect(operation).toMatchObject({ status: 'Failed', error: { code: 'AttestationRefused' } })
    expect(await state(plane)).toBe('Succeeded')
  })

  it('neither starts nor changes nor is converted meanwhile; the same request finds the first one', async () => {
    const plane = await deallocated()
    let seen: string[] = []
    let same: number | undefined
    plane.wire.afterEffect = async (call) => {
      if (!call.endsWith('/rekey')) return
      plane.wire.afterEffect = undefined
      const start = await plane.send('POST', `${path}/start`)
      const change = await plane.send('PATCH', path, { tags: { a: 'b' } })
      same = (await plane.send('POST', rekey)).status
      seen = [refused(start), refused(change)]
    }
    await plane.run('POST', rekey)
    expect(seen).toHaveLength(2)
    for (const each of seen) expect(each).toMatch(/^409 OperationNotAllowed: .*is getting a new volume key/)
    expect([same, plane.wire.rekeys.length]).toEqual([202, 1])
  })

  it('is asked again for the same replacement where the server dies after the host’s answer (attack H44)', async () => {
    const store = open()
    const wire = new FakeWire()
    const plane = await created(await start(wire, store))
    await plane.run('POST', `${path}/deallocate`)
    const dead = new Promise<void>((resolve) => {
      wire.afterEffect = async (call) => {
        if (!call.endsWith('/rekey')) return
        wire.afterEffect = undefined
        void plane.service.close().then(resolve)
        await new Promise((later) => setTimeout(later, 5))
        throw new Error('the server is dead')
      }
    })
    const reply = await plane.send('POST', rekey)
    await dead
    planes.splice(planes.indexOf(plane), 1)
    const next = await start(wire, store)
    expect((await next.follow(reply)).status).toBe('Succeeded')
    expect([wire.rekeys.length, new Set(wire.rekeys).size]).toEqual([2, 1])
  })
})
