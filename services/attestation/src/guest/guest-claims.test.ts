import type { BootState } from '@strongroom/evidence'
import { describe, expect, it } from 'vitest'
import { guestClaims } from './guest-claims.ts'
import type { GuestRequest } from './guest-request.ts'

const zero = new Uint8Array(32)
const extended = new Uint8Array(32).fill(0, 0, 31).fill(1, 31)
const os = { type: 'Linux', distro: 'Debian', build: 'b', major: 13, minor: 1 }
const claims = (
  o: { pcrs?: [number, Uint8Array][]; type?: string; boot?: BootState } = {},
): Record<string, unknown> => {
  const request = { os: { ...os, type: o.type ?? 'Linux' }, tpm: { pcrs: new Map(o.pcrs ?? [[0, zero]]) } }
  return guestClaims({ request: request as unknown as GuestRequest, vmId: 'ID', boot: o.boot ?? {} })
}
const options = {
  'x-ms-azurevm-bootdebug-enabled': false,
  'x-ms-azurevm-elam-enabled': false,
  'x-ms-azurevm-flightsigning-enabled': false,
  'x-ms-azurevm-hvci-policy': 0,
  'x-ms-azurevm-hypervisordebug-enabled': false,
  'x-ms-azurevm-kerneldebug-enabled': false,
  'x-ms-azurevm-signingdisabled': true,
  'x-ms-azurevm-testsigning-enabled': false,
}
const stated = {
  'x-ms-azurevm-attestation-protocol-ver': '2.0',
  'x-ms-azurevm-attested-pcrs': [0],
  'x-ms-azurevm-is-windows': false,
  'x-ms-azurevm-osbuild': 'b',
  'x-ms-azurevm-osdistro': 'Debian',
  'x-ms-azurevm-ostype': 'Linux',
  'x-ms-azurevm-osversion-major': 13,
  'x-ms-azurevm-osversion-minor': 1,
  'x-ms-azurevm-vmid': 'ID',
}

describe('claims of a guest', () => {
  it('are what it says of its system, and nothing of a boot that no register shows', () => {
    expect(claims()).toEqual(stated)
    expect(claims({ type: 'WINDOWS' })).toEqual({
      ...stated,
      'x-ms-azurevm-ostype': 'WINDOWS',
      'x-ms-azurevm-is-windows': true,
    })
    expect(claims({ type: 'Windows Server' })['x-ms-azurevm-is-windows']).toBe(false)
  })

  it('name the quoted registers in their order', () => {
    const pcrs = [10, 2, 7].map((pcr): [number, Uint8Array] => [pcr, zero])
    expect(claims({ pcrs })['x-ms-azurevm-attested-pcrs']).toEqual([2, 7, 10])
  })

  it.each<[keyof BootState, string]>([
    ['secureBoot', 'secureboot'],
    ['dbValidated', 'x-ms-azurevm-dbvalidated'],
    ['dbxValidated', 'x-ms-azurevm-dbxvalidated'],
    ['debuggersDisabled', 'x-ms-azurevm-debuggersdisabled'],
    ['defaultKeysValidated', 'x-ms-azurevm-default-securebootkeysvalidated'],
  ])('have %s of its boot as it is, where it is known', (name, claim) => {
    for (const value of [true, false])
      expect(claims({ boot: { [name]: value } })).toEqual({ ...stated, [claim]: value })
  })

  it('have the boot options of Windows where both registers for them show that none was started', () => {
    const both = (first: Uint8Array, second: Uint8Array, type?: string): Record<string, unknown> =>
      claims({
        pcrs: [
          [0, zero],
          [12, first],
          [13, second],
        ],
        ...(type !== undefined && { type }),
      })
    expect(both(zero, zero)).toEqual({ ...stated, ...options, 'x-ms-azurevm-attested-pcrs': [0, 12, 13] })
    for (const other of [both(extended, zero), both(zero, extended), both(zero, zero, 'windows')])
      expect(Object.keys(other).filter((name) => name in options)).toEqual([])
    for (const only of [12, 13])
      expect(Object.keys(claims({ pcrs: [[only, zero]] })).filter((name) => name in options)).toEqual([])
  })
})
