import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createFileAtomically } from '@strongroom/platform/files'
import { CliError } from '../core/cli-error.ts'

/** What a person trusts of an installation: both files lie in its state, which the host writes. */
export interface RootFiles {
  /** anchors.json */
  anchors: string
  /** ca.pem */
  authority: string
}

interface PinnedRoots extends RootFiles {
  stateDir: string
  /** When the person first used the installation. */
  at: string
}

const fileOf = (configDir: string, stateDir: string): string =>
  join(configDir, 'roots', `${createHash('sha256').update(resolve(stateDir)).digest('hex').slice(0, 32)}.json`)

/**
 * Remembers an installation's roots at first use, in the person's own folder, and refuses others from then on: a host
 * that exchanged them could make evidence of its own.
 * @throws CliError TrustAnchorsChanged, FileNotWritten
 */
export async function pinRoots(configDir: string, stateDir: string, found: RootFiles): Promise<void> {
  const path = fileOf(configDir, stateDir)
  const pinned: PinnedRoots = { stateDir: resolve(stateDir), at: new Date().toISOString(), ...found }
  const made = await createFileAtomically(path, `${JSON.stringify(pinned, null, 2)}\n`).catch((cause: unknown) => {
    throw notWritten(path, cause)
  })
  if (made) return
  const before = await readFile(path, 'utf8').then(parse, () => undefined)
  const changed = before === undefined ? ['the record of them'] : differences(before, found)
  if (changed.length > 0) throw rootsChanged(path, before?.at, changed)
}

function parse(text: string): PinnedRoots | undefined {
  try {
    const { stateDir, at, anchors, authority } = JSON.parse(text) as Record<keyof PinnedRoots, unknown>
    const texts = [stateDir, at, anchors, authority]
    if (texts.every((each) => typeof each === 'string')) return { stateDir, at, anchors, authority } as PinnedRoots
    return undefined
  } catch {
    return undefined
  }
}

/** Names what differs. The same roots in another order or spelling are others: the server writes them one way. */
function differences(before: RootFiles, found: RootFiles): string[] {
  const [old, now] = [before, found].map(({ anchors }) => JSON.parse(anchors) as Record<string, unknown>)
  const names = new Set([...Object.keys(old!), ...Object.keys(now!)])
  const changed = [...names].filter((name) => JSON.stringify(old![name]) !== JSON.stringify(now![name]))
  return [
    ...changed.map((name) => `${name} in anchors.json`),
    ...(before.authority === found.authority ? [] : ['the authority in ca.pem']),
  ]
}

const rootsChanged = (path: string, at: string | undefined, changed: string[]): CliError =>
  new CliError({
    code: 'TrustAnchorsChanged',
    message: 'The roots of this installation are not those that you first used. Nothing is verified under them.',
    expected: at === undefined ? `what is in ${path}` : `the roots of ${at}, in ${path}`,
    found: `others: ${changed.join(', ')}`,
    remedy:
      'If you recreated the installation, or its operator told you why by another way, remove that file. Otherwise ' +
      'whoever runs the host exchanged them: do not trust its VMs.',
  })

const notWritten = (path: string, cause: unknown): CliError =>
  new CliError({
    code: 'FileNotWritten',
    message: `The roots of the installation cannot be written to ${path}. Nothing is verified under roots that are not remembered.`,
    found: (cause as { code?: string }).code ?? 'an error',
    remedy: 'Make room and check the rights of the folder.',
    cause,
  })
