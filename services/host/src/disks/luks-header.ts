import { randomUUID } from 'node:crypto'
import { rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { volumeForm } from '@strongroom/evidence/expected'
import { run } from '@strongroom/platform'
import { insertRange } from './sparse.ts'

/** Space before the data: 16 MiB, as systemd-repart and cryptsetup reserve it. */
export const headerBytes: number = volumeForm.offsetSectors * 512

/**
 * Writes an encrypted volume's LUKS2 header: it shows programs what the partition is, and opens nothing. It has no key
 * slot, because the key is in the VM's TPM, and no boot reads it.
 * @param o.runtimeDir memory-backed
 * @returns its UUID
 */
export async function writeLuksHeader(o: {
  disk: string
  offset: number
  volumeKey: Uint8Array
  runtimeDir: string
  signal?: AbortSignal
}): Promise<string> {
  const uuid = randomUUID()
  const [header, key, passphrase] = ['header', 'volume.key', 'passphrase'].map((name) => join(o.runtimeDir, name)) as [
    string,
    string,
    string,
  ]
  const cryptsetup = async (...args: string[]): Promise<void> =>
    void (await run({ command: 'cryptsetup', args: ['--batch-mode', ...args], ...(o.signal && { signal: o.signal }) }))
  try {
    await writeFile(header, '', { mode: 0o600 })
    await truncate(header, headerBytes)
    await writeFile(key, o.volumeKey, { mode: 0o600 })
    // cryptsetup requires a slot, which is removed again.
    await writeFile(passphrase, o.volumeKey.subarray(0, 32), { mode: 0o600 })
    await cryptsetup(
      'luksFormat',
      '--type',
      'luks2',
      '--uuid',
      uuid,
      '--label',
      'root',
      '--cipher',
      volumeForm.cipher,
      '--key-size',
      String(volumeForm.keyBits),
      '--volume-key-file',
      key,
      '--sector-size',
      String(volumeForm.sectorBytes),
      '--offset',
      String(volumeForm.offsetSectors),
      '--pbkdf',
      'pbkdf2',
      '--pbkdf-force-iterations',
      '1000',
      '--key-file',
      passphrase,
      header,
    )
    await cryptsetup('luksErase', header)
    await insertRange({ from: header, to: o.disk, offset: o.offset, ...(o.signal && { signal: o.signal }) })
    return uuid
  } finally {
    for (const path of [header, key, passphrase]) await rm(path, { force: true })
  }
}
