import type { SnpEvidence, TdxEvidence } from './boot-evidence.ts'
import {
  anyObject,
  anyText,
  count,
  exactly,
  flag,
  integer,
  list,
  map,
  named,
  object,
  oneOf,
  optional,
  text,
  upTo,
  type Shape,
  type TypeOf,
} from '../../shape/index.ts'
import { errorDetail, steps } from '../elements/answers.ts'
import { imageRecord } from './images.ts'
import { keptEncryption, line, tee, vmId } from '../elements/names.ts'

const hex64 = text(/^[0-9a-f]{64}$/, 'SHA-256 in hexadecimal')
const base64url = (most: number): ReturnType<typeof upTo> => upTo(most, 'base64url without padding', /^[A-Za-z0-9_-]+$/)

/** Bytes of a disk that one digest covers: what an increment counts in. */
export const backupChunk = 65_536

const backedUpDisk = object({
  name: text(/^(os|data-[0-9]{1,2})$/, 'os, or data- and the LUN'),
  sizeBytes: integer(512, 32_767 * 2 ** 30),
  chunkBytes: exactly(backupChunk),
  /** SHA-256 over the SHA-256 of each chunk, one after the other; the last chunk may be shorter. */
  digest: hex64,
})

/** Files of a backup beside its disks. */
export const backupFiles = ['guest-state', 'boot.efi', 'db.pem'] as const

export const backupManifest = named(
  'BackupManifest',
  object({
    version: exactly(1),
    id: vmId,
    madeAt: text(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/, 'a time as 2026-01-31T00:00:00.000Z'),
    /** The guest is not quiesced: at worst, as after a power loss. */
    consistency: exactly('CrashConsistent'),
    vm: object({ vmId, name: line, size: line, tee, encryption: keptEncryption, secureBoot: flag }),
    /** Of the guest state, when it was captured. */
    generation: count,
    /** What the guest settled at its first boot, as PCR 14 has it. */
    settled: base64url(200_000),
    /** Public keys of the vTPM, SubjectPublicKeyInfo in base64. */
    identity: object({ akSpki: upTo(2000), ekSpki: upTo(2000) }),
    /** SHA-256 PCRs that the OS disk's key is sealed to, by register. Absent if the disk is not encrypted. */
    sealedTo: optional(map(hex64, { most: 24 })),
    /** Initial content of PCR 15 at every boot. Absent if the disk is not encrypted. */
    volume: optional(hex64),
    /** The image that the VM was created from; its boot file and certificates are among the files. */
    image: imageRecord,
    disks: list(backedUpDisk, { least: 1, most: 65 }),
    files: list(object({ name: oneOf(...backupFiles), bytes: integer(0, 2 ** 30), sha256: hex64 }), {
      least: backupFiles.length,
      most: backupFiles.length,
    }),
    recipient: object({
      /** Identifier of a vault's key, as a hint for finding it. */
      keyId: optional(upTo(500, 'a key identifier', /^https:\/\/[\x21-\x7e]+$/)),
      /** SHA-256 of the public key (SubjectPublicKeyInfo). */
      spkiSha256: hex64,
    }),
    /** The backup's data key under the recipient's, RSA-OAEP with SHA-256. */
    wrappedKey: base64url(2000),
  }),
)
/** A backup's description: the payload of its signed manifest (docs/design/0021-backup.md). Contains no secret. */
export type BackupManifest = TypeOf<typeof backupManifest>

const recipientKey = object({
  n: text(/^[A-Za-z0-9_-]{342,1366}$/, 'the modulus of an RSA key of 2048 to 8192 bits, base64url'),
  e: text(/^[A-Za-z0-9_-]{2,8}$/, 'its exponent, base64url'),
  keyId: optional(upTo(500, 'a key identifier', /^https:\/\/[\x21-\x7e]+$/)),
})

export const backupRequest = named(
  'BackupRequest',
  object({
    recipient: recipientKey,
    /** Which VM, for which recipient and until when, in the owner's words: `backupStatement`. */
    statement: upTo(1000),
    /** Over the statement, by an SSH key that the guest accepts: base64 of an SSHSIG. */
    signature: upTo(8000),
  }),
)
export type BackupRequest = TypeOf<typeof backupRequest>

/** Address under which the files of a backup or a restore are read or written. */
const address = text(/^https:\/\/[\x21-\x7e]{1,2000}$/, 'an address')

export const backupStatus = named(
  'BackupStatus',
  object({
    id: vmId,
    state: oneOf('Running', 'Succeeded', 'Failed'),
    steps,
    error: optional(errorDetail),
    /** Bytes that QEMU copied; for an increment, the changes since the previous backup. */
    copiedBytes: optional(count),
    /** Whether only changes since the previous backup were copied. */
    incremental: optional(flag),
    /** Once complete: manifest.jws, attestation, on TDX attestation-quote, its files and, for each disk, NAME.raw and NAME.digests. */
    addresses: optional(map(address, { most: 200 })),
  }),
)
export type BackupStatus = TypeOf<typeof backupStatus>

export const restoreOffer = named(
  'RestoreOffer',
  object({
    /** Where the files of the backup are written, by name. */
    addresses: map(address, { most: 10 }),
    /** Of the paravisor that the data key is given to, as in the evidence of a boot; the claims have its transfer key. */
    evidence: object({
      vmId,
      tee,
      silicon: anyObject as Shape<unknown> as Shape<SnpEvidence | TdxEvidence>,
      runtimeClaims: anyText,
      expected: object({ firmwareSha256: hex64, vCPUs: count, vcpuType: anyText, launchMeasurement: anyText }),
    }),
  }),
)
/** What the owner of a backup is shown before they give its data key to a paravisor. */
export type RestoreOffer = TypeOf<typeof restoreOffer>

export const restoreKey = named(
  'RestoreKey',
  object({
    /** RSA-OAEP with SHA-256 under the transfer key: the data key (32 bytes), then SHA-256 of the manifest. */
    envelope: base64url(1400),
  }),
)
export type RestoreKey = TypeOf<typeof restoreKey>

/** Compact JWS of a manifest. */
export const signedManifest: Shape<string> = upTo(
  262_144,
  'the manifest of a backup, a compact JWS',
  /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/,
)
