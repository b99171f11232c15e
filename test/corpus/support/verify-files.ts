import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Judgement } from '@strongroom/evidence/files'
import { evidenceCommands } from '../../../apps/cli/src/commands/evidence.ts'
import type { CommandContext } from '../../../apps/cli/src/core/command.ts'

/** Content by name; objects are written as JSON. */
export type Files = Record<string, string | Uint8Array | object>

/**
 * Runs `evidence verify` on these files, under the folder's `anchors.json`.
 * @returns the exit code; the fault's code, or the verdict; the printed output
 */
export async function verifyFiles(
  o: { folder: string; at: Date },
  files: Files,
  options: Record<string, string> = {},
): Promise<[exit: number, code: string, text: string]> {
  const args: string[] = []
  for (const [name, content] of Object.entries(files)) {
    const path = join(o.folder, name)
    const bytes = typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content)
    await writeFile(path, bytes)
    args.push(path)
  }
  const command = evidenceCommands.find(({ words }) => words[1] === 'verify')!
  process.exitCode = 0
  const anchors = join(o.folder, 'anchors.json')
  const context = { args, options: { at: o.at.toISOString(), anchors, ...options } }
  const result = await command.run(context as unknown as CommandContext)
  const { verdict, code } = result!.data as Judgement
  return [Number(process.exitCode), code ?? verdict, result!.lines!.join('\n')]
}
