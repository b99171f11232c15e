import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { commandRequest, instanceConversion, stopRequest } from '@strongroom/contract/wires'
import { exampleSpec } from '@strongroom/paravisor/testing'
import { parseDataDisks, parsePatch, parseSpec, readBody } from './spec.ts'

const { vmId } = exampleSpec

describe('specification of a VM on the host wire', () => {
  it('is taken as it is', () => {
    expect(parseSpec(exampleSpec, vmId.toLowerCase())).toEqual(exampleSpec)
  })

  it('is refused with every field that is wrong at once', () => {
    const wrong = {
      ...exampleSpec,
      name: 'a,b',
      tee: 'SEV',
      osProfile: { ...exampleSpec.osProfile, adminUsername: '$(reboot)' },
    }
    try {
      parseSpec(wrong, vmId)
      expect.unreachable()
    } catch (error) {
      const { details } = error as { details: { target: string }[] }
      expect(details.map(({ target }) => target)).toEqual(['name', 'osProfile.adminUsername', 'tee'])
    }
  })

  it('takes a provider of another origin only where the operator named its issuer', () => {
    const other = { ...exampleSpec, attestationProvider: 'https://attest.example.org' }
    expect(parseSpec(other, vmId, ['https://attest.example.org'])).toEqual(other)
    expect(() => parseSpec(other, vmId, ['https://attest.example.com'])).toThrow(
      expect.objectContaining({ code: 'InvalidInstanceSpec', target: 'attestationProvider' }),
    )
  })

  it.each([
    ['a key of another site', { guestStateKey: 'https://vault.azure.net/keys/vm/00000000000000000000000000000000' }],
    ['a provider of another site', { attestationProvider: 'https://evil.example' }],
    [
      'a line break in an SSH key',
      { osProfile: { ...exampleSpec.osProfile, sshPublicKeys: ['ssh-ed25519 A\nssh-ed25519 B'] } },
    ],
    ['no vTPM', { security: { ...exampleSpec.security, vTpm: false } }],
    ['disk encryption without Secure Boot', { security: { ...exampleSpec.security, secureBoot: false } }],
    ['an id that is a path', { vmId: '../../etc' }],
  ])('is refused with %s', (_name, change) => {
    expect(() => parseSpec({ ...exampleSpec, ...change }, vmId)).toThrow(
      expect.objectContaining({ code: 'InvalidInstanceSpec' }),
    )
  })

  it.each([
    ['security.debug', { security: { ...exampleSpec.security, debug: true } }],
    ['debug', { debug: true }],
    ['osProfile.shell', { osProfile: { ...exampleSpec.osProfile, shell: '/bin/sh' } }],
    ['shown.osDisk.path', { shown: { osDisk: { name: 'os', caching: 'None', storageAccountType: 'x', path: '/' } } }],
    ['__proto__', JSON.parse('{"__proto__":{"tee":"SNP"}}') as object],
  ])('is refused with the unknown member %s, which nobody keeps', (target, change) => {
    const body: unknown = JSON.parse(JSON.stringify({ ...exampleSpec, ...change }))
    if (target === '__proto__') Object.defineProperty(body, target, { value: {}, enumerable: true })
    expect(() => parseSpec(body, vmId)).toThrow(
      expect.objectContaining({
        code: 'InvalidInstanceSpec',
        target,
        details: [expect.objectContaining({ code: 'UnknownField', target })],
      }),
    )
  })

  it('refuses unknown members of every other body as well', () => {
    const network = { macAddress: '02:53:52:aa:bb:cc', privateIpAddress: '10.0.1.4' }
    const further = { ...network, subnetPrefix: '10.0.1.0/24', hostForward: 'tcp::1-:1' }
    for (const parse of [
      () => parsePatch({ security: { debug: true } }),
      () => parsePatch({ network: { ...network, bridge: 'br0' } }),
      () => parsePatch({ interfaces: [further] }),
      () =>
        readBody(instanceConversion, {
          tee: 'SNP',
          size: exampleSpec.size,
          guestStateKey: exampleSpec.guestStateKey,
          force: true,
        }),
      () => readBody(stopRequest, { graceful: true, keep: false }),
      () => readBody(stopRequest, { graceful: 'no' }),
      () => parseDataDisks({ disks: [], force: true }),
      () =>
        readBody(commandRequest, {
          id: '5a1e0000-0000-4000-8000-000000000001',
          script: '',
          timeoutSeconds: 1,
          parameters: [],
          user: 'root',
        }),
    ])
      expect(parse).toThrow(expect.objectContaining({ code: 'InvalidInstanceSpec' }))
    expect(readBody(stopRequest, { graceful: false })).toEqual({ graceful: false })
  })

  it('refuses a path that names another VM', () => {
    expect(() => parseSpec(exampleSpec, '00000000-0000-4000-8000-000000000000')).toThrow(/different VMs/)
  })

  it('refuses any other JSON by name', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => parseSpec(value, vmId)).toThrow(expect.objectContaining({ code: 'InvalidInstanceSpec' }))
      }),
    )
  })

  it('takes further interfaces, each with an address of its subnet, and eight in all', () => {
    const good = { macAddress: '02:53:52:aa:bb:cc', privateIpAddress: '10.0.1.4', subnetPrefix: '10.0.1.0/24' }
    const withInterfaces = (...interfaces: unknown[]): unknown => ({ ...exampleSpec, interfaces })
    expect(parseSpec(withInterfaces(good), vmId)).toMatchObject({ interfaces: [good] })
    expect(parsePatch({ interfaces: [] })).toEqual({ interfaces: [] })
    for (const [wrong, target] of [
      [withInterfaces({ ...good, macAddress: '02:53:52:aa:bb:cc,romfile=/etc/shadow' }), 'interfaces[0].macAddress'],
      [withInterfaces({ ...good, privateIpAddress: '10.0.2.4' }), 'interfaces[0]'],
      [withInterfaces({ ...good, subnetPrefix: '10.0.1.0/24,hostfwd=tcp::1-:1' }), 'interfaces[0].subnetPrefix'],
      [withInterfaces(good, { ...good, subnetPrefix: '10.0.1.1/24' }), 'interfaces[1]'],
      [withInterfaces({ ...good, privateIpAddress: '10.0.1.3' }), 'interfaces[0]'],
      [withInterfaces({ ...good, privateIpAddress: '10.0.1.255' }), 'interfaces[0]'],
      [withInterfaces(...Array.from({ length: 8 }, () => good)), 'interfaces'],
      [withInterfaces(null), 'interfaces[0]'],
      [{ ...exampleSpec, interfaces: good }, 'interfaces'],
    ] as const)
      expect(() => parseSpec(wrong, vmId), JSON.stringify(wrong)).toThrow(
        expect.objectContaining({ code: 'InvalidInstanceSpec', target }),
      )
  })

  it('takes a change of size alone, and checks it', () => {
    expect(parsePatch({ size: exampleSpec.size })).toEqual({ size: exampleSpec.size })
    expect(() => parsePatch({ size: { ...exampleSpec.size, vCPUs: 0 } })).toThrow(/size.vCPUs/)
    expect(() => parsePatch({ security: { secureBoot: 'no' } })).toThrow(/secureBoot/)
  })
})

describe('a list of data disks', () => {
  const shown = { id: '/disks/d', name: 'd', caching: 'None', storageAccountType: 'Premium_LRS' }
  const [first, second] = ['0', '1'].map((last) => `5A1E0000-0000-4000-8000-0000000D15C${last}`)
  const disk = { lun: 0, disk: first, sizeGiB: 1, shown }

  it('is taken with a LUN and a disk of its own in each place', () => {
    const disks = [disk, { ...disk, lun: 63, disk: second }]
    expect(parseDataDisks({ disks })).toEqual(disks)
  })

  it.each([
    ['nothing', undefined],
    ['a LUN that is not a controller’s', [{ ...disk, lun: 64 }]],
    ['a disk that leads elsewhere', [{ ...disk, disk: '../machines/x' }]],
    ['no size', [{ ...disk, sizeGiB: 0 }]],
    ['one LUN twice', [disk, { ...disk, disk: second }]],
    ['one disk twice', [disk, { ...disk, lun: 1 }]],
  ])('is refused with %s', (_name, disks) => {
    expect(() => parseDataDisks({ disks })).toThrow(expect.objectContaining({ code: 'InvalidInstanceSpec' }))
  })
})
