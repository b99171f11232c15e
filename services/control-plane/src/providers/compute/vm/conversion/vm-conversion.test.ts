import { describeStores } from '@strongroom/platform/testing'
import { afterEach, expect, it } from 'vitest'
import { FakeWire, referenceImage } from '../../../../testing/fake-wire.ts'
import {
  makeNetwork,
  openTestPlane,
  subscriptionId,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
  type TestReply,
} from '../../../../testing/test-plane.ts'

const path = vmPath('vm1')
const toSize = (vmSize: string): Loose => ({ properties: { hardwareProfile: { vmSize } } })
const tdx = toSize('Standard_DC2es_v5')

describeStores('a VM that is converted between AMD SEV-SNP and Intel TDX', (open) => {
  const planes: TestPlane[] = []
  afterEach(async () => {
    for (const plane of planes.splice(0)) await plane.service.close()
  })
  const start = async (wire: FakeWire, store = open()): Promise<TestPlane> => {
    const plane = await openTestPlane(await store, wire)
    planes.push(plane)
    return plane
  }
  const deallocated = async (bend: (body: Loose) => void = () => {}): Promise<TestPlane> => {
    const plane = await start(new FakeWire())
    plane.wire.images = [{ ...referenceImage, os: { ...referenceImage.os, kernel: '6.12.1-cloud-amd64' } }]
    await makeNetwork(plane, 'vm1')
    const body = vmRequest('vm1')
    bend(body)
    await plane.run('PUT', path, body)
    await plane.run('POST', `${path}/deallocate`)
    return plane
  }
  const spec = (plane: TestPlane): Loose => [...plane.wire.instances.values()][0]!.spec
  const size = async (plane: TestPlane): Promise<string> =>
    (await plane.send('GET', path)).body.properties.hardwareProfile.vmSize as string
  const refused = (reply: TestReply): string =>
    `${reply.status} ${reply.body.error.code}: ${reply.body.error.message} (${reply.body.error.target})`

  it('has the other technology and size, a key that asks for its evidence, and starts; the old key is gone', async () => {
    const plane = await deallocated()
    const before = [...plane.wire.keys.keys()]
    const { reply, operation } = await plane.run('PATCH', path, { ...tdx, tags: { moved: 'yes' } })
    expect(reply.status).toBe(200)
    expect(reply.body.properties.provisioningState).toBe('Updating')
    expect(operation.error).toBeUndefined()
    const { body } = await plane.send('GET', path)
    expect([body.properties.hardwareProfile.vmSize, body.tags, body.properties.provisioningState]).toEqual([
      'Standard_DC2es_v5',
      { moved: 'yes' },
      'Succeeded',
    ])
    const [[name, key] = ['', undefined], ...others] = [...plane.wire.keys]
    expect(others).toEqual([])
    expect(before).not.toContain(name)
    const { data } = (key!.body as { release_policy: { data: string } }).release_policy
    const policy = Buffer.from(data, 'base64url').toString()
    expect(policy).toContain('tdxvm')
    expect(policy).not.toContain('sevsnpvm')
    expect(spec(plane)).toMatchObject({ tee: 'TDX', size: { name: 'Standard_DC2es_v5' }, guestStateKey: key!.kid })
    expect((await plane.run('POST', `${path}/start`)).operation.status).toBe('Succeeded')
    const usages = `/subscriptions/${subscriptionId}/providers/Microsoft.Compute/locations/westeurope/usages`
    const { value } = (await plane.send('GET', usages)).body as Loose
    const used = (family: string): number => value.find((each: Loose) => each.name.value === family).currentValue
    expect([used('standardDCEV5Family'), used('standardDCASv5Family')]).toEqual([2, 0])
  })

  it('comes back to where it was by a second conversion, and leaves no key when it is deleted', async () => {
    const plane = await deallocated()
    await plane.run('PATCH', path, tdx)
    await plane.run('PATCH', path, toSize('Standard_EC4as_v5'))
    expect(spec(plane)).toMatchObject({ tee: 'SNP', size: { name: 'Standard_EC4as_v5', vCPUs: 4 } })
    expect(plane.wire.keys.size).toBe(1)
    await plane.run('DELETE', path)
    expect([plane.wire.keys.size, plane.wire.deletedKeys.size]).toEqual([0, 0])
  })

  it('is listed among the sizes that it can have', async () => {
    const plane = await deallocated()
    const { value } = (await plane.send('GET', `${path}/vmSizes`)).body as { value: { name: string }[] }
    const names = value.map(({ name }) => name)
    expect(names).toContain('Standard_DC2es_v5')
    expect(names).not.toContain('Standard_DC2eds_v5')
  })

  it('is as it was where the host refuses, and is converted when it does so no longer', async () => {
    const plane = await deallocated()
    const [before] = plane.wire.keys.keys()
    const old = structuredClone(spec(plane))
    plane.wire.conversionError = { code: 'AttestationRefused', message: 'The provider refused the evidence.' }
    const { operation } = await plane.run('PATCH', path, tdx)
    expect(operation).toMatchObject({ status: 'Failed', error: { code: 'AttestationRefused' } })
    expect(await size(plane)).toBe('Standard_DC2as_v5')
    expect((await plane.send('GET', path)).body.properties.provisioningState).toBe('Succeeded')
    expect([[...plane.wire.keys.keys()], plane.wire.deletedKeys.size, spec(plane)]).toEqual([[before], 0, old])
    plane.wire.conversionError = undefined
    expect((await plane.run('PATCH', path, tdx)).operation.status).toBe('Succeeded')
  })

  it('neither starts nor changes while it is converted', async () => {
    const plane = await deallocated()
    let seen: string[] = []
    plane.wire.afterEffect = async (call) => {
      if (!call.endsWith('/convert')) return
      plane.wire.afterEffect = undefined
      const start = await plane.send('POST', `${path}/start`)
      const change = await plane.send('PATCH', path, { tags: { a: 'b' } })
      seen = [refused(start), refused(change)]
    }
    await plane.run('PATCH', path, tdx)
    expect(seen).toHaveLength(2)
    for (const each of seen) expect(each).toMatch(/^409 OperationNotAllowed: .*is being converted/)
  })

  it.each([
    ['to a series that does not convert', toSize('Standard_DC2eds_v5'), /resource disk/],
    [
      'with another change',
      { properties: { ...tdx.properties, securityProfile: { encryptionAtHost: true } } },
      /must be the only change/,
    ],
  ])('is refused %s, and nothing has been done', async (_what, body, why) => {
    const plane = await deallocated()
    expect(refused(await plane.send('PATCH', path, body))).toMatch(why)
    expect([await size(plane), plane.wire.keys.size]).toEqual(['Standard_DC2as_v5', 1])
  })

  it('is refused where the quota of the other family has no room, in Azure’s words', async () => {
    const plane = await deallocated()
    await makeNetwork(plane, 'vm2')
    const other = vmRequest('vm2')
    other.properties.hardwareProfile.vmSize = 'Standard_DC96es_v5'
    await plane.run('PUT', vmPath('vm2'), other)
    const reply = await plane.send('PATCH', path, toSize('Standard_DC8es_v5'))
    expect(refused(reply)).toMatch(/^409 OperationNotAllowed: .*exceeding approved .*Additional Required: 8,/)
    expect([await size(plane), plane.wire.keys.size]).toEqual(['Standard_DC2as_v5', 2])
  })

  it('is refused for a kernel that is too old, as the image’s own record says', async () => {
    const plane = await deallocated()
    const os = { id: 'ubuntu', versionId: '22.04', kernel: '6.2.0-1010-azure' }
    plane.wire.images = [{ ...referenceImage, os }]
    const reply = await plane.send('PATCH', path, tdx)
    expect(refused(reply)).toMatch(/^409 OperationNotAllowed: .*kernel is older/)
    expect(reply.body.error.innererror).toMatchObject({
      expected: '6.2.0-1011-azure or later',
      found: '6.2.0-1010-azure',
    })
  })

  it('to AMD SEV-SNP is refused with NonPersistedTPM, which Intel TDX alone has', async () => {
    const plane = await deallocated((body) => {
      body.properties.hardwareProfile.vmSize = 'Standard_DC2es_v5'
      body.properties.storageProfile.osDisk.managedDisk.securityProfile.securityEncryptionType = 'NonPersistedTPM'
    })
    expect(refused(await plane.send('PATCH', path, toSize('Standard_DC2as_v5')))).toContain('NonPersistedTPM')
  })

  // The vault creates a key, the host wraps, the vault deletes and purges.
  it.each([1, 2, 3, 4])('is converted once where the server dies after call %i', async (n) => {
    const store = open()
    const wire = new FakeWire()
    const plane = await start(wire, store)
    wire.images = [{ ...referenceImage, os: { ...referenceImage.os, kernel: '6.12.1' } }]
    await makeNetwork(plane, 'vm1')
    await plane.run('PUT', path, vmRequest('vm1'))
    await plane.run('POST', `${path}/deallocate`)
    let calls = 0
    const dead = new Promise<void>((resolve) => {
      wire.afterEffect = async (call) => {
        if (call.startsWith('GET') || ++calls !== n) return
        void plane.service.close().then(resolve)
        await new Promise((later) => setTimeout(later, 5))
        throw new Error('the server is dead')
      }
    })
    const reply = await plane.send('PATCH', path, tdx)
    await dead
    wire.afterEffect = undefined
    planes.splice(planes.indexOf(plane), 1)
    const next = await start(wire, store)
    expect((await next.follow(reply)).status).toBe('Succeeded')
    expect([await size(next), wire.keys.size, wire.deletedKeys.size]).toEqual(['Standard_DC2es_v5', 1, 0])
    expect(spec(next)).toMatchObject({ tee: 'TDX', guestStateKey: [...wire.keys.values()][0]!.kid })
  })
})
