import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { exampleSpec } from '../testing.ts'
import { nvIndexLength } from '../tpm/nv-index.ts'
import { vtpmClaims } from './claims.ts'

const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const akSpki = Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' }))
/** Length of an HCL report before its claims: header, hardware report, claims header. */
const before = 32 + 1184 + 20

describe('the claims that the report in a vTPM binds', () => {
  const said = (userData?: Uint8Array): Record<string, unknown> =>
    JSON.parse(
      Buffer.from(vtpmClaims({ spec: exampleSpec, akSpki, ...(userData && { userData }) })).toString(),
    ) as Record<string, unknown>

  it('have room for data of the guest’s own: zeros at each boot, which Microsoft’s clients read (attack W19)', () => {
    expect(said()['user-data']).toBe('0'.repeat(128))
    expect(said(Buffer.from('my-nonce'))['user-data']).toBe(`6D792D6E6F6E6365${'0'.repeat(112)}`)
    expect(() => said(new Uint8Array(65))).toThrow('at most 64 bytes')
  })

  it('fit into the index with the report', () => {
    expect(before + vtpmClaims({ spec: exampleSpec, akSpki }).length).toBeLessThanOrEqual(nvIndexLength)
  })
})
