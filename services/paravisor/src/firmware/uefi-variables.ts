import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  dbOwner,
  parseVariableStore,
  secureBootState,
  variablesOfState,
  type EfiVariable,
  type SecureBootState,
} from '@strongroom/evidence/expected'
import { run, ServiceError, writeFileAtomically } from '@strongroom/platform'
import { writeVariableFlash } from './variable-flash.ts'

/** Debian's OVMF for 4 MiB of flash. The `ms` store has Microsoft's PK, KEK, db and dbx enrolled. */
const templates = {
  enrolled: '/usr/share/OVMF/OVMF_VARS_4M.ms.fd',
  empty: '/usr/share/OVMF/OVMF_VARS_4M.fd',
} as const

/** Whom the firmware of an image's VMs trusts beside Microsoft; DER. */
export interface ImageKeys {
  /** Who signed the image's boot chain. */
  db: Uint8Array[]
  /**
   * Who signs updates of the image: PK, and in KEK beside Microsoft, so that there is somebody to sign updates of all
   * variables. Absent where nobody does: PK is then the one of Debian's template, whose key nobody has.
   */
  publisher?: Uint8Array | undefined
}

/**
 * Writes a VM's initial UEFI variables: with Secure Boot, Microsoft's keys and those of the image; without it, an empty
 * store (set-up mode). Of whatever else the host's templates hold, nothing is taken. The file is created or replaced whole, mode 0600.
 * @returns its content
 */
export async function makeUefiVariables(o: { secureBoot: boolean; keys: ImageKeys; out: string }): Promise<Buffer> {
  const made = await flashOf(o.secureBoot ? variablesOfState(await enrolled(o)) : [])
  await writeFileAtomically(o.out, made)
  return made
}

/** Flash that holds these variables and no other. */
export async function flashOf(variables: readonly EfiVariable[]): Promise<Buffer> {
  await requireFirmware(templates.empty)
  return writeVariableFlash(await readFile(templates.empty), variables)
}

/** Microsoft's keys and those of the image. */
async function enrolled(o: { keys: ImageKeys; out: string }): Promise<SecureBootState> {
  await requireFirmware(templates.enrolled)
  const directory = await mkdtemp(join(dirname(o.out), '.uefi-variables-'))
  try {
    const args = ['--input', templates.enrolled]
    const { db, publisher } = o.keys
    const added = [
      ...db.map((certificate) => [certificate, '--add-db'] as const),
      ...(publisher === undefined
        ? []
        : ([
            [publisher, '--set-pk'],
            [publisher, '--add-kek'],
          ] as const)),
    ]
    for (const [index, [certificate, option]] of added.entries()) {
      const path = join(directory, `${index}.pem`)
      await writeFile(path, toPem(certificate), { mode: 0o600 })
      args.push(option, dbOwner, path)
    }
    const made = join(directory, 'variables.fd')
    await run({ command: 'virt-fw-vars', args: [...args, '--secure-boot', '--output', made], timeoutMs: 60_000 })
    return secureBootState(parseVariableStore(await readFile(made)))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** The variables of a VM with Secure Boot, before the image's certificates are added. */
export async function microsoftVariables(): Promise<Uint8Array> {
  await requireFirmware(templates.enrolled)
  return readFile(templates.enrolled)
}

/** Sources of every VM's variables: with Secure Boot, and without. */
export async function variableTemplates(): Promise<Uint8Array[]> {
  const paths = [templates.enrolled, templates.empty]
  for (const path of paths) await requireFirmware(path)
  return await Promise.all(paths.map(async (path) => await readFile(path)))
}

export function toPem(certificate: Uint8Array): string {
  const lines =
    Buffer.from(certificate)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

async function requireFirmware(path: string): Promise<void> {
  try {
    await access(path)
  } catch (error) {
    throw new ServiceError({
      code: 'MissingFirmware',
      message: 'The UEFI firmware for guests is not installed.',
      expected: path,
      found: 'nothing there',
      remedy: 'apt-get install ovmf',
      cause: error,
    })
  }
}
