import { describe, expect, it } from 'vitest'
import { readAnchors, readPolicy } from './policy.ts'

const code = (read: () => unknown): string => {
  try {
    read()
    return 'accepted'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

describe('a policy file', () => {
  it('turns hexadecimal into bytes and keeps what is refused by default refused', () => {
    const policy = readPolicy({
      snp: { measurements: ['aa'.repeat(48)], allow: { debug: true } },
      tpm: { nonce: 'ff', pcrs: { 7: '00' } },
    })
    expect(policy.snp?.measurements).toEqual([new Uint8Array(48).fill(0xaa)])
    expect(policy.snp?.allow).toEqual({ debug: true })
    expect(policy.tpm?.pcrs?.get(7)).toEqual(Uint8Array.of(0))
  })

  it('with a rule that is misspelt, or of another type, is refused whole', () => {
    for (const value of [
      null,
      [],
      { sno: {} },
      { snp: { measurement: [] } },
      { snp: { allow: { debugging: true } } },
      { snp: { allow: { debug: 'true' } } },
      { snp: { vmpls: ['0'] } },
      { snp: { minimumTcb: { snp: -1 } } },
      { snp: { reportData: 'xyz' } },
      { tdx: { debugAllowed: 1 } },
      { tdx: { rtmrs: { 4: '00' } } },
      { tdx: { mrTds: 'aa' } },
      { tpm: { pcrs: { 24: '00' } } },
      { token: { algorithms: ['none'] } },
      { token: { claims: { a: {} } } },
      { release: { roots: [{ name: 'x', spkiSha256: 'aa' }], signer: 'x' } },
    ]) {
      expect([JSON.stringify(value), code(() => readPolicy(value))]).toEqual([JSON.stringify(value), 'InvalidPolicy'])
    }
  })

  it('of trust anchors needs every part', () => {
    const amd = [{ name: 'ARK', spkiSha256: 'AB'.repeat(32) }]
    expect(readAnchors({ simulated: true, amd, intel: [] }).amd[0]?.spkiSha256).toBe('ab'.repeat(32))
    expect(code(() => readAnchors({ amd, intel: [] }))).toBe('InvalidPolicy')
    expect(code(() => readAnchors({ simulated: true, amd: [{ name: 'ARK' }], intel: [] }))).toBe('InvalidPolicy')
  })
})
