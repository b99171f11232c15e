import { createPublicKey } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isAttestationKey, parseTpm2bPublic } from '@strongroom/evidence'
import { memoryBackedDirectory } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { endowTpm } from './endow.ts'
import { handles, manufactureTpm, nvIndexLength, nvIndices } from './manufacture.ts'
import { readRegisters } from './registers.ts'
import { startSwtpm, stopSwtpm, tpmTool } from './swtpm.ts'

let runtimeDir: string
let stateDir: string

beforeEach(async () => {
  runtimeDir = await memoryBackedDirectory('tpm-test')
  stateDir = join(runtimeDir, 'tpm')
  await mkdir(stateDir)
})

afterEach(async () => {
  await rm(runtimeDir, { recursive: true, force: true })
})

describe('vTPM', () => {
  it('is made with keys at Azure’s handles, an attestation key that signs nothing else, and one bank', async () => {
    const identity = await manufactureTpm({ stateDir, runtimeDir })
    expect(isAttestationKey(parseTpm2bPublic(identity.akPublic))).toBe(true)
    const ak = createPublicKey({ key: Buffer.from(identity.akSpki), format: 'der', type: 'spki' })
    expect(ak.asymmetricKeyDetails?.modulusLength).toBe(2048)
    const tpm = await startSwtpm({ stateDir, runtimeDir, name: 'again', startup: 'clear' })
    try {
      const present = (await tpmTool(tpm, 'tpm2_getcap', ['handles-persistent'])).toString().toLowerCase()
      for (const handle of Object.values(handles)) expect(present).toContain(handle)
      const banks = (await tpmTool(tpm, 'tpm2_getcap', ['pcrs'])).toString()
      expect(banks).toMatch(/sha1: \[ \]/)
      expect(banks).toMatch(/sha256: \[ 0, 1/)
      expect((await readRegisters(tpm, runtimeDir))['7']).toBe('00'.repeat(32))
    } finally {
      await stopSwtpm(tpm)
    }
  })

  it('shows report and certificate in their indices, padded with zeros', async () => {
    await manufactureTpm({ stateDir, runtimeDir })
    const tpm = await startSwtpm({ stateDir, runtimeDir, name: 'endow', startup: 'clear' })
    try {
      const hclReport = Buffer.alloc(1819, 0xab)
      await endowTpm({ tpm, runtimeDir, hclReport, akCertificate: Buffer.from('certificate') })
      const read = await tpmTool(tpm, 'tpm2_nvread', ['-C', 'o', nvIndices.hclReport, '-s', String(nvIndexLength)])
      expect(read.subarray(0, 1819)).toEqual(hclReport)
      expect(read.subarray(1819)).toEqual(Buffer.alloc(nvIndexLength - 1819))
      const tooLong = endowTpm({ tpm, runtimeDir, hclReport: Buffer.alloc(2049), akCertificate: hclReport })
      await expect(tooLong).rejects.toMatchObject({ code: 'NvIndexTooSmall' })
    } finally {
      await stopSwtpm(tpm)
    }
  })

  it('gives two VMs different keys and leaves no file behind but its state', async () => {
    const other = join(runtimeDir, 'other')
    await mkdir(other)
    const first = await manufactureTpm({ stateDir, runtimeDir })
    const second = await manufactureTpm({ stateDir: other, runtimeDir })
    expect(Buffer.from(first.akSpki).equals(Buffer.from(second.akSpki))).toBe(false)
    expect(Buffer.from(first.srkPublic).equals(Buffer.from(second.srkPublic))).toBe(false)
    expect((await readdir(runtimeDir)).toSorted()).toEqual(['other', 'tpm'])
  })
})
