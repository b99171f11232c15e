import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { firstFailure, type Check, type TrustAnchors } from '@strongroom/evidence'
import { evidenceCommands } from '../../../apps/cli/src/commands/evidence.ts'
import type { CommandContext } from '../../../apps/cli/src/core/command.ts'
import type { Answer } from '../../../services/attestation/src/testing/harness.ts'

/** Result of `strongroom evidence verify`: exit code, first failed rule and its code. */
export interface Verdict {
  exit: number
  /** `code check`, or `accepted` or `unjudged`. */
  reason: string
  /** Every failed check as `code check`. */
  reasons: string[]
  /** As a person reads it. */
  text: string
}

const failures = (check: Check): Check[] => {
  const below = check.children.flatMap(failures)
  return below.length === 0 && check.outcome === 'failed' ? [check] : below
}
const named = ({ id, code }: Check): string => `${code} ${id}`

/**
 * `strongroom evidence verify` over files with these contents.
 * @param o.anchors given as `--anchors`; default: AMD's and Intel's
 * @param o.policy given as `--policy`
 */
export async function verifyFiles(
  files: Readonly<Record<string, Uint8Array | string>>,
  o: { anchors?: TrustAnchors; policy?: object; at?: Date } = {},
): Promise<Verdict> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-forged-'))
  try {
    const put = async (name: string, content: Uint8Array | string): Promise<string> => {
      const path = join(folder, name)
      await writeFile(path, content)
      return path
    }
    const args = await Promise.all(Object.entries(files).map(([name, content]) => put(name, content)))
    const options: Record<string, string> = o.at === undefined ? {} : { at: o.at.toISOString() }
    if (o.anchors !== undefined) options['anchors'] = await put('anchors.json', JSON.stringify(o.anchors))
    if (o.policy !== undefined) options['policy'] = await put('policy.json', JSON.stringify(o.policy))
    const command = evidenceCommands.find(({ words }) => words[1] === 'verify')!
    const result = await command.run({ args, options } as unknown as CommandContext)
    const exit = Number(process.exitCode)
    const { check, verdict } = result!.data as { check: Check; verdict: string }
    const first = firstFailure(check)
    return {
      exit,
      reason: first === undefined ? verdict : named(first),
      reasons: failures(check).map(named),
      text: (result!.lines ?? []).join('\n'),
    }
  } finally {
    process.exitCode = 0
    await rm(folder, { recursive: true })
  }
}

/** The attestation service's refusal: status, code, and the details' codes or the shortcomings that they name. */
export function refusal({ status, body }: Answer): string {
  const { error } = body as { error?: { code: string; details?: { code: string; message: string }[] } }
  if (error === undefined) return `${status}`
  return `${status} ${error.code} ${(error.details ?? []).map(({ code, message }) => `${code}: ${message}`).join(' | ')}`.trim()
}
