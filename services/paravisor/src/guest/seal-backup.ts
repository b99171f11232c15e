import { constants, createHash, createPublicKey, publicEncrypt, randomBytes, type KeyObject } from 'node:crypto'
import {
  backupNamespace,
  backupStatement,
  type AnyBootEvidence,
  type BackupManifest,
  type BackupRequest,
  type InstanceSpec,
} from '@strongroom/contract'
import { EvidenceError, fromHex, sealBackedUpState, signBackup, verifySshSignature } from '@strongroom/evidence'
import { verifySettings } from '@strongroom/evidence/expected'
import { ServiceError } from '@strongroom/platform'
import type { GuestFiles } from './write-back.ts'

/** Longest validity of a statement. */
const longestMs = 24 * 3600 * 1000
const settingsRegister = '14'

export interface Recipient {
  key: KeyObject
  /** SHA-256 of the SubjectPublicKeyInfo, hexadecimal. */
  spkiSha256: string
  keyId?: string
}

/**
 * For whom a VM may be backed up: for the key that the VM's owner named under a signature. Whose signature counts, the
 * guest has measured: the SSH keys that it settled at its first boot, by PCR 14 of this boot. The host that passes the
 * request on does not decide.
 * @throws ServiceError BackupNotAuthorized
 */
export async function authorizedRecipient(o: {
  spec: Pick<InstanceSpec, 'vmId'>
  request: BackupRequest
  evidence: AnyBootEvidence
  now: Date
}): Promise<Recipient> {
  const { n, e, keyId } = o.request.recipient
  const key = createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' })
  const spkiSha256 = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
  const expires = new Date(/^expires: (\S+)$/m.exec(o.request.statement)?.[1] ?? Number.NaN)
  if (Number.isNaN(expires.getTime())) throw notAuthorized('the statement has no time', 'expires: TIME', 'none')
  const expected = backupStatement({ vmId: o.spec.vmId, recipient: spkiSha256, expires })
  if (o.request.statement !== expected)
    throw notAuthorized('the statement is about another VM or recipient', expected, o.request.statement.slice(0, 300))
  const left = expires.getTime() - o.now.getTime()
  if (left <= 0 || left > longestMs)
    throw notAuthorized(
      'the statement has expired, or holds for too long',
      'at most 24 hours from now',
      expires.toISOString(),
    )
  const { settled, measuredBoot } = o.evidence
  const quoted = measuredBoot?.pcrs[settingsRegister]
  if (settled === undefined || quoted === undefined)
    throw notAuthorized('this boot shows no settings of the guest', 'a guest that reported', 'none')
  try {
    const { sshPublicKeys } = await verifySettings({
      settled: Buffer.from(settled, 'base64url'),
      quoted: fromHex(quoted),
    })
    await verifySshSignature({
      message: Buffer.from(o.request.statement),
      signature: o.request.signature,
      namespace: backupNamespace,
      keys: sshPublicKeys,
    })
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
    throw notAuthorized(
      error.message,
      error.expected ?? 'a signature by a key of the guest’s',
      error.found ?? 'another',
    )
  }
  return { key, spkiSha256, ...(keyId !== undefined && { keyId }) }
}

/**
 * A backup's guest state and manifest, under a data key that exists here and, wrapped, in the manifest: whoever has the recipient's
 * private key opens it, and neither this installation nor its host.
 */
export async function sealBackup(o: {
  recipient: Recipient
  state: GuestFiles & { variableRecord?: Buffer }
  manifest: Omit<BackupManifest, 'version' | 'consistency' | 'recipient' | 'wrappedKey' | 'files'>
  files: { name: 'boot.efi' | 'db.pem'; bytes: number; sha256: string }[]
}): Promise<{ manifest: string; guestState: Uint8Array }> {
  const dataKey = randomBytes(32)
  try {
    const guestState = await sealBackedUpState(o.state, dataKey)
    const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const
    const { keyId, spkiSha256 } = o.recipient
    const payload: BackupManifest = {
      version: 1,
      consistency: 'CrashConsistent',
      ...o.manifest,
      files: [
        {
          name: 'guest-state',
          bytes: guestState.length,
          sha256: createHash('sha256').update(guestState).digest('hex'),
        },
        ...o.files,
      ],
      recipient: { spkiSha256, ...(keyId !== undefined && { keyId }) },
      wrappedKey: publicEncrypt({ key: o.recipient.key, ...oaep }, dataKey).toString('base64url'),
    }
    return { manifest: await signBackup({ payload: JSON.stringify(payload), dataKey }), guestState }
  } finally {
    dataKey.fill(0)
  }
}

const notAuthorized = (what: string, expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'BackupNotAuthorized',
    message: `The VM is not backed up for this key: ${what}.`,
    target: 'signature',
    expected,
    found,
    remedy: 'Use strongroom vm backup with the SSH key that the VM was created with.',
  })
