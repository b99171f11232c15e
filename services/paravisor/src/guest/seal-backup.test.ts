import { execFileSync } from 'node:child_process'
import { constants, generateKeyPairSync, privateDecrypt } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { backupNamespace, backupStatement, type AnyBootEvidence, type BackupRequest } from '@strongroom/contract'
import { readBackupPayload } from '@strongroom/contract/backup-manifest'
import { openBackedUpState, toHex, verifyBackup } from '@strongroom/evidence'
import { settingsRegisterValue, settingsText } from '@strongroom/evidence/expected'
import { afterAll, describe, expect, it } from 'vitest'
import { authorizedRecipient, sealBackup } from './seal-backup.ts'

const folder = mkdtempSync(join(tmpdir(), 'strongroom-consent-'))
afterAll(() => rmSync(folder, { recursive: true }))

function sshKey(name: string): { path: string; line: string } {
  const path = join(folder, name)
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path])
  return { path, line: readFileSync(`${path}.pub`, 'utf8').trim() }
}
const [owner, host] = [sshKey('owner'), sshKey('host')]
const sign = (path: string, text: string, namespace = backupNamespace): string =>
  execFileSync('ssh-keygen', ['-Y', 'sign', '-f', path, '-n', namespace], { input: text, stdio: 'pipe' }).toString()

const vmId = '0A1B2C3D-0000-4000-8000-00000000000A'
const spec = { vmId }
const now = new Date('2026-11-29T05:00:00Z')
const expires = new Date('2026-11-29T05:15:00Z')
const recipientOf = (): {
  recipient: BackupRequest['recipient']
  privateKey: ReturnType<typeof generateKeyPairSync>['privateKey']
} => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { n = '', e = '' } = publicKey.export({ format: 'jwk' })
  return { recipient: { n, e }, privateKey: privateKey as never }
}
const [mine, anothers] = [recipientOf(), recipientOf()]

async function evidenceOf(keys: string[]): Promise<AnyBootEvidence> {
  const settled = settingsText({ hostname: 'first', adminUsername: 'me', vmId, sshPublicKeys: keys })
  const pcrs = { 14: toHex(await settingsRegisterValue(settled)) }
  return { settled: Buffer.from(settled).toString('base64url'), measuredBoot: { pcrs } } as unknown as AnyBootEvidence
}
const digestOf = async (recipient: BackupRequest['recipient']): Promise<string> => {
  const { createHash, createPublicKey } = await import('node:crypto')
  const key = createPublicKey({ key: { kty: 'RSA', ...recipient }, format: 'jwk' })
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}
const statementOf = async (o: { vmId?: string; expires?: Date } = {}): Promise<string> =>
  backupStatement({ vmId, recipient: await digestOf(mine.recipient), expires, ...o })
const refused = expect.objectContaining({ code: 'BackupNotAuthorized' })

async function authorize(
  o: Partial<BackupRequest> & { by?: string; keys?: string[]; at?: Date } = {},
): ReturnType<typeof authorizedRecipient> {
  const { by = owner.path, keys = [owner.line], at = now, recipient = mine.recipient } = o
  const statement = o.statement ?? (await statementOf())
  const request = { recipient, statement, signature: o.signature ?? sign(by, statement) }
  return await authorizedRecipient({ spec, request, evidence: await evidenceOf(keys), now: at })
}

describe('for whom a VM is backed up', () => {
  it('says whoever has an SSH key that the guest settled', async () => {
    expect((await authorize()).spkiSha256).toBe(await digestOf(mine.recipient))
  })

  it('says no host: its own signature, or the owner’s for another recipient, VM, time or purpose (attack H18)', async () => {
    await expect(authorize({ by: host.path })).rejects.toEqual(refused)
    await expect(authorize({ recipient: anothers.recipient })).rejects.toEqual(refused)
    await expect(authorize({ statement: await statementOf({ vmId: vmId.replace('A', 'B') }) })).rejects.toEqual(refused)
    await expect(authorize({ at: new Date('2026-11-29T05:15:01Z') })).rejects.toEqual(refused)
    const forEver = await statementOf({ expires: new Date('2036-01-01T00:00:00Z') })
    await expect(authorize({ statement: forEver })).rejects.toEqual(refused)
    const statement = await statementOf()
    await expect(authorize({ signature: sign(owner.path, statement, 'run-command@strongroom') })).rejects.toEqual(
      refused,
    )
    await expect(authorize({ statement: `${statement}more\n` })).rejects.toEqual(refused)
  })

  it('is settled by PCR 14 of this boot and not by the settings that the host shows (attack H18)', async () => {
    const evidence = await evidenceOf([owner.line])
    const hosts = await evidenceOf([host.line])
    const statement = await statementOf()
    const request = { recipient: mine.recipient, statement, signature: sign(host.path, statement) }
    const shown = { ...evidence, settled: hosts.settled! }
    await expect(authorizedRecipient({ spec, request, evidence: shown, now })).rejects.toEqual(refused)
    await expect(
      authorizedRecipient({ spec, request, evidence: { ...evidence, measuredBoot: undefined } as never, now }),
    ).rejects.toEqual(refused)
  })
})

describe('what is sealed', () => {
  it('opens with the recipient’s key alone', async () => {
    const recipient = await authorize()
    const digest = 'ab'.repeat(32)
    const image = {
      id: 'a',
      name: 'a',
      version: '1',
      path: '',
      sizeBytes: 1,
      sha256: '',
      builtAt: '',
      source: 'reference',
      osType: 'Linux',
      qualifies: { confidential: true, diskEncryption: true, reasons: [] },
      os: { id: 'a', versionId: '1', kernel: '1' },
    } as const
    const state = { tpm: Buffer.from('a seed of the vTPM'), variables: Buffer.from('variables') }
    const { manifest, guestState } = await sealBackup({
      recipient,
      state,
      files: [
        { name: 'boot.efi', bytes: 1, sha256: digest },
        { name: 'db.pem', bytes: 1, sha256: digest },
      ],
      manifest: {
        id: vmId,
        madeAt: now.toISOString(),
        vm: {
          vmId,
          name: 'first',
          size: 'Standard_DC2as_v5',
          tee: 'SNP',
          encryption: 'DiskWithVMGuestState',
          secureBoot: true,
        },
        generation: 3,
        settled: 'aG9zdG5hbWU',
        identity: { akSpki: 'AAAA', ekSpki: 'AAAA' },
        image: { ...image, qualifies: { ...image.qualifies, reasons: [] } },
        disks: [{ name: 'os', sizeBytes: 65_536, chunkBytes: 65_536, digest }],
      },
    })
    for (const part of [manifest, Buffer.from(guestState).toString('latin1')]) expect(part).not.toContain('seed')
    const payload = readBackupPayload(Buffer.from(manifest.split('.')[1]!, 'base64url').toString())
    const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
    const unwrap = (key: typeof mine.privateKey): Buffer =>
      privateDecrypt({ key: key as never, ...oaep }, Buffer.from(payload.wrappedKey, 'base64url'))
    expect(() => unwrap(anothers.privateKey)).toThrow()
    const dataKey = unwrap(mine.privateKey)
    expect(readBackupPayload(await verifyBackup({ jws: manifest, dataKey }))).toEqual(payload)
    const opened = await openBackedUpState(guestState, dataKey)
    expect(Buffer.from(opened.tpm).toString()).toBe('a seed of the vTPM')
  })
})
