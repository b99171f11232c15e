/** Backups of whole VMs: the manifest as anyone can read it, before or without its authentication key. */
import { faultsOf } from '../shape/index.ts'
import { backupManifest, type BackupManifest } from '../wires/host/backups.ts'

export { backupChunk, backupFiles } from '../wires/host/backups.ts'

/** Why a text is not the manifest of a backup. */
export class BackupInvalid extends Error {
  readonly expected: string
  readonly found: string

  constructor(o: { place: string; expected: string; found: string }) {
    super(`The manifest of the backup is malformed at ${o.place}.`)
    this.name = 'BackupInvalid'
    this.expected = `${o.place}: ${o.expected}`
    this.found = o.found
  }
}

/**
 * Parses a manifest. It is untrusted until its MAC is verified under the data key (`verifyBackup` of the evidence
 * package).
 * @param payload of the JWS
 * @throws BackupInvalid
 */
export function readBackupPayload(payload: string): BackupManifest {
  let value: unknown
  try {
    value = JSON.parse(payload)
  } catch {
    throw new BackupInvalid({ place: 'payload', expected: 'JSON', found: 'another text' })
  }
  const [first] = faultsOf(backupManifest, value)
  if (first !== undefined)
    throw new BackupInvalid({ place: first.target, expected: first.expected, found: first.found })
  const manifest = value as BackupManifest
  requireEachOnce('disks', manifest.disks)
  requireEachOnce('files', manifest.files)
  if (manifest.disks[0]?.name === 'os') return manifest
  throw new BackupInvalid({ place: 'disks[0].name', expected: 'os', found: manifest.disks[0]?.name ?? 'nothing' })
}

function requireEachOnce(place: string, named: readonly { name: string }[]): void {
  const names = named.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new BackupInvalid({ place, expected: 'each name once', found: `two of ${twice}` })
}

/** The payload of a compact JWS, as text. @throws BackupInvalid */
export function payloadOf(jws: string): string {
  const parts = jws.split('.')
  const [, payload] = parts
  if (parts.length !== 3 || payload === undefined || !/^[A-Za-z0-9_-]+$/.test(payload))
    throw new BackupInvalid({ place: 'manifest', expected: 'a compact JWS', found: 'another text' })
  const padded = payload.replaceAll('-', '+').replaceAll('_', '/')
  try {
    const bytes = Uint8Array.from(atob(padded), (character) => character.charCodeAt(0))
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new BackupInvalid({ place: 'payload', expected: 'base64url of UTF-8', found: 'other bytes' })
  }
}

/** @throws BackupInvalid */
export const readBackupManifest = (jws: string): BackupManifest => readBackupPayload(payloadOf(jws))
