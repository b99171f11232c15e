import { createPublicKey, X509Certificate } from 'node:crypto'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { attestationKeyUsage, endorsementKeyUsage } from '@strongroom/contract'
import { isAttestationKey, parsePem, parseTpm2bPublic, toHex } from '@strongroom/evidence'
import { memoryBackedDirectory, type InstallationAuthority } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testAuthority } from '../testing.ts'
import { certifyAttestationKey, certifyEndorsementKey } from './certificates.ts'
import { writeNvIndices } from './nv-indices.ts'
import { handles, manufactureTpm, type TpmIdentity } from './manufacture.ts'
import { nvIndexLength } from './nv-index.ts'
import { readRegisters } from './registers.ts'
import { startSwtpm, stopSwtpm, tpmTool, type Swtpm } from './swtpm.ts'
import { permanentState, TpmDirectory } from './tpm-directory.ts'

let runtimeDir: string
let directory: TpmDirectory

beforeEach(async () => {
  runtimeDir = await memoryBackedDirectory('tpm-test')
  directory = await TpmDirectory.make({ path: join(runtimeDir, 'tpm'), user: undefined })
})

afterEach(async () => {
  await rm(runtimeDir, { recursive: true, force: true })
})

describe('vTPM', () => {
  it('is made with keys at Azure’s handles, an attestation key that signs nothing else, and one bank', async () => {
    const identity = await manufactureTpm({ directory })
    expect(isAttestationKey(parseTpm2bPublic(identity.akPublic))).toBe(true)
    const ak = createPublicKey({ key: Buffer.from(identity.akSpki), format: 'der', type: 'spki' })
    expect(ak.asymmetricKeyDetails?.modulusLength).toBe(2048)
    const tpm = await startSwtpm({ directory, name: 'again', startup: 'clear' })
    try {
      const present = (await tpmTool(tpm, 'tpm2_getcap', ['handles-persistent'])).toString().toLowerCase()
      for (const handle of Object.values(handles)) expect(present).toContain(handle)
      const banks = (await tpmTool(tpm, 'tpm2_getcap', ['pcrs'])).toString()
      expect(banks).toMatch(/sha1: \[ \]/)
      expect(banks).toMatch(/sha256: \[ 0, 1/)
      expect((await readRegisters(tpm))['7']).toBe('00'.repeat(32))
    } finally {
      await stopSwtpm(tpm)
    }
  })

  it('is not asked anything before it listens: its socket has a name earlier', async () => {
    const programs = join(runtimeDir, 'programs')
    await mkdir(programs, { mode: 0o755 })
    const slow = `#!/usr/bin/python3
import socket, time
s = socket.socket(socket.AF_UNIX); s.bind(${JSON.stringify(directory.at('slow'))})
time.sleep(0.5)
open(${JSON.stringify(directory.at('listens'))}, 'w').close(); s.listen()
time.sleep(600)
`
    await writeFile(join(programs, 'swtpm'), slow, { mode: 0o755 })
    const before = process.env['PATH']
    process.env['PATH'] = `${programs}:${before}`
    try {
      const tpm = await startSwtpm({ directory, name: 'slow', startup: 'clear' })
      expect(await readdir(directory.path)).toContain('listens')
      await stopSwtpm(tpm)
    } finally {
      process.env['PATH'] = before
    }
  })

  describe('at each boot', () => {
    const hclReport = Buffer.alloc(1819, 0xab)
    let authority: InstallationAuthority
    let identity: TpmIdentity
    let tpm: Swtpm

    beforeEach(async () => {
      authority = await testAuthority(runtimeDir)
      identity = await manufactureTpm({ directory })
      tpm = await startSwtpm({ directory, name: 'indices', startup: 'clear' })
    })

    afterEach(async () => await stopSwtpm(tpm))

    const write = async (report: Uint8Array = hclReport): Promise<void> => {
      const [ak, ek] = await Promise.all([
        certifyAttestationKey({ authority, vmId: 'VM', spki: identity.akSpki }),
        certifyEndorsementKey({ authority, vmId: 'VM', spki: identity.ekSpki }),
      ])
      const [akCertificate, ekCertificate] = [parsePem(ak)[0]!, parsePem(ek)[0]!]
      await writeNvIndices({ tpm, hclReport: report, akCertificate, ekCertificate })
    }
    const read = (index: string, ...more: string[]): Promise<Buffer> =>
      tpmTool(tpm, 'tpm2_nvread', ['-C', 'o', index, ...more])
    const certificateAt = async (index: string): Promise<X509Certificate> => new X509Certificate(await read(index))

    it('shows the report in its index, padded with zeros', async () => {
      await write()
      const found = await read('0x01400001')
      expect(found.subarray(0, 1819)).toEqual(hclReport)
      expect(found.subarray(1819)).toEqual(Buffer.alloc(nvIndexLength - 1819))
      await expect(write(Buffer.alloc(2049))).rejects.toMatchObject({ code: 'NvIndexTooSmall' })
    })

    it('shows certificates of its own keys, each for its own use and under the installation’s authority', async () => {
      await write()
      const ca = createPublicKey(authority.caPem)
      const spkiOf = (certificate: X509Certificate): string =>
        certificate.publicKey.export({ type: 'spki', format: 'der' }).toString('hex')
      const ak = await certificateAt('0x01C101D0')
      expect([ak.keyUsage, ak.verify(ca), spkiOf(ak)]).toEqual([[attestationKeyUsage], true, toHex(identity.akSpki)])
      const ek = await certificateAt('0x01C00002')
      expect([ek.keyUsage, ek.verify(ca), spkiOf(ek)]).toEqual([[endorsementKeyUsage], true, toHex(identity.ekSpki)])
    })

    it('lets tpm2_getekcertificate find the endorsement key’s certificate', async () => {
      await write()
      await tpmTool(tpm, 'tpm2_getekcertificate', ['-o', directory.at('ek.der')])
      expect(new X509Certificate(await directory.take('ek.der')).keyUsage).toEqual([endorsementKeyUsage])
    })

    it('lets the guest replace the attestation key’s certificate as Azure’s client does, and lays it again', async () => {
      await write()
      const file = await directory.give('renewed', Buffer.from('renewed'))
      await tpmTool(tpm, 'tpm2_nvundefine', ['-C', 'o', '0x01C101D0'])
      const attributes = 'ownerread|ownerwrite|authread|authwrite'
      await tpmTool(tpm, 'tpm2_nvdefine', ['-C', 'o', '0x01C101D0', '-s', '7', '-a', attributes])
      await tpmTool(tpm, 'tpm2_nvwrite', ['-C', 'o', '0x01C101D0', '-i', file])
      expect((await read('0x01C101D0')).toString()).toBe('renewed')
      await write()
      expect((await certificateAt('0x01C101D0')).keyUsage).toEqual([attestationKeyUsage])
    })

    it('does not let the guest write the endorsement key’s certificate', async () => {
      await write()
      const file = await directory.give('other', Buffer.from('other'))
      for (const as of ['o', '0x01C00002'])
        await expect(tpmTool(tpm, 'tpm2_nvwrite', ['-C', as, '0x01C00002', '-i', file])).rejects.toThrow()
    })

    it('boots again whatever a guest did: indices gone, locked by a password, the owner locked out', async () => {
      await write()
      await tpmTool(tpm, 'tpm2_nvundefine', ['-C', 'o', '0x01C101D0'])
      await write()
      await tpmTool(tpm, 'tpm2_nvundefine', ['-C', 'o', '0x01C101D0'])
      const define = ['-C', 'o', '0x01C101D0', '-s', String(nvIndexLength), '-a', '0x02060006', '-p', 'password']
      await tpmTool(tpm, 'tpm2_nvdefine', define)
      await write()
      expect((await certificateAt('0x01C101D0')).keyUsage).toEqual([attestationKeyUsage])
      await tpmTool(tpm, 'tpm2_nvundefine', ['-C', 'o', '0x01C101D0'])
      const unreadable = 'ownerread|ownerwrite|authwrite|no_da'
      await tpmTool(tpm, 'tpm2_nvdefine', ['-C', 'o', '0x01C101D0', '-s', String(nvIndexLength), '-a', unreadable])
      await write()
      await tpmTool(tpm, 'tpm2_nvread', ['-C', '0x01C101D0', '0x01C101D0'])
      await tpmTool(tpm, 'tpm2_nvundefine', ['-C', 'o', '0x01C101D0'])
      await tpmTool(tpm, 'tpm2_changeauth', ['-c', 'o', 'password'])
      await write()
      const found = await tpmTool(tpm, 'tpm2_nvread', ['-C', '0x01C101D0', '0x01C101D0'])
      expect(new X509Certificate(found).keyUsage).toEqual([attestationKeyUsage])
    })
  })

  it('gives two VMs different keys and leaves no file behind but its state (attack V10)', async () => {
    const other = await TpmDirectory.make({ path: join(runtimeDir, 'other'), user: undefined })
    const first = await manufactureTpm({ directory })
    const second = await manufactureTpm({ directory: other })
    // The endorsement seed's, and the storage seed's.
    expect(Buffer.from(first.ekSpki).equals(Buffer.from(second.ekSpki))).toBe(false)
    expect(Buffer.from(first.akSpki).equals(Buffer.from(second.akSpki))).toBe(false)
    expect(Buffer.from(first.srkPublic).equals(Buffer.from(second.srkPublic))).toBe(false)
    for (const { path } of [directory, other])
      expect((await readdir(path)).filter((name) => !name.startsWith('.'))).toEqual([permanentState])
  })
})
