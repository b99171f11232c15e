import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { assertMapped, type PausedMachine } from '../firmware/mapped-firmware.ts'

/** Memory-backed files of a machine's two flash devices. */
export interface FlashFiles {
  firmware: string
  variables: string
}

interface LaidFlash {
  files: FlashFiles
  /** Hexadecimal. */
  firmwareSha256: string
  /** The host can write to the files: what its machine maps is compared before it runs. See PoweredState. */
  admit: (machine: PausedMachine) => Promise<void>
}

/** QEMU runs exactly the measured bytes, even if the firmware's package changes meanwhile. */
export async function layFiles(
  runtimeDir: string,
  o: { firmware: Uint8Array; variables: Uint8Array },
): Promise<LaidFlash> {
  const [firmware, variables] = [join(runtimeDir, 'firmware.fd'), join(runtimeDir, 'variables.fd')]
  await writeFile(firmware, o.firmware, { mode: 0o400 })
  await writeFile(variables, o.variables, { mode: 0o600 })
  const bytes = { firmware: o.firmware.length, variables: o.variables.length }
  const digests = { firmware: digestOf(o.firmware), variables: digestOf(o.variables) }
  return {
    files: { firmware, variables },
    firmwareSha256: digests.firmware,
    admit: async (machine) => await assertMapped(machine, bytes, digests),
  }
}

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
