import type { MeasuredEvent, VerifiedEventLog } from '@strongroom/evidence'
import { describe, expect, it } from 'vitest'
import { variable } from '../testing/guest-log.ts'
import { eventsClaim, registerClaim, tpmClaims } from './tpm-claims.ts'

const guid = '8be4df61-93ca-11d2-aa0d-00e098032b8c'
const digest = new Uint8Array(32).fill(0xab)
const shown = (o: object = {}): unknown => {
  const event = {
    index: 3,
    pcr: 7,
    type: 4,
    digests: new Map([['sha256', digest]]),
    data: Uint8Array.of(0xff, 0xfe),
    coverage: 'covered',
    ...o,
  } as unknown as MeasuredEvent
  return (eventsClaim({ events: [event] } as unknown as VerifiedEventLog)['Events'] as unknown[])[0]
}
const separator = {
  EventSeq: 3,
  PcrIndex: 7,
  EventType: 4,
  EventTypeString: 'EV_SEPARATOR',
  Digests: { SHA256: 'ab'.repeat(32) },
}

describe('what policies see of a TPM', () => {
  it('are its registers by number', () => {
    const pcrs = new Map([
      [7, Uint8Array.of(1, 2)],
      [0, Uint8Array.of(3)],
    ])
    expect(registerClaim(pcrs)).toEqual({
      PCRs: [
        { Index: 7, Digests: { SHA256: '0102' } },
        { Index: 0, Digests: { SHA256: '03' } },
      ],
    })
  })

  it('are the events of its log, with data where a register covers it', () => {
    expect(shown()).toEqual({ ...separator, EventData: '__4' })
    expect(shown({ coverage: 'uncovered' })).toEqual(separator)
    const { Digests: _digests, ...without } = separator
    expect(shown({ digests: new Map([['sha1', digest]]) })).toEqual({ ...without, EventData: '__4' })
    expect(eventsClaim({ events: [] } as unknown as VerifiedEventLog)).toEqual({ Events: [] })
  })

  it('have data of 16 KiB at most', () => {
    expect(shown({ data: new Uint8Array(16_384) })).toHaveProperty('EventData')
    expect(shown({ data: new Uint8Array(16_385) })).toEqual(separator)
  })

  it('have variables of the firmware taken apart, where a register covers them', () => {
    const data = variable('SecureBoot', guid, Uint8Array.of(1))
    const type = { type: 0x80000001 }
    const expected = { VariableGuid: guid.toUpperCase(), UnicodeName: 'SecureBoot', VariableData: 'AQ' }
    expect(shown({ data, ...type })).toMatchObject({
      EventTypeString: 'EV_EFI_VARIABLE_DRIVER_CONFIG',
      ProcessedData: expected,
    })
    expect(shown({ data, ...type, coverage: 'uncovered' })).not.toHaveProperty('ProcessedData')
    expect(shown({ data: data.subarray(1), ...type })).not.toHaveProperty('ProcessedData')
  })
})

describe('claims of a TPM', () => {
  const none = {
    akHash: 'h',
    vmId: 'V',
    boot: {},
    relyingParty: undefined,
    relyingPartyData: undefined,
    boundKey: undefined,
  }
  const least = { aikPubHash: 'h', aikValidated: true, tpmVersion: 2, 'x-strongroom-vmid': 'V' }

  it('are its key and VM, and what else is known', () => {
    expect(tpmClaims(none)).toStrictEqual(least)
    const boundKey = { kty: 'RSA', n: 'n', e: 'e' }
    for (const [given, claims] of [
      [{ relyingParty: 'r' }, { rp_id: 'r' }],
      [{ relyingPartyData: '' }, { rp_data: '' }],
      [{ boundKey }, { cnf: { jwk: boundKey } }],
      [{ boot: { secureBoot: false } }, { secureBootEnabled: false }],
      [{ boot: { secureBoot: true } }, { secureBootEnabled: true }],
    ])
      expect(tpmClaims({ ...none, ...given })).toStrictEqual({ ...least, ...claims })
  })
})
