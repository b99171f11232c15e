import type { InstanceSpec } from '@strongroom/contract'
import { describeStores } from '@strongroom/platform/testing'
import { afterEach, expect, it } from 'vitest'
import {
  makeNetwork,
  openTestPlane,
  vmPath,
  vmRequest,
  networkPath,
  group,
  subscriptionId,
  type TestPlane,
} from '../../../testing/test-plane.ts'

describeStores('the life of a VM', (open) => {
  const planes: TestPlane[] = []
  const fresh = async (o?: Parameters<typeof openTestPlane>[2]): Promise<TestPlane> => {
    const plane = await openTestPlane(await open(), undefined, o)
    planes.push(plane)
    return plane
  }
  afterEach(async () => {
    for (const plane of planes.splice(0)) await plane.service.close()
  })
  const created = async (name = 'vm1'): Promise<TestPlane> => {
    const plane = await fresh()
    await makeNetwork(plane, name)
    const { operation } = await plane.run('PUT', vmPath(name), vmRequest(name))
    expect(operation.error).toBeUndefined()
    return plane
  }
  const power = async (plane: TestPlane, name = 'vm1'): Promise<string> => {
    const { body } = await plane.send('GET', `${vmPath(name)}?$expand=instanceView`)
    return body.properties.instanceView.statuses[1].code as string
  }

  it('begins with a key of its own, a disk and a boot, and shows each step with its times', async () => {
    const plane = await fresh()
    await makeNetwork(plane, 'vm1')
    const { reply, operation } = await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    expect(reply.status).toBe(201)
    expect(reply.body.properties.provisioningState).toBe('Creating')
    expect(reply.headers['retry-after']).toBe('1')
    expect(operation.status).toBe('Succeeded')
    const names = operation.properties.steps.map((step) => step.name)
    expect(names).toEqual([
      'accept request',
      'create platform key',
      'provision disk and guest state',
      'boot until the guest is ready',
      'write disk',
      'attest',
    ])
    expect(operation.properties.steps.every((step) => step.startedAt !== undefined && step.endedAt !== undefined)).toBe(
      true,
    )

    const { body: vm } = await plane.send('GET', `${vmPath('vm1')}?$expand=instanceView`)
    expect(vm.properties.provisioningState).toBe('Succeeded')
    expect(vm.properties.storageProfile.dataDisks).toEqual([])
    expect(vm.properties.instanceView.statuses.map((status: { code: string }) => status.code)).toEqual([
      'ProvisioningState/succeeded',
      'PowerState/running',
    ])
    expect((await plane.send('GET', vm.properties.storageProfile.osDisk.managedDisk.id)).body.managedBy).toBe(vm.id)
  })

  it('is attested by the provider that its owner names, whose word alone releases its key, for good', async () => {
    const plane = await fresh()
    await makeNetwork(plane, 'vm1')
    const provider = `${group}/providers/Microsoft.Attestation/attestationProviders/mine`
    const named = (id: string): Record<string, unknown> => {
      const request = vmRequest('vm1') as { properties: { securityProfile: object } }
      request.properties.securityProfile = { ...request.properties.securityProfile, attestationProvider: { id } }
      return request
    }
    const early = await plane.send('PUT', vmPath('vm1'), named(provider))
    expect(early.body.error).toMatchObject({
      code: 'InvalidResourceReference',
      target: 'properties.securityProfile.attestationProvider.id',
    })
    expect((await plane.send('PUT', vmPath('vm1'), named(networkPath('networkInterfaces', 'vm1')))).status).toBe(400)
    await plane.send('PUT', provider, { location: 'westeurope', properties: {} })
    const { operation } = await plane.run('PUT', vmPath('vm1'), named(provider))
    expect(operation.error).toBeUndefined()
    const spec = [...plane.wire.instances.values()][0]!.spec as InstanceSpec
    expect(spec.attestationProvider).toBe('https://mine.weu.attest.strongroom.internal')
    const key = plane.wire.keys.get(`vm-${spec.vmId.toLowerCase()}`)!
    const { data } = (key.body as { release_policy: { data: string } }).release_policy
    expect(JSON.parse(Buffer.from(data, 'base64url').toString())).toMatchObject({
      anyOf: [{ authority: 'https://mine.weu.attest.strongroom.internal' }],
    })
    const shown = (await plane.send('GET', vmPath('vm1'))).body.properties.securityProfile.attestationProvider
    expect(shown).toEqual({ id: provider })
    expect((await plane.send('PUT', vmPath('vm1'), vmRequest('vm1'))).status).toBe(200)
    expect((await plane.send('PUT', vmPath('vm1'), named(`${provider}2`))).body.error.code).toBe(
      'PropertyChangeNotAllowed',
    )
  })

  it('may name a provider of another origin that the operator named, and no other', async () => {
    const issuer = 'https://attest.example.org'
    const verifiers = [{ name: 'witness', issuer, keys: `${issuer}/certs`, collateral: false }]
    const plane = await fresh({ verifiers })
    await makeNetwork(plane, 'vm1')
    const base = `/subscriptions/${subscriptionId}/providers/Strongroom.Attestation/verifiers`
    expect((await plane.send('GET', base)).body.value).toEqual([
      {
        id: `${base}/witness`,
        name: 'witness',
        type: 'Strongroom.Attestation/verifiers',
        properties: { issuer, attestUri: issuer, keysUri: `${issuer}/certs` },
      },
    ])
    expect((await plane.send('GET', `${base}/other`)).status).toBe(404)
    const named = (attestationProvider: object): Record<string, unknown> => {
      const request = vmRequest('vm1') as { properties: { securityProfile: object } }
      request.properties.securityProfile = { ...request.properties.securityProfile, attestationProvider }
      return request
    }
    const evil = { issuer: 'https://evil.example', attestUri: 'https://evil.example' }
    const { body } = await plane.send('PUT', vmPath('vm1'), named({ ...evil, id: `${base}/Witness` }))
    expect(body.error.details.map((each: { code: string; target: string }) => [each.code, each.target])).toEqual(
      ['issuer', 'attestUri'].map((name) => ['NotSupported', `properties.securityProfile.attestationProvider.${name}`]),
    )
    expect((await plane.send('PUT', vmPath('vm1'), named({ id: `${base}/other` }))).body.error).toMatchObject({
      code: 'InvalidResourceReference',
    })
    const { operation } = await plane.run('PUT', vmPath('vm1'), named({ id: `${base}/Witness` }))
    expect(operation.error).toBeUndefined()
    const spec = [...plane.wire.instances.values()][0]!.spec as InstanceSpec
    expect(spec.attestationProvider).toBe(issuer)
    const key = plane.wire.keys.get(`vm-${spec.vmId.toLowerCase()}`)!
    const { data } = (key.body as { release_policy: { data: string } }).release_policy
    expect(JSON.parse(Buffer.from(data, 'base64url').toString())).toMatchObject({ anyOf: [{ authority: issuer }] })
  })

  it('has a principal of its own where it is asked for, at creation and later, until it is gone', async () => {
    const plane = await fresh()
    await makeNetwork(plane, 'vm1')
    const systemAssigned = { identity: { type: 'SystemAssigned' } }
    await plane.run('PUT', vmPath('vm1'), { ...vmRequest('vm1'), ...systemAssigned })
    const shown = async (): Promise<unknown> => (await plane.send('GET', vmPath('vm1'))).body.identity
    const first = plane.wire.identities.get(vmPath('vm1'))!
    expect(await shown()).toEqual({ type: 'SystemAssigned', principalId: first.principalId, tenantId: first.tenantId })

    expect((await plane.send('PATCH', vmPath('vm1'), { tags: { a: 'b' } })).status).toBe(200)
    expect(await shown()).toMatchObject({ principalId: first.principalId })
    expect((await plane.send('PATCH', vmPath('vm1'), { identity: { type: 'None' } })).status).toBe(200)
    expect([await shown(), plane.wire.identities.size]).toEqual([undefined, 0])
    expect((await plane.send('PATCH', vmPath('vm1'), systemAssigned)).status).toBe(200)
    expect(await shown()).toMatchObject({ type: 'SystemAssigned' })

    const { operation } = await plane.run('DELETE', vmPath('vm1'))
    expect([operation.status, plane.wire.identities.size]).toEqual(['Succeeded', 0])
  })

  it('takes no principal over from a VM that once had its name', async () => {
    const plane = await fresh()
    await makeNetwork(plane, 'vm1')
    plane.wire.identities.set(vmPath('vm1'), { principalId: 'old', clientId: 'old', tenantId: 'tenant' })
    await plane.run('PUT', vmPath('vm1'), { ...vmRequest('vm1'), identity: { type: 'SystemAssigned' } })
    expect((await plane.send('GET', vmPath('vm1'))).body.identity.principalId).not.toBe('old')
  })

  it('gives the host the VM that was asked for, and its key a policy for that VM alone', async () => {
    const plane = await created()
    const [status] = [...plane.wire.instances.values()]
    const spec = status!.spec as InstanceSpec
    expect(spec).toMatchObject({
      name: 'vm1',
      tee: 'SNP',
      size: { name: 'Standard_DC2as_v5', vCPUs: 2, memoryMiB: 8192 },
      security: { encryption: 'DiskWithVMGuestState', secureBoot: true, vTpm: true },
      image: 'debian-13-cvm',
      network: { privateIpAddress: '10.0.0.4' },
      attestationProvider: 'https://sharedweu.weu.attest.strongroom.internal',
    })
    expect(spec.vmId).toMatch(/^[0-9A-F-]{36}$/)
    expect(spec.shown).toMatchObject({
      imageReference: { version: '13.1.0' },
      osDisk: { caching: 'ReadWrite', storageAccountType: 'Premium_LRS' },
      subnetPrefix: '10.0.0.0/24',
    })
    expect(spec.network.macAddress).toMatch(/^02:53:52(:[0-9a-f]{2}){3}$/)
    const key = plane.wire.keys.get(`vm-${spec.vmId.toLowerCase()}`)!
    expect(spec.guestStateKey).toBe(key.kid)
    expect(key.body).toMatchObject({ kty: 'RSA-HSM', key_size: 3072, attributes: { exportable: true } })
    const { data } = key.body['release_policy'] as { data: string }
    expect(JSON.parse(Buffer.from(data, 'base64url').toString())).toEqual({
      version: '1.0.0',
      anyOf: [
        {
          authority: spec.attestationProvider,
          allOf: [
            { claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' },
            { claim: 'x-ms-attestation-type', equals: 'sevsnpvm' },
            { claim: 'x-ms-runtime.vm-configuration.vmUniqueId', equals: spec.vmId },
          ],
        },
      ],
    })
    expect(plane.wire.calls.every((call) => call.token?.startsWith('controlPlane for ') === true)).toBe(true)
  })

  it('does nothing when the same request is repeated', async () => {
    const plane = await created()
    const before = plane.wire.calls.filter((call) => call.method !== 'GET').length
    const again = await plane.send('PUT', vmPath('vm1'), vmRequest('vm1'))
    expect(again.status).toBe(200)
    expect(again.headers['azure-asyncoperation']).toBeUndefined()
    expect(plane.wire.calls.filter((call) => call.method !== 'GET')).toHaveLength(before)
  })

  it('takes the whole VM back as the stock client does, and finds nothing changed', async () => {
    const plane = await created()
    const { body } = await plane.send('GET', `${vmPath('vm1')}?$expand=instanceView`)
    const again = await plane.send('PUT', vmPath('vm1'), body)
    expect([again.status, again.body.error]).toEqual([200, undefined])
  })

  it('answers a repeated create that is under way with the same operation', async () => {
    const plane = await fresh()
    await makeNetwork(plane, 'vm1')
    plane.wire.hangs = true
    const first = await plane.send('PUT', vmPath('vm1'), vmRequest('vm1'))
    const second = await plane.send('PUT', vmPath('vm1'), vmRequest('vm1'))
    expect(second.headers['azure-asyncoperation']).toBe(first.headers['azure-asyncoperation'])
    plane.wire.hangs = false
    expect((await plane.follow(second)).status).toBe('Succeeded')
  })

  it('stops, frees its cores and starts again', async () => {
    const plane = await created()
    const cores = async (): Promise<number> => {
      const path = `/subscriptions/${subscriptionId}/providers/Microsoft.Compute/locations/westeurope/usages`
      return (await plane.send('GET', path)).body.value[0].currentValue as number
    }
    expect(await cores()).toBe(2)
    await plane.run('POST', `${vmPath('vm1')}/powerOff`)
    expect([await power(plane), await cores()]).toEqual(['PowerState/stopped', 2])
    await plane.run('POST', `${vmPath('vm1')}/deallocate`)
    expect([await power(plane), await cores()]).toEqual(['PowerState/deallocated', 0])
    await plane.run('POST', `${vmPath('vm1')}/start`)
    expect([await power(plane), await cores()]).toEqual(['PowerState/running', 2])
    await plane.run('POST', `${vmPath('vm1')}/restart`)
    expect(await power(plane)).toBe('PowerState/running')
  })

  it('tells where the guest is reached while it is ready, and only then', async () => {
    const plane = await created()
    const ready = await plane.send('POST', `${vmPath('vm1')}/retrieveConnection`)
    expect(ready.body).toEqual({
      ssh: { host: '127.0.0.1', port: 2222, user: 'azureuser' },
      adminUsername: 'azureuser',
    })
    await plane.run('POST', `${vmPath('vm1')}/powerOff?skipShutdown=true`)
    const stopped = await plane.send('POST', `${vmPath('vm1')}/retrieveConnection`)
    expect([stopped.status, stopped.body.error.code]).toEqual([409, 'VmNotReady'])
    expect((await plane.send('POST', `${vmPath('vm1')}/retrieveBootEvidence`)).body.error.code).toBe(
      'BootEvidenceNotFound',
    )
  })

  it('ends with instance, key, disk and interface gone and the cores free', async () => {
    const plane = await created()
    const { operation } = await plane.run('DELETE', vmPath('vm1'))
    expect(operation.status).toBe('Succeeded')
    expect([plane.wire.instances.size, plane.wire.keys.size]).toEqual([0, 0])
    expect(plane.wire.calls.some((call) => call.method === 'DELETE' && call.path.startsWith('/deletedkeys/vm-'))).toBe(
      true,
    )
    expect((await plane.send('GET', vmPath('vm1'))).status).toBe(404)
    expect((await plane.send('GET', networkPath('networkInterfaces', 'vm1VMNic'))).status).toBe(404)
    expect((await plane.send('GET', `${group}/providers/Microsoft.Compute/disks`)).body.value).toEqual([])
    expect((await plane.send('DELETE', vmPath('vm1'))).status).toBe(204)
    const address = await plane.send('GET', networkPath('publicIPAddresses', 'vm1PublicIP'))
    expect(address.body.properties.ipConfiguration).toBeUndefined()
  })

  it('keeps a VM that does not boot, says why, and lets its owner start or delete it', async () => {
    const plane = await fresh()
    await makeNetwork(plane, 'vm1')
    plane.wire.bootError = {
      code: 'OsDiskDidNotUnlock',
      message: 'OS disk did not unlock: PCR 7 differs.',
      innererror: { remedy: 'Switch Secure Boot on again.' },
    }
    const { operation } = await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    expect(operation).toMatchObject({
      status: 'Failed',
      error: { code: 'OsDiskDidNotUnlock', innererror: { remedy: 'Switch Secure Boot on again.' } },
    })
    expect(operation.properties.steps.some((step) => step.state === 'Undone')).toBe(false)
    expect([plane.wire.instances.size, plane.wire.keys.size]).toEqual([1, 1])
    const { body } = await plane.send('GET', `${vmPath('vm1')}?$expand=instanceView`)
    expect(body.properties.provisioningState).toBe('Failed')
    expect(body.properties.instanceView.statuses[1]).toMatchObject({
      code: 'PowerState/stopped',
      level: 'Error',
      message: 'OS disk did not unlock: PCR 7 differs. Switch Secure Boot on again.',
    })
    plane.wire.bootError = undefined
    expect((await plane.run('POST', `${vmPath('vm1')}/start`)).operation.status).toBe('Succeeded')
    expect((await plane.send('GET', vmPath('vm1'))).body.properties.provisioningState).toBe('Succeeded')
  })

  it('takes everything back when the disk cannot be made, and makes it when asked again', async () => {
    const plane = await fresh()
    await makeNetwork(plane, 'vm1')
    plane.wire.provisioningError = { code: 'StorageFull', message: 'The disk is full.' }
    const { operation } = await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    expect(operation).toMatchObject({ status: 'Failed', error: { code: 'StorageFull' } })
    expect([plane.wire.instances.size, plane.wire.keys.size]).toEqual([0, 0])
    expect((await plane.send('POST', `${vmPath('vm1')}/restart`)).body.error.code).toBe('OperationNotAllowed')
    plane.wire.provisioningError = undefined
    expect((await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))).operation.status).toBe('Succeeded')
    expect(await power(plane)).toBe('PowerState/running')
  })

  it('is made after all by a start when its creation had failed, and followed by a start when it is under way', async () => {
    const plane = await fresh()
    await makeNetwork(plane, 'vm1')
    plane.wire.provisioningError = { code: 'StorageFull', message: 'The disk is full.' }
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    plane.wire.provisioningError = undefined
    plane.wire.hangs = true
    const first = await plane.send('POST', `${vmPath('vm1')}/start`)
    const second = await plane.send('POST', `${vmPath('vm1')}/start`)
    expect(second.headers['azure-asyncoperation']).toBe(first.headers['azure-asyncoperation'])
    plane.wire.hangs = false
    expect((await plane.follow(second)).status).toBe('Succeeded')
  })

  it('can be stopped while a start hangs', async () => {
    const plane = await created()
    await plane.run('POST', `${vmPath('vm1')}/powerOff`)
    plane.wire.hangs = true
    const start = await plane.send('POST', `${vmPath('vm1')}/start`)
    await expect.poll(() => [...plane.wire.instances.values()][0]?.power.state).toBe('Booting')
    expect((await plane.run('POST', `${vmPath('vm1')}/powerOff`)).operation.status).toBe('Succeeded')
    expect((await plane.follow(start)).status).toBe('Canceled')
    expect(await power(plane)).toBe('PowerState/stopped')
  })

  it('gets a key even where an unfinished deletion left the name of the key taken', async () => {
    const plane = await fresh()
    await makeNetwork(plane, 'vm1')
    plane.wire.provisioningError = { code: 'StorageFull', message: 'The disk is full.' }
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    const name = plane.wire.calls.find((call) => call.path.endsWith('/create'))?.path.split('/')[2] ?? ''
    plane.wire.deletedKeys.add(name)
    plane.wire.provisioningError = undefined
    expect((await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))).operation.status).toBe('Succeeded')
    expect([plane.wire.keys.has(name), plane.wire.deletedKeys.size]).toEqual([true, 0])
  })

  it('can be deleted while its boot hangs', async () => {
    const plane = await fresh()
    await makeNetwork(plane, 'vm1')
    plane.wire.hangs = true
    const first = await plane.send('PUT', vmPath('vm1'), vmRequest('vm1'))
    const removal = await plane.send('DELETE', vmPath('vm1'))
    const again = await plane.send('DELETE', vmPath('vm1'))
    // Either it is gone, or the first deletion is still in progress.
    if (again.status !== 204)
      expect(again.headers['azure-asyncoperation']).toBe(removal.headers['azure-asyncoperation'])
    expect((await plane.follow(removal)).status).toBe('Succeeded')
    expect((await plane.follow(first)).status).toBe('Canceled')
    expect([plane.wire.instances.size, plane.wire.keys.size]).toEqual([0, 0])
  })

  it('goes on where it was when the server is killed in the midst of it', async () => {
    const store = await open()
    const plane = await openTestPlane(store)
    await makeNetwork(plane, 'vm1')
    plane.wire.hangs = true
    const reply = await plane.send('PUT', vmPath('vm1'), vmRequest('vm1'))
    await expect.poll(() => [...plane.wire.instances.values()][0]?.power.state).toBe('Booting')
    await plane.service.close()
    // The host died with the server: nothing runs.
    for (const status of plane.wire.instances.values()) status.power = { state: 'Stopped', since: '', steps: [] }
    plane.wire.hangs = false
    const next = await openTestPlane(await open({ sameAs: store }), plane.wire)
    planes.push(next)
    expect((await next.follow(reply)).status).toBe('Succeeded')
    expect(plane.wire.calls.filter((call) => call.path.endsWith('/create'))).toHaveLength(1)
    expect(plane.wire.instances.size).toBe(1)
  })

  it('is gone with its group', async () => {
    const plane = await created()
    const { operation } = await plane.run('DELETE', group)
    expect(operation.status).toBe('Succeeded')
    expect((await plane.send('HEAD', group)).status).toBe(404)
    expect([plane.wire.instances.size, plane.wire.keys.size]).toEqual([0, 0])
    expect((await plane.send('GET', `/subscriptions/${subscriptionId}/resources`)).body.value).toEqual([])
  })
})
